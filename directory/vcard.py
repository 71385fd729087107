"""A mailbox as a vCard 4.0 (RFC 6350), for the address book of any mail program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.bals import BalType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from directory.annuaire.model import Mailbox

MEDIA_TYPE = "text/vcard; charset=utf-8"
_LINE_OCTETS = 75


def vcards(mailboxes: Iterable[Mailbox]) -> bytes:
    """One vCard after the other (RFC 6350 §3.3)."""
    return b"".join(map(vcard, mailboxes))


def vcard(mailbox: Mailbox) -> bytes:
    """One vCard: CRLF line ends, lines of at most 75 octets."""
    is_person = mailbox.type is BalType.PER and mailbox.last_name is not None
    lines = [
        "BEGIN:VCARD",
        "VERSION:4.0",
        f"KIND:{'individual' if is_person else 'org'}",
        f"FN:{_escaped(mailbox.common_names[0])}",
    ]
    if is_person:
        names = (mailbox.last_name, mailbox.first_name, None, _title(mailbox), None)
        lines.append(f"N:{_components(names)}")
    lines.append(f"EMAIL;TYPE=work:{_escaped(mailbox.address)}")
    if mailbox.structure:
        lines.append(
            f"ORG:{_components([mailbox.structure, *([mailbox.service] if mailbox.service else [])])}"
        )
    if mailbox.profession:
        lines.append(f"TITLE:{_escaped(mailbox.profession)}")
    if mailbox.skill:
        lines.append(f"ROLE:{_escaped(mailbox.skill)}")
    if mailbox.city or mailbox.postal_code:
        place = (None, mailbox.location, mailbox.street, mailbox.city, None, mailbox.postal_code, None)
        lines.append(f"ADR;TYPE=work:{_components(place)}")
    if mailbox.phone:
        lines.append(f"TEL;TYPE=work;VALUE=text:{_escaped(mailbox.phone)}")
    lines.append("END:VCARD")
    return b"".join(map(_folded, lines))


def _title(mailbox: Mailbox) -> str | None:
    return {"DR": "Dr", "PR": "Pr"}.get(mailbox.civility or "")


def _components(values: Iterable[str | None]) -> str:
    return ";".join(_escaped(value or "") for value in values)


def _escaped(text: str) -> str:
    """RFC 6350 §3.4; what is no character of a text is left out."""
    text = text.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n")
    return "".join(character for character in text if character == "\t" or character.isprintable())


def _folded(line: str) -> bytes:
    """RFC 6350 §3.2: no character is cut in two."""
    pieces: list[bytes] = []
    piece = b""
    for character in line:
        octets = character.encode(errors="replace")
        room = _LINE_OCTETS if not pieces else _LINE_OCTETS - 1
        if len(piece) + len(octets) > room:
            pieces.append(piece)
            piece = b""
        piece += octets
    return b"\r\n ".join([*pieces, piece]) + b"\r\n"
