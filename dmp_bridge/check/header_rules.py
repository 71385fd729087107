"""The header of a CDA, element by element (CI-SIS Structuration minimale V1.16.8, tableau 1 and §3.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from dmp_bridge import codes
from dmp_bridge.cda import N1_TEMPLATE
from dmp_bridge.cda_elements import NAMESPACE
from dmp_bridge.check.ledger import quote
from dmp_bridge.check.report import Weight
from dmp_bridge.hl7_time import parse_cda_time
from dmp_bridge.xml import local_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree

    from dmp_bridge.check.ledger import Ledger

_Q = f"{{{NAMESPACE}}}"
_ROOT = "/ClinicalDocument"
_HL7_FRANCE = "2.16.840.1.113883.2.8.2.1"
_CI_SIS = "1.2.250.1.213.1.1.1.1"
_DMP_CUSTODIAN = "1.2.250.1.213.4.1"
_FACILITY_SYSTEM = "1.2.250.1.71.4.2.4"
_PRACTICE_SYSTEM = "1.2.250.1.213.1.1.4.9"
_TITLE_LENGTH = 128

_OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]{0,38})){1,32}", re.ASCII)
_OID_LENGTH = 64
_TO_THE_SECOND = re.compile(r"[0-9]{14}(?:\.[0-9]{1,6})?[+-][0-9]{4}", re.ASCII)
_TO_THE_MINUTE = re.compile(r"[0-9]{12}(?:[0-9]{2}(?:\.[0-9]{1,6})?)?[+-][0-9]{4}", re.ASCII)
_ANY_FORM = re.compile(
    r"[0-9]{4}(?:[0-9]{2}){0,2}|[0-9]{12}(?:[0-9]{2}(?:\.[0-9]{1,6})?)?[+-][0-9]{4}", re.ASCII
)
_NULL_FLAVORS = frozenset({"UNK", "NASK", "ASKU", "NAV", "MSK"})
_BODY = f"{_Q}component"
_DATES = frozenset(f"{_Q}{name}" for name in ("time", "effectiveTime", "low", "high"))
_FORMS = "AAAA, AAAAMM, AAAAMMJJ, ou AAAAMMJJhhmm[ss] suivi de ±ZZzz"
_MOST_ELEMENTS = 20_000


@dataclass(frozen=True, slots=True)
class _Once:
    """An element and how often it stands below ClinicalDocument; `most` 0: as often as wanted."""

    rule: str
    name: str
    least: int = 1
    most: int = 1


_CARDINALITIES = (
    _Once("CDA-REALM", "realmCode"),
    _Once("CDA-TYPEID", "typeId"),
    _Once("CDA-MODELES", "templateId", 3, 0),
    _Once("CDA-ID", "id"),
    _Once("CDA-TYPE", "code"),
    _Once("CDA-TITRE", "title"),
    _Once("CDA-DATE", "effectiveTime"),
    _Once("CDA-CONF", "confidentialityCode"),
    _Once("CDA-LANGUE", "languageCode"),
    _Once("CDA-VERSION", "setId"),
    _Once("CDA-VERSION", "versionNumber"),
    _Once("CDA-PATIENT", "recordTarget"),
    _Once("CDA-AUTEUR", "author", 1, 0),
    _Once("CDA-CONSERVATION", "custodian"),
    _Once("CDA-RESPONSABLE", "legalAuthenticator"),
    _Once("CDA-ACTE", "documentationOf", 1, 0),
    _Once("CDA-REMPLACE", "relatedDocument", 0, 1),
    _Once("CDA-PRISE-EN-CHARGE", "componentOf"),
)
# Tableau 3: elements that say something or the document is not conforming.
_NEVER_NULL = frozenset(
    {"id", "code", "title", "effectiveTime", "confidentialityCode", "languageCode", "setId", "versionNumber"}
)


def is_oid(text: str) -> bool:
    """Whether a text is an OID of at most 64 characters without leading zeros (§3.5.7.4)."""
    return len(text) <= _OID_LENGTH and _OID.fullmatch(text) is not None


def oid_fault(text: str) -> str:
    """Why a text is no OID, as the end of a French sentence."""
    arcs = text.split(".")
    if len(text) > _OID_LENGTH:
        return f"{len(text)} caractères, {_OID_LENGTH} au plus"
    if not all(arc.isascii() and arc.isdecimal() for arc in arcs):
        return "autre chose que des nombres séparés par des points"
    if (odd := next((arc for arc in arcs if len(arc) > 1 and arc.startswith("0")), None)) is not None:
        return f"l'arc {odd} commence par un zéro"
    if arcs[0] not in ("0", "1", "2"):
        return f"le premier arc est {arcs[0]} : 0, 1 ou 2"
    return "un seul arc" if len(arcs) == 1 else "trop d'arcs, ou un arc trop long"


def check_header(ledger: Ledger, element: etree._Element) -> None:
    """Every rule of the header; ``element`` is the ClinicalDocument."""
    _check_cardinalities(ledger, element)
    _check_identification(ledger, element)
    _check_templates(ledger, element)
    _check_patient(ledger, element)
    _check_authors(ledger, element)
    _check_organizations(ledger, element)
    _check_act(ledger, element)
    _check_replaced(ledger, element)
    _check_encounter(ledger, element)
    _check_all_of_it(ledger, element)


def _check_cardinalities(ledger: Ledger, element: etree._Element) -> None:
    for once in _CARDINALITIES:
        ledger.open(once.rule, _HOLDS[once.rule])
        found = element.findall(f"{_Q}{once.name}")
        place = f"{_ROOT}/{once.name}"
        if len(found) < once.least:
            says = (
                "est absent"
                if once.least == 1
                else f"apparaît {len(found)} fois au lieu de {once.least} au moins"
            )
            ledger.fault(once.rule, place, f"L'élément {once.name} {says}.", f"Ajouter {once.name}.")
        elif once.most and len(found) > once.most:
            ledger.fault(
                once.rule,
                place,
                f"L'élément {once.name} apparaît {len(found)} fois.",
                f"N'en garder qu'un : la cardinalité est {once.least}..{once.most}.",
            )
        if once.name in _NEVER_NULL:
            _never_null(ledger, once.rule, found[0] if found else None, place)


_HOLDS = {
    "CDA-REALM": "realmCode est FR.",
    "CDA-TYPEID": "typeId est POCD_HD000040.",
    "CDA-MODELES": "Les templateId de HL7 France, du CI-SIS et du modèle sont présents.",
    "CDA-ID": "L'identifiant est un OID.",
    "CDA-TYPE": "Le type appartient à la nomenclature des documents de santé.",
    "CDA-TITRE": "Le titre est présent.",
    "CDA-DATE": "La date est complète.",
    "CDA-CONF": "Le niveau de confidentialité est admis.",
    "CDA-LANGUE": "La langue est fr-FR.",
    "CDA-VERSION": "setId et versionNumber sont présents.",
    "CDA-PATIENT": "Un seul patient, nommé selon le RNIV.",
    "CDA-AUTEUR": "L'auteur est identifié et daté.",
    "CDA-CONSERVATION": "La structure chargée de la conservation est identifiée.",
    "CDA-RESPONSABLE": "Le responsable du document est identifié.",
    "CDA-ACTE": "L'acte principal est daté et son exécutant est décrit.",
    "CDA-REMPLACE": "Le lien au document remplacé, s'il y en a un, est complet.",
    "CDA-PRISE-EN-CHARGE": "Le lieu de la prise en charge est décrit.",
}


def _check_identification(ledger: Ledger, element: etree._Element) -> None:
    if (realm := _one(element, "realmCode")) is not None and realm.get("code") != "FR":
        _wrong(ledger, "CDA-REALM", "realmCode/@code", realm.get("code", ""), "FR")
    if (kind := _one(element, "typeId")) is not None:
        for name, wanted in (("root", "2.16.840.1.113883.1.3"), ("extension", "POCD_HD000040")):
            if kind.get(name) != wanted:
                _wrong(ledger, "CDA-TYPEID", f"typeId/@{name}", kind.get(name, ""), wanted)
    _check_id(ledger, _one(element, "id"))
    _check_code(ledger, _one(element, "code"))
    title = (
        " ".join("".join(found.itertext()).split()) if (found := _one(element, "title")) is not None else None
    )
    if title is not None and not 0 < len(title) <= _TITLE_LENGTH:
        ledger.fault(
            "CDA-TITRE",
            f"{_ROOT}/title",
            f"Le titre a {len(title)} caractères.",
            "Écrire un titre de 1 à 128 caractères.",
        )
    if (when := _one(element, "effectiveTime")) is not None:
        _check_time(
            ledger, "CDA-DATE", f"{_ROOT}/effectiveTime/@value", when.get("value", ""), _TO_THE_SECOND
        )
    if (secrecy := _one(element, "confidentialityCode")) is not None:
        if secrecy.get("code") not in ("N", "R", "V"):
            _wrong(ledger, "CDA-CONF", "confidentialityCode/@code", secrecy.get("code", ""), "N, R ou V")
        if secrecy.get("codeSystem") != codes.CONFIDENTIALITY_SYSTEM:
            _wrong(
                ledger,
                "CDA-CONF",
                "confidentialityCode/@codeSystem",
                secrecy.get("codeSystem", ""),
                codes.CONFIDENTIALITY_SYSTEM,
            )
    if (language := _one(element, "languageCode")) is not None and language.get("code") != "fr-FR":
        _wrong(ledger, "CDA-LANGUE", "languageCode/@code", language.get("code", ""), "fr-FR")
    if (family := _one(element, "setId")) is not None and not family.get("root", "").strip():
        _wrong(ledger, "CDA-VERSION", "setId/@root", "", "un OID commun à toutes les versions")
    if (version := _one(element, "versionNumber")) is not None:
        number = version.get("value", "")
        if not number.isascii() or not number.isdecimal() or int(number[:9]) < 1:
            _wrong(ledger, "CDA-VERSION", "versionNumber/@value", number, "un entier à partir de 1")


def _check_id(ledger: Ledger, found: etree._Element | None) -> None:
    if found is None or found.get("nullFlavor"):
        return
    if not is_oid(found.get("root", "")):
        _wrong(ledger, "CDA-ID", "id/@root", found.get("root", ""), "un OID de 64 caractères au plus")
    if found.get("extension"):
        ledger.fault(
            "CDA-ID",
            f"{_ROOT}/id/@extension",
            "L'identifiant a une extension : le DMP n'accepte qu'un OID complet.",
            "Porter tout l'identifiant dans @root, sans @extension.",
            Weight.RECOMMENDED,
        )


def _check_code(ledger: Ledger, found: etree._Element | None) -> None:
    if found is None or found.get("nullFlavor"):
        return
    code, system = found.get("code", ""), found.get("codeSystem", "")
    if codes.document_type(code) is None:
        _wrong(ledger, "CDA-TYPE", "code/@code", code, "un code du JDV_J07")
    elif system != codes.type_system(code):
        _wrong(ledger, "CDA-TYPE", "code/@codeSystem", system, codes.type_system(code))
    if not found.get("displayName", "").strip():
        _wrong(ledger, "CDA-TYPE", "code/@displayName", "", "le libellé du type de document")


def _check_templates(ledger: Ledger, element: etree._Element) -> None:
    roots = [template.get("root", "") for template in element.findall(f"{_Q}templateId")[:50]]
    for wanted, what in ((_HL7_FRANCE, "de HL7 France"), (_CI_SIS, "du CI-SIS")):
        if wanted not in roots:
            ledger.fault(
                "CDA-MODELES",
                f"{_ROOT}/templateId",
                f"Le templateId {what} ({wanted}) est absent.",
                "L'ajouter.",
            )
    unstructured = element.find(f"{_BODY}/{_Q}nonXMLBody") is not None
    if unstructured and N1_TEMPLATE not in roots:
        ledger.fault(
            "CDA-MODELES",
            f"{_ROOT}/templateId",
            f"Le corps n'est pas structuré mais le templateId {N1_TEMPLATE} est absent.",
            "L'ajouter à la place de celui du modèle.",
        )
    elif unstructured and len(roots) > 3:
        ledger.fault(
            "CDA-MODELES",
            f"{_ROOT}/templateId",
            f"Un document de niveau 1 a trois templateId ; celui-ci en a {len(roots)}.",
            "Ne garder que ceux de HL7 France, du CI-SIS et du niveau 1.",
        )


def _check_patient(ledger: Ledger, element: etree._Element) -> None:
    role = _path(element, "recordTarget", "patientRole")
    if _one(element, "recordTarget") is None:
        return
    at = f"{_ROOT}/recordTarget/patientRole"
    if role is None or _one(role, "id") is None:
        ledger.fault(
            "CDA-PATIENT", f"{at}/id", "Le patient n'a pas d'identifiant.", "Ajouter patientRole/id."
        )
    names = [] if role is None else role.findall(f"{_Q}patient/{_Q}name")
    if len(names) != 1:
        ledger.fault(
            "CDA-PATIENT",
            f"{at}/patient/name",
            f"Le patient a {len(names)} éléments name.",
            "En écrire un seul.",
        )
        return
    for name, allowed in (("family", ("BR", "CL")), ("given", ("BR", "CL", None))):
        for part in names[0].findall(f"{_Q}{name}")[:20]:
            qualifier = part.get("qualifier")
            if qualifier not in allowed:
                ledger.fault(
                    "CDA-PATIENT",
                    f"{at}/patient/name/{name}/@qualifier",
                    f"La valeur {quote(qualifier or '')} n'est pas admise.",
                    "Qualifier le nom par BR (naissance) ou CL (utilisé).",
                )


def _check_authors(ledger: Ledger, element: etree._Element) -> None:
    for index, author in enumerate(element.findall(f"{_Q}author")[:50], 1):
        at = f"{_ROOT}/author[{index}]"
        when = _one(author, "time")
        if when is None or not (when.get("value") or when.get("nullFlavor")):
            ledger.fault(
                "CDA-AUTEUR", f"{at}/time/@value", "La date de l'auteur est absente.", "Ajouter author/time."
            )
        _identified(ledger, "CDA-AUTEUR", _path(author, "assignedAuthor", "id"), f"{at}/assignedAuthor/id")
    signer = _one(element, "legalAuthenticator")
    if signer is None:
        return
    at = f"{_ROOT}/legalAuthenticator"
    when = _one(signer, "time")
    if when is None or not (when.get("value") or when.get("nullFlavor")):
        ledger.fault(
            "CDA-RESPONSABLE", f"{at}/time/@value", "La date de validation est absente.", "Ajouter time."
        )
    mark = _one(signer, "signatureCode")
    if mark is None or mark.get("code") != "S":
        _wrong(ledger, "CDA-RESPONSABLE", "legalAuthenticator/signatureCode/@code", _value(mark, "code"), "S")
    _identified(ledger, "CDA-RESPONSABLE", _path(signer, "assignedEntity", "id"), f"{at}/assignedEntity/id")


def _check_organizations(ledger: Ledger, element: etree._Element) -> None:
    keeper = _one(element, "custodian")
    if keeper is None:
        return
    organization = _path(keeper, "assignedCustodian", "representedCustodianOrganization")
    at = f"{_ROOT}/custodian/assignedCustodian/representedCustodianOrganization"
    found = _one(organization, "id")
    if found is None or found.get("nullFlavor"):
        ledger.fault(
            "CDA-CONSERVATION",
            f"{at}/id",
            "La structure n'est pas identifiée.",
            "Ajouter son identifiant national.",
        )
    elif found.get("root") not in (codes.STRUCTURE_OID, _DMP_CUSTODIAN):
        _wrong(
            ledger,
            "CDA-CONSERVATION",
            f"{at.removeprefix(_ROOT + '/')}/id/@root",
            found.get("root", ""),
            f"{codes.STRUCTURE_OID} (ou {_DMP_CUSTODIAN} pour le DMP)",
        )


def _check_act(ledger: Ledger, element: etree._Element) -> None:
    """The main act is the one whose performer tells its setting (§3.5.5.19), else the first."""
    events = element.findall(f"{_Q}documentationOf/{_Q}serviceEvent")[:50]
    if not events:
        return
    setting = f"{_Q}performer/{_Q}assignedEntity/{_Q}representedOrganization/{_Q}standardIndustryClassCode"
    main = next((event for event in events if event.find(setting) is not None), events[0])
    at = f"{_ROOT}/documentationOf[{events.index(main) + 1}]/serviceEvent"
    low = _path(main, "effectiveTime", "low")
    if low is None or not low.get("value"):
        ledger.fault(
            "CDA-ACTE",
            f"{at}/effectiveTime/low/@value",
            "Le début de l'acte principal est absent.",
            "Ajouter la date de l'acte.",
        )
    else:
        _check_time(
            ledger, "CDA-ACTE", f"{at}/effectiveTime/low/@value", low.get("value", ""), _TO_THE_MINUTE
        )
    if _one(main, "performer") is None:
        ledger.fault("CDA-ACTE", f"{at}/performer", "L'exécutant de l'acte est absent.", "Ajouter performer.")
        return
    found = main.find(setting)
    if found is None or not found.get("code"):
        ledger.fault(
            "CDA-ACTE",
            f"{at}/performer/assignedEntity/representedOrganization/standardIndustryClassCode",
            "Le cadre d'exercice est absent.",
            "Ajouter un code du JDV_J04.",
        )
    elif found.get("codeSystem") != _PRACTICE_SYSTEM:
        _wrong(
            ledger,
            "CDA-ACTE",
            f"{at.removeprefix(_ROOT + '/')}/performer/assignedEntity/representedOrganization/standardIndustryClassCode/@codeSystem",
            found.get("codeSystem", ""),
            _PRACTICE_SYSTEM,
        )


# ref: SC.CDA/INT.18
def _check_replaced(ledger: Ledger, element: etree._Element) -> None:
    related = _one(element, "relatedDocument")
    if related is None:
        return
    kind = related.get("typeCode", "")
    if kind not in ("RPLC", "XFRM"):
        _wrong(ledger, "CDA-REMPLACE", "relatedDocument/@typeCode", kind, "RPLC ou XFRM")
    parent = _path(related, "parentDocument", "id")
    if parent is None or not parent.get("root"):
        ledger.fault(
            "CDA-REMPLACE",
            f"{_ROOT}/relatedDocument/parentDocument/id",
            "Le document remplacé n'est pas identifié.",
            "Ajouter l'identifiant de la version précédente.",
        )
    version = _one(element, "versionNumber")
    if kind == "RPLC" and _value(version, "value") == "1":
        ledger.fault(
            "CDA-VERSION",
            f"{_ROOT}/versionNumber/@value",
            "Le document en remplace un autre mais porte le numéro de version 1.",
            "Garder le setId et augmenter versionNumber de 1.",
            Weight.RECOMMENDED,
        )


def _check_encounter(ledger: Ledger, element: etree._Element) -> None:
    if _one(element, "componentOf") is None:
        return
    at = f"{_ROOT}/componentOf/encompassingEncounter"
    if _path(element, "componentOf", "encompassingEncounter", "effectiveTime") is None:
        ledger.fault(
            "CDA-PRISE-EN-CHARGE",
            f"{at}/effectiveTime",
            "La date de la prise en charge est absente.",
            "Ajouter effectiveTime.",
        )
    code = _path(element, "componentOf", "encompassingEncounter", "location", "healthCareFacility", "code")
    if code is None or not code.get("code"):
        ledger.fault(
            "CDA-PRISE-EN-CHARGE",
            f"{at}/location/healthCareFacility/code",
            "La modalité d'exercice du lieu est absente.",
            "Ajouter un code du JDV_J02 (SAxx).",
        )
    elif code.get("codeSystem") != _FACILITY_SYSTEM:
        _wrong(
            ledger,
            "CDA-PRISE-EN-CHARGE",
            "componentOf/encompassingEncounter/location/healthCareFacility/code/@codeSystem",
            code.get("codeSystem", ""),
            _FACILITY_SYSTEM,
        )


def _check_all_of_it(ledger: Ledger, element: etree._Element) -> None:
    """What holds for any element of the header: which nullFlavor there are, which forms a date has."""
    ledger.open("CDA-NULL", "Les nullFlavor de l'entête sont admis.")
    ledger.open("CDA-DATES", "Les dates de l'entête sont bien formées.")
    for each in islice(_header(element), _MOST_ELEMENTS):
        flavor, value = each.get("nullFlavor"), each.get("value")
        if flavor is not None and flavor not in _NULL_FLAVORS:
            ledger.fault(
                "CDA-NULL",
                f"{_place(element, each)}/@nullFlavor",
                f"La valeur {quote(flavor)} n'est pas admise dans l'entête.",
                "Utiliser UNK, NASK, ASKU, NAV ou MSK.",
                # The text leaves it out, the ANS's own samples and schematrons have it.
                Weight.NOTE if flavor == "NA" else None,
            )
        if (
            value
            and each.tag in _DATES
            and each.getparent() is not element
            and (not _ANY_FORM.fullmatch(value) or parse_cda_time(value) is None)
        ):
            place = _place(element, each).removeprefix(f"{_ROOT}/")
            _wrong(ledger, "CDA-DATES", f"{place}/@value", value, _FORMS)


def _header(element: etree._Element) -> Iterator[etree._Element]:
    for child in element:
        if child.tag != _BODY:
            yield from (each for each in child.iter() if isinstance(each.tag, str))


def _place(element: etree._Element, each: etree._Element) -> str:
    above = takewhile(lambda ancestor: ancestor is not element, each.iterancestors())
    names = [local_name(found) for found in (each, *above)]
    return "/".join((_ROOT, *reversed(names)))


def _one(element: etree._Element | None, name: str) -> etree._Element | None:
    return None if element is None else element.find(f"{_Q}{name}")


def _path(element: etree._Element | None, *names: str) -> etree._Element | None:
    for name in names:
        element = _one(element, name)
    return element


def _value(element: etree._Element | None, name: str) -> str:
    return "" if element is None else element.get(name, "")


def _wrong(ledger: Ledger, rule: str, path: str, found: str, wanted: str) -> None:
    told = f"La valeur est {quote(found)}" if found else "La valeur est absente"
    ledger.fault(rule, f"{_ROOT}/{path}", f"{told}.", f"Valeur attendue : {wanted}.")


def _never_null(ledger: Ledger, rule: str, element: etree._Element | None, place: str) -> None:
    if element is not None and element.get("nullFlavor") is not None:
        ledger.fault(rule, f"{place}/@nullFlavor", "nullFlavor y est interdit.", "Renseigner cet élément.")


def _identified(ledger: Ledger, rule: str, found: etree._Element | None, place: str) -> None:
    if found is None or found.get("nullFlavor") or not found.get("root"):
        ledger.fault(
            rule,
            place,
            "La personne n'est pas identifiée.",
            "Ajouter son identifiant national (OID et valeur).",
        )


def _check_time(ledger: Ledger, rule: str, place: str, value: str, form: re.Pattern[str]) -> None:
    if not form.fullmatch(value) or parse_cda_time(value) is None:
        wanted = "AAAAMMJJhhmmss±ZZzz" if form is _TO_THE_SECOND else "AAAAMMJJhhmm±ZZzz"
        _wrong(ledger, rule, place.removeprefix(f"{_ROOT}/"), value, wanted)
