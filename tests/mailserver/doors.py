"""Doors for tests of a protocol: they know a few passwords and tokens, and no database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailserver.envelope import Principal, Refused
from mailserver.refusals import CERTIFICATE_REFUSED, NOT_SIGNED_IN, TOKEN_REFUSED, WRONG_PASSWORD
from mailserver.sasl.mechanisms import Mechanism
from mailserver.signin.scram import derive
from mailserver.signin.scrambled import ScramAttempt

if TYPE_CHECKING:
    from mailserver.refusals import Refusal
    from mailserver.signin.application import Scope

ALL_BUT_SCRAM = frozenset(
    {Mechanism.PLAIN, Mechanism.LOGIN, Mechanism.XOAUTH2, Mechanism.OAUTHBEARER, Mechanism.EXTERNAL}
)


@dataclass
class FewDoors:
    """`principals` by lower-case login, all with one password; `tokens` and `certificates` open one box each."""

    password_of_all: str
    principals: dict[str, Principal] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    certificates: dict[bytes, str] = field(default_factory=dict)
    taken: frozenset[Mechanism] = frozenset({Mechanism.PLAIN, Mechanism.LOGIN})
    failure: Exception | None = None
    closes_behind_refused_tokens: bool = False
    token_configuration: str = ""
    logins: list[tuple[str, str]] = field(default_factory=list)
    abandoned: int = 0

    def mechanisms(self) -> frozenset[Mechanism]:
        return self.taken

    async def password(self, login: str, password: str, *, peer: str, scope: Scope) -> Principal | Refused:
        self.logins.append((login, password))
        if self.failure is not None:
            raise self.failure
        principal = self.principals.get(login.lower())
        if principal is None or password != self.password_of_all:
            return Refused(WRONG_PASSWORD)
        return principal

    async def token(
        self, login: str, token: str, *, peer: str, certificate: bytes | None, scope: Scope
    ) -> Principal | Refused:
        if self.tokens.get(token) != login:
            return Refused(TOKEN_REFUSED)
        return self.principals[login]

    async def certificate(
        self, login: str, der: bytes | None, *, peer: str, scope: Scope
    ) -> Principal | Refused:
        bound = self.certificates.get(der or b"")
        if bound is None or login not in ("", bound):
            return Refused(CERTIFICATE_REFUSED)
        return self.principals[bound]

    async def scram(self, login: str, *, peer: str) -> ScramAttempt | Refused:
        async def right() -> Principal | Refused:
            return self.principals.get(login) or Refused(WRONG_PASSWORD)

        async def wrong() -> Refused:
            return Refused(WRONG_PASSWORD)

        def abandon() -> None:
            self.abandoned += 1

        return ScramAttempt(derive(self.password_of_all), right, wrong, abandon)

    def still_holds(self, principal: Principal) -> bool:
        return self.ended(principal) is None

    def ended(self, principal: Principal) -> Refusal | None:
        return None if principal in self.principals.values() else NOT_SIGNED_IN
