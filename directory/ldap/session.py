"""The conversation with one client: bind, search, and what else there is, one request after the other."""

from __future__ import annotations

import asyncio
import secrets
from types import MappingProxyType
from typing import TYPE_CHECKING

from directory.annuaire.view import GenerationGone, TooSlow
from directory.ldap import entries, matching, messages, paging, search
from directory.ldap.ber import Malformed
from directory.ldap.binding import bound
from directory.ldap.connection import ShuttingDown, TimedOut
from directory.ldap.doors import NOBODY_NEAR
from directory.ldap.entries import SUBSCHEMA_ENTRY, SUFFIX_ENTRY, Selection
from directory.ldap.filters import Equality
from directory.ldap.messages import Scope
from directory.ldap.names import SUBSCHEMA, SUFFIX, MailboxName, Place, dn_of, find
from directory.ldap.results import Refused, ResultCode
from directory.ldap.search import Answer, Page, Plan
from foundation.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from directory.annuaire.view import View
    from directory.ldap.connection import Connection
    from directory.ldap.doors import Caller, Near
    from directory.ldap.messages import Control, Request, Search
    from directory.ldap.server import Shared

log = get_logger(__name__)

_AT_ONCE = 100
"""Entries that are handed to the connection before it is asked whether the client still reads."""


class Session:
    """Ends with `run`; what it knows of its client is who has bound."""

    def __init__(self, shared: Shared, connection: Connection) -> None:
        self._shared = shared
        self._context = shared.context
        self._limits = shared.context.limits
        self._connection = connection
        self._caller: Caller | None = None
        self._judged_at = 0.0
        self._refused_binds = 0
        self._cookies: paging.Cookies | None = None
        self._near: Near | None = None

    async def run(self) -> None:
        """Serves requests until the client leaves or is sent away; raises Disconnected."""
        limits = self._limits
        code, farewell = ResultCode.PROTOCOL_ERROR, ""
        try:
            while True:
                seconds = limits.idle_seconds if self._caller is not None else limits.bind_seconds
                waiting = await self._connection.next_request(seconds)
                request = messages.read_request(waiting.octets)
                if request.tag == messages.UNBIND:
                    return
                await self._serve(request)
        except Malformed as fault:
            farewell = str(fault)
        except _SentAway as told:
            code, farewell = told.code, str(told)
        except TimedOut:
            code, farewell = ResultCode.UNAVAILABLE, "No request for too long"
        except ShuttingDown:
            code, farewell = ResultCode.UNAVAILABLE, "The server is closing"
        await self._connection.end(messages.notice_of_disconnection(code, farewell))

    async def _serve(self, request: Request) -> None:
        try:
            unknown = _critical(request)
            if unknown is not None:
                raise Refused(
                    ResultCode.UNAVAILABLE_CRITICAL_EXTENSION, f"The control {unknown} is not known here"
                )
            await _SERVE.get(request.tag, Session._change)(self, request)
        except Refused as refused:
            self._connection.write(
                messages.result(
                    request.id,
                    messages.RESPONSES[request.tag],
                    refused.code,
                    refused.diagnostic,
                    matched=refused.matched,
                )
            )
        await self._connection.drain()

    async def _change(self, request: Request) -> None:
        raise Refused(ResultCode.UNWILLING_TO_PERFORM, "This directory is read by LDAP, not written")

    # Binding

    async def _bind(self, request: Request) -> None:
        # RFC 4511 §4.2.1: whatever comes of it, nobody is bound while it is judged
        self._leave()
        asked = messages.read_bind(request.operation)
        answer = await bound(asked, self._connection, self._context)
        if answer is None:
            self._connection.write(messages.bind_in_progress(request.id))
            return
        if isinstance(answer, Refused):
            self._refused_binds += 1
            if self._refused_binds >= self._limits.refused_binds:
                self._connection.write(
                    messages.result(
                        request.id, messages.RESPONSES[messages.BIND], answer.code, answer.diagnostic
                    )
                )
                raise _SentAway(ResultCode.UNAVAILABLE, "Too many refused binds")
            raise answer
        self._caller = answer.caller
        if self._caller is not None:
            self._connection.message_limit = self._limits.message_bytes
            self._judged_at = asyncio.get_running_loop().time()
        self._say(request, ResultCode.SUCCESS)

    def _leave(self) -> None:
        self._caller = self._cookies = self._near = None
        self._connection.message_limit = self._limits.message_bytes_before_bind

    def _still_bound(self) -> None:
        """Raises _SentAway when what let the client in does not hold any more."""
        if self._caller is None:
            return
        now = asyncio.get_running_loop().time()
        if now - self._judged_at < self._limits.access_seconds:
            return
        self._judged_at = now
        if not self._context.doors.still_holds(self._caller):
            raise _SentAway(ResultCode.STRONGER_AUTH_REQUIRED, "What opened this session was withdrawn")

    def _must_be_known(self) -> None:
        if self._caller is None and not self._context.anonymous:
            raise Refused(ResultCode.STRONGER_AUTH_REQUIRED, "This directory is for those who sign in")

    # Searching

    async def _search(self, request: Request) -> None:
        octets = request.operation.rest
        asked = messages.read_search(request.operation)
        self._still_bound()
        place = find(asked.base)
        selection = Selection.of(asked.attributes, types_only=asked.types_only)
        if place is Place.ROOT or place is Place.SUBSCHEMA:
            self._tell_server_entry(request, asked, place, selection)
            return
        self._must_be_known()
        control = next((each for each in request.controls if each.oid == paging.OID), None)
        page = self._page(control, octets)
        if page is not None and not page.size and page.position is not None:
            # RFC 2696 §3: the client wants no more of them
            self._say(request, ResultCode.SUCCESS, [paging.control(b"")])
            return
        plan = Plan(
            place,
            asked,
            selection,
            matching.condition_of(asked.filter),
            self._limit(asked, page),
            page and Page(min(page.size or self._limits.entries, self._limits.entries), page.position),
            await self._whoever_is_near(),
        )
        found = await self._found(plan, octets)
        for start in range(0, len(found.entries), _AT_ONCE):
            if self._connection.is_abandoned:
                return
            self._connection.write(messages.entries(request.id, found.entries[start : start + _AT_ONCE]))
            await self._connection.drain()
        if not self._connection.is_abandoned:
            self._end_search(request, found, octets, is_paged=page is not None)

    def _tell_server_entry(self, request: Request, asked: Search, place: Place, selection: Selection) -> None:
        """The root DSE and the subschema: entries of the server, outside the tree, for base searches alone."""
        is_root = place is Place.ROOT
        if asked.scope is not Scope.BASE:
            raise Refused(ResultCode.NO_SUCH_OBJECT, f"Searches of more than one entry begin at {SUFFIX}")
        attributes = self._shared.root(self._connection) if is_root else SUBSCHEMA_ENTRY
        if matching.holds(asked.filter, attributes) is True:
            told = selection.of_entry("" if is_root else SUBSCHEMA, attributes)
            self._connection.write(messages.entries(request.id, (told,)))
        self._say(request, ResultCode.SUCCESS)

    def _page(self, control: Control | None, octets: bytes) -> Page | None:
        """The page that is asked for. Raises Refused."""
        if control is None:
            return None
        asked = paging.read(control)
        if not asked.cookie:
            return Page(asked.size)
        if self._cookies is None:
            raise Refused(ResultCode.UNWILLING_TO_PERFORM, "No cookie was given on this connection")
        return Page(asked.size, self._cookies.read(asked.cookie, octets))

    def _view(self, plan: Plan, seconds: float | None) -> View:
        """The directory, the one in which the search began. Raises Refused."""
        position = plan.page.position if plan.page is not None else None
        generation = position.generation if position is not None else None
        try:
            return self._context.directory.view(generation, seconds=seconds)
        except GenerationGone:
            raise Refused(
                ResultCode.UNWILLING_TO_PERFORM, "The directory was renewed long ago: begin the search again"
            ) from None

    async def _whoever_is_near(self) -> Near:
        if self._near is None:
            near = self._context.doors.near
            self._near = await near(self._caller) if self._caller is not None else NOBODY_NEAR
        return self._near

    def _limit(self, asked: Search, page: Page | None) -> int:
        """Entries of the whole search: by pages one may read everything."""
        if page is not None:
            return asked.size_limit or messages.LARGEST_NUMBER
        return min(asked.size_limit or self._limits.entries, self._limits.entries)

    async def _found(self, plan: Plan, octets: bytes) -> Answer:
        """What a search finds, or found when somebody asked it before. Raises Refused."""
        most = self._limits.search_seconds
        seconds = min(plan.search.time_limit or most, most)
        is_quick = search.is_quick(plan)
        view = self._view(plan, None if is_quick else seconds)
        key = (view.generation, view.version, plan.near, octets)
        kept = self._shared.answers.get(key) if plan.page is None else None
        if kept is not None:
            return kept
        look = self._shared.search_quickly if is_quick else self._shared.search_patiently
        try:
            async with asyncio.timeout(seconds):
                found = await look(plan, view)
        except TimeoutError:
            code = ResultCode.TIME_LIMIT_EXCEEDED if seconds < most else ResultCode.ADMIN_LIMIT_EXCEEDED
            raise Refused(code, "The search took too long") from None
        except TooSlow:
            raise Refused(
                ResultCode.ADMIN_LIMIT_EXCEEDED, "The search took too long: ask for something more particular"
            ) from None
        except GenerationGone:
            raise Refused(ResultCode.BUSY, "The directory was renewed meanwhile: search again") from None
        if plan.page is None:
            self._shared.answers.keep(key, found, len(octets))
        return found

    def _end_search(self, request: Request, found: Answer, octets: bytes, *, is_paged: bool) -> None:
        controls: list[Control] = []
        if is_paged:
            cookie = b""
            if found.next is not None:
                if self._cookies is None:
                    self._cookies = paging.Cookies(secrets.token_bytes(32))
                cookie = self._cookies.write(found.next, octets)
            controls.append(paging.control(cookie))
        self._say(request, found.code, controls)

    async def _compare(self, request: Request) -> None:
        asked = messages.read_compare(request.operation)
        self._still_bound()
        place = find(asked.entry)
        if isinstance(place, MailboxName) or place is Place.SUFFIX:
            self._must_be_known()
        attributes = await self._attributes(place)
        truth = matching.asserts(Equality(asked.attribute, asked.value), attributes)
        if truth is None:
            raise Refused(ResultCode.UNDEFINED_ATTRIBUTE_TYPE, "The attribute or its value is not known here")
        self._say(request, ResultCode.COMPARE_TRUE if truth else ResultCode.COMPARE_FALSE)

    async def _attributes(self, place: Place | MailboxName) -> Mapping[str, tuple[str, ...]]:
        if isinstance(place, MailboxName):
            found = self._context.directory.view().mailbox(place.address)
            if found is None:
                raise Refused(ResultCode.NO_SUCH_OBJECT, "There is no such entry", matched=SUFFIX)
            return entries.values_of(found)
        if place is Place.ROOT:
            return self._shared.root(self._connection)
        return SUFFIX_ENTRY if place is Place.SUFFIX else SUBSCHEMA_ENTRY

    # Extended operations

    async def _extended(self, request: Request) -> None:
        asked = messages.read_extended(request.operation)
        if asked.name == messages.START_TLS:
            await self._start_tls(request)
        elif asked.name == messages.WHO_AM_I:
            self._still_bound()
            name = f"dn:{dn_of(self._caller.address)}" if self._caller is not None else ""
            self._connection.write(
                messages.extended_result(request.id, ResultCode.SUCCESS, value=name.encode())
            )
        else:
            raise Refused(ResultCode.PROTOCOL_ERROR, "This extended operation is not known here")

    async def _start_tls(self, request: Request) -> None:
        """RFC 4511 §4.14, RFC 4513 §3.1."""
        if self._connection.is_encrypted:
            raise Refused(ResultCode.OPERATIONS_ERROR, "TLS is there already")
        if self._context.tls is None:
            raise Refused(ResultCode.PROTOCOL_ERROR, "TLS is not served here")
        if self._connection.has_more:
            # What came in the clear behind it could be anybody's (CVE-2011-0411).
            raise Malformed("Nothing may follow StartTLS before TLS is there.")
        self._leave()
        await self._connection.start_tls(
            messages.extended_result(request.id, ResultCode.SUCCESS, name=messages.START_TLS)
        )

    def _say(self, request: Request, code: ResultCode, controls: list[Control] | None = None) -> None:
        response = messages.RESPONSES[request.tag]
        self._connection.write(messages.result(request.id, response, code, controls=controls or ()))


class _SentAway(Exception):
    """The session ends with this notice."""

    def __init__(self, code: ResultCode, farewell: str) -> None:
        super().__init__(farewell)
        self.code = code


def _critical(request: Request) -> str | None:
    """The first control that is critical and not known for this operation (RFC 4511 §4.1.11)."""
    known = {paging.OID} if request.tag == messages.SEARCH else set()
    return next((each.oid for each in request.controls if each.is_critical and each.oid not in known), None)


_SERVE: Mapping[int, Callable[[Session, Request], Awaitable[None]]] = MappingProxyType(
    {
        messages.BIND: Session._bind,
        messages.SEARCH: Session._search,
        messages.COMPARE: Session._compare,
        messages.EXTENDED: Session._extended,
    }
)
