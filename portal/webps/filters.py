"""What a professional asks of the list of documents, read from the address of the page and written back into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from dmp_bridge import codes
from dmp_bridge.dossier.forms import DocumentQuery
from dmp_bridge.dossier.life import Status
from dmp_bridge.visibility import Visibility
from portal.days import day_of
from portal.record_lists import iso, period, place_behind, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from starlette.datastructures import QueryParams

    from dmp_bridge.record import Document

PAGE: Final = 20
"""Documents of one page (EX_3.1-2030)."""
_FIRST_YEARS: Final = 2
_LONGEST: Final = 100


class Also(StrEnum):
    """What is shown only when it is asked for (EX_3.1-1030)."""

    MASKED = "masques"
    UNSEEN = "non-visibles"
    ARCHIVED = "archives"
    FORMER = "anciens"
    DELETED = "supprimes"


ALSO: Final[Mapping[Also, str]] = {
    Also.MASKED: "Masqués aux professionnels de santé",
    Also.UNSEEN: "Non visibles par le patient",
    Also.ARCHIVED: "Archivés",
    Also.FORMER: "Anciennes versions",
    Also.DELETED: "Supprimés",
}
_STATUSES: Final[Mapping[Also, Status]] = {
    Also.ARCHIVED: Status.ARCHIVED,
    Also.FORMER: Status.DEPRECATED,
    Also.DELETED: Status.DELETED,
}
_HIDDEN: Final[Mapping[Also, Visibility]] = {
    Also.MASKED: Visibility.MASKED,
    Also.UNSEEN: Visibility.UNSEEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Class, type, period and author of documents; empty ones ask nothing. `since` and `until` are days included."""

    class_code: str = ""
    type_code: str = ""
    since: date | None = None
    until: date | None = None
    author: str = field(default="", repr=False)
    also: frozenset[Also] = frozenset()
    after: tuple[int, int] | None = None

    @classmethod
    def read(cls, query: QueryParams, today: date) -> Asked:
        """From the address of the page; the documents of two years where no form was sent (EX_3.1-2030)."""
        known_class, known_type = query.get("classe", ""), query.get("type", "")
        is_sent = "du" in query
        return cls(
            class_code=known_class if known_class in codes.classes() else "",
            type_code=known_type if codes.document_type(known_type) is not None else "",
            since=day_of(query.get("du", "")) if is_sent else years_before(today, _FIRST_YEARS),
            until=day_of(query.get("au", "")),
            author=query.get("auteur", "").strip()[:_LONGEST],
            also=frozenset(each for each in Also if each.value in query.getlist("aussi")),
            after=place_of(query.get("apres", "")),
        )

    @property
    def query(self) -> DocumentQuery:
        """The same for the desk."""
        statuses = [Status.APPROVED, *(status for also, status in _STATUSES.items() if also in self.also)]
        return DocumentQuery(
            statuses=tuple(status.value for status in statuses),
            class_codes=(self.class_code,) if self.class_code else (),
            type_codes=(self.type_code,) if self.type_code else (),
            author=self.author,
            but_not=tuple(each.value for also, each in _HIDDEN.items() if also not in self.also),
            acted=period(self.since, self.until),
            after=self.after,
            limit=PAGE,
        )

    def following(self, last: Document) -> str:
        """The query of the page behind a document."""
        asked = [
            ("du", iso(self.since)),
            ("au", iso(self.until)),
            ("classe", self.class_code),
            ("type", self.type_code),
            ("auteur", self.author),
            *(("aussi", each.value) for each in Also if each in self.also),
            ("apres", place_behind(last)),
        ]
        return urlencode(asked)


def years_before(day: date, years: int) -> date:
    """The same day of an earlier year; the first of March for the twenty-ninth of February."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, month=3, day=1)
