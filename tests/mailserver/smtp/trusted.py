"""An operator of the espace de confiance behind its MX listener, and the certificates of those who come to it."""

from __future__ import annotations

import contextlib
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from certs.names import DistinguishedName
from certs.pki import Case, Issued, Pki
from certs.profiles import Purpose
from certs.publisher import SIGNER_CN, Listing, publish, published_url
from certs.tls import Identity, server_context
from certs.trust import TrustSpace
from foundation import trail
from foundation.clock import FixedClock
from foundation.events import Events
from foundation.metrics import Metrics
from foundation.settings import Settings, TlsSettings, TrustSettings
from foundation.vault import Vault, write_master_key
from mailserver.signin.desk import SignIn
from mailserver.smtp.budget import MemoryBudget
from mailserver.smtp.listener import Listener, listen
from mailserver.smtp.mx import MxGate
from mailserver.smtp.policy import Limits, mx, submission
from mailserver.smtp.rates import Rates
from mailserver.smtp.submission import SubmissionGate
from tests.database import open_empty
from tests.mailserver.place import DOMAIN, PATIENTS, Place
from tests.mailserver.smtp.conftest import Talk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PEER = "pair.mssante.fr"
OTHER = "autre.mssante.fr"
STRANGER = "exemple.fr"


def name(common_name: str, organisation: str = "CLINIQUE DU PAIR") -> DistinguishedName:
    return DistinguishedName.of(cn=common_name, ou="1990780017", o=organisation, st="Sarthe (72)")


OURS = name(f"mail.{DOMAIN}", "HOPITAL DE DEMO")
PEER_NAME = name(f"mail.{PEER}")
OTHER_NAME = name(f"mail.{OTHER}", "AUTRE CLINIQUE")


def plain(login: str, password: str) -> str:
    """The initial response of AUTH PLAIN."""
    return b64encode(f"\0{login}\0{password}".encode()).decode()


async def _no_pause(seconds: float) -> None:
    """A guesser's wait, not spent here."""


@dataclass
class Papers:
    """One authority, our own certificate, and certificates for every way in which a peer can be wrong."""

    pki: Pki
    now: datetime
    folder: Path
    _issued: dict[str, tuple[Path, Path, Issued]] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> Self:
        now = datetime.now(UTC).replace(microsecond=0)  # OpenSSL judges by the machine's own clock
        return cls(Pki.create(folder / "pki", now), now, folder)

    def of(
        self,
        whose: DistinguishedName = PEER_NAME,
        case: Case = Case.VALID,
        purpose: Purpose = Purpose.SERVER,
        copy: str = "",
    ) -> tuple[Path, Path, Issued]:
        """Certificate and key of a name in one case, made once; `copy` asks for another one of the same name."""
        key = f"{whose}|{case}|{purpose}|{copy}"
        if key not in self._issued:
            issued = self.pki.issue(whose, self.now, case=case, purpose=purpose)
            files = issued.write(self.folder / f"certificate-{len(self._issued)}")
            self._issued[key] = (*files, issued)
        return self._issued[key]

    def client(
        self,
        whose: DistinguishedName | None = PEER_NAME,
        case: Case = Case.VALID,
        purpose: Purpose = Purpose.SERVER,
    ) -> ssl.SSLContext:
        """How such a peer connects; None: without a certificate."""
        context = ssl.create_default_context(cafile=self.pki.ca_file)
        context.check_hostname = False
        if whose is not None:
            certificate, key, _ = self.of(whose, case, purpose)
            context.load_cert_chain(certificate, key)
        return context


class Operator:
    """Our side: the place of the delivery tests with a trust space and an MX listener."""

    def __init__(self, papers: Papers, place: Place, trust: TrustSpace, clock: FixedClock) -> None:
        self.papers = papers
        self.place = place
        self.trust = trust
        self.clock = clock
        self.metrics = Metrics()
        self.listener: Listener
        self.gate: MxGate
        self.submission: Listener

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, papers: Papers, home: Path, *, limits: Limits | None = None, per_minute: int = 0, **values: Any
    ) -> AsyncIterator[Self]:
        """`values` are settings."""
        clock = FixedClock(datetime.now(UTC))
        certificate, key, _ = papers.of(OURS)
        settings = Settings(
            home=home,
            tls=TlsSettings(certificate=certificate, key=key, ca_file=papers.pki.ca_file),
            trust=TrustSettings(
                white_list_url=published_url(home),
                signer=f"CN={SIGNER_CN}",
                crl_urls=[papers.pki.crl_file.as_uri()],
            ),
        )
        listings = [
            Listing(DOMAIN, OURS),
            Listing(PATIENTS, OURS),
            Listing(PEER, PEER_NAME),
            Listing(OTHER, OTHER_NAME),
        ]
        publish(home, papers.pki, listings, papers.now)
        trust = await TrustSpace.open(settings, clock)
        database = await open_empty(home / "test.db", Events())
        write_master_key(home / "master.key")
        vault = Vault.open(database, f"file://{home / 'vault'}", home / "master.key")
        place = Place(database, vault, clock, home, trust=trust, **values)
        operator = cls(papers, place, trust, clock)
        operator.gate = MxGate(
            trust, place.rules, place.router, database, clock, operator.metrics, rates=Rates(per_minute)
        )
        operator.listener = await listen(
            mx(place.settings.hostname, limits),
            operator.gate,
            MemoryBudget(),
            host="127.0.0.1",
            port=0,
            tls=trust.server_context(),
        )
        operator.submission = await listen(
            submission(place.settings.hostname, limits),
            SubmissionGate(
                SignIn(database, clock, place.settings, pause=_no_pause),
                place.rules,
                place.router,
                rates=Rates(per_minute),
                metrics=operator.metrics,
            ),
            MemoryBudget(),
            host="127.0.0.1",
            port=0,
            tls=server_context(Identity(certificate, key)),
        )
        try:
            yield operator
        finally:
            await operator.submission.close(grace=0)
            await operator.listener.close(grace=0)
            await place.router.close()
            await database.close()

    @property
    def port(self) -> int:
        return self.listener.port

    def list(self, domain: str, whose: DistinguishedName) -> None:
        """Publishes one entry more."""
        assert publish(self.place.settings.home, self.papers.pki, [Listing(domain, whose)], self.papers.now)

    @contextlib.asynccontextmanager
    async def visited(self, context: ssl.SSLContext | None) -> AsyncIterator[Talk]:
        """A peer's conversation up to EHLO, under TLS when there is a context."""
        async with await Talk.open(self.port) as talk:
            await talk.begin()
            if context is not None:
                await talk.start_tls(context)
                await talk.say("EHLO mail.pair.mssante.fr")
            yield talk

    @contextlib.asynccontextmanager
    async def signed_in(self, login: str, password: str) -> AsyncIterator[Talk]:
        """The conversation of a box at submission, up to its sign-in."""
        async with self.submitting() as talk:
            reply = await talk.say(f"AUTH PLAIN {plain(login, password)}")
            assert reply.startswith("235 "), reply
            yield talk

    @contextlib.asynccontextmanager
    async def submitting(self) -> AsyncIterator[Talk]:
        """A conversation at submission under TLS, up to EHLO."""
        async with await Talk.open(self.submission.port) as talk:
            await talk.begin()
            await talk.start_tls(self.papers.client(None))
            await talk.say("EHLO poste.example")
            yield talk

    async def answer_to(self, context: ssl.SSLContext | None, sender: str) -> str:
        """What a peer with this certificate is told at MAIL."""
        async with self.visited(context) as talk:
            return await talk.say(f"MAIL FROM:<{sender}>")

    def refusals(self, code: str, listener: str = "mx") -> float:
        """What the metric says of a code."""
        wanted = f'vaguemestre_refusals_total{{code="{code}",listener="{listener}"}} '
        lines = self.metrics.render().decode().splitlines()
        return next((float(line[len(wanted) :]) for line in lines if line.startswith(wanted)), 0)

    def trail(self) -> list[trail.TrailRow]:
        """What was written down about refused peers."""
        rows = self.place.database.read_now(lambda connection: trail.last_rows(connection, 1000))
        return [row for row in rows if row.action == "peer.refused"]
