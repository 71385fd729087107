"""Finds documents by the conditions of a query, in SQL; who may see which is asked for each kind of document once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import false, func, or_, select, tuple_

from dmp_bridge import record
from dmp_bridge.dossier.forms import Denied, FoundDocuments
from dmp_bridge.dossier.registry import EVENT, REFERENCE, members
from dmp_bridge.dossier.tables import document_revision, document_term, submission_set
from dmp_bridge.rights.vocabulary import Reason
from dmp_bridge.tables import document
from dmp_bridge.visibility import Visibility

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Connection

    from dmp_bridge.dossier.forms import DocumentQuery
    from dmp_bridge.record import Document

_MANY = 1000
"""Values of one condition; SQLite bounds the parameters of a statement."""
_LONGEST = 10_000
_T = document.c
_FLAGS = {
    Visibility.MASKED.value: _T.masked_to_professionals,
    Visibility.UNSEEN.value: _T.invisible_to_patient,
    Visibility.UNSEEN_BY_REPRESENTATIVES.value: _T.invisible_to_representatives,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What the rules ask of a document: those alike in this are all seen, or none."""

    type_code: str
    status: str
    origin: str
    masked_to_professionals: bool
    invisible_to_patient: bool
    invisible_to_representatives: bool
    is_own: bool
    is_of_own_structure: bool


@dataclass(frozen=True, slots=True)
class Self:
    """Under which identifiers a caller and the caller's structure stand in documents.

    `ids` are what authors and depositors bear ("8…" and "1.2.250.1.71.4.2.1^8…"), `structure_ids` alike.
    """

    ids: tuple[str, ...]
    structure_ids: tuple[str, ...]

    def owns(self, found: Document) -> tuple[bool, bool]:
        """Whether the document is the caller's own, and of the caller's structure."""
        ids, structure_ids = set(self.ids), set(self.structure_ids)
        return (
            bool(ids & {found.author_id, found.depositor_id}),
            bool(structure_ids & {found.institution_id, found.depositor_structure, found.depositor_id}),
        )


# ref: DMP-F32
def find(
    connection: Connection, owner_id: int, query: DocumentQuery, own: Self, sees: Callable[[Kind], bool]
) -> FoundDocuments:
    """The documents of a record that meet the query and that `sees` allows, the newest act first.

    Raises Denied where a condition has more than 1 000 values.
    """
    conditions, limit = _conditions(owner_id, query), max(min(query.limit, _LONGEST), 0)
    kinds = select(*_kind(own)).where(*conditions).subquery()
    counted = connection.execute(select(func.count(), *kinds.c).group_by(*kinds.c)).all()
    seen = {tuple(words): count for count, *words in counted if sees(Kind(*words))}
    statement = select(_T.id, *_kind(own)).where(*conditions).order_by(_T.act_at.desc(), _T.id.desc())
    if query.after is not None:
        statement = statement.where(tuple_(_T.act_at, _T.id) < query.after)
    if len(seen) == len(counted):
        statement = statement.limit(limit + 1)
    numbers: list[int] = []
    # Of the index that the order comes from no more is read than a page needs.
    with connection.execute(statement) as rows:
        for number, *words in rows if seen else ():
            if tuple(words) in seen:
                numbers.append(number)
            if len(numbers) > limit:
                break
    return FoundDocuments(_by_number(connection, numbers[:limit]), len(numbers) > limit, sum(seen.values()))


def _by_number(connection: Connection, numbers: Sequence[int]) -> tuple[Document, ...]:
    """The documents with these numbers, in this order."""
    found: dict[int, Document] = {}
    for start in range(0, len(numbers), _MANY):
        some = numbers[start : start + _MANY]
        for row in connection.execute(select(*record.DOCUMENT_COLUMNS).where(_T.id.in_(some))):
            found[row[0]] = record.document_of(row)
    return tuple(found[number] for number in numbers)


def _kind(own: Self) -> tuple[ColumnElement[Any], ...]:
    is_own = or_(_T.author_id.in_(own.ids), _T.depositor_id.in_(own.ids)) if own.ids else false()
    is_of_structure = (
        or_(
            _T.institution_id.in_(own.structure_ids),
            _T.depositor_structure.in_(own.structure_ids),
            _T.depositor_id.in_(own.structure_ids),
        )
        if own.structure_ids
        else false()
    )
    return (
        _T.type_code,
        _T.status,
        _T.origin,
        _T.masked_to_professionals,
        _T.invisible_to_patient,
        _T.invisible_to_representatives,
        is_own.label("is_own"),
        is_of_structure.label("is_of_own_structure"),
    )


def _conditions(owner_id: int, query: DocumentQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_T.owner_id == owner_id]
    for column, values in (
        (_T.id, query.ids),
        (_T.unique_id, query.unique_ids),
        (_T.logical_id, query.logical_ids),
        (_T.status, query.statuses),
        (_T.class_code, query.class_codes),
        (_T.category, query.categories),
        (_T.origin, query.origins),
        (_T.type_code, query.type_codes),
        (_T.format_code, query.format_codes),
        (_T.facility_code, query.facility_codes),
        (_T.setting_code, query.setting_codes),
        (_T.set_id, query.set_ids),
    ):
        if values:
            found.append(column.in_(_bounded(values)))
    if query.entry_uuids:
        borne = document_revision.c.entry_uuid.in_(_bounded(query.entry_uuids))
        found.append(_T.id.in_(select(document_revision.c.document_id).where(borne)))
    if query.lots:
        found.append(_T.id.in_(members(_bounded(query.lots))))
    if query.submission_ids:
        sets = select(submission_set.c.id).where(
            submission_set.c.owner_id == owner_id,
            submission_set.c.unique_id.in_(_bounded(query.submission_ids)),
        )
        found.append(_T.id.in_(members(sets)))
    for kind, values in ((EVENT, query.event_codes), (REFERENCE, query.reference_ids)):
        if values:
            term = document_term.c
            named = select(term.document_id).where(
                term.owner_id == owner_id, term.kind == kind, term.code.in_(_bounded(values))
            )
            found.append(_T.id.in_(named))
    if query.visibilities:
        known = [_FLAGS[each].is_(True) for each in query.visibilities if each in _FLAGS]
        levels = [each for each in query.visibilities if each not in _FLAGS]
        found.append(or_(*known, _T.confidentiality.in_(levels)))
    found += [_FLAGS[each].is_(False) for each in query.but_not if each in _FLAGS]
    if query.author:
        found.append(
            or_(
                _T.author_name.icontains(query.author, autoescape=True),
                _T.author_id.endswith(f"^{query.author}", autoescape=True),
            )
        )
    for column, (start, stop) in (
        (_T.creation_at, query.created),
        (_T.service_start_at, query.service),
        (_T.filed_at, query.filed),
        (_T.changed_at, query.changed),
        (_T.act_at, query.acted),
    ):
        if start is not None:
            found.append(column >= start)
        if stop is not None:
            found.append(column < stop)
    since, before = query.service_if_known
    if since is not None:
        found.append(or_(_T.service_start_at.is_(None), _T.service_start_at >= since))
    if before is not None:
        found.append(or_(_T.service_start_at.is_(None), _T.service_start_at < before))
    return found


def _bounded(values: Sequence[Any]) -> Sequence[Any]:
    if len(values) > _MANY:
        raise Denied(Reason.INVALID, "La recherche porte sur trop de valeurs à la fois.")
    return values
