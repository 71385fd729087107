from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from certs.authorities import Authorities
from certs.list_faults import ListFault, ListRefused
from certs.list_signature import (
    ENVELOPED,
    EXCLUSIVE_C14N,
    FILTER2,
    SHA256,
    SHA512,
    XADES,
    SignaturePolicy,
    canonical,
    read_signed,
)
from certs.list_signing import Profile, sign
from certs.names import DistinguishedName
from certs.white_list import parse_document
from tests.certs.lists import (
    DS,
    MX,
    OTHER,
    edited,
    entry,
    fault,
    policy,
    resigned,
    sha256,
    signature_of,
    signed_list,
    white_list_xml,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from certs.pki import Issued, Pki

BOTH = pytest.mark.parametrize("profile", list(Profile))
ENTRIES = (entry("essai.mssante.fr", description="Hôpital\xa0& <associés>"), entry("autre.mssante.fr", OTHER))


def found(root: etree._Element, name: str) -> etree._Element:
    return next(root.iter(DS + name))


@BOTH
def test_a_signed_list_is_read(pki: Pki, signer: Issued, now: datetime, profile: Profile) -> None:
    read = read_signed(signed_list(signer, now, *ENTRIES, profile=profile), policy(pki))
    assert read.signer == signer.certificate
    assert read.white_list.generated_at == now
    assert read.white_list.lists("essai.mssante.fr", DistinguishedName.parse(MX))
    assert b"Signature" not in read.content


RELATIVE = '<e:x xmlns:e="u"/>'


@pytest.mark.parametrize("where", ["an unsigned list", "a signed list", "its SignedInfo"])
def test_a_list_without_a_canonical_form_is_refused(
    pki: Pki, signer: Issued, now: datetime, where: str
) -> None:
    signed = signed_list(signer, now, *ENTRIES).decode()
    content = {
        "an unsigned list": white_list_xml(
            now, entry("a.test").replace("<Nom>", f"{RELATIVE}<Nom>")
        ).decode(),
        "a signed list": signed.replace("<Nom>", f"{RELATIVE}<Nom>", 1),
        "its SignedInfo": signed.replace("</ds:Transforms>", f"{RELATIVE}</ds:Transforms>"),
    }[where].encode()
    lax = replace(policy(pki), is_required=False)
    expected = ListFault.SIGNATURE_MALFORMED if where == "its SignedInfo" else ListFault.GRAMMAR
    assert fault(lambda: read_signed(content, lax)) is expected


def test_a_list_without_a_canonical_form_is_not_signed(signer: Issued, now: datetime) -> None:
    content = white_list_xml(now, entry("a.test").replace("<Nom>", f"{RELATIVE}<Nom>"))
    assert fault(lambda: sign(content, signer, Profile.XML_DSIG, now)) is ListFault.GRAMMAR


needs_xmlsec = pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="the xmlsec1 program is missing")


def xmlsec(*words: str | Path) -> subprocess.CompletedProcess[str]:
    id_attribute = ("--id-attr:Id", f"{XADES}:SignedProperties")
    command = ["xmlsec1", words[0], *id_attribute, *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@BOTH
@needs_xmlsec
def test_xmlsec_verifies_what_we_sign(
    pki: Pki, signer: Issued, now: datetime, tmp_path: Path, profile: Profile
) -> None:
    file = tmp_path / "list.xml"
    file.write_bytes(signed_list(signer, now, *ENTRIES, profile=profile))
    root, below = pki.directory / "racine.pem", pki.directory / "organisations.pem"
    trust = ("--trusted-pem", root, "--untrusted-pem", below)
    done = xmlsec("--verify", *trust, file)
    assert done.returncode == 0, done.stderr
    file.write_bytes(file.read_bytes().replace(b"essai.mssante.fr", b"faux.mssante.fr"))
    assert xmlsec("--verify", *trust, file).returncode == 1


# ref: F02
@BOTH
@needs_xmlsec
def test_we_read_what_xmlsec_signs(
    pki: Pki, signer: Issued, now: datetime, tmp_path: Path, profile: Profile
) -> None:
    def forget(root: etree._Element) -> None:
        for name in ("DigestValue", "SignatureValue"):
            next(signature_of(root).iter(DS + name)).text = None

    template, key, file = tmp_path / "template.xml", tmp_path / "key.pem", tmp_path / "list.xml"
    template.write_bytes(edited(signed_list(signer, now, *ENTRIES, profile=profile), forget))
    key.write_bytes(signer.key_pem)
    done = xmlsec("--sign", "--privkey-pem", key, "--output", file, template)
    assert done.returncode == 0, done.stderr
    assert read_signed(file.read_bytes(), policy(pki)).signer == signer.certificate


@BOTH
def test_white_space_and_comments_around_the_signature_do_not_matter_to_the_reader_only_to_the_digest(
    pki: Pki, signer: Issued, now: datetime, profile: Profile
) -> None:
    content = signed_list(signer, now, *ENTRIES, profile=profile)
    commented = (
        content.replace(b"<ListeDomaines>", b"<ListeDomaines><!-- nothing -->") + b"<!-- the end -->\n"
    )
    assert read_signed(commented, policy(pki)).white_list == read_signed(content, policy(pki)).white_list
    spaced = content.replace(b"<ListeDomaines>", b"<ListeDomaines> ")
    assert fault(lambda: read_signed(spaced, policy(pki))) is ListFault.DIGEST


def test_a_signature_with_text_behind_it_covers_that_text(pki: Pki, signer: Issued, now: datetime) -> None:
    content = signed_list(signer, now)
    assert fault(
        lambda: read_signed(content.replace(b"</ds:Signature>", b"</ds:Signature>\n"), policy(pki))
    ) is (ListFault.DIGEST)

    def write_tail(root: etree._Element) -> None:
        signature = signature_of(root)
        signature.tail = "\n"
        copy = parse_document(etree.tostring(root))
        inner = signature_of(copy)
        before = inner.getprevious()
        assert before is not None
        before.tail = (before.tail or "") + "\n"
        copy.remove(inner)
        found(root, "DigestValue").text = sha256(canonical(copy))

    assert read_signed(resigned(content, signer, write_tail), policy(pki)).signer


def test_the_signature_may_use_another_prefix_or_none(pki: Pki, signer: Issued, now: datetime) -> None:
    plain = white_list_xml(now)
    namespace = "http://www.w3.org/2000/09/xmldsig#"
    digest = sha256(canonical(parse_document(plain)))
    info = (
        f'<SignedInfo xmlns="{namespace}"><CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}"></CanonicalizationMethod>'
        '<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></SignatureMethod>'
        f'<Reference URI=""><Transforms><Transform Algorithm="{ENVELOPED}"></Transform>'
        f'<Transform Algorithm="{EXCLUSIVE_C14N}"></Transform></Transforms>'
        f'<DigestMethod Algorithm="{SHA256}"></DigestMethod><DigestValue>{digest}</DigestValue></Reference></SignedInfo>'
    )
    value = base64.encodebytes(signer.key.sign(info.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    certificate = base64.encodebytes(signer.certificate.public_bytes(Encoding.DER)).decode()
    certificate, value = (
        text.replace("\n", "&#13;\n") for text in (certificate, value)
    )  # as Java writes them
    signature = (
        f'<Signature xmlns="{namespace}">{info.replace(f" xmlns={chr(34)}{namespace}{chr(34)}", "", 1)}'
        f"<SignatureValue>\n{value}</SignatureValue>"
        f"<KeyInfo><X509Data><X509Certificate>\n{certificate}</X509Certificate></X509Data></KeyInfo></Signature>"
    )
    end = b"</ListeBlancheMSSante>"
    assert read_signed(plain.replace(end, signature.encode() + end), policy(pki)).signer == signer.certificate


# Each wrong signature has its code ------------------------------------------------------------------------------

Change = tuple["Callable[[etree._Element], None]", ListFault]


def set_algorithm(name: str, algorithm: str) -> Callable[[etree._Element], None]:
    return lambda root: found(root, name).set("Algorithm", algorithm)


def add(parent: str, name: str, **attributes: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        etree.SubElement(found(root, parent), DS + name, attrib=attributes)

    return change


def two_objects(root: etree._Element) -> None:
    for _ in range(2):
        add("Signature", "Object")(root)


def set_transforms(*algorithms: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        transforms = found(root, "Transforms")
        for each in list(transforms):
            transforms.remove(each)
        for algorithm in algorithms:
            etree.SubElement(transforms, f"{DS}Transform", Algorithm=algorithm)

    return change


def set_filter(text: str, kind: str = "subtract") -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        set_transforms(FILTER2, EXCLUSIVE_C14N)(root)
        path = etree.SubElement(found(root, "Transform"), f"{{{FILTER2}}}XPath", Filter=kind)
        path.text = text

    return change


def copy_reference(root: etree._Element) -> None:
    info = found(root, "SignedInfo")
    info.append(etree.fromstring(etree.tostring(info[2])))


def remove(name: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        element = found(root, name)
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)

    return change


def empty(name: str) -> Callable[[etree._Element], None]:
    return lambda root: setattr(found(root, name), "text", "")


def hmac_key(root: etree._Element) -> None:
    """The old trick: the certificate's key as an HMAC secret."""
    found(root, "SignatureMethod").set("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
    key = base64.b64decode(found(root, "X509Certificate").text or "")
    octets = hmac.digest(key, canonical(found(root, "SignedInfo")), hashlib.sha256)
    found(root, "SignatureValue").text = base64.b64encode(octets).decode()


INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
BY_THE_SIGNER: dict[str, Change] = {
    "rsa-sha1": (set_algorithm("SignatureMethod", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"), ListFault.ALGORITHM),
    "rsa-sha512": (set_algorithm("SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"), ListFault.ALGORITHM),
    "ecdsa": (set_algorithm("SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"), ListFault.ALGORITHM),
    "no algorithm": (lambda root: found(root, "SignatureMethod").attrib.clear(), ListFault.ALGORITHM),
    "sha1 digest": (set_algorithm("DigestMethod", "http://www.w3.org/2000/09/xmldsig#sha1"), ListFault.ALGORITHM),
    "inclusive c14n": (set_algorithm("CanonicalizationMethod", INCLUSIVE), ListFault.ALGORITHM),
    "c14n with comments": (set_algorithm("CanonicalizationMethod", EXCLUSIVE_C14N + "WithComments"), ListFault.ALGORITHM),
    "c14n with prefixes": (add("CanonicalizationMethod", "InclusiveNamespaces"), ListFault.ALGORITHM),
    "shortened HMAC": (add("SignatureMethod", "HMACOutputLength"), ListFault.ALGORITHM),
    "no transform": (set_transforms(), ListFault.TRANSFORM),
    "no c14n": (set_transforms(ENVELOPED), ListFault.TRANSFORM),
    "no enveloped": (set_transforms(EXCLUSIVE_C14N), ListFault.TRANSFORM),
    "wrong order": (set_transforms(EXCLUSIVE_C14N, ENVELOPED), ListFault.TRANSFORM),
    "c14n twice": (set_transforms(ENVELOPED, EXCLUSIVE_C14N, EXCLUSIVE_C14N), ListFault.TRANSFORM),
    "xslt": (set_transforms(ENVELOPED, "http://www.w3.org/TR/1999/REC-xslt-19991116", EXCLUSIVE_C14N), ListFault.TRANSFORM),
    "xpath": (set_transforms("http://www.w3.org/TR/1999/REC-xpath-19991116", EXCLUSIVE_C14N), ListFault.TRANSFORM),
    "inclusive c14n of the list": (set_transforms(ENVELOPED, INCLUSIVE), ListFault.TRANSFORM),
    "parameters of a transform": (add("Transform", "XPath"), ListFault.TRANSFORM),
    "a filter of everything": (set_filter("/descendant::*"), ListFault.TRANSFORM),
    "a filter of entries": (set_filter("/descendant::ds:Domaine"), ListFault.TRANSFORM),
    "a filter by another prefix": (set_filter("/descendant::x:Signature"), ListFault.TRANSFORM),
    "a filter that is longer": (set_filter("/descendant::ds:Signature | /descendant::Domaine"), ListFault.TRANSFORM),
    "a filter without axis": (set_filter("ds:Signature"), ListFault.TRANSFORM),
    "an intersection": (set_filter("/descendant::ds:Signature", "intersect"), ListFault.TRANSFORM),
    "no filter": (set_transforms(FILTER2, EXCLUSIVE_C14N), ListFault.TRANSFORM),
    "another URI": (lambda root: found(root, "Reference").set("URI", "#part"), ListFault.REFERENCE),
    "a file": (lambda root: found(root, "Reference").set("URI", "file:///etc/passwd"), ListFault.REFERENCE),
    "a web page": (lambda root: found(root, "Reference").set("URI", "http://127.0.0.1:9/"), ListFault.REFERENCE),
    "the whole by pointer": (lambda root: found(root, "Reference").set("URI", "#xpointer(/)"), ListFault.REFERENCE),
    "no URI": (lambda root: found(root, "Reference").attrib.clear(), ListFault.REFERENCE),
    "a type": (lambda root: found(root, "Reference").set("Type", "http://www.w3.org/2000/09/xmldsig#Manifest"), ListFault.REFERENCE),
    "two references": (copy_reference, ListFault.REFERENCE),
    "no reference": (remove("Reference"), ListFault.SIGNATURE_MALFORMED),
    "a reference without digest": (remove("DigestValue"), ListFault.SIGNATURE_MALFORMED),
    "an empty digest": (empty("DigestValue"), ListFault.DIGEST),
    "a digest that is no base64": (lambda root: setattr(found(root, "DigestValue"), "text", "é*"), ListFault.SIGNATURE_MALFORMED),
    "elements in a digest": (add("DigestValue", "b"), ListFault.SIGNATURE_MALFORMED),
    "another digest": (lambda root: setattr(found(root, "DigestValue"), "text", sha256(b"")), ListFault.DIGEST),
    "something else in SignedInfo": (add("SignedInfo", "Object"), ListFault.SIGNATURE_MALFORMED),
    "an Object": (add("Signature", "Object"), ListFault.REFERENCE),
    "two Objects": (two_objects, ListFault.SIGNATURE_MALFORMED),
    "no KeyInfo": (remove("KeyInfo"), ListFault.SIGNATURE_MALFORMED),
}  # fmt: skip


@pytest.mark.parametrize("change", BY_THE_SIGNER)
def test_what_the_profile_does_not_allow_is_refused_even_when_the_signer_wrote_it(
    pki: Pki, signer: Issued, now: datetime, change: str
) -> None:
    alter, expected = BY_THE_SIGNER[change]
    content = resigned(signed_list(signer, now, *ENTRIES), signer, alter)
    assert fault(lambda: read_signed(content, policy(pki))) is expected


def duplicate_signature(root: etree._Element) -> None:
    root.append(etree.fromstring(etree.tostring(signature_of(root))))


def nested_signature(root: etree._Element) -> None:
    container = etree.SubElement(signature_of(root), f"{DS}Object")
    container.append(etree.fromstring(etree.tostring(signature_of(root))))


def signature_first(root: etree._Element) -> None:
    root.insert(0, signature_of(root))


def signature_in_an_entry(root: etree._Element) -> None:
    root[1][0].append(signature_of(root))


def wrapped(root: etree._Element) -> None:
    """Signature wrapping: the signed list becomes a child of a forged one."""
    forged = etree.fromstring(white_list_xml("2026-11-01T03:00:00Z", entry("faux.mssante.fr")))
    inner = etree.fromstring(etree.tostring(root))
    for child in list(root):
        root.remove(child)
    root.extend(forged)
    root.append(inner)


def element_behind(root: etree._Element) -> None:
    etree.SubElement(root, "{https://listeblanche.mssante.fr/schema}ListeDomaines")


def another_certificate(root: etree._Element) -> None:
    data = found(root, "X509Data")
    data.append(etree.fromstring(etree.tostring(found(root, "X509Certificate"))))


def key_value(root: etree._Element) -> None:
    found(root, "KeyInfo").insert(0, etree.Element(f"{DS}KeyValue"))


def ids(root: etree._Element) -> None:
    root.set("Id", "a")
    found(root, "SignedInfo").set("ID", "a")


BY_SOMEBODY: dict[str, Change] = {
    "no signature": (remove("Signature"), ListFault.UNSIGNED),
    "two signatures": (duplicate_signature, ListFault.SEVERAL_SIGNATURES),
    "a signature in a signature": (nested_signature, ListFault.SEVERAL_SIGNATURES),
    "signature first": (signature_first, ListFault.SIGNATURE_ELSEWHERE),
    "signature in an entry": (signature_in_an_entry, ListFault.SIGNATURE_ELSEWHERE),
    "wrapped": (wrapped, ListFault.SIGNATURE_ELSEWHERE),
    "an element behind": (element_behind, ListFault.SIGNATURE_ELSEWHERE),
    "hmac": (hmac_key, ListFault.ALGORITHM),
    "two certificates": (another_certificate, ListFault.SIGNER_UNREADABLE),
    "no certificate": (remove("X509Certificate"), ListFault.SIGNER_UNREADABLE),
    "empty certificate": (empty("X509Certificate"), ListFault.SIGNER_UNREADABLE),
    "a key value": (key_value, ListFault.SIGNER_UNREADABLE),
    "the same Id twice": (ids, ListFault.DUPLICATE_ID),
    "empty value": (empty("SignatureValue"), ListFault.SIGNATURE_VALUE),
    "another domain": (lambda root: setattr(root[1][0][0], "text", "faux.mssante.fr"), ListFault.DIGEST),
    "another certificate name": (lambda root: setattr(root[1][0][2], "text", OTHER), ListFault.DIGEST),
    "an entry less": (lambda root: root[1].remove(root[1][0]), ListFault.DIGEST),
    "another date": (lambda root: setattr(root[0], "text", "2026-12-01T00:00:00Z"), ListFault.DIGEST),
    "an attribute": (lambda root: root.set("version", "2"), ListFault.DIGEST),
    "text behind the signature": (lambda root: setattr(signature_of(root), "tail", "x"), ListFault.DIGEST),
}  # fmt: skip


# ref: F02
@BOTH
@pytest.mark.parametrize("change", BY_SOMEBODY)
def test_what_somebody_changes_afterwards_is_refused_with_its_own_code(
    pki: Pki, signer: Issued, now: datetime, change: str, profile: Profile
) -> None:
    alter, expected = BY_SOMEBODY[change]
    content = edited(signed_list(signer, now, *ENTRIES, profile=profile), alter)
    assert fault(lambda: read_signed(content, policy(pki))) is expected


def test_a_digest_changed_to_fit_other_content_breaks_the_signature_value(
    pki: Pki, signer: Issued, now: datetime
) -> None:
    forged = canonical(parse_document(white_list_xml(now, entry("faux.mssante.fr"))))

    def forge(root: etree._Element) -> None:
        found(root, "DigestValue").text = sha256(forged)

    content = edited(signed_list(signer, now), forge)
    assert fault(lambda: read_signed(content, policy(pki))) is ListFault.SIGNATURE_VALUE


# The profile of the sister list ---------------------------------------------------------------------------------


def xades(root: etree._Element, name: str) -> etree._Element:
    return next(root.iter(f"{{{XADES}}}{name}"))


def certificate_digest(algorithm: str, value: bytes) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        digest = xades(root, "CertDigest")
        digest[0].set("Algorithm", algorithm)
        digest[1].text = base64.b64encode(value).decode()

    return change


def unsigned_properties(root: etree._Element) -> None:
    etree.SubElement(xades(root, "QualifyingProperties"), f"{{{XADES}}}UnsignedProperties")


def second_certificate_digest(root: etree._Element) -> None:
    parent = xades(root, "SigningCertificateV2")
    parent.append(etree.fromstring(etree.tostring(parent[0])))


BY_THE_XADES_SIGNER: dict[str, Change] = {
    "another certificate": (certificate_digest(SHA256, bytes(32)), ListFault.SIGNER_UNREADABLE),
    "sha1 of the certificate": (certificate_digest("http://www.w3.org/2000/09/xmldsig#sha1", bytes(20)), ListFault.ALGORITHM),
    "two certificates": (second_certificate_digest, ListFault.SIGNATURE_MALFORMED),
    "no certificate": (lambda root: xades(root, "SignedSignatureProperties").remove(xades(root, "SigningCertificateV2")), ListFault.SIGNATURE_MALFORMED),
    "unsigned properties": (unsigned_properties, ListFault.SIGNATURE_MALFORMED),
    "something beside the properties": (lambda root: etree.SubElement(found(root, "Object"), "x") is None, ListFault.SIGNATURE_MALFORMED),
    "another target": (lambda root: xades(root, "QualifyingProperties").set("Target", "#x"), ListFault.REFERENCE),
    "no target": (lambda root: xades(root, "QualifyingProperties").attrib.clear(), ListFault.REFERENCE),
    "no Id of the signature": (lambda root: signature_of(root).attrib.clear(), ListFault.REFERENCE),
    "no Id of the properties": (lambda root: xades(root, "SignedProperties").attrib.clear(), ListFault.REFERENCE),
    "another reference": (lambda root: found(root, "SignedInfo")[3].set("URI", "#x"), ListFault.REFERENCE),
    "a reference without type": (lambda root: found(root, "SignedInfo")[3].attrib.pop("Type") is None, ListFault.REFERENCE),
    "properties not referred to": (lambda root: found(root, "SignedInfo").remove(found(root, "SignedInfo")[3]), ListFault.REFERENCE),
    "transform of the properties": (lambda root: found(root, "SignedInfo")[3][0][0].set("Algorithm", INCLUSIVE), ListFault.TRANSFORM),
}  # fmt: skip


@pytest.mark.parametrize("change", BY_THE_XADES_SIGNER)
def test_what_xades_baseline_b_does_not_allow_is_refused(
    pki: Pki, signer: Issued, now: datetime, change: str
) -> None:
    alter, expected = BY_THE_XADES_SIGNER[change]

    def alter_and_digest(root: etree._Element) -> None:
        alter(root)
        references = list(found(root, "SignedInfo").iter(f"{DS}Reference"))
        if len(references) > 1:
            references[1][2].text = sha256(canonical(xades(root, "SignedProperties")))

    content = resigned(signed_list(signer, now, profile=Profile.XADES), signer, alter_and_digest)
    assert fault(lambda: read_signed(content, policy(pki))) is expected


def test_the_certificate_may_be_digested_with_sha_512(pki: Pki, signer: Issued, now: datetime) -> None:
    digest = hashlib.sha512(signer.certificate.public_bytes(Encoding.DER)).digest()

    def change(root: etree._Element) -> None:
        certificate_digest(SHA512, digest)(root)
        found(root, "SignedInfo")[3][2].text = sha256(canonical(xades(root, "SignedProperties")))

    content = resigned(signed_list(signer, now, profile=Profile.XADES), signer, change)
    assert read_signed(content, policy(pki)).signer == signer.certificate


def test_changed_signed_properties_break_their_digest(pki: Pki, signer: Issued, now: datetime) -> None:
    def change(root: etree._Element) -> None:
        xades(root, "SigningTime").text = "2030-01-01T00:00:00Z"

    content = edited(signed_list(signer, now, profile=Profile.XADES), change)
    assert fault(lambda: read_signed(content, policy(pki))) is ListFault.DIGEST


# With and without -----------------------------------------------------------------------------------------------


# ref: F02
def test_an_unsigned_list_is_refused_unless_the_settings_let_it_pass(pki: Pki, now: datetime) -> None:
    content = white_list_xml(now)
    assert fault(lambda: read_signed(content, policy(pki))) is ListFault.UNSIGNED
    lenient = replace(policy(pki), is_required=False)
    read = read_signed(content, lenient)
    assert read.signer is None
    assert "essai.mssante.fr" in read.white_list


def test_a_wrong_signature_is_refused_even_where_none_is_asked_for(
    pki: Pki, signer: Issued, now: datetime
) -> None:
    lenient = replace(policy(pki), is_required=False)
    changed = signed_list(signer, now).replace(b"essai.mssante.fr", b"faux.mssante.fr")
    assert fault(lambda: read_signed(changed, lenient)) is ListFault.DIGEST
    assert fault(
        lambda: read_signed(
            signed_list(signer, now), replace(lenient, signer=DistinguishedName.parse("CN=x"))
        )
    ) is (ListFault.SIGNER_NAME)


def test_a_signature_that_was_made_unrecognisable_does_not_make_a_list_unsigned(
    pki: Pki, signer: Issued, now: datetime
) -> None:
    lenient = replace(policy(pki), is_required=False)
    content = signed_list(signer, now)
    for old, new in ((b"ds:Signature", b"ds:Rignature"), (b"2000/09/xmldsig#", b"2000/09/xmldsig!")):
        damaged = (
            content.replace(old + b" ", new + b" ")
            .replace(old + b">", new + b">")
            .replace(old + b'"', new + b'"')
        )
        assert fault(lambda content=damaged: read_signed(content, lenient)) is ListFault.SIGNATURE_MALFORMED


def test_a_refusal_stays_one_sentence_whatever_the_list_says(pki: Pki, signer: Issued, now: datetime) -> None:
    def change(root: etree._Element) -> None:
        found(root, "SignatureMethod").set("Algorithm", "a\nb\x9b2J\u202ec")

    with pytest.raises(ListRefused) as refused:
        read_signed(edited(signed_list(signer, now), change), policy(pki))
    assert str(refused.value).isprintable()
    assert "a b 2J c" in str(refused.value)


def test_a_list_is_not_signed_twice(signer: Issued, now: datetime) -> None:
    content = signed_list(signer, now)
    assert fault(lambda: sign(content, signer, Profile.XML_DSIG, now)) is ListFault.SEVERAL_SIGNATURES


@BOTH
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_octet_is_refused_or_changes_no_entry(
    pki: Pki, signer: Issued, now: datetime, data: st.DataObject, profile: Profile
) -> None:
    content = signed_list(signer, now, *ENTRIES, profile=profile)
    good = read_signed(content, policy(pki))
    damaged = bytearray(content)
    damaged[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read = read_signed(bytes(damaged), replace(policy(pki), is_required=False))
    except ListRefused:
        return
    assert read.content == good.content
    assert read.white_list.entries == good.white_list.entries


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_piece_of_a_signed_list_moved_elsewhere_is_refused_or_changes_no_entry(
    pki: Pki, signer: Issued, now: datetime, data: st.DataObject
) -> None:
    content = signed_list(signer, now, *ENTRIES)
    good = read_signed(content, policy(pki))
    starts = [place for place in range(len(content)) if content[place : place + 1] in (b"<", b">")]
    start, end = sorted(data.draw(st.tuples(st.sampled_from(starts), st.sampled_from(starts))))
    target = data.draw(st.sampled_from(starts))
    damaged = content[:target] + content[start:end] + content[target:]
    try:
        read = read_signed(damaged, policy(pki))
    except ListRefused:
        return
    assert read.content == good.content
    assert read.white_list == good.white_list


def test_the_policy_of_a_real_operator_names_the_ans(pki: Pki) -> None:
    assert SignaturePolicy(
        Authorities.load(pki.ca_file), DistinguishedName.parse("CN=alb.mssante.fr")
    ).is_required
