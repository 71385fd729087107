"""The mail that tells a sender that nothing came back in time; only where `tracking.alert_mail` says so."""

from __future__ import annotations

from email.utils import format_datetime
from typing import TYPE_CHECKING

from foundation.clock import from_millis, to_paris
from foundation.mime.folding import fold
from mailserver.delivery.house import deliver_once
from mailserver.delivery.trace import is_message_id
from mailserver.tracking import view

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation.database import Database, UnitOfWork
    from foundation.jobs import Job
    from mailserver.delivery.router import Router
    from mailserver.tracking.view import Message

_MAX_NAMED = 50


class AlertMail:
    """The handler of ALERT_JOB."""

    def __init__(self, router: Router, database: Database, hostname: str) -> None:
        self._router = router
        self._database = database
        self._hostname = hostname

    async def send(self, job: Job) -> Callable[[UnitOfWork], None]:
        """Tells one sender of one message, once; nothing where the answer came meanwhile or the box is a patient's."""
        key = job.payload["message"]
        found = await self._database.read(lambda connection: view.by_row(connection, key))
        if found is None or found.sender is None or not found.is_alert:
            return lambda _uow: None
        content = render_alert(found, found.sender, self._hostname, job.payload["at"])
        return await deliver_once(self._router, job, found.sender, content, protocol="LMTP")


def render_alert(message: Message, sender: str, hostname: str, at: int) -> bytes:
    """The whole mail, the same for the same arguments. `at` is epoch ms."""
    message_id = message.message_id or ""
    reference = b""
    if is_message_id(message_id):
        reference = fold("In-Reply-To", message_id) + fold("References", message_id)
    header = (
        fold("From", f"Mail Delivery System <MAILER-DAEMON@{sender.rpartition('@')[2]}>")
        + fold("To", sender)
        + fold("Subject", "Sans nouvelle de votre message")
        + fold("Date", format_datetime(to_paris(from_millis(at))))
        + fold("Message-ID", f"<suivi.{message.queue_id.lower()}@{hostname}>")
        + reference
        + b"Auto-Submitted: auto-generated\r\n"
        + b"MIME-Version: 1.0\r\n"
        + b"Content-Type: text/plain; charset=utf-8\r\n"
        + b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    )
    awaited = [each.address for each in message.recipients if each.is_awaited]
    lines = [
        f"Votre message du {to_paris(from_millis(message.received_at)):%d/%m/%Y à %H:%M} (heure de Paris)",
        *([f"Objet : {message.subject}"] if message.subject else []),
        "",
        "Vous avez demandé un accusé pour ce message. À cette heure, aucun n'est revenu de :",
        *(f"- {address}" for address in awaited[:_MAX_NAMED]),
        *([f"- et {len(awaited) - _MAX_NAMED} autres"] if len(awaited) > _MAX_NAMED else []),
        "",
        "Le message n'est pas perdu pour autant : un destinataire peut ne pas envoyer d'accusé.",
        "Que faire : si la réponse presse, joignez le destinataire autrement.",
        f"Numéro du message chez l'opérateur : {message.queue_id}",
        "",
        "Ce message est automatique, une réponse ne serait lue par personne.",
        "",
    ]
    return header + "\r\n".join(lines).encode("utf-8", "replace")
