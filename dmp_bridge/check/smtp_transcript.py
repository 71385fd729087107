"""A submission by SMTP, seen from its transcript: TLS first, a token, sizes, delivery notifications."""

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

_SMTP: Final = MESSAGE_RULES["ECO.1.0.1"]  # ref: ECO.1.0.1
_DSN: Final = MESSAGE_RULES["ECO.2.3.1"]  # ref: ECO.2.3.1
_SIZE: Final = MESSAGE_RULES["RFC1870"]
_DOMAIN: Final = MESSAGE_RULES["REF1.DOMAINE"]

_REPLY: Final = re.compile(r"(\d{3})([ -])?(.*)")
_NOTIFY: Final = re.compile(
    r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2}", re.IGNORECASE
)
_RET: Final = re.compile(r"FULL|HDRS", re.IGNORECASE)
_ORCPT: Final = re.compile(r"[A-Za-z0-9-]{1,40};[!-~]{1,500}")


# ref: ECO.2.3.1
def examine_smtp(turns: list[Turn]) -> list[Finding]:
    """The findings on a conversation by SMTP (RFC 5321)."""
    return list(_Session(turns).findings())


class _Session:
    """Walks through the turns once and keeps what the server offered and what the client asked."""

    def __init__(self, turns: list[Turn]) -> None:
        self._turns = turns
        self._offered: dict[str, str] = {}
        self._offered_starttls = False
        self._tls = False
        self._attempts: list[Attempt] = []
        self._found: list[Finding] = []
        self._dsn = False
        self._awaits_ehlo = False
        self._command: tuple[Turn, str, str] | None = None
        self._in_data = False

    def findings(self) -> Iterator[Finding]:
        for turn in self._turns:
            if not turn.is_client:
                self._reply(turn)
            elif self._in_data:
                self._in_data = turn.text != "."
            else:
                self._client(turn)
        for attempt in self._attempts:
            # A server that hangs up behind its challenge has refused as well.
            if attempt.accepted is None and attempt.challenged:
                attempt.accepted = False
        yield from self._opening()
        yield from sign_in(self._attempts)
        yield from self._found
        if not self._dsn:
            yield _DSN.not_applicable("Aucun accusé de remise (DSN) demandé.")

    def _opening(self) -> Iterator[Finding]:
        broken = any(finding.rule == _SMTP.id for finding in self._found)
        if self._tls and not broken:
            yield _SMTP.holds("échange", "EHLO, STARTTLS, puis EHLO de nouveau.")
        elif not self._tls and not broken:
            yield _SMTP.not_applicable(
                "STARTTLS n'est pas offert : TLS dès la connexion (port 465) ne se voit pas ici."
            )

    def _greet(self) -> None:
        """A new connection: what was agreed on the last one counts no more."""
        self._offered, self._offered_starttls, self._tls = {}, False, False
        self._command, self._in_data, self._awaits_ehlo = None, False, False
        if self._attempts and self._attempts[-1].accepted is None:
            self._attempts[-1].accepted = False

    def _client(self, turn: Turn) -> None:
        attempt = self._attempts[-1] if self._attempts else None
        if (
            attempt is not None
            and attempt.accepted is None
            and self._command is not None
            and self._command[1] == "AUTH"
        ):
            if attempt.challenged:
                attempt.answered_challenge = turn.text
            else:
                attempt.response = turn.text
            return
        verb, _, rest = turn.text.partition(" ")
        verb = verb.upper()
        if self._awaits_ehlo and verb != "EHLO":
            self._fault(
                turn,
                "Après STARTTLS, le client ne recommence pas par EHLO.",
                "Renvoyer EHLO dès que TLS est ouvert.",
            )
        self._awaits_ehlo = False
        self._command = (turn, verb, rest)
        if verb == "HELO":
            self._fault(turn, "HELO : aucune extension ne sera offerte.", "Commencer par EHLO.")
        elif verb == "AUTH":
            self._auth(turn, rest)
        elif verb == "MAIL":
            self._clear_text(turn, "MAIL")
            self._on_mail(turn, rest)
        elif verb == "RCPT":
            self._on_rcpt(turn, rest)

    def _auth(self, turn: Turn, rest: str) -> None:
        mechanism, _, response = rest.partition(" ")
        self._clear_text(turn, "AUTH")
        offered = frozenset(self._offered.get("AUTH", "").upper().split())
        in_tls = True if self._tls else (False if self._offered_starttls else None)
        self._attempts.append(Attempt(turn, mechanism.upper()[:40], in_tls, offered, response.strip()))

    def _clear_text(self, turn: Turn, verb: str) -> None:
        if not self._tls and self._offered_starttls:
            self._fault(
                turn, f"{verb} avant STARTTLS, que le serveur offre.", "Ouvrir TLS par STARTTLS d'abord."
            )

    def _fault(self, turn: Turn, says: str, advice: str) -> None:
        self._found.append(_SMTP.fails(turn.place, says, advice))

    def _reply(self, turn: Turn) -> None:
        match = _REPLY.match(turn.text)
        if match is None:
            return
        code, more, text = match[1], match[2] == "-", match[3]
        if code == "220" and (self._command is None or self._command[1] != "STARTTLS"):
            self._greet()
        if self._command is None:
            return
        asked, verb, _ = self._command
        if verb == "EHLO" and code == "250":
            keyword, _, value = text.partition(" ")
            self._offered[keyword.upper()] = value
            self._offered_starttls = self._offered_starttls or keyword.upper() == "STARTTLS"
        if more:
            return
        if verb == "STARTTLS" and code == "220":
            self._tls, self._awaits_ehlo, self._offered = True, True, {}
        elif verb == "AUTH":
            self._on_auth_reply(code, text)
        elif verb == "DATA" and code == "354":
            self._in_data = True
        elif verb == "MAIL" and code.startswith("5") and "5.7." in text:
            self._found.append(
                _DOMAIN.fails(
                    asked.place,
                    "Le serveur refuse l'expéditeur : son domaine n'est pas couvert par le certificat ou la liste blanche.",
                    "Envoyer sous un domaine que la liste blanche donne à ce certificat.",
                )
            )

    def _on_auth_reply(self, code: str, text: str) -> None:
        attempt = self._attempts[-1]
        if code == "334":
            attempt.challenged = attempt.challenged or bool(attempt.response and text.strip())
        elif attempt.accepted is None:
            attempt.accepted = code == "235"

    def _on_mail(self, turn: Turn, rest: str) -> None:
        parameters = _parameters(rest)
        if "SIZE" in self._offered:
            self._on_size(turn, parameters.get("SIZE"))
        wrong = []
        if "RET" in parameters and _RET.fullmatch(parameters["RET"]) is None:
            wrong.append("RET")
        self._on_dsn(turn, {"RET", "ENVID"} & parameters.keys(), wrong)

    def _on_size(self, turn: Turn, said: str | None) -> None:
        largest = self._offered["SIZE"].strip()
        if said is None:
            self._found.append(
                _SIZE.fails(turn.place, "La taille n'est pas annoncée.", "Ajouter SIZE=<octets> à MAIL FROM.")
            )
        elif not _is_number(said):
            self._found.append(_SIZE.fails(turn.place, "SIZE n'est pas un nombre.", "Écrire SIZE=<octets>."))
        elif _is_number(largest) and 0 < int(largest) < int(said):
            self._found.append(
                _SIZE.fails(
                    turn.place,
                    "Message plus gros que le serveur n'en prend.",
                    "Alléger le message.",
                    Weight.MANDATORY,
                )
            )
        else:
            self._found.append(_SIZE.holds(turn.place, "Taille annoncée."))

    def _on_rcpt(self, turn: Turn, rest: str) -> None:
        parameters = _parameters(rest)
        wrong = []
        if "NOTIFY" in parameters and _NOTIFY.fullmatch(parameters["NOTIFY"]) is None:
            wrong.append("NOTIFY")
        if "ORCPT" in parameters and _ORCPT.fullmatch(parameters["ORCPT"]) is None:
            wrong.append("ORCPT")
        self._on_dsn(turn, {"NOTIFY", "ORCPT"} & parameters.keys(), wrong)

    def _on_dsn(self, turn: Turn, used: set[str], wrong: list[str]) -> None:
        if not used:
            return
        self._dsn = True
        said = ", ".join(sorted(used))
        if "DSN" not in self._offered:
            self._found.append(
                _DSN.fails(
                    turn.place,
                    f"{said} sans que le serveur offre DSN.",
                    "Ne les envoyer que si EHLO annonce DSN.",
                )
            )
        elif wrong:
            self._found.append(
                _DSN.fails(
                    turn.place,
                    f"{', '.join(wrong)} mal formé.",
                    "Écrire RET, NOTIFY et ORCPT comme RFC 3461 §4.",
                )
            )
        else:
            self._found.append(_DSN.holds(turn.place, f"Accusé de remise demandé ({said})."))


def _parameters(rest: str) -> dict[str, str]:
    """The ESMTP parameters behind the path, by upper-case name."""
    _, _, behind = rest.rpartition(">")
    found = {}
    for word in behind.split():
        name, _, value = word.partition("=")
        found[name.upper()] = value
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20
