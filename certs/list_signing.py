"""Signs a liste blanche: for the sandbox, which publishes its own, and for tests."""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from certs.list_faults import ListFault, ListRefused
from certs.list_signature import (
    ENVELOPED,
    EXCLUSIVE_C14N,
    FILTER2,
    RSA_SHA256,
    SHA256,
    SIGNED_PROPERTIES,
    XADES,
    canonical,
)
from certs.white_list import SIGNATURE_NAMESPACE, parse_document, signatures

if TYPE_CHECKING:
    from datetime import datetime

    from certs.pki import Issued


class Profile(StrEnum):
    """The two shapes of signature."""

    XML_DSIG = "xml-dsig"
    """Enveloped, as the liste blanche bears it."""
    XADES = "xades-baseline-b"
    """As the sister list of the DRIM-M programme bears it (ETSI EN 319 132-1 §6)."""


def sign(content: bytes, signer: Issued, profile: Profile, at: datetime) -> bytes:
    """The list with a signature as last child of its root. Raises ListRefused when it is no list, or signed."""
    root = parse_document(content)
    if signatures(root):
        raise ListRefused(ListFault.SEVERAL_SIGNATURES)
    identifier = hashlib.sha256(content).hexdigest()[:32]
    digest = hashlib.sha256(canonical(root)).digest()
    signature = _sub(root, "Signature")
    signed_info = _sub(signature, "SignedInfo")
    _sub(signed_info, "CanonicalizationMethod", Algorithm=EXCLUSIVE_C14N)
    _sub(signed_info, "SignatureMethod", Algorithm=RSA_SHA256)
    is_xades = profile is Profile.XADES
    transform = _reference(signed_info, digest, URI="")
    if is_xades:
        signature.set("Id", f"id-{identifier}")
        transform.set("Algorithm", FILTER2)
        path = etree.SubElement(transform, f"{{{FILTER2}}}XPath", nsmap={"dsig-filter2": FILTER2})
        path.set("Filter", "subtract")
        path.text = "/descendant::ds:Signature"
    else:
        transform.set("Algorithm", ENVELOPED)
    value = _sub(signature, "SignatureValue")
    data = _sub(_sub(signature, "KeyInfo"), "X509Data")
    _sub(data, "X509SubjectName").text = str(signer.dn)
    der = signer.certificate.public_bytes(Encoding.DER)
    _sub(data, "X509Certificate").text = _base64(der)
    if is_xades:
        properties = _properties(_sub(signature, "Object"), identifier, der, at)
        reference = {"Type": SIGNED_PROPERTIES, "URI": f"#xades-id-{identifier}"}
        _reference(signed_info, hashlib.sha256(canonical(properties)).digest(), **reference)
    octets = signer.key.sign(canonical(signed_info), padding.PKCS1v15(), hashes.SHA256())
    value.text = _base64(octets)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _reference(signed_info: etree._Element, digest: bytes, **attributes: str) -> etree._Element:
    """Adds a reference and gives its first transform when that one is still to be named."""
    reference = _sub(signed_info, "Reference", **attributes)
    transforms = _sub(reference, "Transforms")
    first = _sub(transforms, "Transform")
    if attributes.get("Type") is None:
        _sub(transforms, "Transform", Algorithm=EXCLUSIVE_C14N)
    else:
        first.set("Algorithm", EXCLUSIVE_C14N)
    _sub(reference, "DigestMethod", Algorithm=SHA256)
    _sub(reference, "DigestValue").text = _base64(digest)
    return first


def _properties(container: etree._Element, identifier: str, der: bytes, at: datetime) -> etree._Element:
    qualifying = etree.SubElement(container, f"{{{XADES}}}QualifyingProperties", nsmap={"xades": XADES})
    qualifying.set("Target", f"#id-{identifier}")
    signed = etree.SubElement(qualifying, f"{{{XADES}}}SignedProperties", Id=f"xades-id-{identifier}")
    about = etree.SubElement(signed, f"{{{XADES}}}SignedSignatureProperties")
    etree.SubElement(about, f"{{{XADES}}}SigningTime").text = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    certificate = etree.SubElement(about, f"{{{XADES}}}SigningCertificateV2")
    digest = etree.SubElement(etree.SubElement(certificate, f"{{{XADES}}}Cert"), f"{{{XADES}}}CertDigest")
    _sub(digest, "DigestMethod", Algorithm=SHA256)
    _sub(digest, "DigestValue").text = _base64(hashlib.sha256(der).digest())
    return signed


def _sub(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(
        parent, f"{{{SIGNATURE_NAMESPACE}}}{name}", attrib=attributes, nsmap={"ds": SIGNATURE_NAMESPACE}
    )


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
