"""`vaguemestre certs …`: certificates of the sandbox's authority, and a look at any certificate."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509

from certs.names import DistinguishedName
from certs.pki import Case, Pki
from certs.profiles import Purpose
from foundation.settings import load
from vaguemestre.cli.output import Failed, Home, Json, show_one

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
    issued = Pki.open(settings.home / "pki", now).issue(
        name, now, purpose=Purpose.SERVER, case=case, hosts=(cn,)
    )
    certificate, key = issued.write(out)
    show_one({"certificate": str(certificate), "key": str(key), "dn": str(issued.dn)}, as_json=as_json)


@certs.command(epilog="Example: vaguemestre certs show essai.pem")
def show(
    file: Annotated[Path, typer.Argument(help="A certificate in PEM.")],
    as_json: Json = False,
) -> None:
    """Prints the name as a white list writes it, the issuer, and the dates of the first certificate of a file."""
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        raise Failed(f"{file} holds no certificate that can be read") from error
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
