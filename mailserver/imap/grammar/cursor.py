"""A cursor over one command: the lexical elements of RFC 3501 §9, each in time linear in its length."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from mailserver.imap.grammar import utf7
from mailserver.imap.grammar.errors import NotSupported, ParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_NUMBER = 2**32 - 1
MAX_NUMBER64 = 2**63 - 1

# One character class with one repetition each: nothing here can backtrack.
_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_ASTRING = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+')
_LIST_CHARS = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\\]+')
_TAG = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]+')
_DIGITS = re.compile(rb"[0-9]+")
_LITERAL = re.compile(rb"\{([0-9]{1,20})\+?\}\r\n")
_PLAIN = re.compile(rb'[^"\\\r\n\x00]*')


class Cursor:
    """Reads forward through `data`; literals are taken from `literals` where their `{n}` stands.

    Every method raises ParseError where the text is something else.
    """

    __slots__ = ("_has_utf8_names", "_literals", "_taken", "data", "position")

    def __init__(self, data: bytes, literals: Sequence[bytes] = (), *, has_utf8_names: bool = False) -> None:
        self.data = data
        self.position = 0
        self._has_utf8_names = has_utf8_names
        self._literals = literals
        self._taken = 0

    @property
    def at_end(self) -> bool:
        """True when nothing is left."""
        return self.position >= len(self.data)

    def peek(self) -> bytes:
        """The next byte, empty at the end."""
        return self.data[self.position : self.position + 1]

    def accept(self, token: bytes) -> bool:
        """Steps over `token` where it comes next."""
        if self.data.startswith(token, self.position):
            self.position += len(token)
            return True
        return False

    def expect(self, token: bytes) -> None:
        """Steps over `token`, which must come next."""
        if not self.accept(token):
            raise ParseError(f"Expected {token.decode('ascii')!r} at position {self.position}")

    def space(self) -> None:
        """SP."""
        if not self.data.startswith(b" ", self.position):
            raise ParseError(f"Expected a space at position {self.position}")
        self.position += 1

    def end(self) -> None:
        """The end of the command; trailing spaces of careless clients are let through."""
        if self.data[self.position :].strip(b" "):
            raise ParseError(f"Unexpected text at position {self.position}")

    def _match(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        found = pattern.match(self.data, self.position)
        if found is None:
            raise ParseError(f"Expected {what} at position {self.position}")
        self.position = found.end()
        return found.group()

    def atom(self) -> bytes:
        """atom"""
        return self._match(_ATOM, "an atom")

    def keyword(self) -> str:
        """An atom that is a word of the protocol, in upper case."""
        return self._match(_ATOM, "a word").decode("ascii").upper()

    def tag(self) -> str:
        """tag"""
        return self._match(_TAG, "a tag").decode("ascii")

    def flag(self) -> str:
        """flag = "\\" atom / atom, as the client wrote it."""
        prefix = "\\" if self.accept(b"\\") else ""
        return prefix + self._match(_ATOM, "a flag").decode("ascii")

    def number(self, *, maximum: int = MAX_NUMBER) -> int:
        """number"""
        digits = self._match(_DIGITS, "a number")
        if len(digits) > 20 or (value := int(digits)) > maximum:
            raise ParseError("Number too large")
        return value

    def nz_number(self) -> int:
        """nz-number"""
        value = self.number()
        if value == 0:
            raise ParseError("Zero is not allowed here")
        return value

    def string(self) -> bytes:
        """string = quoted / literal"""
        if self.peek() == b'"':
            return self._quoted()
        if self.peek() == b"{":
            return self._literal()
        raise ParseError(f"Expected a string at position {self.position}")

    def astring(self) -> bytes:
        """astring = 1*ASTRING-CHAR / string"""
        if self.peek() in (b'"', b"{"):
            return self.string()
        return self._match(_ASTRING, "a string")

    def nstring(self) -> bytes | None:
        """nstring = string / nil"""
        if self.peek() in (b'"', b"{"):
            return self.string()
        if self.atom().upper() == b"NIL":
            return None
        raise ParseError("Expected a string or NIL")

    def literal(self) -> bytes:
        """literal / literal8 (RFC 9051 §4.3)"""
        self.accept(b"~")
        if self.peek() != b"{":
            raise ParseError("The message must be a literal")
        return self._literal()

    def list_mailbox(self) -> str:
        """list-mailbox, decoded; a pattern with bad modified UTF-7 is kept as its own ASCII."""
        raw = self.string() if self.peek() in (b'"', b"{") else self._match(_LIST_CHARS, "a mailbox pattern")
        try:
            return self._name(raw)
        except ValueError:
            return raw.decode("ascii", "replace")

    def mailbox(self) -> str:
        """mailbox, decoded, with INBOX in upper case (RFC 3501 §5.1)."""
        raw = self.astring()
        try:
            name = self._name(raw)
        except ValueError:
            raise NotSupported("Mailbox name is not valid modified UTF-7", code="CANNOT") from None
        return inbox_in_capitals(name)

    def _name(self, raw: bytes) -> str:
        """A name in UTF-8 where the client enabled it; ValueError where it is not what was agreed.

        Composed (NFC), so that two names that look the same are the same (RFC 9051 §5.1).
        """
        name = raw.decode("utf-8") if self._has_utf8_names else utf7.decode(raw)
        return unicodedata.normalize("NFC", name)

    def _quoted(self) -> bytes:
        self.position += 1
        pieces: list[bytes] = []
        while True:
            pieces.append(self._match(_PLAIN, "text"))
            ending = self.peek()
            if ending == b'"':
                self.position += 1
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            escaped = self.data[self.position + 1 : self.position + 2]
            if ending != b"\\" or escaped not in (b"\\", b'"') or not escaped:
                raise ParseError("Quoted string is not closed or has a wrong escape")
            pieces.append(escaped)
            self.position += 2

    def _literal(self) -> bytes:
        found = _LITERAL.match(self.data, self.position)
        if found is None or self._taken >= len(self._literals):
            raise ParseError("Wrong literal")
        content = self._literals[self._taken]
        if len(content) != int(found.group(1)):
            raise ParseError("Wrong literal")
        self._taken += 1
        self.position = found.end()
        return content


def inbox_in_capitals(name: str) -> str:
    """INBOX is case-insensitive, as a whole name and as the first level of one."""
    if name[:5].upper() == "INBOX" and (len(name) == 5 or name[5] == "/"):
        return "INBOX" + name[5:]
    return name
