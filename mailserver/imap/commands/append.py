"""APPEND and REPLACE: all messages of a command, or none (RFC 9051 §6.3.12, RFC 3502, RFC 8508)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foundation.mime.scanner import scan
from mailserver.imap import flags
from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.grammar.sequence import format_uid_set
from mailserver.imap.permission import Action, changeable_flags, may_change_keywords, require
from mailserver.imap.replies import MISSING_TARGET, OVER_QUOTA, READ_ONLY, Reply, bad, no, ok
from mailserver.imap.structure import Rendering, render
from mailserver.store import quota
from mailserver.store.append import Appended, NewMail, NoSuchFolder, append
from mailserver.store.expunge import remove
from mailserver.store.flags import join_keywords
from mailserver.store.folders import look_up_folder
from mailserver.store.quota import OverQuota
from mailserver.store.rights import Right
from mailserver.store.seen import note_seen
from mailserver.store.tables import Flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation.database import UnitOfWork
    from foundation.vault import SealedBlob
    from mailserver.imap.grammar.appending import Append, NewMessage, Replace
    from mailserver.imap.session import Session
    from mailserver.store.rights import Place

_OFF_LOOP_BYTES = 16 * 1024
"""A longer message is read in a thread."""
_NOT_A_MESSAGE = no("A message is neither empty nor has NUL octets", "UNKNOWN-CTE")


class _Gone(Exception):
    """The message to replace went meanwhile."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A message that was read and sealed, for the transaction that adds it."""

    message: NewMessage = field(repr=False)
    rendering: Rendering = field(repr=False)
    sealed: SealedBlob = field(repr=False)


async def append_messages(session: Session, command: Append) -> Reply:
    place = session.locate(command.mailbox)
    refused = _refusal(session, place, command.messages)
    if refused is not None or place is None:
        return refused or MISSING_TARGET
    prepared: list[_Prepared] = []
    try:
        for message in command.messages:
            prepared.append(await _prepare(session, message))
        appended = await session.context.database.write(
            lambda uow: _add_within(session, uow, place, prepared)
        )
    except Exception as error:
        # Not for a cancellation: the writer may still commit a row that names the file.
        await _discard(session, prepared)
        if isinstance(error, NoSuchFolder | OverQuota):
            return MISSING_TARGET if isinstance(error, NoSuchFolder) else OVER_QUOTA
        raise
    return ok("APPEND completed", _appenduid(appended))


async def replace_message(session: Session, command: Replace) -> Reply:
    """The new message comes and the old one goes in one transaction (RFC 8508 §3)."""
    folder = session.folder
    uid = _uid_of(session, command)
    if uid is None:
        return bad("No message has that number")
    if folder.is_read_only:
        return READ_ONLY
    if missing_right := require(folder.place, Action.TAKE_AWAY):
        return missing_right
    place = session.locate(command.mailbox)
    refused = _refusal(session, place, (command.message,))
    if refused is not None or place is None:
        return refused or MISSING_TARGET
    prepared = [await _prepare(session, command.message)]

    def unit(uow: UnitOfWork) -> list[Appended]:
        appended = _add(session, uow, place, prepared)
        if not remove(uow, session.context.vault, folder.place.owner_id, folder.folder_id, uid):
            raise _Gone
        quota.enforce(uow, place.owner_id, session.context.quota)
        return appended

    try:
        appended = await session.context.database.write(unit)
    except Exception as error:
        await _discard(session, prepared)
        if isinstance(error, NoSuchFolder | OverQuota):
            return MISSING_TARGET if isinstance(error, NoSuchFolder) else OVER_QUOTA
        if isinstance(error, _Gone):
            return no("The message to replace is gone", "EXPUNGEISSUED")
        raise
    session.send([ok("Replaced", _appenduid(appended)).line("*")])
    return ok("REPLACE completed", await session.tell_everything())


def _uid_of(session: Session, command: Replace) -> int | None:
    uids = session.folder.uids
    number = command.number or (
        len(uids) if command.numbering is Numbering.SEQUENCE else uids[-1] if uids else 0
    )
    if command.numbering is Numbering.UID:
        return number if session.folder.number_of(number) is not None else None
    return uids[number - 1] if 0 < number <= len(uids) else None


def _refusal(session: Session, place: Place | None, messages: Sequence[NewMessage]) -> Reply | None:
    if any(not message.content or b"\0" in message.content for message in messages):
        return _NOT_A_MESSAGE
    if place is None:
        return MISSING_TARGET
    if refused := require(place, Action.ADD):
        return refused
    found = look_up_folder(session.context.database, place.owner_id, place.name)
    return MISSING_TARGET if found is None else None


async def _prepare(session: Session, message: NewMessage) -> _Prepared:
    content = message.content
    if len(content) > _OFF_LOOP_BYTES:
        rendering = await asyncio.to_thread(_render, content)
    else:
        rendering = _render(content)
    return _Prepared(message, rendering, await session.context.vault.seal(content))


def _render(message: bytes) -> Rendering:
    return render(message, scan(message))


def _add_within(
    session: Session, uow: UnitOfWork, place: Place, prepared: Sequence[_Prepared]
) -> list[Appended]:
    """Raises NoSuchFolder and OverQuota."""
    appended = _add(session, uow, place, prepared)
    quota.enforce(uow, place.owner_id, session.context.quota)
    return appended


def _add(session: Session, uow: UnitOfWork, place: Place, prepared: Sequence[_Prepared]) -> list[Appended]:
    """Flags that the person may not set here are left away (RFC 4314 §4). Raises NoSuchFolder."""
    now = session.context.clock.millis()
    kept = changeable_flags(place)
    if place.viewer is not None:
        kept &= ~Flag.SEEN
    appended = [
        append(
            uow,
            place.owner_id,
            place.name,
            NewMail(
                blob_id=session.context.vault.store(uow, each.sealed, [place.owner_id]),
                size=len(each.message.content),
                rendering=each.rendering,
                received_at=now if each.message.received_at is None else each.message.received_at,
                flags=flags.bits(each.message.flags.system) & kept,
                keywords=join_keywords(each.message.flags.keywords) if may_change_keywords(place) else "",
                saved_at=now,
            ),
        )
        for each in prepared
    ]
    if place.viewer is not None and Right.SEEN in place.rights:
        for new, each in zip(appended, prepared, strict=True):
            if flags.bits(each.message.flags.system) & Flag.SEEN:
                note_seen(uow, new.folder_id, place.viewer, [new.uid])
    return appended


async def _discard(session: Session, prepared: Sequence[_Prepared]) -> None:
    for each in prepared:
        await session.context.vault.discard(each.sealed)


def _appenduid(appended: Sequence[Appended]) -> str:
    uids = format_uid_set(each.uid for each in appended).decode("ascii")
    return f"APPENDUID {appended[0].uidvalidity} {uids}"
