"""`vaguemestre check-peers`: the audit matrix of the espace de confiance, played against any operator."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certs.routes import RoutesUnusable, format_address, parse_address
from vaguemestre.cli.output import Failed, Json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from vaguemestre.peers.audit import Audit, RunningSandbox
    from vaguemestre.peers.matrix import Direction, PeerCase, Verdict
    from vaguemestre.peers.receiving import Receptions

_EXAMPLE = "Example: vaguemestre check-peers --address mx.exemple.mssante.fr:25 --to essai@exemple.mssante.fr --peers peers"


class Which(StrEnum):
    """Which direction is played."""

    IN = "in"
    OUT = "out"
    BOTH = "both"


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command(epilog=_EXAMPLE)(check_peers)


def check_peers(
    home: Annotated[
        Path | None, typer.Option(help="A running sandbox: all is done by itself, routes are set back.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="MX of the operator to audit, host:port.")] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="A box of the operator (the sandbox: reponse.automatique-test@ of its first domain)."
        ),
    ] = None,
    peers: Annotated[
        Path | None,
        typer.Option(help="Folder whose peers.toml names domain, certificate and key of each case."),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(help="Chain that the operator's certificate must have, PEM (ca.pem of the folder)."),
    ] = None,
    direction: Annotated[
        Which, typer.Option(help="in: we visit it as each peer; out: it sends to each peer, which is us.")
    ] = Which.BOTH,
    listen: Annotated[str, typer.Option(help="Address the peers listen on.")] = "127.0.0.1",
    wait: Annotated[
        float,
        typer.Option(
            min=1,
            max=86_400,
            help="Seconds until the operator has tried every peer; for an answer up to 60 more.",
        ),
    ] = 60,
    export: Annotated[
        Path | None,
        typer.Option(help="Only writes the peers of the sandbox, and what the other operator needs, here."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Plays the eight peers of the audit (valid, expired, revoked, foreign authority, DN not listed, listed for
    another domain, same CN but another DN, without TLS) against an operator, and says what it did with each.

    Inward also: the null sender, a From of another domain, relaying, no certificate. Fails unless every case held.
    In both directions the operator is visited once its message for the valid peer has come. With --home a running
    sandbox is audited; --export writes its peers for --peers.
    """
    from vaguemestre.peers.audit import RunningSandbox
    from vaguemestre.peers.matrix import PeersUnusable

    if (home is None) == (address is None and peers is None):
        raise typer.BadParameter("give --home SANDBOX, or --peers FOLDER with --address HOST:PORT")
    if home is not None and ca is not None:
        raise typer.BadParameter("goes with --peers FOLDER", param_hint="'--ca'")
    try:
        if home is None:
            if export is not None:
                raise typer.BadParameter("goes with --home SANDBOX", param_hint="'--export'")
            _finish(_of_any_operator(address, to, peers, ca, direction, listen, wait), as_json=as_json)
            return
        sandbox = RunningSandbox.read(home)
        if export is not None:
            _export(sandbox, export, as_json=as_json)
            return
        with _told_to_stop_as_by_ctrl_c(), sandbox.routed() as sending:
            _finish(sandbox.audit(to, wait).play(_directions(direction), sending), as_json=as_json)
    except (PeersUnusable, RoutesUnusable) as error:
        raise Failed(str(error)) from error


@contextmanager
def _told_to_stop_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM unwinds too, so that routes are set back."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _of_any_operator(
    address: str | None,
    to: str | None,
    peers: Path | None,
    ca: Path | None,
    direction: Which,
    listen: str,
    wait: float,
) -> Iterable[Verdict]:
    from vaguemestre.peers.audit import Audit, Operator
    from vaguemestre.peers.matrix import CA_FILE, read_folder

    if peers is None:
        raise typer.BadParameter("which peers?", param_hint="'--peers'")
    operator = None
    if direction is not Which.OUT:
        if address is None or to is None:
            raise typer.BadParameter("needed to visit the operator", param_hint="'--address', '--to'")
        operator = Operator(*parse_address(address), to)
    chain = ca or peers / CA_FILE
    audit = Audit(read_folder(peers), chain, operator, listen, wait)
    return audit.play(_directions(direction), lambda receptions: _instruct(receptions, audit))


def _instruct(receptions: Receptions, audit: Audit) -> Mapping[PeerCase, str]:
    """Tells the operator's people what to send; nothing is known to be refused."""
    from vaguemestre.peers.matrix import PeerCase

    print(
        f"Send one message from the operator to each of these within {audit.wait_seconds:.0f} s:",
        file=sys.stderr,
    )
    for each in receptions.all:
        where = format_address((audit.listen, each.port))
        print(f"  {each.peer.mailbox:<45} whose mail server is {where}", file=sys.stderr, flush=True)
    if audit.operator is not None:
        first = receptions.of(PeerCase.VALID).peer.mailbox
        print(f"The operator is visited once the message to {first} has come.", file=sys.stderr, flush=True)
    return {}


def _directions(which: Which) -> frozenset[Direction]:
    from vaguemestre.peers.matrix import Direction

    return frozenset(Direction) if which is Which.BOTH else frozenset({Direction(which.value)})


def _finish(verdicts: Iterable[Verdict], *, as_json: bool) -> None:
    from vaguemestre.peers import report

    if as_json:
        told = list(verdicts)
        print(report.as_json(told))
    else:
        told = report.tell(verdicts, sys.stdout)
    if (sentence := report.failures(told)) is not None:
        raise Failed(sentence)
    if not as_json:
        print(f"all {len(told)} cases hold", file=sys.stderr)


def _export(sandbox: RunningSandbox, folder: Path, *, as_json: bool) -> None:
    from vaguemestre.cli.output import show
    from vaguemestre.peers.matrix import write_folder

    written = write_folder(folder, sandbox.peers, sandbox.papers)
    show([{"written": str(path)} for path in written], ("written",), as_json=as_json)
