"""From a search of DocumentReferences to the conditions the desk knows (dmp.md §5.2, ITI-67)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from dmp_bridge.dossier.forms import DocumentQuery
from dmp_bridge.fhir import systems
from dmp_bridge.record import Status
from foundation.fhir.outcome import Refused

if TYPE_CHECKING:
    from dmp_bridge.fhir.query import Search

_STATUSES = MappingProxyType(
    {
        "current": (Status.APPROVED,),
        "superseded": (Status.DEPRECATED,),
        "entered-in-error": (Status.DELETED,),
    }
)
_ANY = (Status.APPROVED, Status.DEPRECATED, Status.ARCHIVED)
_NAMED = ("_id", "identifier", "_lastUpdated")
"""Who names a document, or asks what changed, wants it whatever became of it; the deleted ones apart."""


# ref: DMP-F32
def document_query(search: Search, after: tuple[int, int] | None) -> DocumentQuery:
    """The conditions, one more document than a page holds; raises Refused (400)."""
    names = [systems.identifier_of(each) for each in search.codes("identifier")]
    if len({systems.is_uuid(each) for each in names}) > 1:
        raise Refused(
            400,
            "not-supported",
            "identifier nomme des uniqueId ou des UUID, non les deux.",
            expression="identifier",
        )
    uuids = tuple(each for each in names if systems.is_uuid(each))
    return DocumentQuery(
        ids=tuple(number_of(each) for each in search.codes("_id")),
        unique_ids=tuple(each for each in names if not systems.is_uuid(each)),
        entry_uuids=uuids,
        statuses=_statuses(search),
        class_codes=search.codes("category"),
        type_codes=search.codes("type"),
        format_codes=search.codes("format"),
        facility_codes=search.codes("facility"),
        setting_codes=search.codes("setting"),
        event_codes=search.codes("event"),
        reference_ids=search.codes("related"),
        visibilities=search.codes("security-label"),
        author=_author(search),
        created=_both(search),
        service=search.range("period"),
        changed=search.range("_lastUpdated"),
        after=after,
        limit=search.count,
    )


def _author(search: Search) -> str:
    """The number of an author, or the name as it is written: given names first."""
    number = search.code("author.identifier")
    names = [search.texts[name] for name in ("author.given", "author.family") if name in search.texts]
    if number and names:
        raise Refused(
            400,
            "not-supported",
            "Un auteur se cherche par identifiant ou par nom.",
            expression="author.identifier",
        )
    return number or " ".join(names)


def number_of(identity: str) -> int:
    """The number of a resource; 0, which nothing has, for what is none."""
    is_number = identity.isascii() and identity.isdecimal() and len(identity) < 19
    return int(identity) if is_number else 0


def _statuses(search: Search) -> tuple[str, ...]:
    archived = search.code("isArchived")
    if archived not in ("", "true", "false"):
        raise Refused(400, "value", "isArchived vaut true ou false.", expression="isArchived")
    statuses: tuple[Status, ...] = ()
    for code in search.codes("status"):
        if code not in _STATUSES:
            raise Refused(400, "value", f"status vaut {', '.join(_STATUSES)}.", expression="status")
        statuses += _STATUSES[code]
    if archived == "true":
        statuses = (Status.ARCHIVED,)
    elif not statuses:
        is_named = any(name in search.tokens or name in search.ranges for name in _NAMED)
        statuses = _ANY if is_named else _STATUSES["current"]
        if archived == "false":
            statuses = tuple(each for each in statuses if each is not Status.ARCHIVED)
    return tuple(each.value for each in statuses)


def _both(search: Search) -> tuple[int | None, int | None]:
    """`date` and `creation` are one thing in the record: both have to hold."""
    (first, last), (since, until) = search.range("date"), search.range("creation")
    return (
        max((each for each in (first, since) if each is not None), default=None),
        min((each for each in (last, until) if each is not None), default=None),
    )
