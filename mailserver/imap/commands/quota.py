"""GETQUOTA and GETQUOTAROOT (RFC 9208 §4.1). A box is one quota root: "" one's own, `Partages/<address>` another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.imap.permission import Action, require
from mailserver.imap.replies import MISSING, Reply, no, ok
from mailserver.store.access import is_shared_name
from mailserver.store.append import INBOX
from mailserver.store.folders import SEPARATOR, look_up_folder
from mailserver.store.quota import quota_of

if TYPE_CHECKING:
    from mailserver.imap.grammar.quota import GetQuota, GetQuotaRoot
    from mailserver.imap.session import Session
    from mailserver.store.quota import Quota

_NO_ROOT = no("No such quota root", "NONEXISTENT")
_KIB = 1024


async def get_quota(session: Session, command: GetQuota) -> Reply:
    """RFC 9208 §4.1.1"""
    if command.root and (not is_shared_name(command.root) or command.root.count(SEPARATOR) != 1):
        return _NO_ROOT
    place = session.locate(command.root + SEPARATOR + INBOX if command.root else INBOX)
    if place is None:
        return _NO_ROOT
    if refused := require(place, Action.SEE_QUOTA):
        return refused
    line = _line(session, command.root, _quota(session, place.owner_id))
    if line is None:
        return _NO_ROOT
    session.send([line])
    return ok("GETQUOTA completed")


async def get_quota_root(session: Session, command: GetQuotaRoot) -> Reply:
    """RFC 9208 §4.1.2; a box without limits has no root."""
    place = session.locate(command.mailbox)
    if place is None or look_up_folder(session.context.database, place.owner_id, place.name) is None:
        return MISSING
    if refused := require(place, Action.SEE_QUOTA):
        return refused
    root = ""
    if is_shared_name(command.mailbox):
        root = SEPARATOR.join(command.mailbox.split(SEPARATOR, 2)[:2])
    line = _line(session, root, _quota(session, place.owner_id))
    name = session.mailbox(command.mailbox)
    if line is None:
        session.send([b"* QUOTAROOT %b\r\n" % name])
    else:
        session.send([b"* QUOTAROOT %b %b\r\n" % (name, session.mailbox(root)), line])
    return ok("GETQUOTAROOT completed")


def _quota(session: Session, owner_id: int) -> Quota:
    defaults = session.context.quota
    return session.context.database.read_now(lambda connection: quota_of(connection, owner_id, defaults))


def _line(session: Session, root: str, quota: Quota) -> bytes | None:
    """The QUOTA response; None where nothing is limited. STORAGE counts KiB (RFC 9208 §5.1)."""
    resources = []
    if quota.limits.octets:
        resources.append(b"STORAGE %d %d" % (-(-quota.octets // _KIB), -(-quota.limits.octets // _KIB)))
    if quota.limits.messages:
        resources.append(b"MESSAGE %d %d" % (quota.messages, quota.limits.messages))
    if not resources:
        return None
    return b"* QUOTA %b (%b)\r\n" % (session.mailbox(root), b" ".join(resources))
