"""One document of a record as its patient reads it: in a list, on its own page, with its days and its origin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dmp_bridge import codes
from dmp_bridge.record import Origin, Status
from dmp_bridge.visibility import Visibility
from portal import downloads, shown
from portal.threads import OLD_VERSION, document_date, type_label

if TYPE_CHECKING:
    from starlette.requests import Request

    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.record import Document
    from portal.patient_record.reception import Inside

_BY_PATIENT = {True: "Ajouté par vous", False: "Ajouté par le patient ou un représentant"}


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a document's life: « établi le », its ISO form for machines, its words."""

    label: str
    iso: str
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """One document in a list."""

    id: int
    title: str = field(repr=False)
    type: str
    days: tuple[Day, ...]
    size: str
    origin: tuple[str, ...] = field(repr=False)
    states: tuple[str, ...]


async def document_of(request: Request, inside: Inside, desk: Desk) -> Document:
    """The document of the path, of this record and no other's. Raises Denied."""
    number = downloads.number(request, "document")
    return (await desk.surroundings(inside.caller, inside.ins, number)).document


def line(inside: Inside, document: Document) -> Line:
    origin: tuple[str, ...] = (document.author_name, document.author_specialty, document.institution)
    if document.origin is Origin.PATIENT:
        origin = (_BY_PATIENT[_is_by(inside, document)],)
    return Line(
        document.id,
        document.title,
        type_label(document),
        _days(document),
        shown.size(document.size),
        tuple(dict.fromkeys(part for part in origin if part)),
        tuple(states(document)),
    )


def about(inside: Inside, document: Document) -> list[tuple[str, str]]:
    """What is known of a document, as pairs of a label and its value."""
    by_patient = document.origin is Origin.PATIENT
    author = ", ".join(part for part in (document.author_name, document.author_specialty) if part)
    versioned = document.set_id is not None and document.version_number > 0
    added = f"{_BY_PATIENT[_is_by(inside, document)]} le" if by_patient else "Ajouté le"
    rows = [
        ("Type", type_label(document)),
        ("Catégorie", codes.categories().get(document.category, "Autres documents")),
        ("Date", ", ".join(" ".join(filter(None, (day.label, day.words))) for day in _days(document))),
        ("Version", str(document.version_number) if versioned else ""),
        ("Auteur", "" if by_patient else author),
        ("Établissement", "" if by_patient else document.institution),
        (added, shown.full_moment(document.filed_at)),
    ]
    return [(label, value) for label, value in rows if value]


# ref: DMP-F18
def states(document: Document) -> list[str]:
    """What must be told beside the title; nothing of a document that everybody reads."""
    told = {
        OLD_VERSION: document.status is Status.DEPRECATED,
        "Archivé": document.status is Status.ARCHIVED,
        "Masqué aux professionnels de santé": Visibility.MASKED in document.visibilities,
        "Non visible par les représentants légaux": (
            Visibility.UNSEEN_BY_REPRESENTATIVES in document.visibilities
        ),
    }
    return [words for words, is_so in told.items() if is_so]


def _is_by(inside: Inside, document: Document) -> bool:
    return document.depositor_id in ("", inside.caller.id)


def _days(document: Document) -> tuple[Day, ...]:
    """The day of the act, and the day the document was written where it is another one."""
    days = [("", document_date(document))]
    if document.creation_at is not None:
        days.append(("établi le", document.creation_at))
    made = [Day(label, shown.machine_time(at)[:10], shown.date_of(at)) for label, at in days]
    made = [day for day in made if day.iso]
    return tuple(made if len({day.iso for day in made}) > 1 else made[:1])
