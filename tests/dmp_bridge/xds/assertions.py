"""VIHF assertions signed by hand, without the library that verifies them: a signature of theirs is a second opinion."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from certs.authorities import Authorities
from certs.peers import Judge, Role
from certs.revocation import Revocations
from certs.white_list import WhiteList

if TYPE_CHECKING:
    from certs.peers import Peer, PeerFault
    from certs.pki import Issued, Pki
    from foundation.clock import Clock

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
DS = "http://www.w3.org/2000/09/xmldsig#"
INS = "279035121518989"
INS_CX = f"{INS}^^^&1.2.250.1.213.1.4.10&ISO^NH"
DOCTOR = "899900063480"
STRUCTURE = "10B0127189"
SHA256 = ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256")
SHA1 = ("http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#sha1")
_HASHES = {SHA256: (hashes.SHA256, hashlib.sha256), SHA1: (hashes.SHA1, hashlib.sha1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an assertion says; empty texts leave the attribute out."""

    id: str = "_ead25c4d-891c-48e1-8f3c-2b81e295e07f"
    issued_at: datetime
    subject: str = DOCTOR
    name: str = "MAX LIBRE"
    mode: str = "DIRECTE"
    mode_name: str = "Authentification_mode"
    structure: str = STRUCTURE
    roles: tuple[tuple[str, str], ...] = (("10", "1.2.250.1.71.1.2.7"), ("SM26", "1.2.250.1.71.4.2.5"))
    patient: str = INS_CX
    purpose: str = "normal"
    motive: str = ""
    resource: str = "urn:dmp"
    confidentiality: str = ""
    conditions: str = ""
    more: str = field(default="", repr=False)


def assertion(claims: Claims) -> etree._Element:
    """The assertion without a signature, laid out as the kit of the DMP does."""
    issued = claims.issued_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    roles = "".join(
        f'<s:AttributeValue><Role xmlns="urn:hl7-org:v3" code={quoteattr(code)} codeSystem={quoteattr(system)}/></s:AttributeValue>'
        for code, system in claims.roles
    )
    motive = f"<originalText>{escape(claims.motive)}</originalText>" if claims.motive else ""
    purpose = (
        f'<s:AttributeValue><PurposeOfUse xmlns="urn:hl7-org:v3" code="{claims.purpose}"'
        f' codeSystem="1.2.250.1.213.1.1.4.248">{motive}</PurposeOfUse></s:AttributeValue>'
    )
    attributes = (
        _attribute("Identifiant_Structure", claims.structure)
        + _attribute("Secteur_Activite", "SA07^1.2.250.1.71.4.2.4")
        + _attribute("urn:oasis:names:tc:xspa:1.0:subject:subject-id", claims.name)
        + f'<s:Attribute Name="urn:oasis:names:tc:xacml:2.0:subject:role">{roles}</s:Attribute>'
        + _attribute("VIHF_Version", "4.0")
        + _attribute(claims.mode_name, claims.mode)
        + _attribute("urn:oasis:names:tc:xacml:2.0:resource:resource-id", claims.patient)
        + _attribute("Ressource_URN", claims.resource)
        + f'<s:Attribute Name="urn:oasis:names:tc:xspa:1.0:subject:purposeofuse">{purpose}</s:Attribute>'
        + _attribute("urn:oasis:names:tc:xspa:1.0:subject:hl7:confidentiality-code", claims.confidentiality)
        + claims.more
    )
    return etree.fromstring(
        f'<s:Assertion xmlns:s="{SAML}" ID={quoteattr(claims.id)} IssueInstant="{issued}" Version="2.0">'
        '<s:Issuer Format="urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName">CN=x</s:Issuer>'
        f"<s:Subject><s:NameID>{escape(claims.subject)}</s:NameID></s:Subject>{claims.conditions}"
        f'<s:AuthnStatement AuthnInstant="{issued}"><s:AuthnContext><s:AuthnContextClassRef>'
        "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI</s:AuthnContextClassRef></s:AuthnContext></s:AuthnStatement>"
        f"<s:AttributeStatement>{attributes}</s:AttributeStatement></s:Assertion>"
    )


def sign(element: etree._Element, signer: Issued, algorithms: tuple[str, str] = SHA256) -> etree._Element:
    """Puts an enveloped signature behind the Issuer (SAML Core §5.4); gives the element back."""
    hash_class, digest = _HASHES[algorithms]
    digested = base64.b64encode(digest(_canonical(element)).digest()).decode()
    certificate = base64.b64encode(signer.certificate.public_bytes(Encoding.DER)).decode()
    signature = etree.fromstring(
        f'<Signature xmlns="{DS}"><SignedInfo><CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>'
        f'<SignatureMethod Algorithm="{algorithms[0]}"/><Reference URI="#{element.get("ID")}"><Transforms>'
        '<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
        '<Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></Transforms>'
        f'<DigestMethod Algorithm="{algorithms[1]}"/><DigestValue>{digested}</DigestValue></Reference></SignedInfo>'
        "<SignatureValue/><KeyInfo><X509Data>"
        f"<X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo></Signature>"
    )
    value = signer.key.sign(_canonical(signature[0]), padding.PKCS1v15(), hash_class())
    signature[1].text = base64.b64encode(value).decode()
    element.insert(1, signature)
    return element


def signed(claims: Claims, signer: Issued, algorithms: tuple[str, str] = SHA256) -> etree._Element:
    """A signed assertion."""
    return sign(assertion(claims), signer, algorithms)


def conditions(*, begins: datetime, ends: datetime, inner: str = "") -> str:
    """A Conditions element."""
    return f'<s:Conditions xmlns:s="{SAML}" NotBefore="{_stamp(begins)}" NotOnOrAfter="{_stamp(ends)}">{inner}</s:Conditions>'


def audience(name: str) -> str:
    """An AudienceRestriction."""
    return f"<s:AudienceRestriction><s:Audience>{name}</s:Audience></s:AudienceRestriction>"


class SandboxTrust:
    """The organisations of a sandbox authority, judged as the espace de confiance judges them."""

    def __init__(self, pki: Pki, clock: Clock) -> None:
        authorities = Authorities.load(pki.ca_file)
        self._clock = clock
        self._judge = Judge(authorities, Revocations.unchecked(), WhiteList(clock.now(), ()))

    def judge_client(self, der: bytes | None) -> Peer | PeerFault:
        return self._judge.judge(der, Role.CLIENT, self._clock.now())

    def judge_signer(self, der: bytes) -> Peer | PeerFault:
        return self._judge.judge(der, Role.SIGNER, self._clock.now())


def der(issued: Issued) -> bytes:
    """A certificate as the handshake gives it."""
    return issued.certificate.public_bytes(Encoding.DER)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def later(claims: Claims, number: float) -> Claims:
    """The same claims, issued so many minutes later."""
    return replace(claims, issued_at=claims.issued_at + minutes(number))


def _attribute(name: str, value: str) -> str:
    if not value:
        return ""
    return f"<s:Attribute Name={quoteattr(name)}><s:AttributeValue>{escape(value)}</s:AttributeValue></s:Attribute>"


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
