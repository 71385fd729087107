"""What ebRIM says of people and of a SubmissionSet, in the values of the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.codes import PROFESSIONAL_OID, STRUCTURE_OID, Coded
from dmp_bridge.entry import Author, Organization, Person, SubmissionSet
from dmp_bridge.hl7_time import parse_dtm

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dmp_bridge import ebrim

_LONGEST = 256
_MOST_LOTS = 10
_OID = "urn:oid:"


def lots_of(told: Iterable[ebrim.SubmissionSet]) -> tuple[SubmissionSet, ...]:
    """The first SubmissionSets that hold a document of a package, each once, but those that a record cannot keep."""
    found: dict[str, SubmissionSet] = {}
    for lot in map(_lot_of, told):
        # Every document of a package can be in as many: in a mail that means to do harm, in all that it holds.
        if lot is not None and len(found) < _MOST_LOTS:
            found.setdefault(lot.unique_id, lot)
    return tuple(found.values())


def _lot_of(told: ebrim.SubmissionSet) -> SubmissionSet | None:
    """The SubmissionSet of a package; None where it has no uniqueId that a record can keep.

    `submission_time` is 0 where none can be read. The patient is told by the documents.
    """
    if not told.unique_id:
        return None
    unique_id = _plain(told.unique_id)
    if not 0 < len(unique_id) <= _LONGEST or not unique_id.isprintable():
        return None
    return SubmissionSet(
        unique_id=unique_id,
        source_id=_plain(told.source_id or "")[:_LONGEST],
        submission_time=parse_dtm(told.submission_time) or 0,
        title=told.title[:_LONGEST],
        content_type_code=told.content_type_code,
        authors=tuple(author_of(each) for each in told.authors[:1]),
    )


def _plain(identifier: str) -> str:
    plain = identifier.strip()
    return plain[len(_OID) :] if plain.lower().startswith(_OID) else plain


def author_of(told: ebrim.Author) -> Author:
    """An author in the values of the record."""
    return Author(
        person_of(told.person),
        institutions=tuple(_organization(each) for each in told.institutions),
        roles=told.roles,
        specialties=tuple(_specialty(each) for each in told.specialties),
    )


def person_of(xcn: str) -> Person:
    """``id^family^given^^^^^^&oid&ISO^D^^^type``."""
    parts = _components(xcn, 13)
    return Person(
        parts[0], parts[1], parts[2], _oid(parts[8]) or PROFESSIONAL_OID, parts[12], parts[9] or "D"
    )


def _organization(xon: str) -> Organization:
    """``name^^^^^&oid&ISO^IDNST^^^id``."""
    parts = _components(xon, 10)
    return Organization(parts[0], parts[9], _oid(parts[5]) or STRUCTURE_OID)


def _specialty(text: str) -> Coded:
    """``code^label^system``."""
    parts = _components(text, 3)
    return Coded(parts[0], parts[2], parts[1])


def _components(text: str, count: int) -> list[str]:
    parts = [part.strip() for part in text.split("^")[:count]]
    return parts + [""] * (count - len(parts))


def _oid(authority: str) -> str:
    """The OID of ``&oid&ISO``."""
    return next((part for part in authority.split("&")[:4] if part[:1].isdigit() and "." in part), "")
