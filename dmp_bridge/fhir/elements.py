"""Reads the elements of a FHIR resource that somebody sent: typed, bounded, each refusal with its place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from dmp_bridge.codes import Coded
from dmp_bridge.entry import Identifier
from dmp_bridge.fhir import systems
from foundation.fhir.outcome import Refused
from foundation.fhir.search import date_of

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TEXT = 1000
MOST_REPEATED = 100


class Element:
    """One object of a resource, and where it stands (a FHIRPath)."""

    __slots__ = ("_members", "where")

    def __init__(self, members: Mapping[str, Any], where: str) -> None:
        self._members = members
        self.where = where

    def has(self, name: str) -> bool:
        return name in self._members

    def text(self, name: str, most: int = LONGEST_TEXT) -> str:
        """A string, "" where it is not there; raises Refused (400)."""
        value = self._members.get(name, "")
        if not isinstance(value, str) or len(value) > most:
            self.refuse(name, f"Ce texte manque de forme, ou dépasse {most} caractères.")
        return value

    def number(self, name: str) -> int | None:
        """A count; raises Refused (400)."""
        value = self._members.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            self.refuse(name, "Ce nombre est un entier positif.")
        return value

    def flag(self, name: str) -> bool:
        """A boolean, False where it is not there; raises Refused (400)."""
        value = self._members.get(name, False)
        if not isinstance(value, bool):
            self.refuse(name, "Cet élément vaut true ou false.")
        return value

    def texts(self, name: str) -> list[str]:
        """The strings of a list; raises Refused (400)."""
        value = self._members.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.refuse(name, "Cet élément est une liste de textes.")
        return [each[:LONGEST_TEXT] for each in value[:MOST_REPEATED]]

    def element(self, name: str) -> Element | None:
        """An object; raises Refused (400)."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.refuse(name, "Cet élément est un objet.")
        return Element(value, f"{self.where}.{name}")

    def elements(self, name: str) -> list[Element]:
        """The objects of a list; raises Refused (400)."""
        value = self._members.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.refuse(name, "Cet élément est une liste d'objets.")
        if len(value) > MOST_REPEATED:
            self.refuse(name, f"Cet élément se répète au plus {MOST_REPEATED} fois.")
        return [Element(each, f"{self.where}.{name}[{place}]") for place, each in enumerate(value)]

    def only(self, name: str) -> Element:
        """The one object of a list; raises Refused (400)."""
        found = self.elements(name)
        if len(found) != 1:
            self.refuse(name, "Cet élément se trouve une fois et une seule.")
        return found[0]

    def required(self, name: str) -> str:
        """A string that has to be there; raises Refused (400)."""
        value = self.text(name)
        if not value:
            raise Refused(
                400, "required", "Un élément obligatoire manque.", expression=f"{self.where}.{name}"
            )
        return value

    def moment(self, name: str) -> int | None:
        """A dateTime or instant, epoch milliseconds: its first one where it is not precise. Raises Refused (400)."""
        value = self.text(name, 40)
        if not value:
            return None
        return date_of(value, f"{self.where}.{name}").start if value[0].isdecimal() else self._no_date(name)

    def concept(self, name: str) -> Coded | None:
        """The first coding of a CodeableConcept."""
        found = self.element(name)
        return found.first_coding() if found is not None else None

    def concepts(self, name: str) -> list[Coded]:
        """The first coding of each CodeableConcept of a list."""
        found = (each.first_coding() for each in self.elements(name))
        return [each for each in found if each is not None]

    def first_coding(self) -> Coded | None:
        """The first coding of this CodeableConcept."""
        return next((each.coding() for each in self.elements("coding")), None)

    def coding(self) -> Coded:
        """This Coding, its system as an OID where it has one."""
        return Coded(self.required("code"), systems.oid_of(self.text("system")), self.text("display"))

    def identifier(self) -> Identifier:
        """This Identifier, its system as an OID where it has one."""
        return Identifier(self.required("value"), systems.oid_of(self.text("system")))

    def refuse(self, name: str, text: str) -> NoReturn:
        raise Refused(400, "structure", text, expression=f"{self.where}.{name}")

    def _no_date(self, name: str) -> NoReturn:
        self.refuse(name, "Une date n'est pas lisible.")


def resource(value: Any, kind: str, where: str = "") -> Element:
    """A resource of this type; raises Refused (400)."""
    if not isinstance(value, dict) or value.get("resourceType") != kind:
        raise Refused(400, "structure", f"Une ressource {kind} est attendue.", expression=where or kind)
    return Element(value, where or kind)


def ins_of(identifier: Identifier, where: str) -> str:
    """The matricule INS of an identifier; raises Refused (400)."""
    if not systems.is_ins_system(systems.url_of(identifier.oid)):
        raise Refused(
            400,
            "value",
            "Le patient est désigné par son INS : urn:oid:1.2.250.1.213.1.4.8|matricule.",
            expression=where,
        )
    return identifier.value


def day_of(millis: int) -> str:
    """The day of a moment in UTC, YYYY-MM-DD."""
    return datetime.fromtimestamp(millis / 1000, UTC).date().isoformat()
