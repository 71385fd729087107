"""The keys of a search program (RFC 9051 §6.4.4 and its extensions), as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import date

    from mailserver.imap.grammar.sequence import SequenceSet


class Relation(StrEnum):
    """How a date or a size is compared."""

    BEFORE = "BEFORE"
    ON = "ON"
    SINCE = "SINCE"
    LARGER = "LARGER"
    SMALLER = "SMALLER"


class Where(StrEnum):
    """What a text is looked for in."""

    BCC = "BCC"
    BODY = "BODY"
    CC = "CC"
    FROM = "FROM"
    SUBJECT = "SUBJECT"
    TEXT = "TEXT"
    TO = "TO"


@dataclass(frozen=True, slots=True)
class AllKey:
    """ALL, and SAVEDATESUPPORTED, which holds in every mailbox (RFC 8514 §4.2)."""


@dataclass(frozen=True, slots=True)
class FlagKey:
    """A system flag that is set, or with `wanted` false is not."""

    flag: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class KeywordKey:
    """KEYWORD and UNKEYWORD"""

    keyword: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class RecentKey:
    """RECENT and OLD"""

    wanted: bool


@dataclass(frozen=True, slots=True)
class ReceivedKey:
    """BEFORE, ON, SINCE: the internal date."""

    relation: Relation
    day: date


@dataclass(frozen=True, slots=True)
class SentKey:
    """SENTBEFORE, SENTON, SENTSINCE: the Date field, "disregarding time and timezone"."""

    relation: Relation
    day: date


@dataclass(frozen=True, slots=True)
class SavedKey:
    """SAVEDBEFORE, SAVEDON, SAVEDSINCE: when the message came into this mailbox (RFC 8514)."""

    relation: Relation
    day: date


@dataclass(frozen=True, slots=True)
class OlderKey:
    """OLDER: the internal date is at least so many seconds ago (RFC 5032)."""

    seconds: int


@dataclass(frozen=True, slots=True)
class YoungerKey:
    """YOUNGER: the internal date is at most so many seconds ago (RFC 5032)."""

    seconds: int


@dataclass(frozen=True, slots=True)
class SizeKey:
    """LARGER and SMALLER, in octets."""

    relation: Relation
    octets: int


@dataclass(frozen=True, slots=True)
class ModseqKey:
    """MODSEQ: changed at this modification sequence or later; all metadata has one (RFC 7162 §3.1.5)."""

    modseq: int


@dataclass(frozen=True, slots=True)
class EmailIdKey:
    """EMAILID (RFC 8474 §6)"""

    identifier: str


@dataclass(frozen=True, slots=True)
class ThreadIdKey:
    """THREADID (RFC 8474 §6)"""

    identifier: str


@dataclass(frozen=True, slots=True)
class TextKey:
    """BCC, BODY, CC, FROM, SUBJECT, TEXT, TO: a substring, in any case of letters."""

    where: Where
    text: str


@dataclass(frozen=True, slots=True)
class HeaderKey:
    """HEADER: a field that is there and holds the text; the empty text asks for the field alone."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class SequenceKey:
    """A sequence set among the keys."""

    numbers: SequenceSet


@dataclass(frozen=True, slots=True)
class UidKey:
    """UID"""

    uids: SequenceSet


@dataclass(frozen=True, slots=True)
class AndKey:
    """All of them; what a list of keys means."""

    keys: tuple[SearchKey, ...]


@dataclass(frozen=True, slots=True)
class OrKey:
    """OR"""

    first: SearchKey
    second: SearchKey


@dataclass(frozen=True, slots=True)
class NotKey:
    """NOT"""

    key: SearchKey


SearchKey: TypeAlias = (
    AllKey
    | FlagKey
    | KeywordKey
    | RecentKey
    | ReceivedKey
    | SentKey
    | SavedKey
    | OlderKey
    | YoungerKey
    | SizeKey
    | ModseqKey
    | EmailIdKey
    | ThreadIdKey
    | TextKey
    | HeaderKey
    | SequenceKey
    | UidKey
    | AndKey
    | OrKey
    | NotKey
)
