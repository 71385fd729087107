"""The ways in that a real operator has: submission with STARTTLS, submission over TLS, and the MX of its peers."""

from __future__ import annotations

import ssl
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from mailserver.smtp.policy import Limits, mx, submission
from tests.mailserver.smtp.conftest import HOSTNAME, Talk
from tests.mailserver.smtp.test_sign_in import PLAIN

if TYPE_CHECKING:
    import trustme

    from mailserver.smtp.listener import Listener
    from tests.mailserver.smtp.conftest import Harbour


class Way(StrEnum):
    """Which listener a client comes to."""

    SUBMISSION = "submission"
    SUBMISSIONS = "submissions"
    MX = "mx"


class Visit(Talk):
    """A client of one of the doors; `begin` goes as far as MAIL may be said."""

    door: Door

    async def begin(self) -> Self:
        await self.greeted()
        if self.door.way is not Way.SUBMISSIONS:
            await self.start_tls(self.door.client)
            assert (await self.say("EHLO client.example")).startswith("250")
        if self.door.way is not Way.MX:
            assert (await self.say(f"AUTH PLAIN {PLAIN}")).startswith("235 ")
        return self

    async def greeted(self) -> Self:
        """Greeting and EHLO alone."""
        return await super().begin()


class Door:
    """One way in, with the contexts of both its sides."""

    def __init__(self, way: Way, harbour: Harbour, authority: trustme.CA) -> None:
        self.way = way
        self._harbour = harbour
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(server)
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(self.client)
        if way is Way.MX:
            authority.configure_trust(server)
            server.verify_mode = ssl.CERT_OPTIONAL
            authority.issue_cert("mail.pair.mssante.fr").configure_cert(self.client)
        self._server = server

    async def open(self, **limits: float) -> Listener:
        """A listener with these limits."""
        bounds = Limits(**limits)  # type: ignore[arg-type]
        match self.way:
            case Way.MX:
                return await self._harbour.open_starttls(mx(HOSTNAME, bounds), self._server)
            case Way.SUBMISSION:
                return await self._harbour.open_starttls(submission(HOSTNAME, bounds), self._server)
            case Way.SUBMISSIONS:
                return await self._harbour.open_tls(submission(HOSTNAME, bounds), self._server)

    async def visit(self, listener: Listener) -> Visit:
        """A client that has not said anything yet; on a port of TLS, the handshake is done."""
        talk = await Visit.open(listener.port, self.client if self.way is Way.SUBMISSIONS else None)
        talk.door = self
        return talk
