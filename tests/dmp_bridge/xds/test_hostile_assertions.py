"""Assertions that somebody changed, wrapped, borrowed or kept: none of them opens the door."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from dmp_bridge.xds.shown import show
from dmp_bridge.xds.soap import Fault, SubCode
from dmp_bridge.xds.vihf import read_vihf
from foundation.settings import RecordSettings
from tests.dmp_bridge.xds.assertions import (
    DS,
    SAML,
    Claims,
    assertion,
    conditions,
    der,
    minutes,
    sign,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dmp_bridge.xds.certificates import Certificates
    from dmp_bridge.xds.vihf import Vihf
    from foundation.clock import FixedClock
    from foundation.database import Database
    from tests.dmp_bridge.xds.conftest import Cards

ATTACKER = "899999999999"


@pytest.fixture
def read(certificates: Certificates, clock: FixedClock) -> Callable[[etree._Element], Vihf]:
    return lambda element: read_vihf(element, certificates, clock.now(), RecordSettings())


def refusal(read: Callable[[etree._Element], Vihf], element: etree._Element) -> SubCode | None:
    with pytest.raises(Fault) as raised:
        read(element)
    return raised.value.subcode


def _ds(name: str) -> str:
    return f"{{{DS}}}{name}"


def _subject(element: etree._Element) -> etree._Element:
    found = element.find(f".//{{{SAML}}}NameID")
    assert found is not None
    return found


# ref: DMP-F33
def test_a_changed_word_breaks_the_signature(read: Callable[..., Vihf], cards: Cards, claims: Claims) -> None:
    element = signed(claims, cards.doctor)
    _subject(element).text = ATTACKER
    assert refusal(read, element) is SubCode.FAILED_CHECK


def test_a_signature_value_or_digest_that_is_changed_is_refused(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    for name in ("SignatureValue", "DigestValue"):
        element = signed(claims, cards.doctor)
        found = element.find(f".//{_ds(name)}")
        assert found is not None
        assert found.text is not None
        found.text = ("B" if found.text[0] == "A" else "A") + found.text[1:]
        assert refusal(read, element) is SubCode.FAILED_CHECK


def test_an_evil_assertion_around_the_signed_one_is_refused(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    """XSW: the signature covers the inner assertion, the outer one claims another subject."""
    good = signed(claims, cards.doctor)
    for place in range(4):
        evil = assertion(replace(claims, id="_evil", subject=ATTACKER))
        evil.insert(place, copy.deepcopy(good))
        assert refusal(read, evil) is SubCode.FAILED_CHECK


def test_the_signed_assertion_inside_the_signature_of_an_evil_one_is_refused(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    for identifier in (claims.id, "_evil"):
        good = signed(claims, cards.doctor)
        signature = good.find(_ds("Signature"))
        assert signature is not None
        evil = assertion(replace(claims, id=identifier, subject=ATTACKER))
        good.remove(signature)
        wrapped = etree.SubElement(signature, _ds("Object"))
        wrapped.append(good)
        evil.insert(1, signature)
        assert refusal(read, evil) is SubCode.FAILED_CHECK


def test_two_assertions_with_one_id_are_refused(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    good = signed(claims, cards.doctor)
    advice = etree.SubElement(good, f"{{{SAML}}}Advice")
    advice.append(assertion(replace(claims, subject=ATTACKER)))
    assert refusal(read, good) is SubCode.FAILED_CHECK


def test_a_second_signature_or_reference_is_refused(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    twice = sign(signed(claims, cards.doctor), cards.doctor)
    assert refusal(read, twice) is SubCode.FAILED_CHECK
    doubled = signed(claims, cards.doctor)
    reference = doubled.find(f".//{_ds('Reference')}")
    assert reference is not None
    reference.addnext(copy.deepcopy(reference))
    assert refusal(read, doubled) is SubCode.FAILED_CHECK


@pytest.mark.parametrize(
    "target", ["", "#_other", "#xpointer(/)", "file:///etc/passwd", "http://elsewhere.example/"]
)
def test_a_reference_to_something_else_is_refused(
    read: Callable[..., Vihf], cards: Cards, claims: Claims, target: str
) -> None:
    element = signed(claims, cards.doctor)
    reference = element.find(f".//{_ds('Reference')}")
    assert reference is not None
    reference.set("URI", target)
    assert refusal(read, element) is SubCode.FAILED_CHECK


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2000/09/xmldsig#base64",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    ],
)
def test_another_transform_is_refused(
    read: Callable[..., Vihf], cards: Cards, claims: Claims, algorithm: str
) -> None:
    element = signed(claims, cards.doctor)
    transforms = element.findall(f".//{_ds('Transform')}")
    transforms[1].set("Algorithm", algorithm)
    assert refusal(read, element) is SubCode.FAILED_CHECK
    transforms[1].set("Algorithm", "http://www.w3.org/2001/10/xml-exc-c14n#")
    etree.SubElement(transforms[1].getparent(), _ds("Transform"), Algorithm=algorithm)  # type: ignore[arg-type]
    assert refusal(read, element) is SubCode.FAILED_CHECK


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "none",
        "",
    ],
)
def test_a_signature_by_a_shared_secret_is_refused(
    read: Callable[..., Vihf], cards: Cards, claims: Claims, algorithm: str
) -> None:
    """The certificate is public: as the key of an HMAC it would sign for everybody."""
    element = signed(claims, cards.doctor)
    method = element.find(f".//{_ds('SignatureMethod')}")
    assert method is not None
    method.set("Algorithm", algorithm)
    assert refusal(read, element) is SubCode.FAILED_CHECK


def test_the_certificate_of_somebody_else_beside_the_own_signature_is_refused(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    mine, theirs = signed(claims, cards.foreign), signed(claims, cards.doctor)
    for element in (mine, theirs):
        assert element.find(f".//{_ds('X509Certificate')}") is not None
    borrowed = theirs.findtext(f".//{_ds('X509Certificate')}")
    shown = mine.find(f".//{_ds('X509Certificate')}")
    assert shown is not None
    shown.text = borrowed
    assert refusal(read, mine) is SubCode.FAILED_CHECK


@pytest.mark.parametrize("certificate", ["", "AAAA", "é", "MII" * 100])
def test_a_certificate_that_is_none_is_refused(
    read: Callable[..., Vihf], cards: Cards, claims: Claims, certificate: str
) -> None:
    element = signed(claims, cards.doctor)
    shown = element.find(f".//{_ds('X509Certificate')}")
    assert shown is not None
    shown.text = certificate
    assert refusal(read, element) is SubCode.FAILED_CHECK


def test_a_bare_key_or_many_certificates_are_refused(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    element = signed(claims, cards.doctor)
    info = element.find(f".//{_ds('KeyInfo')}")
    assert info is not None
    etree.SubElement(info, _ds("KeyValue"))
    assert refusal(read, element) is SubCode.FAILED_CHECK
    many = signed(claims, cards.doctor)
    data = many.find(f".//{_ds('X509Data')}")
    assert data is not None
    for _ in range(5):
        data.append(copy.deepcopy(data[0]))
    assert refusal(read, many) is SubCode.FAILED_CHECK


def test_a_comment_in_a_name_cuts_nothing_off(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    """A comment is in no signature: the text around it is one text."""
    element = signed(claims, cards.doctor)
    subject = _subject(element)
    text = subject.text or ""
    subject.text = text[:5]
    comment = etree.Comment("x")
    subject.append(comment)
    comment.tail = text[5:]
    assert read(element).subject == text


def test_an_assertion_with_very_many_elements_is_refused_before_its_signature(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    more = "<s:Attribute Name='x'/>".replace("x", "{}") * 600
    many = replace(claims, more=more.format(*range(600)))
    assert refusal(read, signed(many, cards.doctor)) is SubCode.INVALID_TOKEN


def test_the_canonical_form_of_very_many_attributes_or_namespaces_is_not_made(
    read: Callable[..., Vihf], cards: Cards, claims: Claims
) -> None:
    crowds = (
        " ".join(f'a{number}=""' for number in range(60_000)),
        " ".join(f'xmlns:n{number}="urn:n{number}" n{number}:a=""' for number in range(20_000)),
    )
    for crowd in crowds:
        element = signed(claims, cards.doctor)
        element.append(etree.fromstring(f"<x {crowd}/>".encode(), etree.XMLParser(huge_tree=True)))
        began = time.process_time()
        assert refusal(read, element) is SubCode.FAILED_CHECK
        assert time.process_time() - began < 1


async def test_an_overheard_assertion_serves_nobody_else(
    database: Database, read: Callable[..., Vihf], cards: Cards, claims: Claims, clock: FixedClock
) -> None:
    vihf = read(signed(claims, cards.doctor))
    doctor, thief = der(cards.doctor), der(cards.clinic)

    async def shown(connected: bytes, again: str = "same-certificate") -> bool:
        try:
            await database.write(lambda uow: show(uow, vihf, connected, clock.now(), again))  # type: ignore[arg-type]
        except Fault as fault:
            assert fault.subcode is SubCode.FAILED_AUTHENTICATION
            return False
        return True

    assert await shown(doctor)
    assert await shown(doctor)
    assert not await shown(thief)
    assert not await shown(doctor, "never")
    clock.advance(minutes(63))  # behind its end it is forgotten, and refused for its age
    assert await shown(thief)


async def test_an_assertion_for_once_is_for_once(
    database: Database, read: Callable[..., Vihf], cards: Cards, claims: Claims, clock: FixedClock
) -> None:
    once = conditions(begins=clock.now(), ends=clock.now() + minutes(5), inner="<s:OneTimeUse/>")
    vihf = read(signed(replace(claims, conditions=once), cards.doctor))
    connected = der(cards.doctor)
    await database.write(lambda uow: show(uow, vihf, connected, clock.now(), "same-certificate"))
    with pytest.raises(Fault):
        await database.write(lambda uow: show(uow, vihf, connected, clock.now(), "same-certificate"))
