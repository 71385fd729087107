"""Which handler takes a job that a delivery left: between mail and record, and for the answers of the house."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from certs.tls import Identity, Trust, client_context
from dmp_bridge.deposit import DEPOSIT_REPORT_JOB
from dmp_bridge.hl7.destinations import Folder, System
from dmp_bridge.hl7.mllp import Endpoint
from dmp_bridge.hl7.outbox import HL7_JOB
from dmp_bridge.report import REPORT_JOB
from foundation.clock import from_millis
from foundation.mime.mss_headers import judge
from foundation.mime.notifications import Notification
from mailserver.delivery.answering import Answering
from mailserver.delivery.house import deliver_once
from mailserver.delivery.integration import DEPOSIT_JOB
from mailserver.delivery.local import BRIDGE_JOB
from mailserver.delivery.robot import ANSWER_JOB
from mailserver.delivery.tracked import count
from mailserver.reading_receipt import RECEIPT_JOB
from mailserver.tracking import journal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dmp_bridge.deposit import Deposits
    from dmp_bridge.hl7.destinations import Destination
    from dmp_bridge.intake import Bridge, Examined
    from dmp_bridge.report import Report
    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.jobs import GivingUp, Handler, Job
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
        # Another operator takes a report only from a domain that is ours in the white list.
        author = f"MAILER-DAEMON@{settings.patient_domain}"
        return await _told(router, settings, clock, job, await bridge.report(job), author)

    answering = Answering(router, settings.hostname)
    return {
        BRIDGE_JOB: bridge.handle,
        REPORT_JOB: report,
        RECEIPT_JOB: receipts.send,
        ANSWER_JOB: answering.answer,
    }


def deposit_handlers(
    deposits: Deposits, router: Router, settings: Settings, clock: Clock
) -> Mapping[str, Handler]:
    """The handler of each kind of job that boxes which deposit leave."""

    async def report(job: Job) -> Callable[[UnitOfWork], None]:
        told, author = await deposits.report(job)
        end = await _told(router, settings, clock, job, told, author)

        def unit(uow: UnitOfWork) -> None:
            deposits.reported(uow, job)
            end(uow)

        return unit

    return {DEPOSIT_JOB: deposits.handle, DEPOSIT_REPORT_JOB: report, HL7_JOB: deposits.outbox.send}


# ref: DMP-F13
def given_up(bridge: Bridge, deposits: Deposits) -> Mapping[str, GivingUp]:
    """What is done when a job of a kind fails for the last time: nobody waits for an answer in vain."""
    return {
        BRIDGE_JOB: bridge.given_up,
        DEPOSIT_JOB: deposits.given_up,
        DEPOSIT_REPORT_JOB: deposits.reported,
        HL7_JOB: deposits.outbox.given_up,
    }


# ref: F44
def hospital_systems(settings: Settings) -> dict[str, Destination]:
    """Where the documents of which box go on to; raises TlsUnusable."""
    record = settings.record
    found: dict[str, Destination] = {
        box.lower(): Folder(settings.path(folder)) for box, folder in record.hl7_folder.items()
    }
    for box, address in record.hl7_mllp.items():
        scheme, _, place = address.partition("://")
        host, _, port = place.rpartition(":")
        tls = None
        if scheme == "mllps":
            own = Identity(settings.path(settings.tls.certificate), settings.path(settings.tls.key))
            tls = client_context(Trust(settings.path(record.hl7_ca_file)), own)
        found[box.lower()] = System(Endpoint(host.strip("[]"), int(port), tls))
    return found


async def _told(
    router: Router,
    settings: Settings,
    clock: Clock,
    job: Job,
    told: Report | Notification | None,
    author: str,
) -> Callable[[UnitOfWork], None]:
    """Sends what the sender of a mail is told; the same names and times at every attempt make the same bytes."""
    if told is None:
        return _nothing
    names = f"{job.payload['owner_id']}.{job.payload['mail_id']}"
    at = from_millis(job.payload.get("at") or clock.millis())
    if isinstance(told, Notification):
        content = await asyncio.to_thread(
            told.render,
            hostname=settings.hostname,
            identifier=f"mdn.{names}",
            at=at,
            largest=settings.limits.message_bytes,
        )
    else:
        content = told.render(
            author=author,
            hostname=settings.hostname,
            identifier=f"ko.{names}",
            at=at,
            largest=settings.limits.message_bytes,
        )
    return await deliver_once(router, job, told.to, content, protocol="LMTP")


def _nothing(_uow: UnitOfWork) -> None:
    return None
