"""The figures of a month about records: how many are fed, with how many documents, of which types, by whom.

As the public figures of the DMP are told: documents per inhabitant and year, share of inhabitants with a document.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, func, select

from directory.patients import PatientState, patient
from dmp_bridge.codes import document_type
from dmp_bridge.dossier.life import Status
from dmp_bridge.tables import document
from foundation.clock import PARIS, to_millis

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from vaguemestre.indicators import Month

RECORDS: Final = (
    "mois",
    "habitants",
    "dossiers_ouverts",
    "habitants_avec_document",
    "part_avec_document",
    "documents",
    "documents_du_mois",
    "documents_sur_un_an",
    "documents_par_habitant_et_par_an",
)
DOCUMENTS: Final = ("mois", "type", "libelle", "structure", "origine", "documents", "octets")
UNKNOWN: Final = "(inconnue)"

_OPEN: Final = (PatientState.ACTIVATED.value, PatientState.NOT_ACTIVATED.value)


@dataclass(frozen=True, slots=True)
class RecordIndicators:
    """Two tables; each row has the columns of RECORDS or DOCUMENTS."""

    records: list[dict[str, Any]]
    documents: list[dict[str, Any]]


# ref: F41
def collect(connection: Connection, month: Month) -> RecordIndicators:
    """The figures of one month. A document that was deleted since is counted where it was filed, and held no more."""
    return RecordIndicators([_records(connection, month)], _documents(connection, month))


def _records(connection: Connection, month: Month) -> dict[str, Any]:
    is_open = case((patient.c.state.in_(_OPEN), 1), else_=0)
    people = connection.execute(
        select(func.count(), func.coalesce(func.sum(is_open), 0)).where(patient.c.created_at < month.end)
    ).one()
    year = _a_year_before(month)
    filed = document.c.filed_at
    held = case((document.c.status != Status.DELETED.value, 1), else_=0)
    counted = connection.execute(
        select(
            func.coalesce(func.sum(held), 0),
            func.coalesce(func.sum(case((filed >= month.start, 1), else_=0)), 0),
            func.coalesce(func.sum(case((filed >= year, 1), else_=0)), 0),
            func.count(func.distinct(case((held == 1, document.c.owner_id)))),
        ).where(filed < month.end)
    ).one()
    inhabitants, opened = people
    documents, of_month, of_year, fed = counted
    return {
        "mois": str(month),
        "habitants": inhabitants,
        "dossiers_ouverts": opened,
        "habitants_avec_document": fed,
        "part_avec_document": f"{100 * fed / inhabitants:.1f}" if inhabitants else "",
        "documents": documents,
        "documents_du_mois": of_month,
        "documents_sur_un_an": of_year,
        "documents_par_habitant_et_par_an": f"{of_year / inhabitants:.2f}" if inhabitants else "",
    }


def _documents(connection: Connection, month: Month) -> list[dict[str, Any]]:
    """What was filed in the month, by type, by the structure of who signed it (else of who brought it), by origin."""
    keys = (
        document.c.type_code,
        document.c.institution_id,
        document.c.depositor_structure,
        document.c.origin,
    )
    statement = (
        select(*keys, func.count().label("number"), func.sum(document.c.size).label("octets"))
        .where(document.c.filed_at >= month.start, document.c.filed_at < month.end)
        .group_by(*keys)
    )
    found: dict[tuple[str, str, str], list[int]] = {}
    for row in connection.execute(statement):
        signed = row.institution_id.rpartition("^")[2]
        key = (row.type_code, signed or row.depositor_structure or UNKNOWN, row.origin)
        counts = found.setdefault(key, [0, 0])
        counts[0] += row.number
        counts[1] += row.octets
    return [
        {
            "mois": str(month),
            "type": type_code,
            "libelle": _label(type_code),
            "structure": structure,
            "origine": origin,
            "documents": counts[0],
            "octets": counts[1],
        }
        for (type_code, structure, origin), counts in sorted(found.items())
    ]


def _label(type_code: str) -> str:
    kind = document_type(type_code)
    return kind.label if kind is not None else ""


def _a_year_before(month: Month) -> int:
    """The first instant of the twelve months that end with this one, on the clocks of Paris; epoch ms."""
    year, number = divmod(month.number, 100)
    began = (
        datetime(year, 1, 1, tzinfo=PARIS)
        if number == 12
        else datetime(year - 1, number + 1, 1, tzinfo=PARIS)
    )
    return to_millis(began.astimezone(UTC))
