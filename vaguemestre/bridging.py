"""Which handler takes a job that a delivery left: between mail and record, and for the answers of the house."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dmp_bridge.report import REPORT_JOB
from foundation.clock import from_millis
from foundation.mime.mss_headers import judge
from foundation.mime.notifications import Notification
from mailserver.delivery.answering import Answering
from mailserver.delivery.house import deliver_once
from mailserver.delivery.local import BRIDGE_JOB
from mailserver.delivery.robot import ANSWER_JOB
from mailserver.delivery.tracked import count
from mailserver.reading_receipt import RECEIPT_JOB
from mailserver.tracking import journal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dmp_bridge.intake import Bridge, Examined
    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.jobs import Handler, Job
    from foundation.settings import Settings
    from mailserver.delivery.router import Router
    from mailserver.delivery.tracked import Outcomes
    from mailserver.reading_receipt import ReceiptDesk


def told_of_record(clock: Clock, outcomes: Outcomes | None = None) -> Callable[[UnitOfWork, Examined], None]:
    """What the bridge calls when it has filed a mail: its sender's history learns of it, the X-MSS fields are counted."""

    def tell(uow: UnitOfWork, examined: Examined) -> None:
        if examined.refused is not None or examined.is_integrated:
            code = examined.refused.value if examined.refused is not None else None
            journal.recorded(uow, examined.queue, examined.owner_id, code, clock.millis())
        if examined.documents is None:
            return
        judged = judge(examined.mss, examined.documents)
        if journal.judged(uow, examined.queue, judged) and outcomes is not None:
            uow.after_commit(lambda: count(outcomes, judged))

    return tell


def handlers(
    bridge: Bridge, router: Router, receipts: ReceiptDesk, settings: Settings, clock: Clock
) -> Mapping[str, Handler]:
    """The handler of each kind of job."""

    async def report(job: Job) -> Callable[[UnitOfWork], None]:
        told = await bridge.report(job)
        if told is None:
            return _nothing
        # The same names and times at every attempt make the same bytes.
        names = f"{job.payload['owner_id']}.{job.payload['mail_id']}"
        at = from_millis(job.payload.get("at") or clock.millis())
        hostname = settings.hostname
        if isinstance(told, Notification):
            content = await asyncio.to_thread(
                told.render,
                hostname=hostname,
                identifier=f"mdn.{names}",
                at=at,
                largest=settings.limits.message_bytes,
            )
        else:
            # Another operator takes a report only from a domain that is ours in the white list.
            author = f"MAILER-DAEMON@{settings.patient_domain}"
            content = told.render(author=author, hostname=hostname, identifier=f"ko.{names}", at=at)
        return await deliver_once(router, job, told.to, content, protocol="LMTP")

    answering = Answering(router, settings.hostname)
    return {
        BRIDGE_JOB: bridge.handle,
        REPORT_JOB: report,
        RECEIPT_JOB: receipts.send,
        ANSWER_JOB: answering.answer,
    }


def _nothing(_uow: UnitOfWork) -> None:
    return None
