"""A strict reader of IMAP responses, and a client that speaks over it: what is not well-formed is an error.

Values: an atom is `str`, a number `int`, a string or literal `bytes`, NIL `None`, a list `list`.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_FLAG = re.compile(rb"\\(?:\*|[^\x00-\x20\x7f-\xff(){%*\"\\\]]+)")
_SET = re.compile(rb"[0-9*][0-9*:,]*(?=[ )\]\r]|$)")
_ATTRIBUTE = re.compile(rb"[A-Z0-9.]+")
_CODE = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_LITERAL_AHEAD = re.compile(rb"\{(\d+)\}\r\n$")
_FREE_TEXT = re.compile(rb"[^\x00\r\n]+")


class Malformed(AssertionError):
    """A response that breaks the grammar (RFC 3501 §9, RFC 9051 §9, RFC 4466)."""


@dataclass(frozen=True, slots=True)
class Response:
    """`* number KIND data`; for OK, NO, BAD, BYE and PREAUTH the code and the text."""

    kind: str
    number: int | None = None
    data: Any = None
    code: str | None = None
    argument: Any = None
    text: bytes = b""


@dataclass(slots=True)
class Answer:
    """What a command brought: untagged responses in their order, and its end."""

    untagged: list[Response] = field(default_factory=list)
    status: str = ""
    code: str | None = None
    argument: Any = None
    text: bytes = b""

    def of(self, kind: str) -> list[Response]:
        return [each for each in self.untagged if each.kind == kind]

    def one(self, kind: str) -> Response:
        (found,) = self.of(kind)
        return found


class Reader:
    """One response, its literals in place."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def fail(self, why: str) -> Malformed:
        near = self.data[max(self.position - 60, 0) : self.position + 60]
        return Malformed(f"{why} at octet {self.position}: {near!r} in {self.data[:400]!r}")

    def peek(self) -> bytes:
        return self.data[self.position : self.position + 1]

    def accept(self, octets: bytes) -> bool:
        if self.data.startswith(octets, self.position):
            self.position += len(octets)
            return True
        return False

    def expect(self, octets: bytes) -> None:
        if not self.accept(octets):
            raise self.fail(f"no {octets!r}")

    def match(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        found = pattern.match(self.data, self.position)
        if found is None:
            raise self.fail(f"no {what}")
        self.position = found.end()
        return found.group()

    def value(self) -> Any:
        """Any value; lists without recursion."""
        stack: list[list[Any]] = []
        while True:
            if self.accept(b"("):
                stack.append([])
                if not self.accept(b")"):
                    continue
                done: Any = stack.pop()
            else:
                done = self._scalar()
            while True:
                if not stack:
                    return done
                stack[-1].append(done)
                if self.accept(b")"):
                    done = stack.pop()
                    continue
                # body and address lists, and threads, stand side by side without a space
                if not (isinstance(done, list) and self.peek() == b"("):
                    self.expect(b" ")
                break

    def _scalar(self) -> Any:
        ahead = self.peek()
        if ahead == b'"':
            return self._quoted()
        if ahead in (b"{", b"~"):
            return self._literal()
        if ahead == b"\\":
            return self.match(_FLAG, "flag").decode()
        found = _SET.match(self.data, self.position)
        if found is not None:
            self.position = found.end()
            text = found.group()
            return int(text) if text.isdigit() else text.decode()
        atom = self.match(_ATOM, "value").decode()
        return None if atom == "NIL" else atom

    def _quoted(self) -> bytes:
        self.expect(b'"')
        out = bytearray()
        while True:
            octet = self.peek()
            self.position += 1
            if octet == b'"':
                return bytes(out)
            if octet == b"\\":
                octet = self.peek()
                self.position += 1
                if octet not in (b'"', b"\\"):
                    raise self.fail("a needless escape")
            if octet in (b"", b"\r", b"\n", b"\0"):
                raise self.fail("an open quoted string")
            out += octet

    def _literal(self) -> bytes:
        self.accept(b"~")
        self.expect(b"{")
        size = int(self.match(re.compile(rb"\d+"), "size"))
        self.expect(b"}\r\n")
        octets = self.data[self.position : self.position + size]
        if len(octets) != size:
            raise self.fail("a literal cut short")
        self.position += size
        return octets

    # Responses

    def response(self) -> Response:
        self.expect(b"* ")
        number = None
        if self.peek().isdigit():
            number = int(self.match(re.compile(rb"\d+"), "number"))
            self.expect(b" ")
        kind = self.match(_ATOM, "name").decode()
        if number is None and kind in ("OK", "NO", "BAD", "BYE", "PREAUTH"):
            self.expect(b" ")
            code, argument, text = self.text()
            return Response(kind, None, None, code, argument, text)
        data = self._data(kind, number)
        self.expect(b"\r\n")
        if self.position != len(self.data):
            raise self.fail("more than one line")
        return Response(kind, number, data)

    def text(self) -> tuple[str | None, Any, bytes]:
        """resp-text: a code with its argument, and what a person reads."""
        code, argument = None, None
        if self.accept(b"["):
            code = self.match(_CODE, "code").decode()
            arguments = []
            while self.accept(b" "):
                arguments.append(self.value())
            argument = arguments[0] if len(arguments) == 1 else arguments or None
            self.expect(b"]")
            if not self.accept(b" "):  # RFC 9051 allows a code alone
                self.expect(b"\r\n")
                return code, argument, b""
        text = self.match(_FREE_TEXT, "text")
        self.expect(b"\r\n")
        return code, argument, text

    def _data(self, kind: str, number: int | None) -> Any:
        if number is not None:
            if kind in ("EXISTS", "RECENT", "EXPUNGE"):
                return None
            if kind in ("FETCH", "UIDFETCH"):
                self.expect(b" ")
                return self._attributes()
            raise self.fail(f"a number before {kind}")
        values = []
        while self.peek() != b"\r":
            if not (values and isinstance(values[-1], list) and self.peek() == b"("):
                self.expect(b" ")
            values.append(self.value())
        check = _SHAPES.get(kind)
        if check is None:
            raise self.fail(f"an unknown response {kind}")
        if not check(values):
            raise self.fail(f"an odd {kind} {values!r}")
        return values

    def _attributes(self) -> dict[str, Any]:
        """msg-att: names as RFC 3501 writes them, BODY[...] with its section and origin."""
        self.expect(b"(")
        found: dict[str, Any] = {}
        while True:
            name = self.match(_ATTRIBUTE, "attribute").decode()
            if self.peek() == b"[":
                name += self._section()
            self.expect(b" ")
            if name in found:
                raise self.fail(f"{name} twice")
            found[name] = self.value()
            _check_attribute(self, name, found[name])
            if self.accept(b")"):
                return found
            self.expect(b" ")

    def _section(self) -> str:
        start = self.position
        self.expect(b"[")
        while not self.accept(b"]"):
            if self.peek() in (b'"', b"{"):
                self._scalar()
            elif self.peek() in (b"", b"\r"):
                raise self.fail("an open section")
            else:
                self.position += 1
        if self.accept(b"<"):
            self.match(re.compile(rb"\d+>"), "origin")
        return self.data[start : self.position].decode("latin-1")


def is_string(value: Any) -> bool:
    return isinstance(value, bytes)


def is_nstring(value: Any) -> bool:
    return value is None or isinstance(value, bytes)


def is_number(value: Any) -> bool:
    return isinstance(value, int)


def _is_mailbox(value: Any) -> bool:
    return isinstance(value, str | bytes | int)


def _are_flags(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_list_answer(values: list[Any]) -> bool:
    return (
        len(values) in (3, 4)
        and _are_flags(values[0])
        and (values[1] is None or (is_string(values[1]) and len(values[1]) == 1))
        and _is_mailbox(values[2])
        and (len(values) == 3 or isinstance(values[3], list))
    )


def _is_status(values: list[Any]) -> bool:
    return (
        len(values) == 2 and _is_mailbox(values[0]) and isinstance(values[1], list) and not len(values[1]) % 2
    )


def _is_search(values: list[Any]) -> bool:
    numbers = values
    if values and isinstance(values[-1], list):
        numbers = values[:-1]
        if len(values[-1]) != 2 or values[-1][0] != "MODSEQ":
            return False
    return all(is_number(each) for each in numbers)


def _anything(values: list[Any]) -> bool:
    return bool(values)


_SHAPES = {
    "CAPABILITY": lambda values: bool(values) and all(isinstance(each, str) for each in values),
    "ENABLED": lambda values: all(isinstance(each, str) for each in values),
    "FLAGS": lambda values: len(values) == 1 and _are_flags(values[0]),
    "LIST": _is_list_answer,
    "LSUB": _is_list_answer,
    "STATUS": _is_status,
    "SEARCH": _is_search,
    "SORT": _is_search,
    "THREAD": lambda values: all(isinstance(each, list) for each in values),
    "VANISHED": lambda values: len(values) in (1, 2),
    "ESEARCH": lambda values: True,
    "ID": lambda values: len(values) == 1,
    "NAMESPACE": lambda values: len(values) == 3,
    "QUOTA": lambda values: len(values) == 2 and isinstance(values[1], list),
    "QUOTAROOT": _anything,
    "ACL": _anything,
    "LISTRIGHTS": _anything,
    "MYRIGHTS": lambda values: len(values) == 2,
    "METADATA": _anything,
}


def _check_attribute(reader: Reader, name: str, value: Any) -> None:
    check = _ATTRIBUTES.get(name.partition("[")[0] if "[" in name else name)
    if "[" in name:
        check = is_number if name.startswith("BINARY.SIZE") else is_nstring
    if check is None:
        raise reader.fail(f"an unknown attribute {name}")
    if not check(value):
        raise reader.fail(f"an odd {name}: {value!r}")


def _is_date_time(value: Any) -> bool:
    return is_string(value) and re.fullmatch(
        rb"[ \d]\d-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{4} \d\d:\d\d:\d\d [+-]\d{4}", value
    ) is not None  # fmt: skip


def _is_addresses(value: Any) -> bool:
    return value is None or (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, list) and len(each) == 4 and all(map(is_nstring, each)) for each in value)
    )


def is_envelope(value: Any) -> bool:
    """RFC 3501 §7.4.2: date, subject, six address lists, in-reply-to, message-id."""
    return (
        isinstance(value, list)
        and len(value) == 10
        and all(is_nstring(value[index]) for index in (0, 1, 8, 9))
        and all(_is_addresses(value[index]) for index in range(2, 8))
    )


def _are_parameters(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and bool(value) and not len(value) % 2 and all(map(is_string, value))
    )


def _is_disposition(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and len(value) == 2 and is_string(value[0]) and _are_parameters(value[1])
    )


def _is_language(value: Any) -> bool:
    return is_nstring(value) or (isinstance(value, list) and bool(value) and all(map(is_string, value)))


def _is_tail(tail: Sequence[Any], checks: Sequence[Any]) -> bool:
    return all(check(each) for check, each in zip(checks, tail, strict=False))


def is_body(root: Any, *, extended: bool) -> bool:
    """RFC 3501 §9 `body`: checked part by part, without recursion."""
    waiting = [root]
    while waiting:
        body = waiting.pop()
        if not isinstance(body, list) or len(body) < 2:
            return False
        if isinstance(body[0], list):
            parts = [each for each in body if isinstance(each, list)]
            count = next((at for at, each in enumerate(body) if not isinstance(each, list)), len(body))
            waiting += parts[:count]
            rest = body[count:]
            tail = (_are_parameters, _is_disposition, _is_language, is_nstring)
        else:
            if len(body) < 7 or not all(map(is_string, body[:2])) or not _are_parameters(body[2]):
                return False
            if not (
                is_nstring(body[3]) and is_nstring(body[4]) and is_string(body[5]) and is_number(body[6])
            ):
                return False
            kind, rest = (body[0].lower(), body[1].lower()), [b"", *body[7:]]
            if kind in ((b"message", b"rfc822"), (b"message", b"global")) and len(body) >= 10:
                if not is_envelope(body[7]) or not is_number(body[9]):
                    return False
                waiting.append(body[8])
                rest = [b"", *body[10:]]
            elif kind[0] == b"text":
                if len(body) < 8 or not is_number(body[7]):
                    return False
                rest = [b"", *body[8:]]
            tail = (is_nstring, _is_disposition, _is_language, is_nstring)
        if not rest or not is_string(rest[0]) or (len(rest) > 1 and not extended):
            return False
        if not _is_tail(rest[1:], tail):
            return False
    return True


_ATTRIBUTES: dict[str, Any] = {
    "FLAGS": _are_flags,
    "UID": is_number,
    "INTERNALDATE": _is_date_time,
    "SAVEDATE": lambda value: value is None or _is_date_time(value),
    "RFC822.SIZE": is_number,
    "RFC822": is_nstring,
    "RFC822.HEADER": is_nstring,
    "RFC822.TEXT": is_nstring,
    "ENVELOPE": is_envelope,
    "BODY": lambda value: is_body(value, extended=False),
    "BODYSTRUCTURE": lambda value: is_body(value, extended=True),
    "MODSEQ": lambda value: isinstance(value, list) and len(value) == 1 and is_number(value[0]),
    "PREVIEW": is_nstring,
    "EMAILID": lambda value: isinstance(value, list) and len(value) == 1,
    "THREADID": lambda value: value is None or (isinstance(value, list) and len(value) == 1),
}


class Wire:
    """A connection; every response goes through the strict reader."""

    def __init__(self, port: int, host: str = "127.0.0.1", source: str | None = None) -> None:
        self.socket: socket.socket = socket.create_connection(
            (host, port), 30, source_address=(source, 0) if source else None
        )
        self._file = self.socket.makefile("rb")
        self._count = 0
        self.capabilities: frozenset[str] = frozenset()
        self.greeting = self.next()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def sign_in(self, user: str, password: str) -> Self:
        answer = self.command(f'LOGIN "{user}" "{password}"')
        assert answer.status == "OK", answer
        self.capabilities = frozenset(self.command("CAPABILITY").one("CAPABILITY").data)
        return self

    def raw(self) -> bytes:
        """The octets of the next response."""
        data = b""
        while True:
            line = self._file.readline()
            if not line.endswith(b"\r\n"):
                raise Malformed(f"the connection ended after {(data + line)[:400]!r}")
            data += line
            found = _LITERAL_AHEAD.search(line)
            if found is None:
                return data
            data += self._file.read(int(found.group(1)))

    def next(self) -> Response:
        return Reader(self.raw()).response()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def start(self, *pieces: str | bytes) -> str:
        """Sends a command of text (str) and strings (bytes, sent as literals); its tag."""
        self._count += 1
        tag = f"w{self._count}"
        data = tag.encode() + b" "
        for piece in pieces:
            data += piece.encode() if isinstance(piece, str) else b"{%d+}\r\n%b" % (len(piece), piece)
        self.send(data + b"\r\n")
        return tag

    def finish(self, tag: str) -> Answer:
        answer = Answer()
        while True:
            data = self.raw()
            if data.startswith(b"* "):
                answer.untagged.append(Reader(data).response())
                continue
            reader = Reader(data)
            reader.expect(tag.encode() + b" ")
            answer.status = reader.match(re.compile(rb"OK|NO|BAD"), "status").decode()
            reader.expect(b" ")
            answer.code, answer.argument, answer.text = reader.text()
            return answer

    def command(self, *pieces: str | bytes) -> Answer:
        return self.finish(self.start(*pieces))
