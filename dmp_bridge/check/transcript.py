"""A conversation of a mail client with its server, as lines that begin with `C:` and `S:`; secrets are never quoted."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from dmp_bridge.check.message_rules_table import MESSAGE_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dmp_bridge.check.report import Finding

MAX_LINES: Final = 20_000
_MAX_LINE: Final = 16_384
_TURN: Final = re.compile(r"([CS]):(?: (.*)|)")
_SEEN_FROM: Final = 40

_MECHANISM: Final = MESSAGE_RULES["ECO.1.2.1"]  # ref: ECO.1.2.1
_REFUSED: Final = MESSAGE_RULES["ECO.1.2.7"]  # ref: ECO.1.2.7

_TOKENS: Final = frozenset({"XOAUTH2", "OAUTHBEARER"})
_PASSWORDS: Final = frozenset({"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"})
_XOAUTH2: Final = re.compile(r"user=[^\x01\s]{1,320}\x01auth=Bearer [^\x01\s]{1,8192}\x01\x01")
_OAUTHBEARER: Final = re.compile(
    r"n,(?:a=[^,\x01]{1,320})?,\x01(?:[a-z]{1,20}=[^\x01]{0,1000}\x01){0,5}auth=Bearer [^\x01\s]{1,8192}\x01\x01"
)


class Protocol(StrEnum):
    """Which one is spoken."""

    SMTP = "smtp"
    IMAP = "imap"


@dataclass(frozen=True, slots=True)
class Turn:
    """One line of the conversation: ``number`` is that of the line in the file, from 1."""

    number: int
    is_client: bool
    text: str = field(repr=False)

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"ligne {self.number}"


def is_transcript(data: bytes) -> bool:
    """Whether the first lines that say anything are turns of a conversation."""
    said = [
        line
        for line in data[:16_384].decode("utf-8", "replace").splitlines()[:_SEEN_FROM]
        if line.strip() and not line.startswith("#")
    ]
    turns = sum(_TURN.fullmatch(line) is not None for line in said)
    return turns >= 2 and turns * 2 >= len(said)


def read_turns(data: bytes) -> list[Turn]:
    """The turns of a transcript; what begins neither with `C:` nor with `S:` is its writer's remark."""
    turns = []
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        match = _TURN.fullmatch(line[:_MAX_LINE].rstrip("\r"))
        if match is not None:
            turns.append(Turn(number, match[1] == "C", (match[2] or "").strip()))
    return turns


def protocol_of(turns: list[Turn]) -> Protocol | None:
    """What is spoken; None when the lines show neither SMTP nor IMAP."""
    for turn in turns[:_SEEN_FROM]:
        words = turn.text.upper().split()
        if turn.is_client:
            if words and words[0] in ("EHLO", "HELO", "STARTTLS", "MAIL", "AUTH"):
                return Protocol.SMTP
            if len(words) > 1 and words[1] in ("CAPABILITY", "STARTTLS", "LOGIN", "AUTHENTICATE", "SELECT"):
                return Protocol.IMAP
        elif turn.text.startswith(("220 ", "220-")):
            return Protocol.SMTP
        elif turn.text.startswith(("* OK", "* PREAUTH", "* CAPABILITY")):
            return Protocol.IMAP
    return None


@dataclass(slots=True)
class Attempt:
    """One attempt to sign in. ``response`` is the base64 that was sent, or what stands in its place."""

    turn: Turn
    mechanism: str
    in_tls: bool | None
    """None where it cannot be seen: TLS may have come before the first line."""
    offered: frozenset[str]
    response: str = field(default="", repr=False)
    accepted: bool | None = None
    challenged: bool = False
    answered_challenge: str | None = field(default=None, repr=False)


def sign_in(attempts: list[Attempt]) -> Iterator[Finding]:
    """ECO.1.2.1 and ECO.1.2.7 on every attempt of a conversation."""
    if not attempts:
        yield _MECHANISM.not_applicable("Aucune authentification dans l'échange.")
        yield _REFUSED.not_applicable("Aucune authentification dans l'échange.")
        return
    for attempt in attempts:
        yield _way(attempt)
    yield from _after_refusal(attempts)


def _way(attempt: Attempt) -> Finding:
    place, mechanism = attempt.turn.place, attempt.mechanism
    if attempt.in_tls is False:
        return _MECHANISM.fails(
            place, f"{mechanism} hors de TLS.", "Ouvrir TLS (STARTTLS) avant l'authentification."
        )
    if mechanism in _PASSWORDS or mechanism.startswith("SCRAM-"):
        return _MECHANISM.fails(
            place,
            f"{mechanism} : mot de passe au lieu d'un jeton Pro Santé Connect.",
            "Employer XOAUTH2 ou OAUTHBEARER (PER, ORG), EXTERNAL avec un certificat (APP).",
        )
    if mechanism not in _TOKENS and mechanism != "EXTERNAL":
        return _MECHANISM.fails(place, "Mécanisme inconnu.", "Employer XOAUTH2, OAUTHBEARER ou EXTERNAL.")
    if attempt.offered and mechanism not in attempt.offered:
        return _MECHANISM.fails(
            place, f"{mechanism} n'est pas offert par le serveur.", "Choisir parmi les mécanismes annoncés."
        )
    if mechanism in _TOKENS and not _is_well_formed(mechanism, attempt.response):
        return _MECHANISM.fails(
            place,
            "Réponse initiale mal formée.",
            "Envoyer base64(user=<adresse>^Aauth=Bearer <jeton>^A^A) pour XOAUTH2, RFC 7628 pour OAUTHBEARER.",
        )
    return _MECHANISM.holds(
        place, f"{mechanism}." if attempt.in_tls else f"{mechanism} (TLS dès la connexion supposé)."
    )


# ref: ECO.1.2.7
def _after_refusal(attempts: list[Attempt]) -> Iterator[Finding]:
    refused = [attempt for attempt in attempts if attempt.mechanism in _TOKENS and attempt.accepted is False]
    if not refused:
        yield _REFUSED.not_applicable("Aucun jeton refusé.")
        return
    fine = True
    first = attempts.index(refused[0])
    for attempt in refused:
        if attempt.challenged and attempt.answered_challenge not in (None, "", "*"):
            fine = False
            yield _REFUSED.fails(
                attempt.turn.place,
                "Au refus codé en base64, le client ne répond pas par une ligne vide.",
                "Répondre par une ligne vide, puis lire le refus (535, NO).",
            )
    later = attempts[first + 1 :]
    for attempt in later:
        if attempt.mechanism in _PASSWORDS or attempt.mechanism.startswith("SCRAM-"):
            fine = False
            yield _REFUSED.fails(
                attempt.turn.place,
                "Après le refus d'un jeton, le client essaie un mot de passe.",
                "Demander un jeton neuf à Pro Santé Connect, sans repli sur un mot de passe.",
            )
    if len(refused) > 2:
        fine = False
        yield _REFUSED.fails(
            refused[2].turn.place,
            f"{len(refused)} essais refusés de suite.",
            "Rafraîchir le jeton une fois, réessayer une fois, puis demander à l'utilisateur de se reconnecter.",
        )
    written = [attempt.response for attempt in refused[:2] if not _is_placeholder(attempt.response)]
    if len(written) == 2 and written[0] == written[1]:
        fine = False
        yield _REFUSED.fails(
            refused[1].turn.place,
            "Le même jeton est présenté deux fois.",
            "Rafraîchir le jeton avant de réessayer.",
        )
    if fine:
        what = "puis un nouvel essai" if later else "sans nouvel essai"
        yield _REFUSED.holds(refused[0].turn.place, f"Un jeton refusé, {what}.")


def _is_placeholder(response: str) -> bool:
    """Whether the writer of the transcript hid the token."""
    return not response or "<" in response or "*" in response or "…" in response or "..." in response


def _is_well_formed(mechanism: str, response: str) -> bool:
    if _is_placeholder(response):
        return True
    try:
        said = base64.b64decode(response, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return False
    return (_XOAUTH2 if mechanism == "XOAUTH2" else _OAUTHBEARER).fullmatch(said) is not None
