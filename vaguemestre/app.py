"""The only place that wires the house together: one running operator with all its listeners."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from certs.tls import (
    Identity,
    Trust,
    believe,
    check_identity,
    client_context,
    mutual_server_context,
    server_context,
)
from certs.trust import TrustSpace
from directory.annuaire.annuaire import Annuaire
from directory.bals import BalType
from directory.fhir.routes import fhir_routes
from directory.ldap import server as ldap
from directory.ldap.context import LdapContext, LdapLimits
from directory.psc.https import Https
from directory.psc.provider import PscProvider
from directory.psc.relying_party import RelyingParty
from directory.psc.tokens import TokenCheck
from directory.publication import PUBLISH_JOB, unfinished
from dmp_bridge.deposit import Deposits
from dmp_bridge.dossier.desk import Desk
from dmp_bridge.dossier.notices import NOTICE_JOB
from dmp_bridge.dossier.telling import NoticeMail
from dmp_bridge.dossier.timers import Timers
from dmp_bridge.hl7.outbox import waiting as hl7_waiting
from dmp_bridge.intake import Bridge
from foundation.cipher import key_of
from foundation.clock import PARIS, SystemClock
from foundation.database import Database
from foundation.database_file import discard_draft, path_of
from foundation.events import Events
from foundation.jobs import Worker
from foundation.log import get_logger
from foundation.metrics import Metrics
from foundation.passwords import PasswordMemory
from foundation.vault import Vault, read_master_key
from mailserver.delivery.absence_answer import ABSENCE_JOB, AbsenceAnswers
from mailserver.delivery.house import deliver_once
from mailserver.delivery.notify import Reporter
from mailserver.delivery.router import Router
from mailserver.emptying import empty
from mailserver.imap.context import ImapContext, ImapLimits
from mailserver.imap.server import ImapServer, Security
from mailserver.outbound.dispatcher import Dispatcher
from mailserver.outbound.queue import waiting
from mailserver.outbound.resolver import Resolver, RoutesOnly
from mailserver.patient_reply import PatientDesk
from mailserver.reading_receipt import ReceiptDesk
from mailserver.rules import Rules
from mailserver.sasl.scram import endpoint_of
from mailserver.signin.desk import SignIn
from mailserver.smtp import listener as smtp
from mailserver.smtp import policy as smtp_policy
from mailserver.smtp.budget import MemoryBudget
from mailserver.smtp.mx import MxGate
from mailserver.smtp.rates import Rates
from mailserver.smtp.submission import AnySenderGate, SubmissionGate
from mailserver.store.acl import DELEGATED
from mailserver.store.quota import QuotaLimits
from mailserver.tracking import sweeper as tracking
from mailserver.tracking.alert import AlertMail
from mailserver.tracking.sweeper import ALERT_JOB
from portal.app import PortalContext, application
from portal.context import Records
from portal.setup.access import Access
from vaguemestre import migrate
from vaguemestre.bridging import deposit_handlers, given_up, handlers, hospital_systems, told_of_record
from vaguemestre.errors import CannotListen
from vaguemestre.fetching import Fetcher
from vaguemestre.home import use_imported_lists
from vaguemestre.ldap_doors import LdapDoors
from vaguemestre.lifecycle import WARNING_JOB, LifeCycle, WarningMail
from vaguemestre.psc.routes import routes as identity_provider
from vaguemestre.publishing import Publisher, exchange_of
from vaguemestre.records import record_routes
from vaguemestre.web import WebServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.applications import Starlette

    from foundation.clock import Clock
    from foundation.settings import Settings
    from mailserver.smtp.gate import Gate

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PlainAddresses:
    """Listeners without TLS, of a sandbox on loopback only: host:port each."""

    imap: str
    submission: str
    mx: str


class Operator:
    """A running operator. `ports` tells where each listener is."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.ports: dict[str, int] = {}
        self._listeners: list[Callable[[], Awaitable[None]]] = []
        self._behind = contextlib.AsyncExitStack()

    @classmethod
    async def start(
        cls, settings: Settings, *, plain: PlainAddresses | None = None, clock: Clock | None = None
    ) -> Operator:
        """Opens everything and listens.

        Raises CannotListen and the sentence-bearing errors of certificates, database and vault.
        """
        operator = cls(settings, clock or SystemClock())
        try:
            await operator._open(plain)
        except BaseException:
            await operator.stop()
            raise
        return operator

    async def stop(self) -> None:
        """Takes no new client, finishes what is open, closes the database last."""
        listeners, self._listeners = self._listeners, []
        await asyncio.gather(*(close() for close in listeners))
        await self._behind.aclose()

    async def _open(self, plain: PlainAddresses | None) -> None:
        settings, clock = self.settings, self.clock
        identity = Identity(settings.path(settings.tls.certificate), settings.path(settings.tls.key))
        certificate = check_identity(identity, clock.now())
        endpoint = endpoint_of(certificate)
        use_imported_lists(settings)
        key = key_of(settings)
        discard_draft(path_of(settings.database_url))
        await asyncio.to_thread(migrate.upgrade, settings.database_url, key)
        metrics = Metrics()
        trust = await self._open_trust(metrics)
        tls = server_context(identity)
        # Where certificates can be judged, mail clients are asked for one; browsers are not.
        mail_tls = (
            trust.server_context() if trust is not None and settings.accounts.client_certificates else tls
        )
        events = Events()
        self.database = await Database.open(settings.database_url, key=key, events=events)
        self._behind.push_async_callback(self.database.close)
        database = self.database
        vault = Vault.open(database, settings.vault_url, settings.path(settings.vault.master_key_file))
        self._behind.push_async_callback(vault.settle)
        swept = await vault.sweep()
        if swept:
            _log.info("files without a row removed", files=swept)

        annuaire = await Annuaire.open(settings.home / "directory", database, clock)
        self._behind.push_async_callback(annuaire.close)

        directory_alarms = partial(annuaire.alarms, settings.directory.alarm_days)
        metrics.set_gauge(
            "alarms",
            "What the operator has to look after, see /health.",
            lambda: len(directory_alarms()) + (len(trust.alarms()) if trust is not None else 0),
        )
        fetching = asyncio.create_task(Fetcher(settings, clock).run(), name="directory")
        self._behind.push_async_callback(_cancel, fetching)
        router = Router(database, vault, clock, settings, trust, metrics)
        self._behind.push_async_callback(router.close)
        bridge = Bridge(database, vault, clock, settings, tell=told_of_record(clock, metrics))
        self._behind.push_async_callback(bridge.close)
        deposits = Deposits(
            database,
            vault,
            clock,
            settings,
            bridge.examine,
            destinations=hospital_systems(settings),
            tell=told_of_record(clock, metrics),
        )
        self._behind.push_async_callback(deposits.close)
        metrics.set_gauge(
            "hl7_waiting",
            "HL7 messages that hospitals' systems have not acknowledged yet.",
            lambda: database.read_now(hl7_waiting),
        )
        desk = Desk.open(database, vault, clock, settings)
        self._behind.push_async_callback(desk.close)
        receipts = ReceiptDesk(router, database, vault, clock, settings)
        work = {
            **handlers(bridge, router, receipts, settings, clock),
            **deposit_handlers(deposits, router, settings, clock),
            ABSENCE_JOB: AbsenceAnswers(router, database).answer,
            ALERT_JOB: AlertMail(router, database, settings.hostname).send,
            WARNING_JOB: WarningMail(router, database, settings).send,
            NOTICE_JOB: NoticeMail(
                database, clock, settings, partial(deliver_once, router, protocol="LMTP")
            ).send,
            PUBLISH_JOB: self._publisher(annuaire, metrics).publish,
        }
        worker = Worker(database, events, clock, work, given_up=given_up(bridge, deposits))
        working = asyncio.create_task(worker.run(), name="worker")
        self._behind.push_async_callback(_cancel, working)
        histories = tracking.Sweeper(database, clock, settings, metrics)
        sweeping = asyncio.create_task(histories.run(), name="tracking")
        self._behind.push_async_callback(_cancel, sweeping)
        life = LifeCycle(database, clock, settings, metrics)
        living = asyncio.create_task(life.run(), name="life cycle")
        self._behind.push_async_callback(_cancel, living)
        records = asyncio.create_task(Timers(database, vault, clock, empty).run(), name="records")
        self._behind.push_async_callback(_cancel, records)
        if trust is not None:
            self._send(vault, events, trust, metrics)

        master_key = read_master_key(settings.path(settings.vault.master_key_file))
        tokens, relying = self._open_psc()
        sign_in = SignIn(
            database,
            clock,
            settings,
            trust=trust,
            tokens=tokens,
            vault=vault,
            master_key=master_key,
            annuaire=annuaire,
        )
        await self._open_smtp(sign_in, router, mail_tls, endpoint, trust, metrics, plain)
        limits = ImapLimits(
            message_bytes=settings.limits.message_bytes,
            connections=settings.limits.connections,
            connections_per_peer=settings.limits.connections_per_address,
            connections_per_person=settings.limits.connections_per_person,
        )
        await self._open_imap(
            ImapContext(
                database,
                vault,
                events,
                clock,
                sign_in,
                mail_tls,
                limits,
                zone=PARIS,
                opened_types=frozenset(BalType) if settings.imap.sharing else DELEGATED,
                quota=QuotaLimits.of(settings.quota),
                endpoint=endpoint,
            ),
            plain,
        )
        await self._open_ldap(annuaire, sign_in, mail_tls)
        if settings.http:
            context = PortalContext(
                settings=settings,
                database=database,
                vault=vault,
                events=events,
                clock=clock,
                passwords=PasswordMemory(),
                desk=PatientDesk(router, database, clock, settings, annuaire=annuaire),
                receipts=receipts,
                bridge=bridge,
                sign_in=sign_in,
                factors=sign_in.factors,
                annuaire=annuaire,
                psc=relying,
                trust=trust,
                metrics=metrics,
                records=Records.at(desk, database, clock),
                directory_alarms=directory_alarms,
            )
            portal = application(
                context,
                [
                    *fhir_routes(settings, annuaire, database, clock, master_key, self._origin()),
                    *record_routes(
                        settings,
                        desk,
                        database,
                        clock,
                        trust=trust,
                        tokens=tokens,
                        annuaire=annuaire,
                        master_key=master_key,
                        origin=self._origin(),
                        context=context,
                    ),
                    *(identity_provider(settings, database, clock) if settings.sandbox else ()),
                ],
            )
            await self._open_web(settings.http, portal, self._web_context(identity))

    def _web_context(self, identity: Identity) -> ssl.SSLContext:
        """TLS of the web: a certificate is asked for where software or cards may ask for records with one."""
        record = self.settings.record
        if not record.structures and record.persons_ca_file == Path():
            return server_context(identity)
        trust = Trust(self.settings.path(self.settings.tls.ca_file))
        context = mutual_server_context(identity, trust, ssl.CERT_OPTIONAL)
        if record.persons_ca_file != Path():
            believe(context, self.settings.path(record.persons_ca_file))
        return context

    def _origin(self) -> str:
        """The address of the web server as others write it."""
        if self.settings.sandbox:
            return f"https://{self.settings.http}"
        return Access.of(self.settings).url("") or ""

    async def _open_trust(self, metrics: Metrics) -> TrustSpace | None:
        """The espace de confiance, where this operator takes part in it; raises TrustUnusable."""
        if not self.settings.smtp.mx:
            return None
        trust = await TrustSpace.open(self.settings, self.clock)
        metrics.set_gauge(
            "white_list_age_seconds",
            "Seconds since the liste blanche in use was generated.",
            lambda: trust.age().total_seconds(),
        )
        for work in (trust.keep(), trust.follow()):
            self._behind.push_async_callback(_cancel, asyncio.create_task(work, name="trust"))
        return trust

    def _open_psc(self) -> tuple[TokenCheck | None, RelyingParty | None]:
        """What asks Pro Santé Connect, where the settings name it: for mail, and for the pages."""
        settings = self.settings
        if not settings.psc.issuer:
            return None, None
        own = Identity(settings.path(settings.tls.certificate), settings.path(settings.tls.key))
        tls = client_context(Trust(settings.path(settings.psc.ca_file)), own)
        provider = PscProvider(settings, self.clock, Https(tls))
        self._behind.push_async_callback(provider.aclose)
        return TokenCheck(provider, settings.psc, self.clock), RelyingParty(
            provider, settings.psc, self.clock
        )

    def _publisher(self, annuaire: Annuaire, metrics: Metrics) -> Publisher:
        """What tells the national directory of the boxes; raises TlsUnusable."""
        settings, database = self.settings, self.database
        exchange = exchange_of(settings) if settings.directory.publish_url else None
        if exchange is not None:
            self._behind.push_async_callback(exchange.aclose)
        metrics.set_gauge(
            "unpublished_mailboxes",
            "Mailboxes of which the national directory has not taken the last change.",
            lambda: sum(database.read_now(unfinished).values()),
        )
        return Publisher(database, self.clock, settings, annuaire.view, exchange)

    def _send(self, vault: Vault, events: Events, trust: TrustSpace, metrics: Metrics) -> None:
        """Starts to bring what is queued to other operators."""
        settings, clock, database = self.settings, self.clock, self.database
        reporter = Reporter(vault, clock, settings, trust)
        resolver = RoutesOnly() if settings.sandbox else Resolver()
        dispatcher = Dispatcher(
            database, vault, clock, settings, events, trust, reporter, metrics, resolver=resolver
        )
        sending = asyncio.create_task(dispatcher.run(), name="outbound")
        self._behind.push_async_callback(_cancel, sending)
        self._behind.push_async_callback(dispatcher.close)
        metrics.set_gauge(
            "queued_deliveries",
            "Messages times destinations that wait to go to other operators.",
            lambda: database.read_now(waiting),
        )

    async def _open_smtp(
        self,
        sign_in: SignIn,
        router: Router,
        tls: ssl.SSLContext,
        endpoint: bytes,
        trust: TrustSpace | None,
        metrics: Metrics,
        plain: PlainAddresses | None,
    ) -> None:
        settings = self.settings
        rules = Rules(self.database, settings, trust)
        limits = smtp_policy.Limits.of(settings.limits)
        budget = MemoryBudget(settings.limits.message_memory_bytes)
        policy = smtp_policy.submission(settings.hostname, limits)
        per_bal = Rates(settings.limits.messages_per_minute_per_bal)
        gate = SubmissionGate(sign_in, rules, router, rates=per_bal, metrics=metrics, endpoint=endpoint)

        async def in_clear(
            name: str,
            address: str,
            its_gate: Gate,
            its_policy: smtp_policy.ListenerPolicy,
            offered: ssl.SSLContext | None = None,
        ) -> None:
            host, port = split_address(address)
            with _binding(name, address):
                self._add_smtp(
                    name, await smtp.listen(its_policy, its_gate, budget, host=host, port=port, tls=offered)
                )

        if trust is not None:
            per_peer = Rates(settings.limits.messages_per_minute_per_peer)
            mx_gate = MxGate(trust, rules, router, self.database, self.clock, metrics, rates=per_peer)
            mx_policy = smtp_policy.mx(settings.hostname, limits)
            await in_clear("mx", settings.smtp.mx, mx_gate, mx_policy, trust.server_context())
        if settings.smtp.submission:
            await in_clear("submission", settings.smtp.submission, gate, policy, tls)
        if settings.smtp.submissions:
            host, port = split_address(settings.smtp.submissions)
            with _binding("submissions", settings.smtp.submissions):
                self._add_smtp(
                    "submissions", await smtp.listen_tls(policy, gate, budget, host=host, port=port, tls=tls)
                )
        if plain is not None:
            load_policy = smtp_policy.submission_plain(settings.hostname, limits)
            await in_clear("submission_plain", plain.submission, gate, load_policy)
            any_sender = AnySenderGate(sign_in, rules, router)
            await in_clear("mx_plain", plain.mx, any_sender, smtp_policy.mx_plain(settings.hostname, limits))

    def _add_smtp(self, name: str, listener: smtp.Listener) -> None:
        self.ports[name] = listener.port
        self._listeners.append(listener.close)

    async def _open_imap(self, context: ImapContext, plain: PlainAddresses | None) -> None:
        server = ImapServer(context)
        self._listeners.append(server.close)
        for name, address, security in (
            ("imap", self.settings.imap.starttls, Security.STARTTLS),
            ("imaps", self.settings.imap.tls, Security.IMPLICIT_TLS),
            ("imap_plain", plain.imap if plain is not None else None, Security.PLAIN),
        ):
            if address:
                host, port = split_address(address)
                with _binding(name, address):
                    self.ports[name] = await server.listen(host, port, security)

    async def _open_ldap(self, annuaire: Annuaire, sign_in: SignIn, tls: ssl.SSLContext) -> None:
        settings = self.settings
        limits = LdapLimits(
            entries=settings.ldap.entries,
            search_seconds=settings.ldap.search_seconds,
            connections=settings.limits.connections,
            connections_per_address=settings.limits.connections_per_address,
        )
        server = ldap.LdapServer(
            LdapContext(annuaire, LdapDoors(sign_in, self.database), tls, limits, settings.ldap.anonymous)
        )
        self._listeners.append(server.close)
        for name, address, security in (
            ("ldap", settings.ldap.starttls, ldap.Security.STARTTLS),
            ("ldaps", settings.ldap.tls, ldap.Security.IMPLICIT_TLS),
        ):
            if address:
                host, port = split_address(address)
                with _binding(name, address):
                    self.ports[name] = await server.listen(host, port, security)

    async def _open_web(self, address: str, portal: Starlette, tls: ssl.SSLContext) -> None:
        host, port = split_address(address)
        with _binding("https", address):
            limits = self.settings.limits
            web = WebServer(
                portal,
                tls,
                host,
                port,
                connections=limits.connections,
                connections_per_address=limits.connections_per_address,
            )
        await web.start()
        self.ports["https"] = web.port

        async def close() -> None:
            portal.state.live.close()
            await web.close()
            await portal.state.checker.close()

        self._listeners.append(close)


@contextlib.contextmanager
def _binding(name: str, address: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotListen(f"{name}: {address} cannot be listened on ({error.strerror or error})") from error


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def split_address(address: str) -> tuple[str, int]:
    """The host and port of `host:port`, an IPv6 host in brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
