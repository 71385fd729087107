"""Tells senders what became of their messages: one report, stored or queued in the transaction that decides it.

Whether a report was asked for (NOTIFY, RFC 3461 §4.1) is the caller's question; that nobody ever reports to the
null reverse-path, or to an address that takes no mail, is settled here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foundation import trail
from foundation.mime.scanner import scan
from mailserver import conversations
from mailserver.delivery.recipients import Hosting, reach, resolve
from mailserver.delivery.report import Action, Report, Reported, render_report
from mailserver.delivery.trace import new_queue_id
from mailserver.envelope import Origin
from mailserver.imap.structure import render
from mailserver.outbound.queue import OutboundMail, enqueue, queue_owner
from mailserver.store.append import INBOX, NewMail, append

if TYPE_CHECKING:
    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.settings import Settings
    from foundation.vault import SealedBlob, Vault
    from mailserver.delivery.recipients import TrustedSpace
    from mailserver.imap.structure import Rendering

__all__ = ["Action", "Notice", "PreparedNotice", "Reported", "Reporter"]

_ON_LOOP_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell a sender about recipients of one message. Times are epoch ms.

    `to` is the reverse-path of that message, `queue_id` its own, `content` its bytes or its header alone, with or
    without our Return-Path; `envid` and `ret` as they stood in MAIL. `retried_until` belongs to a delay.
    """

    to: str
    action: Action
    recipients: tuple[Reported, ...]
    queue_id: str
    arrived_at: int
    content: bytes = field(repr=False)
    envid: str | None = None
    ret: str | None = None
    retried_until: int | None = None


@dataclass(frozen=True, slots=True)
class PreparedNotice:
    """A report sealed and read, to be put into a transaction or discarded. `mail` is None for the null sender."""

    notice: Notice = field(repr=False)
    at: int
    mail: ReportMail | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReportMail:
    """The report itself."""

    queue_id: str
    sealed: SealedBlob
    rendering: Rendering


class Reporter:
    """Writes reports for one operator."""

    def __init__(
        self, vault: Vault, clock: Clock, settings: Settings, trust: TrustedSpace | None = None
    ) -> None:
        self._vault = vault
        self._clock = clock
        self._hostname = settings.hostname
        self._hosting = Hosting(settings)
        self._trust = trust

    async def prepare(self, notice: Notice) -> PreparedNotice:
        """Writes and seals the report of a notice; touches no table."""
        at = self._clock.millis()
        if not notice.to:
            return PreparedNotice(notice, at, None)
        queue_id = new_queue_id(at)
        if len(notice.content) > _ON_LOOP_BYTES or len(notice.recipients) > 1:
            content, rendering = await asyncio.to_thread(self._write, notice, queue_id, at)
        else:
            content, rendering = self._write(notice, queue_id, at)
        sealed = await self._vault.seal(content)
        return PreparedNotice(notice, at, ReportMail(queue_id, sealed, rendering))

    def _write(self, notice: Notice, queue_id: str, at: int) -> tuple[bytes, Rendering]:
        content = render_report(
            Report(
                to=notice.to,
                domain=self._hosting.daemon_domain(notice.to, (one.address for one in notice.recipients))
                or self._hostname,
                hostname=self._hostname,
                identifier=queue_id,
                at=at,
                action=notice.action,
                recipients=notice.recipients,
                arrived_at=notice.arrived_at,
                content=notice.content,
                envid=notice.envid,
                ret=notice.ret,
                retried_until=notice.retried_until,
            )
        )
        return content, render(content, scan(content))

    def put(self, uow: UnitOfWork, prepared: PreparedNotice, *, actor: str = "system") -> None:
        """Stores or queues the report, with a row of the trail for each recipient it tells of.

        The null sender, or one whose box is gone, cannot be told: the trail says what was dropped for good.
        """
        mail, notice = prepared.mail, prepared.notice
        subject = None
        if mail is not None:
            subject = self._store(uow, prepared, mail)
            if subject is None:
                self._vault.drop(uow, mail.sealed)
        action = "message.reported"
        if subject is None:
            action = "message.dropped" if notice.action is Action.FAILED else "report.dropped"
        for one in notice.recipients:
            trail.append(
                uow,
                action,
                actor=actor,
                subject=subject or f"queue:{notice.queue_id}",
                outcome=one.refusal.code if one.refusal is not None else notice.action.value,
                detail={"queue": notice.queue_id, "action": notice.action.value},
                clock=self._clock,
            )

    async def discard(self, prepared: PreparedNotice) -> None:
        """Removes what no transaction will name."""
        if prepared.mail is not None:
            await self._vault.discard(prepared.mail.sealed)

    def _store(self, uow: UnitOfWork, prepared: PreparedNotice, mail: ReportMail) -> str | None:
        """Where the report is now, as a subject of the trail; None when nobody takes it."""
        to = prepared.notice.to
        resolution = resolve(uow.connection, self._hosting, (to,), beyond=reach(Origin.HOUSE, self._trust))
        for target in resolution.targets:
            blob_id = self._vault.store(uow, mail.sealed, (target.owner_id,))
            new = NewMail(blob_id, mail.sealed.size, mail.rendering, prepared.at)
            mail_id = append(uow, target.owner_id, INBOX, new).mail_id
            if target.is_patient and mail.rendering.in_reply_to is not None:
                conversations.add_notice(
                    uow, target.owner_id, mail_id, mail.rendering.in_reply_to, prepared.at
                )
            return f"mail:{mail_id}"
        if resolution.remote:
            blob_id = self._vault.store(uow, mail.sealed, (queue_owner(uow, self._vault),))
            queued = OutboundMail(
                mail.queue_id,
                "",
                blob_id,
                mail.sealed.size,
                prepared.at,
                utf8=not to.isascii(),
                origin="report",
            )
            enqueue(uow, queued, resolution.remote)
            return f"queue:{mail.queue_id}"
        return None
