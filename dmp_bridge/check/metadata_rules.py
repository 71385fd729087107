"""The rules on one METADATA.XML: what must be there, in which form, and that it agrees with its documents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dmp_bridge import codes
from dmp_bridge.cda_elements import NAMESPACE
from dmp_bridge.check.header_rules import is_oid, oid_fault
from dmp_bridge.check.ins_rules import Identity
from dmp_bridge.check.ledger import quote
from dmp_bridge.check.metadata_table import (
    DOCUMENT,
    LCM,
    RIM,
    RIM_21,
    SUBMISSION_SET,
    SUBMISSION_SET_NODE,
    Attribute,
    Kept,
    Need,
)
from dmp_bridge.check.report import Weight
from dmp_bridge.hl7_time import parse_birth_date, parse_cda_time, parse_dtm
from dmp_bridge.visibility import VISIBILITIES, identifier_key
from foundation.identifiers import INS_OIDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml import etree

    from dmp_bridge.check.described import Described, Description
    from dmp_bridge.check.ledger import Ledger
    from dmp_bridge.codes import Coded

_Q = f"{{{NAMESPACE}}}"
_DTM = re.compile(r"[0-9]{4}(?:[0-9]{2}){0,5}", re.ASCII)
_LOWER_HEX = re.compile(r"[0-9a-f]{40}", re.ASCII)
_ANY_HEX = re.compile(r"[0-9A-Fa-f]{40}", re.ASCII)
_WITH_OFFSET = re.compile(r".*[+-][0-9]{4}", re.ASCII)
_DATES = ("creationTime", "serviceStartTime", "serviceStopTime", "submissionTime")
_OIDS = ("uniqueId", "sourceId")
_FACILITY_SYSTEM = "1.2.250.1.71.4.2.4"
_PRACTICE_SYSTEM = "1.2.250.1.213.1.1.4.9"
_CONTENT_SYSTEM = "1.2.250.1.213.2.2"
_BY_NAME = {attribute.name: attribute for attribute in DOCUMENT}
_SET_BY_NAME = {attribute.name: attribute for attribute in SUBMISSION_SET}


def is_french(description: Description) -> bool:
    """Whether a METADATA.XML means to be of the French profile: by its patient, its source or its language."""
    return any(_is_french(each) for each in (*description.submission_sets, *description.documents))


def _is_french(described: Described) -> bool:
    if any("&1.2.250." in value or value.startswith("1.2.250.") for value in described.identifiers.values()):
        return True
    return any(value.lower().startswith("fr") for value in described.slots.get("languageCode", ()))


def check_metadata(ledger: Ledger, description: Description, *, french: bool) -> None:
    """Everything that can be seen on the METADATA.XML alone."""
    _check_namespaces(ledger, description)
    _check_objects(ledger, description, french=french)
    _check_members(ledger, description)
    ledger.open("META-DATES", "Les dates sont au format DTM.")
    ledger.open("META-ECHAPPEMENT", "Aucun caractère n'est échappé deux fois.")
    ledger.open("META-HASH", "Les empreintes sont en hexadécimal minuscule.")
    ledger.open("META-OID", "Les identifiants sont des OID.")
    if french:
        ledger.open("META-CODES", "Les codes et leurs systèmes de codage sont ceux du profil.")
        _check_patient_ids(ledger, description)
    else:
        ledger.aside(
            "META-PROFIL",
            "METADATA.XML n'est pas au profil français : les règles de ce profil sont sans objet.",
        )
    for described in description.submission_sets:
        _check_values(ledger, described, SUBMISSION_SET)
        if french:
            _check_code(ledger, described, _SET_BY_NAME["contentTypeCode"], _CONTENT_SYSTEM)
    for described in description.documents:
        _check_values(ledger, described, DOCUMENT)
        _check_hash(ledger, described)
        if french:
            _check_codes(ledger, described)


def _check_namespaces(ledger: Ledger, description: Description) -> None:
    ledger.open("META-EBRIM", "Les espaces de noms sont ceux d'ebRIM 3.0.")
    odd = sorted(description.namespaces - {RIM, LCM})
    for namespace in odd:
        old = namespace == RIM_21 or namespace.endswith(":2.1")
        says = "est celui d'ebRIM 2.1" if old else "n'est pas un espace de noms d'ebRIM 3.0"
        ledger.fault("META-EBRIM", "/", f"{quote(namespace)} {says}.", f"Utiliser {LCM} et {RIM}.")


def _check_objects(ledger: Ledger, description: Description, *, french: bool) -> None:
    ledger.open("META-IHE", "Toutes les métadonnées exigées par IHE sont présentes.")
    if french:
        ledger.open("META-FR", "Toutes les métadonnées exigées par le profil français sont présentes.")
        ledger.open("META-RE", "Toutes les métadonnées recommandées sont présentes.")
    count = len(description.submission_sets)
    if count != 1:
        says = (
            f"{count} lots de soumission y sont décrits."
            if count
            else "Aucun RegistryPackage n'y est classé comme lot de soumission."
        )
        advice = f"Décrire un seul RegistryPackage, classé par classificationNode {SUBMISSION_SET_NODE}."
        ledger.fault("META-IHE", "RegistryPackage", says, advice)
    if not description.documents:
        ledger.fault(
            "META-IHE",
            "ExtrinsicObject",
            "METADATA.XML n'annonce aucun document.",
            "Annoncer chaque document.",
        )
    for described, table in (
        *((each, SUBMISSION_SET) for each in description.submission_sets),
        *((each, DOCUMENT) for each in description.documents),
    ):
        for attribute in table:
            if not described.values(attribute):
                _check_missing(ledger, described, attribute, french=french)


def _check_missing(ledger: Ledger, described: Described, attribute: Attribute, *, french: bool) -> None:
    place = f"{described.id} {attribute.name}".strip()
    says, advice = f"{attribute.name} est absent.", f"Ajouter {attribute.name} ({_form(attribute)})."
    if attribute.ihe is Need.REQUIRED:
        ledger.fault("META-IHE", place, says, advice)
    elif french and attribute.french is Need.REQUIRED:
        ledger.fault("META-FR", place, says, advice)
    elif french and attribute.french is Need.IF_KNOWN:
        ledger.fault("META-RE", place, says, f"{advice[:-1]} si la valeur est connue.", Weight.NOTE)


def _form(attribute: Attribute) -> str:
    match attribute.kept:
        case Kept.SLOT:
            return f"Slot {attribute.key}"
        case Kept.ATTRIBUTE:
            return f"attribut {attribute.key}"
        case Kept.NAME:
            return "Name/LocalizedString"
        case Kept.AUTHOR:
            return f"Classification {attribute.key} avec authorPerson"
        case _:
            return f"{attribute.kept.value} {attribute.key}"


def _check_members(ledger: Ledger, description: Description) -> None:
    ledger.open("META-LIEN", "Le lot contient chaque document.")
    sets = {each.id for each in description.submission_sets}
    held = {target for source, target in description.members if source in sets}
    for described in description.documents:
        if sets and described.id not in held:
            ledger.fault(
                "META-LIEN",
                described.id,
                "Aucune association HasMember ne lie le lot à ce document.",
                "Ajouter une Association HasMember de sourceObject le lot et de targetObject le document.",
            )
    if description.bare_members:
        ledger.fault(
            "META-LIEN",
            "Association/@associationType",
            "HasMember est écrit sans son espace de noms, à la façon d'ebRIM 2.1.",
            "Écrire urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember.",
            Weight.RECOMMENDED,
        )


def _check_values(ledger: Ledger, described: Described, table: tuple[Attribute, ...]) -> None:
    for attribute in table:
        for value in described.values(attribute):
            place = f"{described.id} {attribute.name}"
            if attribute.name in _DATES and (not _DTM.fullmatch(value) or parse_dtm(value) is None):
                ledger.fault(
                    "META-DATES",
                    place,
                    f"La valeur {quote(value)} n'est pas une date DTM.",
                    "Écrire AAAAMMJJhhmmss en UTC, sans décalage horaire.",
                )
            if attribute.name in _OIDS and not is_oid(oid := value.partition("^")[0]):
                ledger.fault(
                    "META-OID",
                    place,
                    f"La valeur {quote(value)} n'est pas un OID : {oid_fault(oid)}.",
                    "Écrire des nombres sans zéro devant, séparés par des points, 64 caractères au plus ; le premier "
                    "est 0, 1 ou 2.",
                )
            if "&amp;" in value:
                ledger.fault(
                    "META-ECHAPPEMENT",
                    place,
                    "Le caractère & est échappé deux fois (&amp;amp;).",
                    "Écrire la valeur, puis l'échapper une seule fois (&amp;).",
                )


def _check_hash(ledger: Ledger, described: Described) -> None:
    for value in described.values(_BY_NAME["hash"]):
        if not _ANY_HEX.fullmatch(value):
            ledger.fault(
                "META-HASH",
                f"{described.id} hash",
                f"La valeur {quote(value)} n'est pas une empreinte SHA-1 en hexadécimal.",
                "Écrire les 40 chiffres hexadécimaux du SHA-1.",
                Weight.MANDATORY,
            )
        elif not _LOWER_HEX.fullmatch(value):
            ledger.fault(
                "META-HASH",
                f"{described.id} hash",
                "L'empreinte est en majuscules.",
                "L'écrire en minuscules.",
            )


def _check_codes(ledger: Ledger, described: Described) -> None:
    types = _coded(described, "typeCode")
    for coded in types:
        if codes.document_type(coded.code) is None:
            _unknown(ledger, described, "typeCode", coded, "JDV_J66")
        else:
            _check_system(ledger, described, "typeCode", coded, codes.type_system(coded.code))
    for coded in _coded(described, "classCode"):
        _check_class(ledger, described, coded, types)
    for coded in _coded(described, "formatCode"):
        if codes.format_label(coded.code) == coded.code:
            _unknown(ledger, described, "formatCode", coded, "JDV_J60")
        else:
            _check_system(ledger, described, "formatCode", coded, codes.format_system(coded.code))
    for coded in _coded(described, "confidentialityCode"):
        if coded.code in ("N", "R", "V"):
            _check_system(ledger, described, "confidentialityCode", coded, codes.CONFIDENTIALITY_SYSTEM)
        elif coded.code in VISIBILITIES:
            _check_system(ledger, described, "confidentialityCode", coded, codes.VISIBILITY_SYSTEM)
        else:
            _unknown(ledger, described, "confidentialityCode", coded, "JDV_J58")
    _check_code(ledger, described, _BY_NAME["healthcareFacilityTypeCode"], _FACILITY_SYSTEM)
    _check_code(ledger, described, _BY_NAME["practiceSettingCode"], _PRACTICE_SYSTEM)


def _check_class(ledger: Ledger, described: Described, coded: Coded, types: tuple[Coded, ...]) -> None:
    if codes.class_label(coded.code) == coded.code:
        _unknown(ledger, described, "classCode", coded, "JDV_J57")
        return
    _check_system(ledger, described, "classCode", coded, codes.CLASS_SYSTEM)
    kind = codes.document_type(types[0].code) if types else None
    if kind is not None and kind.class_code not in (None, coded.code):
        ledger.fault(
            "META-CODES",
            f"{described.id} classCode",
            f"La classe {quote(coded.code)} n'est pas celle du type {quote(kind.code)}.",
            f"Utiliser la classe {kind.class_code}.",
        )


def _check_code(ledger: Ledger, described: Described, attribute: Attribute, system: str) -> None:
    for coded in described.classifications.get(attribute.key, ()):
        _check_system(ledger, described, attribute.name, coded, system)


def _coded(described: Described, name: str) -> tuple[Coded, ...]:
    found = described.classifications.get(_BY_NAME[name].key, ())
    return tuple(coded for coded in found if coded.code)


def _unknown(ledger: Ledger, described: Described, name: str, coded: Coded, value_set: str) -> None:
    ledger.fault(
        "META-CODES",
        f"{described.id} {name}",
        f"Le code {quote(coded.code)} n'est pas dans {value_set}.",
        f"Choisir un code de {value_set}.",
    )


def _check_system(ledger: Ledger, described: Described, name: str, coded: Coded, system: str) -> None:
    if coded.system != system:
        ledger.fault(
            "META-CODES",
            f"{described.id} {name} codingScheme",
            f"Le système de codage est {quote(coded.system)}.",
            f"Valeur attendue : {system}.",
        )


def identities(place: str, description: Description) -> list[Identity]:
    """The patient as the submission set and each document name it."""
    return [
        *(_identity(place, each, _SET_BY_NAME["patientId"]) for each in description.submission_sets),
        *(_identity(place, each, _BY_NAME["patientId"]) for each in description.documents),
    ]


def _identity(place: str, described: Described, attribute: Attribute) -> Identity:
    cx = described.cx(attribute)
    info = dict(value.split("|", 1) for value in described.slots.get("sourcePatientInfo", ()) if "|" in value)
    name = info.get("PID-5", "").split("^")
    return Identity(
        f"{place} {described.id}",
        "" if cx is None else cx.value.upper(),
        "" if cx is None else cx.oid,
        tuple(filter(None, (name[0].strip(),))),
        tuple(filter(None, (part.strip() for part in name[1:2]))),
        parse_birth_date(info.get("PID-7")) or "",
        info.get("PID-8", "").strip(),
    )


# ref: ECO.2.1.2
def _check_patient_ids(ledger: Ledger, description: Description) -> None:
    """Each patientId of the French profile is a matricule INS under an OID of the INS."""
    for described, attribute in (
        *((each, _SET_BY_NAME["patientId"]) for each in description.submission_sets),
        *((each, _BY_NAME["patientId"]) for each in description.documents),
    ):
        cx = described.cx(attribute)
        if cx is None:
            continue
        if cx.oid not in INS_OIDS:
            ledger.fault(
                "META-OID",
                f"{described.id} patientId",
                f"L'autorité {quote(cx.oid)} n'est pas celle d'un matricule INS.",
                "Écrire <INS>^^^&1.2.250.1.213.1.4.8&ISO^NH (.9 pour un NIA, .10 ou .11 en test).",
            )


# ref: DMP-F8
def check_against_cda(ledger: Ledger, described: Described, element: etree._Element) -> None:
    """What METADATA.XML repeats from the header of the CDA ``element``."""
    ledger.open("META-CDA", "Les métadonnées reprennent l'entête du CDA.")
    _repeats(ledger, described, "uniqueId", _own_id(element), "id", same=identifier_key)
    code = element.find(f"{_Q}code")
    _repeats(ledger, described, "typeCode", "" if code is None else code.get("code", ""), "code/@code")
    title = element.find(f"{_Q}title")
    written = "" if title is None else " ".join("".join(title.itertext()).split())
    _repeats(ledger, described, "title", written, "title", weight=Weight.RECOMMENDED)
    language = element.find(f"{_Q}languageCode")
    spoken = "" if language is None else language.get("code", "")
    _repeats(ledger, described, "languageCode", spoken, "languageCode/@code")
    _check_level(ledger, described, element)
    when = element.find(f"{_Q}effectiveTime")
    _check_instant(ledger, described, "creationTime", when, "effectiveTime")
    lows = element.findall(f"{_Q}documentationOf/{_Q}serviceEvent/{_Q}effectiveTime/{_Q}low")[:50]
    if len(lows) == 1:
        _check_instant(ledger, described, "serviceStartTime", lows[0], "serviceEvent/effectiveTime/low")


def _own_id(element: etree._Element) -> str:
    found = element.find(f"{_Q}id")
    root = "" if found is None else found.get("root", "")
    extension = "" if found is None else found.get("extension", "")
    return f"{root}^{extension}" if extension else root


def _plain(text: str) -> str:
    return " ".join(text.split())


def _repeats(
    ledger: Ledger,
    described: Described,
    name: str,
    in_cda: str,
    path: str,
    *,
    same: Callable[[str], str] = _plain,
    weight: Weight | None = None,
) -> None:
    for value in described.values(_BY_NAME[name])[:1]:
        if in_cda and same(value) != same(in_cda):
            ledger.fault(
                "META-CDA",
                f"{described.id} {name}",
                f"La valeur est {quote(value)}, mais {quote(in_cda)} dans /ClinicalDocument/{path}.",
                "Reprendre la valeur du document CDA.",
                weight,
            )


def _check_level(ledger: Ledger, described: Described, element: etree._Element) -> None:
    found = element.find(f"{_Q}confidentialityCode")
    level = "" if found is None else found.get("code", "")
    told = {coded.code for coded in _coded(described, "confidentialityCode")}
    if level and told and level not in told:
        ledger.fault(
            "META-CDA",
            f"{described.id} confidentialityCode",
            f"Le niveau {quote(level)} du CDA n'y est pas.",
            "Reprendre le confidentialityCode du document CDA.",
        )


def _check_instant(
    ledger: Ledger, described: Described, name: str, element: etree._Element | None, path: str
) -> None:
    """The UTC of the metadata against the local time of the CDA, as exactly as both say it."""
    local = "" if element is None else element.get("value", "")
    written = next(iter(described.values(_BY_NAME[name])), "")
    there, here = parse_cda_time(local), parse_dtm(written)
    if there is None or here is None or not _WITH_OFFSET.fullmatch(local) or len(written) < 12:
        return
    exact = 1000 if len(written) >= 14 and len(local) >= 19 else 60_000
    if there // exact == here // exact:
        return
    if local.startswith(written[:12]):
        says = f"La valeur {quote(written)} est l'heure locale du CDA, pas l'heure UTC."
        ledger.fault("META-DATES", f"{described.id} {name}", says, "Convertir l'heure en UTC.")
    else:
        says = f"La valeur est {quote(written)} (UTC), mais {quote(local)} dans /ClinicalDocument/{path}."
        ledger.fault("META-CDA", f"{described.id} {name}", says, "Reprendre la date du document CDA, en UTC.")
