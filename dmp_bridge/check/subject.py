"""The subject of a structured mail: XDM/1.0/DDM+<libellé> <NOM> <prénom> <date de naissance> (ECO.2.1.3)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX: Final = "XDM/1.0/DDM"
FIN: Final = "[FIN]"

_ANSWER: Final = re.compile(r"(?:re|rép|rep|aw)\s?:\s?", re.IGNORECASE)
_FORWARD: Final = re.compile(r"(?:tr|fw|fwd|lu)\s?:\s?", re.IGNORECASE)
_REPLACES: Final = re.compile(r"\[\s?annule et remplace\s?\]\s?", re.IGNORECASE)
_REFUSED: Final = re.compile(
    r"\[(?:KO Intégration système|Erreur d['’]intégration) ?!?\]\s?(?:\[(\d{3})\]\s?)?", re.IGNORECASE
)
_MAX_PREFIXES: Final = 10
_MAX_SUBJECT: Final = 1000
_DATE: Final = re.compile(r"(\d{2})[/.-]?(\d{2})[/.-]?(\d{4})")
_LOOKS_LIKE_A_DATE: Final = re.compile(r"[\d/.-]{6,10}")
_LETTER_BREAK: Final = re.compile(r"[^0-9a-z]+")


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject cut into what stands before the convention, and what the convention says.

    ``words`` are those between the prefix and the birth date: label, family name, given name. ``date_written`` is the
    last word where it looks like a date, ``birth_date`` what it means (None for no real day).
    """

    text: str = field(repr=False)
    is_answer: bool = False
    is_forward: bool = False
    replaces: bool = False
    refused: bool = False
    refused_code: str | None = None
    is_structured: bool = False
    has_plus: bool = False
    words: tuple[str, ...] = field(default=(), repr=False)
    date_written: str = field(default="", repr=False)
    birth_date: date | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Traits:
    """A person as a document names them; the birth date as ``YYYY-MM-DD``, empty where it is not said."""

    family: str = field(repr=False)
    given: tuple[str, ...] = field(repr=False)
    birth_date: str = field(default="", repr=False)


def read_subject(text: str) -> Subject:
    """Cuts a decoded subject. Never raises; of a very long one only the beginning is read."""
    rest = " ".join(text[:_MAX_SUBJECT].split())
    is_answer = is_forward = replaces = refused = False
    code: str | None = None
    for _ in range(_MAX_PREFIXES):
        if (match := _ANSWER.match(rest)) is not None:
            is_answer = True
        elif (match := _FORWARD.match(rest)) is not None:
            is_forward = True
        elif (match := _REPLACES.match(rest)) is not None:
            replaces = True
        elif (match := _REFUSED.match(rest)) is not None:
            refused, code = True, match[1] or code
        else:
            break
        rest = rest[match.end() :]
    is_structured = rest.startswith(PREFIX)
    words: tuple[str, ...] = ()
    written = ""
    if is_structured:
        words = tuple(rest[len(PREFIX) :].removeprefix("+").split())
        if words and _LOOKS_LIKE_A_DATE.fullmatch(words[-1]):
            words, written = words[:-1], words[-1]
    return Subject(
        text=text,
        is_answer=is_answer,
        is_forward=is_forward,
        replaces=replaces,
        refused=refused,
        refused_code=code,
        is_structured=is_structured,
        has_plus=is_structured and rest[len(PREFIX) :].startswith("+"),
        words=words,
        date_written=written,
        birth_date=_day(written),
    )


def names(subject: Subject, person: Traits) -> bool:
    """Whether the words end in this person's family and given name, a label before them; accents and case are free."""
    said = _plain(" ".join(subject.words))
    family = _plain(person.family)
    return bool(family) and any(
        said.endswith((f" {family} {given}", f" {given} {family}"))
        for each in person.given
        for given in {_plain(each), _plain(each).partition(" ")[0]}
        if given
    )


def has_capital_name(words: Iterable[str]) -> bool:
    """Whether a word behind the first is in capitals, as the family name is written."""
    behind = list(words)[1:]
    return any(word.isupper() and len(word) > 1 for word in behind)


def is_almost_fin(text: str) -> bool:
    """Whether somebody who wrote this subject meant ``[FIN]``."""
    bare = read_subject(text)
    rest = text.strip()
    if bare.is_answer or bare.is_forward:
        rest = rest.rpartition(":")[2].strip()
    return rest.strip("[]() .!").casefold() == "fin" and len(text) < 100 and text != FIN


def _day(written: str) -> date | None:
    match = _DATE.fullmatch(written)
    if match is None:
        return None
    try:
        return date(int(match[3]), int(match[2]), int(match[1]))
    except ValueError:
        return None


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text[:_MAX_SUBJECT]).casefold()
    return _LETTER_BREAK.sub(" ", "".join(c for c in folded if not unicodedata.combining(c))).strip()
