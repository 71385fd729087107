"""What an SMTP server may say, read off the wire by a strict and bounded grammar (RFC 5321 §4.2, RFC 3463, RFC 1869).

A reply is believed only in the shape the standard gives it: three digits, the same on each of its lines, a hyphen
where another line follows. Everything else is garbage, and garbage never counts as an answer.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MAXIMUM_LINE = 2048  # octets; RFC 5321 §4.5.3.1.5 allows 512, long-winded servers write more
MAXIMUM_LINES = 128
MAXIMUM_TEXT = 400  # characters that are kept of what a server said

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")
_BLANKS = re.compile(r"\s+")


class Garbled(Exception):
    """What came is no SMTP reply, or came when none was due; the text says how, in words of ours."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. `lines` are the texts behind the code, as they came."""

    code: int
    lines: tuple[bytes, ...] = ()

    @property
    def is_positive(self) -> bool:
        """2yz: done."""
        return 200 <= self.code < 300

    @property
    def is_permanent(self) -> bool:
        """5yz: the very same attempt will fail again (RFC 5321 §4.2.1)."""
        return self.code >= 500

    @property
    def enhanced(self) -> str | None:
        """The status code of RFC 3463 that the text begins with."""
        found = _ENHANCED.match(harmless(self.lines[0])) if self.lines else None
        return found[1] if found is not None else None

    @property
    def text(self) -> str:
        """The reply as people and reports may see it: printable ASCII in one bounded line.

        The status code that every line of a reply repeats is said once.
        """
        enhanced = self.enhanced
        words = [harmless(line) for line in self.lines[:8]]
        if enhanced is not None:
            words = [words[0], *(word.removeprefix(enhanced).strip() for word in words[1:])]
        return harmless_text(" ".join((str(self.code), *words)))


def harmless(line: bytes) -> str:
    """Bytes of a stranger as printable ASCII: letters lose their accents, everything else that is odd is a blank."""
    decomposed = unicodedata.normalize("NFKD", line[:MAXIMUM_LINE].decode("utf-8", "replace"))
    return harmless_text("".join(char for char in decomposed if not unicodedata.combining(char)))


def harmless_text(text: str) -> str:
    """Printable ASCII in one line of at most 400 characters."""
    printable = "".join(char if " " <= char <= "~" else " " for char in text)
    return _BLANKS.sub(" ", printable).strip()[:MAXIMUM_TEXT].rstrip()


class ReplyReader:
    """Splits what a server sends into replies, at any block boundary."""

    __slots__ = ("_code", "_held", "_lines")

    def __init__(self) -> None:
        self._held = b""
        self._code: int | None = None
        self._lines: list[bytes] = []

    def feed(self, block: bytes) -> list[Reply]:
        """The replies that are complete now. Raises Garbled."""
        data = self._held + block if self._held else block
        replies: list[Reply] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            if end - start > MAXIMUM_LINE:
                raise Garbled("a line of the reply is too long")
            reply = self._line(data[start:end].removesuffix(b"\r"))
            if reply is not None:
                replies.append(reply)
            start = end + 1
        self._held = data[start:]
        if len(self._held) > MAXIMUM_LINE:
            raise Garbled("a line of the reply is too long")
        return replies

    @property
    def is_between_replies(self) -> bool:
        """Whether nothing of another reply has come."""
        return not self._held and self._code is None

    def _line(self, line: bytes) -> Reply | None:
        found = _LINE.fullmatch(line)
        if found is None:
            raise Garbled("the reply does not begin with a reply code")
        code = int(found[1])
        if self._code is not None and code != self._code:
            raise Garbled("the lines of the reply have different codes")
        self._lines.append(found[3] or b"")
        if found[2] == b"-":
            if len(self._lines) >= MAXIMUM_LINES:
                raise Garbled("the reply does not end")
            self._code = code
            return None
        reply = Reply(code, tuple(self._lines))
        self._code, self._lines = None, []
        return reply


@dataclass(frozen=True, slots=True)
class Extensions:
    """What a server offered in its reply to EHLO. `size` is its limit in octets, 0 where it names none."""

    names: frozenset[str] = frozenset()
    size: int = 0

    @classmethod
    def of(cls, reply: Reply) -> Extensions:
        """Reads the lines behind the greeting (RFC 5321 §4.1.1.1)."""
        names: set[str] = set()
        size = 0
        for line in reply.lines[1:]:
            keyword, _, parameters = harmless(line).partition(" ")
            keyword = keyword.upper()
            names.add(keyword)
            if keyword == "SIZE" and len(parameters) <= 20 and parameters.isdigit():
                size = int(parameters)
        return cls(frozenset(names), size)

    def __contains__(self, name: str) -> bool:
        return name in self.names
