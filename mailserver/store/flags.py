"""Changing flags and keywords of many messages in a few statements (RFC 9051 §6.4.6, RFC 7162 §3.1.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, or_, select, update

from mailserver.store.expunge import MODSEQ, SET_MODSEQ
from mailserver.store.seen import mark, seen_by, unmark
from mailserver.store.selection import PerBatch, UidBatch
from mailserver.store.tables import Flag, message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation.database import UnitOfWork

ALL_FLAGS = 31
MAX_KEYWORDS = 64


class TooManyKeywords(ValueError):
    """A message would have more than 64 keywords; nothing was changed."""


class Change(StrEnum):
    """What is done with the flags that are named."""

    REPLACE = "replace"
    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class FlagChange:
    """A change of system flags (bits of `tables.Flag`) and keywords.

    REPLACE leaves the bits that are not in `mask` as they are, and without `has_keywords` the keywords.
    """

    change: Change
    flags: int
    keywords: tuple[str, ...] = ()
    mask: int = ALL_FLAGS
    has_keywords: bool = True


@dataclass(frozen=True, slots=True)
class MessageFlags:
    """Flags of one message after a change."""

    uid: int
    flags: int
    keywords: str
    modseq: int


@dataclass(frozen=True, slots=True)
class Changed:
    """The chosen messages that are there, ascending, and the folder's modification sequence after the change.

    `modified` are the UIDs that were left alone, because they had changed meanwhile; `unknown` those that had changed
    after what the caller knows.
    """

    messages: tuple[MessageFlags, ...]
    modseq: int
    modified: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()


_NEW_FLAGS = message.c.flags.op("&")(bindparam("keep")).op("|")(bindparam("add"))
_SET_FLAGS = PerBatch(
    lambda chosen: (
        update(message)
        .where(chosen, message.c.flags != _NEW_FLAGS)
        .values(flags=_NEW_FLAGS, modseq=bindparam("next_modseq"))
    )
)
_SET_BOTH = PerBatch(
    lambda chosen: (
        update(message)
        .where(
            chosen,
            message.c.keywords == bindparam("old_keywords"),
            or_(message.c.flags != _NEW_FLAGS, message.c.keywords != bindparam("new_keywords")),
        )
        .values(flags=_NEW_FLAGS, keywords=bindparam("new_keywords"), modseq=bindparam("next_modseq"))
    )
)
_KEYWORDS = PerBatch(lambda chosen: select(message.c.keywords).where(chosen).distinct())
_MODSEQS = PerBatch(
    lambda chosen: select(message.c.uid, message.c.modseq).where(chosen).order_by(message.c.uid)
)
_READ = PerBatch(
    lambda chosen: (
        select(message.c.uid, message.c.flags, message.c.keywords, message.c.modseq)
        .where(chosen)
        .order_by(message.c.uid)
    )
)


def change_flags(
    uow: UnitOfWork,
    folder_id: int,
    chosen: Iterable[UidBatch],
    change: FlagChange,
    *,
    unchanged_since: int | None = None,
    viewer: int | None = None,
    known: int | None = None,
) -> Changed:
    """Changes the chosen messages; only those that really change get the new modification sequence.

    With `unchanged_since`, only those with no later modification sequence than that. With `viewer`, \\Seen is the
    one of this person (`Place.viewer`). `known` is the modification sequence up to which the caller knows the folder.
    Raises TooManyKeywords.
    """
    row = uow.run(MODSEQ, {"in_folder": folder_id}).first()
    before: int = 0 if row is None else row.modseq
    after = before + 1
    touched = 0
    found: list[MessageFlags] = []
    modified: list[int] = []
    unknown: list[int] = []
    for batch in chosen:
        if known is not None and known < before:
            unknown += _split(uow, folder_id, batch, known)[1]
        unchanged: UidBatch | None = batch
        if unchanged_since is not None:
            unchanged, later = _split(uow, folder_id, batch, unchanged_since)
            modified += later
        if unchanged is None:
            continue
        touched += _change(uow, folder_id, unchanged, change, after, viewer)
        found += _read(uow, folder_id, unchanged, viewer)
    if not touched:
        return Changed(tuple(found), before, tuple(modified), tuple(unknown))
    uow.run(SET_MODSEQ, {"in_folder": folder_id, "next_modseq": after})
    uow.publish(f"folder:{folder_id}")
    return Changed(tuple(found), after, tuple(modified), tuple(unknown))


def _split(
    uow: UnitOfWork, folder_id: int, batch: UidBatch, modseq: int
) -> tuple[UidBatch | None, list[int]]:
    """Those that have not changed since, and the UIDs of the others."""
    reading, names = _MODSEQS.bind(folder_id, batch)
    rows = uow.run(reading, names).tuples()
    uids = tuple(uid for uid, its in rows if its <= modseq)
    return UidBatch(uids[0], uids[-1], uids) if uids else None, [uid for uid, its in rows if its > modseq]


def _change(
    uow: UnitOfWork, folder_id: int, batch: UidBatch, change: FlagChange, modseq: int, viewer: int | None
) -> int:
    """How many messages changed, at least."""
    touched = 0
    if viewer is not None:
        touched = _mark(uow, folder_id, batch, change, modseq, viewer)
        change = replace(change, flags=change.flags & ~Flag.SEEN, mask=change.mask & ~Flag.SEEN)
    keep, add = _masks(change)
    values = {"keep": keep, "add": add, "next_modseq": modseq}
    if not change.keywords and (change.change is not Change.REPLACE or not change.has_keywords):
        setting, names = _SET_FLAGS.bind(folder_id, batch)
        return touched + uow.run(setting, names | values).rowcount
    reading, names = _KEYWORDS.bind(folder_id, batch)
    for (old,) in uow.run(reading, names).tuples():
        setting, names = _SET_BOTH.bind(folder_id, batch)
        keywords = {"old_keywords": old, "new_keywords": _new_keywords(old, change)}
        touched += uow.run(setting, names | values | keywords).rowcount
    return touched


def _mark(
    uow: UnitOfWork, folder_id: int, batch: UidBatch, change: FlagChange, modseq: int, viewer: int
) -> int:
    """What the change does to the \\Seen of a person."""
    names_it = bool(change.flags & Flag.SEEN)
    if change.change is Change.REPLACE and not change.mask & Flag.SEEN:
        return 0
    if names_it and change.change is not Change.REMOVE:
        return mark(uow, folder_id, batch, viewer, next_modseq=modseq)
    if names_it or change.change is Change.REPLACE:
        return unmark(uow, folder_id, batch, viewer, next_modseq=modseq)
    return 0


def _read(uow: UnitOfWork, folder_id: int, batch: UidBatch, viewer: int | None) -> list[MessageFlags]:
    reading, names = _READ.bind(folder_id, batch)
    rows = uow.run(reading, names).tuples()
    if viewer is not None:
        own = set(seen_by(uow.connection, folder_id, viewer, [row[0] for row in rows]))
        rows = [
            (uid, flags & ~Flag.SEEN | (Flag.SEEN if uid in own else 0), *rest) for uid, flags, *rest in rows
        ]
    return [MessageFlags(uid, int(flags), keywords, modseq) for uid, flags, keywords, modseq in rows]


def _masks(change: FlagChange) -> tuple[int, int]:
    if change.change is Change.ADD:
        return ALL_FLAGS, change.flags
    if change.change is Change.REMOVE:
        return ALL_FLAGS & ~change.flags, 0
    return ALL_FLAGS & ~change.mask, change.flags


def _new_keywords(old: str, change: FlagChange) -> str:
    named = {keyword.upper(): keyword for keyword in change.keywords}
    current = {keyword.upper(): keyword for keyword in old.split()}
    if change.change is Change.ADD:
        kept = named | current
    elif change.change is Change.REMOVE:
        kept = {key: keyword for key, keyword in current.items() if key not in named}
    else:
        kept = {key: current.get(key, keyword) for key, keyword in named.items()}
    if len(kept) > MAX_KEYWORDS:
        raise TooManyKeywords
    return join_keywords(kept.values())


def join_keywords(keywords: Iterable[str]) -> str:
    """Keywords in the form of the column: sorted, separated by one space."""
    return " ".join(sorted(keywords))
