"""A session by IMAP, seen from its transcript: TLS first, a token, IDLE ended properly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dmp_bridge.check.message_rules_table import MESSAGE_RULES
from dmp_bridge.check.report import Weight
from dmp_bridge.check.transcript import Attempt, sign_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dmp_bridge.check.report import Finding
    from dmp_bridge.check.transcript import Turn

_IMAP: Final = MESSAGE_RULES["ECO.1.0.2"]  # ref: ECO.1.0.2
_IDLE: Final = MESSAGE_RULES["RFC2177"]

_CODE: Final = re.compile(r"\[CAPABILITY ([^\]]*)\]", re.IGNORECASE)
_TAGGED: Final = re.compile(r"([^\s+*(){%\"\\\]]{1,80}) (OK|NO|BAD)\b", re.IGNORECASE)


def examine_imap(turns: list[Turn]) -> list[Finding]:
    """The findings on a conversation by IMAP (RFC 3501, RFC 9051)."""
    return list(_Session(turns).findings())


class _Session:
    """Walks through the turns once and keeps what the server offered and what the client asked."""

    def __init__(self, turns: list[Turn]) -> None:
        self._turns = turns
        self._offered: frozenset[str] = frozenset()
        self._offered_starttls = False
        self._tls = False
        self._attempts: list[Attempt] = []
        self._found: list[Finding] = []
        self._idle: Turn | None = None
        self._idled = False
        self._commands: dict[str, str] = {}

    def findings(self) -> Iterator[Finding]:
        for turn in self._turns:
            if turn.is_client:
                self._client(turn)
            else:
                self._server(turn)
        for attempt in self._attempts:
            # A server that hangs up behind its challenge has refused as well.
            if attempt.accepted is None and attempt.challenged:
                attempt.accepted = False
        yield from self._opening()
        yield from sign_in(self._attempts)
        yield from self._found
        if not self._idled:
            yield _IDLE.not_applicable("IDLE n'est pas employé.")

    def _opening(self) -> Iterator[Finding]:
        broken = any(finding.rule == _IMAP.id for finding in self._found)
        if self._tls and not broken:
            yield _IMAP.holds("échange", "STARTTLS avant l'authentification.")
        elif not self._tls and not broken:
            yield _IMAP.not_applicable(
                "STARTTLS n'est pas offert : TLS dès la connexion (port 993) ne se voit pas ici."
            )

    def _greet(self) -> None:
        """A new connection: what was agreed on the last one counts no more."""
        self._offered, self._offered_starttls, self._tls = frozenset(), False, False
        self._idle = None

    def _client(self, turn: Turn) -> None:
        attempt = self._attempts[-1] if self._attempts else None
        if attempt is not None and attempt.accepted is None:
            # Until its tagged answer, what the client says belongs to the exchange of the mechanism.
            if attempt.challenged:
                attempt.answered_challenge = turn.text
            else:
                attempt.response = turn.text
            return
        if self._idle is not None:
            self._end_idle(turn)
            if turn.text.upper() == "DONE":
                return
        tag, _, rest = turn.text.partition(" ")
        verb, _, arguments = rest.partition(" ")
        verb = verb.upper()
        self._commands[tag] = verb
        if verb == "LOGIN":
            self._sign_in(turn, "LOGIN", "")
        elif verb == "AUTHENTICATE":
            mechanism, _, response = arguments.partition(" ")
            self._sign_in(turn, mechanism.upper()[:40], response.strip())
        elif verb == "IDLE":
            self._idle, self._idled = turn, True

    def _sign_in(self, turn: Turn, mechanism: str, response: str) -> None:
        if not self._tls and self._offered_starttls:
            self._found.append(
                _IMAP.fails(
                    turn.place,
                    f"{mechanism} avant STARTTLS, que le serveur offre.",
                    "Ouvrir TLS par STARTTLS d'abord.",
                )
            )
        elif self._tls and not self._offered:
            self._found.append(
                _IMAP.fails(
                    turn.place,
                    "Les capacités n'ont pas été redemandées après STARTTLS.",
                    "Envoyer CAPABILITY une fois TLS ouvert (RFC 9051 §6.2.1).",
                    Weight.RECOMMENDED,
                )
            )
        in_tls = True if self._tls else (False if self._offered_starttls else None)
        offered = frozenset(each[5:] for each in self._offered if each.startswith("AUTH="))
        self._attempts.append(Attempt(turn, mechanism, in_tls, offered, response))

    def _end_idle(self, turn: Turn) -> None:
        assert self._idle is not None
        if turn.text.upper() == "DONE":
            self._found.append(_IDLE.holds(turn.place, "IDLE terminé par DONE."))
        else:
            self._found.append(
                _IDLE.fails(
                    turn.place,
                    "Une commande est envoyée pendant IDLE.",
                    "Envoyer DONE, attendre OK, puis la commande.",
                )
            )
        self._idle = None

    def _server(self, turn: Turn) -> None:
        text = turn.text
        if text.upper().startswith("* OK") and not self._commands:
            self._greet()
        listed = _CODE.search(text)
        if listed is not None:
            self._offer(listed[1])
        elif text.upper().startswith("* CAPABILITY "):
            self._offer(text[len("* CAPABILITY ") :])
        attempt = self._attempts[-1] if self._attempts else None
        if text.startswith("+") and attempt is not None and attempt.accepted is None:
            attempt.challenged = attempt.challenged or bool(attempt.response and text[1:].strip())
        answer = _TAGGED.match(text)
        if answer is None:
            return
        verb, fine = self._commands.pop(answer[1], ""), answer[2].upper() == "OK"
        if verb == "STARTTLS" and fine:
            self._tls, self._offered = True, frozenset()
        elif verb in ("LOGIN", "AUTHENTICATE") and attempt is not None:
            attempt.accepted = fine

    def _offer(self, listed: str) -> None:
        self._offered = frozenset(listed.upper().split())
        self._offered_starttls = self._offered_starttls or "STARTTLS" in self._offered
