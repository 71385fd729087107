"""The operator pages about mailboxes: the list, one of them with what may be done to it, a new one, and the service."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.routing import Route

from directory import publication
from directory.bals import BalChanged, BalRefused, BalState, BalType, find_bal, search_bals
from directory.bearers import OtherBearer, check_bearer
from directory.lifecycle import Stage, next_step, stage_of
from directory.listing import Listing, listing_of
from directory.publication import State
from foundation import trail
from mailserver.outbound import operate
from mailserver.outbound.queue import waiting
from mailserver.signin.choosing import Choosing, Chosen
from mailserver.signin.last import used_at
from mailserver.signin.policy import FRENCH, Weakness
from portal.forms import read_own_form
from portal.operators import acts
from portal.operators.visit import HOME, OperatorFrame, say
from portal.pages import not_found
from portal.professional.home import TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from directory.bals import Bal
    from foundation.database import UnitOfWork
    from portal.context import PortalContext
    from portal.forms import Form
    from portal.operators.visit import OperatorVisit
    from portal.pages import Pages

BOXES: Final = "/operateur/boites"
NEW: Final = "/operateur/boites/nouvelle"
SERVICE: Final = "/operateur/service"
PAGE: Final = 50
_LONGEST: Final = 320
_LISTED_DELIVERIES: Final = 100
_HOUR: Final = timedelta(hours=1)

STAGES: Final[Mapping[Stage, str]] = {
    Stage.CREATED: "Créée, jamais ouverte",
    Stage.ACTIVE: "Active",
    Stage.WARNED: "Active, prévenue de sa suspension",
    Stage.SUSPENDED: "Suspendue",
    Stage.CLOSED: "Fermée",
}
STATES: Final[Mapping[BalState, str]] = {
    BalState.ACTIVE: "En service",
    BalState.SUSPENDED: "Suspendues",
    BalState.CLOSED: "Fermées",
}
PUBLICATION: Final[Mapping[State, str]] = {
    State.WAITING: "En attente",
    State.RETRYING: "Nouvel essai prévu",
    State.PUBLISHED: "Publiée",
    State.WITHDRAWN: "Retirée",
    State.REFUSED: "Refusée par l’annuaire",
    State.INCOMPLETE: "Incomplète : il manque l’identifiant du porteur",
}
STEPS: Final = {"warn": "Avertissement", "suspend": "Suspension", "close": "Fermeture"}
_REASONS: Final = {"inactivity": "inactivité"}
_FIELDS: Final = ("structure", "service", "description", "responsible", "phone")


class BoxPages:
    """`/operateur/`, `/operateur/boites/…` and `/operateur/service`."""

    def __init__(self, context: PortalContext, pages: Pages) -> None:
        self._context = context
        self._frame = OperatorFrame(context, pages)

    def routes(self) -> list[Route]:
        signed_in = self._frame.signed_in
        return [
            Route("/operateur", _home, methods=["GET"]),
            Route(HOME, signed_in(self.list), methods=["GET"]),
            Route(SERVICE, signed_in(self.service), methods=["GET"]),
            Route(NEW, signed_in(self.new), methods=["GET"]),
            Route(BOXES, signed_in(self.open), methods=["POST"]),
            Route(f"{BOXES}/{{address:path}}/{{act}}", signed_in(self.act), methods=["POST"]),
            Route(f"{BOXES}/{{address:path}}", signed_in(self.show), methods=["GET"]),
        ]

    async def list(self, request: Request, visit: OperatorVisit) -> Response:
        """The boxes, by address, those that hold what is searched."""
        words = request.query_params.get("q", "").strip()[:_LONGEST]
        wanted = request.query_params.get("etat", "")
        state = BalState(wanted) if wanted in set(BalState) else None
        after = request.query_params.get("apres", "")[:_LONGEST]

        def query(connection: Connection) -> tuple[list[dict[str, Any]], dict[str, int]]:
            boxes = search_bals(connection, words, state=state, after=after, limit=PAGE)
            ids = [box.owner_id for box in boxes]
            used, told = used_at(connection, ids), publication.find_many(connection, ids)
            rows = [
                {
                    "bal": box,
                    "stage": STAGES[stage_of(box, used.get(box.owner_id))],
                    "publication": PUBLICATION[told[box.owner_id].state] if box.owner_id in told else None,
                    "used_at": used.get(box.owner_id),
                }
                for box in boxes
            ]
            return rows, publication.unfinished(connection)

        rows, unfinished = await self._context.database.read(query)
        values = {
            "rows": rows,
            "words": words,
            "state": state,
            "states": STATES,
            "types": TYPES,
            "next": rows[-1]["bal"].address if len(rows) == PAGE else None,
            "to_look_at": sum(unfinished.get(each, 0) for each in (State.REFUSED, State.INCOMPLETE)),
        }
        return await self._frame.page(visit, "operators/boxes.html", values)

    async def show(self, request: Request, visit: OperatorVisit) -> Response:
        """One box, and what may be done to it."""
        return await self._shown(visit, request.path_params["address"], None)

    async def _shown(
        self,
        visit: OperatorVisit,
        address: str,
        refusal: str | None,
        status: int = 200,
        typed: Mapping[str, str] | None = None,
        unsure_of: str | None = None,
    ) -> Response:
        rules = self._context.settings.lifecycle

        def query(connection: Connection) -> dict[str, Any] | None:
            box = find_bal(connection, address)
            if box is None:
                return None
            used = used_at(connection, [box.owner_id]).get(box.owner_id)
            told = publication.find(connection, box.owner_id)
            return {
                "bal": box,
                "listing": listing_of(connection, box.owner_id),
                "stage": STAGES[stage_of(box, used)],
                "step": next_step(box, used, rules),
                "used_at": used,
                "publication": PUBLICATION[told.state] if told is not None else None,
                "publication_error": told.error if told is not None else None,
                "published_at": told.published_at if told is not None else None,
            }

        values = await self._context.database.read(query)
        if values is None:
            raise not_found()
        values |= {
            "types": TYPES,
            "steps": STEPS,
            "refusal": refusal,
            "typed": {"name": values["bal"].name, "idnat": "", **(typed or {})},
            "unsure_of": unsure_of,
            "base": f"{BOXES}/{quote(values['bal'].address, safe='@')}",
            "reason": _REASONS.get(values["bal"].reason or "", values["bal"].reason),
            "largest": self._context.settings.limits.message_bytes,
        }
        return await self._frame.page(visit, "operators/box.html", values, status=status)

    async def act(self, request: Request, visit: OperatorVisit) -> Response:
        """Does one thing to a box; refused where somebody else has changed it since the page was shown."""
        form = await read_own_form(request, visit)
        address = request.path_params["address"]
        act = self._acts(visit, form).get(request.path_params["act"])
        if act is None:
            raise not_found()

        def unit(uow: UnitOfWork) -> str:
            box = find_bal(uow.connection, address)
            if box is None:
                raise not_found()
            said = act(uow, box)
            say(uow, visit.session, said)
            return box.address

        try:
            changed = await self._context.database.write(unit)
        except BalRefused as error:
            status = 409 if isinstance(error, BalChanged) else 422
            unsure_of = form.get("idnat").strip() if isinstance(error, OtherBearer) else None
            typed = {each: form.get(each) for each in ("name", "idnat")} if unsure_of else None
            return await self._shown(visit, address, error.french, status, typed, unsure_of)
        return RedirectResponse(f"{BOXES}/{quote(changed, safe='@')}", 303)

    def _acts(self, visit: OperatorVisit, form: Form) -> Mapping[str, Callable[[UnitOfWork, Bal], str]]:
        """What may be done, by the last word of the path; each gives the sentence that is said of it."""
        clock, actor = self._context.clock, visit.actor
        text = form.get("version")
        version = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0

        def state(wanted: BalState, said: str) -> Callable[[UnitOfWork, Bal], str]:
            def change(uow: UnitOfWork, box: Bal) -> str:
                reason = form.get("reason")
                if wanted is not BalState.ACTIVE and not reason.strip():
                    raise BalRefused("A reason is missing.", "Donnez le motif.")
                if wanted is BalState.CLOSED and form.get("sure") != "oui":
                    raise BalRefused("It was not confirmed.", "Cochez la case : une boîte fermée le reste.")
                given = reason if wanted is not BalState.ACTIVE else ""
                acts.change_bal(uow, clock, box.address, wanted, reason=given, version=version, actor=actor)
                return said

            return change

        def red_list(uow: UnitOfWork, box: Bal) -> str:
            is_on = form.get("red_list") == "oui"
            acts.red_list_bal(uow, clock, box.address, red_list=is_on, version=version, actor=actor)
            return "La boîte est en liste rouge." if is_on else "La boîte paraît dans l’annuaire."

        def edit(uow: UnitOfWork, box: Bal) -> str:
            listing = _listing(form, listing_of(uow.connection, box.owner_id))
            idnat = box.idnat or form.get("idnat").strip() or None
            if box.idnat is None:
                self._check_bearer(form, box.type)
            acts.edit_bal(
                uow,
                clock,
                box.address,
                name=form.get("name"),
                idnat=idnat,
                listing=listing,
                version=version,
                actor=actor,
            )
            return "La boîte est modifiée."

        def keep(uow: UnitOfWork, box: Bal) -> str:
            acts.keep_bal(uow, clock, box.address, actor=actor)
            return "La boîte est gardée : le délai d’inactivité repart."

        def unlock(uow: UnitOfWork, box: Bal) -> str:
            if acts.unlock_bal(uow, clock, box.address, actor=actor):
                return "Les essais manqués sont oubliés."
            return "Aucun essai manqué n’était compté."

        def publish(uow: UnitOfWork, box: Bal) -> str:
            publication.ask_anew(uow, box, listing_of(uow.connection, box.owner_id))
            trail.append(
                uow,
                "bal.publication",
                actor=actor,
                subject=f"bal:{box.owner_id}",
                outcome="asked",
                clock=clock,
            )
            return "La publication est redemandée."

        return {
            "suspendre": state(BalState.SUSPENDED, "La boîte est suspendue."),
            "retablir": state(BalState.ACTIVE, "La boîte est rétablie."),
            "fermer": state(BalState.CLOSED, "La boîte est fermée."),
            "liste-rouge": red_list,
            "modifier": edit,
            "garder": keep,
            "debloquer": unlock,
            "publier": publish,
        }

    async def new(self, request: Request, visit: OperatorVisit) -> Response:
        """The form of a new box."""
        return await self._new(visit, None, {})

    async def _new(
        self,
        visit: OperatorVisit,
        refusal: str | None,
        typed: Mapping[str, str],
        unsure_of: str | None = None,
    ) -> Response:
        values = {
            "refusal": refusal,
            "unsure_of": unsure_of,
            "typed": {**dict.fromkeys(_FIELDS, ""), **typed},
            "types": TYPES,
            "domains": self._context.settings.domains,
        }
        status = 200 if refusal is None else 422
        return await self._frame.page(visit, "operators/new_box.html", values, status=status)

    async def open(self, request: Request, visit: OperatorVisit) -> Response:
        """Opens a box; without a password only Pro Santé Connect or a certificate opens it."""
        form = await read_own_form(request, visit)
        kind, name = form.get("type"), form.get("name")
        try:
            if kind not in set(BalType):
                raise BalRefused(f"{kind} is no type.", "Choisissez le type de la boîte.")
            address = acts.hosted_address(form.get("address").strip(), self._context.settings.domains)
            self._check_bearer(form, BalType(kind))
            chosen = await self._chosen(form.get("password"), address, name)
            made = await self._context.database.write(
                lambda uow: self._open(uow, visit, form, address, BalType(kind), chosen)
            )
        except BalRefused as error:
            typed = {each: form.get(each) for each in ("address", "type", "name", "idnat", *_FIELDS)}
            unsure_of = form.get("idnat").strip() if isinstance(error, OtherBearer) else None
            return await self._new(visit, error.french, typed, unsure_of)
        return RedirectResponse(f"{BOXES}/{quote(made.address, safe='@')}", 303)

    def _open(
        self,
        uow: UnitOfWork,
        visit: OperatorVisit,
        form: Form,
        address: str,
        kind: BalType,
        chosen: Chosen | None,
    ) -> Bal:
        made = acts.open_bal(
            uow,
            self._context.vault,
            self._context.clock,
            address=address,
            type=kind,
            name=form.get("name"),
            idnat=form.get("idnat").strip() or None,
            password=chosen,
            listing=_listing(form, Listing()),
            red_list=form.get("red_list") == "oui",
            actor=visit.actor,
        )
        say(uow, visit.session, "La boîte est ouverte.")
        return made

    def _check_bearer(self, form: Form, kind: BalType) -> None:
        """Raises OtherBearer; what was confirmed is one identifier, and no other that is typed afterwards."""
        view, idnat = self._context.view(), form.get("idnat").strip()
        if view is not None and idnat and form.get("bearer") != idnat:
            check_bearer(view, kind, form.get("name"), idnat)

    async def _chosen(self, password: str, address: str, name: str) -> Chosen | None:
        if not password:
            return None
        chosen = await Choosing(self._context.settings).choose(password, address=address, name=name)
        if isinstance(chosen, Weakness):
            raise BalRefused(f"The password is refused: {chosen}.", FRENCH[chosen])
        return chosen

    async def service(self, request: Request, visit: OperatorVisit) -> Response:
        """What waits for other operators, the list of the espace de confiance, the publications; nothing to change."""
        trust = self._context.trust

        def query(connection: Connection) -> tuple[int, list[operate.Queued], dict[str, int]]:
            return (
                waiting(connection),
                operate.list_queued(connection, limit=_LISTED_DELIVERIES),
                publication.unfinished(connection),
            )

        count, queued, unfinished = await self._context.database.read(query)
        values = {
            "count": count,
            "queued": queued,
            "publications": {PUBLICATION[State(name)]: number for name, number in unfinished.items()},
            "list_hours": int(trust.age() / _HOUR) if trust is not None else None,
            "is_stale": trust is not None and trust.is_stale,
        }
        return await self._frame.page(visit, "operators/service.html", values)


def _listing(form: Form, before: Listing) -> Listing:
    """What the form says of a box; what it has no field for stays as it was."""
    rank, megabytes = form.get("rank").strip(), form.get("largest").strip()
    return Listing(
        **{name: form.get(name) for name in _FIELDS},
        rank=_whole(rank, "Le rang") if rank else None,
        accepts_xdm=form.get("xdm") == "oui" if "abilities" in form.fields else before.accepts_xdm,
        largest_bytes=_whole(megabytes, "La taille") * 1_000_000 if megabytes else None,
        patient_may_answer=(
            form.get("patients") == "oui" if "abilities" in form.fields else before.patient_may_answer
        ),
    )


def _whole(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise BalRefused(f"{text} is no number.", f"{what} est un nombre entier.")
    return int(text)


async def _home(request: Request) -> Response:
    return RedirectResponse(HOME, 303)
