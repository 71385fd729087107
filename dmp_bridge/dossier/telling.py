"""The mails that say something happened in a record: to ordinary addresses, so without a word of health or a name."""

from __future__ import annotations

import asyncio
import quopri
import smtplib
import ssl
from email.utils import format_datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from directory.bals import BalState, BalType, bals_of
from directory.patients import patient_of
from dmp_bridge.dossier.notices import Addressee, NoticeEvent, NoticeState, settle, waiting_for
from dmp_bridge.dossier.preferences import preferences_of
from foundation.clock import from_millis, to_paris
from foundation.files import PRIVATE, write_atomically
from foundation.log import get_logger
from foundation.mime.folding import fold

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from directory.patients import Patient
    from dmp_bridge.dossier.notices import Notice
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.jobs import Job
    from foundation.settings import Settings

_SECONDS: Final = 30
_log = get_logger(__name__)

SENTENCES: Final[Mapping[NoticeEvent, str]] = MappingProxyType(
    {
        NoticeEvent.DOCUMENT_ADDED: "Un document a été ajouté.",
        NoticeEvent.DOCUMENT_CHANGED: "Un document a été modifié.",
        NoticeEvent.ACCESS: "Un professionnel a consulté le dossier.",
        NoticeEvent.EMERGENCY_ACCESS: "Un professionnel a consulté le dossier en urgence.",
        NoticeEvent.CONSENT_CHANGED: "Une autorisation ou un choix a été enregistré ou modifié.",
        NoticeEvent.RECORD_UPDATED: (
            "Le dossier a été mis à jour : parlez-en avec un professionnel de santé, par exemple le médecin traitant."
        ),
        NoticeEvent.DOCUMENT_VISIBLE: "Un document est devenu visible.",
        NoticeEvent.RECORD_CLOSED: "Le dossier a été clos.",
        NoticeEvent.RECORD_REOPENED: "Le dossier a été rouvert.",
        NoticeEvent.MAJORITY: "Plus personne ne représente le titulaire, devenu majeur.",
    }
)
"""What happened, without a word of health or a name."""


class RefusedForGood(Exception):
    """The mail is not taken, and would not be taken later."""


class Carrier(Protocol):
    """Takes a whole mail to one ordinary address. Raises RefusedForGood, or OSError to be tried again."""

    def carry(self, to: str, content: bytes, name: str) -> None: ...


class SmtpCarrier:
    """Hands mails to a relay, over TLS where it offers it."""

    def __init__(self, listener: str, sender: str, hostname: str) -> None:
        host, _, port = listener.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._sender = sender
        self._hostname = hostname

    def carry(self, to: str, content: bytes, name: str) -> None:
        """Blocks for at most half a minute; for a thread."""
        try:
            with smtplib.SMTP(
                self._host, self._port, local_hostname=self._hostname, timeout=_SECONDS
            ) as relay:
                relay.ehlo()
                if relay.has_extn("starttls"):
                    relay.starttls(context=ssl.create_default_context())
                    relay.ehlo()
                relay.sendmail(self._sender, [to], content)
        except smtplib.SMTPRecipientsRefused as refused:
            code = next((code for code, _ in refused.recipients.values()), 0)
            _raise(code, refused)
        except smtplib.SMTPResponseException as refused:
            _raise(refused.smtp_code, refused)
        except (smtplib.SMTPException, UnicodeEncodeError) as error:
            raise OSError(type(error).__name__) from error


class FolderCarrier:
    """Leaves mails as .eml files in a folder: for a sandbox."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def carry(self, to: str, content: bytes, name: str) -> None:
        del to  # it stands in the mail
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._folder / f"{name}.eml", content, PRIVATE)


class NoticeMail:
    """The handler of NOTICE_JOB: one mail for everything that waits for one person.

    `deliver` sends a mail by MSSanté to a box hosted here; what it returns ends the job.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        deliver: Callable[[Job, str, bytes], Awaitable[Callable[[UnitOfWork], None]]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._deliver = deliver
        self._carrier = carrier_of(settings)

    # ref: DMP-F28
    async def send(self, job: Job) -> Callable[[UnitOfWork], None]:
        """Sends what waits; nothing where another job did so already. Raises OSError to be tried again."""
        addressee, addressee_id = Addressee(job.payload["addressee"]), str(job.payload["id"])
        waiting = await self._database.read(
            lambda connection: waiting_for(connection, addressee, addressee_id)
        )
        if not waiting:
            return lambda _uow: None
        if addressee is Addressee.ATTENDING:
            return await self._to_doctor(job, addressee_id, waiting)
        return await self._to_person(addressee, int(addressee_id), waiting)

    async def _to_person(
        self, addressee: Addressee, owner_id: int, waiting: Sequence[Notice]
    ) -> Callable[[UnitOfWork], None]:
        wishes = await self._database.read(lambda connection: preferences_of(connection, owner_id))
        if not wishes.email or self._carrier is None:
            return self._settled(waiting, NoticeState.SHOWN)
        name = f"{waiting[0].id}"
        content = render_notice(
            wishes.email,
            {each.event for each in waiting},
            sender=self._settings.record.notice_sender,
            hostname=self._settings.hostname,
            name=name,
            at=self._clock.now(),
            is_own=addressee is Addressee.HOLDER,
        )
        try:
            await asyncio.to_thread(self._carrier.carry, wishes.email, content, name)
        except RefusedForGood:
            _log.info("notice: refused by the relay")
            return self._settled(waiting, NoticeState.FAILED)
        return self._settled(waiting, NoticeState.SENT)

    # ref: DMP-F25
    async def _to_doctor(
        self, job: Job, idnat: str, waiting: Sequence[Notice]
    ) -> Callable[[UnitOfWork], None]:
        def holders(connection: Connection) -> dict[int, Patient]:
            found = {each.owner_id: patient_of(connection, each.owner_id) for each in waiting}
            return {owner_id: holder for owner_id, holder in found.items() if holder is not None}

        box = await self._database.read(lambda connection: _box_of(connection, idnat))
        if box is None:
            return self._settled(waiting, NoticeState.FAILED)
        told = await self._database.read(holders)
        delivered = await self._deliver(
            job, box, render_for_attending(box, waiting, told, self._settings.hostname)
        )
        settled = self._settled(waiting, NoticeState.SENT)

        def unit(uow: UnitOfWork) -> None:
            delivered(uow)
            settled(uow)

        return unit

    def _settled(self, waiting: Sequence[Notice], state: NoticeState) -> Callable[[UnitOfWork], None]:
        return lambda uow: settle(uow, waiting, state, self._clock.millis())


def carrier_of(settings: Settings) -> Carrier | None:
    """How ordinary mails leave: by a relay, into a folder, or not at all."""
    record = settings.record
    if record.notice_smtp:
        return SmtpCarrier(record.notice_smtp, record.notice_sender, settings.hostname)
    if record.notice_folder.name:
        return FolderCarrier(settings.path(record.notice_folder))
    return None


def render_notice(
    to: str,
    events: set[NoticeEvent],
    *,
    sender: str,
    hostname: str,
    name: str,
    at: datetime,
    is_own: bool,
) -> bytes:
    """The whole mail to an ordinary address. It names nobody and no document."""
    of = "votre espace santé" if is_own else "l’espace santé d’une personne que vous représentez"
    sentences = [SENTENCES[event] for event in NoticeEvent if event in events]
    lines = [
        f"Il y a du nouveau dans {of} :",
        "",
        *(f"- {sentence}" for sentence in sentences),
        "",
        "Identifiez-vous dans Mon espace santé pour en savoir plus. Ce message ne contient ni lien ni donnée de santé.",
        "Vous y choisissez aussi ce dont vous êtes averti.",
        "",
        "Ce message est automatique, une réponse ne serait lue par personne.",
        "",
    ]
    header = (
        fold("From", sender)
        + fold("To", to)
        + fold("Subject", "Du nouveau dans un espace santé")
        + fold("Date", format_datetime(to_paris(at)))
        + fold("Message-ID", f"<avis.{name}@{hostname}>")
        + _PLAIN
    )
    return header + quopri.encodestring("\r\n".join(lines).encode())


def render_for_attending(
    to: str, waiting: Sequence[Notice], holders: dict[int, Patient], hostname: str
) -> bytes:
    """The whole MSSanté mail that tells an attending doctor of emergency accesses (CSP R1111-48); same for the same."""
    told = [
        f"- {holder.name}, né(e) le {holder.birth_date} : accès le "
        f"{to_paris(from_millis(each.at)):%d/%m/%Y à %H:%M}, par le professionnel {each.caller_id}."
        for each in sorted(waiting, key=lambda each: each.id)
        if (holder := holders.get(each.owner_id)) is not None
    ]
    lines = [
        "En tant que médecin traitant, vous êtes informé de l’accès en urgence au dossier de vos patients",
        "(article R. 1111-48 du code de la santé publique) :",
        "",
        *told,
        "",
        "Ce message est automatique, une réponse ne serait lue par personne.",
        "",
    ]
    last = max(waiting, key=lambda each: each.id)
    header = (
        fold("From", f"Mail Delivery System <MAILER-DAEMON@{to.rpartition('@')[2]}>")
        + fold("To", to)
        + fold("Subject", "Accès en urgence au dossier de vos patients")
        + fold("Date", format_datetime(to_paris(from_millis(last.at))))
        + fold("Message-ID", f"<urgence.{last.id}@{hostname}>")
        + _PLAIN
    )
    return header + quopri.encodestring("\r\n".join(lines).encode())


_PLAIN: Final = (
    b"Auto-Submitted: auto-generated\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
)


def _box_of(connection: Connection, idnat: str) -> str | None:
    return next(
        (
            each.address
            for each in bals_of(connection, idnat)
            if each.type is BalType.PER and each.state is BalState.ACTIVE
        ),
        None,
    )


def _raise(code: int, error: Exception) -> None:
    if 500 <= code < 600:
        raise RefusedForGood from error
    raise OSError(f"the relay answers {code}") from error
