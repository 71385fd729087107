"""Writes the answer of `reponse.automatique-test@`: a proof for whoever tests a program or another operator.

The CNAM announces such an address for patient.mssante.fr in the white list; each domain hosted here has one.
"""

from __future__ import annotations

from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from foundation.clock import from_millis, to_paris
from foundation.mime.folding import fold
from mailserver.delivery.house import deliver_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from foundation.database import UnitOfWork
    from foundation.jobs import Job
    from mailserver.delivery.router import Router

_SUBJECT = "Réponse automatique à votre message de test"


# ref: F43
class Answering:
    """The handler of ANSWER_JOB."""

    def __init__(self, router: Router, hostname: str) -> None:
        self._router = router
        self._hostname = hostname

    async def answer(self, job: Job) -> Callable[[UnitOfWork], None]:
        """Answers one message, once."""
        content = render_answer(job.payload, self._hostname)
        return await deliver_once(self._router, job, job.payload["sender"], content, protocol="LMTP")


def render_answer(payload: Mapping[str, Any], hostname: str) -> bytes:
    """The whole message, the same for the same payload."""
    robot, sender, message_id = payload["robot"], payload["sender"], payload["message_id"]
    received = to_paris(from_millis(payload["at"]))
    header = [
        fold("From", f"Vaguemestre <{robot}>"),
        f"To: <{sender}>\r\n".encode(),
        fold("Subject", _SUBJECT),
        fold("Date", format_datetime(received)),
        fold("Message-ID", f"<reponse.{payload['queue'].lower()}@{robot.rpartition('@')[2]}>"),
    ]
    if message_id is not None:
        references = [each for each in payload["references"] if each != message_id]
        header += [fold("In-Reply-To", message_id), fold("References", " ".join((*references, message_id)))]
    header += [
        b"Auto-Submitted: auto-replied\r\n",
        b"MIME-Version: 1.0\r\n",
        b"Content-Type: text/plain; charset=utf-8\r\n",
        b"Content-Transfer-Encoding: 8bit\r\n",
        b"\r\n",
    ]
    peer_host = payload["peer_host"]
    through = (
        f"le serveur {peer_host}, d'après son certificat"
        if peer_host is not None
        else "un logiciel connecté à cet opérateur"
    )
    lines = [
        "Bonjour,",
        "",
        "Votre message est bien arrivé. Ceci est une réponse automatique, à lire par qui fait un essai.",
        "",
        f"Adresse qui répond : {robot}",
        f"Opérateur : {hostname} (Vaguemestre)",
        f"Message reçu le {received:%d/%m/%Y à %H:%M:%S} (heure de Paris)",
        f"Expéditeur de l'enveloppe : {sender}",
        f"Apporté par : {through} ({payload['protocol']})",
        f"Numéro dans cet opérateur : {payload['queue']}",
        f"Message-ID : {message_id or 'illisible'}",
        "",
        "Le texte et les pièces jointes de votre message n'ont été ni lus ni gardés. Personne ne lit cette adresse.",
        "",
    ]
    return b"".join(header) + "\r\n".join(lines).encode()
