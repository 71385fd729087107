"""`vaguemestre patient consent|preferences|delete-request|adt …`: what patients say, noted by the operator for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from directory.patients import find_patient
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.care_desk import CareDesk, Said
from dmp_bridge.dossier.closing import ClosingRefused
from dmp_bridge.dossier.consents import Consent, ConsentKind, ConsentRefused
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.dossier.own_desk import OwnDesk
from dmp_bridge.dossier.preferences import PreferenceRefused
from dmp_bridge.hl7.adt import MAX_BYTES, AdtRefused, read_admission
from dmp_bridge.rights.vocabulary import Role
from foundation.clock import from_millis, to_paris
from foundation.identifiers import is_idnat
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Home, Json, show, show_one
from vaguemestre.cli.people import InsArgument, ins_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dmp_bridge.hl7.adt import Admission

T = TypeVar("T")

OPERATOR = Caller(role=Role.OPERATOR, id="operator", channel="cli")
"""An operator acts on the order of a patient, and the trace says so."""

StructureOption = Annotated[
    str, typer.Option(help="Structure it was said to: 1 and the FINESS, 3 and the SIRET; empty: everybody.")
]

_CONSENT_COLUMNS = ("at", "kind", "value", "structure", "actor", "reason")
_ADT_COLUMNS = ("file", "outcome", "feeding", "consultation", "structure", "detail")


def asked(home: Path, ins: str, work: Callable[[OwnDesk, Opened, str], Awaitable[T]]) -> T:
    """Runs `work` with a desk and the INS; what the desk refuses is one sentence."""

    async def session(opened: Opened) -> T:
        number = ins_of(ins, opened.settings.patient_domain)
        try:
            return await work(OwnDesk(opened.database, opened.clock), opened, number)
        except Denied as denied:
            raise Failed(told(denied)) from None
        except (ClosingRefused, ConsentRefused, PreferenceRefused) as refused:
            raise Failed(str(refused)) from None

    return run(home, session)


def told(denied: Denied) -> str:
    """What a person reads of a refusal."""
    return denied.detail or DENIALS[denied.reason].sentence


def structure_of(text: str) -> str:
    """The identifier of a structure or professional that was typed. Raises Failed."""
    if text and not is_idnat(text):
        raise Failed("a national identifier is 8 and the RPPS, 1 and the FINESS, or 3 and the SIRET")
    return text


def day(at: int | None) -> str | None:
    """A time as it is shown."""
    return None if at is None else to_paris(from_millis(at)).isoformat(timespec="minutes")


def register(patient: typer.Typer) -> None:
    """Adds the commands to `vaguemestre patient`."""
    patient.command(
        "consents", epilog="Example: vaguemestre patient consents 279035121518989 --home sandbox"
    )(consents)
    patient.command(
        "consent",
        epilog="Example: vaguemestre patient consent 279035121518989 bris-de-glace deny --home sandbox",
    )(consent)
    patient.command(
        "preferences",
        epilog="Example: vaguemestre patient preferences 279035121518989 --email d.pat@example.fr --home sandbox",
    )(preferences)
    patient.command(
        "delete-request",
        epilog="Example: vaguemestre patient delete-request 190099999900689 --home sandbox",
    )(delete_request)
    patient.command("adt", epilog="Example: vaguemestre patient adt admissions/*.er7 --home sandbox")(adt)


def consents(ins: InsArgument, home: Home, as_json: Json = False) -> None:
    """Lists what a patient was told and said of the record, oldest first; the last word holds."""

    async def work(desk: OwnDesk, _opened: Opened, number: str) -> list[dict[str, Any]]:
        return [
            {
                "at": day(row.at),
                "kind": row.kind.value,
                "value": row.value.value,
                "structure": row.structure_id,
                "actor": row.actor,
                "reason": row.reason,
            }
            for row in (await desk.consents(OPERATOR, number)).rows
        ]

    show(asked(home, ins, work), _CONSENT_COLUMNS, as_json=as_json)


def consent(
    ins: InsArgument,
    kind: Annotated[ConsentKind, typer.Argument(help="About what.", show_default=False)],
    value: Annotated[
        Consent,
        typer.Argument(
            help="information: told; feeding: INO, IO, NA; consultation: IC, INC, NA; others: permit, deny.",
            show_default=False,
        ),
    ],
    home: Home,
    structure: StructureOption = "",
    reason: Annotated[str, typer.Option(help="Legitimate reason of an opposition to feeding (IO).")] = "",
    as_json: Json = False,
) -> None:
    """Notes what a patient was told or said of the record."""

    async def work(desk: OwnDesk, _opened: Opened, number: str) -> bool:
        return await desk.say(
            OPERATOR, kind, value, ins=number, reason=reason, structure_id=structure_of(structure)
        )

    is_new = asked(home, ins, work)
    show_one({"kind": kind.value, "value": value.value, "changed": is_new}, as_json=as_json)


def preferences(
    ins: InsArgument,
    home: Home,
    email: Annotated[str | None, typer.Option(help="Ordinary address for notices; empty: none.")] = None,
    documents: Annotated[
        bool | None, typer.Option("--documents/--no-documents", help="Tell of new and changed documents.")
    ] = None,
    access: Annotated[
        bool | None, typer.Option("--access/--no-access", help="Tell of accesses; emergencies always are.")
    ] = None,
    consents: Annotated[
        bool | None, typer.Option("--consents/--no-consents", help="Tell of changed authorisations.")
    ] = None,
    mask: Annotated[
        bool | None, typer.Option("--mask/--no-mask", help="Mask new documents to professionals.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Shows, and where options are given changes, what a patient is told of and where."""
    wanted: dict[str, Any] = {
        "email": email,
        "told_of_documents": documents,
        "told_of_access": access,
        "told_of_consents": consents,
        "masks_new_documents": mask,
    }

    async def work(desk: OwnDesk, _opened: Opened, number: str) -> dict[str, Any]:
        wished = await desk.preferences(OPERATOR, number)
        changed = {name: value for name, value in wanted.items() if value is not None}
        if changed:
            await desk.set_preferences(OPERATOR, replace(wished, **changed), ins=number)
            wished = await desk.preferences(OPERATOR, number)
        return {name: getattr(wished, name) for name in wanted}

    show_one(asked(home, ins, work), as_json=as_json)


def delete_request(ins: InsArgument, home: Home, as_json: Json = False) -> None:
    """Has the archive of a closed record deleted on the express request of its holder (CSP R1111-36)."""

    async def work(desk: OwnDesk, _opened: Opened, number: str) -> dict[str, Any]:
        closing = await desk.ask_deletion(OPERATOR, number)
        return {
            "closed_at": day(closing.closed_at),
            "deletion_asked_at": day(closing.deletion_asked_at),
            "deleted_at": day(closing.purge_at),
        }

    show_one(asked(home, ins, work), as_json=as_json)


# ref: DMP-F22
def adt(
    files: Annotated[
        list[Path],
        typer.Argument(help="HL7 v2 messages (ER7), one a file.", show_default=False),
    ],
    home: Home,
    structure: Annotated[
        str, typer.Option(help="Structure that sends them; empty: that of the message (ZBE-1, PV1-3).")
    ] = "",
    as_json: Json = False,
) -> None:
    """Notes the consents that admissions of a hospital carry (ADT, segment ZFA)."""
    sender = structure_of(structure)

    async def work(opened: Opened) -> list[dict[str, Any]]:
        desk = CareDesk(opened.database, opened.clock)
        return [await _admit(desk, opened, file, sender) for file in files]

    rows = run(home, work)
    show(rows, _ADT_COLUMNS, as_json=as_json)
    if any(row["outcome"] == "refused" for row in rows):
        raise typer.Exit(1)


async def _admit(desk: CareDesk, opened: Opened, file: Path, sender: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_ADT_COLUMNS, "") | {"file": str(file), "outcome": "refused"}
    try:
        with file.open("rb") as stream:
            admission = read_admission(stream.read(MAX_BYTES + 1))
        structure = sender or admission.structure_id
        if not structure:
            raise AdtRefused("Le message ne nomme pas la structure : précisez --structure.")
        found = await opened.database.read(lambda connection: find_patient(connection, admission.ins))
        if found is not None and not admission.is_of(found):
            raise AdtRefused("L’identité du message n’est pas celle du patient.")
        caller = Caller(role=Role.STRUCTURE, id=structure, structure_id=structure, channel="hl7")
        new = await desk.note(caller, admission.ins, said_of(admission))
    except Denied as denied:
        return row | {"detail": told(denied)}
    except OSError as error:
        return row | {"detail": f"Le fichier ne peut pas être lu ({error.strerror})."}
    except (AdtRefused, ConsentRefused) as refused:
        return row | {"detail": str(refused)}
    return row | {
        "outcome": "noted" if new else "known",
        "feeding": admission.feeding,
        "consultation": admission.consultation,
        "structure": structure,
    }


def said_of(admission: Admission) -> list[Said]:
    """The words of a message, as they are noted."""
    words = (
        (ConsentKind.FEEDING, admission.feeding, admission.feeding_at),
        (ConsentKind.CONSULTATION, admission.consultation, admission.consultation_at),
    )
    return [Said(kind, Consent(word), at) for kind, word, at in words if word]
