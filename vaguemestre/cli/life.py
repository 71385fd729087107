"""`vaguemestre bal edit | keep | red-list | lifecycle`: what a box shows of itself, and where it stands in its life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from directory import integration, publication
from directory.bals import find_bal, list_bals
from directory.lifecycle import Stage
from directory.listing import Listing, listing_of
from foundation.clock import from_millis, to_paris
from mailserver.signin.last import used_at
from portal.operators import acts
from vaguemestre.cli.opened import Opened, check_bearer_of, run
from vaguemestre.cli.output import Failed, Home, Json, show, show_one
from vaguemestre.lifecycle import where_it_stands

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from directory.bals import Bal
    from directory.lifecycle import Next
    from foundation.settings import LifecycleSettings

AddressArgument = Annotated[str, typer.Argument(help="Address of the mailbox.", show_default=False)]
Structure = Annotated[
    str | None,
    typer.Option(help="Structure where the bearer of a PER mailbox works: 1 and FINESS, 3 and SIRET."),
]
Service = Annotated[str | None, typer.Option(help="Service it belongs to (ORG, APP).")]
Description = Annotated[str | None, typer.Option(help="What it is for (ORG, APP, CAB).")]
Responsible = Annotated[str | None, typer.Option(help="Who answers for it (ORG, APP, CAB).")]
Phone = Annotated[str | None, typer.Option(help="Telephone (ORG, APP, CAB).")]
Rank = Annotated[
    int | None, typer.Option(help="1 for the mailbox its bearer prefers; with edit, 0 for none.")
]
Xdm = Annotated[bool | None, typer.Option("--xdm/--no-xdm", help="Whether its software reads IHE_XDM.zip.")]
Largest = Annotated[
    int | None,
    typer.Option(help="Greatest message it takes, in bytes; with edit, 0 for that of the operator."),
]
PatientMayAnswer = Annotated[
    bool | None,
    typer.Option("--patient-may-answer/--no-patient-answer", help="Whether patients may answer it."),
]
Deposit = Annotated[
    bool | None,
    typer.Option(
        "--deposit/--no-deposit",
        help="Whether structured documents it gets are filed into the record of the patient they name (APP).",
    ),
]
Forward = Annotated[
    str | None,
    typer.Option(
        help="Mailbox APP of the same structure to which mails with an IHE_XDM archive are passed on (ORG); empty: none."
    ),
]
ForceBearer = Annotated[
    bool, typer.Option("--force", help="Also when the directory knows the bearer by another name.")
]
_NEXT = ("address", "type", "stage", "last_sign_in", "next", "next_at")


def register(app: typer.Typer) -> None:
    """Adds the commands to `vaguemestre bal`."""
    app.command(
        "edit",
        epilog="Example: vaguemestre bal edit neurologie@hopital-demo.mssante.fr --home sandbox --description 'Avis sous 24 heures'",
    )(bal_edit)
    app.command(
        "red-list", epilog="Example: vaguemestre bal red-list a.b@liberal-demo.mssante.fr --home sandbox"
    )(bal_red_list)
    app.command("keep", epilog="Example: vaguemestre bal keep a.b@liberal-demo.mssante.fr --home sandbox")(
        bal_keep
    )
    app.command("lifecycle", epilog="Example: vaguemestre bal lifecycle --home sandbox --stage warned")(
        bal_lifecycle
    )


def bal_row(found: Bal) -> dict[str, Any]:
    """What every command says of a box."""
    return {
        "address": found.address,
        "type": found.type.value,
        "name": found.name,
        "idnat": found.idnat,
        "state": found.state.value,
    }


def listing_from(
    before: Listing,
    *,
    structure: str | None,
    service: str | None,
    description: str | None,
    responsible: str | None,
    phone: str | None,
    rank: int | None,
    xdm: bool | None,
    largest: int | None,
    patient_may_answer: bool | None,
) -> Listing:
    """What a box shows, with what was said on the command line in the place of what it showed `before`."""
    return Listing(
        structure=structure if structure is not None else before.structure,
        service=service if service is not None else before.service,
        description=description if description is not None else before.description,
        responsible=responsible if responsible is not None else before.responsible,
        phone=phone if phone is not None else before.phone,
        rank=(rank or None) if rank is not None else before.rank,
        accepts_xdm=xdm if xdm is not None else before.accepts_xdm,
        largest_bytes=(largest or None) if largest is not None else before.largest_bytes,
        patient_may_answer=patient_may_answer
        if patient_may_answer is not None
        else before.patient_may_answer,
    )


def life_details(connection: Connection, box: Bal, rules: LifecycleSettings) -> dict[str, Any]:
    """What `bal show` tells of the life of a box and of what it shows."""
    used = used_at(connection, [box.owner_id]).get(box.owner_id)
    stage, step = where_it_stands(box, used, rules)
    listing, told = listing_of(connection, box.owner_id), publication.find(connection, box.owner_id)
    return {
        "stage": stage.value,
        "reason": box.reason,
        "last_sign_in": moment(used),
        **_next(step),
        "red_list": box.red_list,
        "publication": told.state.value if told is not None else None,
        "publication_error": told.error if told is not None else None,
        "structure": listing.structure,
        "service": listing.service,
        "description": listing.description,
        "responsible": listing.responsible,
        "phone": listing.phone,
        "rank": listing.rank,
        "accepts_xdm": listing.accepts_xdm,
        "largest_bytes": listing.largest_bytes,
        "patient_may_answer": listing.patient_may_answer,
        "deposits": integration.integration_of(connection, box.owner_id).deposits,
        "forwards_to": integration.forwards_to(connection, box.owner_id),
    }


def bal_edit(
    address: AddressArgument,
    home: Home,
    name: Annotated[str | None, typer.Option(help="Name people see.")] = None,
    idnat: Annotated[
        str | None, typer.Option(help="National identifier of the bearer, where it has none yet.")
    ] = None,
    structure: Structure = None,
    service: Service = None,
    description: Description = None,
    responsible: Responsible = None,
    phone: Phone = None,
    rank: Rank = None,
    xdm: Xdm = None,
    largest: Largest = None,
    patient_may_answer: PatientMayAnswer = None,
    deposit: Deposit = None,
    forward: Forward = None,
    force: ForceBearer = False,
    as_json: Json = False,
) -> None:
    """Changes what a mailbox says of itself; an empty text takes one away. Address, type and bearer never change."""

    async def work(opened: Opened) -> dict[str, Any]:
        found = await opened.database.read(lambda connection: find_bal(connection, address))
        if found is not None and found.idnat is None and not force:
            await check_bearer_of(opened, found.type, name if name is not None else found.name, idnat)

        def unit(uow: Any) -> None:
            box = acts.box_of(uow, address)
            listing = listing_from(
                listing_of(uow.connection, box.owner_id),
                structure=structure,
                service=service,
                description=description,
                responsible=responsible,
                phone=phone,
                rank=rank,
                xdm=xdm,
                largest=largest,
                patient_may_answer=patient_may_answer,
            )
            acts.edit_bal(
                uow,
                opened.clock,
                address,
                name=name if name is not None else box.name,
                idnat=idnat if idnat is not None else box.idnat,
                listing=listing,
            )
            if deposit is not None or forward is not None:
                acts.integrate_bal(uow, opened.clock, address, deposits=deposit, forwards_to=forward)

        await opened.database.write(unit)
        return await _described(opened, address)

    show_one(run(home, work), as_json=as_json)


def bal_red_list(
    address: AddressArgument,
    home: Home,
    off: Annotated[bool, typer.Option("--off", help="Shows it in the directory again.")] = False,
    as_json: Json = False,
) -> None:
    """Hides a mailbox from the directory (liste rouge); it receives as before."""

    async def work(opened: Opened) -> dict[str, Any]:
        await opened.database.write(
            lambda uow: acts.red_list_bal(uow, opened.clock, address, red_list=not off)
        )
        return await _described(opened, address)

    show_one(run(home, work), as_json=as_json)


def bal_keep(address: AddressArgument, home: Home, as_json: Json = False) -> None:
    """Opposes the suspension of a mailbox that nobody signs in to: its year begins anew."""

    async def work(opened: Opened) -> dict[str, Any]:
        await opened.database.write(lambda uow: acts.keep_bal(uow, opened.clock, address))
        return await _described(opened, address)

    show_one(run(home, work), as_json=as_json)


# ref: F39
def bal_lifecycle(
    home: Home,
    stage: Annotated[Stage | None, typer.Option(help="Only mailboxes that stand there.")] = None,
    as_json: Json = False,
) -> None:
    """Lists where each mailbox stands and what comes next by itself, the next first; times in Paris."""

    async def work(opened: Opened) -> list[dict[str, Any]]:
        rules = opened.settings.lifecycle

        def query(connection: Connection) -> list[tuple[Bal, int | None]]:
            used = used_at(connection)
            return [(box, used.get(box.owner_id)) for box in list_bals(connection, limit=1_000_000)]

        found = [
            (box, used, *where_it_stands(box, used, rules)) for box, used in await opened.database.read(query)
        ]
        found.sort(key=lambda each: (each[3] is None, each[3].at if each[3] is not None else 0))
        return [
            {
                "address": box.address,
                "type": box.type.value,
                "stage": where.value,
                "last_sign_in": moment(used),
                "warned_at": moment(box.warned_at) if where is Stage.WARNED else None,
                **_next(step),
            }
            for box, used, where, step in found
            if stage is None or where is stage
        ]

    show(run(home, work), _NEXT, as_json=as_json)


async def _described(opened: Opened, address: str) -> dict[str, Any]:
    def query(connection: Connection) -> dict[str, Any]:
        box = find_bal(connection, address)
        if box is None:
            raise Failed(f"there is no mailbox {address}")
        return bal_row(box) | life_details(connection, box, opened.settings.lifecycle)

    return await opened.database.read(query)


def moment(millis: int | None) -> str | None:
    """A time as people of Paris read it, ISO 8601."""
    return to_paris(from_millis(millis)).isoformat(timespec="seconds") if millis is not None else None


def _next(step: Next | None) -> dict[str, Any]:
    return {
        "next": step.step.value if step is not None else None,
        "next_at": moment(step.at) if step is not None else None,
    }
