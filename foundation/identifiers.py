"""Identifiers of French health and of mail: INS, RPPS, FINESS, SIRET and addresses, parsed and checked.

Test identities break every rule on purpose, so a check is a fact that is told (`key_is_right`), never a reason
to refuse what comes from outside; only what we create ourselves is strict.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Self

import idna

OID_NIR = "1.2.250.1.213.1.4.8"
OID_NIA = "1.2.250.1.213.1.4.9"
OID_TEST = "1.2.250.1.213.1.4.10"
OID_DEMO = "1.2.250.1.213.1.4.11"
INS_OIDS = frozenset({OID_NIR, OID_NIA, OID_TEST, OID_DEMO})

_INS = re.compile(r"[0-9A-Z]{15}")
_LOCAL = re.compile(r"[^\s\x00-\x20\x7f\"(),:;<>@\[\\\]]{1,64}")
_BIDI_AND_FORMAT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Ins:
    """A matricule INS: 13 characters of NIR or NIA and a key of two digits (ECO.3.1.5)."""

    value: str
    oid: str | None = None

    @classmethod
    def parse(cls, text: str, *, oid: str | None = None) -> Self | None:
        """The INS of 15 letters and digits, in upper case; None for anything else. The key is not judged."""
        value = text.strip().upper()
        return cls(value, oid) if _INS.fullmatch(value) else None

    # ref: ECO.3.1.5
    @property
    def key_is_right(self) -> bool:
        """Whether the last two digits are 97 − (N mod 97), Corsica's 2A and 2B counting as 19 and 18."""
        number = self.value[:13].replace("2A", "19").replace("2B", "18")
        key = self.value[13:]
        return number.isdecimal() and key.isdecimal() and int(key) == 97 - int(number) % 97

    def __repr__(self) -> str:
        return "Ins(...)"


def ins_key(number: str) -> str:
    """The two digits that complete 13 characters of NIR or NIA."""
    return f"{97 - int(number.replace('2A', '19').replace('2B', '18')) % 97:02d}"


# ref: F28
def patient_address_ins(address: str, patient_domain: str) -> str | None:
    """The 15 characters of `<INS>@patient.mssante.fr` in upper case; None when it is no patient's address."""
    local, _, domain = address.rpartition("@")
    if domain.lower() != patient_domain.lower():
        return None
    ins = Ins.parse(local)
    return ins.value if ins is not None else None


def luhn_is_right(digits: str) -> bool:
    """Whether a number passes the Luhn check that RPPS, ADELI, FINESS, SIREN and SIRET share."""
    if not digits.isascii() or not digits.isdecimal():
        return False
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit)
        if position % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def luhn_digit(digits: str) -> str:
    """The digit that makes `digits` pass the Luhn check when put behind it."""
    return next(digit for digit in "0123456789" if luhn_is_right(digits + digit))


@dataclass(frozen=True, slots=True)
class Rpps:
    """A professional's number in the Répertoire partagé: 11 digits."""

    value: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        value = text.strip()
        return cls(value) if len(value) == 11 and value.isascii() and value.isdecimal() else None

    @property
    def checked(self) -> bool:
        """Whether the key is right; it is not in many official test identities."""
        return luhn_is_right(self.value)

    @property
    def idnat(self) -> str:
        """The national identifier: prefix 8 (TRE_G08) and the number."""
        return "8" + self.value


@dataclass(frozen=True, slots=True)
class Finess:
    """A structure's number in the FINESS register: 9 characters; Corsican ones hold a letter."""

    value: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        value = text.strip().upper()
        return cls(value) if re.fullmatch(r"[0-9][0-9AB][0-9]{7}", value) else None

    @property
    def checked(self) -> bool:
        """Whether the key is right; unknown, so False, for Corsican numbers."""
        return luhn_is_right(self.value)


@dataclass(frozen=True, slots=True)
class Siret:
    """An establishment's number: 14 digits."""

    value: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        value = text.strip()
        return cls(value) if len(value) == 14 and value.isascii() and value.isdecimal() else None

    @property
    def checked(self) -> bool:
        return luhn_is_right(self.value)


_IDNAT = re.compile(
    r"0[0-9]{9}|8[0-9]{11}"  # ADELI, RPPS (TRE_G08)
    r"|1[0-9][0-9AB][0-9]{7}|2[0-9]{9}|3[0-9]{14}|4[0-9]{14}"  # FINESS, SIREN, SIRET, RPPS and rank (TRE_G07)
    r"|[13456][0-9A-Z]{9,15}/[0-9A-Za-z._-]{1,40}"  # a person known to a structure or a practice only
)


def is_idnat(text: str) -> bool:
    """Whether a text has the form of a national identifier of a person or structure (TRE_G07, TRE_G08)."""
    return _IDNAT.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """An addr-spec in the only form a BAL has: a dot-string and a host name (RFC 5321 §4.1.2, RFC 6531 §3.3)."""

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The address with its domain as lower-case A-labels; None for quoted locals, literals and oddities.

        Controls, invisible and bidirectional characters are refused, and so is a local part that NFKC would
        change into another one: no two addresses may look alike and differ.
        """
        local, at, domain = text.rpartition("@")
        if not at or not _LOCAL.fullmatch(local) or ".." in local or local[0] == "." or local[-1] == ".":
            return None
        if not local.isascii() and (
            unicodedata.normalize("NFKC", local) != unicodedata.normalize("NFC", local)
            or any(unicodedata.category(character) in _BIDI_AND_FORMAT for character in local)
        ):
            return None
        a_label = host_name(domain)
        return cls(unicodedata.normalize("NFC", local), a_label) if a_label is not None else None

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}".lower()


_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")


def host_name(text: str) -> str | None:
    """A domain as lower-case A-labels (IDNA 2008); None when it is not one of at least two labels."""
    if not text.isascii():
        try:
            text = idna.encode(text).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    labels = text.lower().split(".")
    if len(text) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return ".".join(labels)
