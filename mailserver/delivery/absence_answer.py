"""The answer of somebody who is away: who gets one, the job that writes it, and the message (RFC 3834, RFC 5230 §4).

It names neither the subject nor a word of the message it answers: it may be read by others than who wrote that.
"""

from __future__ import annotations

import quopri
import re
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from directory.bals import BalState, BalType, bal_of
from foundation import jobs
from foundation.clock import from_millis, to_paris
from foundation.mime.fields import split_fields
from foundation.mime.folding import fold, format_address
from mailserver.delivery import absence
from mailserver.delivery.house import deliver_once
from mailserver.delivery.recipients import canonical
from mailserver.delivery.robot import deserves_answer, thread_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from directory.bals import Bal
    from foundation.database import Database, UnitOfWork
    from foundation.jobs import Job
    from mailserver.delivery.absence import Absence
    from mailserver.delivery.prepare import Prepared
    from mailserver.delivery.recipients import Resolution, Target
    from mailserver.delivery.router import Router
    from mailserver.envelope import Envelope

ABSENCE_JOB = "absence-answer"
"""Payload: `owner_id`, `set_at` (which absence), `sender` (address), `queue`, `at` (epoch ms), `message_id`, `references`."""

SUBJECT = "Réponse automatique : absence"
_FOOTER = "Ceci est une réponse automatique. Votre message est bien arrivé dans cette boîte."
_NAMED = frozenset({b"to", b"cc", b"resent-to", b"resent-cc"})
_LOOKED_AT = 256 * 1024
"""Octets of a header."""
_NOBODY = re.compile(
    r"owner-.*|.*-(?:request|owner|bounces?)|listserv|majordomo|mailer-daemon|postmaster"
    r"|(?:no|ne[-_.]?pas)[-_.]?(?:reply|repondre).*"
)
"""Local parts behind which nobody reads (RFC 5230 §4.6)."""


def take(
    uow: UnitOfWork, envelope: Envelope, prepared: Prepared, target: Target, resolution: Resolution
) -> None:
    """Leaves the job that answers for somebody who is away, in the delivery's transaction, where one is due.

    A patient gets one as well: only who may write to this box has written (`mailserver.rules`).
    """
    box = resolution.boxes.get(target.address)
    if box is None or box.away is None or not box.away.holds(prepared.at):
        return
    sender = envelope.sender
    author = resolution.boxes.get(canonical(sender) or "")
    if author is not None and (author.owner_id == target.owner_id or author.type == BalType.APP):
        return
    if not deserves_answer(sender, prepared) or _NOBODY.fullmatch(sender.rpartition("@")[0].lower()):
        return
    if not _is_named(target.address, prepared.header.kept):
        return
    found = absence.find(uow.connection, target.owner_id)
    if found is None or not absence.is_to_be_told(uow, target.owner_id, sender, prepared.at):
        return
    payload = {
        "owner_id": target.owner_id,
        "set_at": found.set_at,
        "sender": sender,
        "queue": prepared.queue_id,
        "at": prepared.at,
        **thread_of(prepared),
    }
    jobs.enqueue(uow, ABSENCE_JOB, payload)


def _is_named(address: str, header: bytes) -> bool:
    """Whether a box stands in To or Cc: who got a blind copy, or mail of a list, does not show (RFC 5230 §4.5)."""
    fields = split_fields(header[:_LOOKED_AT])
    named = b"\n".join(value for name, value in fields if name.lower() in _NAMED)
    alone = rb"(?<![\w.+-])" + re.escape(address.encode()) + rb"(?![\w.-])"
    return re.search(alone, named.lower()) is not None


class AbsenceAnswers:
    """The handler of ABSENCE_JOB."""

    def __init__(self, router: Router, database: Database) -> None:
        self._router = router
        self._database = database

    async def answer(self, job: Job) -> Callable[[UnitOfWork], None]:
        """Answers one message, once; not at all where the absence was changed or ended meanwhile."""
        owner_id = job.payload["owner_id"]

        def look_up(connection: Connection) -> tuple[Bal | None, Absence | None]:
            return bal_of(connection, owner_id), absence.find(connection, owner_id)

        box, found = await self._database.read(look_up)
        if box is None or box.state is not BalState.ACTIVE:
            return _nothing
        # The same words at every attempt make the same bytes.
        if found is None or found.set_at != job.payload["set_at"]:
            return _nothing
        content = render_answer(job.payload, box, found)
        return await deliver_once(self._router, job, job.payload["sender"], content, protocol="LMTP")


def render_answer(payload: Mapping[str, Any], box: Bal, found: Absence) -> bytes:
    """The whole message, the same for the same payload and absence."""
    message_id, domain = payload["message_id"], box.address.rpartition("@")[2]
    header = [
        fold("From", format_address(box.name, box.address)),
        f"To: <{payload['sender']}>\r\n".encode(),
        fold("Subject", SUBJECT),
        fold("Date", format_datetime(to_paris(from_millis(payload["at"])))),
        fold("Message-ID", f"<absence.{payload['queue'].lower()}.{box.owner_id}@{domain}>"),
    ]
    if message_id is not None:
        references = [each for each in payload["references"] if each != message_id]
        header += [fold("In-Reply-To", message_id), fold("References", " ".join((*references, message_id)))]
    header += [
        b"Auto-Submitted: auto-replied (vacation)\r\n",
        b"MIME-Version: 1.0\r\n",
        b"Content-Type: text/plain; charset=utf-8\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"\r\n",
    ]
    text = f"{found.text}\n\n-- \n{_FOOTER}\n"
    return b"".join(header) + quopri.encodestring(text.encode(errors="replace")).replace(b"\n", b"\r\n")


def _nothing(_uow: UnitOfWork) -> None:
    return None
