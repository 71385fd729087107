"""SOAP 1.2 with WS-Addressing: reads the envelope of a request, writes those of answers and faults."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from dmp_bridge.xml import XmlFault, XmlLimits, parse

if TYPE_CHECKING:
    from lxml import etree

SOAP = "http://www.w3.org/2003/05/soap-envelope"
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
DMP = "urn:dmp"
ANONYMOUS = "http://www.w3.org/2005/08/addressing/anonymous"
FAULT_ACTION = "http://www.w3.org/2005/08/addressing/fault"

LARGEST_ENVELOPE = 8 * 1024 * 1024
_LIMITS = XmlLimits(size=LARGEST_ENVELOPE, depth=60, elements=50_000, attributes=100_000)
_MOST_HEADERS = 20
_LONGEST_HEADER = 1000


class FaultCode(StrEnum):
    """Who has to do something about it (SOAP 1.2 part 1 §5.4.6)."""

    VERSION_MISMATCH = "VersionMismatch"
    MUST_UNDERSTAND = "MustUnderstand"
    SENDER = "Sender"
    RECEIVER = "Receiver"


class SubCode(StrEnum):
    """What it is about: WS-Addressing §6.4, WS-Security §12, and the word of the DMP for a certificate."""

    ACTION_NOT_SUPPORTED = "wsa:ActionNotSupported"
    HEADER_REQUIRED = "wsa:MessageAddressingHeaderRequired"
    INVALID_HEADER = "wsa:InvalidAddressingHeader"
    INVALID_SECURITY = "wsse:InvalidSecurity"
    INVALID_TOKEN = "wsse:InvalidSecurityToken"  # noqa: S105 - a word of WS-Security, no secret
    FAILED_AUTHENTICATION = "wsse:FailedAuthentication"
    FAILED_CHECK = "wsse:FailedCheck"
    MESSAGE_EXPIRED = "wsse:MessageExpired"
    INVALID_CERTIFICATE = "dmp:DMPInvalidCertificate"


class Fault(Exception):
    """A request that gets no answer of its transaction; `sentence` is French and tells what is wrong."""

    def __init__(
        self, sentence: str, code: FaultCode = FaultCode.SENDER, subcode: SubCode | None = None
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.subcode = subcode

    @property
    def status(self) -> int:
        """The HTTP status (SOAP 1.2 part 2 table 20)."""
        return 400 if self.code is FaultCode.SENDER else 500


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a request says: the action, its own id, the assertion of who asks, and the one element of its body."""

    action: str
    message_id: str
    assertion: etree._Element | None
    payload: etree._Element


def read_envelope(data: bytes) -> Envelope:
    """The envelope in the bytes of a request. Raises Fault."""
    try:
        root = parse(data, _LIMITS)
    except XmlFault as error:
        raise Fault("Le message n'est pas du XML lisible, ou dépasse les bornes admises.") from error
    if root.tag == f"{{{SOAP_11}}}Envelope":
        raise Fault("Seul SOAP 1.2 est servi.", FaultCode.VERSION_MISMATCH)
    if root.tag != f"{{{SOAP}}}Envelope":
        raise Fault("Le message n'est pas une enveloppe SOAP 1.2.", FaultCode.VERSION_MISMATCH)
    children = [child.tag for child in root]
    if children not in ([_soap("Header"), _soap("Body")], [_soap("Body")]):
        raise Fault("Une enveloppe a un en-tête et un corps.")
    headers = list(root[0]) if len(root) == 2 else []
    if len(headers) > _MOST_HEADERS:
        raise Fault("Le message a trop d'en-têtes.")
    body = root[-1]
    if len(body) != 1 or not isinstance(body[0].tag, str):
        raise Fault("Le corps a un élément et un seul.")
    for header in headers:
        _refuse_unknown(header)
    return Envelope(
        action=_addressing(headers, "Action", required=True),
        message_id=_addressing(headers, "MessageID"),
        assertion=_assertion(headers),
        payload=body[0],
    )


def write_envelope(action: str, relates_to: str, payload: str) -> bytes:
    """An answer: `payload` is the XML of the body."""
    relation = f"<wsa:RelatesTo>{escape(relates_to)}</wsa:RelatesTo>" if relates_to else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<soap:Envelope xmlns:soap="{SOAP}" xmlns:wsa="{ADDRESSING}"><soap:Header>'
        f'<wsa:Action soap:mustUnderstand="true">{escape(action)}</wsa:Action>'
        f"<wsa:MessageID>urn:uuid:{uuid.uuid4()}</wsa:MessageID>"
        f"<wsa:To>{ANONYMOUS}</wsa:To>{relation}"
        f"</soap:Header><soap:Body>{payload}</soap:Body></soap:Envelope>"
    ).encode()


def write_fault(fault: Fault, relates_to: str) -> bytes:
    """The answer that carries a fault (SOAP 1.2 part 1 §5.4)."""
    subcode = (
        f"<soap:Subcode><soap:Value>{fault.subcode}</soap:Value></soap:Subcode>" if fault.subcode else ""
    )
    return write_envelope(
        FAULT_ACTION,
        relates_to,
        f'<soap:Fault xmlns:wsse="{SECURITY}" xmlns:dmp="{DMP}">'
        f"<soap:Code><soap:Value>soap:{fault.code}</soap:Value>{subcode}</soap:Code>"
        f'<soap:Reason><soap:Text xml:lang="fr">{escape(fault.sentence)}</soap:Text></soap:Reason></soap:Fault>',
    )


def _refuse_unknown(header: etree._Element) -> None:
    """Refuses a header that has to be understood and is not (SOAP 1.2 part 1 §2.4)."""
    tag = header.tag if isinstance(header.tag, str) else ""
    known = tag.startswith(f"{{{ADDRESSING}}}") or tag == f"{{{SECURITY}}}Security"
    if not known and header.get(_soap("mustUnderstand"), "").strip() in ("1", "true"):
        raise Fault("Un en-tête obligatoire n'est pas compris.", FaultCode.MUST_UNDERSTAND)


def _addressing(headers: list[etree._Element], name: str, *, required: bool = False) -> str:
    found = [header for header in headers if header.tag == f"{{{ADDRESSING}}}{name}"]
    text = (found[0].text or "").strip() if found else ""
    if len(found) > 1 or len(text) > _LONGEST_HEADER:
        raise Fault(f"L'en-tête {name} n'est pas valable.", subcode=SubCode.INVALID_HEADER)
    if required and not text:
        raise Fault(f"L'en-tête {name} manque.", subcode=SubCode.HEADER_REQUIRED)
    return text


def _assertion(headers: list[etree._Element]) -> etree._Element | None:
    security = [header for header in headers if header.tag == f"{{{SECURITY}}}Security"]
    if not security:
        return None
    assertions = [child for child in security[0] if str(child.tag).endswith("}Assertion")]
    if len(security) > 1 or len(assertions) > 1:
        # Two of them, and each of two readers could believe another one.
        raise Fault("Le message porte plusieurs assertions.", subcode=SubCode.INVALID_SECURITY)
    return assertions[0] if assertions else None


def _soap(name: str) -> str:
    return f"{{{SOAP}}}{name}"
