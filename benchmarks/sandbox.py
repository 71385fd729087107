"""Starts our own service, `vaguemestre sandbox --plain`, in a folder that is wiped afterwards."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.target import HOST, Between, Identity, Target, Unavailable
from benchmarks.tls_sink import Sink
from vaguemestre.sandbox_process import DidNotStart, SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "Vaguemestre"


@contextmanager
def running() -> Iterator[Target]:
    """A sandbox with listeners without TLS, and its valid peer as a sink; stopped on the way out.

    Raises `Unavailable`.
    """
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with SandboxProcess(folder / "sandbox", "--plain") as sandbox:
            valid = next(each for each in sandbox.described["peers"] if each["case"] == "valid")
            peer = Identity(valid["certificate"], valid["key"])
            with Sink(folder / "sink", peer, sandbox.ca_file) as sink:
                done = sandbox.command("routes", "set", valid["domain"], f"{HOST}:{sink.port}")
                if done.returncode:
                    raise Unavailable(f"the sandbox takes no route: {done.stderr.strip()}")
                yield _target(sandbox, peer, f"banc@{valid['domain']}", sink)
    except DidNotStart as error:
        raise Unavailable(f"the sandbox did not start: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _target(sandbox: SandboxProcess, peer: Identity, peer_box: str, sink: Sink) -> Target:
    box = sandbox.boxes("PER")[0]
    pki = sandbox.home / "pki"
    return Target(
        name=NAME,
        smtp_port=sandbox.port("mx_plain"),
        imap_port=sandbox.port("imap_plain"),
        sender="banc@expediteur.mssante.fr",
        recipient=box.address,
        login=box.address,
        password=box.password,
        pids=(sandbox.process.pid,),
        between=Between(
            mx_port=sandbox.port("mx"),
            submission_port=sandbox.port("submission_plain"),
            sign_in=True,
            author=box.address,
            own=Identity(str(pki / "server.pem"), str(pki / "server.key")),
            peer=peer,
            peer_box=peer_box,
            ca_file=sandbox.ca_file,
            sink=sink,
        ),
    )
