"""What a professional may do with a document that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Route

from dmp_bridge.dossier.life import Change
from portal.record_acts import Act, ActPages
from portal.webps.document import document_of, line
from portal.webps.reception import RECORDS, Inside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.record import Document
    from portal.webps.reception import Reception

# ref: DMP-F36
ACTS: Final[Mapping[str, Act]] = {
    "masquer": Act(
        change=Change.MASK,
        name="Masquer aux professionnels de santé",
        effect=(
            "Les professionnels de santé ne verront plus ce document, hormis son auteur et le médecin traitant, et "
            "en urgence si le patient l’a permis. Le patient le voit toujours."
        ),
        done="Le document est masqué aux professionnels de santé.",
    ),
    "demasquer": Act(
        change=Change.UNMASK,
        name="Démasquer aux professionnels de santé",
        effect="Les professionnels autorisés à consulter ce dossier verront de nouveau ce document.",
        done="Le document n’est plus masqué.",
    ),
    "rendre-visible": Act(
        change=Change.SHOW_TO_PATIENT,
        name="Rendre visible au patient",
        effect="Le patient verra ce document dans Mon espace santé. Il ne pourra plus lui être caché.",
        done="Le document est visible par le patient.",
        is_final=True,
    ),
    "rendre-visible-aux-representants": Act(
        change=Change.REVEAL_TO_REPRESENTATIVES,
        name="Rendre visible aux représentants légaux",
        effect=(
            "Les titulaires de l’autorité parentale verront ce document. Faites-le avec l’accord du mineur : il ne "
            "pourra plus leur être caché."
        ),
        done="Le document est visible par les représentants légaux.",
        is_final=True,
    ),
    "archiver": Act(
        change=Change.ARCHIVE,
        name="Archiver",
        effect="Le document ne sera plus affiché que sur demande. Il peut être désarchivé.",
        done="Le document est archivé.",
    ),
    "desarchiver": Act(
        change=Change.UNARCHIVE,
        name="Désarchiver",
        effect="Le document sera de nouveau affiché dans la liste.",
        done="Le document n’est plus archivé.",
    ),
    "supprimer": Act(
        change=Change.DELETE,
        name="Supprimer",
        effect="Le document ne sera plus ni affiché ni téléchargé par le patient. La trace de son dépôt demeure.",
        done="Le document est supprimé.",
        is_final=True,
    ),
}
"""By the last word of the address."""


class ProfessionalActPages(ActPages[Inside]):
    """`/pro/dossier/{access}/documents/{document}/acte/{act}`."""

    acts = ACTS
    template = "webps/act.html"

    def __init__(self, reception: Reception, desk: Desk) -> None:
        super().__init__(reception, desk)
        self._inside = reception.inside

    def routes(self) -> list[Route]:
        path = f"{RECORDS}/{{access}}/documents/{{document}}/acte/{{act}}"
        return [
            Route(path, self._inside(self.ask), methods=["GET"]),
            Route(path, self._inside(self.do), methods=["POST"]),
        ]

    async def document(self, request: Request, inside: Inside) -> Document:
        return await document_of(request, inside, self._desk)

    def line(self, inside: Inside, document: Document) -> dict[str, Any]:
        return line(document)

    def after(self, inside: Inside, change: Change, document: Document) -> str:
        """The document; the list or the record for who may not look at it any more.

        They masked what is not theirs, or deleted without an authorisation.
        """
        to = {Change.MASK: "/documents", Change.DELETE: ""}.get(change, f"/documents/{document.id}")
        return inside.access.path + to
