"""A small operator for the tests of delivery: boxes, patients, and what each of them received."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from directory.bals import Bal, BalState, add_bal, set_state
from directory.patients import Patient, PatientState, add_patient
from foundation import trail
from foundation.identifiers import OID_TEST, ins_key
from foundation.settings import Settings
from mailserver.conversations import Conversation, conversation, list_conversations
from mailserver.delivery.router import Router
from mailserver.envelope import Accepted, Envelope, Origin, Principal, Refused
from mailserver.outbound.tables import outbound_message, outbound_owner, outbound_recipient
from mailserver.rules import Rules
from mailserver.store.append import create_folders
from mailserver.store.tables import folder, mail, message

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.trail import TrailRow
    from foundation.vault import Vault

DOMAIN = "hopital-demo.mssante.fr"
PATIENTS = "patient.mssante.fr"


@dataclass
class Space:
    """An espace de confiance of these domains, or one whose list is not there."""

    white_list: frozenset[str] | None = frozenset()

    @classmethod
    def of(cls, *domains: str) -> Space:
        return cls(frozenset(domains))

    async def refresh(self) -> None:
        """Nothing changes behind a test's back."""


@dataclass(frozen=True, slots=True)
class Queued:
    """One message in the queue for other operators: to whom with what was asked, and the bytes."""

    queue_id: str
    sender: str
    origin: str
    utf8: bool
    ret: str | None
    envid: str | None
    to: dict[str, tuple[str, str | None]]
    content: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """One message as its owner finds it."""

    folder: str
    uid: int
    flags: int
    mail_id: int
    subject: str
    content: bytes


class Place:
    """An operator with a database, a vault and a router."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: FixedClock,
        home: Path,
        *,
        trust: Space | None = None,
        **values: Any,
    ) -> None:
        self.trust = trust
        self.database = database
        self.vault = vault
        self.clock = clock
        self.settings = Settings(
            home=home,
            **{
                "hostname": f"mail.{DOMAIN}",
                "domains": [DOMAIN],
                "patient_domain": PATIENTS,
                "serves_patients": True,
                **values,
            },
        )
        self.rules = Rules(database, self.settings, trust)
        self.router = self.restarted()

    def restarted(self) -> Router:
        """A router that remembers nothing but what is on disk."""
        return Router(self.database, self.vault, self.clock, self.settings, self.trust)

    async def add(self, name: str, **values: Any) -> Bal:
        """A box `name@hopital-demo.mssante.fr`."""
        now = self.clock.millis()
        fields: dict[str, Any] = {"type": "PER", "idnat": None, "password_hash": None, **values}

        def unit(uow: Any) -> Bal:
            bal = add_bal(uow, self.vault, address=f"{name}@{DOMAIN}", name=name, now=now, **fields)
            create_folders(uow, bal.owner_id, now)
            return bal

        return await self.database.write(unit)

    async def suspend(self, bal: Bal) -> None:
        await self._set(bal, BalState.SUSPENDED)

    async def shut(self, bal: Bal) -> None:
        await self._set(bal, BalState.CLOSED)

    async def _set(self, bal: Bal, state: BalState) -> None:
        await self.database.write(lambda uow: set_state(uow, bal.address, state, self.clock.millis()))

    async def add_patient(
        self, number: str = "2790351215189", state: str = PatientState.ACTIVATED
    ) -> Patient:
        """Dominique PAT-TROIS, or whoever has the 13 characters of `number`."""
        now = self.clock.millis()

        def unit(uow: Any) -> Patient:
            patient = add_patient(
                uow,
                self.vault,
                ins=number + ins_key(number),
                ins_oid=OID_TEST,
                birth_name="PAT-TROIS",
                first_names="DOMINIQUE MARIE",
                birth_date="1979-03-28",
                sex="F",
                state=state,
                password_hash=None,
                now=now,
            )
            create_folders(uow, patient.owner_id, now)
            return patient

        return await self.database.write(unit)

    async def send(self, sender: Bal, *to: str, **values: Any) -> Accepted | Refused:
        """Sends `letter(**values)` as `sender` would over submission."""
        fields = {name: values.pop(name) for name in ("dsn", "utf8") if name in values}
        content = values.pop("content", None) or letter(sender.address, *to, **values)
        return await self.router.deliver(envelope(sender, *to, content=content, **fields))

    async def receive(self, sender: str, *to: str, **values: Any) -> Accepted | Refused:
        """Takes `letter(**values)` as brought by another operator."""
        names = ("dsn", "utf8", "speaks_for", "peer_host")
        fields = {name: values.pop(name) for name in names if name in values}
        content = values.pop("content", None) or letter(values.pop("author", sender), *to, **values)
        return await self.router.deliver(envelope(sender, *to, content=content, **fields))

    async def kept(self, owner_id: int, name: str = "INBOX") -> list[Kept]:
        """Everything in a folder, by UID."""
        rows = self.database.read_now(
            lambda connection: connection.execute(
                select(
                    folder.c.name, message.c.uid, message.c.flags, mail.c.id, mail.c.subject, mail.c.blob_id
                )
                .join(message, message.c.folder_id == folder.c.id)
                .join(mail, mail.c.id == message.c.mail_id)
                .where(folder.c.owner_id == owner_id, folder.c.name == name)
                .order_by(message.c.uid)
            ).all()
        )
        return [Kept(*row[:5], await self.vault.read(owner_id, row[5])) for row in rows]

    async def queued(self) -> list[Queued]:
        """Everything that waits for other operators, oldest first."""

        def query(connection: Connection) -> tuple[int | None, list[Any], list[Any]]:
            owner: int | None = connection.execute(select(outbound_owner.c.owner_id)).scalar()
            messages = list(connection.execute(select(outbound_message).order_by(outbound_message.c.id)))
            return owner, messages, list(connection.execute(select(outbound_recipient)))

        owner, messages, recipients = self.database.read_now(query)
        found = []
        for row in messages:
            assert owner is not None
            to = {each.address: (each.notify, each.orcpt) for each in recipients if each.message_id == row.id}
            content = await self.vault.read(owner, row.blob_id)
            assert row.size == len(content)
            found.append(
                Queued(row.queue_id, row.sender, row.origin, bool(row.utf8), row.ret, row.envid, to, content)
            )
        return found

    def trail(self) -> list[TrailRow]:
        """The whole trail."""
        return self.database.read_now(lambda connection: list(trail.rows(connection)))

    def count(self, table: Any) -> int:
        return int(
            self.database.read_now(
                lambda connection: connection.execute(select(func.count()).select_from(table)).scalar_one()
            )
        )

    def conversations(self, owner_id: int) -> list[Conversation]:
        return self.database.read_now(lambda connection: list_conversations(connection, owner_id))

    def conversation(self, owner_id: int, conversation_id: int) -> Conversation:
        found = self.database.read_now(lambda connection: conversation(connection, owner_id, conversation_id))
        assert found is not None
        return found


def principal_of(bal: Bal) -> Principal:
    return Principal(bal.owner_id, bal.address, bal.idnat, bal.name)


def patient_address(patient: Patient) -> str:
    return f"{patient.ins}@{PATIENTS}".lower()


def envelope(sender: Bal | str, *to: str, content: bytes, **values: Any) -> Envelope:
    """As from submission for a box, as from another operator for an address."""
    principal = principal_of(sender) if isinstance(sender, Bal) else None
    return Envelope(
        sender=sender.address if isinstance(sender, Bal) else sender,
        recipients=to,
        content=content,
        principal=principal,
        peer="192.0.2.7",
        helo="poste.example",
        protocol="ESMTPSA" if principal is not None else "ESMTPS",
        origin=Origin.SUBMISSION if principal is not None else Origin.PEER,
        **values,
    )


def letter(
    author: str,
    *to: str,
    subject: str = "Bonjour",
    message_id: str | None = "<m1@example.fr>",
    body: str = "Bonjour,\r\n\r\nBien à vous.\r\n",
    headers: tuple[str, ...] = (),
) -> bytes:
    """A plain message with CRLF line ends."""
    lines = [f"From: Dr Marie MARTIN <{author}>", f"To: {', '.join(to)}", f"Subject: {subject}"]
    if message_id is not None:
        lines.append(f"Message-ID: {message_id}")
    lines += ["Date: Thu, 13 Mar 2025 14:54:10 +0100", *headers]
    lines += [
        "MIME-Version: 1.0",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: 8bit",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
