"""What the body of a message shows: its size, its MIME structure, its texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dmp_bridge.check.letter import place_of
from dmp_bridge.check.message_rules_table import MESSAGE_RULES
from dmp_bridge.check.report import Weight
from dmp_bridge.check.telling import size as written
from foundation.mime.bodies import decode_body
from foundation.mime.content import MAX_BOUNDARY_BYTES
from foundation.mime.fields import unfold
from foundation.mime.parameters import read_value
from foundation.mime.scanner import headers
from foundation.mime.transfer import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dmp_bridge.check.letter import Letter
    from dmp_bridge.check.report import Finding
    from foundation.mime.parts import Part

_CHARSET: Final = MESSAGE_RULES["ECO.2.2.3"]  # ref: ECO.2.2.3
_BODY: Final = MESSAGE_RULES["ECO.2.2.4"]  # ref: ECO.2.2.4
_SIZE: Final = MESSAGE_RULES["MSS/va1.13"]  # ref: MSS/va1.13
_MIME: Final = MESSAGE_RULES["RFC2045"]

_MAX_PARTS: Final = 1000
_MAX_TOLD: Final = 20
"""Faults of one rule that are told one by one."""
_WRAPPERS: Final = frozenset({"mixed", "related", "report", "signed"})
_ENCODINGS: Final = IDENTITY | {"base64", "quoted-printable"}
_NOT_BASE64: Final = re.compile(rb"[^0-9A-Za-z+/=\s]")
_ENCODED_WORD: Final = re.compile(rb"=\?([^?\s*]{1,40})(?:\*[^?\s]{0,40})?\?[bBqQ]\?")
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


# ref: MSS/va1.13
def size(letter: Letter) -> Iterator[Finding]:
    """MSS/va1.13: 25 Mo for Mon espace santé, all included."""
    largest = letter.question.largest
    said = written(len(letter.data))
    if len(letter.data) > largest:
        yield _SIZE.fails(
            "message",
            f"{said} : plus de {written(largest)}, le message reviendra à l'expéditeur.",
            "Retirer ou alléger des pièces jointes (le codage base64 ajoute un tiers).",
        )
    else:
        yield _SIZE.holds("message", f"{said}, {written(largest)} au plus.")


# ref: ECO.2.2.4
def body(letter: Letter) -> Iterator[Finding]:
    """ECO.2.2.4."""
    part = letter.root
    while part.is_multipart and part.subtype in _WRAPPERS and part.children:
        part = part.children[0]
    place = place_of(part)
    if part.content_type == "multipart/alternative":
        if any(child.content_type == "text/plain" for child in part.children):
            yield _BODY.holds(place, "Texte simple et texte mis en forme (multipart/alternative).")
        else:
            yield _BODY.fails(
                place,
                "Pas de text/plain dans le multipart/alternative.",
                "Joindre une version en texte simple au texte mis en forme.",
                Weight.RECOMMENDED,
            )
    elif part.content_type == "text/plain" and part.disposition != "attachment":
        yield _BODY.holds(place, "Texte simple (text/plain).")
    else:
        yield _BODY.fails(
            place,
            f"Le corps du message est {_shown(part.content_type)}.",
            "Écrire le corps en text/plain, ou en multipart/alternative avec un text/plain.",
        )


# ref: ECO.2.2.3
def charset(letter: Letter) -> Iterator[Finding]:
    """ECO.2.2.3: the texts and the header in UTF-8."""
    faults = texts = 0
    for part in letter.own_parts():
        if part.media_type != "text" or part.disposition == "attachment" or part.filename is not None:
            continue
        texts += 1
        fault = _not_utf8(letter.data, part) if faults < _MAX_TOLD else None
        if fault is not None:
            faults += 1
            yield fault
    foreign = {
        word[1].decode("ascii", "replace").lower()
        for _, value in letter.fields
        for word in _ENCODED_WORD.finditer(value)
    } - _UTF8
    if foreign:
        faults += 1
        yield _CHARSET.fails(
            "en-tête",
            f"Mots encodés en {_shown(', '.join(sorted(foreign)))}.",
            "Coder les mots de l'en-tête en UTF-8 (RFC 2047).",
            Weight.RECOMMENDED,
        )
    if not faults:
        yield _CHARSET.holds("en-tête, textes", "UTF-8." if texts else "Aucun texte.")


def _not_utf8(data: bytes, part: Part) -> Finding | None:
    place = place_of(part)
    said = part.parameters.get("charset", "us-ascii").strip().lower()
    text = decode_body(data, part, len(data))
    if said not in _UTF8:
        return _CHARSET.fails(place, f"Texte en {_shown(said)}.", "Écrire le texte en UTF-8.")
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return _CHARSET.fails(place, "Ce texte n'est pas de l'UTF-8.", "Écrire le texte en UTF-8.")
    if said.endswith("ascii") and not text.isascii():
        return _CHARSET.fails(
            place, "Texte accentué sans charset=utf-8.", "Ajouter charset=utf-8 au Content-Type."
        )
    return None


def structure(letter: Letter) -> Iterator[Finding]:
    """RFC 2045, RFC 2046: every fault with the part it stands in."""
    faults = 0
    for finding in _structure(letter):
        faults += 1
        yield finding
        if faults >= _MAX_TOLD:
            yield _MIME.fails(
                "message", "D'autres défauts suivent peut-être.", "Corriger d'abord les premiers."
            )
            return
    if not faults:
        yield _MIME.holds("message", "Structure bien formée.")


def _structure(letter: Letter) -> Iterator[Finding]:
    has_content = any(name.startswith("content-") for name, _ in letter.fields)
    version = letter.text("mime-version") or ""
    if has_content and version.partition("(")[0].strip() != "1.0":
        yield _MIME.fails("MIME-Version", "Pas de MIME-Version: 1.0.", "Écrire MIME-Version: 1.0.")
    for count, part in enumerate(letter.own_parts()):
        if count >= _MAX_PARTS:
            yield _MIME.fails("message", f"Plus de {_MAX_PARTS} parties.", "Réduire le nombre de parties.")
            return
        yield from _part(letter.data, part)


def _part(data: bytes, part: Part) -> Iterator[Finding]:
    place = place_of(part, part.filename or "")
    if part.encoding not in _ENCODINGS:
        yield _MIME.fails(
            place,
            f"Codage de transfert inconnu : {_shown(part.encoding)}.",
            "Employer 7bit, 8bit, quoted-printable ou base64.",
        )
        return
    if part.is_multipart:
        yield from _delimiters(data, part, place)
        return
    yield from _declared(data, part, place)
    content = data[part.body_start : part.end]
    if part.encoding == "base64":
        letters = len(content.translate(None, b" \t\r\n="))
        if _NOT_BASE64.search(content) is not None or letters % 4 == 1:
            yield _MIME.fails(
                place, "Base64 abîmé.", "Coder la pièce de nouveau : son contenu n'est pas sûr."
            )
    elif part.encoding == "7bit" and not part.children and not content.isascii():
        yield _MIME.fails(
            place,
            "Octets de 8 bits dans une partie annoncée 7bit.",
            "Annoncer Content-Transfer-Encoding: 8bit ou quoted-printable.",
            Weight.RECOMMENDED,
        )


def _delimiters(data: bytes, part: Part, place: str) -> Iterator[Finding]:
    boundary = next((value for name, value in part.raw_parameters if name.lower() == "boundary"), "").rstrip()
    line = b"\n--" + boundary.encode("utf-8", "replace")
    start = max(part.body_start - 1, 0)
    if not 0 < len(line) - 3 <= MAX_BOUNDARY_BYTES:
        yield _MIME.fails(place, "Multipart sans boundary utilisable.", "Donner un boundary au Content-Type.")
    elif data.find(line, start, part.end) < 0:
        yield _MIME.fails(
            place, "Aucune partie : le boundary ne se trouve pas.", "Séparer les parties par --boundary."
        )
    elif data.find(line + b"--", start, part.end) < 0:
        yield _MIME.fails(
            place,
            "Le dernier délimiteur manque : le message est peut-être tronqué.",
            "Finir la dernière partie par --boundary--.",
        )
    elif len(boundary) > 70:
        yield _MIME.fails(
            place, "Boundary de plus de 70 caractères.", "Raccourcir le boundary.", Weight.RECOMMENDED
        )


def _declared(data: bytes, part: Part, place: str) -> Iterator[Finding]:
    """What the header of a leaf says where the scanner took it for something simpler."""
    for name, value in headers(data, part.header_start, part.body_start):
        if name.lower() != b"content-type":
            continue
        said, _ = read_value(unfold(value))
        kind, slash, sub = said.partition("/")
        if not (kind.strip() and slash and sub.strip()) or " " in said:
            yield _MIME.fails(place, "Content-Type illisible.", "Écrire type/sous-type.", Weight.RECOMMENDED)
        elif kind == "multipart":
            yield _MIME.fails(
                place,
                "Multipart codé ou trop imbriqué : son contenu n'a pas été lu.",
                "Ne pas coder un multipart, réduire l'imbrication.",
            )
        return


def _shown(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:60])
