"""Whose documents they are: the matricule INS, the traits, and that every place names the same patient."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dmp_bridge.cda_elements import NAMESPACE
from dmp_bridge.check.ledger import quote
from dmp_bridge.check.report import Weight
from dmp_bridge.codes import ErrorCode
from dmp_bridge.hl7_time import parse_birth_date
from foundation.identifiers import INS_OIDS, OID_DEMO, OID_TEST, Ins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lxml import etree

    from dmp_bridge.check.ledger import Ledger
    from dmp_bridge.check.report import Surroundings

_Q = f"{{{NAMESPACE}}}"
_MAX_NAMES = 20
_LIGATURES = {"œ": "oe", "æ": "ae"}
_RULE = "INS-ACCORD"
_MATRICULE = "matricule"
# Test identities have keys that are wrong on purpose in the official samples.
_TEST_OIDS = frozenset({OID_TEST, OID_DEMO})


@dataclass(frozen=True, slots=True)
class Identity:
    """What one place says of the patient; empty where it says nothing. ``birth_date`` is ``YYYY-MM-DD``."""

    place: str
    ins: str = field(default="", repr=False)
    oid: str = ""
    birth_names: tuple[str, ...] = field(default=(), repr=False)
    first_names: tuple[str, ...] = field(default=(), repr=False)
    birth_date: str = field(default="", repr=False)
    sex: str = ""


def fold(text: str) -> str:
    """A name without accents, case and punctuation: `D'ÉTÉ-Lune` and `d ete lune` are the same."""
    plain = unicodedata.normalize("NFKD", text.casefold()).casefold()
    letters = (
        _LIGATURES.get(character, character) if character.isalnum() else " "
        for character in plain
        if not unicodedata.combining(character)
    )
    return " ".join("".join(letters).split())


def identity_of(place: str, element: etree._Element) -> Identity:
    """The patient of a ClinicalDocument."""
    role = element.find(f"{_Q}recordTarget/{_Q}patientRole")
    if role is None:
        return Identity(place)
    ins = next((found for found in role.findall(f"{_Q}id")[:_MAX_NAMES] if _is_ins(found)), None)
    patient = role.find(f"{_Q}patient")
    if patient is None:
        families: tuple[str, ...] = ()
        givens: tuple[str, ...] = ()
        birth, sex = "", ""
    else:
        families = _texts(patient.findall(f"{_Q}name/{_Q}family"))
        givens = _texts(patient.findall(f"{_Q}name/{_Q}given"))
        birth = _value(patient.find(f"{_Q}birthTime"), "value")
        sex = _value(patient.find(f"{_Q}administrativeGenderCode"), "code")
    return Identity(
        place,
        _value(ins, "extension").upper(),
        _value(ins, "root"),
        families,
        givens,
        parse_birth_date(birth) or "",
        sex,
    )


def check_identity(ledger: Ledger, element: etree._Element, identity: Identity) -> None:
    """The INS and the traits of one CDA."""
    at = "/ClinicalDocument/recordTarget/patientRole"
    ledger.open("INS-CDA", f"Matricule INS de 15 caractères sous l'OID {identity.oid}.")
    if not identity.oid:
        ledger.fault(
            "INS-CDA",
            f"{at}/id",
            "Aucun identifiant sous un OID de l'INS (1.2.250.1.213.1.4.8, .9, ou .10 et .11 en test).",
            "Porter le matricule INS dans patientRole/id avec l'OID de son autorité d'affectation.",
        )
        return
    ins = Ins.parse(identity.ins)
    if ins is None or not identity.ins.isalnum():
        ledger.fault(
            "INS-CDA",
            f"{at}/id/@extension",
            f"{quote(identity.ins)} n'est pas un matricule de 15 caractères.",
            "Porter les 13 caractères du NIR ou du NIA suivis de la clé sur 2 chiffres.",
        )
    else:
        _check_key(ledger, at, ins, identity.oid)
    _check_traits(ledger, at, element)


def _check_key(ledger: Ledger, at: str, ins: Ins, oid: str) -> None:
    ledger.open("INS-CLE", "La clé du matricule est juste.")
    if not ins.key_is_right:
        test = oid in _TEST_OIDS
        ledger.fault(
            "INS-CLE",
            f"{at}/id/@extension",
            f"La clé du matricule {quote(ins.value)} est fausse" + (" (identité de test)." if test else "."),
            "Vérifier le matricule : clé = 97 − (13 premiers caractères modulo 97).",
            Weight.RECOMMENDED if test else None,
        )


def _check_traits(ledger: Ledger, at: str, element: etree._Element) -> None:
    ledger.open("INS-TRAITS", "Nom de naissance, premier prénom, date de naissance et sexe sont présents.")
    patient = element.find(f"{_Q}recordTarget/{_Q}patientRole/{_Q}patient")
    names = [] if patient is None else patient.findall(f"{_Q}name")[:1]
    families = [] if not names else names[0].findall(f"{_Q}family")[:_MAX_NAMES]
    givens = [] if not names else names[0].findall(f"{_Q}given")[:_MAX_NAMES]
    birth = None if patient is None else patient.find(f"{_Q}birthTime")
    sex = None if patient is None else patient.find(f"{_Q}administrativeGenderCode")
    missing = [
        (where, what)
        for present, where, what in (
            (_qualified(families, "BR"), "name/family[@qualifier='BR']", "le nom de naissance"),
            (_qualified(givens, "BR"), "name/given[@qualifier='BR']", "le premier prénom de naissance"),
            (parse_birth_date(_value(birth, "value")), "birthTime/@value", "la date de naissance"),
            (_value(sex, "code"), "administrativeGenderCode/@code", "le sexe"),
        )
        if not present
    ]
    for where, what in missing:
        ledger.fault(
            "INS-TRAITS",
            f"{at}/patient/{where}",
            f"Il manque {what}, trait obligatoire avec un matricule INS.",
            "Compléter les traits de l'identité qualifiée.",
        )


# ref: ECO.2.1.1
# ref: ECO.2.1.2
def check_agreement(ledger: Ledger, identities: Sequence[Identity], surroundings: Surroundings) -> None:
    """One fault for each place that names another patient than the places before it."""
    told = [*identities, *_recipients(surroundings)]
    subject = surroundings.subject if _is_xdm_subject(surroundings.subject) else None
    if len(told) < 2 and not (told and subject):
        return
    ledger.open(_RULE, "Tous les endroits désignent le même patient.")
    first: dict[str, tuple[str, tuple[str, ...]]] = {}
    for identity in told:
        differences = {}
        for what, values in _traits(identity):
            place, known = first.setdefault(what, (identity.place, values))
            if not _same(known, values):
                differences[what] = f"{what} {quote(values[0])} mais {quote(known[0])} dans {place}"
        if differences:
            says = f"Un autre patient y est désigné : {' ; '.join(differences.values())}."
            if _MATRICULE in differences:
                says += f" Le dossier d'un usager le refusera ({ErrorCode.OTHER_PATIENT.value})."
            ledger.fault(
                _RULE,
                identity.place,
                says,
                "Vérifier de quel patient il s'agit : toutes les pièces doivent désigner la même identité.",
            )
    if subject is not None:
        _compare_subject(ledger, first, subject)


def _traits(identity: Identity) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What can be compared, where it is known."""
    for what, values in (
        (_MATRICULE, (identity.ins,)),
        ("OID du matricule", (identity.oid,)),
        ("nom", identity.birth_names),
        ("prénom", identity.first_names),
        ("date de naissance", (identity.birth_date,)),
        ("sexe", (identity.sex if identity.sex in ("M", "F") else "",)),
    ):
        known = tuple(filter(None, values))
        if known:
            yield what, known


def _same(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two lists share a name; one that starts the other is the same: a first of several first names."""
    left, right = [f"{fold(name)} " for name in one], [f"{fold(name)} " for name in other]
    return any(a.startswith(b) or b.startswith(a) for a in left for b in right)


def _recipients(surroundings: Surroundings) -> list[Identity]:
    return [
        Identity("adresse du destinataire", ins=matricule.upper()) for matricule in surroundings.matricules
    ]


def _is_xdm_subject(subject: str | None) -> bool:
    return subject is not None and "xdm/1.0/ddm" in subject.lower()


def _compare_subject(ledger: Ledger, first: Mapping[str, tuple[str, tuple[str, ...]]], subject: str) -> None:
    words = f" {fold(subject)} "
    for what in ("nom", "prénom"):
        place, values = first.get(what, ("", ()))
        if values and not any(f" {fold(value)} " in words for value in _shortest(values)):
            ledger.fault(
                _RULE,
                "Subject",
                f"L'objet ne contient pas le {what} {quote(values[0])} de {place}.",
                "Écrire l'objet avec le nom et le prénom du patient du document.",
            )


def _shortest(values: Iterable[str]) -> list[str]:
    """The names, and the first word of each: a list of first names stands for its first one."""
    return [part for value in values for part in (value, value.split(" ")[0]) if fold(part)]


def _is_ins(element: etree._Element) -> bool:
    return element.get("root", "").strip() in INS_OIDS


def _value(element: etree._Element | None, name: str) -> str:
    return "" if element is None else element.get(name, "").strip()[:100]


def _texts(elements: Sequence[etree._Element]) -> tuple[str, ...]:
    """The names, those of birth first."""
    ordered = sorted(elements[:_MAX_NAMES], key=lambda each: each.get("qualifier") != "BR")
    return tuple(text for each in ordered if (text := (each.text or "").strip()[:100]))


def _qualified(elements: Sequence[etree._Element], qualifier: str) -> str:
    return next(
        (text for each in elements if each.get("qualifier") == qualifier for text in _texts([each])), ""
    )
