"""What a process remembers of folders that are in use: UIDs, flags and modification sequences, in compact arrays.

An image is a folder as it was in one snapshot and never changes; when the folder does, the next image is made from
the last one and from what changed since. Sessions that have the same folder open share its images.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, func, select

from foundation.prepared import run
from mailserver.store.seen import seen_by
from mailserver.store.tables import Flag, folder, message, vanished

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from sqlalchemy import Connection

    from foundation.database import Database
    from foundation.events import Events

_CAPACITY = 2_000_000
"""Messages in all images that are kept (26 octets each); the longest unused go first."""
_STEPS = 64
"""Changes that are remembered, so that a session is told them without comparing whole images."""
_AT_ONCE = 500
"""So many changed messages are read on the event loop; more in a reader thread."""

_STATE = select(folder.c.modseq, folder.c.uidnext, folder.c.recent_uid).where(
    folder.c.id == bindparam("in_folder")
)
_COLUMNS = (
    message.c.uid,
    message.c.flags,
    message.c.modseq,
    message.c.size,
    message.c.received_at,
    message.c.keywords,
)
_LISTED = (
    select(*_COLUMNS).where(message.c.folder_id == bindparam("in_folder")).order_by(message.c.uid).subquery()
)
_ALL = select(*(func.json_group_array(column) for column in _LISTED.c))
"""A column in one text: twice as quick as rows, since no object is made for a message."""
_CHANGED = (
    select(*_COLUMNS)
    .where(message.c.folder_id == bindparam("in_folder"), message.c.modseq > bindparam("known"))
    .limit(bindparam("most"))
)
"""In no order: asked for one, SQLite reads the whole folder by UID and not the few rows by modification sequence."""
_VANISHED = (
    select(vanished.c.uid)
    .where(and_(vanished.c.folder_id == bindparam("in_folder"), vanished.c.modseq > bindparam("known")))
    .limit(bindparam("most"))
)
_NAMED = func.json_each(bindparam("folders")).table_valued("value")
_MODSEQS = select(folder.c.id, folder.c.modseq).where(folder.c.id.in_(select(_NAMED.c.value)))
_UNLIMITED = 2**62
_VIEWS = 500
"""Images as one person sees them that are kept, one octet for each message more than the image."""
_IDS_AT_ONCE = 1000
_WITHOUT_SEEN = bytes(flags & int(Flag.SEEN) for flags in range(256))
_BUT_SEEN = bytes(flags & ~int(Flag.SEEN) for flags in range(256))
_WITH_DELETED = bytes(flags & int(Flag.DELETED) for flags in range(256))


@dataclass(frozen=True, slots=True)
class FolderState:
    """The three numbers that tell whether anything happened."""

    modseq: int
    uidnext: int
    recent_uid: int


@dataclass(frozen=True, slots=True)
class FolderImage:
    """A folder in one snapshot; the arrays have one place for each message, by ascending UID.

    `sizes` are octets, `received` epoch ms; `keywords` has only the messages with any.
    """

    folder_id: int
    state: FolderState
    uids: array[int] = field(repr=False)
    flags: bytes = field(repr=False)
    modseqs: array[int] = field(repr=False)
    sizes: array[int] = field(repr=False)
    received: array[int] = field(repr=False)
    keywords: Mapping[int, str] = field(repr=False)

    @property
    def modseq(self) -> int:
        """HIGHESTMODSEQ (RFC 7162 §3.1.2.1)."""
        return self.state.modseq

    def place_of(self, uid: int) -> int | None:
        """Where in the arrays a message is; None when it is not in the folder."""
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else None

    @property
    def unseen(self) -> int:
        """Messages without \\Seen."""
        return self.flags.translate(_WITHOUT_SEEN).count(0)

    @property
    def deleted(self) -> int:
        """Messages with \\Deleted."""
        return len(self.flags) - self.flags.translate(_WITH_DELETED).count(0)

    @property
    def first_unseen(self) -> int | None:
        """The place of the first message without \\Seen."""
        place = self.flags.translate(_WITHOUT_SEEN).find(0)
        return None if place < 0 else place


@dataclass(frozen=True, slots=True)
class Step:
    """What lies between two images: UIDs that left, and UIDs that are new or changed, each ascending."""

    vanished: tuple[int, ...]
    changed: tuple[int, ...]


@dataclass(slots=True)
class _Kept:
    """The newest image of a folder, and the steps to it: (modification sequence before, step)."""

    image: FolderImage
    steps: deque[tuple[int, Step]] = field(default_factory=lambda: deque(maxlen=_STEPS))


@dataclass(frozen=True, slots=True)
class _View:
    """An image as one person sees it; `own` has the \\Seen of that person for each place of the base."""

    base: FolderImage
    own: bytes
    image: FolderImage


class FolderImages:
    """The images of one process. Used from the event loop; large readings are made in reader threads.

    Whoever changes a folder publishes `folder:…` (our units of work do, and `imap.foreign` for other processes):
    until then its image is taken to be the newest, without a look at the database.
    """

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._news = events.subscribe(wake=_do_nothing)
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._views: OrderedDict[tuple[int, int], _View] = OrderedDict()
        self._messages = 0

    async def current(self, folder_id: int, viewer: int | None = None) -> FolderImage | None:
        """The folder as it is now, with the \\Seen of `viewer` where one is given; None when it was deleted."""
        image = await self._current(folder_id)
        if image is None or viewer is None:
            return image
        key = (folder_id, viewer)
        view = self._views.get(key)
        if view is None or view.base is not image:
            view = self._views[key] = await self._next_view(image, key, view)
        self._views.move_to_end(key)
        while len(self._views) > _VIEWS:
            self._views.popitem(last=False)
        return view.image

    async def _next_view(self, base: FolderImage, key: tuple[int, int], before: _View | None) -> _View:
        step = None if before is None else self.step(before.base, base)
        if step is None or len(step.changed) > _AT_ONCE or len(step.vanished) > _AT_ONCE:
            view = await self._database.read(partial(_load_view, base=base, viewer=key[1]))
        else:
            assert before is not None
            view = self._database.read_now(
                partial(_following_view, base=base, viewer=key[1], before=before, step=step)
            )
        other = self._views.get(key)
        # Another session may have made a later one meanwhile.
        return other if other is not None and other.base.modseq > base.modseq else view

    async def _current(self, folder_id: int) -> FolderImage | None:
        kept = self._kept.get(folder_id)
        # Taken before the look, so that what is committed meanwhile is news again.
        if not self._news.take_one(f"folder:{folder_id}") and kept is not None:
            self._kept.move_to_end(folder_id)
            return kept.image
        row = self._database.look_up(_STATE, {"in_folder": folder_id})
        if row is None:
            self._forget(folder_id)
            return None
        state = FolderState(*row)
        if kept is None:
            self._news.add(f"folder:{folder_id}")
            image = await self._database.read(partial(_load, folder_id=folder_id))
            return None if image is None else self._keep(image, None)
        if kept.image.state == state:
            self._kept.move_to_end(folder_id)
            return kept.image
        known = kept.image
        found = self._database.read_now(partial(_changes, image=known, most=_AT_ONCE))
        if found is None:
            found = await self._database.read(partial(_changes, image=known, most=_UNLIMITED))
            assert found is not None
        return self._keep(*found, since=known.modseq)

    async def outdated(self) -> list[int]:
        """Folders with an image that is not the newest any more."""
        kept = {folder_id: kept.image.modseq for folder_id, kept in self._kept.items()}
        found = await self._database.read(partial(_modseqs, folder_ids=sorted(kept)))
        return [folder_id for folder_id, modseq in kept.items() if found.get(folder_id) != modseq]

    def step(self, before: FolderImage, after: FolderImage) -> Step:
        """What happened between two images of one folder."""
        if before.modseq == after.modseq:
            return Step((), ())
        kept = self._kept.get(after.folder_id)
        if kept is not None and kept.image.modseq == after.modseq:
            steps = []
            for known, step in reversed(kept.steps):
                steps.append(step)
                if known == before.modseq:
                    return steps[0] if len(steps) == 1 else _joined(steps)
        return _compared(before, after)

    def _keep(self, image: FolderImage, step: Step | None, since: int = 0) -> FolderImage:
        kept = self._kept.get(image.folder_id)
        if kept is None:
            kept = self._kept[image.folder_id] = _Kept(image)
            self._messages += len(image.uids)
        else:
            if image.modseq < kept.image.modseq:
                return kept.image  # another session read a later one meanwhile
            if step is not None and kept.image.modseq == since and image.modseq > since:
                kept.steps.append((since, step))
            elif image.modseq > kept.image.modseq:
                kept.steps.clear()
            self._messages += len(image.uids) - len(kept.image.uids)
            kept.image = image
        self._kept.move_to_end(image.folder_id)
        while self._messages > _CAPACITY and len(self._kept) > 1:
            self._forget(next(iter(self._kept)))
        return image

    def _forget(self, folder_id: int) -> None:
        kept = self._kept.pop(folder_id, None)
        self._news.discard(f"folder:{folder_id}")
        if kept is not None:
            self._messages -= len(kept.image.uids)


def _load_view(connection: Connection, base: FolderImage, viewer: int) -> _View:
    own = bytearray(len(base.uids))
    for uid in seen_by(connection, base.folder_id, viewer):
        if (place := base.place_of(uid)) is not None:
            own[place] = Flag.SEEN
    return _view(base, own)


def _following_view(
    connection: Connection, base: FolderImage, viewer: int, before: _View, step: Step
) -> _View:
    own = bytearray(before.own)
    for uid in reversed(step.vanished):
        if (place := before.base.place_of(uid)) is not None:
            del own[place]
    own.extend(bytes(len(base.uids) - len(own)))
    marked = frozenset(seen_by(connection, base.folder_id, viewer, step.changed)) if step.changed else ()
    for uid in step.changed:
        if (place := base.place_of(uid)) is not None:
            own[place] = Flag.SEEN if uid in marked else 0
    return _view(base, own)


def _view(base: FolderImage, own: bytes | bytearray) -> _View:
    others = int.from_bytes(base.flags.translate(_BUT_SEEN))
    flags = (others | int.from_bytes(own)).to_bytes(len(own))
    return _View(base, bytes(own), replace(base, flags=flags))


def _do_nothing() -> None:
    """Nobody waits for news of folders; they are looked for when a folder is."""


def folder_state(connection: Connection, folder_id: int) -> FolderState | None:
    """A quick look-up by key; None when the folder was deleted."""
    row = run(connection, _STATE, {"in_folder": folder_id}).first()
    return None if row is None else FolderState(*row)


def _modseqs(connection: Connection, folder_ids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for start in range(0, len(folder_ids), _IDS_AT_ONCE):
        some = json.dumps(folder_ids[start : start + _IDS_AT_ONCE])
        found |= dict(run(connection, _MODSEQS, {"folders": some}).tuples())
    return found


def vanished_since(connection: Connection, folder_id: int, modseq: int) -> list[int]:
    """UIDs that left the folder after a modification sequence, ascending (RFC 7162 §3.2.5)."""
    names = {"in_folder": folder_id, "known": modseq, "most": _UNLIMITED}
    return sorted(uid for (uid,) in run(connection, _VANISHED, names).tuples())


def _load(connection: Connection, folder_id: int) -> FolderImage | None:
    state = folder_state(connection, folder_id)
    if state is None:
        return None
    columns = run(connection, _ALL, {"in_folder": folder_id}).tuples()[0]
    uids, flags, modseqs, sizes, received, keywords = map(json.loads, columns)
    return FolderImage(
        folder_id,
        state,
        array("I", uids),
        bytes(flags),
        array("Q", modseqs),
        array("I", sizes),
        array("q", received),
        _used(uids, keywords),
    )


def _used(uids: Sequence[int], keywords: Sequence[str]) -> dict[int, str]:
    if not any(keywords):
        return {}
    return {uid: words for uid, words in zip(uids, keywords, strict=True) if words}


def _changes(connection: Connection, image: FolderImage, most: int) -> tuple[FolderImage, Step] | None:
    """The next image and the step to it; None when more than `most` messages changed."""
    state = folder_state(connection, image.folder_id)
    if state is None or state.modseq == image.modseq:
        # Deleted this instant (the caller's next look tells), or nothing but \Recent was claimed.
        return replace(image, state=state or image.state), Step((), ())
    names = {"in_folder": image.folder_id, "known": image.modseq, "most": most}
    gone = sorted(uid for (uid,) in run(connection, _VANISHED, names).tuples())
    rows = sorted(run(connection, _CHANGED, names).tuples())
    if len(gone) >= most or len(rows) >= most:
        return None
    return _next(image, state, gone, rows), Step(tuple(gone), tuple(row[0] for row in rows))


def _next(image: FolderImage, state: FolderState, gone: Sequence[int], rows: Sequence[Any]) -> FolderImage:
    places = [place for uid in gone if (place := image.place_of(uid)) is not None]
    arrived = bool(rows) and rows[-1][0] >= image.state.uidnext
    uids, sizes, received = image.uids, image.sizes, image.received
    flags, modseqs, keywords = bytearray(image.flags), image.modseqs[:], dict(image.keywords)
    if places or arrived:
        uids, sizes, received = uids[:], sizes[:], received[:]
        if len(places) > 100:
            leaving = set(places)
            staying = [place for place in range(len(uids)) if place not in leaving]
            uids, modseqs, sizes, received = (
                array(each.typecode, [each[place] for place in staying])
                for each in (uids, modseqs, sizes, received)
            )
            flags = bytearray(flags[place] for place in staying)
        else:
            for place in reversed(places):
                del uids[place], modseqs[place], sizes[place], received[place], flags[place]
        for uid in gone:
            keywords.pop(uid, None)
    changed = FolderImage(image.folder_id, state, uids, b"", modseqs, sizes, received, keywords)
    for uid, bits, modseq, size, received_at, words in rows:
        if uid >= image.state.uidnext:
            uids.append(uid)
            flags.append(bits)
            modseqs.append(modseq)
            sizes.append(size)
            received.append(received_at)
        elif (place := changed.place_of(uid)) is not None:
            flags[place] = bits
            modseqs[place] = modseq
        if words:
            keywords[uid] = words
        else:
            keywords.pop(uid, None)
    return FolderImage(image.folder_id, state, uids, bytes(flags), modseqs, sizes, received, keywords)


def _joined(steps: Iterable[Step]) -> Step:
    gone = {uid for step in steps for uid in step.vanished}
    changed = {uid for step in steps for uid in step.changed} - gone
    return Step(tuple(sorted(gone)), tuple(sorted(changed)))


def _compared(before: FolderImage, after: FolderImage) -> Step:
    present = set(after.uids)
    known = before.modseq
    return Step(
        tuple(uid for uid in before.uids if uid not in present),
        tuple(uid for uid, modseq in zip(after.uids, after.modseqs, strict=True) if modseq > known),
    )
