"""COPY and MOVE (RFC 3501 §6.4.7, RFC 6851), with COPYUID (RFC 4315 §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.imap.grammar.sequence import format_uid_set
from mailserver.imap.permission import Action, changeable_flags, may_change_keywords, require
from mailserver.imap.replies import MISSING_TARGET, OVER_QUOTA, READ_ONLY, Reply, no, ok
from mailserver.store import quota
from mailserver.store.append import NoSuchFolder
from mailserver.store.copy import Carried, Transfer, Transferred, transfer
from mailserver.store.folders import find_folder
from mailserver.store.handover import MAX_MESSAGES, Giver, TooManyMessages, hand_over
from mailserver.store.quota import OverQuota
from mailserver.store.selection import batches

if TYPE_CHECKING:
    from foundation.database import UnitOfWork
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session
    from mailserver.store.rights import Place


async def copy(session: Session, command: c.Copy) -> Reply:
    done = await _transfer(session, command, Transfer.COPY)
    if isinstance(done, Reply):
        return done
    return ok("COPY completed", _copyuid(done))


async def move(session: Session, command: c.Move) -> Reply:
    """COPYUID comes untagged before the EXPUNGE responses (RFC 6851 §4.3)."""
    if session.folder.is_read_only:
        return READ_ONLY
    if refused := require(session.folder.place, Action.TAKE_AWAY):
        return refused
    done = await _transfer(session, command, Transfer.MOVE)
    if isinstance(done, Reply):
        return done
    code = _copyuid(done)
    if code is not None:
        session.send([ok("Moved", code).line("*")])
    return ok("MOVE completed", await session.tell_everything())


async def _transfer(session: Session, command: c.Copy | c.Move, how: Transfer) -> Transferred | Reply:
    folder = session.folder
    slices = folder.slices(command.numbering, command.messages)
    place = session.locate(command.mailbox)
    if place is None:
        return MISSING_TARGET
    if refused := require(place, Action.ADD):
        return refused
    try:
        return await session.context.database.write(lambda uow: _unit(session, uow, slices, place, how))
    except NoSuchFolder:
        return MISSING_TARGET
    except OverQuota:
        return OVER_QUOTA
    except TooManyMessages:
        return no(f"At most {MAX_MESSAGES} messages go to another box at once", "LIMIT")


def _unit(
    session: Session, uow: UnitOfWork, slices: list[tuple[int, int]], place: Place, how: Transfer
) -> Transferred:
    """Raises NoSuchFolder, OverQuota and TooManyMessages."""
    folder, now = session.folder, session.context.clock.millis()
    target = find_folder(uow.connection, place.owner_id, place.name)
    if target is None:
        raise NoSuchFolder(place.name)
    chosen = batches(folder.uids, slices)
    carried = Carried(changeable_flags(place), int(may_change_keywords(place)))
    if place.owner_id == folder.place.owner_id:
        done = transfer(uow, folder.folder_id, chosen, target, how, now=now, carried=carried)
        grows = how is Transfer.COPY
    else:
        source = Giver(folder.folder_id, folder.place.owner_id, folder.place.viewer)
        done = hand_over(
            uow,
            session.context.vault,
            source,
            chosen,
            target,
            how,
            now=now,
            viewer=place.viewer,
            carried=carried,
        )
        grows = True
    if grows:
        quota.enforce(uow, place.owner_id, session.context.quota)
    return done


def _copyuid(done: Transferred) -> str | None:
    if not done.sources:
        return None
    sources, targets = format_uid_set(done.sources), format_uid_set(done.targets)
    return f"COPYUID {done.uidvalidity} {sources.decode('ascii')} {targets.decode('ascii')}"
