"""The desk where everybody signs in: with a password, an application password, a token or a certificate.

One for all listeners and pages of a process. What a guess could reach goes through the brake; an account that does
not exist, is closed or has no password takes as long as a wrong password, and is locked as one.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from typing import TYPE_CHECKING, Protocol

from certs.peers import Peer
from directory.bals import BalState, bal_of, bals_of, note_sign_in
from directory.psc.faults import TokenFault
from foundation import trail
from foundation.passwords import PasswordMemory
from mailserver.envelope import Means, Principal, Refused
from mailserver.refusals import (
    ACCOUNT_SUSPENDED,
    APPLICATION_NEEDED,
    APPLICATION_OUT_OF_SCOPE,
    CERTIFICATE_REFUSED,
    LOCKED_OUT,
    NO_BOX_OF_YOURS,
    NOT_SIGNED_IN,
    TOKEN_REFUSED,
    TOKEN_UNVERIFIABLE,
    WRONG_PASSWORD,
)
from mailserver.sasl.mechanisms import Mechanism
from mailserver.signin import application, certificates, scram, second_factor
from mailserver.signin.brake import Brake, second_factor_of
from mailserver.signin.first import make_first_box
from mailserver.signin.openings import (
    MAXIMUM_LOGIN,
    address_of,
    box_named,
    only_personal,
    opening_of,
    openings_of,
    rights_in,
)
from mailserver.signin.scrambled import Decoys, ScramAttempt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection

    from certs.names import DistinguishedName
    from certs.peers import PeerFault
    from directory.annuaire.view import HasView
    from directory.bals import Bal, CreatesOwner
    from directory.psc.claims import Professional
    from directory.psc.tokens import Access
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.settings import Settings
    from mailserver.refusals import Refusal
    from mailserver.signin.application import ApplicationPassword, Scope
    from mailserver.signin.brake import Attempt
    from mailserver.signin.openings import Opening

_HOUR_MILLIS = 3600 * 1000
_CLOSE, _NEVER, _WITHOUT_TOTP = "close", "never", "without-totp"  # words of the settings
_NOBODY = 0
"""An owner id that no box has."""


class JudgesClients(Protocol):
    """Who knows the certificates of clients (certs.trust)."""

    def judge_client(self, der: bytes | None) -> Peer | PeerFault: ...

    async def refresh(self) -> None: ...


class ChecksTokens(Protocol):
    """Who verifies access tokens (directory.psc.tokens)."""

    async def check(self, token: str, *, certificate: bytes | None = None) -> Access | TokenFault: ...


class SignIn:
    """Answers with the principal of a box, or why not. `peer` is always the client's network address."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        *,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        trust: JudgesClients | None = None,
        tokens: ChecksTokens | None = None,
        vault: CreatesOwner | None = None,
        master_key: bytes | None = None,
        annuaire: HasView | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._accounts = settings.accounts
        self._psc = settings.psc
        self._trust = trust if settings.accounts.client_certificates else None
        self._tokens = tokens
        self._vault = vault
        self._annuaire = annuaire
        key = master_key if master_key is not None else secrets.token_bytes(32)
        self.factors = second_factor.SecondFactors(key)
        self._passwords = PasswordMemory()
        self._decoys = Decoys(key)
        self.brake = Brake(database, clock, pause=pause)

    def __repr__(self) -> str:
        return "SignIn(...)"

    # What is offered

    def mechanisms(self) -> frozenset[Mechanism]:
        """The SASL mechanisms this operator takes."""
        offered = {Mechanism.PLAIN, Mechanism.LOGIN}
        if self._accounts.scram:
            offered |= {Mechanism.SCRAM_SHA_256, Mechanism.SCRAM_SHA_256_PLUS}
        if self._tokens is not None:
            offered |= {Mechanism.XOAUTH2, Mechanism.OAUTHBEARER}
        if self._trust is not None:
            offered.add(Mechanism.EXTERNAL)
        return frozenset(offered)

    @property
    def closes_behind_refused_tokens(self) -> bool:
        """Whether the connection ends behind the challenge that refuses a token, as one operator has it."""
        return self._accounts.token_refusal == _CLOSE

    @property
    def token_configuration(self) -> str:
        """Where clients learn how to get a token."""
        return self._psc.discovery

    # With a password

    async def password(self, login: str, password: str, *, peer: str, scope: Scope) -> Principal | Refused:
        """With an application password of this scope, or the box's own where the settings let that open mail."""
        login = login.strip()

        def look(connection: Connection) -> tuple[Bal | None, ApplicationPassword | None, bool]:
            box = box_named(connection, login)
            owner_id = box.owner_id if box is not None else _NOBODY
            found = application.find(connection, owner_id, password)
            return box, found, second_factor.is_enrolled(connection, owner_id)

        box, found, has_factor = self._database.read_now(look)
        if box is not None and found is not None and box.state is not BalState.CLOSED:
            # Not behind the brake: nobody guesses 140 bits, and a mail program goes on while others guess.
            return await self._with_application(box, found, peer, scope)
        opened = await self._with_own(box, login, password, peer)
        if isinstance(opened, Refused):
            return opened
        box, attempt = opened
        refused = await self._needs_application(box, attempt, has_factor=has_factor)
        if refused is not None:
            return refused
        return await self._let_in(
            Principal(box.owner_id, box.address, box.idnat, box.name, _credential(box)), attempt
        )

    async def bearer_password(self, login: str, password: str, *, peer: str) -> Bal | Refused:
        """For the pages: the box whose own password this is. A second factor, where there is one, is still to come."""
        login = login.strip()
        opened = await self._with_own(
            self._database.read_now(lambda connection: box_named(connection, login)), login, password, peer
        )
        if isinstance(opened, Refused):
            return opened
        box, attempt = opened
        await self._database.write(lambda uow: self.brake.succeeded(uow, attempt))
        self.brake.release(attempt)
        return box

    async def second_factor(self, owner_id: int, code: str, *, peer: str) -> Refused | None:
        """None where the code of the application, or a recovery code, is right; used up by that."""
        factors, now = self.factors, self._clock.millis()
        box = self._database.read_now(lambda connection: bal_of(connection, owner_id))
        attempt = await self.brake.begin(second_factor_of(owner_id), peer)
        if attempt is None or box is None:
            return Refused(LOCKED_OUT)

        def unit(uow: UnitOfWork) -> bool:
            right = factors.verify(uow, owner_id, code, now)
            if right:
                self.brake.succeeded(uow, attempt)
            return right

        if await self._database.write(unit):
            self.brake.release(attempt)
            return None
        await self.brake.failed(attempt, lambda uow: self._refused(uow, box, WRONG_PASSWORD))
        return Refused(WRONG_PASSWORD)

    async def scram(self, login: str, *, peer: str) -> ScramAttempt | Refused:
        """The salt and count of a box's password, or such as look like one, and what ends the attempt."""
        account = _account(login)

        def look(connection: Connection) -> tuple[Bal | None, scram.Verifier | None, bool]:
            box = box_named(connection, account)
            owner_id = box.owner_id if box is not None and box.state is not BalState.CLOSED else _NOBODY
            return (
                box,
                scram.find(connection, owner_id),
                second_factor.is_enrolled(connection, owner_id),
            )

        box, verifier, has_factor = self._database.read_now(look)
        attempt = await self.brake.begin(account, peer)
        if attempt is None:
            return Refused(LOCKED_OUT)

        async def right() -> Principal | Refused:
            if box is None or verifier is None:
                return await wrong()
            if box.state is BalState.SUSPENDED:
                return await self._suspended(box, attempt)
            refused = await self._needs_application(box, attempt, has_factor=has_factor)
            if refused is not None:
                return refused
            made = Principal(
                box.owner_id, box.address, box.idnat, box.name, _credential(box), means=Means.SCRAM
            )
            return await self._let_in(made, attempt)

        async def wrong() -> Refused:
            await self.brake.failed(attempt, lambda uow: self._refused(uow, box, WRONG_PASSWORD))
            return Refused(WRONG_PASSWORD)

        shown = verifier if verifier is not None else self._decoys.of(account)
        return ScramAttempt(shown, right, wrong, lambda: self.brake.release(attempt))

    async def _with_application(
        self, box: Bal, found: ApplicationPassword, peer: str, scope: Scope
    ) -> Principal | Refused:
        now = self._clock.millis()
        if box.state is BalState.SUSPENDED:
            return await self._refuse(box, ACCOUNT_SUSPENDED)
        if not found.holds(now):
            return await self._refuse(box, WRONG_PASSWORD)
        if scope not in found.scopes:
            return await self._refuse(box, APPLICATION_OUT_OF_SCOPE)

        def unit(uow: UnitOfWork) -> None:
            if application.wants_note(found, peer, now):
                application.note_use(uow, found.id, peer, now)
            self._accepted(uow, box.owner_id, Means.APPLICATION)

        await self._database.write(unit)
        return Principal(
            box.owner_id, box.address, box.idnat, box.name, means=Means.APPLICATION, grant=found.id
        )

    async def _with_own(
        self, box: Bal | None, login: str, password: str, peer: str
    ) -> tuple[Bal, Attempt] | Refused:
        """The box whose own password this is, with the attempt that the caller ends."""
        attempt = await self.brake.begin(_account(login), peer)
        if attempt is None:
            # No trail row here: a locked guesser must not be able to make the trail grow.
            return Refused(LOCKED_OUT)
        stored = box.password_hash if box is not None and box.state is not BalState.CLOSED else None
        try:
            is_right = await self._passwords.verify(stored, password)
        except BaseException:
            self.brake.release(attempt)
            raise
        if not is_right or box is None:
            await self.brake.failed(attempt, lambda uow: self._refused(uow, box, WRONG_PASSWORD))
            return Refused(WRONG_PASSWORD)
        if box.state is BalState.SUSPENDED:
            return await self._suspended(box, attempt)
        return box, attempt

    async def _needs_application(self, box: Bal, attempt: Attempt, *, has_factor: bool) -> Refused | None:
        """The refusal of a right password that opens the pages and not the mail."""
        opens = self._accounts.mail_password
        if opens != _NEVER and (opens != _WITHOUT_TOTP or not has_factor):
            return None
        self.brake.release(attempt)
        return await self._refuse(box, APPLICATION_NEEDED)

    async def _suspended(self, box: Bal, attempt: Attempt) -> Refused:
        self.brake.release(attempt)
        return await self._refuse(box, ACCOUNT_SUSPENDED)

    async def _let_in(self, principal: Principal, attempt: Attempt) -> Principal:
        def unit(uow: UnitOfWork) -> None:
            self.brake.succeeded(uow, attempt)
            self._accepted(uow, principal.owner_id, principal.means)

        try:
            await self._database.write(unit)
        finally:
            self.brake.release(attempt)
        return principal

    # With what no guess reaches

    # ref: ECO.1.2.1, ECO.1.2.3, F18
    async def token(
        self, login: str, token: str, *, peer: str, certificate: bytes | None, scope: Scope
    ) -> Principal | Refused:
        """With an access token of Pro Santé Connect, whose bearer owns the box or is its delegate.

        Without a login it is the only personal box of its bearer. A token that is none, a box that does not exist
        and a box of somebody else sound the same.
        """
        if self._tokens is None:
            return Refused(TOKEN_REFUSED)
        name = login.strip()
        access = await self._tokens.check(token, certificate=certificate)
        if isinstance(access, TokenFault):
            is_temporary = access is TokenFault.UNAVAILABLE
            return Refused(TOKEN_UNVERIFIABLE if is_temporary else TOKEN_REFUSED)

        def look(connection: Connection) -> tuple[Bal | None, Opening | None]:
            box = box_named(connection, name) if name else only_personal(connection, access.idnat)
            return box, opening_of(connection, box, access.idnat) if box is not None else None

        box, opening = self._database.read_now(look)
        if box is None or opening is None or box.state is BalState.CLOSED:
            return await self._refuse(box, TOKEN_REFUSED)
        if box.state is BalState.SUSPENDED:
            return await self._refuse(box, ACCOUNT_SUSPENDED)
        keeps = self._psc.mail_session == "keep"
        until = self._clock.millis() + self._psc.mail_session_hours * _HOUR_MILLIS
        principal = Principal(
            box.owner_id,
            box.address,
            box.idnat,
            box.name,
            means=Means.TOKEN,
            person_id=opening.person.owner_id if opening.person is not None else None,
            until=until if keeps else min(until, access.expires_at),
            rights=opening.rights,
        )
        await self._database.write(
            lambda uow: self._accepted(uow, box.owner_id, Means.TOKEN, principal.person_id)
        )
        return principal

    async def professional(self, professional: Professional, *, peer: str) -> list[Opening] | Refused:
        """For the pages: the boxes that somebody Pro Santé Connect vouches for may open, their own first.

        Where they have none, the first sign-in makes one if the settings name a domain for it.
        """
        idnat, vault, domain = professional.idnat, self._vault, self._psc.create_domain.lower()
        view = self._annuaire.view() if self._annuaire is not None else None

        def unit(uow: UnitOfWork) -> list[Opening] | Refused:
            if not bals_of(uow.connection, idnat) and vault is not None and domain:
                make_first_box(uow, vault, self._clock, professional, domain, view)
            openings = openings_of(uow.connection, idnat)
            if openings:
                own = openings[0].person or openings[0].bal
                self._accepted(uow, own.owner_id, Means.TOKEN)
                return openings
            known = bals_of(uow.connection, idnat)
            is_suspended = any(each.state is BalState.SUSPENDED for each in known)
            refusal = ACCOUNT_SUSPENDED if is_suspended else NO_BOX_OF_YOURS
            self._refused(uow, known[0] if known else None, refusal)
            return Refused(refusal)

        return await self._database.write(unit)

    # ref: F20
    async def certificate(
        self, login: str, der: bytes | None, *, peer: str, scope: Scope
    ) -> Principal | Refused:
        """With the client certificate of the TLS handshake, bound to the box by the operator.

        `login` chooses where the certificate opens several boxes; "" where it opens one.
        """
        trust = self._trust
        if trust is not None:
            await trust.refresh()
        judged = trust.judge_client(der) if trust is not None else None
        if not isinstance(judged, Peer) or len(login) > MAXIMUM_LOGIN:
            return Refused(CERTIFICATE_REFUSED)
        box, binding = self._database.read_now(
            lambda connection: _bound(connection, judged.name, login.strip())
        )
        if box is None or binding is None or box.state is BalState.CLOSED:
            return await self._refuse(box, CERTIFICATE_REFUSED)
        if box.state is BalState.SUSPENDED:
            return await self._refuse(box, ACCOUNT_SUSPENDED)
        await self._database.write(lambda uow: self._accepted(uow, box.owner_id, Means.CERTIFICATE))
        return Principal(
            box.owner_id,
            box.address,
            box.idnat,
            box.name,
            der or b"",
            means=Means.CERTIFICATE,
            grant=binding.id,
        )

    # Afterwards

    # ref: ECO.1.2.6, F21
    def still_holds(self, principal: Principal) -> bool:
        """Whether what let somebody in still would: a long session asks now and then."""
        return self.ended(principal) is None

    def ended(self, principal: Principal) -> Refusal | None:
        """Why what let somebody in would no longer, so far as there is more to say than that; None while it would."""
        now = self._clock.millis()
        if principal.until is not None and now >= principal.until:
            return NOT_SIGNED_IN

        def look(connection: Connection) -> Refusal | None:
            if self._still_holds(connection, principal, now):
                return None
            boxes = (bal_of(connection, each) for each in {principal.owner_id, principal.bearer_id})
            is_suspended = any(box is not None and box.state is BalState.SUSPENDED for box in boxes)
            return ACCOUNT_SUSPENDED if is_suspended else NOT_SIGNED_IN

        return self._database.read_now(look)

    def _still_holds(self, connection: Connection, principal: Principal, now: int) -> bool:
        box = bal_of(connection, principal.owner_id)
        if box is None or not box.may_sign_in:
            return False
        if principal.means in (Means.PASSWORD, Means.SCRAM):
            return _credential(box) == principal.credential
        if principal.means is Means.APPLICATION:
            return application.still_holds(connection, principal.grant, now)
        if principal.means is Means.CERTIFICATE:
            judged = self._trust.judge_client(principal.credential) if self._trust is not None else None
            return isinstance(judged, Peer) and certificates.still_holds(connection, principal.grant)
        if principal.person_id is None:
            return True
        person = bal_of(connection, principal.person_id)
        if person is None or not person.may_sign_in:
            return False
        return rights_in(connection, box.owner_id, person.owner_id) == principal.rights

    # The trail

    async def _refuse(self, box: Bal | None, refusal: Refusal) -> Refused:
        await self._database.write(lambda uow: self._refused(uow, box, refusal))
        return Refused(refusal)

    def _accepted(self, uow: UnitOfWork, owner_id: int, means: Means, person_id: int | None = None) -> None:
        now = self._clock.millis()
        note_sign_in(uow, owner_id, now)
        if person_id is not None:
            note_sign_in(uow, person_id, now)
        trail.append(
            uow,
            "signin.accepted",
            actor=f"bal:{person_id if person_id is not None else owner_id}",
            subject=f"bal:{owner_id}",
            outcome="accepted",
            detail={"means": means.value},
            clock=self._clock,
        )

    def _refused(self, uow: UnitOfWork, box: Bal | None, refusal: Refusal) -> None:
        trail.append(
            uow,
            "signin.refused",
            actor="peer",
            subject=f"bal:{box.owner_id}" if box is not None else "unknown",
            outcome=refusal.code,
            clock=self._clock,
        )


def _credential(box: Bal) -> bytes:
    return hashlib.sha256((box.password_hash or "").encode()).digest()


def _account(login: str) -> str:
    """One name for all spellings of a box: each would be another account to guess at, with another false salt."""
    parsed = address_of(login.strip())
    return str(parsed) if parsed is not None else login.strip().lower()


def _bound(
    connection: Connection, name: DistinguishedName, login: str
) -> tuple[Bal | None, certificates.Binding | None]:
    if login:
        box = box_named(connection, login)
        return box, certificates.find(connection, box.owner_id, name) if box is not None else None
    owners = certificates.owners_of(connection, name)
    if len(owners) != 1:
        return None, None
    return bal_of(connection, owners[0]), certificates.find(connection, owners[0], name)
