"""Whatever is sent, the answer is an OperationOutcome or done: never an error of ours, never a long wait."""

from __future__ import annotations

import copy
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmp_bridge.fhir.deposits import described
from dmp_bridge.fhir.elements import resource
from dmp_bridge.fhir.patches import changes_of
from dmp_bridge.fhir.query import parse
from foundation.fhir.outcome import Refused
from foundation.fhir.paging import SealedTokens
from tests.dmp_bridge.fhir.place import label, reference, refusal

if TYPE_CHECKING:
    import httpx2

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TOLD = {
    "status": "current",
    "securityLabel": [label("MASQUE_PS")],
    "extension": [
        {
            "url": "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived",
            "valueBoolean": False,
        }
    ],
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a resource."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        found += places(inner, (*path, name))
    return found


PLACES = places(reference())


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PLACES), VALUES)
def test_a_reference_with_anything_anywhere_is_read_or_refused(place: tuple[Any, ...], value: Any) -> None:
    told = copy.deepcopy(reference())
    parent: Any = told
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    try:
        described(resource(told, "DocumentReference"))
    except Refused as refused:
        assert refused.status in (400, 422)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "op": st.sampled_from(["add", "replace", "remove", "test"]),
                "path": st.sampled_from(
                    ["/status", "/securityLabel", "/securityLabel/0", "/securityLabel/-", "/securityLabel/0/coding", "/securityLabel/0/coding/0/code", "/extension", "/extension/0", "/extension/0/valueBoolean", "/"]
                )
                | st.text(max_size=12),
            },
            optional={"value": VALUES},
        ),
        max_size=4,
    )
    | VALUES
)  # fmt: skip
def test_any_patch_is_understood_or_refused(patch: Any) -> None:
    before = copy.deepcopy(TOLD)
    try:
        changes_of(patch, TOLD)
    except Refused as refused:
        assert refused.status in (400, 405, 422)
    assert before == TOLD


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["date", "type", "patient", "patient.identifier", "_count", "related:identifier"])
            | st.text(max_size=8),
            st.text(max_size=30),
        ),
        max_size=6,
    )
)
def test_any_search_is_understood_or_refused(pairs: list[tuple[str, str]]) -> None:
    try:
        parse("DocumentReference", pairs)
    except Refused as refused:
        assert refused.status in (400, 406)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 5000,
        b'{"a":' * 3000,
        b'{"resourceType":"Bundle","type":"transaction","type":"batch"}',
        b'{"resourceType":"Bundle","type":"transaction","entry":' + b"[{}" + b",{}" * 300 + b"]}",
        b'{"resourceType":"Bundle","type":"transaction","entry":[7]}',
        b'{"resourceType":"Bundle","type":"transaction"}',
        b'{"resourceType":"Bundle","type":"history"}',
        b'{"resourceType":"DocumentReference"}',
        b"\xff\xfe",
        b"null",
        b'{"resourceType":"Bundle","type":"transaction","id":"\\ud800"}',
        b"",
    ],
)
async def test_a_body_that_is_no_lot_is_refused(doctor: httpx2.AsyncClient, body: bytes) -> None:
    began = time.monotonic()
    answer = await doctor.post("", content=body, headers={"Content-Type": "application/fhir+json"})
    assert refusal(answer, 400)
    assert time.monotonic() - began < 2


async def test_a_lot_of_too_much_is_refused(doctor: httpx2.AsyncClient) -> None:
    entry = {"resource": {"resourceType": "Binary"}, "request": {"method": "POST", "url": "Binary"}}
    many = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * 201}
    assert refusal(
        await doctor.post("", content=json.dumps(many), headers={"Content-Type": "application/json"}), 400
    )


def test_a_token_of_another_interface_is_none_here() -> None:
    ours, theirs = SealedTokens(bytes(32), b"record"), SealedTokens(bytes(32), b"directory")
    token = theirs.seal("doctor", ["DocumentReference", [], [1, 2]])
    with pytest.raises(Refused):
        ours.open("doctor", token)
    assert theirs.open("doctor", token) == ["DocumentReference", [], [1, 2]]
