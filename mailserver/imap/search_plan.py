"""A search program worked out as sets of places of a folder image, cheap questions first (RFC 9051 §6.4.4)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from mailserver.imap import flags
from mailserver.imap.grammar import search_keys as k
from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.masks import full, mask_of, mask_of_slices
from mailserver.imap.object_ids import mail_of, thread_of
from mailserver.store.mail_keys import uids_of_mail, uids_of_thread, uids_saved, uids_sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date, tzinfo

    from sqlalchemy import Connection

    from mailserver.imap.selected import SelectedFolder
    from mailserver.imap.text_search import TextSearch

_FOREVER = 2**62
_LAST_DAY = datetime(9999, 12, 30, tzinfo=UTC).date()


class Cost(IntEnum):
    """What a key has to look at."""

    IMAGE = 0
    ROWS = 1
    HEADS = 2
    BODIES = 3


def leaves(key: k.SearchKey) -> Iterator[k.SearchKey]:
    """The keys of a program that are not made of others, in no order."""
    waiting = [key]
    while waiting:
        match waiting.pop():
            case k.AndKey(keys):
                waiting += keys
            case k.OrKey(first, second):
                waiting += (first, second)
            case k.NotKey(inner):
                waiting.append(inner)
            case leaf:
                yield leaf


def cost_of(key: k.SearchKey) -> Cost:
    """The dearest look that a key needs."""
    return max(map(_cost_of_leaf, leaves(key)))


def _cost_of_leaf(key: k.SearchKey) -> Cost:
    match key:
        case k.TextKey(where, _):
            return Cost.BODIES if where in (k.Where.BODY, k.Where.TEXT) else Cost.HEADS
        case k.HeaderKey():
            return Cost.HEADS
        case k.SentKey() | k.SavedKey() | k.EmailIdKey() | k.ThreadIdKey():
            return Cost.ROWS
        case _:
            return Cost.IMAGE


class SearchPlan:
    """Works out keys over one folder as a session sees it; `texts` is set where a key looks into texts."""

    def __init__(self, folder: SelectedFolder, zone: tzinfo, now: int) -> None:
        self._folder = folder
        self._image = folder.image
        self._zone = zone
        self._seconds = now // 1000
        self._count = len(folder.image.uids)
        self.texts: TextSearch | None = None
        self._connection: Connection | None = None

    def all_places(self) -> int:
        """Every place of the image, as a set."""
        return full(self._count)

    def passing(self, key: k.SearchKey, connection: Connection | None = None) -> int:
        """The places whose messages pass; raises OutOfTime, and is then to be called again.

        A connection is needed where the key costs more than the image.
        """
        self._connection = connection
        return self._within(key, self.all_places())

    def _within(self, key: k.SearchKey, places: int) -> int:
        if not places:
            return 0
        match key:
            case k.AndKey(keys):
                for child in sorted(keys, key=cost_of):
                    places = self._within(child, places)
                return places
            case k.OrKey(one, other):
                first, second = sorted((one, other), key=cost_of)
                found = self._within(first, places)
                return found | self._within(second, places ^ found)
            case k.NotKey(inner):
                return places ^ self._within(inner, places)
            case k.TextKey() | k.HeaderKey():
                return self._with_text(key, places)
            case _:
                look: Callable[[Any], int] = getattr(self, _LOOKS[type(key)])
                return look(key) & places

    def _all(self, key: k.AllKey) -> int:
        return self.all_places()

    def _flag(self, key: k.FlagKey) -> int:
        bit = flags.bits([key.flag])
        table = bytes(bool(octet & bit) is key.wanted for octet in range(256))
        return mask_of(self._image.flags.translate(table))

    def _keyword(self, key: k.KeywordKey) -> int:
        word = key.keyword.upper()
        having = [uid for uid, words in self._image.keywords.items() if word in words.upper().split()]
        found = self._of_uids(having)
        return found if key.wanted else self.all_places() ^ found

    def _recent(self, key: k.RecentKey) -> int:
        found = mask_of(map(self._folder.is_recent, self._image.uids))
        return found if key.wanted else self.all_places() ^ found

    def _received(self, key: k.ReceivedKey) -> int:
        return self._received_in(*self._days(key.relation, key.day))

    def _older(self, key: k.OlderKey) -> int:
        return self._received_in(-_FOREVER, (self._seconds - key.seconds + 1) * 1000)

    def _younger(self, key: k.YoungerKey) -> int:
        return self._received_in((self._seconds - key.seconds) * 1000, _FOREVER)

    def _received_in(self, first: int, after: int) -> int:
        received = self._image.received
        found = mask_of(map(first.__le__, received)) if first > -_FOREVER else self.all_places()
        return found & mask_of(map(after.__gt__, received)) if after < _FOREVER else found

    def _days(self, relation: k.Relation, day: date) -> tuple[int, int]:
        """From when until before when, in epoch ms. The last day of year 9999 has no day after it."""
        if relation is k.Relation.BEFORE:
            return -_FOREVER, self._midnight(day)
        if relation is k.Relation.SINCE:
            return self._midnight(day), _FOREVER
        return self._midnight(day), self._midnight(min(day, _LAST_DAY) + timedelta(days=1))

    def _midnight(self, day: date) -> int:
        instant = datetime.combine(day, time(), self._zone)
        return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    def _size(self, key: k.SizeKey) -> int:
        is_wanted = key.octets.__lt__ if key.relation is k.Relation.LARGER else key.octets.__gt__
        return mask_of(map(is_wanted, self._image.sizes))

    def _modseq(self, key: k.ModseqKey) -> int:
        return mask_of(map(key.modseq.__le__, self._image.modseqs))

    def _sequence(self, key: k.SequenceKey) -> int:
        if key.numbers.is_saved:
            return self._of_uids(self._folder.saved)
        return self._of_positions(key.numbers.positions(len(self._folder.uids)))

    def _uid(self, key: k.UidKey) -> int:
        return self._of_positions(self._folder.slices(Numbering.UID, key.uids))

    def _of_positions(self, slices: list[tuple[int, int]]) -> int:
        known = self._folder.uids
        if known is self._image.uids:
            return mask_of_slices(slices, self._count)
        return self._of_uids([uid for start, stop in slices for uid in known[start:stop]])

    def _of_uids(self, uids: Iterable[int]) -> int:
        named = set(uids)
        return mask_of(map(named.__contains__, self._image.uids)) if named else 0

    # Keys that need the database

    def _sent(self, key: k.SentKey) -> int:
        first, after = 0, _FOREVER
        if key.relation is not k.Relation.BEFORE:
            first = key.day.toordinal()
        if key.relation is not k.Relation.SINCE:
            after = key.day.toordinal() + (key.relation is k.Relation.ON)
        return self._of_uids(uids_sent(self._rows, self._image.folder_id, first, after))

    def _saved(self, key: k.SavedKey) -> int:
        first, after = self._days(key.relation, key.day)
        return self._of_uids(uids_saved(self._rows, self._image.folder_id, first, after))

    def _email_id(self, key: k.EmailIdKey) -> int:
        mail_id = mail_of(key.identifier)
        return (
            0 if mail_id is None else self._of_uids(uids_of_mail(self._rows, self._image.folder_id, mail_id))
        )

    def _thread_id(self, key: k.ThreadIdKey) -> int:
        thread_id = thread_of(key.identifier)
        return (
            0
            if thread_id is None
            else self._of_uids(uids_of_thread(self._rows, self._image.folder_id, thread_id))
        )

    @property
    def _rows(self) -> Connection:
        assert self._connection is not None
        return self._connection

    def _with_text(self, key: k.TextKey | k.HeaderKey, places: int) -> int:
        if not key.text and isinstance(key, k.TextKey):
            return places
        assert self.texts is not None
        return self.texts.passing(self._connection, key, places)


_LOOKS: dict[type[k.SearchKey], str] = {
    k.AllKey: "_all",
    k.FlagKey: "_flag",
    k.KeywordKey: "_keyword",
    k.RecentKey: "_recent",
    k.ReceivedKey: "_received",
    k.SentKey: "_sent",
    k.SavedKey: "_saved",
    k.OlderKey: "_older",
    k.YoungerKey: "_younger",
    k.SizeKey: "_size",
    k.ModseqKey: "_modseq",
    k.EmailIdKey: "_email_id",
    k.ThreadIdKey: "_thread_id",
    k.SequenceKey: "_sequence",
    k.UidKey: "_uid",
}
