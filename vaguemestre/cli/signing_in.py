"""`vaguemestre bal app-password | totp | certificate | sessions | unlock`: what opens a mailbox beside its password."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from cryptography import x509

from certs.names import DistinguishedName, NameMalformed
from directory.bals import find_bal
from foundation.clock import from_millis, to_paris
from mailserver.signin import application, certificates, second_factor
from mailserver.signin.second_factor import SecondFactors
from portal import sessions
from portal.operators.acts import unlock_bal
from vaguemestre import credentials
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Home, Json, show, show_one

if TYPE_CHECKING:
    from directory.bals import Bal
    from mailserver.signin.application import ApplicationPassword

AddressArgument = Annotated[str, typer.Argument(help="Address of the mailbox.", show_default=False)]
NameOption = Annotated[str | None, typer.Option("--dn", help="Name of the certificate's subject.")]
FileOption = Annotated[Path | None, typer.Option("--file", help="The certificate, PEM.")]

app_password = typer.Typer(no_args_is_help=True, help="Passwords of mail programs and software.")
totp = typer.Typer(no_args_is_help=True, help="The second factor of a mailbox's bearer.")
certificate = typer.Typer(no_args_is_help=True, help="Client certificates that open a mailbox.")
session = typer.Typer(no_args_is_help=True, help="Sessions of the portal.")

_ISSUER = "Vaguemestre"
_LARGEST_PEM = 64 * 1024


def register(bal: typer.Typer) -> None:
    """Adds the commands to `vaguemestre bal`."""
    bal.add_typer(app_password, name="app-password")
    bal.add_typer(totp, name="totp")
    bal.add_typer(certificate, name="certificate")
    bal.add_typer(session, name="sessions")
    bal.command(
        "unlock", epilog="Example: vaguemestre bal unlock a.b@liberal-demo.mssante.fr --home sandbox"
    )(bal_unlock)


# Application passwords ---------------------------------------------------------------------------------------


@app_password.command(
    "add",
    epilog="Example: vaguemestre bal app-password add a.b@liberal-demo.mssante.fr --name Thunderbird --home sandbox",
)
def app_password_add(
    address: AddressArgument,
    home: Home,
    name: Annotated[str, typer.Option(help="What it is for: a program, a device.")],
    scope: Annotated[
        list[application.Scope] | None,
        typer.Option(help="What it opens; several times for several; imap and smtp where none is given."),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, help="Its life; accounts.application_password_days where none is given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Makes an application password and prints it, this once."""

    async def work(opened: Opened) -> tuple[ApplicationPassword, str]:
        longest = opened.settings.accounts.application_password_days
        if days is not None and days > longest:
            raise Failed(
                f"{days} days are too long a life: {longest} at most (accounts.application_password_days)"
            )
        return await opened.database.write(
            lambda uow: credentials.add_application_password(
                uow,
                opened.clock,
                address,
                name=name,
                scopes=scope or application.USUAL_SCOPES,
                days=days or longest,
            )
        )

    made, plain = run(home, work)
    row = _application_row(made, holds=True) | {"password": plain}
    show_one(row if as_json else _in_words(row), as_json=as_json)


@app_password.command(
    "list",
    epilog="Example: vaguemestre bal app-password list a.b@liberal-demo.mssante.fr --home sandbox --json",
)
def app_password_list(address: AddressArgument, home: Home, as_json: Json = False) -> None:
    """Lists the application passwords of a mailbox, those that ended of late included."""

    async def work(opened: Opened) -> list[dict[str, Any]]:
        box = await _box(opened, address)
        made = await opened.database.read(lambda connection: application.list_of(connection, box.owner_id))
        now = opened.clock.millis()
        return [_application_row(each, holds=each.holds(now)) for each in made]

    columns = ("id", "name", "scopes", "state", "expires", "last_used", "last_peer")
    rows = run(home, work)
    show(rows if as_json else [_in_words(each) for each in rows], columns, as_json=as_json)


@app_password.command(
    "revoke",
    epilog="Example: vaguemestre bal app-password revoke a.b@liberal-demo.mssante.fr 3 --home sandbox",
)
def app_password_revoke(
    address: AddressArgument,
    home: Home,
    number: Annotated[int | None, typer.Argument(help="Its number in the list.", show_default=False)] = None,
    all_: Annotated[bool, typer.Option("--all", help="All of this mailbox.")] = False,
    as_json: Json = False,
) -> None:
    """Ends an application password, or all of a mailbox; sessions that began with it end as well."""
    if (number is None) is not all_:
        raise typer.BadParameter("give the number of one, or --all")

    async def work(opened: Opened) -> int:
        if number is None:
            return await opened.database.write(
                lambda uow: credentials.revoke_application_passwords(uow, opened.clock, address)
            )
        await opened.database.write(
            lambda uow: credentials.revoke_application_password(uow, opened.clock, address, number)
        )
        return 1

    show_one({"address": address.lower(), "revoked": run(home, work)}, as_json=as_json)


def _application_row(made: ApplicationPassword, *, holds: bool) -> dict[str, Any]:
    ended = "revoked" if made.revoked_at is not None else "expired"
    return {
        "id": made.id,
        "name": made.name,
        "scopes": sorted(made.scopes),
        "state": "active" if holds else ended,
        "created": _time(made.created_at),
        "expires": _time(made.expires_at),
        "last_used": _time(made.last_used_at),
        "last_peer": made.last_peer,
    }


def _in_words(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"scopes": " ".join(row["scopes"])}


# Second factor -----------------------------------------------------------------------------------------------


@totp.command(
    "enable", epilog="Example: vaguemestre bal totp enable a.b@liberal-demo.mssante.fr --home sandbox --json"
)
def totp_enable(address: AddressArgument, home: Home, as_json: Json = False) -> None:
    """Prints a secret for an authenticator application; `totp confirm` makes it count, within 15 minutes."""

    async def work(opened: Opened) -> bytes:
        factors = SecondFactors.of(opened.settings)
        return await opened.database.write(
            lambda uow: credentials.offer_second_factor(uow, opened.clock, factors, address)
        )

    secret = run(home, work)
    uri = second_factor.uri(secret, address.lower(), _ISSUER)
    show_one({"secret": second_factor.base32(secret), "uri": uri}, as_json=as_json)


@totp.command(
    "confirm",
    epilog="Example: vaguemestre bal totp confirm a.b@liberal-demo.mssante.fr --code 123456 --home sandbox",
)
def totp_confirm(
    address: AddressArgument,
    home: Home,
    code: Annotated[str, typer.Option(help="The six digits the application shows now.")],
    as_json: Json = False,
) -> None:
    """Makes the printed secret the second factor, and prints the recovery codes, this once."""

    async def work(opened: Opened) -> list[str]:
        factors = SecondFactors.of(opened.settings)
        return await opened.database.write(
            lambda uow: credentials.confirm_second_factor(uow, opened.clock, factors, address, code)
        )

    codes = run(home, work)
    if as_json:
        show_one({"recovery_codes": codes}, as_json=True)
    else:
        print("\n".join(codes))


@totp.command(
    "disable", epilog="Example: vaguemestre bal totp disable a.b@liberal-demo.mssante.fr --home sandbox"
)
def totp_disable(address: AddressArgument, home: Home, as_json: Json = False) -> None:
    """Takes the second factor away, its recovery codes with it."""

    async def work(opened: Opened) -> None:
        await opened.database.write(lambda uow: credentials.remove_second_factor(uow, opened.clock, address))

    run(home, work)
    show_one({"address": address.lower(), "enabled": False}, as_json=as_json)


@totp.command("show", epilog="Example: vaguemestre bal totp show a.b@liberal-demo.mssante.fr --home sandbox")
def totp_show(address: AddressArgument, home: Home, as_json: Json = False) -> None:
    """Tells since when a mailbox has a second factor, and how many recovery codes are left."""

    async def work(opened: Opened) -> dict[str, Any]:
        box = await _box(opened, address)
        since, left = await opened.database.read(
            lambda connection: (
                second_factor.enrolled_at(connection, box.owner_id),
                second_factor.codes_left(connection, box.owner_id),
            )
        )
        return {"enabled": since is not None, "since": _time(since), "recovery_codes_left": left}

    show_one(run(home, work), as_json=as_json)


# Certificates ------------------------------------------------------------------------------------------------


@certificate.command(
    "add",
    epilog="Example: vaguemestre bal certificate add dpi@hopital-demo.mssante.fr --file dpi.pem --home sandbox",
)
def certificate_add(
    address: AddressArgument,
    home: Home,
    dn: NameOption = None,
    file: FileOption = None,
    as_json: Json = False,
) -> None:
    """Lets client certificates of a subject open a mailbox (SASL EXTERNAL)."""
    name = _subject(dn, file)

    async def work(opened: Opened) -> dict[str, Any]:
        bound = await opened.database.write(
            lambda uow: credentials.bind_certificate(uow, opened.clock, address, name)
        )
        return {"dn": bound.dn, "created": _time(bound.created_at)}

    show_one(run(home, work), as_json=as_json)


@certificate.command(
    "list",
    epilog="Example: vaguemestre bal certificate list dpi@hopital-demo.mssante.fr --home sandbox --json",
)
def certificate_list(address: AddressArgument, home: Home, as_json: Json = False) -> None:
    """Lists the subjects whose certificates open a mailbox."""

    async def work(opened: Opened) -> list[dict[str, Any]]:
        box = await _box(opened, address)
        bound = await opened.database.read(lambda connection: certificates.list_of(connection, box.owner_id))
        return [{"dn": each.dn, "created": _time(each.created_at)} for each in bound]

    show(run(home, work), ("dn", "created"), as_json=as_json)


@certificate.command(
    "remove",
    epilog="Example: vaguemestre bal certificate remove dpi@hopital-demo.mssante.fr --file dpi.pem --home sandbox",
)
def certificate_remove(
    address: AddressArgument,
    home: Home,
    dn: NameOption = None,
    file: FileOption = None,
    as_json: Json = False,
) -> None:
    """Ends it; sessions that began with such a certificate end as well."""
    name = _subject(dn, file)

    async def work(opened: Opened) -> dict[str, Any]:
        unbound = await opened.database.write(
            lambda uow: credentials.unbind_certificate(uow, opened.clock, address, name)
        )
        return {"dn": unbound.dn, "created": _time(unbound.created_at), "outcome": "removed"}

    show_one(run(home, work), as_json=as_json)


def _subject(dn: str | None, file: Path | None) -> DistinguishedName:
    if (dn is None) is (file is None):
        raise typer.BadParameter("give either --dn or --file")
    if dn is not None:
        try:
            return DistinguishedName.parse(dn)
        except NameMalformed as error:
            raise typer.BadParameter(str(error), param_hint="--dn") from None
    assert file is not None
    try:
        with file.open("rb") as stream:
            return DistinguishedName.from_x509(
                x509.load_pem_x509_certificate(stream.read(_LARGEST_PEM)).subject
            )
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise Failed(f"{file} is no certificate in PEM") from None


# Sessions of the portal, and the brake -----------------------------------------------------------------------


@session.command(
    "list", epilog="Example: vaguemestre bal sessions list a.b@liberal-demo.mssante.fr --home sandbox"
)
def sessions_list(address: AddressArgument, home: Home, as_json: Json = False) -> None:
    """Lists the live sessions of the portal that the bearer of a mailbox has."""

    async def work(opened: Opened) -> list[dict[str, Any]]:
        box = await _box(opened, address)
        now = opened.clock.millis()
        live = await opened.database.read(lambda connection: sessions.list_of(connection, box.owner_id, now))
        return [
            {
                "id": each.id,
                "created": _time(each.created_at),
                "seen": _time(each.seen_at),
                "means": each.strength.value,
                "device": each.device.agent,
                "peer": each.device.peer,
            }
            for each in live
        ]

    show(run(home, work), ("id", "created", "seen", "means", "device", "peer"), as_json=as_json)


@session.command(
    "end", epilog="Example: vaguemestre bal sessions end a.b@liberal-demo.mssante.fr --home sandbox"
)
def sessions_end(address: AddressArgument, home: Home, as_json: Json = False) -> None:
    """Ends every session of the portal that the bearer of a mailbox has."""

    async def work(opened: Opened) -> int:
        return await opened.database.write(lambda uow: credentials.end_sessions(uow, opened.clock, address))

    show_one({"address": address.lower(), "ended": run(home, work)}, as_json=as_json)


def bal_unlock(address: AddressArgument, home: Home, as_json: Json = False) -> None:
    """Forgets the wrong passwords and codes counted against a mailbox, so that its bearer can try again."""

    async def work(opened: Opened) -> bool:
        return await opened.database.write(lambda uow: unlock_bal(uow, opened.clock, address))

    show_one({"address": address.lower(), "had_failures": run(home, work)}, as_json=as_json)


async def _box(opened: Opened, address: str) -> Bal:
    found = await opened.database.read(lambda connection: find_bal(connection, address))
    if found is None:
        raise Failed(f"there is no mailbox {address}")
    return found


def _time(at: int | None) -> str | None:
    return to_paris(from_millis(at)).isoformat(timespec="seconds") if at is not None else None
