"""The words of a message for SEARCH: header fields and bodies decoded, read only as far as a key asks."""

from __future__ import annotations

from functools import cached_property

from foundation.mime.bodies import TooLarge, decode_text
from foundation.mime.fields import unfold
from foundation.mime.scanner import Part, headers, scan
from foundation.mime.words import decode_words

MAX_PART_BYTES = 4 * 1024 * 1024
"""A text part is searched when it is not larger."""


class MessageText:
    """One message, case-folded."""

    def __init__(self, message: bytes) -> None:
        self._message = message

    @cached_property
    def _root(self) -> Part:
        return scan(self._message)

    @cached_property
    def _fields(self) -> list[tuple[str, str]]:
        return self._fields_of(self._root)

    def _fields_of(self, part: Part) -> list[tuple[str, str]]:
        return [
            (name.decode("ascii", "replace").casefold(), decode_words(unfold(value)).casefold())
            for name, value in headers(self._message, part.header_start, part.body_start)
        ]

    def has_field(self, name: str, needle: str) -> bool:
        """Whether a field of that name holds the text (both case-folded)."""
        return any(found == name and needle in value for found, value in self._fields)

    def has_in_body(self, needle: str) -> bool:
        """Whether a text part, or the header of a message inside, holds the text (case-folded)."""
        return any(needle in text for text in self._bodies)

    def has_anywhere(self, needle: str) -> bool:
        """Whether the header or the body holds the text (case-folded)."""
        return any(needle in f"{name}: {value}" for name, value in self._fields) or self.has_in_body(needle)

    @cached_property
    def _bodies(self) -> list[str]:
        texts: list[str] = []
        for part in self._root.walk():
            if part.embedded is not None:
                texts += (f"{name}: {value}" for name, value in self._fields_of(part.embedded))
            elif part.media_type == "text" or part is self._root:
                texts.append(self._text_of(part))
        return texts

    def _text_of(self, part: Part) -> str:
        if part.is_multipart:
            return ""
        try:
            return decode_text(self._message, part, MAX_PART_BYTES).casefold()
        except TooLarge:
            return ""
