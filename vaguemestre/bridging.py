"""Between mail and record: which handler takes a job that a delivery left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dmp_bridge.report import REPORT_JOB
from foundation.clock import from_millis
from foundation.log import get_logger
from foundation.mime.notifications import Notification
from mailserver.delivery.local import BRIDGE_JOB
from mailserver.envelope import Envelope, Origin, Refused
from mailserver.reading_receipt import RECEIPT_JOB

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dmp_bridge.intake import Bridge
    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.jobs import Handler, Job
    from foundation.settings import Settings
    from mailserver.delivery.router import Router
    from mailserver.reading_receipt import ReceiptDesk

_log = get_logger(__name__)


def handlers(
    bridge: Bridge, router: Router, receipts: ReceiptDesk, settings: Settings, clock: Clock
) -> Mapping[str, Handler]:
    """The handler of each kind of job."""

    async def report(job: Job) -> Callable[[UnitOfWork], None]:
        told = await bridge.report(job)
        if told is None:
            return _nothing
        # The same bytes at every attempt: should a crash fall between the delivery and the end of the job,
        # the receipt of the delivery recognises them and no second report is stored.
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
        envelope = Envelope(
            "", (told.to,), content, None, "127.0.0.1", settings.hostname, "LMTP", origin=Origin.HOUSE
        )
        outcome = await router.deliver(envelope)
        if isinstance(outcome, Refused):
            # The sender's box may be gone by now; the filing row and the trail keep the outcome.
            _log.info("report not deliverable", job=job.id, code=outcome.refusal.code)
            return _nothing
        accepted = outcome

        def settle(uow: UnitOfWork) -> None:
            uow.after_commit(lambda: router.settled(accepted))

        return settle

    return {BRIDGE_JOB: bridge.handle, REPORT_JOB: report, RECEIPT_JOB: receipts.send}


def _nothing(_uow: UnitOfWork) -> None:
    return None
