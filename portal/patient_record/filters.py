"""What a patient asks of the list of documents, read from the address of the page and written back into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from dmp_bridge import codes
from dmp_bridge.dossier.forms import DocumentQuery
from dmp_bridge.dossier.life import Status
from dmp_bridge.record import Origin
from dmp_bridge.visibility import Visibility
from portal.days import day_of
from portal.record_lists import iso, period, place_behind, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from starlette.datastructures import QueryParams

    from dmp_bridge.record import Document

PAGE: Final = 50
_LONGEST: Final = 100


class Shown(StrEnum):
    """Which documents, by their state."""

    CURRENT = ""
    MASKED = "masques"
    ARCHIVED = "archives"
    FORMER = "anciens"
    ALL = "tous"


SHOWN: Final[Mapping[Shown, str]] = {
    Shown.CURRENT: "Actuels",
    Shown.MASKED: "Masqués aux professionnels",
    Shown.ARCHIVED: "Archivés",
    Shown.FORMER: "Anciennes versions",
    Shown.ALL: "Tous",
}
_STATUSES: Final[Mapping[Shown, tuple[Status, ...]]] = {
    Shown.CURRENT: (Status.APPROVED,),
    Shown.MASKED: (Status.APPROVED, Status.ARCHIVED),
    Shown.ARCHIVED: (Status.ARCHIVED,),
    Shown.FORMER: (Status.DEPRECATED,),
    Shown.ALL: (Status.APPROVED, Status.ARCHIVED, Status.DEPRECATED),
}


class By(StrEnum):
    """Who put them there: patients' own documents stand apart (class 90)."""

    ANYBODY = ""
    CARERS = "professionnels"
    PATIENT = "patient"


BY: Final[Mapping[By, str]] = {
    By.ANYBODY: "Tous",
    By.CARERS: "Professionnels et structures",
    By.PATIENT: "Patient et représentants",
}
_ORIGINS: Final[Mapping[By, tuple[Origin, ...]]] = {
    By.ANYBODY: (),
    By.CARERS: (Origin.PROFESSIONAL, Origin.STRUCTURE, Origin.SYSTEM),
    By.PATIENT: (Origin.PATIENT,),
}


# ref: DMP-F30, DMP-F38
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """State, category, origin, period and author of documents; empty ones ask nothing. Days are included."""

    shown: Shown = Shown.CURRENT
    category: str = ""
    by: By = By.ANYBODY
    since: date | None = None
    until: date | None = None
    author: str = field(default="", repr=False)
    after: tuple[int, int] | None = None

    @classmethod
    def read(cls, query: QueryParams) -> Asked:
        """From the address of the page; what nobody can mean asks nothing."""
        shown, by, category = query.get("etat", ""), query.get("par", ""), query.get("categorie", "")
        return cls(
            shown=Shown(shown) if shown in set(Shown) else Shown.CURRENT,
            category=category if category in codes.categories() else "",
            by=By(by) if by in set(By) else By.ANYBODY,
            since=day_of(query.get("du", "")),
            until=day_of(query.get("au", "")),
            author=query.get("auteur", "").strip()[:_LONGEST],
            after=place_of(query.get("apres", "")),
        )

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked: then an empty list is an empty record."""
        return self == Asked(after=self.after)

    @property
    def query(self) -> DocumentQuery:
        """The same for the desk."""
        return DocumentQuery(
            statuses=tuple(each.value for each in _STATUSES[self.shown]),
            visibilities=(Visibility.MASKED.value,) if self.shown is Shown.MASKED else (),
            categories=(self.category,) if self.category else (),
            origins=tuple(each.value for each in _ORIGINS[self.by]),
            author=self.author,
            acted=period(self.since, self.until),
            after=self.after,
            limit=PAGE,
        )

    def following(self, last: Document) -> str:
        """The query of the page behind a document."""
        asked = {
            "etat": self.shown.value,
            "categorie": self.category,
            "par": self.by.value,
            "du": iso(self.since),
            "au": iso(self.until),
            "auteur": self.author,
            "apres": place_behind(last),
        }
        return urlencode({name: value for name, value in asked.items() if value})
