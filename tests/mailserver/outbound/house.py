"""The sending side: an operator with a queue, a trust space that lists its peers, and a dispatcher on request."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import select

from certs.pki import Case
from certs.profiles import Purpose
from certs.publisher import SIGNER_CN, Listing, publish, published_url
from certs.routes import set_route
from certs.trust import TrustSpace
from foundation import trail
from foundation.clock import FixedClock
from foundation.events import Events
from foundation.settings import OutboundSettings, Settings, TlsSettings, TrustSettings
from foundation.vault import Vault, blob, write_master_key
from mailserver.envelope import RecipientDsn
from mailserver.outbound.client import Patience
from mailserver.outbound.connector import Connector
from mailserver.outbound.content import Body
from mailserver.outbound.dispatcher import Dispatcher
from mailserver.outbound.queue import TOPIC, OutboundMail, RemoteRecipient, enqueue, queue_owner
from mailserver.outbound.resolver import Resolver
from mailserver.outbound.tables import (
    outbound_delivery,
    outbound_domain,
    outbound_message,
    outbound_recipient,
)
from mailserver.outbound.transaction import Letter
from tests.database import open_empty
from tests.mailserver.outbound.peer import Peer
from tests.mailserver.smtp.trusted import OURS, Papers, name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from certs.names import DistinguishedName
    from foundation.database import Database, UnitOfWork
    from mailserver.delivery.notify import Notice

OURSELVES = "ici.mssante.fr"
PEER = "pair.mssante.fr"
PEER_NAME = name(f"mail.{PEER}")
SENDER = f"anne@{OURSELVES}"
LETTER = (
    b"Return-Path: <anne@ici.mssante.fr>\r\n"
    b"Received: by mail.ici.mssante.fr (Vaguemestre) id Q; Fri, 13 Mar 2026 15:54:10 +0100\r\n"
    b"From: Anne <anne@ici.mssante.fr>\r\nSubject: Bonjour\r\n\r\n.Bonjour\r\n..\r\nBien.\r\n"
)
SENT = LETTER.partition(b"\r\n")[2]
QUICK = Patience(connect=5, greeting=5, hello=5, handshake=5, mail=5, rcpt=5, data=5, block=5, end=5, leave=1)


@dataclass(frozen=True)
class FakePrepared:
    notice: Notice


class Watched:
    """Something that changes, and tells those who wait for it."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


class Notes(Watched):
    """Keeps the notices that were committed, and counts what was made and discarded."""

    def __init__(self) -> None:
        super().__init__()
        self.put_in: list[Notice] = []
        self.discarded = 0
        self.error: Exception | None = None

    async def reach(self, number: int) -> None:
        await self.until(lambda: len(self.put_in) >= number)

    async def prepare(self, notice: Notice) -> Any:
        if self.error is not None:
            raise self.error
        return FakePrepared(notice)

    def put(self, uow: UnitOfWork, prepared: Any) -> None:
        def keep() -> None:
            self.put_in.append(prepared.notice)
            self.changed()

        uow.after_commit(keep)

    async def discard(self, prepared: Any) -> None:
        self.discarded += 1


class Tally(Watched):
    """The metrics, which a test can wait on."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[tuple[str, str]] = Counter()

    def outbound(self, outcome: str, code: str = "", recipients: int = 1) -> None:
        self.counts[outcome, code] += recipients
        self.changed()

    async def reaches(self, outcome: str, number: int, code: str = "") -> None:
        await self.until(lambda: self.counts[outcome, code] >= number)


class House:
    """An operator that sends."""

    def __init__(
        self,
        papers: Papers,
        settings: Settings,
        clock: FixedClock,
        events: Events,
        database: Database,
        vault: Vault,
        trust: TrustSpace,
    ) -> None:
        self.papers = papers
        self.settings = settings
        self.clock = clock
        self.events = events
        self.database = database
        self.vault = vault
        self.trust = trust
        self.tally = Tally()
        self.notes = Notes()
        self.patience = QUICK
        self.resolver = Resolver()
        self._numbers = iter(range(1, 1_000_000))

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, papers: Papers, home: Path, **outbound: Any) -> AsyncIterator[Self]:
        """`outbound` are settings of that section."""
        clock = FixedClock(datetime.now(UTC))
        certificate, key, _ = papers.of(OURS)
        settings = Settings(
            home=home,
            hostname=f"mail.{OURSELVES}",
            domains=[OURSELVES],
            tls=TlsSettings(certificate=certificate, key=key, ca_file=papers.pki.ca_file),
            trust=TrustSettings(
                white_list_url=published_url(home),
                signer=f"CN={SIGNER_CN}",
                crl_urls=[papers.pki.crl_file.as_uri()],
            ),
            outbound=OutboundSettings(**outbound),
        )
        publish(home, papers.pki, [Listing(OURSELVES, OURS), Listing(PEER, PEER_NAME)], papers.now)
        events = Events()
        database = await open_empty(home / "test.db", events)
        write_master_key(home / "master.key")
        vault = Vault.open(database, f"file://{home / 'vault'}", home / "master.key")
        try:
            yield cls(
                papers, settings, clock, events, database, vault, await TrustSpace.open(settings, clock)
            )
            await vault.settle()
        finally:
            await database.close()

    # Peers

    def enlist(self, domain: str, whose: DistinguishedName = PEER_NAME) -> None:
        """Publishes one entry more."""
        publish(self.settings.home, self.papers.pki, [Listing(domain, whose)], self.papers.now)

    def route(self, domain: str, port: int) -> None:
        set_route(self.settings.home, domain, f"127.0.0.1:{port}")

    def papers_of(
        self,
        whose: DistinguishedName = PEER_NAME,
        case: Case = Case.VALID,
        purpose: Purpose = Purpose.SERVER,
    ) -> ssl.SSLContext:
        """How a server with such a certificate asks for ours."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key, _ = self.papers.of(whose, case, purpose)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(self.papers.pki.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    @contextlib.asynccontextmanager
    async def peer(
        self, domain: str = PEER, context: ssl.SSLContext | None = None, **answers: Any
    ) -> AsyncIterator[Peer]:
        """The right server of `domain`, unless its answers are wrong."""
        async with Peer.open(context or self.papers_of(), **answers) as peer:
            self.route(domain, peer.port)
            await self.trust.refresh()
            yield peer

    # Sending

    def connector(self) -> Connector:
        return Connector(self.trust, self.resolver, self.settings.hostname, self.patience)

    async def queue(
        self,
        *to: str | RemoteRecipient,
        content: bytes = LETTER,
        sender: str = SENDER,
        queue_id: str = "",
        **values: Any,
    ) -> str:
        """Queues a message as a delivery does; its queue id."""
        queue_id = queue_id or f"Q{next(self._numbers)}"
        recipients = [recipient(each) if isinstance(each, str) else each for each in to]
        sealed = await self.vault.seal(content)

        def unit(uow: UnitOfWork) -> None:
            blob_id = self.vault.store(uow, sealed, (queue_owner(uow, self.vault),))
            mail = OutboundMail(queue_id, sender, blob_id, len(content), self.clock.millis(), **values)
            enqueue(uow, mail, recipients)

        await self.database.write(unit)
        return queue_id

    def dispatcher(self, **values: Any) -> Dispatcher:
        return Dispatcher(
            self.database,
            self.vault,
            self.clock,
            self.settings,
            self.events,
            self.trust,
            self.notes,
            self.tally,
            **{
                "resolver": self.resolver,
                "patience": self.patience,
                "chance": random.Random(7),
                **values,
            },
        )

    @contextlib.asynccontextmanager
    async def dispatching(self, **values: Any) -> AsyncIterator[Dispatcher]:
        """The dispatcher at work, closed at the end."""
        dispatcher = self.dispatcher(**values)
        task = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
        finally:
            await dispatcher.close(grace=0)
            await task

    def later(self, **step: float) -> None:
        """Moves the clock and wakes the dispatcher."""
        self.clock.advance(timedelta(**step))
        self.events.publish(TOPIC)

    # Looking

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        found = await self.database.read(
            lambda connection: connection.execute(select(table)).mappings().all()
        )
        return [dict(row) for row in found]

    async def deliveries(self) -> list[dict[str, Any]]:
        return await self.rows(outbound_delivery)

    async def waiting(self) -> list[str]:
        return sorted(row["address"] for row in await self.rows(outbound_recipient))

    async def domains(self) -> dict[str, dict[str, Any]]:
        return {row["domain"]: row for row in await self.rows(outbound_domain)}

    async def is_empty(self) -> bool:
        """Nothing waits, and no body is kept for it."""
        tables = (outbound_message, outbound_delivery, outbound_recipient, blob)
        return not any([await self.rows(table) for table in tables])

    async def trail(self) -> list[tuple[str, str, str]]:
        found = await self.database.read(lambda connection: trail.last_rows(connection, 10_000))
        return [(row.action, row.outcome, row.subject) for row in found if row.action.startswith("message.")]


def recipient(address: str, *notify: str, orcpt: str | None = None) -> RemoteRecipient:
    return RemoteRecipient(address, address.rpartition("@")[2], RecipientDsn(frozenset(notify), orcpt))


def letter(*to: str | RemoteRecipient, content: bytes = LETTER, **values: Any) -> Letter:
    recipients = [recipient(each) if isinstance(each, str) else each for each in to]
    return Letter(values.pop("sender", SENDER), recipients, Body(content, len(content)), **values)
