"""The shelves of a record that everybody looks for by name: vaccinations, and the health of the child."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dmp_bridge import codes
from dmp_bridge.dossier.forms import DocumentQuery
from dmp_bridge.dossier.life import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmp_bridge.record import Document


@dataclass(frozen=True, slots=True)
class Rubric:
    """One part of a shelf: the documents of one type, or of one format where that says more than the type."""

    label: str
    type_code: str = ""
    format_code: str = ""

    def holds(self, document: Document) -> bool:
        if self.format_code:
            return document.format_code == self.format_code
        return document.type_code == self.type_code


@dataclass(frozen=True, slots=True)
class RecordShelf:
    """Rubrics in the order in which they are read; a document stands in the first that holds it."""

    title: str
    rubrics: tuple[Rubric, ...]

    @property
    def queries(self) -> tuple[DocumentQuery, ...]:
        """What to search for: conditions of one query must all hold, hence one for the types and one for the formats."""
        types = tuple(each.type_code for each in self.rubrics if each.type_code)
        formats = tuple(each.format_code for each in self.rubrics if each.format_code)
        current = (Status.APPROVED.value,)
        asked = (
            DocumentQuery(statuses=current, type_codes=types) if types else None,
            DocumentQuery(statuses=current, format_codes=formats) if formats else None,
        )
        return tuple(each for each in asked if each is not None)

    def arranged(self, documents: Sequence[Document]) -> list[tuple[str, list[Document]]]:
        """The label of each rubric with its documents, in the order given; each document once."""
        placed: dict[str, list[Document]] = {each.label: [] for each in self.rubrics}
        for document in {each.id: each for each in documents}.values():
            rubric = next((each for each in self.rubrics if each.holds(document)), None)
            if rubric is not None:
                placed[rubric.label].append(document)
        return list(placed.items())


def _type(code: str) -> Rubric:
    kind = codes.document_type(code)
    return Rubric(kind.label if kind is not None else code, type_code=code)


def _format(code: str) -> Rubric:
    return Rubric(codes.format_label(code), format_code=code)


VACCINATIONS: Final = RecordShelf(
    "Carnet de vaccination", (_type("11369-6"), _type("87273-9"), _type("96874-3"))
)
CHILDHOOD: Final = RecordShelf(
    "Santé de l’enfant",
    (
        _format("urn:asip:ci-sis:cse-cs8:2017"),
        _format("urn:asip:ci-sis:cse-cs9:2017"),
        _format("urn:asip:ci-sis:cse-cs24:2017"),
        Rubric("Examens obligatoires de l’enfant", type_code="59283-2"),
    ),
)
"""The certificates of the 8th day, the 9th and the 24th month, and the other compulsory examinations (CSP R2132-1)."""
