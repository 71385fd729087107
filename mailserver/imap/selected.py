"""The folder a session has open: its message numbers, and what it was told of them (RFC 9051 §2.3.1.2, §5.2)."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from enum import StrEnum
from typing import TYPE_CHECKING

from mailserver.imap import flags
from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.grammar.errors import ParseError
from mailserver.imap.grammar.flags import SYSTEM_FLAGS
from mailserver.imap.grammar.sequence import format_uid_set
from mailserver.imap.permission import changeable_flags, may_change_keywords
from mailserver.store.recent import claim_recent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foundation.database import Database
    from mailserver.imap.dialect import Dialect
    from mailserver.imap.grammar.sequence import SequenceSet
    from mailserver.store.folders import Folder
    from mailserver.store.images import FolderImage, FolderImages
    from mailserver.store.rights import Place


class FolderGone(Exception):
    """The open folder was deleted by another session."""


class Expunges(StrEnum):
    """Whether message numbers may change now: never during FETCH, STORE and SEARCH (RFC 9051 §7.5.1)."""

    TOLD = "told"
    HELD = "held"


class SelectedFolder:
    """One session's picture of a folder; it changes only when the client is told.

    `uids` are the messages the client knows, by message number. They are those of `image`, and the same array, but
    for messages that another session expunged and whose numbers could not be taken away yet.
    """

    __slots__ = (
        "_ghosts",
        "_keywords",
        "_recent",
        "_told",
        "folder_id",
        "image",
        "is_read_only",
        "name",
        "place",
        "saved",
        "uids",
        "uidvalidity",
    )

    def __init__(
        self, name: str, place: Place, folder: Folder, image: FolderImage, *, is_read_only: bool
    ) -> None:
        self.name = name
        """As the client calls it."""
        self.place = place
        self.folder_id = folder.id
        self.uidvalidity = folder.uidvalidity
        self.is_read_only = is_read_only
        self.image = image
        self.uids = image.uids
        self.saved: Sequence[int] = ()
        """UIDs of the last search with SAVE, ascending: what "$" stands for (RFC 5182)."""
        self._ghosts: list[int] = []
        self._keywords: dict[str, str] = {}
        self._recent: list[tuple[int, int]] = []
        self._told: dict[int, int] = {}
        self._learn(set(image.keywords.values()))

    # Numbers

    def slices(self, numbering: Numbering, numbers: SequenceSet) -> list[tuple[int, int]]:
        """Positions in `uids` that a set names, half-open and merged; ParseError for a number past the last message."""
        if numbers.is_saved:
            return self._saved_slices()
        if numbering is Numbering.UID:
            return numbers.uid_positions(self.uids)
        if numbers.reaches_past(len(self.uids)):
            raise ParseError("No message has that number")
        return numbers.positions(len(self.uids))

    def _saved_slices(self) -> list[tuple[int, int]]:
        slices: list[tuple[int, int]] = []
        for uid in self.saved:
            number = self.number_of(uid)
            if number is None:
                continue
            if slices and slices[-1][1] == number - 1:
                slices[-1] = (slices[-1][0], number)
            else:
                slices.append((number - 1, number))
        return slices

    def number_of(self, uid: int) -> int | None:
        """The sequence number of a UID."""
        position = bisect_left(self.uids, uid)
        if position < len(self.uids) and self.uids[position] == uid:
            return position + 1
        return None

    @property
    def has_ghosts(self) -> bool:
        """Whether the client still has numbers of messages that are gone."""
        return bool(self._ghosts)

    # \Recent

    def is_recent(self, uid: int) -> bool:
        """Whether this session is the one that was told the message is new."""
        return any(first <= uid < after for first, after in self._recent)

    @property
    def recent_ranges(self) -> Sequence[tuple[int, int]]:
        """The UIDs with \\Recent in this session, half-open."""
        return self._recent

    @property
    def recent_count(self) -> int:
        """Messages with \\Recent in this session."""
        return sum(
            bisect_left(self.uids, after) - bisect_left(self.uids, first) for first, after in self._recent
        )

    def _add_recent(self, first: int, after: int) -> None:
        if first >= after:
            return
        if self._recent and self._recent[-1][1] == first:
            first = self._recent.pop()[0]
        self._recent.append((first, after))

    def see_recent(self) -> None:
        """Shows \\Recent on the messages that no session was told of, without taking it (EXAMINE)."""
        self._add_recent(self.image.state.recent_uid, self.image.state.uidnext)

    async def claim_recent(self, database: Database) -> bool:
        """Takes \\Recent for the messages that no session was told of; False where there are none."""
        first, after = await database.write(lambda uow: claim_recent(uow, self.folder_id))
        self._add_recent(first, after)
        return first < after

    # Keywords

    def flags_line(self) -> bytes:
        """FLAGS: every flag that is in use."""
        words = " ".join((*SYSTEM_FLAGS, *sorted(self._keywords.values())))
        return f"* FLAGS ({words})\r\n".encode("ascii")

    def permanent_flags_line(self) -> bytes:
        """PERMANENTFLAGS: what STORE keeps."""
        if self.is_read_only:
            return b"* OK [PERMANENTFLAGS ()] No flag can be changed\r\n"
        changeable = changeable_flags(self.place)
        names = [name for name in SYSTEM_FLAGS if flags.bits([name]) & changeable]
        if may_change_keywords(self.place):
            names += [*sorted(self._keywords.values()), "\\*"]
        words = " ".join(names)
        return f"* OK [PERMANENTFLAGS ({words})] Flags are kept\r\n".encode("ascii")

    def _learn(self, keywords: Iterable[str]) -> bool:
        known = len(self._keywords)
        for text in keywords:
            for word in text.split():
                self._keywords.setdefault(word.upper(), word)
        return len(self._keywords) > known

    def announce(self, keywords: Iterable[str]) -> list[bytes]:
        """FLAGS and PERMANENTFLAGS again when a keyword is new to this session."""
        return [self.flags_line(), self.permanent_flags_line()] if self._learn(keywords) else []

    # Changes

    def was_told(self, uids: Iterable[int], modseq: int) -> None:
        """Notes that the client knows what a command of its own did, so that the next `sync` is silent about it."""
        self._told.update(dict.fromkeys(uids, modseq))

    def flags_of(self, uid: int) -> bytes:
        """The flag-list of a message of the image; empty parentheses when it is gone."""
        place = self.image.place_of(uid)
        bits = 0 if place is None else self.image.flags[place]
        return flags.text(bits, self.image.keywords.get(uid, ""), recent=self.is_recent(uid))

    def fetch_lines(self, uids: Iterable[int], dialect: Dialect, *, with_uid: bool) -> list[bytes]:
        """FETCH responses with the flags of these messages as the image has them, announced keywords first."""
        image = self.image
        known = [(uid, place) for uid in uids if (place := image.place_of(uid)) is not None]
        lines = self.announce({image.keywords[uid] for uid, _ in known if uid in image.keywords})
        with_uid = with_uid or dialect.tells_vanished
        for uid, place in known:
            number = self.number_of(uid)
            if number is None:
                continue
            items = b"FLAGS " + self.flags_of(uid)
            if dialect.tells_modseq:
                items += b" MODSEQ (%d)" % image.modseqs[place]
            lines.append(self.head(number, uid, dialect, with_uid=with_uid) + items + b")\r\n")
        return lines

    @staticmethod
    def head(number: int, uid: int, dialect: Dialect, *, with_uid: bool) -> bytes:
        """How a FETCH response begins; UIDFETCH for a client that wants no numbers (RFC 9586 §3.3)."""
        if dialect.is_uid_only:
            return b"* %d UIDFETCH (" % uid
        return b"* %d FETCH (UID %d " % (number, uid) if with_uid else b"* %d FETCH (" % number

    async def sync(
        self, images: FolderImages, database: Database, expunges: Expunges, dialect: Dialect
    ) -> list[bytes]:
        """What happened to the folder since this session was last told; raises FolderGone."""
        image = await images.current(self.folder_id, self.place.viewer)
        if image is None:
            raise FolderGone
        if image is self.image and not (self._ghosts and expunges is Expunges.TOLD):
            self._told.clear()
            return []
        step = images.step(self.image, image)
        before, self.image = self.image, image
        lines = self._gone(step.vanished, expunges, dialect)
        first_new = before.state.uidnext
        arrived = len(image.uids) - bisect_left(image.uids, first_new)
        if self._ghosts:
            self.uids = array("I", sorted({*image.uids, *self._ghosts}))
        else:
            self.uids = image.uids
        lines += self.announce({image.keywords[uid] for uid in step.changed if uid in image.keywords})
        if arrived:
            lines.append(b"* %d EXISTS\r\n" % len(self.uids))
        tells_recent = not self.is_read_only and not dialect.is_rev2
        is_unclaimed = image.state.recent_uid < image.state.uidnext
        if tells_recent and is_unclaimed and await self.claim_recent(database):
            lines.append(b"* %d RECENT\r\n" % self.recent_count)
        changed = [uid for uid in step.changed if uid < first_new and not self._knows(uid)]
        self._told.clear()
        return lines + self.fetch_lines(changed, dialect, with_uid=False)

    def _knows(self, uid: int) -> bool:
        modseq = self._told.get(uid)
        if modseq is None:
            return False
        place = self.image.place_of(uid)
        return place is not None and self.image.modseqs[place] == modseq

    def _gone(self, vanished: Sequence[int], expunges: Expunges, dialect: Dialect) -> list[bytes]:
        """EXPUNGE responses, the highest number first so that each line holds by itself; or one VANISHED."""
        self._ghosts += [uid for uid in vanished if self.number_of(uid) is not None]
        if expunges is Expunges.HELD or not self._ghosts:
            return []
        gone, self._ghosts = sorted(self._ghosts, reverse=True), []
        if dialect.tells_vanished or dialect.is_uid_only:
            return [b"* VANISHED " + format_uid_set(reversed(gone)) + b"\r\n"]
        return [b"* %d EXPUNGE\r\n" % number for uid in gone if (number := self.number_of(uid)) is not None]
