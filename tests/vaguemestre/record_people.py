"""Those who ask for records of a running sandbox over FHIR: by token, by certificate, by the session of the pages."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2

from directory.patients import find_patient
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.own_desk import OwnDesk
from dmp_bridge.rights.vocabulary import Role
from foundation.cipher import key_of
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.identifiers import OID_TEST
from foundation.settings import load

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from tests.vaguemestre.conftest import Said
    from tests.vaguemestre.programs import Serving

NEUROLOGIST, EMERGENCY_DOCTOR, RADIOLOGIST = "899900000102", "899900000110", "899900000128"
ATTENDING_DOCTOR, NURSE = "899900000144", "899900000151"
HOSPITAL, HOSPITAL_SOFTWARE = "1990700106", "dpi@hopital-demo.mssante.fr"
A07 = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
EMERGENCY = {"X-Purpose-Of-Use": "bris_de_glace", "X-Access-Motive": quote("Inconscient à l'arrivée")}
REGULATION = {"X-Purpose-Of-Use": "centre_15", "X-Access-Motive": quote("Appel au 15")}
_numbers = itertools.count(1)


@dataclass
class Records:
    """The FHIR interface of a sandbox and clients of it, one for each way of asking."""

    sandbox: Serving
    command: Callable[..., Said]
    opened: ExitStack = field(default_factory=ExitStack)

    @property
    def base(self) -> str:
        return f"{self.sandbox.told['record']['fhir']}/"

    def professional(self, idnat: str, **headers: str) -> httpx2.Client:
        """With a token of Pro Santé Connect."""
        said = self.command("token", "--home", str(self.sandbox.home), "--user", idnat)
        assert said.code == 0, said
        told = {"Authorization": f"Bearer {said.out.strip()}", **headers}
        return self._client(self.sandbox.tls(), headers=told)

    def software(self, address: str) -> httpx2.Client:
        """With the certificate of a structure's software."""
        box = next(each for each in self.sandbox.told["bals"] if each["address"] == address)
        tls: ssl.SSLContext = self.sandbox.tls()
        tls.load_cert_chain(box["certificate"], box["key"])
        return self._client(tls)

    def person(self, ins: str, **headers: str) -> httpx2.Client:
        """With the session of the patient pages."""
        patient = next(each for each in self.sandbox.told["patients"] if each["ins"] == ins)
        client = self._client(self.sandbox.tls(), headers=headers)
        form = {"username": ins, "password": patient["password"]}
        assert client.post(f"{self.sandbox.told['http']}/session", data=form).status_code == 303
        return client

    def _client(self, tls: ssl.SSLContext, **options: Any) -> httpx2.Client:
        client = httpx2.Client(base_url=self.base, verify=tls, timeout=30, **options)
        return self.opened.enter_context(client)

    def will(self, ins: str, say: Callable[[OwnDesk, Caller], Awaitable[object]]) -> None:
        """What a patient says of the own record, as the pages would."""
        settings = load(self.sandbox.home)

        async def work() -> None:
            database = await Database.open(settings.database_url, key=key_of(settings))
            try:
                patient = await database.read(lambda connection: find_patient(connection, ins))
                assert patient is not None
                owner = patient.owner_id
                await say(
                    OwnDesk(database, SystemClock()),
                    Caller(role=Role.PATIENT, id=f"patient:{owner}", owner_id=owner),
                )
            finally:
                await database.close()

        asyncio.run(work())


def pdf() -> bytes:
    """A file that no other test has sent."""
    return b"%%PDF-1.4\n%% %d\ntrailer<<>>\n%%%%EOF\n" % next(_numbers)


def letter(ins: str, author: str, structure: str, *visibilities: str) -> dict[str, Any]:
    """A discharge letter to publish, under a uniqueId of its own."""
    data = pdf()
    digest = hashlib.sha1(data).digest()
    return {
        "resourceType": "DocumentReference",
        "contained": [
            {
                "resourceType": "Practitioner",
                "id": "a",
                "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": author}],
            },
            {
                "resourceType": "Organization",
                "id": "s",
                "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.2", "value": structure}],
            },
            {
                "resourceType": "PractitionerRole",
                "id": "r",
                "practitioner": {"reference": "#a"},
                "organization": {"reference": "#s"},
            },
        ],
        "masterIdentifier": {
            "system": "urn:ietf:rfc:3986",
            "value": f"urn:oid:2.25.{int.from_bytes(digest[:12])}",
        },
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11490-0"}]},
        "subject": {"reference": f"Patient?identifier=urn:oid:{OID_TEST}|{ins}"},
        "author": [{"reference": "#r"}],
        "securityLabel": [{"coding": [{"system": A07, "code": each}]} for each in visibilities],
        "content": [
            {
                "attachment": {
                    "contentType": "application/pdf",
                    "title": "Lettre de liaison",
                    "data": base64.b64encode(data).decode(),
                }
            }
        ],
        "context": {"period": {"start": "2026-06-12T10:00:00+02:00"}},
    }
