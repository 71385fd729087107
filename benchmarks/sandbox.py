"""Starts our own service, `vaguemestre sandbox --plain`, in a folder that is wiped afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.target import HOST, Account, Between, Identity, Target, Unavailable
from benchmarks.tls_sink import Sink
from vaguemestre.sandbox_process import DidNotStart, SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "Vaguemestre"
_LIMITS = {
    "VAGUEMESTRE_LIMITS__CONNECTIONS": "10000",
    "VAGUEMESTRE_LIMITS__CONNECTIONS_PER_ADDRESS": "10000",
    "VAGUEMESTRE_LIMITS__CONNECTIONS_PER_PERSON": "10000",
}
"""Like the rival's: every client of a benchmark has the same address and mailbox."""


@contextmanager
def running(*, accompanied: bool) -> Iterator[Target]:
    """A sandbox with listeners without TLS, its valid peer as a sink, and where asked for a second sandbox
    that has joined it; stopped on the way out. Raises `Unavailable`.
    """
    os.environ.update(_LIMITS)
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with ExitStack() as started:
            first = started.enter_context(SandboxProcess(folder / "first", "--plain"))
            valid = next(each for each in first.described["peers"] if each["case"] == "valid")
            peer = Identity(valid["certificate"], valid["key"])
            sink = started.enter_context(Sink(folder / "sink", peer, first.ca_file))
            done = first.command("routes", "set", valid["domain"], f"{HOST}:{sink.port}")
            if done.returncode:
                raise Unavailable(f"the sandbox takes no route: {done.stderr.strip()}")
            target = _target(first, peer, f"banc@{valid['domain']}", sink)
            if accompanied:
                second = SandboxProcess(folder / "second", "--plain", "--join", str(first.home))
                started.enter_context(second)
                target = replace(target, companion=_target(second, peer, target.recipient, sink))
            yield target
    except DidNotStart as error:
        raise Unavailable(f"the sandbox did not start: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _target(sandbox: SandboxProcess, peer: Identity, peer_box: str, sink: Sink) -> Target:
    box, other = sandbox.boxes("PER")[:2]
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
        reader=Account(other.address, other.password),
        again=partial(running, accompanied=False),
        imaps_port=sandbox.port("imaps"),
        ldap_port=sandbox.port("ldap"),
        web_port=urlsplit(sandbox.url).port,
        home=sandbox.home,
        ca_file=sandbox.ca_file,
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
