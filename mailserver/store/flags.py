"""Changing flags and keywords of many messages in a few statements (RFC 3501 §6.4.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

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
    """A change of system flags (bits of `tables.Flag`) and keywords."""

    change: Change
    flags: int
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageFlags:
    """Flags of one message after a change."""

    uid: int
    flags: int
    keywords: str


@dataclass(frozen=True, slots=True)
class Changed:
    """The chosen messages that are there, ascending, and the folder's modification sequence after the change."""

    messages: tuple[MessageFlags, ...]
    modseq: int


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
_READ = PerBatch(
    lambda chosen: (
        select(message.c.uid, message.c.flags, message.c.keywords).where(chosen).order_by(message.c.uid)
    )
)


def change_flags(uow: UnitOfWork, folder_id: int, chosen: Iterable[UidBatch], change: FlagChange) -> Changed:
    """Changes the chosen messages; only those that really change get the new modification sequence.

    Raises TooManyKeywords.
    """
    before: int = uow.execute(MODSEQ, {"in_folder": folder_id}).scalar() or 0
    after = before + 1
    keep, add = _masks(change)
    with_keywords = change.change is Change.REPLACE or bool(change.keywords)
    touched = 0
    found: list[MessageFlags] = []
    for batch in chosen:
        if with_keywords:
            statement, names = _KEYWORDS.bind(folder_id, batch)
            for old in uow.execute(statement, names).scalars().all():
                setting, names = _SET_BOTH.bind(folder_id, batch)
                names |= {"keep": keep, "add": add, "next_modseq": after}
                names |= {"old_keywords": old, "new_keywords": _new_keywords(old, change)}
                touched += uow.execute(setting, names).rowcount
        else:
            setting, names = _SET_FLAGS.bind(folder_id, batch)
            touched += uow.execute(setting, names | {"keep": keep, "add": add, "next_modseq": after}).rowcount
        statement, names = _READ.bind(folder_id, batch)
        found += [MessageFlags(row.uid, row.flags, row.keywords) for row in uow.execute(statement, names)]
    if not touched:
        return Changed(tuple(found), before)
    uow.execute(SET_MODSEQ, {"in_folder": folder_id, "next_modseq": after})
    uow.publish(f"folder:{folder_id}")
    return Changed(tuple(found), after)


def _masks(change: FlagChange) -> tuple[int, int]:
    if change.change is Change.ADD:
        return ALL_FLAGS, change.flags
    if change.change is Change.REMOVE:
        return ALL_FLAGS & ~change.flags, 0
    return 0, change.flags


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
