"""The parameters of a stored query: Slots whose values are strings in quotes, numbers, and lists in parentheses
(IHE ITI TF-2 §3.18.4.1.2.3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmp_bridge.hl7_time import parse_dtm
from dmp_bridge.xds.registry_errors import ErrorCode, Failed
from dmp_bridge.xml import local_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lxml import etree

_MOST_SLOTS = 60
_MOST_VALUES = 1000
_LONGEST_NAME = 100
_LONGEST_VALUE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Code:
    """A code and its scheme, coded `code^^scheme`; "" for a scheme that is not told."""

    code: str
    scheme: str

    @classmethod
    def parse(cls, text: str) -> Code:
        code, _, scheme = text.partition("^^")
        return cls(code, scheme)

    def matches(self, code: str, scheme: str) -> bool:
        return self.code == code and self.scheme in ("", scheme)


class Parameters:
    """The Slots of a query by name; one name may stand several times, which means "and".

    What nobody asks for is not looked at: a registry ignores parameters that its query does not define (ebRS 3.0
    §6.3.2.1), whatever they hold. Where one is read that cannot be, Failed is raised.
    """

    def __init__(self, slots: Mapping[str, list[tuple[str, ...]]]) -> None:
        self._texts = slots
        self._values: dict[str, list[tuple[str, ...]]] = {}

    @classmethod
    def read(cls, query: etree._Element) -> Parameters:
        """Those of an AdhocQuery element. Raises Failed where they are too many."""
        slots: dict[str, list[tuple[str, ...]]] = {}
        elements = [child for child in query if local_name(child) == "Slot"]
        if len(elements) > _MOST_SLOTS:
            raise Failed(ErrorCode.REGISTRY, "La requête a trop de paramètres.")
        for slot in elements:
            name = slot.get("name", "")[:_LONGEST_NAME]
            texts = tuple(
                value.text or ""
                for values in slot
                if local_name(values) == "ValueList"
                for value in values
                if local_name(value) == "Value"
            )
            slots.setdefault(name, []).append(texts)
        return cls(slots)

    def has(self, name: str) -> bool:
        """Whether the parameter is there with a value."""
        return any(self._groups(name))

    def one(self, name: str) -> str:
        """The value of a parameter that has one at most, "" without it."""
        values = self.any_of(name)
        if len(values) > 1:
            raise Failed(ErrorCode.PARAMETER_NUMBER, f"Le paramètre {name} n'admet qu'une valeur.", name)
        return values[0] if values else ""

    def required(self, name: str) -> str:
        """The one value of a parameter that must be there."""
        self._require(name)
        return self.one(name)

    def any_of(self, name: str) -> tuple[str, ...]:
        """The values of a parameter that may have several, one of which is to be met."""
        groups = self._groups(name)
        if len(groups) > 1:
            raise Failed(ErrorCode.PARAMETER_NUMBER, f"Le paramètre {name} n'admet qu'un Slot.", name)
        return groups[0] if groups else ()

    def required_any_of(self, name: str) -> tuple[str, ...]:
        """The same, of a parameter that must be there."""
        self._require(name)
        return self.any_of(name)

    def all_of(self, name: str) -> tuple[tuple[str, ...], ...]:
        """The values of a parameter with "and" and "or": of each group, one is to be met."""
        return tuple(self._groups(name))

    def codes(self, name: str) -> tuple[Code, ...]:
        """The codes of a parameter, one of which is to be met."""
        return tuple(map(Code.parse, self.any_of(name)))

    def code_groups(self, name: str) -> tuple[tuple[Code, ...], ...]:
        """The codes of a parameter with "and" and "or"."""
        return tuple(tuple(map(Code.parse, group)) for group in self.all_of(name))

    def span(self, name: str) -> tuple[int | None, int | None]:
        """The two ends of a time, `name`From and `name`To, in epoch milliseconds: from and before."""
        return self._time(f"{name}From"), self._time(f"{name}To")

    def exactly_one_of(self, names: Sequence[str]) -> str:
        """The name of the one of these parameters that is there; both, or none, is an error (§3.18.4.1.2.3.7.5)."""
        there = [name for name in names if self.has(name)]
        if not there:
            raise Failed(ErrorCode.MISSING_PARAMETER, f"Il manque {' ou '.join(names)}.")
        if len(there) > 1:
            raise Failed(ErrorCode.PARAMETER_NUMBER, f"Un seul de {' et '.join(names)} est admis.")
        return there[0]

    def _groups(self, name: str) -> list[tuple[str, ...]]:
        """The values of each Slot of this name."""
        if name not in self._values:
            self._values[name] = [
                tuple(each for text in texts for each in parse_values(text, name))
                for texts in self._texts.get(name, ())
            ]
            if any(len(each) > _MOST_VALUES for each in self._values[name]):
                raise Failed(ErrorCode.REGISTRY, f"Le paramètre {name} a trop de valeurs.", name)
        return self._values[name]

    def _time(self, name: str) -> int | None:
        text = self.one(name)
        if not text:
            return None
        millis = parse_dtm(text)
        if millis is None:
            raise Failed(ErrorCode.REGISTRY, f"Le paramètre {name} n'est pas une date (DTM).", name)
        return millis

    def _require(self, name: str) -> None:
        if not self.has(name):
            raise Failed(ErrorCode.MISSING_PARAMETER, f"Le paramètre {name} manque.", name)


def parse_values(text: str, name: str) -> list[str]:
    """The values of one Value element: `'text'`, `123`, `('a','b')`; a quote in a text is doubled.

    Raises Failed for anything else.
    """
    stripped = text.strip()
    if len(stripped) > _LONGEST_VALUE:
        raise _malformed(name)
    is_list = stripped.startswith("(") and stripped.endswith(")")
    values = list(_values(stripped[1:-1] if is_list else stripped, name))
    if not values or (len(values) > 1 and not is_list):
        raise _malformed(name)
    return values


def _values(text: str, name: str) -> Iterable[str]:
    position = 0
    while True:
        position = _past_space(text, position)
        if text.startswith("'", position):
            value, position = _quoted(text, position + 1, name)
        else:
            end = position
            while end < len(text) and text[end].isascii() and text[end].isdigit():
                end += 1
            value, position = text[position:end], end
            if not value:
                raise _malformed(name)
        yield value
        position = _past_space(text, position)
        if position == len(text):
            return
        if text[position] != ",":
            raise _malformed(name)
        position += 1


def _quoted(text: str, start: int, name: str) -> tuple[str, int]:
    """The text up to its closing quote, and the place behind that."""
    pieces = []
    while True:
        end = text.find("'", start)
        if end < 0:
            raise _malformed(name)
        pieces.append(text[start:end])
        if not text.startswith("''", end):
            return "".join(pieces), end + 1
        pieces.append("'")
        start = end + 2


def _past_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _malformed(name: str) -> Failed:
    return Failed(ErrorCode.REGISTRY, f"La valeur du paramètre {name} n'est pas lisible.", name)
