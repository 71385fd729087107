"""Who asks: a token, a structure's certificate, or both; for what purpose; nobody else comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from dmp_bridge.rights.vocabulary import Reason
from tests.dmp_bridge.dossier.wards import DOCTOR, LABORATORY, NURSE, deposit
from tests.dmp_bridge.fhir.place import PATIENT, found, reference, refusal

if TYPE_CHECKING:
    import httpx2

    from tests.dmp_bridge.fhir.place import Place

WHOSE = {"patient.identifier": PATIENT}
MOTIVE = quote("Patient inconscient, à l'arrivée")


async def test_nobody_comes_in_without_a_token_or_a_certificate(fhir: Place) -> None:
    async with fhir.client() as nobody:
        answer = await nobody.get("DocumentReference", params=WHOSE)
        assert refusal(answer, 401) == "login"
        assert answer.headers["www-authenticate"] == 'Bearer realm="Vaguemestre"'
        assert (await nobody.get("metadata")).status_code == 200


@pytest.mark.parametrize("token", ["nobody", "", "x" * 9000])
async def test_a_token_that_is_none_is_refused(fhir: Place, token: str) -> None:
    async with fhir.client(token) as client:
        answer = await client.get("DocumentReference", params=WHOSE)
        assert refusal(answer, 401) == "login"
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_another_scheme_is_refused(fhir: Place) -> None:
    async with fhir.client(authorization="Basic bW9pOm1vaQ==") as client:
        assert refusal(await client.get("DocumentReference", params=WHOSE), 401) == "login"


async def test_a_provider_that_is_not_there_is_said_so(fhir: Place) -> None:
    async with fhir.client("later") as client:
        assert refusal(await client.get("DocumentReference", params=WHOSE), 503) == "transient"


@pytest.mark.parametrize("certificate", [b"inconnu", b"forged"])
async def test_a_certificate_of_no_known_structure_is_nobody(fhir: Place, certificate: bytes) -> None:
    async with fhir.client(None, certificate) as client:
        assert refusal(await client.get("DocumentReference", params=WHOSE), 401) == "login"


async def test_a_clerk_feeds_for_the_structure_whose_certificate_is_shown(fhir: Place) -> None:
    async with fhir.client("clerk") as alone:
        assert refusal(await alone.get("Patient", params={"identifier": PATIENT}), 403) == "forbidden"
    async with fhir.client("clerk", b"labo") as clerk:
        assert (await clerk.post("DocumentReference", json=reference())).status_code == 201
        assert refusal(await clerk.get("DocumentReference", params=WHOSE), 403) == "forbidden"
    (trace,) = await fhir.ward.traces(actions=("TD2.2",))
    assert (trace.role, trace.structure_id, trace.channel) == ("employee", LABORATORY, "fhir")


async def test_a_certificate_beside_a_token_says_where_one_works(fhir: Place) -> None:
    await fhir.ward.authorise(NURSE)
    async with fhir.client("nurse", b"labo") as nurse:
        assert (await nurse.get("DocumentReference", params=WHOSE)).status_code == 200
    (trace,) = await fhir.ward.traces()
    assert (trace.caller_id, trace.structure_id) == (NURSE.id, LABORATORY)
    assert trace.structure_name == "LABORATOIRE DES CHARMES"


async def test_who_is_not_authorised_reads_in_an_emergency_with_a_motive(fhir: Place) -> None:
    await fhir.ward.feed(deposit())
    async with fhir.client("other") as other:
        assert refusal(await other.get("DocumentReference", params=WHOSE), 403) == "forbidden"
    async with fhir.client("other", x_purpose_of_use="bris_de_glace") as other:
        assert refusal(await other.get("DocumentReference", params=WHOSE), 403) == "required"
    async with fhir.client("other", x_purpose_of_use="bris_de_glace", x_access_motive=MOTIVE) as other:
        (told,) = found((await other.get("DocumentReference", params=WHOSE)).json())
        assert (await other.get(f"Binary/{told['id']}")).status_code == 200
    traces = await fhir.ward.traces(actions=("TD3.2",))
    assert [(each.mode, each.motive) for each in traces] == [
        ("bris_de_glace", "Patient inconscient, à l'arrivée")
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {"x_purpose_of_use": "curiosity"},
        {"x_access_motive": "x" * 501},
        {"x_access_motive": "%00"},
        {"x_confidentiality_code": "SECRET"},
    ],
)
async def test_a_purpose_that_is_none_is_refused(fhir: Place, headers: dict[str, str]) -> None:
    async with fhir.client("doctor", **headers) as client:
        assert refusal(await client.get("DocumentReference", params=WHOSE), 400) == "value"


async def test_every_answer_with_health_data_is_kept_nowhere(fhir: Place, doctor: httpx2.AsyncClient) -> None:
    await fhir.ward.feed(deposit())
    bundle = await doctor.get("DocumentReference", params=WHOSE)
    (told,) = found(bundle.json())
    one = await doctor.get(f"DocumentReference/{told['id']}")
    binary = await doctor.get(f"Binary/{told['id']}")
    assert {each.headers["cache-control"] for each in (bundle, one, binary)} == {"no-store"}
    assert binary.headers["content-disposition"] == "attachment"


async def test_a_refusal_is_traced_as_what_it_is(fhir: Place) -> None:
    async with fhir.client("nurse") as nurse:
        await nurse.get("DocumentReference", params=WHOSE)
    (trace,) = await fhir.ward.traces()
    assert (trace.outcome, trace.caller_id) == (Reason.NOT_AUTHORISED.value, NURSE.id)


async def test_what_a_token_says_of_its_bearer_is_who_asks(fhir: Place, doctor: httpx2.AsyncClient) -> None:
    await doctor.get("DocumentReference", params=WHOSE)
    (trace,) = await fhir.ward.traces()
    assert (trace.caller_id, trace.profession, trace.skill) == (DOCTOR.id, "10", "SM03")
    assert (trace.structure_id, trace.structure_name) == (LABORATORY, "Laboratoire des charmes")
