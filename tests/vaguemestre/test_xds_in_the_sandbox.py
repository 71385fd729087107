"""A sandbox as installed DMP software meets it: filed by XDS with a card, seen the same by FHIR."""

from __future__ import annotations

import ssl
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from certs.pki import Issued
from directory.bals import BalType
from tests.dmp_bridge.builders import cda
from tests.dmp_bridge.xds.assertions import Claims, signed
from tests.dmp_bridge.xds.messages import (
    APPROVED,
    DELETED,
    PROVIDE,
    RETRIEVE,
    STORED_QUERY,
    UPDATE,
    Provided,
    envelope,
    find_documents,
    provide,
    read_answer,
    related,
    retrieve,
    update_metadata,
    update_status,
)
from vaguemestre import fictive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.dmp_bridge.xds.messages import Answer
    from tests.vaguemestre.conftest import Said
    from tests.vaguemestre.programs import Serving

    Command = Callable[..., Said]

UNIQUE_ID = "1.2.250.1.999.213.77.1"
OID = "1.2.250.1.213.1.4.10"
_PATHS = {PROVIDE: "repository", RETRIEVE: "repository", STORED_QUERY: "registry", UPDATE: "registry"}


class Practice:
    """A doctor of the sandbox with a card, DMP software and a patient."""

    def __init__(self, sandbox: Serving, vaguemestre: Command, folder: Path) -> None:
        self.sandbox = sandbox
        bal = next(
            each
            for each in fictive.CAST.bals
            if each.type is BalType.PER and each.professional and each.professional.profession_code == "10"
        )
        assert bal.professional is not None
        self.doctor = bal.professional
        self.structure = bal.structure.idnat
        patient = next(
            each for each in sandbox.told["patients"] if each["state"] == "activated" and not each["minor"]
        )
        self.patient = next(each for each in fictive.CAST.patients if each.ins == patient["ins"])
        self.cx = f"{self.patient.ins}^^^&{OID}&ISO^NH"
        home = str(sandbox.home)
        card = folder / "card"
        issued = (
            "certs",
            "issue",
            "--home",
            home,
            "--cn",
            self.doctor.idnat,
            "--ou",
            "Médecin",
            "--out",
            str(card),
        )
        assert vaguemestre(*issued).code == 0
        self.certificate, self.key = card.with_suffix(".pem"), card.with_suffix(".key")
        assert (
            vaguemestre("patient", "authorise", self.patient.ins, self.doctor.idnat, "--home", home).code == 0
        )
        self.token = vaguemestre("token", "--home", home, "--user", self.doctor.idnat).out.strip()

    def ask(self, action: str, payload: str, parts: dict[str, bytes] | None = None) -> Answer:
        key = load_pem_private_key(self.key.read_bytes(), None)
        card = Issued(x509.load_pem_x509_certificate(self.certificate.read_bytes()), key, ())  # type: ignore[arg-type]
        claims = Claims(
            id=f"_{uuid.uuid4()}",
            issued_at=datetime.now(UTC),
            subject=self.doctor.idnat,
            structure=self.structure,
            roles=(
                (self.doctor.profession_code, "1.2.250.1.71.1.2.7"),
                (self.doctor.skill_code, "1.2.250.1.71.4.2.5"),
            ),
            patient=self.cx,
        )
        root = envelope(action, payload, signed(claims, card))
        body, content_type = (root, "application/soap+xml") if parts is None else related(root, parts)
        context = ssl.create_default_context(cafile=self.sandbox.told["ca_file"])
        context.load_cert_chain(self.certificate, self.key)
        with httpx2.Client(verify=context, timeout=30) as client:
            url = f"{self.sandbox.told['http']}/xds/{_PATHS[action]}"
            return read_answer(client.post(url, content=body, headers={"Content-Type": content_type}))

    def fhir(self, path: str) -> httpx2.Response:
        with httpx2.Client(verify=self.sandbox.tls(), timeout=30) as client:
            headers = {"Authorization": f"Bearer {self.token}"}
            return client.get(f"{self.sandbox.told['record']['fhir']}/{path}", headers=headers)

    def reference(self, status: str = "current") -> dict[str, Any] | None:
        """The document as FHIR tells it."""
        asked = f"DocumentReference?patient.identifier=urn:oid:{OID}|{self.patient.ins}&status={status}"
        bundle = self.fhir(asked).json()
        found = [each["resource"] for each in bundle.get("entry", [])]
        return next((each for each in found if each["masterIdentifier"]["value"].endswith(UNIQUE_ID)), None)


@pytest.fixture
def practice(sandbox: Serving, vaguemestre: Command, tmp_path: Path) -> Practice:
    return Practice(sandbox, vaguemestre, tmp_path)


# ref: DMP-F33
def test_a_document_of_installed_software_is_one_document_for_everybody(practice: Practice) -> None:
    patient = practice.patient
    data = cda(
        unique_id=UNIQUE_ID,
        set_id=f"{UNIQUE_ID}.1",
        ins=patient.ins,
        family=patient.birth_name,
        given=patient.first_names.split()[0],
        birth=patient.birth_date.replace("-", ""),
        sex=patient.sex,
        author_id=practice.doctor.idnat,
    )
    payload, parts = provide(
        Provided(data, UNIQUE_ID, patient=practice.cx), set_id=f"{UNIQUE_ID}.2", patient=practice.cx
    )
    filed = practice.ask(PROVIDE, payload, parts)
    assert (filed.status, filed.outcome, filed.errors) == (200, "Success", [])

    mine = find_documents().replace("279035121518989", patient.ins)
    found = next(
        each
        for each in practice.ask(STORED_QUERY, mine).entries
        if UNIQUE_ID in {e.get("value") for e in each.iter()}
    )
    told = practice.reference()
    assert told is not None
    assert told["content"][0]["attachment"]["size"] == len(data)
    given = practice.ask(RETRIEVE, retrieve(UNIQUE_ID), {})
    assert given.documents == {UNIQUE_ID: data}
    url = told["content"][0]["attachment"]["url"].partition("/fhir/dmp/")[2]
    assert practice.fhir(url).content == data

    masked = update_metadata(found, add="MASQUE_PS").replace("279035121518989", patient.ins)
    assert practice.ask(UPDATE, masked).outcome == "Success"
    told = practice.reference()
    assert told is not None
    assert [each["coding"][0]["code"] for each in told["securityLabel"]] == ["N", "MASQUE_PS"]

    now = next(
        each
        for each in practice.ask(STORED_QUERY, mine).entries
        if UNIQUE_ID in {e.get("value") for e in each.iter()}
    )
    deleted = update_status(now.get("id", ""), APPROVED, DELETED, practice.cx)
    assert practice.ask(UPDATE, deleted).outcome == "Success"
    assert practice.reference() is None
    assert practice.ask(RETRIEVE, retrieve(UNIQUE_ID), {}).documents == {UNIQUE_ID: data}
