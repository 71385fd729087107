"""What the national directory is told of a hosted box, as FHIR PATCH requests, and what it has confirmed so far.

The table keeps for each box what the directory confirmed last and what was sent without an answer that is known.
From the two and from what the box is now follow the requests that are still to be made, whatever was cut short.
Source: the draft API of BALs (openapi-balmss.yaml), FHIR R4 FHIRPath Patch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from directory.bals import BalState, BalType, bal
from foundation import jobs
from foundation.database import metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from directory.bals import Bal
    from directory.listing import Listing
    from foundation.database import UnitOfWork

PUBLISH_JOB = "publish-bal"
"""Payload: `owner_id`. One for each box at most, see `ask`."""

bal_publication = Table(
    "bal_publication",
    metadata,
    Column("owner_id", ForeignKey("bal.owner_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("revision", Integer, nullable=False),  # grows with each change of the box
    Column("job_id", BigInteger),  # the job that will look at the box; none: nothing is to be done
    Column("state", String(16), nullable=False),
    Column("error", String(500)),
    Column("attempts", Integer, nullable=False),  # of what failed last
    Column("tried_at", BigInteger),
    Column("published_at", BigInteger),
    Column("published", Text),  # an Entry: what the directory confirmed last
    Column("unsure", Text, nullable=False),  # Entries that were sent and of whose fate nothing is known
    Index("bal_publication_by_state", "state"),
)

LONGEST_ERROR = 500
_UNFINISHED = (
    select(bal_publication.c.state, func.count().label("boxes"))
    .where(bal_publication.c.state.in_(("waiting", "retrying", "refused", "incomplete")))
    .group_by(bal_publication.c.state)
)
_COLUMNS = (
    bal_publication.c.owner_id,
    bal_publication.c.revision,
    bal_publication.c.job_id,
    bal_publication.c.state,
    bal_publication.c.error,
    bal_publication.c.attempts,
    bal_publication.c.tried_at,
    bal_publication.c.published_at,
    bal_publication.c.published,
    bal_publication.c.unsure,
)

_METADATA = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-mailbox-mss-metadata"
_EMAIL_TYPE = {
    "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type",
    "valueCoding": {
        "system": "https://mos.esante.gouv.fr/NOS/TRE_R256-TypeMessagerie/FHIR/TRE-R256-TypeMessagerie",
        "code": "MSSANTE",
    },
}
_TYPES = "https://mos.esante.gouv.fr/NOS/TRE_R257-TypeBAL/FHIR/TRE-R257-TypeBAL"
_IDNAT_PS = "urn:oid:1.2.250.1.71.4.2.1"
_IDNAT_STRUCT = "urn:oid:1.2.250.1.71.4.2.2"
_RPPS = "https://rpps.esante.gouv.fr"
_FINESS = "http://finess.sante.gouv.fr"
_SIRENE = "http://sirene.fr"
_TEXTS = ("description", "service", "responsible", "phone")


class State(StrEnum):
    """Where the publication of a box stands."""

    WAITING = "waiting"
    """A request is to be made."""
    RETRYING = "retrying"
    """The directory gave no usable answer; it is asked again."""
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"
    """Suspended or closed: the directory does not have it."""
    REFUSED = "refused"
    """The directory has said no; only a change, or `directory publish`, asks it again."""
    INCOMPLETE = "incomplete"
    """The box lacks the identifier under which the directory would know its bearer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A box as the directory has it: under which resource (found by `query`), and what it says."""

    resource: str
    query: tuple[tuple[str, str], ...]
    address: str
    type: str
    red_list: bool
    rank: int | None = None
    description: str | None = None
    service: str | None = None
    responsible: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)

    @property
    def place(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """The resource that bears it."""
        return self.resource, self.query

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        query = tuple((name, value) for name, value in values["query"])
        return cls(**{**values, "query": query})


@dataclass(frozen=True, slots=True)
class Patch:
    """One request: PATCH `resource`?`query` with `body` (FHIR Parameters)."""

    resource: str
    query: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to achieve at the directory.

    `entry` is what is put or taken away. Where the directory refuses `patch`, `otherwise` is tried, and a refusal
    counts as done where the entry `may_be_gone`.
    """

    patch: Patch
    entry: Entry
    is_removal: bool = False
    otherwise: Patch | None = None
    may_be_gone: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """The row of one box. Times are epoch milliseconds."""

    owner_id: int
    revision: int = 0
    job_id: int | None = None
    state: State = State.WAITING
    error: str | None = field(default=None, repr=False)
    attempts: int = 0
    tried_at: int | None = None
    published_at: int | None = None
    published: Entry | None = None
    unsure: tuple[Entry, ...] = ()


class Incomplete(Exception):
    """The directory could not know whose box this is; the text is one sentence for the operator."""


# ref: F36
def entry_of(bal: Bal, listing: Listing) -> Entry | None:
    """What the directory is to say of a box; None where it is to say nothing. Raises Incomplete."""
    if bal.state is not BalState.ACTIVE:
        return None
    query: tuple[tuple[str, str], ...]
    if bal.type in (BalType.ORG, BalType.APP):
        resource = "Organization"
        if bal.idnat is None or not _is_structure(bal.idnat):
            raise Incomplete(
                f"A mailbox {bal.type.value} is published under the identifier of its structure (idnat)."
            )
        query = (("identifier", f"{_IDNAT_STRUCT}|{bal.idnat}"),)
    else:
        if bal.idnat is None or _is_structure(bal.idnat):
            raise Incomplete(
                f"A mailbox {bal.type.value} is published under the identifier of its bearer (idnat)."
            )
        if bal.type is BalType.PER and listing.structure is not None:
            resource = "PractitionerRole"
            query = (
                ("practitioner.identifier", _person(bal.idnat)),
                ("organization.identifier", _structure(listing.structure)),
            )
        else:
            resource, query = "Practitioner", (("identifier", _person(bal.idnat)),)
    return Entry(
        resource,
        query,
        bal.address,
        bal.type.value,
        bal.red_list,
        listing.rank,
        listing.description,
        listing.service,
        listing.responsible,
        listing.phone if bal.type is not BalType.PER else None,
    )


def steps(publication: Publication, wanted: Entry | None) -> list[Step]:
    """What is still to be asked of the directory, in order; nothing where it has what is wanted."""
    published, unsure = publication.published, publication.unsure
    planned: list[Step] = []
    left = [each for each in (published, *unsure) if each is not None]
    places = {wanted.place} if wanted is not None else set()
    for each in left:
        if each.place not in places:
            places.add(each.place)
            planned.append(Step(_delete(each), each, is_removal=True, may_be_gone=bool(unsure)))
    if wanted is None:
        return planned
    if any(each.place == wanted.place for each in unsure):
        planned.append(Step(_replace(wanted), wanted, otherwise=_insert(wanted)))
    elif published is None or published.place != wanted.place:
        planned.append(Step(_insert(wanted), wanted))
    elif published != wanted:
        planned.append(Step(_difference(published, wanted), wanted))
    return planned


def sending(publication: Publication, step: Step) -> Publication:
    """The row while the answer to a step is not known."""
    if step.entry in publication.unsure:
        return publication
    return replace(publication, unsure=(*publication.unsure, step.entry))


def done(publication: Publication, step: Step) -> Publication:
    """The row once the directory has taken a step."""
    unsure = tuple(each for each in publication.unsure if each.place != step.entry.place)
    if not step.is_removal:
        return replace(publication, published=step.entry, unsure=unsure)
    published = publication.published
    if published is not None and published.place == step.entry.place:
        published = None
    return replace(publication, published=published, unsure=unsure)


def refused(publication: Publication, step: Step) -> Publication:
    """The row once the directory has said no, to `otherwise` too: the entry is not there."""
    unsure = tuple(each for each in publication.unsure if each != step.entry)
    return replace(publication, unsure=unsure)


# The rows


def find(connection: Connection, owner_id: int) -> Publication | None:
    """The row of a box; None where nothing was ever to be published of it."""
    row = connection.execute(select(*_COLUMNS).where(bal_publication.c.owner_id == owner_id)).first()
    return _publication(row) if row is not None else None


def find_many(connection: Connection, owner_ids: Sequence[int]) -> dict[int, Publication]:
    """The rows of some boxes (a page of them), by owner."""
    rows = connection.execute(select(*_COLUMNS).where(bal_publication.c.owner_id.in_(owner_ids)))
    return {row.owner_id: _publication(row) for row in rows}


def unfinished(connection: Connection) -> dict[str, int]:
    """How many boxes wait, are tried again, are refused or incomplete, by state."""
    rows = connection.execute(_UNFINISHED)
    return {row.state: row.boxes for row in rows}


def never_asked(connection: Connection) -> list[int]:
    """The boxes of which nothing was ever to be published: made by an earlier version."""
    known = select(bal_publication.c.owner_id)
    return list(connection.execute(select(bal.c.owner_id).where(bal.c.owner_id.not_in(known))).scalars())


def ask(uow: UnitOfWork, owner_id: int) -> None:
    """Has the directory told of a box as it is when the job runs: a later change takes the place of an earlier one.

    While a job of this box waits or works there is no second one, so requests keep their order.
    """
    found = find(uow.connection, owner_id)
    if found is None:
        job_id = jobs.enqueue(uow, PUBLISH_JOB, {"owner_id": owner_id})
        uow.execute(insert(bal_publication), _values(Publication(owner_id, 1, job_id)))
        return
    asked = replace(found, revision=found.revision + 1, state=State.WAITING, attempts=0)
    if found.job_id is None or not jobs.hasten(uow, found.job_id):
        asked = replace(asked, job_id=jobs.enqueue(uow, PUBLISH_JOB, {"owner_id": owner_id}))
    put(uow, asked)


def ask_anew(uow: UnitOfWork, bal: Bal, listing: Listing) -> None:
    """As `ask`, where nobody knows what the directory has of the box: it may be there, whole or in part."""
    ask(uow, bal.owner_id)
    found = find(uow.connection, bal.owner_id)
    try:
        maybe = entry_of(replace(bal, state=BalState.ACTIVE), listing)
    except Incomplete:
        return
    if maybe is not None and found is not None and maybe not in found.unsure:
        put(uow, replace(found, unsure=(*found.unsure, maybe)))


def note_published(uow: UnitOfWork, owner_id: int, entry: Entry, now: int) -> None:
    """Says that the directory has a box already: it came from there."""
    row = Publication(owner_id, 1, None, State.PUBLISHED, published_at=now, published=entry)
    uow.execute(insert(bal_publication), _values(row))


def put(uow: UnitOfWork, publication: Publication) -> None:
    """Writes the row of a box that has one."""
    values = _values(publication)
    owner_id = values.pop("owner_id")
    uow.execute(update(bal_publication).where(bal_publication.c.owner_id == owner_id).values(values))


def _values(row: Publication) -> dict[str, Any]:
    return {
        "owner_id": row.owner_id,
        "revision": row.revision,
        "job_id": row.job_id,
        "state": row.state.value,
        "error": row.error[:LONGEST_ERROR] if row.error is not None else None,
        "attempts": row.attempts,
        "tried_at": row.tried_at,
        "published_at": row.published_at,
        "published": _text(asdict(row.published)) if row.published is not None else None,
        "unsure": _text([asdict(each) for each in row.unsure]),
    }


def _publication(row: Any) -> Publication:
    owner_id, revision, job_id, state, error, attempts, tried_at, published_at, published, unsure = row
    return Publication(
        owner_id,
        revision,
        job_id,
        State(state),
        error,
        attempts,
        tried_at,
        published_at,
        Entry.read(json.loads(published)) if published is not None else None,
        tuple(Entry.read(each) for each in json.loads(unsure)),
    )


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# The requests


def _is_structure(idnat: str) -> bool:
    """Whether an identifier is of a structure (TRE_G07), not of a person, also one known to a structure only."""
    return idnat[:1] in {"1", "2", "3", "4"} and "/" not in idnat


def _person(idnat: str) -> str:
    return f"{_RPPS}|{idnat[1:]}" if idnat.startswith("8") else f"{_IDNAT_PS}|{idnat}"


def _structure(idnat: str) -> str:
    system = {"1": _FINESS, "2": _SIRENE, "3": _SIRENE}.get(idnat[0])
    return f"{system}|{idnat[1:]}" if system is not None else f"{_IDNAT_STRUCT}|{idnat}"


def _insert(entry: Entry) -> Patch:
    return _patch(
        entry,
        "insert",
        f"{entry.resource}.telecom",
        {"name": "index", "valueInteger": 0},
        {"name": "value", "valueContactPoint": _contact_point(entry)},
    )


def _replace(entry: Entry) -> Patch:
    return _patch(
        entry, "replace", _telecom(entry), {"name": "value", "valueContactPoint": _contact_point(entry)}
    )


def _delete(entry: Entry) -> Patch:
    return _patch(entry, "delete", _telecom(entry))


def _difference(published: Entry, wanted: Entry) -> Patch:
    """One attribute by itself where it had a value and gets another, else the whole ContactPoint."""
    before, after = asdict(published), asdict(wanted)
    changed = [name for name in after if before[name] != after[name]]
    name = changed[0]
    if len(changed) > 1 or before[name] is None or after[name] is None:
        return _replace(wanted)
    if name == "rank":
        return _patch(
            wanted, "replace", f"{_telecom(wanted)}.rank", {"name": "value", "valueInteger": wanted.rank}
        )
    if name == "red_list":
        return _attribute(wanted, "listeRouge", {"valueBoolean": wanted.red_list})
    return _attribute(wanted, name, {"valueString": after[name]})


def _attribute(entry: Entry, name: str, value: dict[str, Any]) -> Patch:
    path = f"{_telecom(entry)}.extension('{_METADATA}').extension('{name}').value"
    return _patch(entry, "replace", path, {"name": "value", **value})


def _telecom(entry: Entry) -> str:
    literal = entry.address.replace("\\", "\\\\").replace("'", "\\'")  # FHIRPath §4.1.2
    return f"{entry.resource}.telecom.where(value = '{literal}')"


def _contact_point(entry: Entry) -> dict[str, Any]:
    said: list[dict[str, Any]] = [
        {"url": "type", "valueCodeableConcept": {"coding": [{"system": _TYPES, "code": entry.type}]}},
        {"url": "listeRouge", "valueBoolean": entry.red_list},
    ]
    for name in _TEXTS:
        value = getattr(entry, name)
        if value is not None:
            said.append({"url": name, "valueString": value})
    rank = {"rank": entry.rank} if entry.rank is not None else {}
    return {
        "system": "email",
        "value": entry.address,
        **rank,
        "extension": [_EMAIL_TYPE, {"url": _METADATA, "extension": said}],
    }


def _patch(entry: Entry, kind: str, path: str, *more: dict[str, Any]) -> Patch:
    parts = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}, *more]
    body = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    return Patch(entry.resource, entry.query, _text(body).encode())
