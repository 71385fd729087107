"""What the provider remembers while it runs: codes, refresh tokens, sessions that ended, requests that wait.

All in memory, bounded and short-lived: a restart ends every session, as it may in a sandbox.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from foundation.clock import Clock

T = TypeVar("T")

CODE_SECONDS = 60
REFRESH_SECONDS = 30 * 60
SESSION_SECONDS = 4 * 60 * 60
CONFIRM_SECONDS = 120
POLL_SECONDS = 1
_ENTRIES = 10_000
_REQUESTS = 500


class Shelf(Generic[T]):
    """At most `size` values, each until its time; the one that was put first makes room."""

    def __init__(self, clock: Clock, size: int = _ENTRIES) -> None:
        self._clock = clock
        self._size = size
        self._entries: OrderedDict[str, tuple[int, T]] = OrderedDict()

    def put(self, key: str, value: T, seconds: int) -> None:
        """Keeps a value for so long."""
        now = self._clock.millis()
        while self._entries:
            oldest = next(iter(self._entries))
            if self._entries[oldest][0] > now and len(self._entries) < self._size:
                break
            del self._entries[oldest]
        self._entries[key] = (now + 1000 * seconds, value)

    def get(self, key: str) -> T | None:
        """The value of a key while it holds."""
        found = self._entries.get(key)
        return None if found is None or found[0] <= self._clock.millis() else found[1]

    def take(self, key: str) -> T | None:
        """As `get`, and the value is gone."""
        value = self.get(key)
        self._entries.pop(key, None)
        return value

    def values(self) -> list[T]:
        """What holds now, the oldest first."""
        now = self._clock.millis()
        return [value for until, value in self._entries.values() if until > now]

    def __len__(self) -> int:
        return len(self._entries)


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of a professional at a client; `auth_time` in seconds since the epoch."""

    sid: str
    username: str
    client_id: str
    scope: str
    auth_time: int
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """What an authorization code stands for; `challenge` is that of PKCE (RFC 7636), by S256."""

    session: Session
    redirect_uri: str
    challenge: str | None


class Answer(StrEnum):
    """What the professional said to a CIBA request."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    DENIED = "denied"


@dataclass(slots=True)
class Waiting:
    """A CIBA request of a client for a professional (CIBA Core §7); times in milliseconds since the epoch."""

    id: str = field(repr=False)
    username: str
    client_id: str
    scope: str
    message: str
    until: int
    answer: Answer = Answer.PENDING
    polled_at: int = 0
    interval: int = POLL_SECONDS


class Grants:
    """The memory of one running provider."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._codes: Shelf[Code] = Shelf(clock)
        self._refreshes: Shelf[Session] = Shelf(clock)
        self._spent: Shelf[str] = Shelf(clock)
        self._ended: Shelf[str] = Shelf(clock)
        self._revoked: Shelf[str] = Shelf(clock)
        self._waiting: Shelf[Waiting] = Shelf(clock, _REQUESTS)

    def begin(self, username: str, client_id: str, scope: str, nonce: str | None = None) -> Session:
        """A new sign-in."""
        now = self._clock.millis() // 1000
        return Session(secrets.token_urlsafe(16), username, client_id, scope, now, nonce)

    # Sessions

    def end(self, sid: str) -> None:
        """Ends a session: its tokens hold no longer."""
        self._ended.put(sid, sid, SESSION_SECONDS)

    def is_ended(self, sid: str) -> bool:
        """Whether a session was ended."""
        return self._ended.get(sid) is not None

    def revoke(self, jti: str, seconds: int) -> None:
        """Revokes one access token that would hold for so long."""
        self._revoked.put(jti, jti, seconds)

    def is_revoked(self, jti: str) -> bool:
        """Whether an access token was revoked."""
        return self._revoked.get(jti) is not None

    # Codes and refresh tokens

    def new_code(self, code: Code) -> str:
        """An authorization code."""
        made = secrets.token_urlsafe(32)
        self._codes.put(made, code, CODE_SECONDS)
        return made

    def spend_code(self, made: str) -> Code | None:
        """What a code stands for, once; used again it ends the session it began (RFC 6749 §4.1.2)."""
        code = self._codes.take(made)
        if code is None:
            self._end_spent(made)
            return None
        self._spent.put(made, code.session.sid, REFRESH_SECONDS)
        return code

    def new_refresh_token(self, session: Session) -> str:
        """A refresh token."""
        made = secrets.token_urlsafe(48)
        self._refreshes.put(made, session, REFRESH_SECONDS)
        return made

    def find_refresh_token(self, made: str) -> Session | None:
        """The session a refresh token continues; None when it does not hold."""
        session = self._refreshes.get(made)
        if session is None or self.is_ended(session.sid):
            return None
        return session if self._clock.millis() // 1000 < session.auth_time + SESSION_SECONDS else None

    def spend_refresh_token(self, made: str, client_id: str) -> Session | None:
        """The session a refresh token continues, once; used again it ends the session (RFC 9700 §4.14.2)."""
        session = self.find_refresh_token(made)
        if session is None:
            self._end_spent(made)
            return None
        if session.client_id != client_id:
            return None
        self._refreshes.take(made)
        self._spent.put(made, session.sid, REFRESH_SECONDS)
        return session

    def _end_spent(self, made: str) -> None:
        sid = self._spent.get(made)
        if sid is not None:
            self.end(sid)

    # CIBA

    def wait_for(self, username: str, client_id: str, scope: str, message: str) -> Waiting:
        """A request that waits for the professional."""
        until = self._clock.millis() + 1000 * CONFIRM_SECONDS
        waiting = Waiting(secrets.token_urlsafe(32), username, client_id, scope, message, until)
        # Kept past its end, so that a client that asks late is told why.
        self._waiting.put(waiting.id, waiting, 2 * CONFIRM_SECONDS)
        return waiting

    def waiting(self, request_id: str) -> Waiting | None:
        """A request, also one that has expired a short while ago."""
        return self._waiting.get(request_id)

    def forget(self, waiting: Waiting) -> None:
        """The client has had its answer."""
        self._waiting.take(waiting.id)

    def pending(self) -> list[Waiting]:
        """The requests a professional can still answer."""
        now = self._clock.millis()
        return [each for each in self._waiting.values() if each.answer is Answer.PENDING and each.until > now]
