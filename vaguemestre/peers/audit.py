"""A whole audit: of a running sandbox, where everything is done here, or of any operator, whose people do their part."""

from __future__ import annotations

import json
import smtplib
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certs.pki import Pki
from certs.routes import format_address, read_routes, set_route, unset_route
from mailserver.delivery.recipients import ROBOT
from vaguemestre.companions import authority_of
from vaguemestre.peers import receiving, visiting
from vaguemestre.peers.letter import audit_letter
from vaguemestre.peers.matrix import Direction, Papers, PeerCase, PeersUnusable, Verdict, described
from vaguemestre.peers.receiving import Receptions
from vaguemestre.sandbox_peers import WITHOUT_TLS, peer_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vaguemestre.peers.matrix import Peers
    from vaguemestre.peers.receiving import Reception

_SUBMIT_SECONDS = 60.0
_ANSWER_SECONDS = 60.0


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

        `sending` has the operator send to each peer, and says for which ones it did not even take the message. The
        operator is visited only once its message for the valid peer has come, or its time is up: until then its people
        may still be setting routes, and what the valid visitor sends is answered to that very peer.
        Raises PeersUnusable when a peer cannot listen, TlsUnusable.
        """
        if Direction.OUT not in directions:
            yield from self.inward()
            return
        with Receptions(self.peers, self.listen, self.ca_file) as receptions:
            refused = sending(receptions)
            until = time.monotonic() + self.wait_seconds

            def done(reception: Reception) -> bool:
                return reception.was_tried or reception.peer.case in refused

            was_let_in = awaits_answer = False
            valid = receptions.of(PeerCase.VALID)
            if Direction.IN in directions:
                valid.wait(done, self.wait_seconds)
                for verdict in self.inward():
                    was_let_in |= verdict.case == PeerCase.VALID and verdict.holds
                    yield verdict
                awaits_answer = self.operator is not None and self.operator.answers
            if awaits_answer and was_let_in:
                patience = max(until - time.monotonic(), min(self.wait_seconds, _ANSWER_SECONDS))
                valid.wait(lambda each: bool(_answers(each)), patience)
            receiving.wait_for_all(receptions, done, until - time.monotonic())
            for reception in receptions.all:
                yield receiving.judge(reception, refused.get(reception.peer.case, ""))
            if awaits_answer:
                yield _judge_answers(valid, asked=was_let_in)


def _answers(reception: Reception) -> int:
    """How many automatic answers came for the mailbox of the audit."""
    return sum(
        letter.is_automatic and bool(letter.answers) and reception.peer.mailbox in letter.recipients
        for conversation in list(reception.conversations)
        for letter in conversation.letters
    )


def _judge_answers(reception: Reception, *, asked: bool) -> Verdict:
    came = _answers(reception)
    route = f"has the operator a route to {reception.peer.domain}?"
    missing = f"no answer came ({route if asked else 'it did not take the message'})"
    told = {0: missing, 1: "one answer came"}.get(came, f"{came} answers came")
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
        except OSError as error:
            raise PeersUnusable(f"{file} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise PeersUnusable(f"{file} is no JSON: {error}") from error
        return found

    @property
    def peers(self) -> Peers:
        return described(self.described["peers"], WITHOUT_TLS)

    @property
    def ca_file(self) -> Path:
        return Path(self.described["ca_file"])

    @property
    def papers(self) -> Papers:
        """What another operator needs to know the peers. Raises PkiUnusable."""
        pki = Pki.open(authority_of(self.home), datetime.now(UTC))
        listed = [(domain, str(name)) for domain, name in peer_entries()]
        return Papers(self.ca_file, pki.crl_file, tuple(dict.fromkeys(listed)))

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
        except smtplib.SMTPResponseException as error:
            said = _sentence(error.smtp_code, error.smtp_error)
            raise PeersUnusable(f"the sandbox takes no message to send: {said}") from error
        except smtplib.SMTPException as error:  # before OSError, of which it is one
            raise PeersUnusable(f"the sandbox takes no message to send: {error}") from error
        except OSError as error:
            raise PeersUnusable(
                f"the sandbox takes no message to send: {error.strerror or error} on {host}:{port}"
            ) from error
        return refused


def _sentence(code: int, text: bytes | str) -> str:
    said = text.decode("ascii", errors="replace") if isinstance(text, bytes) else text
    return f"{code} {said.splitlines()[0] if said else ''}".rstrip()
