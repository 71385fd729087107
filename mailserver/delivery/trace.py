"""Reads the header section of an outside message once and writes ours: what is stripped, what is stamped.

Bytes in, bytes out: the body is never looked at, let alone encoded again, so a signature over it stays true.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import TYPE_CHECKING

from foundation.clock import to_paris
from foundation.identifiers import Address, host_name
from foundation.mime.addresses import MailAddress, parse_addresses
from foundation.mime.words import decode_words
from mailserver.refusals import (
    FROM_NOT_OWNED,
    MALFORMED_MESSAGE,
    NO_FROM,
    SEVERAL_FROM,
    TOO_MANY_HOPS,
    Refusal,
)

if TYPE_CHECKING:
    from collections.abc import Container
    from datetime import datetime

MAX_HEADER_BYTES = 2 * 1024 * 1024
MAX_HOPS = 50
"""Received fields above which a message is taken to loop (RFC 5321 §6.3)."""
_MAX_AUTHORS = 50
_MAX_DOMAIN = 253

# Blind copies stay blind; the others are statements that only the receiving server may make.
_STRIPPED = frozenset(
    {
        b"arc-authentication-results",
        b"authentication-results",
        b"bcc",
        b"delivered-to",
        b"resent-bcc",
        b"return-path",
        b"x-original-to",
    }
)
_AT_MOST_ONE = frozenset({b"from", b"sender"})
_READ = frozenset(
    {
        b"from",
        b"sender",
        b"reply-to",
        b"subject",
        b"message-id",
        b"date",
        b"x-mss-mes",
        b"content-type",
        b"disposition-notification-to",
    }
)
_FIELD_NAME = re.compile(rb"[!-9;-~]+")
_HELO = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
_ENCODED_WORD = re.compile(
    rb'=\?[^?\s<>@"()\\]{1,80}\?[bBqQ]\?[^?\s<>@"()\\]*(?:\([^?\s<>@"()\\]*\)[^?\s<>@"()\\]*)*\?='
)
"""Without what would open or close a quote or a comment for a reader that knows no encoded words."""
_ASIDE = re.compile(
    # An end that never comes matches as well: otherwise every quote behind the first is tried to the end again.
    rb'"[^"\\]*(?:\\.[^"\\]*)*(?P<quote>"|\\?\Z)|'
    + _ENCODED_WORD.pattern
    + rb'|\([^()\\]*\)|\[[^\[\]()<>@,"\\]*\]',
    re.DOTALL,
)
"""What is no address, each as it opens first: a quoted string, an encoded word, a comment, a word in brackets."""
_ENDS = frozenset({b'"', b"=", b")", b"]"})
"""Glued to one of these, an encoded word is one for some readers only (RFC 2047 §5)."""
_MAX_AUTHOR_BYTES = 64 * 1024
_ADDRESS = rb"[^<>@\s:?]+@[^<>@\s:?]+"
_PLAIN_MAILBOX = re.compile(
    # Some programs write the address for the name, without quotes: the same one twice misleads nobody.
    rb"[^<>@:]*<" + _ADDRESS + rb">\s*|\s*" + _ADDRESS + rb"\s*|\s*(" + _ADDRESS + rb")\s*<\1>\s*"
)
_NAMED_DOMAIN = re.compile(r"@\s*([\w.-]+)")
_MAX_NAMED_DOMAINS = 2 * _MAX_AUTHORS
_MESSAGE_ID = re.compile(r"<[^<> ]{1,248}>")
_UNSAFE_IN_PATH = re.compile(r"[\x00-\x20\x7f<>\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Header:
    """A header section as delivery sees it: the bytes that stay, and the fields that rules read."""

    kept: bytes = field(repr=False)
    """Every field that is not stripped, each ended by CRLF, without the empty line."""
    body_start: int
    values: dict[bytes, bytes] = field(repr=False)
    """First value of each field that delivery reads, unfolded, still encoded."""

    @property
    def authors(self) -> tuple[str, ...]:
        """The addresses of From, lower-case; empty when it names none."""
        return _addresses(self.values.get(b"from"))

    @property
    def sender(self) -> tuple[str, ...]:
        """The address of Sender, lower-case."""
        return _addresses(self.values.get(b"sender"))

    @property
    def reply_to(self) -> tuple[str, ...]:
        """The addresses of Reply-To, lower-case (ECO.2.2.5)."""
        return _addresses(self.values.get(b"reply-to"))

    # ref: ECO.2.2.8
    @property
    def forbids_reply(self) -> bool:
        """`X-MSS-MES: FIN`, the value being exactly three capitals (ECO.2.2.8)."""
        return self.values.get(b"x-mss-mes", b"").strip(b" \t") == b"FIN"

    # ref: F30
    @property
    def ends_exchange(self) -> bool:
        """A subject that is exactly `[FIN]`, once decoded: no other letter, case or space."""
        raw = self.values.get(b"subject", b"")
        # The space after the colon is the field's punctuation, not the subject's.
        raw = raw.removeprefix(b" ")
        return len(raw) < 256 and raw == raw.strip() and decode_words(raw) == "[FIN]"

    @property
    def asks_for_disposition(self) -> bool:
        """Whether the sender wants to be told that the message was read or processed (RFC 8098 §2.1)."""
        return bool(self.values.get(b"disposition-notification-to", b"").strip())

    @property
    def is_report(self) -> bool:
        """A delivery report or a disposition notification (RFC 6522)."""
        return self.values.get(b"content-type", b"").strip().lower().startswith(b"multipart/report")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What this server says about how the message came in (RFC 5321 §4.4). `at` is aware."""

    return_path: str
    helo: str
    peer: str
    hostname: str
    protocol: str
    queue_id: str
    recipient: str | None
    at: datetime


def is_message_id(text: str) -> bool:
    """Whether an id from outside can be written into a header of ours without folding it apart."""
    return text.isascii() and text.isprintable() and _MESSAGE_ID.fullmatch(text) is not None


def new_queue_id(at: int) -> str:
    """A name for a message that comes in at `at` (epoch ms): in the order of time, and not to be guessed."""
    return f"{at:011X}{secrets.token_hex(3).upper()}"


def read_header(content: bytes) -> Header | Refusal:
    """The header of a message, in one pass over at most 2 MB; a refusal where two readers could disagree on it."""
    section, body_start = _section(content)
    if section is None:
        return MALFORMED_MESSAGE
    if section.count(b"\n") != section.count(b"\r\n") or section.count(b"\r") != section.count(b"\r\n"):
        return MALFORMED_MESSAGE
    if b"\0" in section:
        return MALFORMED_MESSAGE
    values: dict[bytes, bytes] = {}
    folded: dict[bytes, list[bytes]] = {}
    kept: list[bytes] = []
    hops = 0
    keeping = False
    lines_of: list[bytes] | None = None
    name = b""
    for line in section.split(b"\r\n"):
        if line[:1] in (b" ", b"\t"):
            if not name:
                return MALFORMED_MESSAGE
            if keeping:
                kept.append(line)
            if lines_of is not None:
                lines_of.append(line)
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t").lower()
        if not colon or not _FIELD_NAME.fullmatch(name):
            return MALFORMED_MESSAGE
        keeping = name not in _STRIPPED
        if keeping:
            kept.append(line)
        lines_of = None
        if name == b"received":
            hops += 1
        elif name in _READ:
            if name not in folded:
                lines_of = folded[name] = [value]
            elif name in _AT_MOST_ONE:
                return SEVERAL_FROM
    if hops > MAX_HOPS:
        return TOO_MANY_HOPS
    if b"from" not in folded:
        return NO_FROM
    for name, lines in folded.items():
        values[name] = b"".join(lines)
    kept.append(b"")
    return Header(b"\r\n".join(kept), body_start, values)


def _section(content: bytes) -> tuple[bytes | None, int]:
    """The header without its last CRLF and the offset of the body."""
    end = content.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES)
    if end >= 0:
        return content[:end], end + 4
    if len(content) > MAX_HEADER_BYTES or content.startswith(b"\r\n"):
        return None, 0
    # A header alone is a message whose body is absent (RFC 5322 §3.5).
    return content.removesuffix(b"\r\n"), len(content)


def check_author(header: Header, authors: tuple[str, ...], owned: Container[str] | None) -> Refusal | None:
    """Whether every reader takes the same authors from From and, for a signed-in sender, these are of `owned` alone.

    So must Sender. `authors` are those of the header, parsed once; `owned` is None for a message of another operator,
    whose domains are judged apart.
    """
    if not authors or len(authors) > _MAX_AUTHORS:
        return NO_FROM
    if not all(_is_plain(header.values[name]) for name in _AT_MOST_ONE & header.values.keys()):
        return NO_FROM
    if owned is None:
        return None
    if any(author not in owned for author in authors):
        return FROM_NOT_OWNED
    if b"sender" in header.values:
        sender = header.sender
        if not sender or any(address not in owned for address in sender):
            return FROM_NOT_OWNED
    return None


def named_domains(header: Header) -> frozenset[str] | None:
    """Every domain behind an @ that a person reads in From or Sender, names and comments too; None: too many.

    In lower-case A-labels. Many programs show the name alone, so an address in it is taken for the author's.
    """
    found: set[str] = set()
    for name in _AT_MOST_ONE & header.values.keys():
        shown = unicodedata.normalize("NFKC", decode_words(header.values[name]).replace("\\", ""))
        if not shown.isascii():
            shown = "".join(char for char in shown if unicodedata.category(char) != "Cf").replace(
                "\u3002", "."
            )
        found.update(domain.strip("._-").lower() for domain in _NAMED_DOMAIN.findall(shown))
    if len(found) > _MAX_NAMED_DOMAINS:
        return None
    return frozenset(filter(None, map(_host_name, found)))


def _host_name(domain: str) -> str | None:
    return host_name(domain) if len(domain) <= _MAX_DOMAIN else None


def is_safe_path(address: str) -> bool:
    """Whether an address can stand between < and > without ending the field."""
    return len(address) <= 320 and not _UNSAFE_IN_PATH.search(address)


# ref: ECO.2.2.1
def stamped(content: bytes, header: Header, stamp: Stamp) -> bytes:
    """The message to store: our trace fields, the fields that stay, what was missing, and the body untouched."""
    date = format_datetime(to_paris(stamp.at))
    top = f"Return-Path: <{stamp.return_path}>\r\n{_received(stamp, date)}"
    missing = ""
    if b"message-id" not in header.values:
        missing += f"Message-ID: <{stamp.queue_id.lower()}@{stamp.hostname}>\r\n"
    if b"date" not in header.values:
        missing += f"Date: {date}\r\n"
    return b"".join(
        (
            top.encode(),
            header.kept,
            missing.encode(),
            b"\r\n",
            memoryview(content)[header.body_start :],
        )
    )


def _received(stamp: Stamp, date: str) -> str:
    origin = ""
    if stamp.peer:
        # What the client calls itself is its own word; the address in brackets is ours.
        helo = stamp.helo if _HELO.fullmatch(stamp.helo) else "unknown"
        literal = f"IPv6:{stamp.peer}" if ":" in stamp.peer else stamp.peer
        origin = f"from {helo} ([{literal}])\r\n\t"
    recipient = f"\r\n\tfor <{stamp.recipient}>" if stamp.recipient is not None else ""
    return (
        f"Received: {origin}by {stamp.hostname} (Vaguemestre) with {stamp.protocol}"
        f" id {stamp.queue_id}{recipient};\r\n\t{date}\r\n"
    )


def _is_plain(raw: bytes) -> bool:
    """Whether every reader takes the same addresses from a list: nothing before or behind them but a name."""
    if len(raw) > _MAX_AUTHOR_BYTES:
        return False
    bare = _ASIDE.sub(_without_aside, raw)
    if any(mark in bare for mark in (b'"', b"(", b")", b"[", b"]", b"\\", b";")):
        return False
    return all(_PLAIN_MAILBOX.fullmatch(mailbox) for mailbox in bare.split(b","))


def _without_aside(aside: re.Match[bytes]) -> bytes:
    """A word for a quoted or encoded one, a blank for a comment; what readers disagree on stays visible as a quote."""
    if aside[0][:1] == b"(":
        return b" "
    before = aside.string[max(0, aside.start() - 1) : aside.start()]
    is_glued = aside[0][:1] == b"=" and before in _ENDS
    return b'"' if is_glued or aside["quote"] not in (None, b'"') else b" x "


def _addresses(raw: bytes | None) -> tuple[str, ...]:
    if raw is None:
        return ()
    found = []
    # A comma inside an encoded word separates nothing, whatever some programs write there.
    for mailbox in parse_addresses(_ENCODED_WORD.sub(b" x ", raw)):
        if not isinstance(mailbox, MailAddress):
            return ()
        written = f"{mailbox.local}@{mailbox.domain}"
        # An odd address equals no box of ours, so it can only be compared and found foreign.
        found.append(str(Address.parse(written) or written.lower()))
    return tuple(found)
