"""A ward behind the FHIR interface of the record, and those who speak to it over HTTP."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
from fhir.resources.R4B import get_fhir_model_class
from starlette.applications import Starlette

from certs.names import DistinguishedName
from certs.peers import Peer, PeerFault
from directory.psc.claims import Activity, Exercise, Professional
from directory.psc.faults import TokenFault
from directory.psc.tokens import Access
from dmp_bridge.dossier.care_desk import CareDesk
from dmp_bridge.fhir.access import Gate
from dmp_bridge.fhir.routes import FhirRecord
from dmp_bridge.xds.certificates import Certificates
from foundation.identifiers import OID_TEST
from tests.dmp_bridge.builders import PDF
from tests.dmp_bridge.dossier.wards import (
    ATTENDING,
    DOCTOR,
    INS,
    LABORATORY,
    NURSE,
    OTHER_DOCTOR,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from starlette.types import Receive, Scope, Send

    from dmp_bridge.dossier.caller import Caller
    from tests.dmp_bridge.dossier.wards import Ward

ORIGIN = "https://dossier.test"
BASE = f"{ORIGIN}/fhir/dmp"
PATIENT = f"urn:oid:{OID_TEST}|{INS}"
SUBJECT = {"reference": f"Patient?identifier={PATIENT}"}
EMPLOYEE = "31120459876/7"
LABORATORY_DN = DistinguishedName.of(cn="labo", ou=LABORATORY, o="LABORATOIRE DES CHARMES")
STRANGER_DN = DistinguishedName.of(cn="inconnu")
CERTIFICATES = {b"labo": LABORATORY_DN, b"inconnu": STRANGER_DN}
MOST_BYTES = 1024 * 1024
A07 = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def professional(caller: Caller) -> Professional:
    """What Pro Santé Connect tells of somebody of the ward."""
    place = Activity(caller.structure_name, caller.structure_id[1:], "SA01")
    exercise = Exercise(caller.profession, "C", caller.skill, (place,) if caller.structure_id else ())
    return Professional(caller.id, family_name=caller.name, exercises=(exercise,))


TOKENS = {
    "doctor": professional(DOCTOR),
    "other": professional(OTHER_DOCTOR),
    "attending": professional(ATTENDING),
    "nurse": professional(NURSE),
    "clerk": Professional(EMPLOYEE, family_name="ACCUEIL"),
}


class Tokens:
    """As TokenCheck: the name of somebody of the ward is their token."""

    async def check(self, token: str, *, certificate: bytes | None = None) -> Access | TokenFault:
        if token == "later":
            return TokenFault.UNAVAILABLE
        found = TOKENS.get(token)
        return TokenFault.MALFORMED if found is None else Access(found.idnat, 1 << 60, found)


class Organisations:
    """As the espace de confiance: a certificate is the name of its bearer."""

    def judge_client(self, der: bytes | None) -> Peer | PeerFault:
        name = CERTIFICATES.get(der or b"")
        return PeerFault.UNTRUSTED if name is None else Peer(name, name.common_name or "", frozenset())

    judge_signer = judge_client


@dataclass(frozen=True, slots=True)
class Place:
    """The interface over a ward."""

    ward: Ward
    app: Starlette

    def client(
        self, token: str | None = None, certificate: bytes | None = None, /, **headers: str
    ) -> httpx2.AsyncClient:
        """Who shows a token, a certificate of TLS, or both."""

        async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            shown: Scope = {**scope, "extensions": {"tls": {"client_certificate": certificate}}}
            await self.app(shown, receive, send)

        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            told["Authorization"] = f"Bearer {token}"
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=f"{BASE}/", headers=told)


def place(ward: Ward) -> Place:
    """The interface as the house wires it."""
    gate = Gate(Tokens(), Certificates(Organisations(), None, ward.clock), {LABORATORY_DN: LABORATORY})
    interface = FhirRecord(
        ward.desk,
        CareDesk(ward.database, ward.clock),
        gate,
        ward.database,
        ward.clock,
        master_key=bytes(32),
        base=BASE,
        custodian="dossier.test",
        most_bytes=MOST_BYTES,
        memory_bytes=2 * MOST_BYTES,
    )
    return Place(ward, Starlette(routes=interface.routes()))


def reference(
    data: bytes = PDF,
    *,
    unique_id: str = "1.2.250.1.999.42",
    media_type: str = "application/pdf",
    inline: bool = True,
    **members: Any,
) -> dict[str, Any]:
    """A DocumentReference to publish: a discharge letter of the doctor."""
    attachment: dict[str, Any] = {
        "contentType": media_type,
        "language": "fr-FR",
        "title": "Lettre de liaison",
        "creation": "2026-03-12T10:00:00+01:00",
        "size": len(data),
        "hash": base64.b64encode(hashlib.sha1(data).digest()).decode(),
    }
    if inline:
        attachment["data"] = base64.b64encode(data).decode()
    told = {
        "resourceType": "DocumentReference",
        "contained": [
            {
                "resourceType": "Practitioner",
                "id": "author",
                "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": DOCTOR.id}],
                "name": [{"family": "CAMPARINI", "given": ["Marcel"]}],
            },
            {
                "resourceType": "Organization",
                "id": "laboratory",
                "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.2", "value": LABORATORY}],
                "name": "Laboratoire des charmes",
            },
            {
                "resourceType": "PractitionerRole",
                "id": "role",
                "practitioner": {"reference": "#author"},
                "organization": {"reference": "#laboratory"},
            },
        ],
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{unique_id}"},
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11490-0"}]},
        "category": [
            {
                "coding": [
                    {
                        "system": "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument",
                        "code": "10",
                    }
                ]
            }
        ],
        "subject": SUBJECT,
        "date": "2026-03-12T10:00:00+01:00",
        "author": [{"reference": "#role"}],
        "authenticator": {"reference": "#author"},
        "description": "Après trois jours d'observation",
        "securityLabel": [{"coding": [{"system": CONFIDENTIALITY, "code": "N"}]}],
        "content": [
            {
                "attachment": attachment,
                "format": {
                    "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
                    "code": "urn:ihe:iti:xds-sd:pdf:2008",
                },
            }
        ],
        "context": {
            "period": {"start": "2026-03-10T08:00:00+01:00", "end": "2026-03-12T10:00:00+01:00"},
            "facilityType": {
                "coding": [
                    {
                        "system": "https://mos.esante.gouv.fr/NOS/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite",
                        "code": "SA01",
                    }
                ]
            },
            "practiceSetting": {
                "coding": [
                    {
                        "system": "https://mos.esante.gouv.fr/NOS/TRE_A01-CadreExercice/FHIR/TRE-A01-CadreExercice",
                        "code": "ETABLISSEMENT",
                    }
                ]
            },
            "event": [{"coding": [{"system": "urn:oid:1.2.250.1.213.2.5", "code": "HBGD038"}]}],
            "related": [{"identifier": {"system": "urn:oid:1.2.3", "value": "PRESC-7"}}],
        },
    }
    return {**told, **members}


def label(code: str) -> dict[str, Any]:
    """A visibility."""
    return {"coding": [{"system": A07, "code": code}]}


def valid(told: Mapping[str, Any]) -> dict[str, Any]:
    """The resource, judged by a library that is not ours."""
    model: Any = get_fhir_model_class(told["resourceType"])
    model.model_validate(told)
    return dict(told)


def found(bundle: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The resources of a searchset."""
    return [each["resource"] for each in valid(bundle).get("entry", [])]


def refusal(answer: httpx2.Response, status: int) -> str:
    """The code of the OperationOutcome an answer of this status is."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    told = valid(answer.json())
    assert told["resourceType"] == "OperationOutcome"
    assert "Traceback" not in answer.text
    assert INS not in answer.text
    return str(told["issue"][0]["code"])
