"""A search program turned into a test of one message, cheap questions first (RFC 3501 §6.4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from foundation.mime.dates import parse_date
from mailserver.imap import flags
from mailserver.imap.envelopes import EnvelopeFields, Glance, read_envelope
from mailserver.imap.grammar import search as g
from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.message_text import MessageText
from mailserver.store.messages import Column

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, tzinfo

    from sqlalchemy import Row

    from mailserver.imap.selected import SelectedFolder

_DAY_MILLIS = 86_400_000
_MAX_SUBJECT = 998
"""Longer subjects are cut in their column, and searched in the message."""


class Cost(IntEnum):
    """What a test has to look at."""

    NUMBERS = 0
    ROW = 1
    ENVELOPE = 2
    BODY = 3


class Candidate:
    """A message under test; envelope and text are read when a test asks for them."""

    __slots__ = ("_envelope", "_open", "_text", "row", "uid")

    def __init__(self, row: Row[Any] | Any, open_body: Callable[[Any], bytes]) -> None:
        self.row = row
        self.uid: int = row.uid
        self._open = open_body
        self._envelope: EnvelopeFields | None = None
        self._text: MessageText | None = None

    @property
    def envelope(self) -> EnvelopeFields:
        if self._envelope is None:
            self._envelope = read_envelope(self.row.envelope)
        return self._envelope

    @property
    def text(self) -> MessageText:
        if self._text is None:
            self._text = MessageText(self._open(self.row))
        return self._text


@dataclass(frozen=True, slots=True)
class SearchTest:
    """A test, what it costs, and the columns it reads."""

    passes: Callable[[Candidate], bool]
    cost: Cost
    columns: frozenset[Column] = frozenset()


class SearchPlan:
    """Builds tests for the messages of one open folder."""

    def __init__(self, folder: SelectedFolder, zone: tzinfo) -> None:
        self._folder = folder
        self._zone = zone

    def test(self, key: g.SearchKey) -> SearchTest:
        """The test for a key; the grammar bounds the depth to 100."""
        build: Callable[[Any], SearchTest] = getattr(self, _BUILDERS[type(key)])
        return build(key)

    def _all(self, key: g.AllKey) -> SearchTest:
        return SearchTest(lambda candidate: True, Cost.NUMBERS)

    def _and(self, key: g.AndKey) -> SearchTest:
        tests = sorted((self.test(child) for child in key.keys), key=lambda test: test.cost)
        checks = [test.passes for test in tests]
        return SearchTest(
            lambda candidate: all(check(candidate) for check in checks),
            tests[-1].cost,
            frozenset().union(*(test.columns for test in tests)),
        )

    def _or(self, key: g.OrKey) -> SearchTest:
        first, second = sorted((self.test(key.first), self.test(key.second)), key=lambda test: test.cost)
        return SearchTest(
            lambda candidate: first.passes(candidate) or second.passes(candidate),
            second.cost,
            first.columns | second.columns,
        )

    def _not(self, key: g.NotKey) -> SearchTest:
        test = self.test(key.key)
        return SearchTest(lambda candidate: not test.passes(candidate), test.cost, test.columns)

    def _flag(self, key: g.FlagKey) -> SearchTest:
        bit = flags.bits([key.flag])
        wanted = bit if key.wanted else 0
        return SearchTest(
            lambda candidate: candidate.row.flags & bit == wanted, Cost.ROW, frozenset({Column.FLAGS})
        )

    def _keyword(self, key: g.KeywordKey) -> SearchTest:
        word, wanted = key.keyword.upper(), key.wanted
        return SearchTest(
            lambda candidate: (word in candidate.row.keywords.upper().split()) is wanted,
            Cost.ROW,
            frozenset({Column.KEYWORDS}),
        )

    def _recent(self, key: g.RecentKey) -> SearchTest:
        is_recent, wanted = self._folder.is_recent, key.wanted
        return SearchTest(lambda candidate: is_recent(candidate.uid) is wanted, Cost.NUMBERS)

    def _received(self, key: g.ReceivedKey) -> SearchTest:
        start, end = self._day(key.day)
        if key.relation is g.Relation.BEFORE:
            start, end = -_FOREVER, start
        elif key.relation is g.Relation.SINCE:
            end = _FOREVER
        return SearchTest(
            lambda candidate: start <= candidate.row.received_at < end,
            Cost.ROW,
            frozenset({Column.RECEIVED_AT}),
        )

    def _day(self, day: date) -> tuple[int, int]:
        # The last day of year 9999 has no day after it.
        start = datetime.combine(day, time(), self._zone)
        following = datetime.combine(min(day, _LAST_DAY) + timedelta(days=1), time(), self._zone)
        return int(_epoch_millis(start)), int(_epoch_millis(following))

    def _sent(self, key: g.SentKey) -> SearchTest:
        day, compare = key.day, _COMPARE[key.relation]
        noon = _epoch_millis(datetime.combine(day, time(12), UTC))

        def passes(candidate: Candidate) -> bool:
            sent_at = candidate.row.sent_at
            if sent_at is None:
                return False
            if abs(sent_at - noon) > 2 * _DAY_MILLIS:
                # No time zone moves a date by more than a day: the calendar of the sender need not be read.
                return compare(sent_at, noon) and key.relation is not g.Relation.ON
            sent = parse_date(candidate.envelope.date or "")
            return sent is not None and compare(sent.day, day)

        return SearchTest(passes, Cost.ENVELOPE, frozenset({Column.SENT_AT, Column.ENVELOPE}))

    def _size(self, key: g.SizeKey) -> SearchTest:
        octets = key.octets
        if key.relation is g.Relation.LARGER:
            return SearchTest(
                lambda candidate: candidate.row.size > octets, Cost.ROW, frozenset({Column.SIZE})
            )
        return SearchTest(lambda candidate: candidate.row.size < octets, Cost.ROW, frozenset({Column.SIZE}))

    def _text(self, key: g.TextKey) -> SearchTest:
        needle = key.text.casefold()
        if key.where is g.Where.SUBJECT:
            return self._subject(needle)
        if key.where is g.Where.BODY:
            return SearchTest(lambda candidate: candidate.text.has_in_body(needle), Cost.BODY, _OF_BODY)
        if key.where is g.Where.TEXT:
            return SearchTest(lambda candidate: candidate.text.has_anywhere(needle), Cost.BODY, _OF_BODY)
        attribute, glance = _ADDRESSES[key.where], Glance(needle)
        return SearchTest(
            lambda candidate: (
                glance.may_hold(candidate.row.envelope) and needle in getattr(candidate.envelope, attribute)
            ),
            Cost.ENVELOPE,
            frozenset({Column.ENVELOPE}),
        )

    def _subject(self, needle: str) -> SearchTest:
        def passes(candidate: Candidate) -> bool:
            subject = candidate.row.subject
            if needle in subject.casefold():
                return True
            return len(subject) >= _MAX_SUBJECT and needle in (candidate.envelope.subject or "")

        return SearchTest(passes, Cost.ENVELOPE, frozenset({Column.SUBJECT, Column.ENVELOPE}))

    def _header(self, key: g.HeaderKey) -> SearchTest:
        name, needle = key.field.casefold(), key.text.casefold()
        if name in _IN_ENVELOPE:
            return self._envelope_field(_IN_ENVELOPE[name], needle)
        return SearchTest(lambda candidate: candidate.text.has_field(name, needle), Cost.BODY, _OF_BODY)

    def _envelope_field(self, attribute: str, needle: str) -> SearchTest:
        glance = Glance(needle)

        def passes(candidate: Candidate) -> bool:
            if not glance.may_hold(candidate.row.envelope):
                return False
            value: str | None = getattr(candidate.envelope, attribute)
            return value is not None and needle in value

        return SearchTest(passes, Cost.ENVELOPE, frozenset({Column.ENVELOPE}))

    def _sequence(self, key: g.SequenceKey) -> SearchTest:
        return self._numbers(key.numbers.positions(len(self._folder.uids)))

    def _uid(self, key: g.UidKey) -> SearchTest:
        return self._numbers(self._folder.slices(Numbering.UID, key.uids))

    def _numbers(self, slices: list[tuple[int, int]]) -> SearchTest:
        uids = self._folder.uids
        named = {uid for start, stop in slices for uid in uids[start:stop]}
        return SearchTest(lambda candidate: candidate.uid in named, Cost.NUMBERS)


_FOREVER = 2**62
_LAST_DAY = datetime(9999, 12, 30, tzinfo=UTC).date()
_OF_BODY = frozenset({Column.BLOB_ID})
_ADDRESSES = {
    g.Where.FROM: "sender",
    g.Where.TO: "to",
    g.Where.CC: "cc",
    g.Where.BCC: "bcc",
}
_IN_ENVELOPE = {
    "date": "date",
    "subject": "subject",
    "in-reply-to": "in_reply_to",
    "message-id": "message_id",
}
"""Fields of which an envelope holds the whole text; of addresses it holds only what they mean."""
_COMPARE: dict[g.Relation, Callable[[Any, Any], bool]] = {
    g.Relation.BEFORE: lambda left, right: left < right,
    g.Relation.ON: lambda left, right: left == right,
    g.Relation.SINCE: lambda left, right: left >= right,
}
_BUILDERS: dict[type[g.SearchKey], str] = {
    g.AllKey: "_all",
    g.AndKey: "_and",
    g.OrKey: "_or",
    g.NotKey: "_not",
    g.FlagKey: "_flag",
    g.KeywordKey: "_keyword",
    g.RecentKey: "_recent",
    g.ReceivedKey: "_received",
    g.SentKey: "_sent",
    g.SizeKey: "_size",
    g.TextKey: "_text",
    g.HeaderKey: "_header",
    g.SequenceKey: "_sequence",
    g.UidKey: "_uid",
}


def _epoch_millis(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def first_cut(folder: SelectedFolder, key: g.SearchKey) -> list[tuple[int, int]]:
    """The positions that a set at the top of the program leaves; everything where there is none."""
    for child in key.keys if isinstance(key, g.AndKey) else (key,):
        if isinstance(child, g.SequenceKey):
            return child.numbers.positions(len(folder.uids))
        if isinstance(child, g.UidKey):
            return folder.slices(Numbering.UID, child.uids)
    return [(0, len(folder.uids))]
