"""The espace de confiance as one operator sees it: who is listed, whose certificate counts, what is fetched when."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from certs.list_faults import ListFault, ListRefused
from certs.peers import Judge, Peer, PeerFault, Role, fault_of_handshake
from certs.pki import PkiUnusable
from certs.publisher import renew
from certs.revocation import LARGEST_CRL, Crl, CrlRefused, Revocations
from certs.routes import FILE as ROUTES
from certs.routes import RoutesUnusable, checked_routes, read_routes
from certs.sources import SourceUnreachable, path_of, read_file
from certs.tls import Identity, TlsUnusable, Trust, client_context, mutual_server_context
from certs.trust_store import Adopted, CrlFetched, Force, TrustStore, TrustUnusable, Unchanged
from certs.white_list import LARGEST, WhiteList, canonical_domain
from foundation.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from foundation.clock import Clock
    from foundation.settings import Settings

__all__ = [
    "Adopted",
    "CrlFetched",
    "Force",
    "ListFault",
    "ListRefused",
    "Peer",
    "PeerFault",
    "SourceUnreachable",
    "TrustSpace",
    "TrustUnusable",
    "Unchanged",
    "fault_of_handshake",
]

_JITTER = 0.1
_RETRY_SECONDS = 300.0
_LOOK_SECONDS = 5.0
_Stamp = tuple[int, int, int] | None
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _State:
    """Everything that files say, as of one moment; replaced whole."""

    white_list: WhiteList
    crls: Mapping[Path, Crl]
    routes: Mapping[str, tuple[str, int]]
    judge: Judge
    stamps: Mapping[Path, _Stamp]


class TrustSpace:
    """The lists in use and the judgement they allow.

    Files change under it: another process adopts a list, a command adds a route. `refresh` sees that; the state is
    swapped whole, so a reader in any thread has the old one or the new one.
    """

    def __init__(self, settings: Settings, clock: Clock, store: TrustStore) -> None:
        """Use `open`."""
        self._settings = settings
        self._clock = clock
        self._store = store
        self._list_source = path_of(settings.trust.white_list_url)
        self._crl_sources = {path_of(url): url for url in settings.trust.crl_urls}
        sources = [path for path in (self._list_source, *self._crl_sources) if path is not None]
        self._files = (store.list_file, *store.crl_files, settings.home / ROUTES, *sources)
        self._reloading = asyncio.Lock()
        self._refusal: ListRefused | None = None  # of the list published last
        self._crl_refusals: dict[str, str] = {}  # of the revocation lists published last, by URL
        self._state: _State
        self._server_context: ssl.SSLContext
        self._client_context: ssl.SSLContext
        self._own_routes: Mapping[str, tuple[str, int]]

    @classmethod
    async def open(cls, settings: Settings, clock: Clock) -> TrustSpace:
        """Loads and verifies what is on disk. Raises TrustUnusable with one sentence."""
        space = cls(settings, clock, await asyncio.to_thread(TrustStore, settings))
        await asyncio.to_thread(space._open)
        if not settings.trust.crl_urls:
            _log.warning("certificates are not checked for revocation: trust.crl_urls is empty")
        return space

    @property
    def white_list(self) -> WhiteList:
        """The list in use; it never changes, a newer one takes its place."""
        return self._state.white_list

    def judge_client(self, der: bytes | None) -> Peer | PeerFault:
        """Who a client is, once the handshake accepted its chain."""
        return self._state.judge.judge(der, Role.CLIENT, self._clock.now())

    def judge_server(self, der: bytes | None) -> Peer | PeerFault:
        """Who a server is, once the handshake accepted its chain."""
        return self._state.judge.judge(der, Role.SERVER, self._clock.now())

    def judge_signer(self, der: bytes) -> Peer | PeerFault:
        """Which organisation signed something; whether the signature holds is for the caller."""
        return self._state.judge.judge(der, Role.SIGNER, self._clock.now())

    def route_of(self, domain: str) -> tuple[str, int] | None:
        """Where mail for a domain goes instead of to its MX: `routes.toml` before the settings."""
        routes = self._state.routes
        return routes.get(domain) or routes.get(canonical_domain(domain) or "")

    def age(self) -> timedelta:
        """Since when the list in use is generated."""
        return self._clock.now() - self.white_list.generated_at

    @property
    def is_stale(self) -> bool:
        """Whether the list in use is so old that somebody should look."""
        return self.age() > timedelta(hours=self._settings.trust.alarm_hours)

    # ref: F03
    def alarms(self) -> tuple[str, ...]:
        """What an operator has to look after, a sentence each; none when all is well."""
        told: list[str] = []
        if self.is_stale:
            told.append(
                f"The white list is {self.age() // timedelta(hours=1)} hours old"
                f" (alarm from {self._settings.trust.alarm_hours} on)."
            )
        if self._refusal is not None:
            told.append(f"The list published last is not used. {self._refusal}")
        now = self._clock.now()
        for url in self._settings.trust.crl_urls:
            crl = self._state.crls.get(self._store.crl_file(url))
            if crl is None:
                told.append(f"There is no revocation list from {url}.")
            elif now > crl.next_update:
                told.append(
                    f"The revocation list from {url} is out of date since {crl.next_update:%Y-%m-%d}."
                )
            if url in self._crl_refusals:
                told.append(f"The list published last at {url} is not used. {self._crl_refusals[url]}")
        return tuple(told)

    def server_context(self) -> ssl.SSLContext:
        """For the listener of other operators: the certificate is asked for, its absence is told by a reply."""
        return self._server_context

    def client_context(self) -> ssl.SSLContext:
        """For connections to other operators: their DN counts, not their host name."""
        return self._client_context

    async def refresh(self) -> None:
        """Takes up what another process wrote; costs a few looks at file dates when nothing changed.

        A file that cannot be used does not replace what is in memory. Lists that are published as files
        (file:///) are fetched as soon as they change.
        """
        if self._stamps() == self._state.stamps:
            return
        async with self._reloading:
            stamps = self._stamps()
            if stamps != self._state.stamps:
                self._state = await asyncio.to_thread(self._taken_up_safely, self._state, stamps)

    async def follow(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Takes up what other processes write, until cancelled: open sessions are judged by what is in memory."""
        while True:
            await self.refresh()
            await pause(_LOOK_SECONDS)

    # ref: F01
    async def fetch_list(self, force: Force = Force.NOTHING) -> Adopted | Unchanged:
        """Fetches the published list and takes it into use. Raises ListRefused, SourceUnreachable."""
        content = await self._store.fetch_list()
        outcome = await asyncio.to_thread(self._adopt, content, force, self._state)
        await self.refresh()
        return outcome

    async def fetch_revocations(self) -> tuple[CrlFetched, ...]:
        """Fetches every revocation list; one that fails leaves the one in use."""
        now = self._clock.now()
        fetched: list[CrlFetched] = []
        for url in self._settings.trust.crl_urls:
            known = self._state.crls.get(self._store.crl_file(url))
            each = await self._store.fetch_crl_into(url, now, known)
            if each.is_refused:
                self._crl_refusals[url] = each.failure
            elif not each.failure:
                self._crl_refusals.pop(url, None)
            fetched.append(each)
        await self.refresh()
        return tuple(fetched)

    async def keep(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Fetches both kinds of list on their schedules until cancelled; a failure is logged and tried again."""
        trust = self._settings.trust
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_on_schedule(self._keep_revocations, trust.crl_minutes * 60, pause))
            tasks.create_task(_on_schedule(self._keep_list, trust.fetch_minutes * 60, pause))

    async def _keep_list(self) -> bool:
        try:
            if self._settings.sandbox and self._list_source is not None:
                await asyncio.to_thread(renew, self._list_source, self._clock.now())
            outcome = await self.fetch_list()
        except ListRefused as error:
            _log.error("white list refused", code=error.fault.value, reason=str(error))
            return False
        except (SourceUnreachable, PkiUnusable, OSError) as error:
            _log.error("white list not fetched", reason=str(error))
            return False
        finally:
            if self.is_stale:
                _log.error(
                    "white list is old",
                    hours=self.age() // timedelta(hours=1),
                    alarm_hours=self._settings.trust.alarm_hours,
                )
        _tell(outcome)
        return True

    async def _keep_revocations(self) -> bool:
        fetched = await self.fetch_revocations()
        for each in fetched:
            if each.failure:
                _log.error("revocation list not fetched", url=each.url, reason=each.failure)
        return not any(each.failure for each in fetched)

    def _adopt(self, content: bytes, force: Force, state: _State | None) -> Adopted | Unchanged:
        now = self._clock.now()
        revocations = self._store.load_revocations(now, state.crls.values() if state else ())
        try:
            outcome = self._store.adopt(content, revocations, now, force, state.white_list if state else None)
        except ListRefused as error:
            self._refusal = error
            raise
        self._refusal = None
        return outcome

    def _open(self) -> None:
        settings = self._settings
        trust = Trust(settings.path(settings.tls.ca_file))
        identity = Identity(settings.path(settings.tls.certificate), settings.path(settings.tls.key))
        try:
            self._server_context = _server_context(identity, trust)
            self._client_context = client_context(trust, identity)
            self._client_context.check_hostname = False
            self._own_routes = checked_routes(settings.routes)
        except (TlsUnusable, RoutesUnusable) as error:
            raise TrustUnusable(str(error)) from error
        stamps = self._fetched_files(self._stamps(), None)
        now = self._clock.now()
        crls = self._crls({}, stamps, {})
        revocations = self._store.revocations_of(list(crls.values()))
        try:
            held = self._store.load_list(revocations, now)
        except (ListRefused, SourceUnreachable) as error:
            raise TrustUnusable(f"{self._store.list_file}: {error}") from error
        if held is None:
            raise TrustUnusable(
                f"There is no white list in {self._store.folder}:"
                f" `vaguemestre white-list fetch --home {settings.home}` gets it."
            )
        judge = Judge(self._store.authorities, revocations, held.white_list)
        self._state = _State(held.white_list, crls, self._routes({}), judge, stamps)

    def _fetched_files(self, stamps: Mapping[Path, _Stamp], state: _State | None) -> Mapping[Path, _Stamp]:
        """Adopts what is published on this machine and has changed, and gives the stamps from then on.

        Whatever is wrong with one of these files, the others are taken, and the last good ones serve.
        """

        def is_new(path: Path | None) -> bool:
            before = state.stamps[path] if state is not None and path is not None else None
            return path is not None and stamps[path] is not None and stamps[path] != before

        for path, url in self._crl_sources.items():
            if path is not None and is_new(path):
                known = state.crls.get(self._store.crl_file(url)) if state is not None else None
                try:
                    self._take_published_crl(url, path, known)
                except Exception as error:
                    _log.error("revocation list not taken", url=url, reason=_reason(error))
        if self._list_source is not None and is_new(self._list_source):
            try:
                _tell(self._take_published_list(self._list_source, state))
            except Exception as error:
                _log.error("white list not taken", file=str(self._list_source), reason=_reason(error))
        # What was published is as old as we read it; what we have adopted is new.
        published = {
            path: stamps[path] for path in (self._list_source, *self._crl_sources) if path is not None
        }
        return {**self._stamps(), **published}

    def _take_published_crl(self, url: str, path: Path, known: Crl | None) -> None:
        try:
            self._store.adopt_crl(url, read_file(path, LARGEST_CRL), self._clock.now(), known)
        except CrlRefused as error:
            self._crl_refusals[url] = str(error)
            raise
        self._crl_refusals.pop(url, None)

    def _take_published_list(self, path: Path, state: _State | None) -> Adopted | Unchanged:
        stamp = _stamp(path)
        try:
            return self._adopt(read_file(path, LARGEST), Force.NOTHING, state)
        except ListRefused as error:
            # Its successor may have been published and adopted by another process since it was read.
            if error.fault is not ListFault.ROLLBACK or _stamp(path) == stamp:
                raise
        return self._adopt(read_file(path, LARGEST), Force.NOTHING, state)

    def _taken_up_safely(self, state: _State, stamps: Mapping[Path, _Stamp]) -> _State:
        try:
            return self._taken_up(state, stamps)
        except Exception as error:  # a message is waiting for this: the lists in memory go on serving
            _log.error("trust space: files not taken up", error=type(error).__name__)
            return replace(state, stamps=stamps)

    def _taken_up(self, state: _State, stamps: Mapping[Path, _Stamp]) -> _State:
        stamps = self._fetched_files(stamps, state)

        def is_new(path: Path) -> bool:
            return stamps[path] != state.stamps[path]

        crls, white_list, routes = state.crls, state.white_list, state.routes
        if any(is_new(path) for path in self._store.crl_files):
            crls = self._crls(crls, stamps, state.stamps)
        revocations = self._store.revocations_of(list(crls.values()))
        if is_new(self._store.list_file):
            white_list = self._list(white_list, revocations)
        if is_new(self._settings.home / ROUTES):
            routes = self._routes(routes)
        judge = state.judge
        if crls is not state.crls or white_list is not state.white_list:
            judge = Judge(self._store.authorities, revocations, white_list)
        return _State(white_list, crls, routes, judge, stamps)

    def _list(self, held: WhiteList, revocations: Revocations) -> WhiteList:
        try:
            found = self._store.load_list(revocations, self._clock.now())
            if found is not None and found.white_list.generated_at < held.generated_at:
                raise ListRefused(ListFault.ROLLBACK)
        except Exception as error:
            _log.error("white list on disk not taken", file=str(self._store.list_file), reason=_reason(error))
            return held
        return found.white_list if found is not None else held

    def _crls(
        self, held: Mapping[Path, Crl], stamps: Mapping[Path, _Stamp], before: Mapping[Path, _Stamp]
    ) -> Mapping[Path, Crl]:
        crls = dict(held)
        for path in self._store.crl_files:
            if stamps[path] == before.get(path):
                continue
            try:
                crl = self._store.load_crl(path, self._clock.now())
                if crl is not None and path in held and crl.der != held[path].der:
                    crl.check_follows(held[path])
            except Exception as error:
                _log.error("revocation list on disk not taken", file=str(path), reason=_reason(error))
                continue
            if crl is not None:
                crls[path] = crl
        return crls

    def _routes(self, held: Mapping[str, tuple[str, int]]) -> Mapping[str, tuple[str, int]]:
        try:
            return {**self._own_routes, **read_routes(self._settings.home)}
        except RoutesUnusable as error:
            _log.error("routes not taken", reason=str(error))
            return held or self._own_routes

    def _stamps(self) -> Mapping[Path, _Stamp]:
        return {path: _stamp(path) for path in self._files}


def _tell(outcome: Adopted | Unchanged) -> None:
    if isinstance(outcome, Adopted):
        _log.info(
            "white list adopted",
            generated_at=outcome.white_list.generated_at.isoformat(),
            entries=len(outcome.white_list.entries),
            added=len(outcome.added),
            removed=len(outcome.removed),
        )


def _reason(error: Exception) -> str:
    """What the log says: a sentence where one was written for it, else only what kind of failure it is."""
    if isinstance(error, ListRefused | CrlRefused | SourceUnreachable | OSError):
        return str(error)
    return f"unexpected failure ({type(error).__name__})"


def _stamp(path: Path) -> _Stamp:
    try:
        found = os.stat(path)  # noqa: PTH116 - a third of the cost of Path.stat, at each message
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _server_context(identity: Identity, trust: Trust) -> ssl.SSLContext:
    context = mutual_server_context(identity, trust, ssl.CERT_OPTIONAL)
    # A resumed session saves little here, and skips a look at the dates that the judgement then makes up for.
    # TLS 1.2 keeps its tickets: without them OpenSSL holds up to 20 480 sessions of 15 KB each in memory.
    context.num_tickets = 0
    return context


async def _on_schedule(
    action: Callable[[], Awaitable[bool]], seconds: float, pause: Callable[[float], Awaitable[None]]
) -> None:
    while True:
        try:
            went_well = await action()
        except Exception as error:
            _log.error("trust space: unexpected failure", error=type(error).__name__)
            went_well = False
        # Not every operator at the same second.
        spread = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        await pause((seconds if went_well else min(seconds, _RETRY_SECONDS)) * spread)
