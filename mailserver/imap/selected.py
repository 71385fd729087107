"""The folder a session has open: its message numbers, and what it was told of them (RFC 3501 §2.3.1.2, §5.2)."""

from __future__ import annotations

from bisect import bisect_left
from enum import StrEnum
from typing import TYPE_CHECKING

from mailserver.imap import flags
from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.grammar.errors import ParseError
from mailserver.imap.grammar.flags import SYSTEM_FLAGS
from mailserver.store.view import claim_recent, folder_changes, folder_state, read_uids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foundation.database import Database
    from mailserver.imap.grammar.sequence import SequenceSet
    from mailserver.store.flags import MessageFlags
    from mailserver.store.folders import Folder
    from mailserver.store.view import FolderChanges, FolderView


class FolderGone(Exception):
    """The open folder was deleted by another session."""


class Expunges(StrEnum):
    """Whether message numbers may change now: never during FETCH, STORE and SEARCH (RFC 3501 §7.4.1)."""

    TOLD = "told"
    HELD = "held"


class SelectedFolder:
    """One session's picture of a folder; it changes only when the client is told."""

    __slots__ = (
        "_has_ghosts",
        "_keywords",
        "_recent",
        "folder_id",
        "is_read_only",
        "modseq",
        "name",
        "uidnext",
        "uids",
        "uidvalidity",
    )

    def __init__(self, folder: Folder, view: FolderView, *, is_read_only: bool) -> None:
        self.folder_id = folder.id
        self.name = folder.name
        self.uidvalidity = folder.uidvalidity
        self.is_read_only = is_read_only
        self.uids = view.uids
        self.uidnext = view.uidnext
        self.modseq = view.modseq
        self._keywords: dict[str, str] = {}
        self._recent: list[tuple[int, int]] = []
        self._has_ghosts = False
        self._learn(view.keywords)
        if is_read_only:
            self._add_recent(view.recent_uid, view.uidnext)

    # Numbers

    def slices(self, numbering: Numbering, numbers: SequenceSet) -> list[tuple[int, int]]:
        """Positions in `uids` that a set names, half-open and merged; ParseError for a number past the last message."""
        if numbering is Numbering.UID:
            return numbers.uid_positions(self.uids)
        if numbers.reaches_past(len(self.uids)):
            raise ParseError("No message has that number")
        return numbers.positions(len(self.uids))

    def number_of(self, uid: int) -> int | None:
        """The sequence number of a UID."""
        position = bisect_left(self.uids, uid)
        if position < len(self.uids) and self.uids[position] == uid:
            return position + 1
        return None

    # \Recent

    def is_recent(self, uid: int) -> bool:
        """Whether this session is the one that was told the message is new."""
        return any(first <= uid < after for first, after in self._recent)

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

    async def claim_recent(self, database: Database) -> None:
        """Takes \\Recent for the messages that no session was told of."""
        self._add_recent(*await database.write(lambda uow: claim_recent(uow, self.folder_id)))

    # Keywords

    def flags_line(self) -> bytes:
        """FLAGS: every flag that is in use."""
        words = " ".join((*SYSTEM_FLAGS, *sorted(self._keywords.values())))
        return f"* FLAGS ({words})\r\n".encode("ascii")

    def permanent_flags_line(self) -> bytes:
        """PERMANENTFLAGS: what STORE keeps."""
        if self.is_read_only:
            return b"* OK [PERMANENTFLAGS ()] No flag can be changed\r\n"
        words = " ".join((*SYSTEM_FLAGS, *sorted(self._keywords.values()), "\\*"))
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

    def wrote(self, modseq_before: int, modseq: int) -> None:
        """Notes a change that this session made and tells itself, so that it is not told twice."""
        if modseq_before == self.modseq:
            self.modseq = modseq

    def fetch_lines(self, changed: Iterable[MessageFlags], *, with_uid: bool) -> list[bytes]:
        """FETCH responses with the flags of messages this session knows, announced keywords first."""
        changed = list(changed)
        lines = self.announce({message.keywords for message in changed if message.keywords})
        for message in changed:
            number = self.number_of(message.uid)
            if number is None:
                continue
            words = flags.text(message.flags, message.keywords, recent=self.is_recent(message.uid))
            if with_uid:
                lines.append(b"* %d FETCH (UID %d FLAGS %b)\r\n" % (number, message.uid, words))
            else:
                lines.append(b"* %d FETCH (FLAGS %b)\r\n" % (number, words))
        return lines

    def forget(self, gone: Sequence[int]) -> list[bytes]:
        """EXPUNGE responses for UIDs, the highest number first so that each line holds by itself."""
        lines = []
        for uid in sorted(gone, reverse=True):
            number = self.number_of(uid)
            if number is not None:
                del self.uids[number - 1]
                lines.append(b"* %d EXPUNGE\r\n" % number)
        return lines

    async def sync(self, database: Database, expunges: Expunges, *, with_uid: bool) -> list[bytes]:
        """What happened to the folder since this session was last told; raises FolderGone."""
        state = database.read_now(lambda connection: folder_state(connection, self.folder_id))
        if state is None:
            raise FolderGone
        if state.modseq == self.modseq and not (self._has_ghosts and expunges is Expunges.TOLD):
            return []
        changes = await database.read(
            lambda connection: folder_changes(connection, self.folder_id, self.modseq)
        )
        if changes is None:
            raise FolderGone
        lines = await self._expunged(database, changes, expunges)
        changed = [message for message in changes.messages if message.uid < self.uidnext]
        lines += self._arrived(changes)
        if not self.is_read_only and changes.recent_uid < changes.uidnext:
            await self.claim_recent(database)
            lines.append(b"* %d RECENT\r\n" % self.recent_count)
        return lines + self.fetch_lines(changed, with_uid=with_uid)

    async def _expunged(self, database: Database, changes: FolderChanges, expunges: Expunges) -> list[bytes]:
        arrived = sum(message.uid >= self.uidnext for message in changes.messages)
        self._has_ghosts = changes.count != len(self.uids) + arrived
        if not self._has_ghosts or expunges is Expunges.HELD:
            return []
        present = set(await database.read(lambda connection: read_uids(connection, self.folder_id)))
        # A message that went after `changes` were read is told now too; its number is gone for good.
        self._has_ghosts = False
        return self.forget([uid for uid in self.uids if uid not in present])

    def _arrived(self, changes: FolderChanges) -> list[bytes]:
        arrived = [message for message in changes.messages if message.uid >= self.uidnext]
        self.modseq = changes.modseq
        self.uidnext = changes.uidnext
        if not arrived:
            return []
        self.uids.extend(message.uid for message in arrived)
        lines = self.announce({message.keywords for message in arrived if message.keywords})
        lines.append(b"* %d EXISTS\r\n" % len(self.uids))
        return lines
