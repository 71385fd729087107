"""The X-MSS fields that a professional's software writes: read, and held against the documents that came with them.

They are hints about a message, never a reason to refuse one (ECO.2.2.8, ECO.2.4.1 to ECO.2.4.3).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from foundation.identifiers import Ins
from foundation.mime.fields import split_fields, unfold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAX_VALUE: Final = 4096
"""Octets of a value that are looked at; a longer one is malformed."""
MAX_CODES: Final = 200

_CODE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}")
_NIL: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/-]{0,31}")


class MssHeader(StrEnum):
    """A field, as Réf#2 writes its name."""

    CODECDA = "X-MSS-CODECDA"
    """The `code/@code` of each CDA of the archive, between commas, one for each document."""
    INS = "X-MSS-INS"
    """`O` where the INS in the documents is qualified, else `N`."""
    NIL = "X-MSS-NIL"
    """The reference of the software at convergence.esante.gouv.fr; on every mail."""
    MES = "X-MSS-MES"
    """`FIN` where a patient cannot answer."""


@dataclass(frozen=True, slots=True)
class MssField:
    """One field as it stood. `value` is unfolded, without white space around it, cut at MAX_VALUE octets."""

    value: str = field(repr=False)
    is_well_formed: bool
    occurrences: int
    """How many fields of this name the header has; the first one is read."""

    @property
    def is_sound(self) -> bool:
        """Well formed, and said once."""
        return self.is_well_formed and self.occurrences == 1


@dataclass(frozen=True, slots=True)
class MssHeaders:
    """The four fields of one header; None for one that is not there."""

    codecda: MssField | None = None
    ins: MssField | None = None
    nil: MssField | None = None
    mes: MssField | None = None

    def of(self, header: MssHeader) -> MssField | None:
        """The field of this name."""
        return {
            MssHeader.CODECDA: self.codecda,
            MssHeader.INS: self.ins,
            MssHeader.NIL: self.nil,
            MssHeader.MES: self.mes,
        }[header]

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of X-MSS-CODECDA in their order, repeated ones too; empty where it is absent or malformed."""
        if self.codecda is None or not self.codecda.is_well_formed:
            return ()
        return tuple(code.strip() for code in self.codecda.value.split(","))

    @property
    def says_qualified(self) -> bool | None:
        """What X-MSS-INS says of the INS; None where it is absent or malformed."""
        if self.ins is None or not self.ins.is_well_formed:
            return None
        return self.ins.value == "O"

    @property
    def product(self) -> str | None:
        """The reference in X-MSS-NIL; None where it is absent or malformed."""
        return self.nil.value if self.nil is not None and self.nil.is_well_formed else None


def _is_codes(value: str) -> bool:
    codes = value.split(",", MAX_CODES)
    return len(codes) <= MAX_CODES and all(_CODE.fullmatch(code.strip()) for code in codes)


def _is_nil(value: str) -> bool:
    # Whoever puts a patient's number here must not have it counted and published.
    return _NIL.fullmatch(value) is not None and (Ins.parse(value) is None or not value[:13].isdecimal())


_FORMS: Mapping[bytes, tuple[MssHeader, Callable[[str], bool]]] = MappingProxyType(
    {
        b"x-mss-codecda": (MssHeader.CODECDA, _is_codes),  # ref: ECO.2.4.1
        b"x-mss-ins": (MssHeader.INS, lambda value: value in ("O", "N")),  # ref: ECO.2.4.2
        b"x-mss-nil": (MssHeader.NIL, _is_nil),  # ref: ECO.2.4.3
        b"x-mss-mes": (MssHeader.MES, lambda value: value == "FIN"),  # ref: ECO.2.2.8
    }
)
_NONE: Final = MssHeaders()


def read_mss_headers(block: bytes) -> MssHeaders:
    """The X-MSS fields of a header block. Never raises; linear in the block."""
    if b"x-mss-" not in block.lower():
        return _NONE
    first: dict[bytes, bytes] = {}
    occurrences: Counter[bytes] = Counter()
    for name, value in split_fields(block):
        lowered = name.lower()
        if lowered in _FORMS:
            first.setdefault(lowered, value)
            occurrences[lowered] += 1
    found: dict[MssHeader, MssField] = {}
    for name, raw in first.items():
        header, is_right = _FORMS[name]
        written = unfold(raw)
        text = written[:MAX_VALUE].decode("utf-8", "replace")
        found[header] = MssField(text, len(written) <= MAX_VALUE and is_right(text), occurrences[name])
    return MssHeaders(
        found.get(MssHeader.CODECDA),
        found.get(MssHeader.INS),
        found.get(MssHeader.NIL),
        found.get(MssHeader.MES),
    )


@dataclass(frozen=True, slots=True)
class AttachedCda:
    """A CDA that came with a message. `code` and `has_qualified_ins` are None for one that could not be read."""

    code: str | None
    has_qualified_ins: bool | None
    in_archive: bool
    """Whether an IHE_XDM archive holds it."""


class Outcome(StrEnum):
    """What a field is worth on one message; the three counters that software makers keep."""

    SET = "set"
    """There, and right: « posé »."""
    ABSENT = "absent"
    """Not there, and not called for: « absent légitime »."""
    DEGRADED = "degraded"
    """Malformed, said twice, wrong, missing or out of place: « dégradé »."""


# ref: F24
def judge(headers: MssHeaders, documents: Sequence[AttachedCda]) -> dict[MssHeader, Outcome]:
    """Each field held against the CDA documents of its message."""
    archived = [document for document in documents if document.in_archive]
    return {
        MssHeader.CODECDA: _outcome(
            headers.codecda,
            is_due=bool(archived),
            is_true=_names(headers.codes, archived or documents),
        ),
        MssHeader.INS: _outcome(
            headers.ins,
            is_due=bool(documents),
            is_true=_agrees(headers, documents),
        ),
        MssHeader.NIL: _outcome(headers.nil, is_due=True, is_true=True),
        MssHeader.MES: _outcome(headers.mes, is_due=False, is_true=True),
    }


def _outcome(written: MssField | None, *, is_due: bool, is_true: bool) -> Outcome:
    if written is None:
        return Outcome.DEGRADED if is_due else Outcome.ABSENT
    return Outcome.SET if written.is_sound and is_true else Outcome.DEGRADED


# ref: ECO.2.4.1
def _names(codes: Sequence[str], documents: Sequence[AttachedCda]) -> bool:
    """Whether there is one code for each document; one that could not be read may have any."""
    known = Counter(document.code for document in documents if document.code is not None)
    return bool(documents) and len(codes) == len(documents) and known <= Counter(codes)


# ref: ECO.2.4.2
def _agrees(headers: MssHeaders, documents: Sequence[AttachedCda]) -> bool:
    """Whether X-MSS-INS is true of every document that could be read."""
    found = [document.has_qualified_ins for document in documents]
    if headers.says_qualified:
        return bool(found) and False not in found
    return bool(found) and not all(found)
