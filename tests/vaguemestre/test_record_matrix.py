"""Who may do what with the records of two patients, by real HTTP over TLS: tokens, certificates, sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dmp_bridge.dossier.consents import Consent, ConsentKind
from foundation.identifiers import OID_TEST
from tests.vaguemestre.record_people import (
    A07,
    ATTENDING_DOCTOR,
    EMERGENCY,
    EMERGENCY_DOCTOR,
    HOSPITAL,
    HOSPITAL_SOFTWARE,
    JSON_PATCH,
    NEUROLOGIST,
    NURSE,
    RADIOLOGIST,
    REGULATION,
    Records,
    letter,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx2

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.own_desk import OwnDesk
    from tests.vaguemestre.conftest import Said
    from tests.vaguemestre.programs import Serving

THOMAS, VALERIE, BERNARD = "112059999900169", "284039999900247", "151119999900395"
CONSENT = {
    "resourceType": "Consent",
    "status": "active",
    "category": [{"coding": [{"system": "urn:vaguemestre:consent", "code": "authorisation-consent"}]}],
    "provision": {"type": "permit"},
}


@pytest.fixture
def records(sandbox: Serving, vaguemestre: Callable[..., Said]) -> Iterator[Records]:
    made = Records(sandbox, vaguemestre)
    with made.opened:
        yield made


def whose(ins: str) -> str:
    return f"urn:oid:{OID_TEST}|{ins}"


async def _will_of_thomas(own: OwnDesk, thomas: Caller) -> None:
    await own.set_attending(thomas, ATTENDING_DOCTOR)
    await own.block(thomas, RADIOLOGIST)


@pytest.fixture
def actors(records: Records) -> dict[str, httpx2.Client]:
    """Everybody who asks for the record of Thomas, who is a child."""
    records.will(THOMAS, _will_of_thomas)
    author, nurse = records.professional(NEUROLOGIST), records.professional(NURSE)
    for client in (author, nurse):
        declared = client.post(
            "Consent", json={**CONSENT, "patient": {"reference": f"Patient?identifier={whose(THOMAS)}"}}
        )
        assert declared.status_code == 201, declared.text
    return {
        "author": author,
        "nurse": nurse,
        "attending": records.professional(ATTENDING_DOCTOR),
        "emergency": records.professional(EMERGENCY_DOCTOR, **EMERGENCY),
        "regulator": records.professional(EMERGENCY_DOCTOR, **REGULATION),
        "stranger": records.professional(EMERGENCY_DOCTOR),
        "blocked": records.professional(RADIOLOGIST, **EMERGENCY),
        "software": records.software(HOSPITAL_SOFTWARE),
        "patient": records.person(THOMAS),
        "guardian": records.person(VALERIE, **{"X-Acting-As": "representative"}),
    }


ACTS = (
    "exists", "feed", "search", "read", "masked", "unseen", "secret", "mask", "unmask", "show", "archive", "delete",
    "traces", "list",
)  # fmt: skip
MATRIX = {
    #            exists feed search read masked unseen secret mask unmask show archive delete traces list
    "author":    (200, 201, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    "nurse":     (200, 201, 200, 200, 404, 200, 200, 200, 404, 200, 403, 403, 200, 200),
    "attending": (200, 201, 200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 200, 200),
    "emergency": (200, 201, 200, 200, 404, 200, 200, 403, 403, 403, 200, 403, 200, 403),
    "regulator": (200, 201, 200, 200, 404, 200, 200, 403, 403, 403, 200, 403, 200, 403),
    "stranger":  (200, 201, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403),
    "blocked":   (200, 201, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403),
    "software":  (200, 201, 403, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403, 403),
    "patient":   (200, 401, 200, 200, 200, 404, 200, 401, 401, 401, 401, 401, 200, 403),
    "guardian":  (200, 401, 200, 200, 200, 404, 404, 401, 401, 401, 401, 401, 200, 403),
}  # fmt: skip
"""HTTP statuses: the functional matrix, the visibilities and what a patient opposed, as this service answers them.

A session reads and does not write: patients use their pages for that. Who is blocked does not enter, and owes the
record their documents all the same (CSP L1111-15).
"""
ADD, REMOVE, STATUS = (
    [{"op": "add", "path": "/securityLabel/-", "value": {"coding": [{"system": A07, "code": "MASQUE_PS"}]}}],
    [{"op": "remove", "path": "/securityLabel/1"}],
    [{"op": "replace", "path": "/status", "value": "entered-in-error"}],
)
ARCHIVE = [{"op": "replace", "path": "/extension/0/valueBoolean", "value": True}]


def publish(author: httpx2.Client, ins: str, *visibilities: str) -> str:
    """The id of a new document of the neurologist."""
    answer = author.post("DocumentReference", json=letter(ins, NEUROLOGIST, HOSPITAL, *visibilities))
    assert answer.status_code == 201, answer.text
    return answer.headers["location"].rpartition("/")[2]


def act(name: str, client: httpx2.Client, author: httpx2.Client) -> httpx2.Response:
    """Does one thing with the record of Thomas, on a document nobody else touches."""

    def patch(operations: list[dict[str, Any]], *visibilities: str) -> httpx2.Response:
        number = publish(author, THOMAS, *visibilities)
        return client.patch(f"DocumentReference/{number}", json=operations, headers=JSON_PATCH)

    def read(*visibilities: str) -> httpx2.Response:
        return client.get(f"Binary/{publish(author, THOMAS, *visibilities)}")

    found = {"patient.identifier": whose(THOMAS)}
    match name:
        case "exists":
            return client.get("Patient", params={"identifier": whose(THOMAS)})
        case "feed":
            return client.post("DocumentReference", json=letter(THOMAS, NEUROLOGIST, HOSPITAL))
        case "search":
            return client.get("DocumentReference", params=found)
        case "read":
            return read()
        case "masked":
            return read("MASQUE_PS")
        case "unseen":
            return read("INVISIBLE_PATIENT")
        case "secret":
            return read("INVISIBLE_REPRESENTANTS_LEGAUX")
        case "mask":
            return patch(ADD)
        case "unmask":
            return patch(REMOVE, "MASQUE_PS")
        case "show":
            return patch(REMOVE, "INVISIBLE_PATIENT")
        case "archive":
            return patch(ARCHIVE)
        case "delete":
            return patch(STATUS)
        case "traces":
            return client.get("AuditEvent", params=found)
        case _:
            return client.get("Consent", params=found)


# ref: DMP-F23, DMP-F25, DMP-F26, DMP-F31
def test_everybody_may_do_what_the_matrix_says_and_nothing_else(actors: dict[str, httpx2.Client]) -> None:
    told = {
        who: tuple(act(name, client, actors["author"]).status_code for name in ACTS)
        for who, client in actors.items()
    }
    wrong = [
        f"{who} {name}: {status}, not {expected}"
        for who, row in told.items()
        for name, status, expected in zip(ACTS, row, MATRIX[who], strict=True)
        if status != expected
    ]
    assert wrong == []


# ref: DMP-F25
def test_what_the_patient_opposes_and_allows_in_an_emergency_holds(records: Records) -> None:
    author = records.professional(NEUROLOGIST)
    open_one, masked = publish(author, BERNARD), publish(author, BERNARD, "MASQUE_PS")
    emergency = records.professional(EMERGENCY_DOCTOR, **EMERGENCY)
    regulator = records.professional(EMERGENCY_DOCTOR, **REGULATION)

    def statuses() -> list[int]:
        return [
            client.get(f"Binary/{number}").status_code
            for client in (emergency, regulator)
            for number in (open_one, masked)
        ]

    def say(kind: ConsentKind, value: Consent) -> None:
        records.will(BERNARD, lambda own, bernard: own.say(bernard, kind, value))

    assert statuses() == [200, 404, 200, 404]
    say(ConsentKind.MASKED_IN_EMERGENCY, Consent.PERMIT)
    assert statuses() == [200, 200, 200, 200]
    say(ConsentKind.BRIS_DE_GLACE, Consent.DENY)
    assert statuses() == [403, 403, 200, 200]
    say(ConsentKind.CENTRE_15, Consent.DENY)
    say(ConsentKind.BRIS_DE_GLACE, Consent.PERMIT)
    assert statuses() == [200, 200, 403, 403]
    no_motive = records.professional(EMERGENCY_DOCTOR, **{"X-Purpose-Of-Use": "bris_de_glace"})
    assert no_motive.get(f"Binary/{open_one}").status_code == 403


# ref: DMP-F21, DMP-F34
@pytest.mark.parametrize(
    ("ins", "active"),
    [
        (BERNARD, [True]),
        ("138029999900405", [True]),
        ("265079999900569", []),
        ("190099999900689", [False]),
        ("279039999900399", []),
    ],
)
def test_a_record_is_told_as_it_stands(records: Records, ins: str, active: list[bool]) -> None:
    doctor = records.professional(NEUROLOGIST)
    told = doctor.get("Patient", params={"identifier": whose(ins)}).json()
    assert [each["resource"]["active"] for each in told.get("entry", [])] == active
    fed = doctor.post("DocumentReference", json=letter(ins, NEUROLOGIST, HOSPITAL))
    assert fed.status_code == (201 if active == [True] else 404), fed.text


def test_nobody_reads_the_record_of_somebody_else_with_a_session(records: Records) -> None:
    author = records.professional(NEUROLOGIST)
    number = publish(author, BERNARD)
    with_session = (records.person(VALERIE), records.person(VALERIE, **{"X-Acting-As": "representative"}))
    for client in with_session:
        answer = client.get("DocumentReference", params={"patient.identifier": whose(BERNARD)})
        assert answer.status_code in (403, 404), answer.text
        assert client.get(f"Binary/{number}").status_code == 404
    assert records.person(BERNARD).get(f"Binary/{number}").status_code == 200


def test_the_sandbox_says_where_the_record_is(records: Records) -> None:
    assert records.sandbox.told["record"] == {"fhir": f"{records.sandbox.told['http']}/fhir/dmp"}
    assert records.professional(NURSE).get("metadata").json()["fhirVersion"] == "4.0.1"
