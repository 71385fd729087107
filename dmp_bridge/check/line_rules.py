"""The lines of a message as they stand: what a server refuses of them before it reads a word, with the line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dmp_bridge.check.message_rules_table import MESSAGE_RULES
from dmp_bridge.check.report import Weight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dmp_bridge.check.letter import Letter
    from dmp_bridge.check.report import Finding

_LINES: Final = MESSAGE_RULES["RFC5322.2"]
_MAX_LINE: Final = 998
_LONGEST_TAKEN: Final = 8192
"""Octets of a line that our submission still takes, behind RFC 5322: medical software writes such lines."""
_BARE: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_REFUSED: Final = "L'opérateur refuse ce message à l'envoi (550 5.6.0, {code})."


def lines(letter: Letter) -> Iterator[Finding]:
    """RFC 5322 §2.1.1, §2.2, §2.3: short lines that end in CRLF, no NUL, an ASCII header."""
    found = [*_nul(letter.data), *_long(letter.data), *_header(letter), *_ends(letter.data)]
    yield from found
    if not found:
        yield _LINES.holds("message", "Lignes courtes, en-tête ASCII, fins de ligne CRLF, aucun octet nul.")


def _nul(data: bytes) -> Iterator[Finding]:
    if (at := data.find(b"\0")) >= 0:
        yield _LINES.fails(
            _line(data, at),
            f"{data.count(0)} octet(s) nul(s) dans le message. {_REFUSED.format(code='MSS-135')}",
            "Joindre les fichiers binaires en base64.",
        )


def _long(data: bytes) -> Iterator[Finding]:
    first = _longer(data, _MAX_LINE)
    if first is None:
        return
    refused = _longer(data, _LONGEST_TAKEN)
    at = first if refused is None else refused
    limit = _MAX_LINE if refused is None else _LONGEST_TAKEN
    taken = f"L'opérateur la prend jusqu'à {_LONGEST_TAKEN} octets ; un autre serveur peut la couper."
    yield _LINES.fails(
        _line(data, at),
        f"Cette ligne compte plus de {limit} octets. "
        + (taken if refused is None else _REFUSED.format(code="MSS-136")),
        f"Écrire des lignes de {_MAX_LINE} octets au plus : coder les parties longues en quoted-printable ou base64, "
        "plier les en-têtes.",
    )


def _header(letter: Letter) -> Iterator[Finding]:
    header = letter.data[: letter.root.body_start]
    if not header.isascii():
        at = next(number for number, octet in enumerate(header) if octet > 127)
        yield _LINES.fails(
            f"en-tête, {_line(header, at)}",
            "Des octets non ASCII y sont écrits tels quels.",
            "Coder les textes accentués en mots encodés UTF-8 (RFC 2047).",
            Weight.RECOMMENDED,
        )


def _ends(data: bytes) -> Iterator[Finding]:
    pairs = data.count(b"\r\n")
    bare = data.count(b"\r") + data.count(b"\n") - 2 * pairs
    if not bare:
        return
    if b"\r" not in data:
        yield _LINES.fails(
            "message",
            "Toutes les lignes finissent par LF seul, comme dans un fichier enregistré sous Unix.",
            "Rien à faire si le logiciel envoie des CRLF ; l'opérateur refuse un LF isolé (550 5.6.0, MSS-134).",
            Weight.NOTE,
        )
        return
    at = next(_BARE.finditer(data)).start()
    what = "retour chariot (CR)" if data[at : at + 1] == b"\r" else "saut de ligne (LF)"
    yield _LINES.fails(
        _line(data, at),
        f"Un {what} isolé parmi des fins de ligne CRLF, {bare} en tout. {_REFUSED.format(code='MSS-134')}",
        "Finir chaque ligne par CRLF (RFC 5321 §2.3.8).",
    )


def _line(data: bytes, at: int) -> str:
    number = data.count(b"\n", 0, at) + 1
    return f"ligne {number}"


def _longer(data: bytes, limit: int) -> int | None:
    """Where the first line of more than ``limit`` octets begins."""
    start = 0
    while len(data) - start > limit:
        # The last line end in reach: the lines before it are short, whatever they are.
        end = data.rfind(b"\n", start, start + limit + 2)
        if end < 0:
            return start
        start = end + 1
    return None
