"""The operator sends to each peer, which is us: a listener for each, with that peer's certificate, that notes what is said."""

from __future__ import annotations

import re
import socket
import socketserver
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from certs.tls import Trust, mutual_server_context, peer_name
from vaguemestre.peers.matrix import Direction, PeerCase, PeersUnusable, Verdict
from vaguemestre.peers.wire import Ended, Ending, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from vaguemestre.peers.matrix import AuditPeer, Peers

_STEP_SECONDS = 60.0
_MOST_COMMANDS = 1000
_KEPT_CONTENT = 65_536
_SECOND_THOUGHTS = 1.0
_HARMLESS_IN_CLEAR = frozenset({"EHLO", "HELO", "STARTTLS", "NOOP", "RSET", "QUIT"})
_EXPECTED_VALID = "delivered over TLS, with the operator's certificate"
_EXPECTED_WRONG = "no MAIL over TLS, nothing in clear but EHLO and STARTTLS"
_EXPECTED_CLEAR = "nothing in clear but EHLO"


@dataclass(frozen=True, slots=True)
class Letter:
    """One message that was taken: its envelope, and what tells an answer from anything else."""

    sender: str
    recipients: tuple[str, ...]
    answers: str
    """The Message-ID in its In-Reply-To, "" without one."""
    is_automatic: bool


@dataclass(slots=True)
class Conversation:
    """What the operator did on one connection."""

    said_hello: bool = False
    in_clear: list[str] = field(default_factory=list)
    """Verbs that must not be said in clear, never their arguments."""
    after_tls: list[str] = field(default_factory=list)
    """MAIL and what follows it, over TLS."""
    encrypted: bool = False
    client: str | None = None
    """The name in the operator's certificate; None when it showed none."""
    ended: str = ""
    """How it broke off, "" when it came to its end."""
    distrusted: bool = False
    """Whether we could not believe the operator's own certificate."""
    letters: list[Letter] = field(default_factory=list)


class Reception:
    """The listener of one peer."""

    def __init__(self, peer: AuditPeer, host: str, ca_file: Path) -> None:
        """Listens from here on; `close` ends it. Raises PeersUnusable, TlsUnusable."""
        self.peer = peer
        self.conversations: list[Conversation] = []
        self._changed = threading.Condition()
        context = _context(peer, ca_file)
        try:
            self._server = _Server((host, peer.port), lambda connection: self._converse(connection, context))
        except OSError as error:
            raise PeersUnusable(
                f"the peer {peer.case} cannot listen on {host}:{peer.port} ({error.strerror or error})"
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def was_tried(self) -> bool:
        """Whether the operator came, spoke and left; the valid peer is tried once a message has come."""
        ended = list(self.conversations)
        if self.peer.case is PeerCase.VALID:
            return any(each.letters for each in ended)
        return any(each.said_hello for each in ended)

    def wait(self, holds: Callable[[Reception], bool], seconds: float) -> bool:
        """Waits until `holds`, looked at after each conversation."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self), timeout=max(0.0, seconds))

    def _converse(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        seen = Conversation()
        with Wire(connection, _STEP_SECONDS) as wire:
            try:
                _Host(wire, seen, context).serve()
            except Ended as ended:
                seen.ended = str(ended)
                seen.distrusted = ended.ending is Ending.DISTRUSTED
        with self._changed:
            self.conversations.append(seen)
            self._changed.notify_all()


class Receptions:
    """The listeners of all peers."""

    def __init__(self, peers: Peers, host: str, ca_file: Path) -> None:
        self.all: list[Reception] = []
        try:
            for peer in peers.values():
                self.all.append(Reception(peer, host, ca_file))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for each in self.all:
            each.close()

    def of(self, case: PeerCase) -> Reception:
        return next(each for each in self.all if each.peer.case is case)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], converse: Callable[[socket.socket], None]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._converse = converse
        super().__init__(address, socketserver.BaseRequestHandler)

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._converse(request)


def _context(peer: AuditPeer, ca_file: Path) -> ssl.SSLContext | None:
    if peer.identity is None:
        return None
    # A client without a certificate is let in: the verdict says that it showed none.
    return mutual_server_context(peer.identity, Trust(ca_file), ssl.CERT_OPTIONAL)


class _Host:
    """Our side of one conversation: as obliging as a mail server can be, so that every refusal is the operator's."""

    def __init__(self, wire: Wire, seen: Conversation, context: ssl.SSLContext | None) -> None:
        self._wire = wire
        self._seen = seen
        self._context = context
        self._sender = ""
        self._recipients: list[str] = []

    def serve(self) -> None:
        self._wire.say("220 check-peers ESMTP")
        for _ in range(_MOST_COMMANDS):
            line = self._wire.line()
            verb = line.partition(" ")[0].upper()
            self._note(verb)
            if verb == "QUIT":
                self._wire.say("221 2.0.0 check-peers")
                return
            self._answer(verb, line)

    def _note(self, verb: str) -> None:
        if verb in ("EHLO", "HELO"):
            self._seen.said_hello = True
        elif self._seen.encrypted:
            if verb not in _HARMLESS_IN_CLEAR:
                self._seen.after_tls.append(_shown(verb))
        elif verb not in _HARMLESS_IN_CLEAR:
            self._seen.in_clear.append(_shown(verb))

    def _answer(self, verb: str, line: str) -> None:
        wire = self._wire
        match verb:
            case "EHLO":
                offered = ["check-peers", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "SIZE"]
                if self._context is not None and not self._seen.encrypted:
                    offered.append("STARTTLS")
                wire.say("\r\n".join([*(f"250-{each}" for each in offered[:-1]), f"250 {offered[-1]}"]))
            case "STARTTLS" if self._context is not None and not self._seen.encrypted:
                self._encrypt(self._context)
            case "MAIL":
                self._sender, self._recipients = _path(line), []
                wire.say("250 2.1.0 Ok")
            case "RCPT":
                self._recipients.append(_path(line))
                wire.say("250 2.1.5 Ok")
            case "DATA":
                wire.say("354 Go on")
                self._take(wire.content(_KEPT_CONTENT))
                wire.say("250 2.0.0 Ok")
            case "HELO" | "NOOP" | "RSET":
                wire.say("250 2.0.0 Ok")
            case _:
                wire.say("502 5.5.1 Not here")

    def _encrypt(self, context: ssl.SSLContext) -> None:
        wire = self._wire
        if wire.unread:
            # It did not wait for our answer: what follows STARTTLS is in clear.
            self._seen.in_clear.append(_shown(wire.line().partition(" ")[0].upper()))
        wire.say("220 2.0.0 Go on")
        if not wire.begins_tls():
            self._seen.in_clear.append(_shown(wire.line().partition(" ")[0].upper()))
            raise Ended(Ending.GARBLED, "went on in clear after STARTTLS")
        wire.meet_client(context)
        self._seen.encrypted = True
        if wire.tls is not None and (name := peer_name(wire.tls)) is not None:
            self._seen.client = str(name)

    def _take(self, content: bytes) -> None:
        header = content.partition(b"\r\n\r\n")[0].decode("utf-8", errors="replace")
        self._seen.letters.append(
            Letter(
                self._sender,
                tuple(self._recipients),
                _field(header, "In-Reply-To"),
                _field(header, "Auto-Submitted").lower() not in ("", "no"),
            )
        )


def _shown(verb: str) -> str:
    """A verb is shown, anything else is not: it may be content."""
    return verb if re.fullmatch(r"[A-Z]{3,8}", verb) else "something else"


def _path(line: str) -> str:
    found = re.search(r"<([^>]*)>", line)
    return found.group(1) if found else ""


def _field(header: str, name: str) -> str:
    found = re.search(rf"(?im)^{name}:[ \t]*(.*)$", header)
    return found.group(1).strip() if found else ""


def judge(reception: Reception, refused_at_once: str = "") -> Verdict:
    """What the operator's conversations with one peer prove.

    `refused_at_once` is what the operator said when it did not even take the message for this peer.
    """
    case, seen = reception.peer.case, list(reception.conversations)
    expected = {PeerCase.VALID: _EXPECTED_VALID, PeerCase.NO_TLS: _EXPECTED_CLEAR}.get(case, _EXPECTED_WRONG)

    def verdict(observed: str, *, holds: bool) -> Verdict:
        return Verdict(Direction.OUT, case, expected, observed, holds)

    clear = [verb for each in seen for verb in each.in_clear]
    if clear:
        return verdict(f"{_listed(clear)} said in clear", holds=False)
    if case is PeerCase.VALID:
        return _judge_valid(seen, refused_at_once, verdict)
    over_tls = [verb for each in seen for verb in each.after_tls]
    if over_tls:
        return verdict(f"{_listed(over_tls)} said to this certificate", holds=False)
    if refused_at_once:
        # "Try again" is no answer: the message might leave the next time.
        return verdict(
            f"refused its own sender at once: {refused_at_once}", holds=refused_at_once.startswith("5")
        )
    tried = [each for each in seen if each.said_hello]
    if not tried:
        return verdict("not tried: the operator did not come", holds=False)
    if all(each.distrusted for each in tried):
        return verdict(f"cannot be judged: {tried[-1].ended}", holds=False)
    return verdict(_way_out(tried[-1]), holds=True)


def _judge_valid(
    seen: Sequence[Conversation], refused_at_once: str, verdict: Callable[..., Verdict]
) -> Verdict:
    delivered = next((each for each in seen if each.letters), None)
    if delivered is not None:
        if delivered.client is None:
            return verdict("delivered without showing a certificate", holds=False)
        return verdict(f"delivered by {delivered.client}", holds=True)
    if refused_at_once:
        return verdict(f"refused its own sender at once: {refused_at_once}", holds=False)
    came = [each for each in seen if each.said_hello]
    if not came:
        return verdict("not tried: the operator did not come", holds=False)
    return verdict(f"not delivered: {_way_out(came[-1])}", holds=False)


def _way_out(conversation: Conversation) -> str:
    if conversation.encrypted:
        return "left after the TLS handshake"
    if conversation.ended:
        return conversation.ended
    return "left after EHLO"


def _listed(verbs: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(verbs))


def wait_for_all(receptions: Receptions, done: Callable[[Reception], bool], seconds: float) -> None:
    """Returns when every peer is `done`, or after so many seconds."""
    until = time.monotonic() + seconds
    for each in receptions.all:
        each.wait(done, until - time.monotonic())
    # One that falls back to clear does it right after what failed.
    time.sleep(min(_SECOND_THOUGHTS, max(0.0, until - time.monotonic())))
