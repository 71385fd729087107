"""The VIHF as software signs it: what it says, until when, and who may have signed it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from dmp_bridge.rights.vocabulary import Mode
from dmp_bridge.xds.soap import Fault, SubCode
from dmp_bridge.xds.vihf import Authentication, RoleCode, Vihf, read_vihf
from foundation.settings import RecordSettings
from tests.dmp_bridge.xds.assertions import (
    DOCTOR,
    INS,
    SHA1,
    STRUCTURE,
    Claims,
    assertion,
    audience,
    conditions,
    minutes,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dmp_bridge.xds.certificates import Certificates
    from foundation.clock import FixedClock
    from tests.dmp_bridge.xds.conftest import Cards


@pytest.fixture
def read(certificates: Certificates, clock: FixedClock) -> Callable[..., Vihf]:
    def reading(element: etree._Element | None, **settings: object) -> Vihf:
        return read_vihf(element, certificates, clock.now(), RecordSettings(**settings))  # type: ignore[arg-type]

    return reading


def refusal(read: Callable[..., Vihf], element: etree._Element | None, **settings: object) -> SubCode | None:
    with pytest.raises(Fault) as raised:
        read(element, **settings)
    assert raised.value.status == 400
    return raised.value.subcode


def test_an_assertion_of_a_card_tells_who_asks_as_what_and_for_whom(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    found = read(signed(claims, cards.doctor))
    assert found.id == claims.id
    assert found.authentication is Authentication.DIRECT
    assert found.signer.common_name == DOCTOR
    assert (found.subject, found.name, found.structure_id) == (DOCTOR, "MAX LIBRE", STRUCTURE)
    assert found.roles == (RoleCode("10", "1.2.250.1.71.1.2.7"), RoleCode("SM26", "1.2.250.1.71.4.2.5"))
    assert (found.patient.value, found.patient.oid) == (INS, "1.2.250.1.213.1.4.10")
    assert (found.mode, found.motive, found.is_secret, found.is_for_once) == (Mode.NORMAL, "", False, False)


def test_an_assertion_reads_the_same_within_the_envelope_it_came_in(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    text = etree.tostring(signed(claims, cards.doctor))
    around = etree.fromstring(b'<e xmlns="urn:around" xmlns:q="urn:q" q:a="1">\n ' + text + b"\n</e>")
    assert read(around[0]).subject == DOCTOR


@pytest.mark.parametrize("name", ["Authentification_mode", "Authentification_Mode", "Mode"])
@pytest.mark.parametrize("mode", ["INDIRECTE", "indirecte_renforcee"])
def test_the_mode_is_read_under_its_older_and_its_newer_name(
    read: Callable[..., Vihf], cards: Cards, claims: Claims, name: str, mode: str
) -> None:
    told = replace(claims, mode=mode, mode_name=name)
    assert read(signed(told, cards.hospital_signature)).authentication is Authentication(mode.upper())


@pytest.mark.parametrize(
    ("purpose", "mode"),
    [("normal", Mode.NORMAL), ("bris_de_glace", Mode.BRIS_DE_GLACE), ("CENTRE_15", Mode.CENTRE_15)],
)
def test_the_purpose_of_use_is_the_mode_of_access(
    read: Callable[..., Vihf], cards: Cards, claims: Claims, purpose: str, mode: Mode
) -> None:
    told = replace(claims, purpose=purpose, motive="Patient inconscient")
    found = read(signed(told, cards.doctor))
    assert (found.mode, found.motive) == (mode, "Patient inconscient")


@pytest.mark.parametrize(
    "confidentiality",
    ["INVISIBLE_REPRESENTANTS_LEGAUX^1.2.250.1.213.1.1.4.13", "INVISIBLE_REPRESENTANTS_LEGAUX"],
)
def test_the_confidentiality_code_opens_a_secret_connection(
    read: Callable[..., Vihf], cards: Cards, claims: Claims, confidentiality: str
) -> None:
    assert read(signed(replace(claims, confidentiality=confidentiality), cards.doctor)).is_secret
    assert not read(signed(replace(claims, confidentiality="N^x"), cards.doctor)).is_secret


def test_an_assertion_holds_for_the_minutes_of_the_settings(
    read: Callable[..., Vihf], cards: Cards, claims: Claims, clock: FixedClock
) -> None:
    element = signed(claims, cards.doctor)
    clock.advance(minutes(61))
    assert read(element).expires_at > clock.now()
    clock.advance(minutes(1))
    assert refusal(read, element) is SubCode.MESSAGE_EXPIRED
    assert refusal(read, element, vihf_minutes=10) is SubCode.MESSAGE_EXPIRED
    assert read(element, vihf_minutes=90).subject == DOCTOR


def test_an_assertion_of_the_future_is_refused_beyond_the_skew_of_clocks(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    assert (
        read(signed(replace(claims, issued_at=claims.issued_at + minutes(2)), cards.doctor)).subject == DOCTOR
    )
    ahead = replace(claims, issued_at=claims.issued_at + minutes(2.1))
    assert refusal(read, signed(ahead, cards.doctor)) is SubCode.MESSAGE_EXPIRED


def test_conditions_shorten_the_life_of_an_assertion(
    read: Callable[..., Vihf], cards: Cards, claims: Claims, clock: FixedClock
) -> None:
    bounded = conditions(begins=clock.now(), ends=clock.now() + minutes(5))
    element = signed(replace(claims, conditions=bounded), cards.doctor)
    assert read(element).expires_at == clock.now() + minutes(7)
    clock.advance(minutes(7))
    assert refusal(read, element) is SubCode.MESSAGE_EXPIRED
    not_yet = conditions(begins=clock.now() + minutes(10), ends=clock.now() + minutes(20))
    later = replace(claims, issued_at=clock.now(), conditions=not_yet)
    assert refusal(read, signed(later, cards.doctor)) is SubCode.MESSAGE_EXPIRED


def test_an_audience_has_to_be_this_service(
    read: Callable[..., Vihf], cards: Cards, claims: Claims, clock: FixedClock
) -> None:
    def told(inner: str) -> etree._Element:
        bounded = conditions(begins=clock.now(), ends=clock.now() + minutes(5), inner=inner)
        return signed(replace(claims, conditions=bounded), cards.doctor)

    assert read(told(audience("urn:dmp"))).subject == DOCTOR
    assert refusal(read, told(audience("urn:other"))) is SubCode.INVALID_TOKEN
    assert refusal(read, told(audience("urn:dmp") + audience("urn:other"))) is SubCode.INVALID_TOKEN
    assert read(told("<s:OneTimeUse/>")).is_for_once
    assert refusal(read, told('<s:Condition type="x"/>')) is SubCode.INVALID_TOKEN


@pytest.mark.parametrize(
    "change",
    [
        {"resource": "urn:other"},
        {"resource": ""},
        {"patient": ""},
        {"structure": ""},
        {"subject": ""},
        {"purpose": "curiosity"},
        {"mode": "TELEPATHIE"},
        {
            "more": '<s:Attribute Name="Ressource_URN"><s:AttributeValue>urn:dmp</s:AttributeValue></s:Attribute>'
        },
        {"more": '<s:Attribute Name="Mode"><s:AttributeValue>INDIRECTE</s:AttributeValue></s:Attribute>'},
        {"conditions": '<s:Conditions NotOnOrAfter="demain"/>'},
    ],
)
def test_what_is_missing_or_told_twice_is_refused(
    read: Callable[..., Vihf], cards: Cards, claims: Claims, change: dict[str, str]
) -> None:
    assert refusal(read, signed(replace(claims, **change), cards.doctor)) is SubCode.INVALID_TOKEN  # type: ignore[arg-type]


def test_sha1_is_believed_by_setting_only(read: Callable[..., Vihf], cards: Cards, claims: Claims) -> None:
    old = signed(claims, cards.doctor, SHA1)
    assert refusal(read, old) is SubCode.FAILED_CHECK
    assert read(old, vihf_sha1=True).subject == DOCTOR


def test_only_believed_certificates_sign(read: Callable[..., Vihf], cards: Cards, claims: Claims) -> None:
    assert refusal(read, signed(claims, cards.foreign)) is SubCode.INVALID_CERTIFICATE
    indirect = replace(claims, mode="INDIRECTE")
    assert read(signed(indirect, cards.hospital_signature)).signer.common_name == "signature.hopital.fr"
    # A host's certificate is for TLS, and no card has the name of a host.
    assert refusal(read, signed(indirect, cards.host)) is SubCode.INVALID_CERTIFICATE
    assert refusal(read, signed(claims, cards.host)) is SubCode.INVALID_CERTIFICATE


def test_a_message_without_a_signed_assertion_is_refused(read: Callable[..., Vihf], claims: Claims) -> None:
    assert refusal(read, None) is SubCode.INVALID_SECURITY
    assert refusal(read, etree.fromstring("<Assertion/>")) is SubCode.INVALID_SECURITY
    assert refusal(read, assertion(claims)) is SubCode.FAILED_CHECK
