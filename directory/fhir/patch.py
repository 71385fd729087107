"""Reads a FHIR Patch of mailboxes: Parameters with operations whose paths have one of few shapes. Knows no data.

Source: FHIR R4 §3.1.0.11 FHIRPath Patch; openapi-balmss.yaml; the guide's spec-technique-flux-alimentation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from directory.bals import BalType
from directory.fhir import systems
from foundation.fhir.outcome import Refused
from foundation.identifiers import Address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from directory.fhir.systems import ResourceType

MOST_OPERATIONS = 100
LONGEST_PATH = 1000
LONGEST_TEXT = 255
LARGEST_RANK = 1000
_ADDRESS = re.compile(r"[^@\s]{1,64}@(?:[^@\s]{1,242}\.mssante\.fr|interop-mssante\.apicrypt\.org)")


class Attribute(StrEnum):
    """What of a mailbox can be changed by itself; the value is its name in the extension, but for `rank`."""

    RANK = "rank"
    RED_LIST = "listeRouge"
    DESCRIPTION = "description"
    SERVICE = "service"
    RESPONSIBLE = "responsible"
    PHONE = "phone"
    DIGITAL = "digitization"


Value = str | int | bool | None

_ELEMENT = MappingProxyType(
    {
        Attribute.RANK: "valueInteger",
        Attribute.RED_LIST: "valueBoolean",
        Attribute.DIGITAL: "valueBoolean",
        Attribute.DESCRIPTION: "valueString",
        Attribute.SERVICE: "valueString",
        Attribute.RESPONSIBLE: "valueString",
        Attribute.PHONE: "valueString",
    }
)


@dataclass(frozen=True, slots=True)
class Point:
    """A mailbox as a ContactPoint says it; an attribute that is not said is not in `said`."""

    address: str
    type: BalType | None
    said: Mapping[Attribute, Value] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Insert:
    """A new mailbox, to stand at `index` of the list."""

    point: Point
    index: int

    @property
    def address(self) -> str:
        return self.point.address


@dataclass(frozen=True, slots=True)
class Replace:
    """The whole ContactPoint of an address."""

    address: str
    point: Point


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute of the mailbox of an address; None takes it away."""

    address: str
    attribute: Attribute
    value: Value = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delete:
    """The mailbox of an address, if it is there."""

    address: str


Operation = Insert | Replace | Change | Delete


def operations_of(body: Mapping[str, Any], kind: ResourceType) -> list[Operation]:
    """The operations in their order; raises Refused (400 what is malformed, 422 what no rule allows)."""
    if body.get("resourceType") != "Parameters":
        _malformed("Le corps est une ressource Parameters.")
    parameters = body.get("parameter")
    if not isinstance(parameters, list) or not parameters:
        _malformed("La ressource Parameters contient au moins une opération.")
    if len(parameters) > MOST_OPERATIONS:
        raise Refused(400, "too-costly", f"Une requête a au plus {MOST_OPERATIONS} opérations.")
    return [_operation(parameter, kind, place) for place, parameter in enumerate(parameters)]


def _operation(parameter: Any, kind: ResourceType, place: int) -> Operation:
    where = f"Parameters.parameter[{place}]"
    if not isinstance(parameter, dict) or parameter.get("name") != "operation":
        _malformed("Chaque paramètre est une opération.", where)
    parts = _parts(parameter.get("part"), where)
    path = _path(_string(parts.get("path"), "valueString", where), kind, where)
    match _string(parts.get("type"), "valueCode", where):
        case "insert":
            if path.address is not None:
                _malformed("Une insertion désigne la liste telecom.", where)
            index = parts.get("index", {}).get("valueInteger")
            if not isinstance(index, int) or isinstance(index, bool) or index < 0:
                _malformed("Une insertion a un index, entier à partir de 0.", where)
            return Insert(_value_point(parts, where), index)
        case "replace":
            if path.address is None:
                _malformed("Un remplacement désigne une BAL par son adresse.", where)
            if path.attribute is None:
                return Replace(path.address, _value_point(parts, where))
            element = _ELEMENT[path.attribute]
            value = _checked(path.attribute, parts.get("value", {}).get(element), where)
            return Change(path.address, path.attribute, value)
        case "delete":
            if path.address is None:
                _malformed("Une suppression désigne une BAL par son adresse.", where)
            if path.attribute is not None:
                return Change(path.address, path.attribute, None)
            return Delete(path.address)
        case _:
            raise Refused(
                400, "not-supported", "Une opération est insert, replace ou delete.", expression=where
            )


def _parts(parts: Any, where: str) -> dict[str, dict[str, Any]]:
    if not isinstance(parts, list):
        _malformed("Une opération est faite de parties.", where)
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        name = part.get("name") if isinstance(part, dict) else None
        if name not in ("type", "path", "index", "value", "name") or name in found:
            _malformed("Une partie est inconnue ou écrite deux fois.", where)
        found[name] = part
    return found


def _string(part: Mapping[str, Any] | None, element: str, where: str) -> str:
    value = part.get(element) if part is not None else None
    if not isinstance(value, str):
        _malformed("Une opération a un type (valueCode) et un chemin (valueString).", where)
    return value


# The ContactPoint


def _value_point(parts: Mapping[str, Mapping[str, Any]], where: str) -> Point:
    found = parts.get("value", {}).get("valueContactPoint")
    if not isinstance(found, dict):
        _malformed("La valeur est un ContactPoint.", where)
    if found.keys() - {"id", "system", "value", "use", "rank", "extension"}:
        _malformed("Le ContactPoint a un élément qui n'est pas attendu.", where)
    if found.get("system") != "email":
        raise Refused(422, "business-rule", "Une BAL est un ContactPoint de système email.", expression=where)
    said: dict[Attribute, Value] = {}
    if "rank" in found:
        said[Attribute.RANK] = _checked(Attribute.RANK, found["rank"], where)
    kind = None
    for extension in _extensions(found, where):
        if extension["url"] == systems.EMAIL_TYPE:
            if _code(extension, where) != "MSSANTE":
                raise Refused(422, "business-rule", "La messagerie est de type MSSANTE.", expression=where)
        elif extension["url"] == systems.MAILBOX:
            kind, attributes = _metadata(extension, where)
            said |= attributes
        else:
            _malformed("Le ContactPoint a une extension qui n'est pas attendue.", where)
    return Point(_address(found.get("value"), where), kind, said)


def _metadata(extension: Mapping[str, Any], where: str) -> tuple[BalType | None, dict[Attribute, Value]]:
    kind: BalType | None = None
    said: dict[Attribute, Value] = {}
    for each in _extensions(extension, where):
        name = each["url"]
        if name == "type":
            code = _code(each, where)
            if code not in set(BalType):
                raise Refused(
                    422, "code-invalid", "Le type de BAL est PER, ORG, APP ou CAB.", expression=where
                )
            kind = BalType(code)
            continue
        if name not in set(Attribute) - {Attribute.RANK} or Attribute(name) in said:
            _malformed("Une donnée de la BAL est inconnue ou écrite deux fois.", where)
        attribute = Attribute(name)
        said[attribute] = _checked(attribute, each.get(_ELEMENT[attribute]), where)
    return kind, said


def _extensions(holder: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    found = holder.get("extension", [])
    if not isinstance(found, list) or len(found) > 20:
        _malformed("Les extensions sont une liste courte.", where)
    for each in found:
        if not isinstance(each, dict) or not isinstance(each.get("url"), str):
            _malformed("Une extension a une adresse (url).", where)
        yield each


def _code(extension: Mapping[str, Any], where: str) -> str:
    """The code of an extension, in each of the three forms that are in use."""
    if isinstance(extension.get("valueCode"), str):
        return str(extension["valueCode"])
    coding = extension.get("valueCoding")
    concept = extension.get("valueCodeableConcept")
    if isinstance(concept, dict):
        codings = concept.get("coding")
        coding = codings[0] if isinstance(codings, list) and codings else None
    code = coding.get("code") if isinstance(coding, dict) else None
    if not isinstance(code, str):
        _malformed("Un code est attendu : valueCodeableConcept, valueCoding ou valueCode.", where)
    return code


def _checked(attribute: Attribute, value: Any, where: str) -> Value:
    """A value of the type its attribute has, bounded."""
    match attribute:
        case Attribute.RED_LIST | Attribute.DIGITAL:
            if isinstance(value, bool):
                return value
        case Attribute.RANK:
            if isinstance(value, int) and not isinstance(value, bool):
                if 1 <= value <= LARGEST_RANK:
                    return value
                raise Refused(422, "value", f"Un rang va de 1 à {LARGEST_RANK}.", expression=where)
        case _:
            if isinstance(value, str):
                text = value.strip()
                if text and len(text) <= LONGEST_TEXT and text.isprintable():
                    return text
                raise Refused(
                    422,
                    "value",
                    f"Un texte a de 1 à {LONGEST_TEXT} caractères imprimables.",
                    expression=where,
                )
    raise Refused(
        400,
        "structure",
        f"La valeur n'est pas du type attendu ({_ELEMENT[attribute]}).",
        expression=where,
    )


def _address(text: Any, where: str) -> str:
    """An address of the espace de confiance in lower case (openapi-balmss, MailboxMssAddress)."""
    if isinstance(text, str) and _ADDRESS.fullmatch(text.lower()):
        parsed = Address.parse(text)
        if parsed is not None and str(parsed) == text.lower():
            return str(parsed)
    raise Refused(422, "value", "L'adresse n'est pas une adresse MSSanté.", expression=where)


# The paths


@dataclass(frozen=True, slots=True)
class _Path:
    """`T.telecom`, of it the one at `address`, of that one attribute."""

    address: str | None = None
    attribute: Attribute | None = None


_WORD = re.compile(
    r"\s*(?:(?P<name>[A-Za-z][A-Za-z0-9]*)|'(?P<text>(?:[^'\\]|\\['\\])*)'|(?P<mark>[.()=]))\s*"
)


def _path(text: str, kind: ResourceType, where: str) -> _Path:
    """Reads one of the shapes; raises Refused for every other expression, however right it may be."""
    words = _Words(text, where)
    words.expect(kind.value, ".", "telecom")
    if words.ended:
        return _Path()
    words.expect(".", "where", "(")
    address = words.condition("value")
    words.expect(")")
    if words.ended:
        return _Path(_address(address, where))
    words.expect(".")
    name = words.name()
    if name != "extension":
        words.expect_end()
        if name == "rank":
            return _Path(_address(address, where), Attribute.RANK)
        if name in ("value", "system"):
            _immutable(where)
        words.refuse()
    if words.extension() != systems.MAILBOX:
        words.refuse()
    words.expect(".", "extension")
    attribute = words.extension()
    if not words.ended:
        words.expect(".")
        if words.name() not in _VALUES:
            words.refuse()
        words.expect_end()
    if attribute == "type":
        _immutable(where)
    if attribute not in set(Attribute) - {Attribute.RANK}:
        words.refuse()
    return _Path(_address(address, where), Attribute(attribute))


_VALUES = frozenset({"value", "valueBoolean", "valueString"})


class _Words:
    """The words of an expression, one after the other."""

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        self._words: list[tuple[str, str]] = []
        self._place = 0
        if len(text) > LONGEST_PATH:
            self.refuse()
        at = 0
        while at < len(text):
            found = _WORD.match(text, at)
            if found is None or found.lastgroup is None:
                self.refuse()
            self._words.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()

    @property
    def ended(self) -> bool:
        return self._place == len(self._words)

    def refuse(self) -> NoReturn:
        raise Refused(
            400,
            "not-supported",
            "Ce chemin n'est pas de ceux qui sont servis : telecom, telecom.where(value = '…'), et d'elle rank ou une donnée de la BAL.",
            expression=self._where,
        )

    def _next(self, group: str) -> str:
        if self.ended or self._words[self._place][0] != group:
            self.refuse()
        self._place += 1
        return self._words[self._place - 1][1]

    def name(self) -> str:
        return self._next("name")

    def text(self) -> str:
        return self._next("text").replace("\\'", "'").replace("\\\\", "\\")

    def expect(self, *words: str) -> None:
        for word in words:
            if self._next("name" if word.isalpha() else "mark") != word:
                self.refuse()

    def expect_end(self) -> None:
        if not self.ended:
            self.refuse()

    def condition(self, name: str) -> str:
        """`name = 'text'`, also beside `system = 'email'`."""
        found: dict[str, str] = {}
        while True:
            key = self.name()
            self.expect("=")
            found[key] = self.text()
            if self._words[self._place : self._place + 1] != [("name", "and")]:
                break
            self._place += 1
        if found.pop("system", "email") != "email" or list(found) != [name]:
            self.refuse()
        return found[name]

    def extension(self) -> str:
        """`('url')`, or `.where(url = 'url')`, behind the word extension."""
        if self._words[self._place : self._place + 1] == [("mark", "(")]:
            self.expect("(")
            url = self.text()
        else:
            self.expect(".", "where", "(")
            url = self.condition("url")
        self.expect(")")
        return url


def _immutable(where: str) -> NoReturn:
    raise Refused(
        422, "business-rule", "L'adresse et le type d'une BAL ne changent jamais.", expression=where
    )


def _malformed(text: str, where: str | None = None) -> NoReturn:
    raise Refused(400, "structure", text, expression=where)
