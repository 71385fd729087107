"""Distinguished names as the espace de confiance writes them, compared by their parsed attributes."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.x509.name import Name as X509Name
from cryptography.x509.name import NameAttribute, RelativeDistinguishedName
from cryptography.x509.oid import NameOID, ObjectIdentifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST_TEXT = 2048
MOST_ATTRIBUTES = 32

_OIDS: Mapping[str, ObjectIdentifier] = {
    "CN": NameOID.COMMON_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "C": NameOID.COUNTRY_NAME,
    "SN": NameOID.SURNAME,
    "GN": NameOID.GIVEN_NAME,
    "T": NameOID.TITLE,
    "STREET": NameOID.STREET_ADDRESS,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
    "E": NameOID.EMAIL_ADDRESS,
}
_TYPES: Mapping[str, str] = {oid.dotted_string: name for name, oid in _OIDS.items()}
_ALIASES: Mapping[str, str] = {
    "S": "ST",
    "EMAILADDRESS": "E",
    "SURNAME": "SN",
    "GIVENNAME": "GN",
    "TITLE": "T",
}
_UPPER_BOUNDS: Mapping[str, int] = {"CN": 64, "OU": 64, "O": 64, "ST": 128, "L": 128, "C": 2}  # RFC 5280 A.1


class NameMalformed(ValueError):
    """A text is not a distinguished name, or a name cannot be put into a certificate."""


@dataclass(frozen=True, slots=True)
class DistinguishedName:
    """A name such as ``CN=mx.demo.fr,OU=1990780017,O=CH DE DEMO,ST=Paris (75),C=FR``.

    `attributes` are pairs of type and value, most specific first, as the liste blanche writes them (the
    reverse of the order in a certificate). Two names are equal when their attributes are the same in the
    same order, whatever the case, the white space, the form of accents and apostrophes, and the double
    quotes: the list holds quotes both as part of an organisation's name and around it. Nothing else is
    folded: a letter that only looks like another one (full width, ligature) is another letter.
    """

    attributes: tuple[tuple[str, str], ...] = field(compare=False)
    _key: tuple[tuple[str, str], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_key", tuple((kind, _comparable(value)) for kind, value in self.attributes))

    @classmethod
    def of(cls, *, cn: str, ou: str = "", o: str = "", st: str = "", c: str = "FR") -> DistinguishedName:
        """The name of an operator's or organisation's certificate; empty attributes are left out."""
        pairs = (("CN", cn), ("OU", ou), ("O", o), ("ST", st), ("C", c))
        return cls(tuple((kind, value) for kind, value in pairs if value))

    @classmethod
    def parse(cls, text: str) -> DistinguishedName:
        """Reads a name written as in RFC 4514, or as the liste blanche writes it: spaces after commas, values
        in quotes, commas that nobody escaped.

        Raises NameMalformed when the text is no name, or longer than `LONGEST_TEXT` characters.
        """
        if len(text) > LONGEST_TEXT:
            raise NameMalformed(f"a distinguished name is longer than {LONGEST_TEXT} characters")
        pairs: list[tuple[str, str]] = []
        for kind, piece in _pieces(text):
            value = _unescaped(piece)
            if not value:
                raise NameMalformed(f"the attribute {kind} of a distinguished name is empty")
            pairs.append((kind, value))
        if not pairs:
            raise NameMalformed("a distinguished name has no attribute")
        if len(pairs) > MOST_ATTRIBUTES:
            raise NameMalformed(f"a distinguished name has more than {MOST_ATTRIBUTES} attributes")
        return cls(tuple(pairs))

    @classmethod
    def from_x509(cls, name: X509Name) -> DistinguishedName:
        """The name in a certificate, turned round to most specific first."""
        flat = [attribute for rdn in name.rdns for attribute in rdn]
        return cls(
            tuple(
                (_TYPES.get(attribute.oid.dotted_string, attribute.oid.dotted_string), _text(attribute.value))
                for attribute in reversed(flat)
            )
        )

    def to_x509(self) -> X509Name:
        """The name as a certificate holds it. Raises NameMalformed past the bounds of RFC 5280 appendix A.1."""
        rdns: list[RelativeDistinguishedName] = []
        for kind, value in reversed(self.attributes):
            oid = _OIDS.get(kind)
            if oid is None:
                raise NameMalformed(f"the attribute {kind} cannot be put into a certificate")
            bound = _UPPER_BOUNDS.get(kind)
            if bound is not None and len(value) > bound:
                raise NameMalformed(f"{kind} is longer than {bound} characters: {value[:80]}")
            if any(unicodedata.category(character) == "Cc" for character in value):
                raise NameMalformed(f"{kind} holds a control character")
            try:
                rdns.append(RelativeDistinguishedName([NameAttribute(oid, value)]))
            except ValueError as error:
                raise NameMalformed(f"{kind}={value} cannot be put into a certificate") from error
        return X509Name(rdns)

    def first(self, kind: str) -> str | None:
        """The value of the most specific attribute of a type ("CN", "O"…), None where there is none."""
        return next((value for name, value in self.attributes if name == kind), None)

    def has(self, attributes: DistinguishedName) -> bool:
        """Whether each attribute of the other name is one of this one's, wherever it stands."""
        return set(attributes._key) <= set(self._key)

    @property
    def canonical(self) -> tuple[tuple[str, str], ...]:
        """The attributes as they are compared: the same for equal names, to find one by."""
        return self._key

    @property
    def common_name(self) -> str | None:
        return self.first("CN")

    def __str__(self) -> str:
        return ",".join(f"{kind}={_escaped(value)}" for kind, value in self.attributes)


def _comparable(value: str) -> str:
    # NFC and lower(), because NFKC and casefold() also make ligatures and letters of full width equal to others.
    plain = unicodedata.normalize("NFC", value).lower().replace("’", "'").replace('"', "")
    return " ".join(plain.split())


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _pieces(text: str) -> Iterable[tuple[str, str]]:
    """Cuts at each comma that a known attribute type and "=" follow; another comma belongs to the value."""
    kind: str | None = None
    start = position = 0
    while position <= len(text):
        if kind is None:
            equals = text.find("=", position)
            kind = _known_type(text[position:equals]) if equals >= 0 else None
            if kind is None:
                raise NameMalformed(f"no attribute type at character {position + 1} of a distinguished name")
            start = position = equals + 1
        comma = _next_comma(text, position)
        if comma == len(text):
            yield kind, text[start:]
            return
        equals = text.find("=", comma, comma + 40)
        following = _known_type(text[comma + 1 : equals]) if equals >= 0 else None
        if following is None:
            position = comma + 1
            continue
        yield kind, text[start:comma]
        kind, start = following, equals + 1
        position = start


def _next_comma(text: str, position: int) -> int:
    while True:
        comma = text.find(",", position)
        if comma < 0:
            return len(text)
        before = comma
        while before > 0 and text[before - 1] == "\\":
            before -= 1
        if (comma - before) % 2 == 0:
            return comma
        position = comma + 1


def _known_type(text: str) -> str | None:
    name = text.strip().upper()
    name = _ALIASES.get(name, name)
    return name if name in _OIDS else None


def _unescaped(piece: str) -> str:
    """Takes off surrounding space and quotes and RFC 4514 §2.4 escapes; pairs of hex digits are UTF-8."""
    text = piece.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"' and '"' not in text[1:-1]:
        text = text[1:-1].strip()
    if "\\" not in text:
        return text
    out = bytearray()
    position = 0
    while position < len(text):
        character = text[position]
        if character != "\\" or position + 1 == len(text):
            out += character.encode("utf-8", "replace")
            position += 1
            continue
        pair = text[position + 1 : position + 3]
        if len(pair) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in pair):
            out.append(int(pair, 16))
            position += 3
        else:
            out += text[position + 1].encode("utf-8", "replace")
            position += 2
    return out.decode("utf-8", "replace")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,")
