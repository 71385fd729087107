"""One document with what a page shows around it: its other versions, its lot, and what may be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dmp_bridge.dossier import registry
from dmp_bridge.dossier.case import seen_by
from dmp_bridge.dossier.forms import DocumentQuery
from dmp_bridge.dossier.search import find

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dmp_bridge.dossier.case import Case
    from dmp_bridge.dossier.life import Change
    from dmp_bridge.record import Document

_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A document; the other versions that the caller may know of, the newest first; the current documents that were
    deposited with it; and the steps the caller might make now."""

    document: Document
    versions: tuple[Document, ...]
    lot: tuple[Document, ...]
    changes: frozenset[Change]


# ref: DMP-F12
def surroundings_of(
    connection: Connection, case: Case, found: Document, changes: frozenset[Change]
) -> Surroundings:
    """What is around a document. A plain file has no set: its versions are what replaces it and what it replaces."""
    linked = registry.associations_of(connection, found.owner_id, (found.id,))
    ends = {
        end
        for each in linked
        if each.kind in registry.REPLACING
        for end in (each.source_id, each.target_id)
        if end is not None
    }
    wanted = [DocumentQuery(ids=tuple(ends), statuses=(), limit=_MOST)] if ends else []
    if found.set_id is not None:
        wanted.append(DocumentQuery(set_ids=(found.set_id,), statuses=(), limit=_MOST))
    versions = {each.id: each for query in wanted for each in _found(connection, case, query)}
    versions.pop(found.id, None)
    lot: tuple[Document, ...] = ()
    if found.submission_id is not None:
        together = _found(connection, case, DocumentQuery(lots=(found.submission_id,), limit=_MOST))
        lot = tuple(each for each in together if each.id != found.id)
    newest_first = sorted(versions.values(), key=lambda each: (-each.version_number, -each.filed_at))
    return Surroundings(found, tuple(newest_first), lot, changes)


def _found(connection: Connection, case: Case, query: DocumentQuery) -> tuple[Document, ...]:
    return find(connection, case.patient.owner_id, query, case.own, seen_by(case)).documents
