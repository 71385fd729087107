"""What may be done with a document of a record that is there: one page asks for each act before it is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar

from portal import downloads
from portal.forms import Visitor, read_own_form
from portal.pages import not_found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.life import Change
    from dmp_bridge.record import Document

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


class InRecord(Visitor, Protocol):
    """Whoever is before a record: a patient, a professional."""

    @property
    def caller(self) -> Caller: ...


Inside_contra = TypeVar("Inside_contra", bound=InRecord, contravariant=True)


class RecordReception(Protocol[Inside_contra]):
    """What shows the pages of a record."""

    async def page(
        self, inside: Inside_contra, template: str, values: Mapping[str, Any], /, *, status: int = 200
    ) -> Response: ...

    async def done(self, inside: Inside_contra, sentence: str, to: str, /) -> Response: ...


class ActPages(ABC, Generic[Inside_contra]):
    """`…/documents/{document}/acte/{act}`; patients and professionals have their own words and ways."""

    acts: ClassVar[Mapping[str, Act]]
    template: ClassVar[str]

    def __init__(self, reception: RecordReception[Inside_contra], desk: Desk) -> None:
        self._reception = reception
        self._desk = desk

    @abstractmethod
    def routes(self) -> list[Route]:
        """The page to `ask` by GET, and to `do` by POST."""

    @abstractmethod
    async def document(self, request: Request, inside: Inside_contra) -> Document:
        """The document of the path, of this record and no other's. Raises Denied."""

    @abstractmethod
    def line(self, inside: Inside_contra, document: Document) -> object:
        """The document as the template tells it."""

    @abstractmethod
    def after(self, inside: Inside_contra, change: Change, document: Document) -> str:
        """The page of what can be seen once the act is done."""

    # ref: DMP-F20, DMP-F36
    async def ask(self, request: Request, inside: Inside_contra) -> Response:
        """Tells what the act brings about, and asks for it (EX 126)."""
        return await self._ask(request, inside)

    async def do(self, request: Request, inside: Inside_contra) -> Response:
        """Does it, unless the document has changed since it was shown: 303 to what can be seen then."""
        act = self._act(request)
        form = await read_own_form(request, inside)
        if act.is_final and form.get("confirm") != "1":
            return await self._ask(request, inside, refusal=_NOT_CONFIRMED, status=422)
        version = form.get("version")
        if not (version.isascii() and version.isdecimal() and len(version) <= downloads.LONGEST_NUMBER):
            raise not_found()
        document = await self.document(request, inside)
        await self._desk.change(inside.caller, document.id, act.change, version=int(version))
        return await self._reception.done(inside, act.done, self.after(inside, act.change, document))

    async def _ask(
        self, request: Request, inside: Inside_contra, *, refusal: str | None = None, status: int = 200
    ) -> Response:
        document = await self.document(request, inside)
        values = {
            "act": self._act(request),
            "slug": request.path_params["act"],
            "document": document,
            "line": self.line(inside, document),
            "refusal": refusal,
        }
        return await self._reception.page(inside, self.template, values, status=status)

    def _act(self, request: Request) -> Act:
        act = self.acts.get(str(request.path_params["act"]))
        if act is None:
            raise not_found()
        return act
