"""The signature inside a liste blanche: enveloped XML-DSig, or the XAdES-BASELINE-B profile of the sister list.

Exactly one shape of each is read, everything else is refused (XML Signature Best Practices §2): the key is
that of the one certificate, the entries come from the octets that were digested.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from certs.authorities import UNREADABLE, Authorities, holds_at
from certs.list_faults import ListFault, ListRefused
from certs.names import DistinguishedName
from certs.white_list import SIGNATURE_NAMESPACE, WhiteList, parse_document, read_entries, signatures

if TYPE_CHECKING:
    from datetime import datetime

    from certs.revocation import Revocations

EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
FILTER2 = "http://www.w3.org/2002/06/xmldsig-filter2"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"

_MOST_CERTIFICATES = 6
_SMALLEST_KEY, _LARGEST_KEY = 2048, 8192
_CERTIFICATE_DIGESTS = {SHA256: hashlib.sha256, SHA512: hashlib.sha512}
_PLAIN_PARTS = {"DateDeGeneration", "ListeDomaines"}
_KNOWN_CRITICAL = {
    x509.KeyUsage.oid,
    x509.BasicConstraints.oid,
    x509.ExtendedKeyUsage.oid,
    x509.CertificatePolicies.oid,
}


@dataclass(frozen=True, slots=True)
class Signed:
    """What a list's signature proves: the octets it covers and whose key made it, nothing yet about trust."""

    content: bytes
    signer: x509.Certificate


@dataclass(frozen=True, slots=True)
class SignedList:
    """A list whose signature is in order; `signer` is None where none was there and none was asked for."""

    white_list: WhiteList
    content: bytes
    signer: x509.Certificate | None


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """What is asked of a list's signature.

    `signer` are attributes that the name of the signer's certificate must have; `is_required` False takes a
    list without a signature, never one with a wrong signature.
    """

    authorities: Authorities
    signer: DistinguishedName
    is_required: bool = True


# ref: F02
def read_signed(
    content: bytes, policy: SignaturePolicy, revocations: Revocations | None = None
) -> SignedList:
    """Reads a list and holds its signature and its signer against the policy. Raises ListRefused.

    Holds the processor for about 0.2 s at 6 500 entries.
    """
    root = parse_document(content)
    if not signatures(root):
        if policy.is_required:
            raise ListRefused(ListFault.UNSIGNED)
        if any(etree.QName(child).localname not in _PLAIN_PARTS for child in root):
            raise _malformed("something that may have been a signature")
        plain = canonical(root)
        return SignedList(read_entries(parse_document(plain)), plain, None)
    signed = verify(root)
    white_list = read_entries(parse_document(signed.content))
    _check_signer(signed.signer, white_list.generated_at, policy, revocations)
    return SignedList(white_list, signed.content, signed.signer)


def verify(root: etree._Element) -> Signed:
    """Checks the one signature of a document mathematically, and takes it out of the tree. Raises ListRefused.

    Whose certificate it is, and whether it counts, is for the caller.
    """
    signature = _the_signature(root)
    _refuse_duplicate_ids(root)
    signed_info, value, key_info, objects = _parts(signature)
    certificate = _certificate(key_info)
    _check_algorithms(signed_info)
    references = [each for each in signed_info if each.tag == _ds("Reference")]
    whole, properties = _split(references, objects)
    _check_transforms(whole, is_whole=True)
    if properties is not None:
        assert objects
        _check_transforms(properties, is_whole=False)
        _check_properties(properties, objects[0], signature, certificate)
    _check_value(canonical(signed_info), value, certificate)
    if properties is not None:
        _check_digest(properties, canonical(_signed_properties(objects[0])))
    _take_out(signature)
    content = canonical(root)
    _check_digest(whole, content)
    return Signed(content, certificate)


def canonical(element: etree._Element) -> bytes:
    """An element as Exclusive XML Canonicalization 1.0 writes it, without comments.

    Raises ListRefused where there is no canonical form: a relative namespace URI in use has none (C14N §2.1).
    """
    try:
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    except (etree.LxmlError, ValueError) as error:
        raise ListRefused(ListFault.GRAMMAR, "it has no canonical form") from error


def _the_signature(root: etree._Element) -> etree._Element:
    found = signatures(root)
    if not found:
        raise ListRefused(ListFault.UNSIGNED)
    if len(found) > 1:
        raise ListRefused(ListFault.SEVERAL_SIGNATURES, str(len(found)))
    if found[0].getparent() is not root or found[0].getnext() is not None:
        raise ListRefused(ListFault.SIGNATURE_ELSEWHERE)
    return found[0]


def _refuse_duplicate_ids(root: etree._Element) -> None:
    seen: set[str] = set()
    for element in root.iter():
        for name, text in element.attrib.items():
            if etree.QName(name).localname.lower() == "id":
                if str(text) in seen:
                    raise ListRefused(ListFault.DUPLICATE_ID)
                seen.add(str(text))


def _parts(
    signature: etree._Element,
) -> tuple[etree._Element, etree._Element, etree._Element, list[etree._Element]]:
    children = list(signature)
    tags = [child.tag for child in children]
    if tags[:3] != [_ds("SignedInfo"), _ds("SignatureValue"), _ds("KeyInfo")]:
        raise _malformed("SignedInfo, SignatureValue and KeyInfo are expected")
    if tags[3:] not in ([], [_ds("Object")]):
        raise _malformed("more than one Object")
    return children[0], children[1], children[2], children[3:]


def _certificate(key_info: etree._Element) -> x509.Certificate:
    if [child.tag for child in key_info] != [_ds("X509Data")]:
        raise ListRefused(ListFault.SIGNER_UNREADABLE, "KeyInfo is not one X509Data")
    found = [child for child in key_info[0] if child.tag == _ds("X509Certificate")]
    if not 1 <= len(found) <= _MOST_CERTIFICATES:
        raise ListRefused(ListFault.SIGNER_UNREADABLE, f"{len(found)} certificates")
    try:
        certificates = [x509.load_der_x509_certificate(_octets(each)) for each in found]
        issuers = [each.issuer for each in certificates]
        # Some signers add their chain, in any order: theirs is the one that issued none of the others.
        signers = [each for each in certificates if len(found) == 1 or each.subject not in issuers]
    except UNREADABLE as error:
        raise ListRefused(ListFault.SIGNER_UNREADABLE) from error
    if len(signers) != 1:
        raise ListRefused(ListFault.SIGNER_UNREADABLE, f"{len(signers)} certificates may be the signer's")
    return signers[0]


def _check_algorithms(signed_info: etree._Element) -> None:
    children = list(signed_info)
    expected = [_ds("CanonicalizationMethod"), _ds("SignatureMethod"), _ds("Reference")]
    if [child.tag for child in children[:3]] != expected or any(
        child.tag != _ds("Reference") for child in children[3:]
    ):
        raise _malformed("SignedInfo")
    _check_algorithm(children[0], EXCLUSIVE_C14N)
    _check_algorithm(children[1], RSA_SHA256)
    for reference in children[2:]:
        if [child.tag for child in reference] != [_ds("Transforms"), _ds("DigestMethod"), _ds("DigestValue")]:
            raise _malformed("Reference")
        _check_algorithm(reference[1], SHA256)


def _check_algorithm(element: etree._Element, expected: str) -> None:
    if element.get("Algorithm") != expected:
        raise ListRefused(ListFault.ALGORITHM, str(element.get("Algorithm"))[:100])
    if len(element):
        raise ListRefused(ListFault.ALGORITHM, "parameters of an algorithm")


def _split(
    references: list[etree._Element], objects: list[etree._Element]
) -> tuple[etree._Element, etree._Element | None]:
    """The reference to the document and, in XAdES, the one to the signed properties."""
    if len(references) != 1 + len(objects):
        raise ListRefused(ListFault.REFERENCE, f"{len(references)} references")
    if references[0].get("URI") != "" or references[0].get("Type") is not None:
        raise ListRefused(ListFault.REFERENCE, str(references[0].get("URI"))[:100])
    if not objects:
        return references[0], None
    if references[1].get("Type") != SIGNED_PROPERTIES:
        raise ListRefused(ListFault.REFERENCE, "the second is not to the signed properties")
    return references[0], references[1]


def _check_transforms(reference: etree._Element, *, is_whole: bool) -> None:
    transforms = list(reference[0])
    if any(each.tag != _ds("Transform") for each in transforms):
        raise _malformed("Transforms")
    algorithms = [each.get("Algorithm") for each in transforms]
    expected = [[ENVELOPED, EXCLUSIVE_C14N], [FILTER2, EXCLUSIVE_C14N]] if is_whole else [[EXCLUSIVE_C14N]]
    if algorithms not in expected:
        raise ListRefused(ListFault.TRANSFORM, ", ".join(str(each) for each in algorithms)[:200])
    for each in transforms:
        if each.get("Algorithm") == FILTER2:
            _check_filter(each)
        elif len(each):
            raise ListRefused(ListFault.TRANSFORM, "parameters of a transform")


def _check_filter(transform: etree._Element) -> None:
    """Only "everything but the signature": with a single signature this is the enveloped transform."""
    if [child.tag for child in transform] != [f"{{{FILTER2}}}XPath"]:
        raise ListRefused(ListFault.TRANSFORM, "more than one filter")
    path = transform[0]
    prefix, _, local = (path.text or "").strip().removeprefix("/descendant::").partition(":")
    is_signature = local == "Signature" and path.nsmap.get(prefix) == SIGNATURE_NAMESPACE
    is_descendant = (path.text or "").strip().startswith("/descendant::")
    if len(path) or path.get("Filter") != "subtract" or not is_descendant or not is_signature:
        raise ListRefused(ListFault.TRANSFORM, "another filter")


def _signed_properties(container: etree._Element) -> etree._Element:
    """The SignedProperties of an Object that holds nothing else (XAdES-BASELINE-B has no unsigned ones)."""
    qualifying = list(container)
    if [each.tag for each in qualifying] != [_xades("QualifyingProperties")]:
        raise _malformed("Object")
    properties = list(qualifying[0])
    if [each.tag for each in properties] != [_xades("SignedProperties")]:
        raise _malformed("QualifyingProperties")
    return properties[0]


def _check_properties(
    reference: etree._Element,
    container: etree._Element,
    signature: etree._Element,
    certificate: x509.Certificate,
) -> None:
    properties = _signed_properties(container)
    identifier = properties.get("Id")
    if not identifier or reference.get("URI") != f"#{identifier}":
        raise ListRefused(ListFault.REFERENCE, "the second is not to the signed properties")
    if not signature.get("Id") or container[0].get("Target") != f"#{signature.get('Id')}":
        raise ListRefused(ListFault.REFERENCE, "the properties are of another signature")
    digests = properties.findall(
        "/".join(
            _xades(step)
            for step in ("SignedSignatureProperties", "SigningCertificateV2", "Cert", "CertDigest")
        )
    )
    if len(digests) != 1 or [each.tag for each in digests[0]] != [_ds("DigestMethod"), _ds("DigestValue")]:
        raise _malformed("SigningCertificateV2")
    digest = _CERTIFICATE_DIGESTS.get(str(digests[0][0].get("Algorithm")))
    if digest is None:
        raise ListRefused(ListFault.ALGORITHM, str(digests[0][0].get("Algorithm"))[:100])
    der = certificate.public_bytes(Encoding.DER)
    if not hmac.compare_digest(digest(der).digest(), _octets(digests[0][1])):
        raise ListRefused(ListFault.SIGNER_UNREADABLE, "another certificate was signed with")


def _check_value(signed_info: bytes, value: etree._Element, certificate: x509.Certificate) -> None:
    try:
        key = certificate.public_key()
    except UNREADABLE as error:
        raise ListRefused(ListFault.SIGNER_UNREADABLE, "its key") from error
    if not isinstance(key, rsa.RSAPublicKey) or not _SMALLEST_KEY <= key.key_size <= _LARGEST_KEY:
        raise ListRefused(ListFault.ALGORITHM, "the signer's key is not RSA of 2048 to 8192 bits")
    try:
        key.verify(_octets(value), signed_info, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise ListRefused(ListFault.SIGNATURE_VALUE) from error


def _check_digest(reference: etree._Element, content: bytes) -> None:
    if not hmac.compare_digest(hashlib.sha256(content).digest(), _octets(reference[2])):
        raise ListRefused(ListFault.DIGEST)


def _take_out(signature: etree._Element) -> None:
    """Removes the signature and leaves the white space behind it, which is part of what was signed."""
    parent, before, tail = signature.getparent(), signature.getprevious(), signature.tail or ""
    assert parent is not None
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    parent.remove(signature)


def _check_signer(
    signer: x509.Certificate,
    at: datetime,
    policy: SignaturePolicy,
    revocations: Revocations | None,
) -> None:
    try:
        chain = policy.authorities.chain_of(signer, at)
        subject = DistinguishedName.from_x509(signer.subject)
        is_for_signatures = _is_for_signatures(signer)
        holds = all(holds_at(each, at) for each in (signer, *(chain or ())))
    except UNREADABLE as error:
        raise ListRefused(ListFault.SIGNER_UNREADABLE) from error
    if chain is None:
        raise ListRefused(ListFault.SIGNER_UNKNOWN)
    if not subject.has(policy.signer):
        raise ListRefused(ListFault.SIGNER_NAME, str(subject)[:200])
    if not is_for_signatures:
        raise ListRefused(ListFault.SIGNER_USAGE)
    if not holds:
        raise ListRefused(
            ListFault.SIGNER_EXPIRED,
            f"the list is of {at:%Y-%m-%d}, the signer's certificate holds"
            f" {signer.not_valid_before_utc:%Y-%m-%d} to {signer.not_valid_after_utc:%Y-%m-%d}",
        )
    if revocations is not None:
        for certificate, issuer in pairwise((signer, *chain)):
            since = revocations.revoked_since(certificate, issuer)
            if since is not None and since <= at:
                raise ListRefused(ListFault.SIGNER_REVOKED, f"{since:%Y-%m-%d}")


def _is_for_signatures(certificate: x509.Certificate) -> bool:
    extensions = certificate.extensions
    if any(each.critical and each.oid not in _KNOWN_CRITICAL for each in extensions):
        return False
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return usage.digital_signature


def _octets(element: etree._Element) -> bytes:
    if len(element):
        raise _malformed("elements where base64 is expected")
    try:
        return base64.b64decode("".join((element.text or "").split()).encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed("base64") from error


def _malformed(what: str) -> ListRefused:
    return ListRefused(ListFault.SIGNATURE_MALFORMED, what)


def _ds(name: str) -> str:
    return f"{{{SIGNATURE_NAMESPACE}}}{name}"


def _xades(name: str) -> str:
    return f"{{{XADES}}}{name}"
