"""What may be done with a document that is there: one page asks for each act before it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from dmp_bridge.dossier.life import Change
from portal import downloads
from portal.forms import read_own_form
from portal.pages import not_found
from portal.webps.document import document_of, line
from portal.webps.reception import RECORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.dossier.desk import Desk
    from portal.webps.reception import Inside, Reception

_NOT_CONFIRMED: Final = "Cochez la case : cet acte est définitif."


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act: its name as a link, what it brings about, what is said once it is done."""

    change: Change
    name: str
    effect: str
    done: str
    is_final: bool = False
    """Nobody can undo it: the page asks for a tick."""


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


class ActPages:
    """`/pro/dossier/{access}/documents/{document}/acte/{act}`."""

    def __init__(self, reception: Reception, desk: Desk) -> None:
        self._reception = reception
        self._desk = desk

    def routes(self) -> list[Route]:
        inside = self._reception.inside
        path = f"{RECORDS}/{{access}}/documents/{{document}}/acte/{{act}}"
        return [
            Route(path, inside(self.ask), methods=["GET"]),
            Route(path, inside(self.do), methods=["POST"]),
        ]

    async def ask(self, request: Request, inside: Inside) -> Response:
        """Tells what the act brings about, and asks for it (EX 126)."""
        return await self._ask(request, inside)

    async def do(self, request: Request, inside: Inside) -> Response:
        """Does it, unless the document has changed since it was shown: 303 to what can be seen then."""
        act = _act(request)
        form = await read_own_form(request, inside)
        if act.is_final and form.get("confirm") != "1":
            return await self._ask(request, inside, refusal=_NOT_CONFIRMED, status=422)
        version = form.get("version")
        if not (version.isascii() and version.isdecimal() and len(version) <= downloads.LONGEST_NUMBER):
            raise not_found()
        document = await document_of(request, inside, self._desk)
        await self._desk.change(inside.caller, document.id, act.change, version=int(version))
        # Who masked what is not theirs, or deleted without an authorisation, may not look at it any more.
        after = {Change.MASK: "/documents", Change.DELETE: ""}.get(act.change, f"/documents/{document.id}")
        return await self._reception.done(inside, act.done, inside.access.path + after)

    async def _ask(
        self,
        request: Request,
        inside: Inside,
        *,
        refusal: str | None = None,
        status: int = 200,
    ) -> Response:
        document = await document_of(request, inside, self._desk)
        values = {
            "act": _act(request),
            "slug": request.path_params["act"],
            "document": document,
            "line": line(document),
            "refusal": refusal,
        }
        return await self._reception.page(inside, "webps/act.html", values, status=status)


def _act(request: Request) -> Act:
    act = ACTS.get(str(request.path_params["act"]))
    if act is None:
        raise not_found()
    return act
