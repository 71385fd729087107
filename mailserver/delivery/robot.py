"""The address that answers by itself: which messages deserve an answer, and the job that will write it (RFC 3834)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from foundation import jobs
from mailserver.delivery.recipients import ROBOT
from mailserver.delivery.trace import is_message_id

if TYPE_CHECKING:
    from foundation.database import UnitOfWork
    from mailserver.delivery.prepare import Prepared
    from mailserver.delivery.recipients import Robot
    from mailserver.envelope import Envelope

ANSWER_JOB = "auto-answer"
"""Payload: `robot` and `sender` (addresses), `queue`, `at` (epoch ms), `message_id`, `references`, `protocol`,
`peer_host` (the name in the certificate that was presented; None at submission). No subject, no body."""

MAX_HOPS = 20
"""Received fields above which a message may be on its way round."""
_MAX_REFERENCES = 20
_AUTOMATIC = re.compile(
    rb"^(?:auto-submitted[ \t]*:(?!\s*no\s*(?:[;(]|$))"
    rb"|precedence[ \t]*:\s*(?:bulk|list|junk)\b"
    rb"|list-[a-z-]+[ \t]*:"
    rb"|x-loop[ \t]*:"
    rb"|x-auto-response-suppress[ \t]*:)",
    re.IGNORECASE | re.MULTILINE,
)
_AUTO_REPLIED = re.compile(rb"^auto-submitted[ \t]*:\s*auto-replied\b", re.IGNORECASE | re.MULTILINE)
_HOP = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)


# ref: F43
def take(uow: UnitOfWork, envelope: Envelope, prepared: Prepared, robot: Robot) -> bool:
    """Leaves the job that answers, in the delivery's transaction; whether there will be an answer."""
    if not deserves_answer(envelope.sender, prepared):
        return False
    payload = {
        "robot": robot.address,
        "sender": envelope.sender,
        "queue": prepared.queue_id,
        "at": prepared.at,
        **thread_of(prepared),
        "protocol": envelope.protocol,
        "peer_host": envelope.peer_host,
    }
    jobs.enqueue(uow, ANSWER_JOB, payload)
    return True


def thread_of(prepared: Prepared) -> dict[str, Any]:
    """What an answer refers to, `message_id` and `references`, as far as it can be written into a header of ours."""
    rendering = prepared.rendering
    message_id = rendering.message_id
    return {
        "message_id": message_id if message_id is not None and is_message_id(message_id) else None,
        "references": [each for each in rendering.references if is_message_id(each)][-_MAX_REFERENCES:],
    }


def is_automatic_answer(prepared: Prepared) -> bool:
    """Whether a program answers in somebody's place (RFC 3834 §5.1); what a program sends of itself is no answer."""
    return _AUTO_REPLIED.search(prepared.header.kept) is not None


def deserves_answer(sender: str, prepared: Prepared) -> bool:
    """Whether a person or a program under test waits for an answer: no report, no list, no other robot."""
    local = sender.rpartition("@")[0].lower()
    if not local or local in (ROBOT, "mailer-daemon"):
        return False
    header = prepared.header
    if header.is_report or _AUTOMATIC.search(header.kept):
        return False
    return sum(1 for _ in _HOP.finditer(header.kept)) <= MAX_HOPS
