"""Changing flags and keywords of many messages in a few statements (RFC 9051 §6.4.6, RFC 7162 §3.1.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, or_, select, update

from mailserver.store.expunge import MODSEQ, SET_MODSEQ
from mailserver.store.selection import PerBatch, UidBatch
from mailserver.store.tables import message

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

    `modified` are the UIDs that were left alone, because they had changed meanwhile.
    """

    messages: tuple[MessageFlags, ...]
    modseq: int
    modified: tuple[int, ...] = ()


_ALWAYS = 2**63 - 1
_IS_UNCHANGED = message.c.modseq <= bindparam("unchanged_since")
_NEW_FLAGS = message.c.flags.op("&")(bindparam("keep")).op("|")(bindparam("add"))
_SET_FLAGS = PerBatch(
    lambda chosen: (
        update(message)
        .where(chosen, _IS_UNCHANGED, message.c.flags != _NEW_FLAGS)
        .values(flags=_NEW_FLAGS, modseq=bindparam("next_modseq"))
    )
)
_SET_BOTH = PerBatch(
    lambda chosen: (
        update(message)
        .where(
            chosen,
            _IS_UNCHANGED,
            message.c.keywords == bindparam("old_keywords"),
            or_(message.c.flags != _NEW_FLAGS, message.c.keywords != bindparam("new_keywords")),
        )
        .values(flags=_NEW_FLAGS, keywords=bindparam("new_keywords"), modseq=bindparam("next_modseq"))
    )
)
_KEYWORDS = PerBatch(lambda chosen: select(message.c.keywords).where(chosen, _IS_UNCHANGED).distinct())
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
) -> Changed:
    """Changes the chosen messages; only those that really change get the new modification sequence.

    With `unchanged_since`, only those with no later modification sequence than that. Raises TooManyKeywords.
    """
    row = uow.run(MODSEQ, {"in_folder": folder_id}).first()
    before: int = 0 if row is None else row.modseq
    after = before + 1
    keep, add = _masks(change)
    names = {"keep": keep, "add": add, "next_modseq": after}
    limit = _ALWAYS if unchanged_since is None else unchanged_since
    with_keywords = bool(change.keywords) or (change.change is Change.REPLACE and change.has_keywords)
    touched = 0
    found: list[MessageFlags] = []
    modified: list[int] = []
    for batch in chosen:
        if with_keywords:
            touched += _change_both(uow, folder_id, batch, change, names, limit)
        else:
            setting, of_batch = _SET_FLAGS.bind(folder_id, batch)
            touched += uow.run(setting, of_batch | names | {"unchanged_since": limit}).rowcount
        reading, of_batch = _READ.bind(folder_id, batch)
        for uid, flags, keywords, modseq in uow.run(reading, of_batch).tuples():
            if limit < modseq < after:
                modified.append(uid)
            else:
                found.append(MessageFlags(uid, flags, keywords, modseq))
    if not touched:
        return Changed(tuple(found), before, tuple(modified))
    uow.run(SET_MODSEQ, {"in_folder": folder_id, "next_modseq": after})
    uow.publish(f"folder:{folder_id}")
    return Changed(tuple(found), after, tuple(modified))


def _change_both(
    uow: UnitOfWork, folder_id: int, batch: UidBatch, change: FlagChange, names: dict[str, Any], limit: int
) -> int:
    touched = 0
    reading, of_batch = _KEYWORDS.bind(folder_id, batch)
    of_batch["unchanged_since"] = limit
    for (old,) in uow.run(reading, of_batch).tuples():
        setting, of_batch = _SET_BOTH.bind(folder_id, batch)
        of_batch |= {
            "old_keywords": old,
            "new_keywords": _new_keywords(old, change),
            "unchanged_since": limit,
        }
        touched += uow.run(setting, of_batch | names).rowcount
    return touched


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
