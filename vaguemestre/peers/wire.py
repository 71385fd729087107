"""One SMTP conversation over a socket, watched closely enough to say what the other side did: reply, alert, silence."""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_LINE = 4096
_MOST_LINES = 100
_BLOCK = 65_536
_TLS_HANDSHAKE = 0x16  # RFC 8446 §5.1
# TLS 1.3: a server judges the client's certificate after the client has finished (RFC 8446 §4.4.4). OpenSSL sends
# tickets when it is content; one that sends none is taken as content after this, and as many handshakes again.
_JUDGED_SECONDS = 0.25
_JUDGED_HANDSHAKES = 3
_ALERT = re.compile(r"^(?:SSLV3|TLSV1|TLSV13)_ALERT_(.+)$")


class Ending(StrEnum):
    """How a conversation ended before its time."""

    CLOSED = "closed"
    ALERT = "alert"
    SILENT = "silent"
    GARBLED = "garbled"
    DISTRUSTED = "distrusted"


class Ended(Exception):
    """The conversation cannot go on; the text says what the other side did."""

    def __init__(self, ending: Ending, said: str) -> None:
        super().__init__(said)
        self.ending = ending


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply (RFC 5321 §4.2): its code and its lines without the code."""

    code: int
    lines: tuple[str, ...]

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 400

    def offers(self, keyword: str) -> bool:
        """Whether an EHLO reply has the keyword."""
        return any(line.upper().split()[:1] == [keyword] for line in self.lines[1:])

    def __str__(self) -> str:
        return f"{self.code} {self.lines[0]}".rstrip()


class Wire:
    """A connection, in clear or over TLS. Reading raises Ended; nothing of what is read is trusted in length."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds
        self._buffer = bytearray()
        connection.settimeout(seconds)

    @classmethod
    def dial(cls, host: str, port: int, seconds: float) -> Self:
        """Connects. Raises OSError."""
        return cls(socket.create_connection((host, port), timeout=seconds), seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def tls(self) -> ssl.SSLSocket | None:
        """The connection once it is encrypted."""
        return self._connection if isinstance(self._connection, ssl.SSLSocket) else None

    @property
    def unread(self) -> bytes:
        """What has come and nobody read."""
        return bytes(self._buffer)

    def line(self) -> str:
        """The next line without its end; what is not ASCII is shown escaped."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _LONGEST_LINE:
                raise Ended(Ending.GARBLED, "sent a line without end")
            self._fill()
        text = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return "".join(
            each if each.isprintable() else "?" for each in text.decode("ascii", errors="backslashreplace")
        )

    def reply(self) -> Reply:
        """The next reply, all its lines."""
        lines: list[str] = []
        while len(lines) < _MOST_LINES:
            line = self.line()
            if not re.match(r"[2-5][0-9]{2}(?:[ -]|$)", line):
                raise Ended(Ending.GARBLED, "answered what is no SMTP reply")
            lines.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), tuple(lines))
        raise Ended(Ending.GARBLED, "answered without end")

    def say(self, text: str) -> None:
        """Sends a line, or several with CRLF between them."""
        with _telling():
            self._connection.sendall(text.encode() + b"\r\n")

    def command(self, text: str) -> Reply:
        self.say(text)
        return self.reply()

    def content(self, most: int) -> bytes:
        """The content after DATA, up to the line that is a lone dot; past `most` octets the rest is dropped."""
        kept = bytearray()
        tail = b"\r\n"
        while True:
            if not self._buffer:
                self._fill()
            block = bytes(self._buffer)
            self._buffer.clear()
            window = tail + block
            end = window.find(b"\r\n.\r\n")
            if end >= 0:
                kept += block[: max(0, end + 2 - len(tail))][: most - len(kept)]
                self._buffer += window[end + 5 :]
                return bytes(kept)
            kept += block[: most - len(kept)]
            tail = window[-4:]

    def begins_tls(self) -> bool:
        """Whether what comes next is a TLS handshake; waits for its first octet."""
        with _telling():
            first = self._connection.recv(1, socket.MSG_PEEK)
        if not first:
            raise Ended(Ending.CLOSED, "closed the connection")
        return first[0] == _TLS_HANDSHAKE

    def meet_server(self, context: ssl.SSLContext) -> None:
        """Encrypts as the client, and waits for the server's opinion of our certificate."""
        self._buffer.clear()  # what was said in clear after the 220 is nobody's (RFC 3207 §4.2)
        began = time.monotonic()
        with _telling():
            encrypted = context.wrap_socket(self._connection)
        self._connection = encrypted
        patience = _JUDGED_SECONDS + _JUDGED_HANDSHAKES * (time.monotonic() - began)
        if encrypted.version() == "TLSv1.3" and select.select([encrypted], [], [], patience)[0]:
            encrypted.settimeout(0.05)
            try:
                with _telling():
                    block = encrypted.recv(_BLOCK)
                if not block:
                    raise Ended(Ending.CLOSED, "closed the connection")
                self._buffer += block
            except Ended as ended:
                if ended.ending is not Ending.SILENT:
                    raise
            finally:
                encrypted.settimeout(self._seconds)

    def meet_client(self, context: ssl.SSLContext) -> None:
        """Encrypts as the server."""
        with _telling():
            self._connection = context.wrap_socket(self._connection, server_side=True)

    def _fill(self) -> None:
        with _telling():
            block = self._connection.recv(_BLOCK)
        if not block:
            raise Ended(Ending.CLOSED, "closed the connection")
        self._buffer += block


@contextmanager
def _telling() -> Iterator[None]:
    """Turns what sockets and OpenSSL raise into what the other side did."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise Ended(Ending.DISTRUSTED, f"its certificate does not hold: {error.verify_message}") from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise Ended(Ending.CLOSED, "closed the connection") from error
    except (ssl.SSLWantReadError, TimeoutError) as error:
        raise Ended(Ending.SILENT, "said nothing more") from error
    except ssl.SSLError as error:
        raise _of_tls(error) from error
    except OSError as error:
        raise Ended(Ending.CLOSED, "closed the connection") from error


def _of_tls(error: ssl.SSLError) -> Ended:
    reason = error.reason or "unknown"
    alert = _ALERT.match(reason)
    if alert is not None:
        return Ended(Ending.ALERT, f"TLS alert: {_words(alert.group(1))}")
    return Ended(Ending.GARBLED, f"TLS failed: {_words(reason)}")


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
