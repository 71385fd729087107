"""Envelopes that are read, written and refused."""

from __future__ import annotations

import pytest
from lxml import etree

from dmp_bridge.xds.soap import (
    ADDRESSING,
    SECURITY,
    SOAP,
    Fault,
    FaultCode,
    SubCode,
    read_envelope,
    write_envelope,
    write_fault,
)

ACTION = '<Action mustUnderstand="true" xmlns="http://www.w3.org/2005/08/addressing">urn:ask</Action>'


def envelope(headers: str = ACTION, body: str = "<ask/>", namespace: str = SOAP) -> bytes:
    return (
        f'<soap:Envelope xmlns:soap="{namespace}"><soap:Header>{headers}</soap:Header>'
        f"<soap:Body>{body}</soap:Body></soap:Envelope>"
    ).encode()


def security(inner: str) -> str:
    return f'<w:Security xmlns:w="{SECURITY}">{inner}</w:Security>'


def refusal(data: bytes) -> Fault:
    with pytest.raises(Fault) as raised:
        read_envelope(data)
    return raised.value


def test_an_envelope_says_its_action_its_id_its_assertion_and_its_body() -> None:
    headers = (
        ACTION
        + f'<w:MessageID xmlns:w="{ADDRESSING}"> urn:uuid:1 </w:MessageID>'
        + security("<s:Assertion xmlns:s='s'/>")
    )
    found = read_envelope(envelope(headers))
    assert (found.action, found.message_id, found.payload.tag) == ("urn:ask", "urn:uuid:1", "ask")
    assert found.assertion is not None
    assert found.assertion.tag == "{s}Assertion"


def test_an_answer_relates_to_its_question() -> None:
    root = etree.fromstring(write_envelope("urn:answer", "urn:uuid:<1>", "<x/>"))
    assert root.findtext(f".//{{{ADDRESSING}}}RelatesTo") == "urn:uuid:<1>"
    assert root.findtext(f".//{{{ADDRESSING}}}Action") == "urn:answer"
    assert root[1][0].tag == "x"


def test_a_fault_tells_code_subcode_and_sentence() -> None:
    fault = Fault("C'est <faux>.", subcode=SubCode.INVALID_CERTIFICATE)
    root = etree.fromstring(write_fault(fault, ""))
    values = [each.text for each in root.iter(f"{{{SOAP}}}Value")]
    assert values == ["soap:Sender", "dmp:DMPInvalidCertificate"]
    assert root.findtext(f".//{{{SOAP}}}Text") == "C'est <faux>."
    assert fault.status == 400
    assert Fault("Occupé.", FaultCode.RECEIVER).status == 500


def test_soap_11_is_another_version() -> None:
    assert (
        refusal(envelope(namespace="http://schemas.xmlsoap.org/soap/envelope/")).code
        is FaultCode.VERSION_MISMATCH
    )
    assert refusal(b"<html/>").code is FaultCode.VERSION_MISMATCH


def test_what_must_be_understood_and_is_not_is_refused() -> None:
    header = f'<x:Pay xmlns:x="x" xmlns:s="{SOAP}" s:mustUnderstand="{{}}"/>'
    assert refusal(envelope(ACTION + header.format("true"))).code is FaultCode.MUST_UNDERSTAND
    assert refusal(envelope(ACTION + header.format("1"))).code is FaultCode.MUST_UNDERSTAND
    assert read_envelope(envelope(ACTION + header.format("false"))).action == "urn:ask"


@pytest.mark.parametrize(
    ("data", "subcode"),
    [
        (envelope(""), SubCode.HEADER_REQUIRED),
        (envelope(ACTION * 2), SubCode.INVALID_HEADER),
        (envelope(ACTION.replace("urn:ask", "x" * 1001)), SubCode.INVALID_HEADER),
        (envelope(ACTION + security("<Assertion xmlns='s'/>") * 2), SubCode.INVALID_SECURITY),
        (envelope(ACTION + security("<Assertion xmlns='s'/>" * 2)), SubCode.INVALID_SECURITY),
        (envelope(body=""), None),
        (envelope(body="<a/><b/>"), None),
        (envelope(ACTION + "<x/>" * 20), None),
        (f'<s:Envelope xmlns:s="{SOAP}"><s:Body/><s:Body/></s:Envelope>'.encode(), None),
        (f'<s:Envelope xmlns:s="{SOAP}"/>'.encode(), None),
        (b"not xml", None),
        (b"", None),
        (b'<?xml version="1.0"?><!DOCTYPE e [<!ENTITY a "aaaa">]>' + envelope(body="<x>&a;</x>"), None),
        (b'<!DOCTYPE e SYSTEM "file:///etc/passwd">' + envelope(), None),
        (envelope(body="<x>" * 100 + "</x>" * 100), None),
        (envelope(body=f"<x>{'<y/>' * 50_001}</x>"), None),
        (envelope(body="<x>&undeclared;</x>"), None),
        (envelope().decode().encode("utf-16"), None),
    ],
)
def test_what_is_malformed_or_too_much_is_a_fault_of_the_sender(data: bytes, subcode: SubCode | None) -> None:
    fault = refusal(data)
    assert (fault.status, fault.subcode) in ((400, subcode), (500, subcode))
    assert fault.sentence.endswith(".")
