"""The rules on a CDA R2 document: its root, what it may not hold, its header and its body.

The header is that of the « structuration minimale »; a document of another country is not judged by it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmp_bridge.cda import SENTENCES as CDA_SENTENCES
from dmp_bridge.cda import CdaFault, CdaRefused, RootKind, find_document
from dmp_bridge.cda_elements import NAMESPACE
from dmp_bridge.check.body_rules import check_body
from dmp_bridge.check.header_rules import check_header
from dmp_bridge.check.ins_rules import Identity, check_agreement, check_identity, identity_of
from dmp_bridge.check.ledger import Ledger, quote
from dmp_bridge.check.report import Weight

if TYPE_CHECKING:
    from lxml import etree

    from dmp_bridge.check.kit import Kit
    from dmp_bridge.check.report import Finding, Surroundings

_Q = f"{{{NAMESPACE}}}"
_FRENCH = ("1.2.250.", "2.16.840.1.113883.2.8.")
_PROLOG = 8192
_STYLE_SHEET = re.compile(rb"""<\?xml-stylesheet\b[^>]{0,1000}?\bhref\s{0,20}=\s{0,20}["']([^"'>]{0,500})""")
_ENCODING = re.compile(rb"""^[^<]{0,20}<\?xml[^>]{0,200}?encoding\s{0,20}=\s{0,20}["']([^"'>]{1,40})""")
_OUTSIDE = ("http:", "https:", "//", "file:", "ftp:", "javascript:")
_LINKS = ("href", "src", "background", "action")
_ROOTS = {
    RootKind.PLAIN: "La racine est ClinicalDocument.",
    RootKind.SELF_PRESENTABLE: "Document auto-présentable : le ClinicalDocument qu'il contient est contrôlé.",
    RootKind.SIGNED: "Document signé : le ClinicalDocument qu'il contient est contrôlé.",
}
_RULE_OF_FAULT = {CdaFault.NOT_XML: "CDA-LISIBLE", CdaFault.ACTIVE_CONTENT: "CDA-SUR"}
_ADVICE_OF_FAULT = {
    CdaFault.NOT_XML: "Produire un XML bien formé, en UTF-8, sans DOCTYPE ni entité.",
    CdaFault.ACTIVE_CONTENT: "Retirer tout élément script.",
}


@dataclass(frozen=True, slots=True)
class Inspected:
    """One file taken for a CDA: what was found, and the document if it is one."""

    findings: list[Finding]
    element: etree._Element | None
    identity: Identity | None
    is_french: bool


def examine_cda(
    name: str, data: bytes, surroundings: Surroundings, *, kit: Kit | None = None
) -> list[Finding]:
    """The findings on one CDA that was given alone or attached beside a package."""
    inspected = inspect_cda(name, data, kit)
    findings = inspected.findings
    if inspected.identity is not None and inspected.is_french:
        ledger = Ledger("")
        check_agreement(ledger, [inspected.identity], surroundings)
        findings = [*findings, *ledger.findings]
    return findings


def inspect_cda(place: str, data: bytes, kit: Kit | None = None) -> Inspected:
    """The findings on the bytes of one CDA at ``place``, whatever stands around it."""
    ledger = Ledger(place)
    ledger.open("CDA-LISIBLE", "XML bien formé, en UTF-8.")
    _check_encoding(ledger, data)
    try:
        kind, element = find_document(data)
    except CdaRefused as refused:
        rule = _RULE_OF_FAULT.get(refused.fault, "CDA-RACINE")
        advice = _ADVICE_OF_FAULT.get(
            refused.fault, "Joindre un seul ClinicalDocument (urn:hl7-org:v3) par fichier."
        )
        ledger.fault(rule, "/", CDA_SENTENCES[refused.fault], advice)
        return Inspected(ledger.findings, None, None, is_french=False)
    ledger.open("CDA-RACINE", _ROOTS[kind])
    _check_outside(ledger, kind, data, element)
    french = _is_french(element)
    identity = identity_of(f"{place} recordTarget", element)
    if french:
        ledger.open("CDA-PROFIL", "Le document est au profil français.")
        check_header(ledger, element)
        check_identity(ledger, element, identity)
        check_body(ledger, element)
        if kit is not None:
            kit.check(ledger, data, element)
    else:
        ledger.aside(
            "CDA-PROFIL",
            "Ce n'est pas un CDA au profil français (ni realmCode FR, ni templateId français) :"
            " les règles de la structuration minimale sont sans objet.",
        )
    return Inspected(ledger.findings, element, identity, french)


def _is_french(element: etree._Element) -> bool:
    realms = [realm.get("code", "").upper() for realm in element.findall(f"{_Q}realmCode")[:5]]
    return "FR" in realms or any(
        template.get("root", "").startswith(_FRENCH) for template in element.findall(f"{_Q}templateId")[:50]
    )


def _check_encoding(ledger: Ledger, data: bytes) -> None:
    declared = _ENCODING.search(data[:400])
    if declared is not None and declared[1].lower() not in (b"utf-8", b"utf8"):
        ledger.fault(
            "CDA-LISIBLE",
            "/?xml/@encoding",
            f"Le codage {quote(declared[1].decode('ascii', 'replace'))} n'est pas UTF-8.",
            "Écrire le document en UTF-8.",
        )


def _check_outside(ledger: Ledger, kind: RootKind, data: bytes, element: etree._Element) -> None:
    """Nothing that a reader would fetch from elsewhere; the style sheets of the samples are relative."""
    ledger.open("CDA-SUR", "Ni script ni ressource externe.")
    self_presentable = kind is RootKind.SELF_PRESENTABLE
    for sheet in _STYLE_SHEET.finditer(data[:_PROLOG]):
        address = sheet[1].decode("utf-8", "replace").strip()
        if address.lower().startswith(_OUTSIDE):
            ledger.fault(
                "CDA-SUR",
                "/?xml-stylesheet/@href",
                f"La feuille de style {quote(address)} est hors du document.",
                "Retirer cette instruction, ou désigner une feuille de style locale.",
                None if self_presentable else Weight.RECOMMENDED,
            )
    if not self_presentable:
        return
    inside = set(element.iter())
    for each in element.getroottree().getroot().iter():
        if not isinstance(each.tag, str) or each in inside:
            continue
        for name in _LINKS:
            address = each.get(name, "").strip()
            if address.lower().startswith(_OUTSIDE):
                ledger.fault(
                    "CDA-SUR",
                    f"/{each.tag.rpartition('}')[2]}/@{name}",
                    f"Le lien {quote(address)} sort du document auto-présentable.",
                    "Retirer le lien, ou inclure la ressource dans le document.",
                )
