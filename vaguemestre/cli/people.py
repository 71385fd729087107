"""`vaguemestre bal …` and `vaguemestre patient …`: the accounts of an operator, beside a running service."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from directory.bals import Bal, BalState, BalType, find_bal, list_bals
from directory.listing import Listing
from directory.patients import Patient, PatientState, find_patient, list_patients
from directory.publication import Incomplete, entry_of
from foundation.identifiers import OID_NIR, OID_TEST, Ins, patient_address_ins
from foundation.passwords import hash_password
from mailserver.signin.choosing import Choosing, Chosen
from mailserver.signin.policy import Weakness
from mailserver.store.quota import QuotaLimits
from portal.operators.acts import change_bal, hosted_address, open_bal
from vaguemestre import accounts, credentials
from vaguemestre.cli.life import (
    Description,
    ForceBearer,
    Largest,
    PatientMayAnswer,
    Phone,
    Rank,
    Responsible,
    Service,
    Structure,
    Xdm,
    bal_row,
    life_details,
    listing_from,
)
from vaguemestre.cli.opened import Opened, check_bearer_of, run
from vaguemestre.cli.output import Failed, Home, Json, PasswordStdin, read_password, show, show_one
from vaguemestre.cli.sharing import details

bal = typer.Typer(no_args_is_help=True, help="Mailboxes of professionals, services and software.")
patient = typer.Typer(no_args_is_help=True, help="Patients: their records and boxes.")

AddressArgument = Annotated[str, typer.Argument(help="Address of the mailbox.", show_default=False)]
InsArgument = Annotated[
    str, typer.Argument(help="INS (15 characters) or patient address.", show_default=False)
]

Reason = Annotated[str, typer.Option(help="Why, for the operators to read; nothing about patients.")]

_BAL_COLUMNS = ("address", "type", "name", "idnat", "state")
_PATIENT_COLUMNS = ("ins", "name", "birth_date", "sex", "state")


@bal.command(
    "add",
    epilog="Example: printf '%s\\n' \"$PASSWORD\" | vaguemestre bal add a.b@liberal-demo.mssante.fr --home sandbox --type PER --name 'Dr A B' --password-stdin",
)
def bal_add(
    address: AddressArgument,
    home: Home,
    type: Annotated[BalType, typer.Option(help="Kind of mailbox.")],
    name: Annotated[str, typer.Option(help="Name people see.")],
    idnat: Annotated[
        str | None,
        typer.Option(help="National identifier of the bearer: 8 and RPPS, 1 and FINESS, 3 and SIRET."),
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
    red_list: Annotated[
        bool, typer.Option("--red-list", help="Keep it out of the directory (liste rouge).")
    ] = False,
    force: ForceBearer = False,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
) -> None:
    """Opens a mailbox and publishes it; it can sign in at once, also while the service runs.

    The directory shows the bearer of --idnat by the name it has for them: another name altogether is refused.
    """
    password = read_password(password_stdin)
    listing = listing_from(
        Listing(),
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

    async def work(opened: Opened) -> Bal:
        wanted = hosted_address(address, opened.settings.domains)
        if not force:
            await check_bearer_of(opened, type, name, idnat)
        chosen = await _chosen(opened, password, wanted, name)
        return await opened.database.write(
            lambda uow: open_bal(
                uow,
                opened.vault,
                opened.clock,
                address=address,
                type=type,
                name=name,
                idnat=idnat,
                password=chosen,
                listing=listing,
                red_list=red_list,
            )
        )

    made = run(home, work)
    show_one(bal_row(made), as_json=as_json)
    try:
        entry_of(made, listing)
    except Incomplete as lack:
        print(f"vaguemestre: not published yet: {lack}", file=sys.stderr)


@bal.command("list", epilog="Example: vaguemestre bal list --home sandbox --json")
def bal_list(home: Home, as_json: Json = False) -> None:
    """Lists the mailboxes."""

    async def work(opened: Opened) -> list[Bal]:
        return await opened.database.read(lambda connection: list_bals(connection, limit=1_000_000))

    show([bal_row(found) for found in run(home, work)], _BAL_COLUMNS, as_json=as_json)


@bal.command(
    "show", epilog="Example: vaguemestre bal show secretariat@ime-les-tilleuls.mssante.fr --home sandbox"
)
def bal_show(address: AddressArgument, home: Home, as_json: Json = False) -> None:
    """Shows one mailbox."""

    async def work(opened: Opened) -> dict[str, Any]:
        found = await opened.database.read(lambda connection: find_bal(connection, address))
        if found is None:
            raise Failed(f"there is no mailbox {address}")
        limits = QuotaLimits.of(opened.settings.quota)
        rules = opened.settings.lifecycle
        return await opened.database.read(
            lambda connection: (
                bal_row(found)
                | life_details(connection, found, rules)
                | details(connection, found.owner_id, limits)
            )
        )

    row = run(home, work)
    if not as_json:
        row["members"] = ", ".join(f"{each['address']} ({each['rights']})" for each in row["members"])
    show_one(row, as_json=as_json)


@bal.command("suspend", epilog="Example: vaguemestre bal suspend a.b@liberal-demo.mssante.fr --home sandbox")
def bal_suspend(address: AddressArgument, home: Home, reason: Reason = "", as_json: Json = False) -> None:
    """Stops sign-in and delivery and takes the mailbox out of the directory, until `resume`."""
    _change_bal(address, home, BalState.SUSPENDED, reason, as_json=as_json)


@bal.command("resume", epilog="Example: vaguemestre bal resume a.b@liberal-demo.mssante.fr --home sandbox")
def bal_resume(address: AddressArgument, home: Home, as_json: Json = False) -> None:
    """Ends a suspension."""
    _change_bal(address, home, BalState.ACTIVE, "", as_json=as_json)


@bal.command("close", epilog="Example: vaguemestre bal close a.b@liberal-demo.mssante.fr --home sandbox")
def bal_close(address: AddressArgument, home: Home, reason: Reason = "", as_json: Json = False) -> None:
    """Closes a mailbox for good; its address is never given again."""
    _change_bal(address, home, BalState.CLOSED, reason, as_json=as_json)


def _change_bal(address: str, home: Home, state: BalState, reason: str, *, as_json: bool) -> None:
    async def work(opened: Opened) -> Bal:
        return await opened.database.write(
            lambda uow: change_bal(uow, opened.clock, address, state, reason=reason)
        )

    show_one(bal_row(run(home, work)), as_json=as_json)


@bal.command(
    "password",
    epilog="Example: printf '%s\\n' \"$PASSWORD\" | vaguemestre bal password a.b@liberal-demo.mssante.fr --home sandbox --password-stdin",
)
def bal_password(
    address: AddressArgument, home: Home, password_stdin: PasswordStdin = False, as_json: Json = False
) -> None:
    """Gives a mailbox another password."""
    password = read_password(password_stdin)

    async def work(opened: Opened) -> Bal:
        found = await opened.database.read(lambda connection: find_bal(connection, address))
        if found is None:
            raise Failed(f"there is no mailbox {address}")
        chosen = await _chosen(opened, password, found.address, found.name)
        return await opened.database.write(
            lambda uow: accounts.change_bal_password(uow, opened.clock, address, chosen)
        )

    show_one(bal_row(run(home, work)), as_json=as_json)


async def _chosen(opened: Opened, password: str, address: str, name: str) -> Chosen:
    chosen = await Choosing(opened.settings).choose(password, address=address, name=name)
    if isinstance(chosen, Weakness):
        raise Failed(f"the password is refused: {chosen}")
    return chosen


def _patient_row(found: Patient) -> dict[str, Any]:
    return {
        "ins": found.ins,
        "name": found.name,
        "birth_date": found.birth_date,
        "sex": found.sex,
        "state": found.state.value,
    }


def ins_of(text: str, domain: str) -> str:
    """The INS a person named, by itself or in a patient address. Raises Failed."""
    ins = (
        patient_address_ins(text, domain)
        if "@" in text
        else (parsed.value if (parsed := Ins.parse(text)) else None)
    )
    if ins is None:
        raise Failed("an INS has 15 letters and digits")
    return ins


@patient.command(
    "add",
    epilog="Example: printf '%s\\n' \"$PASSWORD\" | vaguemestre patient add 180017512345678 --home sandbox --birth-name DURAND --first-names Paul --birth-date 1980-01-15 --sex M --password-stdin",
)
def patient_add(
    ins: InsArgument,
    home: Home,
    birth_name: Annotated[str, typer.Option(help="Birth name.")],
    first_names: Annotated[str, typer.Option(help="First names of the birth certificate.")],
    birth_date: Annotated[str, typer.Option(help="Date of birth, YYYY-MM-DD.")],
    sex: Annotated[str, typer.Option(help="M, F or U.")],
    used_name: Annotated[str | None, typer.Option(help="Name in use, where it differs.")] = None,
    state: Annotated[PatientState, typer.Option(help="State of the record.")] = PatientState.ACTIVATED,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
) -> None:
    """Adds a patient with a record and a box. Outside a sandbox the key of the INS must be right."""
    password = read_password(password_stdin)

    async def work(opened: Opened) -> Patient:
        if not opened.settings.serves_patients:
            raise Failed("no patients are hosted here: serves_patients is false")
        number = ins_of(ins, opened.settings.patient_domain)
        password_hash = await hash_password(password)
        oid = OID_TEST if opened.settings.sandbox else OID_NIR
        return await opened.database.write(
            lambda uow: accounts.open_patient(
                uow, opened.vault, opened.clock, ins=number, ins_oid=oid, birth_name=birth_name, first_names=first_names,
                used_name=used_name, birth_date=birth_date, sex=sex, state=state, password_hash=password_hash,
            )
        )  # fmt: skip

    show_one(_patient_row(run(home, work)), as_json=as_json)


@patient.command("list", epilog="Example: vaguemestre patient list --home sandbox")
def patient_list(home: Home, as_json: Json = False) -> None:
    """Lists the patients."""

    async def work(opened: Opened) -> list[Patient]:
        return await opened.database.read(lambda connection: list_patients(connection, limit=1_000_000))

    show([_patient_row(found) for found in run(home, work)], _PATIENT_COLUMNS, as_json=as_json)


@patient.command("show", epilog="Example: vaguemestre patient show 279035121518989 --home sandbox")
def patient_show(ins: InsArgument, home: Home, as_json: Json = False) -> None:
    """Shows one patient."""

    async def work(opened: Opened) -> Patient | None:
        number = ins_of(ins, opened.settings.patient_domain)
        return await opened.database.read(lambda connection: find_patient(connection, number))

    found = run(home, work)
    if found is None:
        raise Failed("there is no patient with this INS")
    show_one(_patient_row(found), as_json=as_json)


def _state_command(word: str, state: PatientState, sentence: str) -> None:
    def command(ins: InsArgument, home: Home, as_json: Json = False) -> None:
        async def work(opened: Opened) -> Patient:
            number = ins_of(ins, opened.settings.patient_domain)
            return await opened.database.write(
                lambda uow: accounts.change_patient(uow, opened.clock, number, state)
            )

        show_one(_patient_row(run(home, work)), as_json=as_json)

    patient.command(
        word, help=sentence, epilog=f"Example: vaguemestre patient {word} 279035121518989 --home sandbox"
    )(command)


_state_command(
    "open", PatientState.ACTIVATED, "Activates a record, or reopens one that was closed or opposed."
)
_state_command("oppose", PatientState.OPPOSED, "Records the person's opposition: no record, no box.")
_state_command("close", PatientState.CLOSED, "Closes the record and the box.")


@patient.command(
    "password",
    epilog="Example: printf '%s\\n' \"$PASSWORD\" | vaguemestre patient password 279035121518989 --home sandbox --password-stdin",
)
def patient_password(
    ins: InsArgument, home: Home, password_stdin: PasswordStdin = False, as_json: Json = False
) -> None:
    """Gives a patient another password."""
    password = read_password(password_stdin)

    async def work(opened: Opened) -> Patient:
        number = ins_of(ins, opened.settings.patient_domain)
        password_hash = await hash_password(password)
        return await opened.database.write(
            lambda uow: accounts.change_patient_password(uow, opened.clock, number, password_hash)
        )

    show_one(_patient_row(run(home, work)), as_json=as_json)


@patient.command("unlock", epilog="Example: vaguemestre patient unlock 279035121518989 --home sandbox")
def patient_unlock(ins: InsArgument, home: Home, as_json: Json = False) -> None:
    """Forgets the wrong passwords counted against a patient, so that they can try again."""

    async def work(opened: Opened) -> tuple[str, bool]:
        number = ins_of(ins, opened.settings.patient_domain)
        return number, await opened.database.write(
            lambda uow: credentials.unlock_patient(uow, opened.clock, number)
        )

    number, had_failures = run(home, work)
    show_one({"ins": number, "had_failures": had_failures}, as_json=as_json)
