"""Pro Santé Connect as a provider: its metadata and its keys, found, kept, and renewed when they change."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from directory.psc.faults import TokenFault
from directory.psc.https import Request, Response, Unreachable, is_https
from directory.psc.jose import ALGORITHMS, is_signed_by, public_keys
from directory.psc.metadata import WELL_KNOWN, Metadata
from directory.psc.renewal import Renewal
from directory.psc.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from directory.psc.https import Exchange
    from directory.psc.jose import Jws, Key
    from directory.psc.metadata import Endpoint
    from foundation.clock import Clock
    from foundation.settings import Settings

FRESH = 5 * 60_000
"""Milliseconds after which the keys are asked for again, beside the sign-ins that use those known."""
WITHDRAWN = 5 * 60_000
"""Milliseconds that a key still serves once it is no longer published: as long as tokens live (4 to 5 minutes).

Tokens signed just before a rotation must not fail. A key withdrawn because it was stolen serves the thief for this
long, and FRESH before that.
"""
METADATA_FRESH = 60 * 60_000
_HOUR = 60 * 60_000
_PATIENCE = 20.0
"""Seconds that one sign-in waits for keys."""
_OK, _NOT_FOUND = 200, 404


@dataclass(frozen=True, slots=True)
class _Keys:
    published: Mapping[str, tuple[Key, ...]]
    withdrawn: Mapping[str, tuple[tuple[Key, ...], int]]
    """With the time, epoch milliseconds, at which each ends."""


class PscProvider:
    """The provider of `psc.issuer`, for every door of one process.

    Keys live in memory only. When the provider cannot be reached those last known serve for `psc.keys_hours`,
    then tokens fail as UNAVAILABLE. A process that starts while it cannot be reached knows none; a file of keys
    would help little, for nobody gets a new token then either, and the old ones end within minutes.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        exchange: Exchange,
        *,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.issuer = settings.psc.issuer
        self.client_id = settings.psc.client_id
        self._secret_file = settings.path(settings.psc.client_secret_file)
        self._discovery = settings.psc.discovery
        self._keys_millis = settings.psc.keys_hours * _HOUR
        self._clock = clock
        self._exchange = exchange
        self._metadata = Renewal("metadata", self._fetch_metadata, clock, pause)
        self._keys = Renewal("keys", self._fetch_keys, clock, pause)

    def __repr__(self) -> str:
        return "PscProvider(...)"

    async def aclose(self) -> None:
        """Ends what is under way and closes the connections."""
        await self._keys.aclose()
        await self._metadata.aclose()
        await self._exchange.aclose()

    async def metadata(self) -> Metadata:
        """What the provider says of itself, as a rule at most an hour old. Raises Unreachable."""
        if self._metadata.value is None:
            await self._metadata.renew()
        elif self._metadata.age() > METADATA_FRESH:
            self._metadata.begin()
        if self._metadata.value is None:
            raise Unreachable("The metadata of Pro Santé Connect cannot be had.")
        return self._metadata.value

    # ref: F50
    async def verify(self, token: Jws) -> TokenFault | None:
        """Whether the provider signed this token and calls itself its issuer; its other claims are not looked at."""
        if token.alg not in ALGORITHMS:
            return TokenFault.BAD_SIGNATURE
        if token.claims.get("iss") != self.issuer:
            return TokenFault.WRONG_ISSUER
        try:
            async with asyncio.timeout(_PATIENCE):
                keys = await self._keys_named(token.kid)
        except (Unreachable, TimeoutError):
            return TokenFault.UNAVAILABLE
        return None if is_signed_by(token, keys) else TokenFault.BAD_SIGNATURE

    async def ask(self, request: Request) -> Response:
        """An answer of the provider, whatever its status. Raises Unreachable."""
        return await self._exchange(request)

    async def ask_as_client(self, endpoint: Endpoint, form: Mapping[str, str]) -> Response:
        """The same in the name of this operator. Raises Unreachable."""
        return await self._exchange(endpoint.request(self.client_id, self._secret_file, form))

    async def _keys_named(self, kid: str | None) -> tuple[Key, ...]:
        """The keys of this name, after a look at those published now where it is new; none where there are none.

        Raises Unreachable when they are not known and cannot be had.
        """
        found = self._known(kid)
        if found is not None:
            if self._keys.age() > FRESH:
                self._keys.begin()
            return found
        for _ in range(2):
            is_late = self._keys.is_asking  # that answer may be from before this key was published
            await self._keys.renew()
            found = self._known(kid)
            if found is not None:
                return found
            if self._keys.failed:
                raise Unreachable("The keys of Pro Santé Connect cannot be had.")
            if not is_late:
                break
        return ()

    def _known(self, kid: str | None) -> tuple[Key, ...] | None:
        """None when it takes another look to know. A token may leave out the name of the only key there is
        (OpenID Connect Core §10.1).
        """
        keys = self._keys.value
        if keys is None or self._keys.age() > self._keys_millis:
            return None
        if kid is None:
            every = tuple(key for named in keys.published.values() for key in named)
            return every if len(every) == 1 else ()
        if kid in keys.published:
            return keys.published[kid]
        withdrawn, until = keys.withdrawn.get(kid, ((), 0))
        return withdrawn if self._clock.millis() < until else None

    async def _fetch_metadata(self) -> Metadata:
        if not is_https(self.issuer):
            raise Unreachable("psc.issuer is no https URL.")
        usual = [self.issuer.rstrip("/") + name for name in WELL_KNOWN]
        *others, last = [self._discovery] if self._discovery else usual
        for url in others:
            answer = await self._exchange(Request(url))
            if answer.status != _NOT_FOUND:
                return Metadata.read(_document(url, answer), issuer=self.issuer)
        return Metadata.read(_document(last, await self._exchange(Request(last))), issuer=self.issuer)

    async def _fetch_keys(self) -> _Keys:
        url = (await self.metadata()).jwks_uri
        document = _document(url, await self._exchange(Request(url)))
        published: dict[str, tuple[Key, ...]] = {}
        for key in public_keys(document):
            name = key.kid or ""
            published[name] = (*published.get(name, ()), key)
        if not published:
            raise Unreachable(f"{url} publishes no usable key.")
        before, now = self._keys.value or _Keys({}, {}), self._clock.millis()
        withdrawn = {
            **{name: kept for name, kept in before.withdrawn.items() if now < kept[1]},
            **{name: (keys, now + WITHDRAWN) for name, keys in before.published.items()},
        }
        return _Keys(published, {name: kept for name, kept in withdrawn.items() if name not in published})


def _document(url: str, answer: Response) -> dict[str, Any]:
    document = parse_object(answer.body) if answer.status == _OK else None
    if document is None:
        raise Unreachable(f"{url} answers {answer.status} and no JSON object.")
    return document
