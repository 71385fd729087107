"""The conversation with one client: states, one command at a time, and the order of what is said (RFC 3501 §3)."""

from __future__ import annotations

import asyncio
import re
import secrets
import traceback
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from directory.bals import BalType
from foundation.log import get_logger
from mailserver.imap.capabilities import capabilities
from mailserver.imap.connection import Connection, Disconnected, Security, ShuttingDown, TimedOut
from mailserver.imap.derived import Derived
from mailserver.imap.dialect import Dialect
from mailserver.imap.grammar import render
from mailserver.imap.grammar.appending import message_comes_next
from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.grammar.cursor import Cursor
from mailserver.imap.grammar.errors import NotSupported, ParseError
from mailserver.imap.grammar.parser import parse_command, split_tag
from mailserver.imap.incoming import LineTooLong
from mailserver.imap.rendered_items import RenderedItems
from mailserver.imap.replies import Reply, Status, bad, bye, no
from mailserver.imap.selected import Expunges, FolderGone, SelectedFolder
from mailserver.sasl.mechanisms import Visitor, offered
from mailserver.signin.application import Scope
from mailserver.store import access
from mailserver.store.folders import highest_uidvalidity
from mailserver.store.rights import Place

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from mailserver.envelope import Principal
    from mailserver.imap.context import ImapContext
    from mailserver.imap.grammar.commands import Command
    from mailserver.imap.indexing import Indexing
    from mailserver.imap.watch import Watch
    from mailserver.sasl.mechanisms import Mechanism
    from mailserver.store.images import FolderImages

log = get_logger(__name__)

_LITERAL_AHEAD = re.compile(rb"\{([0-9]{1,200})(\+?)\}$")
_TOO_SLOW = "Sign-in took too long"
_NO_ACCESS = "Access to this mailbox has ended"


class State(StrEnum):
    """RFC 3501 §3"""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"


class Sync(StrEnum):
    """What a session may say of its folder at the end of a command."""

    EVERYTHING = "everything"
    NO_EXPUNGES = "no expunges"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Handler:
    """How a command is served, in which states, and what may be told after it."""

    run: Callable[[Session, Command], Awaitable[Reply]]
    states: frozenset[State]
    sync: Callable[[Command], Sync]


@dataclass(slots=True)
class Shared:
    """What the sessions of one server hold together; used from one event loop."""

    context: ImapContext
    handlers: dict[type[Command], Handler]
    body_searches: asyncio.Semaphore
    images: FolderImages
    indexing: Indexing
    rendered: RenderedItems = field(default_factory=RenderedItems)
    texts: RenderedItems = field(default_factory=RenderedItems)
    """Small bodies; apart, so that they never push out what lists are made of."""
    derived: Derived = field(default_factory=Derived)
    pending_append_bytes: int = 0
    last_uidvalidity: int = 0

    def next_uidvalidity(self) -> int:
        """Seconds since 1970, or one more than the last: a folder made anew never has its old number."""
        if not self.last_uidvalidity:
            # The clock may have gone back since the last start.
            self.last_uidvalidity = self.context.database.read_now(highest_uidvalidity)
        self.last_uidvalidity = max(self.context.clock.millis() // 1000, self.last_uidvalidity + 1)
        return self.last_uidvalidity


class Goodbye(Exception):
    """The session ends with BYE and this sentence."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _LiteralRefused(Exception):
    """A literal is larger than allowed; the command was read to its end and is answered by this."""

    def __init__(self, tag: str, reply: Reply) -> None:
        super().__init__(tag)
        self.tag = tag
        self.reply = reply


@dataclass(slots=True)
class _Reading:
    """A command on its way in."""

    text: bytearray = field(default_factory=bytearray)
    literals: list[bytes] = field(default_factory=list)
    reserved: int = 0
    refused: Reply | None = None


class Session:
    """One client from greeting to goodbye."""

    def __init__(self, shared: Shared, connection: Connection) -> None:
        self.shared = shared
        self.context = shared.context
        self.limits = shared.context.limits
        self.connection = connection
        self.principal: Principal | None = None
        self._access_checked_at = 0.0
        self.selected: SelectedFolder | None = None
        self.dialect = Dialect()
        self.tag = "*"
        """Of the command that is being served."""
        self.watch: Watch | None = None
        """What NOTIFY asked to be told of."""
        self.leaves = False
        """Set by LOGOUT."""
        self.starts_tls = False
        """Set by STARTTLS: TLS begins right after its OK."""
        self._bad_in_a_row = 0
        self._commands = 0
        self._refused_sign_ins = 0
        self._sign_in_before = asyncio.get_running_loop().time() + self.limits.sign_in_seconds

    # State

    @property
    def state(self) -> State:
        """Follows from who signed in and what is open."""
        if self.leaves:
            return State.LOGOUT
        if self.principal is None:
            return State.NOT_AUTHENTICATED
        return State.AUTHENTICATED if self.selected is None else State.SELECTED

    @property
    def owner_id(self) -> int:
        """The box of who signed in."""
        assert self.principal is not None
        return self.principal.owner_id

    @property
    def person_id(self) -> int:
        """The own box of who acts: a delegate who signed in to another, or its bearer."""
        assert self.principal is not None
        delegate = self.principal.person_id
        return self.principal.owner_id if delegate is None else delegate

    def sign_out(self) -> None:
        """Forgets who signed in and what they opened and enabled."""
        self.selected = None
        self.principal = None
        self.connection.leave_person()
        self.stop_watching()
        self.dialect = Dialect()
        self._sign_in_before = asyncio.get_running_loop().time() + self.limits.sign_in_seconds
        self._commands = 0

    def stop_watching(self) -> None:
        """Back to being told at the end of commands and in IDLE only."""
        if self.watch is not None:
            self.watch.close()
            self.watch = None

    def locate(self, mailbox: str) -> Place | None:
        """Where a mailbox name of the client leads, whether or not there is a folder; None where it may not look."""
        if not access.is_shared_name(mailbox):
            return self.own_place(mailbox)
        owner_id, types = self.owner_id, self.context.opened_types
        return self.context.database.read_now(
            lambda connection: access.locate(connection, owner_id, mailbox, types)
        )

    def own_place(self, mailbox: str) -> Place | None:
        """A folder of the box of who signed in; a delegate's as their delegation and its access list have it."""
        principal = self.principal
        assert principal is not None
        person_id, address = principal.person_id, principal.address
        if person_id is None:
            return Place(principal.owner_id, mailbox, principal.rights)
        return self.context.database.read_now(
            lambda connection: access.locate_in(connection, person_id, address, mailbox)
        )

    @property
    def folder(self) -> SelectedFolder:
        """The open folder; only for commands of the selected state."""
        assert self.selected is not None
        return self.selected

    @property
    def may_sign_in(self) -> bool:
        """Never in the clear, except on a sandbox's own listener (RFC 3501 §6.2.3, LOGINDISABLED)."""
        return self.connection.is_encrypted or self.connection.security is Security.PLAIN

    def visitor(self) -> Visitor:
        """Who wants to sign in, as far as the connection shows it."""
        connection = self.connection
        endpoint = self.context.endpoint if connection.is_encrypted else None
        return Visitor(connection.peer, Scope.IMAP, connection.peer_certificate, endpoint)

    def mechanisms(self) -> tuple[Mechanism, ...]:
        """What AUTHENTICATE takes now."""
        return offered(self.context.sign_in, self.visitor()) if self.may_sign_in else ()

    def capability_words(self) -> str:
        """CAPABILITY as it is now."""
        return capabilities(
            is_signed_in=self.principal is not None,
            mechanisms=self.mechanisms(),
            may_start_tls=self.may_start_tls,
            message_bytes=self.limits.message_bytes,
        )

    @property
    def may_start_tls(self) -> bool:
        """Where there is a certificate and no TLS yet."""
        return self.context.tls is not None and not self.connection.is_encrypted and self.principal is None

    # Speaking

    def mailbox(self, name: str) -> bytes:
        """A mailbox name as this client reads it."""
        return render.mailbox_utf8(name) if self.dialect.has_utf8_names else render.mailbox(name)

    def send(self, lines: Iterable[bytes]) -> None:
        """Writes whole responses."""
        data = b"".join(lines)
        if data:
            self.connection.write(data)

    async def ask(self, prompt: bytes, limit: int) -> bytes:
        """Sends a continuation request and reads the line that answers it, before the time to sign in is over."""
        self.connection.write(b"+ " + prompt + b"\r\n")
        self.connection.deadline = self._sign_in_before
        try:
            return await self.connection.next_line(limit)
        except TimedOut:
            raise Goodbye(_TOO_SLOW) from None

    def sign_in_was_refused(self) -> None:
        """Counts; too many end the session."""
        self._refused_sign_ins += 1
        if self._refused_sign_ins >= self.limits.refused_sign_ins:
            raise Goodbye("Too many refused sign-ins")

    # The conversation

    async def run(self) -> None:
        """Serves the client until it leaves, is silent for too long, or breaks a limit."""
        try:
            self.send([f"* OK [CAPABILITY {self.capability_words()}] Vaguemestre ready\r\n".encode("ascii")])
            while not self.leaves:
                await self._next_command()
        except Goodbye as goodbye:
            self._say_goodbye(goodbye.text)
        except ShuttingDown:
            self._say_goodbye("The server is closing, please come back")
        except LineTooLong:
            self._say_goodbye("Command line too long")
        except FolderGone:
            self._say_goodbye("The open mailbox was deleted")
        finally:
            self.stop_watching()

    def _say_goodbye(self, text: str) -> None:
        self.connection.write(bye(text))

    async def _next_command(self) -> None:
        reading = _Reading()
        try:
            try:
                await self._read_before_deadline(reading)
            except _LiteralRefused as refused:
                self._finish(refused.tag, refused.reply)
                await self.connection.drain()
                return
            if self.principal is None:
                self._commands += 1
                if self._commands > self.limits.commands_before_sign_in:
                    raise Goodbye("Too many commands before sign-in")
            await self._answer(reading)
        finally:
            self.shared.pending_append_bytes -= reading.reserved
        await self.connection.drain()
        if self.connection.has_waiting_input:
            await asyncio.sleep(0)  # a client that pipelines does not keep the others waiting

    async def _read_before_deadline(self, reading: _Reading) -> None:
        if self.principal is None:
            self.connection.deadline, text = self._sign_in_before, _TOO_SLOW
        else:
            now = asyncio.get_running_loop().time()
            self.connection.deadline, text = now + self.limits.idle_seconds, "Idle for too long"
        try:
            await self._read(reading)
        except TimedOut:
            raise Goodbye(text) from None

    async def _read(self, reading: _Reading) -> None:
        text = reading.text
        while True:
            line = await self._next_line(max(self.limits.line_bytes - len(text), 0), reading)
            text += line
            found = _LITERAL_AHEAD.search(line)
            if found is None:
                break
            await self._read_literal(reading, found.group(1), is_announced=not found.group(2))
            text += b"\r\n"
        if reading.refused is not None:
            raise _LiteralRefused(_tag_of(bytes(text)), reading.refused)

    async def _next_line(self, limit: int, reading: _Reading) -> bytes:
        connection = self.connection
        if self.watch is None or reading.text:
            return await connection.next_line(limit)
        now, last = asyncio.get_running_loop().time, connection.deadline
        while True:
            self.check_access()  # it is told of new messages without asking
            await self.watch.tell()
            line = connection.take_line(limit)
            if line is not None:
                connection.deadline = last
                return line
            connection.deadline = min(last, now() + self.limits.access_seconds)
            try:
                await connection.wait()
            except TimedOut:
                if now() >= last:
                    raise

    async def _read_literal(self, reading: _Reading, digits: bytes, *, is_announced: bool) -> None:
        size = int(digits)
        refused = reading.refused or self._refusal_of_literal(reading, size)
        if refused is None:
            if is_announced:
                self.connection.write(b"+ Ready for literal data\r\n")
            reading.literals.append(await self.connection.read_exactly(size))
            return
        if self.principal is None:
            raise Goodbye("Literal too large")
        if is_announced:
            # The client waits for "+" and gets the answer to its command instead (RFC 3501 §7.5).
            raise _LiteralRefused(_tag_of(bytes(reading.text)), refused)
        if size > self.limits.discarded_literal_bytes:
            raise Goodbye("Literal too large")
        reading.refused = refused
        await self.connection.discard(size)

    def _refusal_of_literal(self, reading: _Reading, size: int) -> Reply | None:
        limits = self.limits
        if self.principal is None:
            too_many = len(reading.literals) >= limits.literals_before_sign_in
            return (
                bad("Literal too large") if too_many or size > limits.literal_bytes_before_sign_in else None
            )
        if message_comes_next(bytes(reading.text), reading.literals):
            if size > limits.message_bytes:
                return no(f"The largest message has {limits.message_bytes} octets", "TOOBIG")
            if reading.reserved + size > limits.append_bytes:
                return no(f"All messages together have at most {limits.append_bytes} octets", "LIMIT")
            if self.shared.pending_append_bytes + size > limits.pending_append_bytes:
                return no("Too many messages are being received, please try again", "LIMIT")
            reading.reserved += size
            self.shared.pending_append_bytes += size
            return None
        if size > limits.literal_bytes:
            return bad("Literal too large", "TOOBIG")
        if len(reading.literals) >= limits.literals:
            return bad("Too many literals", "LIMIT")
        return None

    async def _answer(self, reading: _Reading) -> None:
        cursor = Cursor(bytes(reading.text), reading.literals, has_utf8_names=self.dialect.has_utf8_names)
        tag = _tag_of(bytes(reading.text))
        try:
            tag, name = split_tag(cursor)
            command = parse_command(cursor, name)
        except NotSupported as error:
            self._finish(tag, no(error.text, error.code))
        except ParseError as error:
            self._finish(tag, bad(error.text))
        else:
            await self._execute(tag, command)

    async def _execute(self, tag: str, command: Command) -> None:
        self.tag = tag
        handler = self.shared.handlers[type(command)]
        if self.state not in handler.states:
            self._finish(tag, bad(f"Not allowed in the {self.state} state"))
            return
        if self.dialect.is_uid_only and getattr(command, "numbering", None) is Numbering.SEQUENCE:
            self._finish(tag, bad("Message numbers are not used in this session", "UIDREQUIRED"))
            return
        try:
            self.check_access()
            reply = await handler.run(self, command)
            await self.tell(handler.sync(command))
        except ParseError as error:
            reply = bad(error.text)
        except (Disconnected, Goodbye, ShuttingDown, LineTooLong, FolderGone, TimedOut):
            raise
        except Exception as error:
            reference = secrets.token_hex(4)
            # Not the error's own text: a database error quotes subjects and addresses.
            where = traceback.extract_tb(error.__traceback__)[-3:]
            log.error(
                "imap.command_failed",
                reference=reference,
                command=type(command).__name__,
                error=type(error).__name__,
                where=[f"{Path(frame.filename).name}:{frame.lineno}" for frame in where],
            )
            reply = no(f"Internal error, reference {reference}", "UNAVAILABLE")
        self._finish(tag, reply)
        if self.starts_tls:
            self.starts_tls = False
            await self.connection.start_tls()

    def check_access(self) -> None:
        """Ends the session of a box that was suspended or closed, or got another password, since it signed in.

        Also one whose open folder belongs to somebody who has taken back the right to read it.
        """
        if self.principal is None:
            return
        self._check_place()
        now = asyncio.get_running_loop().time()
        if now - self._access_checked_at < self.limits.access_seconds:
            return
        self._access_checked_at = now
        if not self.context.sign_in.still_holds(self.principal):
            raise Goodbye(_NO_ACCESS)

    def _check_place(self) -> None:
        folder = self.selected
        if folder is None:
            return
        reader, types = self.owner_id, self.context.opened_types
        if folder.place.owner_id == self.owner_id:
            if self.person_id == self.owner_id:
                return
            reader, types = self.person_id, frozenset(BalType)
        place = self.context.database.read_now(
            lambda connection: access.place_now(connection, reader, folder.folder_id, folder.place, types)
        )
        if place is None:
            raise Goodbye(_NO_ACCESS)
        folder.place = place

    async def tell_everything(self) -> str | None:
        """As `tell`; the code with which a command that removes messages ends for who counts (RFC 7162 §3.2.7, §3.2.9)."""
        await self.tell(Sync.EVERYTHING)
        return f"HIGHESTMODSEQ {self.folder.image.modseq}" if self.dialect.tells_modseq else None

    async def tell(self, sync: Sync) -> None:
        """Tells what happened to the open folder; a handler that must do it before its own answer may call it too."""
        if self.selected is None or sync is Sync.NOTHING:
            return
        expunges = Expunges.TOLD if sync is Sync.EVERYTHING else Expunges.HELD
        images, database = self.shared.images, self.context.database
        self.send(await self.selected.sync(images, database, expunges, self.dialect))

    def _finish(self, tag: str, reply: Reply) -> None:
        self.connection.write(reply.line(tag))
        if reply.status is not Status.BAD:
            self._bad_in_a_row = 0
            return
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= self.limits.bad_commands:
            raise Goodbye("Too many bad commands")


def _tag_of(text: bytes) -> str:
    try:
        return Cursor(text).tag()
    except ParseError:
        return "*"
