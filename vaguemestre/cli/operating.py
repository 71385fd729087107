"""`vaguemestre sandbox|init|serve|demo|doctor|migrate`: running an operator."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from certs.tls import Identity, TlsUnusable, check_identity
from certs.trust import TrustSpace, TrustUnusable
from foundation.cipher import key_of
from foundation.clock import SystemClock
from foundation.database import Database, DatabaseUnavailable
from foundation.database_file import damaged_pages, path_of
from foundation.log import configure
from foundation.settings import explain, load
from foundation.vault import Vault, VaultUnavailable
from vaguemestre import migrate as migrations
from vaguemestre.cli.output import Failed, Home, Json, show, show_one


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the program."""
    app.command(epilog="Example: vaguemestre sandbox --home sandbox")(sandbox)
    app.command(
        epilog="Example: vaguemestre init --home /var/lib/vaguemestre --hostname mail.ch-exemple.mssante.fr --domain ch-exemple.mssante.fr"
    )(init)
    app.command(epilog="Example: vaguemestre serve --home /var/lib/vaguemestre")(serve)
    app.command(epilog="Example: vaguemestre demo")(demo)
    app.command(epilog="Example: vaguemestre doctor --home sandbox")(doctor)
    app.command(epilog="Example: vaguemestre migrate --home sandbox")(migrate)


def sandbox(
    home: Home,
    port_base: Annotated[
        int | None,
        typer.Option(min=1024, max=65_500, help="First of the ports; free ones are taken without it."),
    ] = None,
    empty: Annotated[bool, typer.Option("--empty", help="No professionals, boxes or patients.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Also listeners without TLS, on loopback, for load tools.")
    ] = False,
    join: Annotated[
        Path | None,
        typer.Option(help="Home of another sandbox to be the second operator of: both exchange mail."),
    ] = None,
    suffix: Annotated[
        str, typer.Option(help="With --join: what tells the domains apart (hopital-demo-b.mssante.fr).")
    ] = "b",
) -> None:
    """Makes a complete test place where there is none, and serves it until Ctrl-C or SIGTERM.

    DIR/sandbox.json holds ports, addresses and passwords once every listener answers.
    """
    from vaguemestre.sandbox import run_sandbox

    if not suffix.isascii() or not suffix.isalnum() or not 1 <= len(suffix) <= 20:
        raise typer.BadParameter("letters and digits only, 20 at most", param_hint="--suffix")
    configure()
    run_sandbox(home, port_base=port_base, empty=empty, plain=plain, first=join, suffix=suffix.lower())


def init(
    home: Home,
    hostname: Annotated[str, typer.Option(help="Name of the server, as in its certificate.")],
    domain: Annotated[list[str], typer.Option(help="A professional domain hosted here; may be repeated.")],
    as_json: Json = False,
) -> None:
    """Prepares the home of a real operator: settings to read over, and a new master key."""
    from vaguemestre.home import prepare_operator

    written = prepare_operator(home.absolute(), hostname=hostname, domains=domain)
    show([{"written": str(path)} for path in written], ("written",), as_json=as_json)
    if not as_json:
        print(
            "Put the IGC-Santé certificate with its chain, its key, and the authorities where tls.certificate, tls.key"
            f" and tls.ca_file say. Then: vaguemestre white-list fetch --home {home}, vaguemestre doctor --home {home}"
        )


def serve(home: Home) -> None:
    """Serves an operator until SIGTERM; refuses to start, with the reason, when something is missing."""
    from vaguemestre.home import alone_in
    from vaguemestre.running import serve_until_told

    configure()
    settings = load(home)
    with alone_in(settings.home):
        serve_until_told(settings)


def demo(
    home: Annotated[
        Path | None, typer.Option(help="Folder for the sandbox; a temporary one without it.")
    ] = None,
) -> None:
    """Plays the story of Thomas over real SMTP, IMAP, LDAP and HTTPS, and says what proved each step."""
    from vaguemestre.demo.play import play

    if not play(home):
        raise Failed("the demonstration did not hold")


def doctor(home: Home, as_json: Json = False) -> None:
    """Explains every setting and checks that the operator could start; fails when it could not."""
    settings = load(home)
    rows: list[dict[str, Any]] = [
        {"setting": key, "value": str(value), "meaning": sentence}
        for key, value, sentence in explain(settings)
    ]
    faults: list[str] = []
    identity = Identity(settings.path(settings.tls.certificate), settings.path(settings.tls.key))
    try:
        check_identity(identity, datetime.now(UTC))
    except TlsUnusable as error:
        faults.append(str(error))

    warnings: tuple[str, ...] = ()
    if settings.smtp.mx:
        try:
            warnings = asyncio.run(TrustSpace.open(settings, SystemClock())).alarms()
        except (TlsUnusable, TrustUnusable) as error:
            faults.append(str(error))

    async def look() -> None:
        key = key_of(settings)
        database = await Database.open(settings.database_url, key=key)
        try:
            if key is not None:
                file = path_of(settings.database_url)
                damaged = await asyncio.to_thread(damaged_pages, file, key)
                if damaged:
                    faults.append(
                        f"{file}: damaged pages: {len(damaged)}, the first: {damaged[0]}: put back a backup."
                    )
            Vault.open(database, settings.vault_url, settings.path(settings.vault.master_key_file))
        finally:
            await database.close()

    try:
        asyncio.run(look())
    except (DatabaseUnavailable, VaultUnavailable) as error:
        faults.append(str(error))
    if not settings.domains and not settings.serves_patients:
        faults.append("domains: no domain is hosted here")
    if as_json:
        show_one(
            {"settings": rows, "faults": faults, "warnings": warnings, "ready": not faults}, as_json=True
        )
    else:
        show(rows, ("setting", "value", "meaning"), as_json=False)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if faults:
        raise Failed("not ready: " + " ".join(faults))
    if not as_json:
        of_others = ", authorities, white list, revocation lists" if settings.smtp.mx else ""
        print(f"ready: certificate, key{of_others}, master key, database and vault", file=sys.stderr)


def migrate(home: Home, as_json: Json = False) -> None:
    """Brings the database to this version; done at every start as well."""
    settings = load(home)
    before, after = migrations.upgrade(settings.database_url, key_of(settings))
    show_one({"before": before, "after": after}, as_json=as_json)
