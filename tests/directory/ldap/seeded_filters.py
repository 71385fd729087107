"""Filters drawn from a seed and from the values of a directory: what any two LDAP servers must answer alike."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from directory.ldap.entries import values_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from directory.annuaire.model import Mailbox

_WORD = re.compile(r"[A-Za-z0-9]+")
# Not displayName, of which slapd knows one value, and not what only we compare as it is written.
_TEXTS = (
    "cn",
    "sn",
    "givenName",
    "mail",
    "title",
    "ou",
    "o",
    "l",
    "postalCode",
    "employeeNumber",
    "description",
)
_OWN = ("TypeBAL", "IdentifiantPP", "TypeIdentifiantPP", "profession", "IdentifiantPM")
_ALIASES = {
    "cn": "commonName",
    "sn": "surname",
    "mail": "rfc822Mailbox",
    "ou": "2.5.4.11",
    "l": "localityName",
}
_UNDEFINED = ("(shoeSize=43)", "(sn>=m)", "(cn<=b)", "(IdentifiantPM=*9*)", "(objectClass=unheardOf)")
_CLASSES = ("top", "person", "inetOrgPerson", "organizationalRole", "balMSSante", "organization", "dcObject")


def escaped(value: str) -> str:
    """RFC 4515 §3"""
    return "".join(f"\\{ord(each):02x}" if each in "*()\\\0" else each for each in value)


class Drawing:
    """Draws filters whose values mostly occur."""

    def __init__(self, boxes: Sequence[Mailbox], seed: int) -> None:
        self._chance = random.Random(seed)
        self._values: dict[str, list[str]] = {}
        for box in boxes:
            for name, values in values_of(box).items():
                self._values.setdefault(name, []).extend(values)

    def filters(self, count: int) -> list[str]:
        return [self._filter(self._chance.choice((0, 1, 1, 2, 3))) for _ in range(count)]

    def _filter(self, depth: int) -> str:
        chance = self._chance
        if not depth:
            return self._item()
        kind = chance.choice("&&||!")
        if kind == "!":
            return f"(!{self._filter(depth - 1)})"
        return f"({kind}{''.join(self._filter(depth - 1) for _ in range(chance.randint(1, 3)))})"

    def _item(self) -> str:
        chance = self._chance
        kind = chance.random()
        if kind < 0.08:
            return chance.choice(_UNDEFINED)
        if kind < 0.14:
            return f"(objectClass={chance.choice(_CLASSES)})"
        attribute = chance.choice(_TEXTS + _OWN)
        name = _ALIASES.get(attribute, attribute) if chance.random() < 0.3 else attribute
        name = chance.choice((name, name.lower(), name.upper()))
        if kind < 0.24:
            return f"({name}=*)"
        value = chance.choice(self._values[attribute])
        if kind < 0.34 and attribute in _OWN and attribute != "IdentifiantPM":
            return f"({name}{chance.choice(('>=', '<='))}{escaped(value)})"
        if kind < 0.55 or attribute == "IdentifiantPM":
            return f"({name}={escaped(chance.choice((value, value.upper(), value.lower(), value + 'x')))})"
        return f"({name}={self._substrings(value)})"

    def _substrings(self, value: str) -> str:
        """Pieces of a value in their order, some of them wrong; cut within words, where servers agree."""
        chance = self._chance
        words = [word for word in _WORD.findall(value) if word]
        word = chance.choice(words)
        start = chance.randrange(len(word))
        piece = word[start : start + chance.randint(1, 5)]
        match chance.randrange(6):
            case 0:
                return f"{escaped(words[0][: chance.randint(1, 4)])}*"
            case 1:
                return f"*{escaped(words[-1][-chance.randint(1, 4) :])}"
            case 2:
                return f"{escaped(words[0][:2])}*{escaped(words[-1][-1:])}"
            case 3 if len(words) > 1:
                return f"*{escaped(words[0][-2:])}*{escaped(words[-1][:2])}*"
            case 4:
                return f"*{escaped(piece)}q*"
            case _:
                return f"*{escaped(piece.upper())}*"
