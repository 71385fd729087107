"""Sections of FETCH: small bodies are opened at once, many in a reader thread, a large one is streamed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from foundation.log import get_logger
from foundation.vault import BlobDamaged, BlobNotFound
from mailserver.imap import flags
from mailserver.imap.binary import UnknownEncoding, decoder
from mailserver.imap.fetch_sections import Octets, render
from mailserver.imap.grammar.fetch import FetchItem
from mailserver.imap.permission import changeable_flags
from mailserver.imap.rendered_items import Made
from mailserver.imap.replies import Reply, no
from mailserver.store.flags import Change, FlagChange, MessageFlags, change_flags
from mailserver.store.messages import read_messages
from mailserver.store.tables import Flag

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy import Connection

    from mailserver.imap.chosen import Chosen
    from mailserver.imap.fetch_plan import FetchPlan
    from mailserver.imap.session import Session

log = get_logger(__name__)

_GROUP_BYTES = 256 * 1024
"""Octets of bodies rendered in one go; one message that makes more than this is streamed."""
_ON_LOOP_BYTES = 32 * 1024
_ON_LOOP_MESSAGES = 16
"""So little is opened at once: about a millisecond."""
_HELD_BYTES = 64 * 1024
"""Nothing of a streamed message is sent before the vault gave this much of it: until then it can be left out."""
_SEEN = FlagChange(Change.ADD, int(Flag.SEEN))


class Bodies:
    """The bodies that one FETCH reads, and what could not be read."""

    def __init__(self, session: Session, plan: FetchPlan) -> None:
        self._session = session
        self._plan = plan
        self._kept = session.shared.texts if plan.has_texts else session.shared.rendered
        self._owner_id = session.folder.place.owner_id
        self._read_now: dict[int, MessageFlags] = {}
        """Messages that this FETCH has set \\Seen on, to be told with the body."""
        self._damaged = 0
        self._unknown = 0

    def refusal(self) -> Reply | None:
        """What the command ends with where not every message could be answered."""
        if self._damaged:
            return no(f"The bodies of {self._damaged} messages are damaged", "UNAVAILABLE")
        if self._unknown:
            return no("The encoding of a part is not known", "UNKNOWN-CTE")
        return None

    async def tell(self, chosen: Chosen) -> int:
        """Responses with bodies; how many messages were not there."""
        if self._plan.sets_seen:
            await self._set_seen(chosen)
        failed = self._damaged + self._unknown
        told = 0
        for part in self._groups(chosen):
            if len(part) == 1 and self._weight(part)[0] > _GROUP_BYTES:
                told += await self._tell_large(part)
            else:
                told += await self._tell_small(part)
            await self._session.connection.drain()
        return len(chosen) - told - (self._damaged + self._unknown - failed)

    def _weight(self, chosen: Chosen) -> list[int]:
        """Octets that each answer may have at most."""
        return [size * self._plan.sections for size in chosen.column(chosen.image.sizes)]

    def _groups(self, chosen: Chosen) -> Iterator[Chosen]:
        start = octets = 0
        for position, weight in enumerate(self._weight(chosen)):
            if position > start and octets + weight > _GROUP_BYTES:
                yield chosen.part(start, position)
                start, octets = position, 0
            octets += weight
        yield chosen.part(start, len(chosen))

    # Small messages

    async def _tell_small(self, chosen: Chosen) -> int:
        session, plan = self._session, self._plan
        rendered, folder_id = self._kept, session.folder.folder_id
        texts: list[bytes | None] = [None] * len(chosen)
        if plan.is_kept:
            texts = rendered.find(folder_id, plan.items, chosen.uids)
        waiting = [position for position, text in enumerate(texts) if text is None]
        if waiting:
            weight = self._weight(chosen)
            read = partial(self._open, chosen, waiting)
            if len(waiting) <= _ON_LOOP_MESSAGES and sum(weight[each] for each in waiting) <= _ON_LOOP_BYTES:
                made = session.context.database.read_now(read)
            else:
                made = await session.context.database.read(read)
            if plan.is_kept:
                rendered.keep(folder_id, plan.items, made.final)
            for position in waiting:
                texts[position] = made.texts.get(chosen.uids[position])
        there = [position for position, text in enumerate(texts) if text is not None]
        session.send(
            [self._head(chosen, position) + (texts[position] or b"") + b")\r\n" for position in there]
        )
        return len(there)

    def _open(self, chosen: Chosen, waiting: list[int], connection: Connection) -> Made:
        plan, vault = self._plan, self._session.context.vault
        made = Made()
        for row in self._rows(chosen, waiting, connection):
            try:
                body = vault.open_now(connection, self._owner_id, plan.blob_id(row))
                made.add(row[0], plan.text_of(row, body), is_final=plan.is_final(row))
            except (BlobDamaged, BlobNotFound, UnknownEncoding) as error:
                self._missed(error, row[0])
        return made

    def _rows(self, chosen: Chosen, waiting: list[int], connection: Connection) -> list[Any]:
        folder_id = self._session.folder.folder_id
        return list(read_messages(connection, folder_id, chosen.batch(waiting), self._plan.columns))

    def _missed(self, error: Exception, uid: int) -> None:
        """Another session expunged the message meanwhile, or it cannot be given: the others are answered."""
        if isinstance(error, UnknownEncoding):
            self._unknown += 1
        elif isinstance(error, BlobDamaged):
            self._damaged += 1
            log.error("imap.body_damaged", folder=self._session.folder.folder_id, uid=uid)

    # A large one

    async def _tell_large(self, chosen: Chosen) -> int:
        """The octets of sections go from the vault to the client a chunk at a time."""
        session, plan, connection = self._session, self._plan, self._session.connection
        rendered, folder_id = self._kept, session.folder.folder_id
        if plan.is_kept and (text := rendered.find(folder_id, plan.items, chosen.uids)[0]) is not None:
            session.send([self._head(chosen, 0), text, b")\r\n"])
            return 1
        [row] = await session.context.database.read(partial(self._rows, chosen, [0])) or [None]
        if row is None:
            return 0
        held: list[bytes] | None = [self._head(chosen, 0)]
        octets = 0
        try:
            async for chunk in self._chunks(row):
                if held is None:
                    connection.write(chunk)
                    await connection.drain()
                    continue
                held.append(chunk)
                octets += len(chunk)
                if octets > _HELD_BYTES:
                    session.send(held)
                    held = None
        except Exception as error:
            if held is not None and isinstance(error, BlobDamaged | BlobNotFound | UnknownEncoding):
                self._missed(error, row[0])
                return 0
            # A literal was announced and cannot be finished: nothing true can follow on this connection.
            connection.abort()
            raise
        if held is not None and plan.is_kept and plan.is_final(row):
            rendered.keep(folder_id, plan.items, {row[0]: b"".join(held[1:])})
        session.send([*(held or ()), b")\r\n"])
        return 1

    async def _chunks(self, row: Any) -> AsyncIterator[bytes]:
        """What never changes of a message, piece by piece."""
        separator = b""
        for piece in self._plan.pieces(row):
            yield separator
            separator = b" "
            if isinstance(piece, bytes):
                yield piece
                continue
            stored = self._session.context.vault.stream(
                self._owner_id, self._plan.blob_id(row), piece.start, piece.length
            )
            if piece.is_verbatim:
                yield piece.attribute.label + b" {%d}\r\n" % piece.length
                async for chunk in stored:
                    yield chunk
            elif not piece.is_decoded:
                yield render(piece, b"".join([chunk async for chunk in stored]))
            else:
                async for chunk in self._decoded(row, piece):
                    yield chunk

    async def _decoded(self, row: Any, piece: Octets) -> AsyncIterator[bytes]:
        """BINARY is read twice: its length has to be said first."""
        attribute, window = piece.attribute, piece.attribute.partial
        start, stop = (window.offset, window.offset + window.length) if window is not None else (0, None)
        size = 0
        has_nul = False
        async for chunk in self._undone(row, piece):
            size += len(chunk)
            has_nul = has_nul or b"\0" in chunk
        if attribute.item is FetchItem.BINARY_SIZE:
            yield b"%b %d" % (attribute.label, size)
            return
        stop = size if stop is None else min(stop, size)
        announced = b" ~{%d}\r\n" if has_nul else b" {%d}\r\n"
        yield attribute.label + announced % max(stop - start, 0)
        position = 0
        async for chunk in self._undone(row, piece):
            yield chunk[max(start - position, 0) : max(stop - position, 0)]
            position += len(chunk)

    async def _undone(self, row: Any, piece: Octets) -> AsyncIterator[bytes]:
        undoing = decoder(piece.encoding)
        vault, blob_id = self._session.context.vault, self._plan.blob_id(row)
        async for chunk in vault.stream(self._owner_id, blob_id, piece.start, piece.length):
            yield undoing.feed(chunk)
        yield undoing.finish()

    # Flags

    async def _set_seen(self, chosen: Chosen) -> None:
        folder = self._session.folder
        if folder.is_read_only or not changeable_flags(folder.place) & Flag.SEEN:
            return
        bits = chosen.column(chosen.image.flags)
        unseen = [position for position, each in enumerate(bits) if not each & Flag.SEEN]
        if not unseen:
            return
        batch = chosen.batch(unseen)
        changed = await self._session.context.database.write(
            lambda uow: change_flags(uow, folder.folder_id, [batch], _SEEN, viewer=folder.place.viewer)
        )
        self._read_now = {message.uid: message for message in changed.messages}
        folder.was_told(self._read_now, changed.modseq)
        self._session.send(folder.announce({message.keywords for message in changed.messages}))

    def _head(self, chosen: Chosen, position: int) -> bytes:
        folder, place = self._session.folder, chosen.places[position]
        number, uid, image = chosen.numbers[position], chosen.uids[position], chosen.image
        changed = self._read_now.get(uid)
        if changed is not None:
            bits, keywords, modseq = changed.flags, changed.keywords, changed.modseq
        else:
            bits, keywords, modseq = image.flags[place], image.keywords.get(uid, ""), image.modseqs[place]
        flag_list = flags.text(bits, keywords, recent=folder.is_recent(uid))
        return self._plan.head(
            number, uid, flag_list, modseq, image.sizes[place], was_changed=changed is not None
        )
