"""The shelves of a record that everybody looks for by name: vaccinations, and the health of the child."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dmp_bridge import codes
from dmp_bridge.dossier.forms import DocumentQuery
from dmp_bridge.sections import CERTIFICATES, Section, codes_of, section_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.record import Document


@dataclass(frozen=True, slots=True)
class RecordShelf:
    """The current documents of one section, by rubric: `rubrics` are labels by formatCode or typeCode, in order.

    What stands in the section under no rubric stands under `others`.
    """

    section: Section
    rubrics: Mapping[str, str]
    others: str

    @property
    def title(self) -> str:
        """Its name in French."""
        return self.section.label

    @property
    def queries(self) -> tuple[DocumentQuery, DocumentQuery]:
        """What to search for: conditions of one query must all hold, hence one for the types and one for the formats."""
        types, formats = codes_of(self.section)
        return DocumentQuery(type_codes=types), DocumentQuery(format_codes=formats)

    def arranged(self, documents: Sequence[Document]) -> list[tuple[str, list[Document]]]:
        """The label of each rubric with its documents, the newest act first; each document once."""
        placed: dict[str, list[Document]] = {label: [] for label in (*self.rubrics.values(), self.others)}
        found = {document.id: document for document in documents}.values()
        for each in sorted(found, key=lambda each: (each.act_at, each.id), reverse=True):
            # A patient's own document stays one, whatever it is about.
            if section_of(each.type_code, each.class_code, each.format_code) is self.section:
                by_type = self.rubrics.get(each.type_code, self.others)
                placed[self.rubrics.get(each.format_code, by_type)].append(each)
        return list(placed.items())


async def standing_on(
    shelf: RecordShelf, desk: Desk, caller: Caller, ins: str
) -> list[tuple[str, list[Document]]]:
    """The rubrics of a shelf with the documents of a record that this caller may know of. Raises Denied."""
    found = [
        document for query in shelf.queries for document in (await desk.search(caller, ins, query)).documents
    ]
    return shelf.arranged(found)


def _label(type_code: str) -> str:
    kind = codes.document_type(type_code)
    return kind.label if kind is not None else type_code


VACCINATIONS: Final = RecordShelf(
    Section.VACCINATION,
    {code: _label(code) for code in codes_of(Section.VACCINATION)[0]},
    "Autres documents de vaccination",
)
CHILDHOOD: Final = RecordShelf(
    Section.CHILD,
    {code: codes.format_label(code) for code in CERTIFICATES},
    "Examens obligatoires de l’enfant",
)
