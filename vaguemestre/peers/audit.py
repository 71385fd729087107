"""A whole audit: of a running sandbox, where everything is done here, or of any operator, whose people do their part."""

from __future__ import annotations

import json
import smtplib
import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certs.routes import format_address, read_routes, set_route, unset_route
from vaguemestre.peers import receiving, visiting
from vaguemestre.peers.letter import audit_letter
from vaguemestre.peers.matrix import Direction, PeerCase, PeersUnusable, Verdict, described
from vaguemestre.peers.receiving import Receptions
from vaguemestre.sandbox_peers import WITHOUT_TLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vaguemestre.peers.matrix import Peers
    from vaguemestre.peers.receiving import Reception

ROBOT = "reponse.automatique-test"
"""The box that answers each message once (the CNAM's entry in the real list names it)."""
_SUBMIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Operator:
    """Who is audited: where its MX listens, and a box of it."""

    host: str
    port: int
    box: str

    @property
    def answers(self) -> bool:
        """Whether the box is one that answers by itself."""
        return self.box.partition("@")[0].lower() == ROBOT


@dataclass(frozen=True, slots=True)
class Audit:
    """What is needed for both directions. `ca_file` is the chain that the operator's certificate must have."""

    peers: Peers
    ca_file: Path
    operator: Operator | None
    """None when nobody is visited."""
    listen: str
    wait_seconds: float

    def inward(self) -> Iterator[Verdict]:
        """Visits the operator. Raises TlsUnusable."""
        assert self.operator is not None
        operator = self.operator
        return visiting.inspect(operator.host, operator.port, self.peers, operator.box, self.ca_file)

    def play(
        self, directions: frozenset[Direction], sending: Callable[[Receptions], Mapping[PeerCase, str]]
    ) -> Iterator[Verdict]:
        """The verdicts in order.

        `sending` has the operator send to each peer, and says for which ones it did not even take the message.
        Raises PeersUnusable when a peer cannot listen, TlsUnusable.
        """
        if Direction.OUT not in directions:
            yield from self.inward()
            return
        with Receptions(self.peers, self.listen, self.ca_file) as receptions:
            refused = sending(receptions)
            # With the peers listening already, an answer to what the valid one sends arrives too.
            if Direction.IN in directions:
                yield from self.inward()
            yield from self._outward(receptions, refused, answered=Direction.IN in directions)

    def _outward(
        self, receptions: Receptions, refused: Mapping[PeerCase, str], *, answered: bool
    ) -> Iterator[Verdict]:
        awaits_answer = answered and self.operator is not None and self.operator.answers

        def done(reception: Reception) -> bool:
            if awaits_answer and reception.peer.case is PeerCase.VALID:
                return reception.was_tried and bool(_answers(reception))
            return reception.was_tried or reception.peer.case in refused

        receiving.wait_for_all(receptions, done, self.wait_seconds)
        for reception in receptions.all:
            yield receiving.judge(reception, refused.get(reception.peer.case, ""))
        if awaits_answer:
            yield _judge_answers(receptions.of(PeerCase.VALID))


def _answers(reception: Reception) -> int:
    """How many automatic answers came for the mailbox of the audit."""
    return sum(
        letter.is_automatic and bool(letter.answers) and reception.peer.mailbox in letter.recipients
        for conversation in list(reception.conversations)
        for letter in conversation.letters
    )


def _judge_answers(reception: Reception) -> Verdict:
    came = _answers(reception)
    told = {0: "no answer came", 1: "one answer came"}.get(came, f"{came} answers came")
    return Verdict(Direction.OUT, "auto-answer", "one answer to one message", told, came == 1)


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox as its `sandbox.json` describes it."""

    home: Path
    described: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, home: Path) -> RunningSandbox:
        """Raises PeersUnusable when no sandbox is served there."""
        file = home / "sandbox.json"
        try:
            found = cls(home, json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise PeersUnusable(
                f"no sandbox is served in {home}: `vaguemestre sandbox --home {home}` does"
            ) from error
        except (OSError, ValueError) as error:
            raise PeersUnusable(f"{file} cannot be read: {error}") from error
        return found

    @property
    def peers(self) -> Peers:
        return described(self.described["peers"], WITHOUT_TLS)

    @property
    def ca_file(self) -> Path:
        return Path(self.described["ca_file"])

    def audit(self, box: str | None, wait_seconds: float) -> Audit:
        """The audit of this sandbox; its robot is written to where no other box is named."""
        host, domain = self.described["host"], self.described["domains"][0]
        operator = Operator(host, self.described["ports"]["mx"], box or f"{ROBOT}@{domain}")
        return Audit(self.peers, self.ca_file, operator, host, wait_seconds)

    @contextmanager
    def routed(self) -> Iterator[Callable[[Receptions], Mapping[PeerCase, str]]]:
        """Sends to the peers of an audit when asked; their routes are set back afterwards. Raises RoutesUnusable."""
        before = read_routes(self.home)
        domains = [peer.domain for peer in self.peers.values()]

        def send(receptions: Receptions) -> Mapping[PeerCase, str]:
            for each in receptions.all:
                set_route(self.home, each.peer.domain, f"{self.described['host']}:{each.port}")
            return self._submit(receptions)

        try:
            yield send
        finally:
            for domain in domains:
                if domain in before:
                    set_route(self.home, domain, format_address(before[domain]))
                else:
                    unset_route(self.home, domain)

    def _submit(self, receptions: Receptions) -> dict[PeerCase, str]:
        """One message to each peer from a box of the sandbox; what it refused at once, by case."""
        box = next((each for each in self.described["bals"] if each["password"]), None)
        if box is None:
            raise PeersUnusable("the sandbox has no box to send from: it was made with --empty")
        refused: dict[PeerCase, str] = {}
        host, port = self.described["host"], self.described["ports"]["submission"]
        try:
            with smtplib.SMTP(host, port, timeout=_SUBMIT_SECONDS) as smtp:
                smtp.starttls(context=ssl.create_default_context(cafile=str(self.ca_file)))
                smtp.login(box["address"], box["password"])
                for each in receptions.all:
                    content = audit_letter(box["address"], each.peer.mailbox).encode()
                    try:
                        smtp.sendmail(box["address"], [each.peer.mailbox], content)
                    except smtplib.SMTPRecipientsRefused as refusal:
                        refused[each.peer.case] = _sentence(*next(iter(refusal.recipients.values())))
                    except smtplib.SMTPResponseException as refusal:
                        refused[each.peer.case] = _sentence(refusal.smtp_code, refusal.smtp_error)
        except (OSError, smtplib.SMTPException) as error:
            raise PeersUnusable(f"the sandbox takes no message to send: {error}") from error
        return refused


def _sentence(code: int, text: bytes | str) -> str:
    said = text.decode("ascii", errors="replace") if isinstance(text, bytes) else text
    return f"{code} {said.splitlines()[0] if said else ''}".rstrip()
