"""`vaguemestre patient relations|authorise|attending|block|represent …`: who may enter a record, and who acts for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmp_bridge.dossier.minority import GuardianshipKind
from dmp_bridge.dossier.relations import RelationKind
from foundation.clock import PARIS, to_millis
from vaguemestre.cli.output import Failed, Home, Json, show, show_one
from vaguemestre.cli.people import InsArgument, ins_of
from vaguemestre.cli.will import OPERATOR, asked, day, structure_of

if TYPE_CHECKING:
    from dmp_bridge.dossier.own_desk import OwnDesk
    from vaguemestre.cli.opened import Opened

SubjectArgument = Annotated[
    str,
    typer.Argument(
        help="8 and the RPPS of a professional, 1 and the FINESS or 3 and the SIRET of a structure.",
        show_default=False,
    ),
]
RepresentativeArgument = Annotated[
    str, typer.Argument(help="INS or patient address of who represents.", show_default=False)
]
NameOption = Annotated[str, typer.Option(help="Name that the patient reads.")]
UntilOption = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day, YYYY-MM-DD; none: without end.")
]

_COLUMNS = ("kind", "subject", "name", "since", "until", "ended")


def register(patient: typer.Typer) -> None:
    """Adds the commands to `vaguemestre patient`."""
    for name, command, example in (
        ("relations", relations, "relations 279035121518989"),
        ("authorise", authorise, "authorise 279035121518989 899900000011 --until 2027-01-31"),
        ("attending", attending, "attending 279035121518989 899900000011 --name 'Dr Anne Roy'"),
        ("block", block, "block 279035121518989 899900000029"),
        ("unblock", unblock, "unblock 279035121518989 899900000029"),
        ("withdraw", withdraw, "withdraw 279035121518989 899900000011"),
        ("represent", represent, "represent 151119999900395 279035121518989 --kind tutelle"),
        ("end-representation", end_representation, "end-representation 151119999900395 279035121518989"),
    ):
        patient.command(name, epilog=f"Example: vaguemestre patient {example} --home sandbox")(command)


def relations(
    ins: InsArgument,
    home: Home,
    history: Annotated[bool, typer.Option("--history", help="With those that ended.")] = False,
    as_json: Json = False,
) -> None:
    """Lists who is attending, authorised, of the care team or blocked."""

    async def work(desk: OwnDesk, _opened: Opened, number: str) -> list[dict[str, Any]]:
        return [
            {
                "kind": each.kind.value,
                "subject": each.subject_id,
                "name": each.subject_name,
                "since": day(each.since),
                "until": day(each.until),
                "ended": day(each.ended_at),
            }
            for each in await desk.relations(OPERATOR, number, history=history)
        ]

    show(asked(home, ins, work), _COLUMNS, as_json=as_json)


def authorise(
    ins: InsArgument,
    subject: SubjectArgument,
    home: Home,
    name: NameOption = "",
    until: UntilOption = None,
    as_json: Json = False,
) -> None:
    """Lets a professional or a structure consult the record, with the patient's consent."""
    end = _end(until)

    async def work(desk: OwnDesk, _opened: Opened, number: str) -> bool:
        return await desk.authorise(OPERATOR, _subject(subject), ins=number, name=name, until=end)

    _show(RelationKind.AUTHORISED, subject, asked(home, ins, work), as_json=as_json)


def attending(
    ins: InsArgument, subject: SubjectArgument, home: Home, name: NameOption = "", as_json: Json = False
) -> None:
    """Names the attending doctor (médecin traitant) in place of the former one."""

    async def work(desk: OwnDesk, _opened: Opened, number: str) -> bool:
        return await desk.set_attending(OPERATOR, _subject(subject), ins=number, name=name)

    _show(RelationKind.ATTENDING, subject, asked(home, ins, work), as_json=as_json)


def block(
    ins: InsArgument, subject: SubjectArgument, home: Home, name: NameOption = "", as_json: Json = False
) -> None:
    """Shuts a professional or a structure out of the record, whatever the mode."""

    async def work(desk: OwnDesk, _opened: Opened, number: str) -> bool:
        return await desk.block(OPERATOR, _subject(subject), ins=number, name=name)

    _show(RelationKind.BLOCKED, subject, asked(home, ins, work), as_json=as_json)


def unblock(ins: InsArgument, subject: SubjectArgument, home: Home, as_json: Json = False) -> None:
    """Lets somebody who was blocked ask again."""

    async def work(desk: OwnDesk, _opened: Opened, number: str) -> bool:
        return await desk.unblock(OPERATOR, _subject(subject), ins=number)

    _show(RelationKind.BLOCKED, subject, asked(home, ins, work), as_json=as_json)


def withdraw(
    ins: InsArgument,
    subject: SubjectArgument,
    home: Home,
    kind: Annotated[RelationKind, typer.Option(help="Which one.")] = RelationKind.AUTHORISED,
    as_json: Json = False,
) -> None:
    """Takes an authorisation back, or the place of the attending doctor."""

    async def work(desk: OwnDesk, _opened: Opened, number: str) -> bool:
        return await desk.withdraw(OPERATOR, kind, _subject(subject), ins=number)

    _show(kind, subject, asked(home, ins, work), as_json=as_json)


# ref: DMP-F20
def represent(
    ins: InsArgument,
    representative: RepresentativeArgument,
    home: Home,
    kind: Annotated[
        GuardianshipKind, typer.Option(help="Why: a curator assists, and opens no record.")
    ] = GuardianshipKind.PARENTAL,
    until: UntilOption = None,
    as_json: Json = False,
) -> None:
    """Writes down who represents a minor or a protected adult, and until when."""
    end = _end(until)

    async def work(desk: OwnDesk, opened: Opened, number: str) -> None:
        guardian = ins_of(representative, opened.settings.patient_domain)
        await desk.represent(OPERATOR, guardian, kind, ins=number, until=end)

    asked(home, ins, work)
    show_one({"kind": kind.value, "until": day(end)}, as_json=as_json)


def end_representation(
    ins: InsArgument, representative: RepresentativeArgument, home: Home, as_json: Json = False
) -> None:
    """Ends what somebody may do for a person."""

    async def work(desk: OwnDesk, opened: Opened, number: str) -> bool:
        guardian = ins_of(representative, opened.settings.patient_domain)
        return await desk.end_representation(OPERATOR, guardian, ins=number)

    show_one({"changed": asked(home, ins, work)}, as_json=as_json)


def _subject(text: str) -> str:
    if not text:
        raise Failed("name a professional or a structure")
    return structure_of(text)


def _end(until: datetime | None) -> int | None:
    """The end of the last day, in France."""
    if until is None:
        return None
    return to_millis((until + timedelta(days=1)).replace(tzinfo=PARIS))


def _show(kind: RelationKind, subject: str, is_new: bool, *, as_json: bool) -> None:
    show_one({"kind": kind.value, "subject": subject, "changed": is_new}, as_json=as_json)
