"""`vaguemestre certs …`: certificates of the sandbox's authority, and a look at any certificate."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509

from certs.authorities import is_issued_by
from certs.expiry import ends
from certs.names import DistinguishedName
from certs.pki import Case, Pki
from certs.profiles import Purpose
from foundation.settings import load
from vaguemestre.cli.output import Failed, Home, Json, show, show_one
from vaguemestre.companions import authority_of

certs = typer.Typer(no_args_is_help=True, help="Certificates: issue from the sandbox's authority, show any.")


@certs.command(
    epilog="Example: vaguemestre certs issue --home sandbox --cn smtp.essai.mssante.fr --ou 1990780017"
    " --o 'CH DES ESSAIS' --st 'Paris (75)' --out essai"
)
def issue(
    home: Home,
    cn: Annotated[str, typer.Option(help="Common name: the host name.")],
    out: Annotated[Path, typer.Option(help="Prefix of the two files to write.")],
    ou: Annotated[str, typer.Option(help="1 and a FINESS number, or 3 and a SIRET number.")] = "1990780017",
    o: Annotated[str, typer.Option(help="Name of the organisation.")] = "STRUCTURE DE TEST",
    st: Annotated[str, typer.Option(help="Department, as « Paris (75) ».")] = "Paris (75)",
    case: Annotated[Case, typer.Option(help="How the certificate is broken on purpose.")] = Case.VALID,
    as_json: Json = False,
) -> None:
    """Writes PREFIX.pem and PREFIX.key, signed by the sandbox's authority (or a foreign one)."""
    settings = load(home)
    if not settings.sandbox:
        raise Failed("certificates are issued in a sandbox only: a real operator orders them from IGC-Santé")
    taken = [
        path for path in (out.with_name(out.name + suffix) for suffix in (".pem", ".key")) if path.exists()
    ]
    if taken:
        raise Failed(f"{taken[0]} exists: choose another prefix, a key is not replaced")
    now = datetime.now(UTC)
    name = DistinguishedName.of(cn=cn, ou=ou, o=o, st=st)
    issued = Pki.open(authority_of(settings.home), now).issue(
        name, now, purpose=Purpose.SERVER, case=case, hosts=(cn,)
    )
    certificate, key = issued.write(out)
    show_one({"certificate": str(certificate), "key": str(key), "dn": str(issued.dn)}, as_json=as_json)


@certs.command(epilog="Example: vaguemestre certs revoke --home sandbox essai.pem")
def revoke(
    home: Home,
    file: Annotated[Path, typer.Argument(help="The certificate, PEM.")],
    as_json: Json = False,
) -> None:
    """Puts a certificate of a sandbox on its revocation list; a running sandbox refuses it from then on."""
    settings = load(home)
    if not settings.sandbox:
        raise Failed("certificates are revoked in a sandbox only: a real operator asks IGC-Santé")
    certificate = _certificate(file)
    now = datetime.now(UTC)
    pki = Pki.open(authority_of(settings.home), now)
    if not is_issued_by(certificate, pki.organisations.certificate):
        raise Failed(f"{file} is not a certificate of this sandbox's authority")
    changed = pki.revoke(certificate, now)
    outcome = "revoked" if changed else "revoked already"
    name = DistinguishedName.from_x509(certificate.subject)
    show_one(
        {"dn": str(name), "serial": f"{certificate.serial_number:x}", "outcome": outcome}, as_json=as_json
    )


@certs.command(epilog="Example: vaguemestre certs expiry --home operateur")
def expiry(
    home: Home,
    days: Annotated[int, typer.Option(min=0, help="Fail when something ends in fewer days.")] = 30,
    as_json: Json = False,
) -> None:
    """Days left of everything the trust space rests on; fails when something ends soon, or has ended.

    A revocation list is renewed within days by its nature: it fails only once it is out of date or missing.
    """
    settings = load(home)
    now = datetime.now(UTC)
    rows = [end.row(now, days) for end in ends(settings, now)]
    show(rows, ("what", "name", "until", "days", "state"), as_json=as_json)
    bad = [row for row in rows if row["state"] != "good"]
    if bad:
        raise Failed(f"{bad[0]['what']} ({bad[0]['name']}): {bad[0]['state']}")


@certs.command("show", epilog="Example: vaguemestre certs show essai.pem")
def show_file(
    file: Annotated[Path, typer.Argument(help="A certificate in PEM.")],
    as_json: Json = False,
) -> None:
    """Prints the name as a white list writes it, the issuer, and the dates of the first certificate of a file."""
    certificate = _certificate(file)
    show_one(
        {
            "dn": str(DistinguishedName.from_x509(certificate.subject)),
            "issuer": str(DistinguishedName.from_x509(certificate.issuer)),
            "valid_from": certificate.not_valid_before_utc.isoformat(),
            "valid_until": certificate.not_valid_after_utc.isoformat(),
            "serial": f"{certificate.serial_number:x}",
        },
        as_json=as_json,
    )


def _certificate(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        raise Failed(f"{file} holds no certificate that can be read") from error
