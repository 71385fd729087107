"""The directory as pages: a search, what is known of a mailbox, its vCard, and the correspondents of a professional."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from directory.annuaire.conditions import All, Equal, Substring, Words
from directory.annuaire.conditions import Any as AnyOf
from directory.annuaire.fields import Field
from directory.annuaire.view import TooSlow
from directory.bals import BalType, find_bal
from directory.json_export import public_values
from directory.listing import listing_of
from directory.vcard import MEDIA_TYPE, vcard, vcards
from foundation.clock import from_millis, to_paris
from foundation.identifiers import Address
from mailserver import address_book
from mailserver.address_book import TooManyFavourites
from portal import sessions
from portal.forms import read_own_form
from portal.pages import not_found
from portal.professional.frame import Frame, say, trace
from portal.professional.home import TYPES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection
    from starlette.requests import Request

    from directory.annuaire.conditions import Condition
    from directory.annuaire.model import Mailbox
    from directory.annuaire.view import View
    from foundation.database import UnitOfWork
    from portal.context import PortalContext
    from portal.pages import Pages
    from portal.professional.visit import Visit

ANNUAIRE: Final = "/annuaire"
CORRESPONDENTS: Final = "/pro/correspondants"
RESULTS: Final = 50
_LONGEST: Final = 200
_WITHDRAWN: Final = "annuaire/withdrawn.html"
_TOO_SLOW: Final = "Cette recherche est trop large : précisez un nom, une profession ou un lieu."
_FULL: Final = f"Vous gardez déjà {address_book.MOST_FAVOURITES} correspondants : retirez-en un d’abord."


class HasView(Protocol):
    """The directory (directory.annuaire.annuaire.Annuaire)."""

    def view(self) -> View: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody looks for; empty texts ask nothing."""

    words: str = ""
    what: str = ""
    """Profession or speciality."""
    where: str = ""
    """Town, postal code or department."""
    type: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Asked:
        """From the query of a URL; texts are bounded."""
        words, what, where = (query.get(name, "").strip()[:_LONGEST] for name in ("q", "quoi", "lieu"))
        kind = query.get("type", "")
        return cls(words, what, where, kind if kind in set(BalType) else "")

    @property
    def is_empty(self) -> bool:
        return not (self.words or self.what or self.where)

    @property
    def condition(self) -> Condition:
        """All of it."""
        asked: list[Condition] = []
        if self.words:
            asked.append(Words(self.words))
        if self.what:
            asked.append(
                AnyOf(
                    tuple(Substring(field, parts=(self.what,)) for field in (Field.PROFESSION, Field.SKILL))
                )
            )
        if self.where:
            asked.append(
                AnyOf(
                    (
                        Substring(Field.CITY, parts=(self.where,)),
                        Substring(Field.POSTAL_CODE, initial=self.where),
                        Equal(Field.DEPARTMENT, self.where),
                    )
                )
            )
        if self.type:
            asked.append(Equal(Field.TYPE, self.type))
        return All(tuple(asked))


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A mailbox that was in the directory, and when it went away (epoch milliseconds)."""

    address: str
    at: int


class AnnuairePages:
    """`/annuaire` and `/pro/correspondants`."""

    def __init__(self, context: PortalContext, pages: Pages, annuaire: HasView) -> None:
        self._context = context
        self._pages = pages
        self._annuaire = annuaire
        self._frame = Frame(context, pages)

    def routes(self) -> list[Route]:
        signed_in = self._frame.signed_in
        return [
            Route(ANNUAIRE, self.search, methods=["GET"]),
            Route(f"{ANNUAIRE}/bal/{{address:path}}.vcf", self.card, methods=["GET"]),
            Route(f"{ANNUAIRE}/bal/{{address:path}}.json", self.json, methods=["GET"]),
            Route(f"{ANNUAIRE}/bal/{{address:path}}", self.show, methods=["GET"]),
            Route(CORRESPONDENTS, signed_in(self.correspondents), methods=["GET"]),
            Route(f"{CORRESPONDENTS}.vcf", signed_in(self.cards), methods=["GET"]),
            Route(f"{CORRESPONDENTS}/garder", signed_in(self.keep), methods=["POST"]),
            Route(f"{CORRESPONDENTS}/retirer", signed_in(self.drop), methods=["POST"]),
        ]

    async def search(self, request: Request) -> Response:
        """The form, and what was found."""
        visit = self._visit(request)
        if not self._is_open_to(visit):
            return self._pages.turned_away(request.cookies.get(sessions.COOKIE))
        asked = Asked.read(request.query_params)
        values: dict[str, Any] = {"asked": asked, "types": TYPES, "found": [], "more": False, "refusal": None}
        status = HTTPStatus.OK
        if not asked.is_empty:
            try:
                found = await self._found(asked, visit)
            except TooSlow:
                values["refusal"], status = _TOO_SLOW, HTTPStatus.UNPROCESSABLE_ENTITY
            else:
                values |= {"found": found[:RESULTS], "more": len(found) > RESULTS}
        return await self._page(visit, "annuaire/search.html", values, status=status)

    async def _found(self, asked: Asked, visit: Visit | None) -> list[Mailbox]:
        def query(connection: Connection) -> tuple[str | None, Collection[str]]:
            if visit is None:
                return None, ()
            listing = listing_of(connection, visit.owner_id)
            of_structure = visit.bal.type in (BalType.ORG, BalType.APP)
            structure = visit.bal.idnat if of_structure else listing.structure
            return structure, frozenset(address_book.recent_addresses(connection, visit.owner_id))

        structure, recent = await self._context.database.read(query)
        view = self._annuaire.view()
        return await asyncio.to_thread(
            view.mailboxes, asked.condition, RESULTS + 1, own_structure=structure, recent=recent
        )

    async def show(self, request: Request) -> Response:
        """What is known of one mailbox."""
        visit = self._visit(request)
        if not self._is_open_to(visit):
            return self._pages.turned_away(request.cookies.get(sessions.COOKIE))
        mailbox = self._mailbox(request)
        if isinstance(mailbox, Withdrawn):
            return await self._page(visit, _WITHDRAWN, {"withdrawn": mailbox}, status=HTTPStatus.GONE)
        owner_id = visit.owner_id if visit is not None else 0
        values = {
            "mailbox": mailbox,
            "types": TYPES,
            "abilities": self._abilities(mailbox),
            "is_kept": self._context.database.read_now(
                lambda connection: address_book.is_kept(connection, owner_id, mailbox.address)
            ),
        }
        return await self._page(visit, "annuaire/mailbox.html", values)

    async def card(self, request: Request) -> Response:
        """The vCard of one mailbox."""
        visit = self._visit(request)
        if not self._is_open_to(visit):
            return self._pages.turned_away(request.cookies.get(sessions.COOKIE))
        mailbox = self._mailbox(request)
        if isinstance(mailbox, Withdrawn):
            return await self._page(visit, _WITHDRAWN, {"withdrawn": mailbox}, status=HTTPStatus.GONE)
        return _download(vcard(mailbox), "bal.vcf")

    async def json(self, request: Request) -> Response:
        """One mailbox as a program reads it, with what it can do where it is hosted here."""
        if not self._is_open_to(self._visit(request)):
            return JSONResponse(
                {"code": "signed_out", "message": "Identifiez-vous."}, HTTPStatus.UNAUTHORIZED
            )
        mailbox = self._mailbox(request)
        if isinstance(mailbox, Withdrawn):
            day = to_paris(from_millis(mailbox.at))
            message = f"Cette boîte n’est plus dans l’annuaire depuis le {day:%d/%m/%Y}."
            return JSONResponse({"code": "withdrawn", "message": message}, HTTPStatus.GONE)
        return JSONResponse({**public_values(mailbox), "capabilities": self._abilities(mailbox)})

    async def correspondents(self, request: Request, visit: Visit) -> Response:
        """Whom the open box keeps, and whom it wrote to or heard from of late."""
        listed = await self._context.database.read(
            lambda connection: address_book.correspondents(
                connection, visit.owner_id, apart_from=self._context.settings.patient_domain
            )
        )
        view = self._annuaire.view()
        values = {"listed": [(each, view.mailbox(each.address)) for each in listed], "types": TYPES}
        return await self._frame.page(visit, "annuaire/correspondents.html", values)

    async def cards(self, request: Request, visit: Visit) -> Response:
        """The vCards of those the open box keeps that the directory knows."""
        listed = await self._context.database.read(
            lambda connection: address_book.correspondents(
                connection, visit.owner_id, apart_from=self._context.settings.patient_domain
            )
        )
        view = self._annuaire.view()
        known = [view.mailbox(each.address) for each in listed if each.is_favourite]
        return _download(vcards(each for each in known if each is not None), "correspondants.vcf")

    async def keep(self, request: Request, visit: Visit) -> Response:
        """Keeps a correspondent."""
        address = _address((await read_own_form(request, visit)).get("address"))
        now = self._context.clock.millis()

        def unit(uow: UnitOfWork) -> None:
            try:
                address_book.keep(uow, visit.owner_id, address, now)
            except TooManyFavourites:
                say(uow, visit.session, _FULL)
                return
            trace(uow, visit, "correspondent.kept", "ok", self._context)
            say(uow, visit.session, f"{address} est parmi vos correspondants.")

        await self._context.database.write(unit)
        return RedirectResponse(CORRESPONDENTS, 303)

    async def drop(self, request: Request, visit: Visit) -> Response:
        """Keeps a correspondent no longer."""
        address = _address((await read_own_form(request, visit)).get("address"))

        def unit(uow: UnitOfWork) -> None:
            if address_book.drop(uow, visit.owner_id, address):
                trace(uow, visit, "correspondent.dropped", "ok", self._context)
                say(uow, visit.session, f"{address} n’est plus parmi vos correspondants gardés.")

        await self._context.database.write(unit)
        return RedirectResponse(CORRESPONDENTS, 303)

    def _visit(self, request: Request) -> Visit | None:
        return self._context.professional(request.cookies.get(sessions.COOKIE))

    def _is_open_to(self, visit: Visit | None) -> bool:
        return visit is not None or self._context.settings.directory.page == "everybody"

    def _mailbox(self, request: Request) -> Mailbox | Withdrawn:
        """The mailbox of the path, or that it was withdrawn; 404 for any other, the red list for one."""
        view, address = self._annuaire.view(), request.path_params["address"][:_LONGEST]
        found = view.mailbox(address)
        if found is not None:
            return found
        removed_at = view.removed_at(Field.ADDRESS, address)
        if removed_at is None:
            raise not_found()
        return Withdrawn(address.lower(), removed_at)

    def _abilities(self, mailbox: Mailbox) -> dict[str, Any] | None:
        """What a box that is hosted here can do; None for others."""

        def query(connection: Connection) -> dict[str, Any] | None:
            bal = find_bal(connection, mailbox.address)
            if bal is None:
                return None
            listing = listing_of(connection, bal.owner_id)
            greatest = self._context.settings.limits.message_bytes
            return {
                "accepts_xdm": listing.accepts_xdm,
                "largest_bytes": min(listing.largest_bytes or greatest, greatest),
                "patient_may_answer": listing.patient_may_answer,
            }

        return self._context.database.read_now(query)

    async def _page(
        self, visit: Visit | None, template: str, values: Mapping[str, Any], *, status: int = 200
    ) -> Response:
        layout = "professional/frame.html" if visit is not None else "annuaire/outside.html"
        told = {"layout": layout, "section": "annuaire", **values}
        if visit is not None:
            return await self._frame.page(visit, template, told, status=status)
        return self._pages.anonymous(template, told, status=status)


def _address(text: str) -> str:
    parsed = Address.parse(text.strip()[:_LONGEST])
    if parsed is None:
        raise not_found()
    return str(parsed)


def _download(content: bytes, name: str) -> Response:
    return Response(
        content, media_type=MEDIA_TYPE, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
