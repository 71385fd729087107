"""Starts our own service, `vaguemestre sandbox --plain`, in a folder that is wiped afterwards."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.target import Target, Unavailable
from vaguemestre.sandbox_process import DidNotStart, SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "Vaguemestre"


@contextmanager
def running() -> Iterator[Target]:
    """A sandbox with listeners without TLS, stopped on the way out; raises `Unavailable`."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with SandboxProcess(folder / "sandbox", "--plain") as sandbox:
            yield _target(sandbox)
    except DidNotStart as error:
        raise Unavailable(f"the sandbox did not start: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _target(sandbox: SandboxProcess) -> Target:
    box = sandbox.boxes("PER")[0]
    return Target(
        name=NAME,
        smtp_port=sandbox.port("mx_plain"),
        imap_port=sandbox.port("imap_plain"),
        sender="banc@expediteur.mssante.fr",
        recipient=box.address,
        login=box.address,
        password=box.password,
        pids=(sandbox.process.pid,),
    )
