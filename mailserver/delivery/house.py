"""Mail that the house itself writes, as the work of a job: delivered once, whatever falls between the two commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.log import get_logger
from mailserver.envelope import Envelope, Origin, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation.database import UnitOfWork
    from foundation.jobs import Job
    from mailserver.delivery.router import Router

_log = get_logger(__name__)


class PutOff(Exception):
    """Not now; the job is tried again."""


async def deliver_once(
    router: Router, job: Job, to: str, content: bytes, *, protocol: str
) -> Callable[[UnitOfWork], None]:
    """Delivers `content` under the null reverse-path; the answer ends the job. Raises PutOff.

    `content` is the same at every attempt of the job: should a crash fall between the delivery and the end of the
    job, the receipt of the delivery recognises the bytes and nothing is sent twice.
    """
    envelope = Envelope(
        "", (to,), content, None, "", "", protocol, origin=Origin.HOUSE, utf8=not to.isascii()
    )
    outcome = await router.deliver(envelope)
    if isinstance(outcome, Refused):
        if outcome.refusal.is_temporary:
            raise PutOff(outcome.refusal.code)
        # Whoever was to read it is gone by now.
        _log.info("mail of the house not deliverable", job=job.id, kind=job.kind, code=outcome.refusal.code)
        return lambda _uow: None
    accepted = outcome
    return lambda uow: uow.after_commit(lambda: router.settled(accepted))
