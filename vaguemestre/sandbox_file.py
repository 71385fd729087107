"""`sandbox.json`: everything a script needs to use a running sandbox, in the form outside scripts rely on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TextIO

from directory.bals import BalType, find_bals
from directory.fhir import routes as fhir
from directory.ldap.names import SUFFIX as LDAP_BASE
from directory.patients import find_patients
from dmp_bridge.fhir import routes as record
from mailserver.delivery.recipients import ROBOT
from mailserver.signin.second_factor import base32, is_enrolled
from portal.operators.accounts import find_operator
from vaguemestre import ports
from vaguemestre.companions import authority_of, cast_of
from vaguemestre.psc.clients import secret_of
from vaguemestre.psc.issuer import SOFTWARE, discovery_of, issuer_at
from vaguemestre.sandbox_home import (
    OPERATOR,
    PATIENT_DOMAIN,
    certificate_file,
    password_for,
    second_factor_for,
    seed,
)
from vaguemestre.sandbox_peers import PEERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from directory.bals import Bal
    from directory.patients import Patient
    from vaguemestre import fictive
    from vaguemestre.app import Operator

FILE = "sandbox.json"
VERSION = 1


async def describe(operator: Operator) -> dict[str, Any]:
    """The content of the file. What this version does not serve has port 0 or null members."""
    settings = operator.settings
    home = settings.home
    secret = seed(home)
    cast = cast_of(home)
    peers = authority_of(home) / "peers"
    issuer = issuer_at(f"{ports.HOST}:{operator.ports['https']}")
    bals, patients, has_operator = await operator.database.read(
        lambda connection: (
            find_bals(connection, (bal.address for bal in cast.bals)),
            find_patients(connection, (patient.ins for patient in cast.patients)),
            find_operator(connection, OPERATOR) is not None,
        )
    )
    strong = await operator.database.read(
        lambda connection: {
            bal.address
            for bal in cast.bals
            if bal.has_second_factor
            and bal.address in bals
            and is_enrolled(connection, bals[bal.address].owner_id)
        }
    )
    numbers = {name: operator.ports.get(name, 0) for name in ports.NAMES if not name.endswith("_plain")}
    numbers |= {name: port for name, port in operator.ports.items() if name.endswith("_plain")}
    return {
        "version": VERSION,
        "home": str(home),
        "pid": os.getpid(),
        "ca_file": str(settings.path(settings.tls.ca_file)),
        "host": ports.HOST,
        "ports": numbers,
        "http": f"https://{ports.HOST}:{operator.ports['https']}",
        "domains": list(settings.domains),
        "patient_domain": settings.patient_domain,
        "bals": [
            _bal(home, bals[bal.address], secret, with_second_factor=bal.address in strong)
            for bal in cast.bals
            if bal.address in bals
        ],
        "patients": [
            _patient(patient, patients[patient.ins], secret)
            for patient in cast.patients
            if patient.ins in patients
        ],
        "peers": [
            {
                "case": peer.case,
                "domain": peer.domain,
                "certificate": str(peers / f"{peer.case}.pem"),
                "key": str(peers / f"{peer.case}.key"),
            }
            for peer in PEERS
        ],
        "psc": {
            "issuer": issuer,
            "discovery": discovery_of(issuer),
            "client_id": SOFTWARE,
            "client_secret": secret_of(home, SOFTWARE),
            "users": [
                {"username": bal.idnat, "idnat": bal.idnat, "bal": bal.address}
                for bal in cast.bals
                if bal.type is BalType.PER and bal.address in bals
            ],
        },
        "directory": {
            "ldap_base": LDAP_BASE,
            "fhir": f"https://{ports.HOST}:{operator.ports['https']}{fhir.BASE}",
        },
        "record": {"fhir": f"https://{ports.HOST}:{operator.ports['https']}{record.BASE}"},
        "operator": {
            "username": OPERATOR if has_operator else None,
            "password": password_for(secret, OPERATOR) if has_operator else None,
        },
    }


def _bal(home: Path, bal: Bal, secret: bytes, *, with_second_factor: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "address": bal.address,
        "type": bal.type.value,
        "name": bal.name,
        "idnat": bal.idnat,
        "password": password_for(secret, bal.address),
    }
    if with_second_factor:
        row["totp"] = base32(second_factor_for(secret, bal.address))
    certificate = certificate_file(home, bal.address)
    if certificate.exists():
        row |= {"certificate": str(certificate), "key": str(certificate.with_suffix(".key"))}
    return row


def _patient(fictive_patient: fictive.FictivePatient, patient: Patient, secret: bytes) -> dict[str, Any]:
    return {
        "address": f"{patient.ins}@{PATIENT_DOMAIN}",
        "ins": patient.ins,
        "name": patient.name,
        "birth_date": patient.birth_date,
        "state": patient.state.value,
        "minor": fictive_patient.minor,
        "password": password_for(secret, patient.ins),
    }


def print_summary(description: dict[str, Any], out: TextIO) -> None:
    """What a person at the terminal wants to know: where, who, which password."""
    numbers, host, patients = description["ports"], description["host"], description["patients"]
    lines = ["", "Vaguemestre, bac à sable : données fictives.", ""]
    if patients:
        lines.append(f"  pages des patients   {description['http']}")
    lines += [
        f"  envoi (submission)   {host}:{numbers['submission']} STARTTLS, {host}:{numbers['submissions']} TLS",
        f"  autres opérateurs    {host}:{numbers['mx']} STARTTLS, certificat exigé",
        f"  lecture (IMAP)       {host}:{numbers['imap']} STARTTLS, {host}:{numbers['imaps']} TLS",
        f"  Pro Santé Connect    {description['psc']['issuer']}/",
        f"  annuaire             {description['http']}/annuaire",
        f"  annuaire (LDAP)      {host}:{numbers['ldap']} StartTLS, {host}:{numbers['ldaps']} TLS, base {description['directory']['ldap_base']}",
        f"  réponse automatique  {ROBOT}@{description['domains'][0]}",
        f"  autorité (CA)        {description['ca_file']}",
        f"  tout le reste        {description['home']}/{FILE}",
        "",
    ]
    account = description["operator"]
    if account["username"]:
        lines += [
            f"  pages d’opérateur    {description['http']}/operateur/  {account['username']}  {account['password']}",
            "",
        ]
    if description["bals"]:
        lines += ["  boîtes", *_aligned(description["bals"], ("type", "address", "password")), ""]
    if patients:
        lines += [f"  patients (adresse @{description['patient_domain']})"]
        lines += [*_aligned(patients, ("ins", "name", "state", "password")), ""]
    lines.append("  Ctrl-C pour arrêter, les données restent.")
    print("\n".join(lines), file=out, flush=True)


def _aligned(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Iterator[str]:
    """A line for each row, every column as wide as its longest value."""
    widths = {column: max(len(row[column]) for row in rows) for column in columns}
    for row in rows:
        yield "    " + "  ".join(row[column].ljust(widths[column]) for column in columns).rstrip()
