"""The command line: `vaguemestre COMMAND --help` shows each command with an example.

Exit codes: 0 fine, 1 refused or failed, 2 wrong usage. Errors are one sentence on standard error.
"""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy.exc import DBAPIError
from typer.core import TyperGroup

from certs.list_faults import ListRefused
from certs.names import NameMalformed
from certs.pki import PkiUnusable
from certs.publisher import ListingRefused
from certs.revocation import CrlRefused
from certs.routes import RoutesUnusable
from certs.sources import SourceUnreachable
from certs.tls import TlsUnusable
from certs.trust import TrustUnusable
from directory.bals import BalRefused
from directory.patients import PatientRefused
from dmp_bridge.antivirus import ScannerUnavailable
from dmp_bridge.rights.professions import ProfessionsRefused
from foundation.database import DatabaseUnavailable
from foundation.database_file import is_damage
from foundation.settings import SettingsError
from foundation.vault import BlobDamaged, VaultUnavailable
from mailserver.delivery.absence import AbsenceRefused
from mailserver.signin.application import ApplicationRefused
from mailserver.signin.certificates import CertificateRefused
from mailserver.signin.policy import RefusedPasswordsUnreadable
from portal.operators.accounts import OperatorRefused
from vaguemestre.cli import (
    absence,
    audit,
    bridge,
    check,
    check_peers,
    codes,
    database,
    directory,
    export,
    hl7,
    life,
    operating,
    operators,
    package,
    people,
    psc,
    publish,
    queue,
    record,
    representing,
    requirements,
    routes,
    setup,
    sharing,
    signing_in,
    tracking,
    trust,
    white_list,
    will,
)
from vaguemestre.cli.output import Failed
from vaguemestre.errors import CannotListen, HomeBusy, SandboxBroken
from vaguemestre.migrate import SchemaTooNew

if TYPE_CHECKING:
    from collections.abc import Callable


class _Words(TyperGroup):
    """The commands; a wrong word is told as it is, without what the library says of its own exception."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


app = typer.Typer(
    name="vaguemestre",
    cls=_Words,
    help="An MSSanté-compatible mail operator: SMTP, IMAP, patient addresses, and the bridge to the patient's record.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"vaguemestre {importlib.metadata.version('vaguemestre')}")
        raise typer.Exit


@app.callback()
def _program(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Print the version and exit.", callback=_tell_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


operating.register(app)
bridge.register(app)
check.register(app)
check_peers.register(app)
requirements.register(app)
tracking.register(app)
psc.register(app)
sharing.register(people.bal)
signing_in.register(people.bal)
absence.register(people.bal)
life.register(people.bal)
publish.register(directory.app)
export.register(directory.app)
setup.register(app, people.bal)
will.register(people.patient)
representing.register(people.patient)
app.add_typer(people.bal, name="bal")
app.add_typer(people.patient, name="patient")
app.add_typer(operators.app, name="operator")
app.add_typer(database.app, name="database")
app.add_typer(directory.app, name="directory")
app.add_typer(trust.certs, name="certs")
app.add_typer(white_list.app, name="white-list")
app.add_typer(routes.app, name="routes")
app.add_typer(queue.app, name="queue")
app.add_typer(hl7.app, name="hl7")
app.add_typer(package.app, name="package")
app.add_typer(record.app, name="record")
app.add_typer(codes.app, name="codes")
app.add_typer(audit.app, name="trail")

_EXPECTED = (
    AbsenceRefused,
    ApplicationRefused,
    BalRefused,
    BlobDamaged,
    CertificateRefused,
    CannotListen,
    CrlRefused,
    DatabaseUnavailable,
    Failed,
    HomeBusy,
    ListRefused,
    ListingRefused,
    NameMalformed,
    OperatorRefused,
    PatientRefused,
    PkiUnusable,
    ProfessionsRefused,
    RefusedPasswordsUnreadable,
    RoutesUnusable,
    SandboxBroken,
    ScannerUnavailable,
    SchemaTooNew,
    SettingsError,
    SourceUnreachable,
    TlsUnusable,
    TrustUnusable,
    VaultUnavailable,
)


@functools.cache
def commands() -> Callable[..., Any]:
    """The program's commands, read from their functions once: that takes longer than most of them run."""
    return typer.main.get_command(app)


def main() -> None:
    """The entry point of the `vaguemestre` program."""
    try:
        commands()()
    except _EXPECTED as error:
        print(f"vaguemestre: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if isinstance(error, DBAPIError) and error.orig is not None and is_damage(error.orig):
            print("vaguemestre: the database file is damaged: put back a backup", file=sys.stderr)
            sys.exit(1)
        print(f"vaguemestre: unexpected failure ({type(error).__name__}: {error})", file=sys.stderr)
        sys.exit(1)
