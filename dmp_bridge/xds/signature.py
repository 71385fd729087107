"""The enveloped signature of a SAML assertion (SAML Core §5): one shape is read, everything else is refused.

signxml does the cryptography. Before it, the assertion must hold one signature, its own child, with one reference to
itself, and no id twice; behind it, only what the signature covers is given on. What is believed of the certificate is
for the caller (`vihf`).
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from certs.authorities import UNREADABLE

if TYPE_CHECKING:
    from datetime import datetime

DS = "http://www.w3.org/2000/09/xmldsig#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"

_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
_METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
_OLD_DIGESTS = frozenset({DigestAlgorithm.SHA1})
_OLD_METHODS = frozenset({SignatureMethod.RSA_SHA1})
_LARGEST = 64 * 1024
"""Octets of an assertion with the namespaces it inherits: its canonical form costs the square of their number."""
_MOST_CERTIFICATES = 4
_SMALLEST_RSA, _LARGEST_RSA = 2048, 8192
_UNREADABLE: tuple[type[Exception], ...] = (
    *UNREADABLE,
    SignXMLException,
    etree.LxmlError,
    binascii.Error,
    UnsupportedAlgorithm,
    KeyError,
)


class SignatureRefused(Exception):
    """The signature is missing, of another shape, or does not hold; the text is for the log."""


def certificate_of(assertion: etree._Element) -> bytes:
    """The DER of the certificate an assertion says it is signed with. Raises SignatureRefused."""
    signature = _the_signature(assertion)
    key_info = signature.findall(_ds("KeyInfo"))
    if len(key_info) != 1 or [child.tag for child in key_info[0]] != [_ds("X509Data")]:
        raise SignatureRefused("KeyInfo is not one X509Data")
    found = key_info[0][0].findall(_ds("X509Certificate"))
    if not 1 <= len(found) <= _MOST_CERTIFICATES:
        raise SignatureRefused("no certificate, or too many")
    try:
        # Some signers add their chain behind their own certificate.
        return base64.b64decode("".join((found[0].text or "").split()).encode("ascii"), validate=True)
    except ValueError as error:
        raise SignatureRefused("the certificate is no base64") from error


def verify(assertion: etree._Element, der: bytes, now: datetime, *, sha1: bool = False) -> etree._Element:
    """What the signature of an assertion covers, as a tree of its own, without the signature.

    `der` is the certificate of `certificate_of`, which the caller believes; `sha1` takes the algorithms of old
    software too. Raises SignatureRefused.
    """
    identifier = assertion.get("ID", "")
    if not identifier:
        raise SignatureRefused("the assertion has no ID")
    # As bytes of its own: nothing of the message around it can be looked at instead.
    data = etree.tostring(assertion, with_tail=False)
    if len(data) > _LARGEST:
        raise SignatureRefused("the assertion is too large")
    _refuse_repeated_ids(assertion)
    _check_shape(_the_signature(assertion), identifier)
    expected = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=_METHODS | _OLD_METHODS if sha1 else _METHODS,
        digest_algorithms=_DIGESTS | _OLD_DIGESTS if sha1 else _DIGESTS,
        verification_time=now,
    )
    try:
        certificate = x509.load_der_x509_certificate(der)
        _check_key(certificate)
        result = XMLVerifier().verify(
            data,
            x509_cert=certificate,
            id_attribute="ID",
            expect_config=expected,
        )
    except _UNREADABLE as error:
        raise SignatureRefused(type(error).__name__) from error
    signed = None if isinstance(result, list) else result.signed_xml
    if signed is None or signed.tag != assertion.tag or signed.get("ID") != identifier:
        raise SignatureRefused("something else is signed")
    return signed


def _the_signature(assertion: etree._Element) -> etree._Element:
    found = list(assertion.iter(_ds("Signature")))
    if len(found) != 1 or found[0].getparent() is not assertion:
        raise SignatureRefused("there is not one signature, of the assertion itself")
    return found[0]


def _refuse_repeated_ids(assertion: etree._Element) -> None:
    seen: set[str] = set()
    for element in assertion.iter(etree.Element):
        for name, value in element.attrib.items():
            if etree.QName(name).localname.lower() == "id":
                if str(value) in seen:
                    raise SignatureRefused("an id stands twice")
                seen.add(str(value))


def _check_shape(signature: etree._Element, identifier: str) -> None:
    """One reference, to the assertion, by the two transforms of SAML Core §5.4.4; no other canonical form."""
    references = signature.findall(f"{_ds('SignedInfo')}/{_ds('Reference')}")
    if len(references) != 1 or references[0].get("URI") != f"#{identifier}":
        raise SignatureRefused("there is not one reference, to the assertion")
    methods = signature.findall(f"{_ds('SignedInfo')}/{_ds('CanonicalizationMethod')}")
    transforms = references[0].findall(f"{_ds('Transforms')}/{_ds('Transform')}")
    algorithms = [each.get("Algorithm") for each in (*methods, *transforms)]
    if algorithms != [EXCLUSIVE_C14N, ENVELOPED, EXCLUSIVE_C14N]:
        raise SignatureRefused("another transform or canonical form")


def _check_key(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if not _SMALLEST_RSA <= key.key_size <= _LARGEST_RSA:
            raise SignatureRefused("the key of the signer is too small or too large")
    elif not isinstance(key, ec.EllipticCurvePublicKey):
        raise SignatureRefused("the key of the signer is of another kind")


def _ds(name: str) -> str:
    return f"{{{DS}}}{name}"
