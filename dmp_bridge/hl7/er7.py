"""The vertical-bar encoding of HL7 v2 (ER7): a message as segments, fields, repetitions and components.

HL7 2.6 chapter 2, §2.5 and §2.7. Whatever comes from outside is bounded: octets, segments and fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_SEGMENTS: Final = 2000
MAX_FIELDS: Final = 500

_LINE: Final = re.compile(r"\r\n|\r|\n")
_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_ESCAPED: Final = re.compile(r"\\([^\\]{0,64})\\")
_HEXADECIMAL: Final = re.compile(r"X((?:[0-9A-Fa-f]{2}){1,31})")
_CONTROLS: Final = dict.fromkeys(range(32), " ") | {127: " "}
_ESCAPES: Final = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})
_ENCODINGS: Final = {"8859/1": "latin-1", "8859/15": "iso8859-15", "ASCII": "ascii"}
"""MSH-18 (HL7 table 0211); anything else is read as UTF-8."""


class Malformed(Exception):
    """The bytes are no HL7 v2 message; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Separators:
    """MSH-1 and MSH-2 of the message."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment; fields are numbered as HL7 numbers them, from 1 on (MSH-1 is the separator itself)."""

    name: str
    fields: tuple[str, ...] = field(repr=False)
    separators: Separators = Separators()

    def raw(self, number: int) -> str:
        """A field as it was written; "" where it is not there."""
        return self.fields[number - 1] if 0 < number <= len(self.fields) else ""

    def repetitions(self, number: int) -> list[str]:
        """The repetitions of a field as they were written; none of an empty field."""
        raw = self.raw(number)
        return raw.split(self.separators.repetition) if raw else []

    def get(self, number: int, component: int = 1, subcomponent: int = 1, repetition: int = 0) -> str:
        """The text of one component of a field, unescaped; "" where it is not there."""
        found = self.repetitions(number)
        return self.part(found[repetition], component, subcomponent) if repetition < len(found) else ""

    def part(self, repetition: str, component: int = 1, subcomponent: int = 1) -> str:
        """The text of one component of a repetition, unescaped; "" where it is not there."""
        components = repetition.split(self.separators.component)
        if component > len(components):
            return ""
        parts = components[component - 1].split(self.separators.subcomponent)
        return self._unescaped(parts[subcomponent - 1]) if subcomponent <= len(parts) else ""

    def _unescaped(self, text: str) -> str:
        marks = self.separators
        if marks.escape not in text:
            return text
        known = {
            "F": marks.field,
            "S": marks.component,
            "T": marks.subcomponent,
            "R": marks.repetition,
            "E": marks.escape,
        }

        def plain(found: re.Match[str]) -> str:
            code = found[1]
            if (hexadecimal := _HEXADECIMAL.fullmatch(code)) is not None:
                return bytes.fromhex(hexadecimal[1]).decode("utf-8", "replace")
            return known.get(code, "\n" if code == ".br" else "")

        return _ESCAPED.sub(plain, text if marks.escape == "\\" else text.replace(marks.escape, "\\"))


@dataclass(frozen=True, slots=True)
class Message:
    """The segments of a message in their order; the first is MSH."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        return self.segments[0]

    def first(self, name: str) -> Segment | None:
        """The first segment of this name."""
        return next((each for each in self.segments if each.name == name), None)

    def all(self, name: str) -> list[Segment]:
        """Every segment of this name."""
        return [each for each in self.segments if each.name == name]


# ref: DMP-F40
def read(data: bytes) -> Message:
    """The message in `data`, whatever ends its lines and in whatever its MSH-18 says it is encoded. Raises Malformed."""
    if len(data) > MAX_BYTES:
        raise Malformed("The message is too large.")
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n\x0b ")
    if not start.startswith(b"MSH") or len(start) < 8:
        raise Malformed("The message does not begin with MSH.")
    marks = start[3:8].decode("latin-1")
    if len(set(marks)) != 5 or any(mark.isalnum() or mark.isspace() for mark in marks):
        raise Malformed("The separators of MSH cannot be told apart.")
    separators = Separators(marks[0], marks[1], marks[2], marks[3], marks[4])
    lines = [line for line in _LINE.split(_decoded(start, separators)) if line.strip("\x1c\x00 ")]
    if len(lines) > MAX_SEGMENTS:
        raise Malformed("The message has too many segments.")
    return Message(tuple(_segment(line, separators) for line in lines))


def escape(text: str) -> str:
    """A text as one component of a message with the usual separators; control characters become blanks."""
    return text.translate(_CONTROLS).translate(_ESCAPES)


def _decoded(data: bytes, separators: Separators) -> str:
    line = data[:4096].splitlines()[0].decode("latin-1").split(separators.field)
    charset = line[17].strip().upper() if len(line) > 17 else ""
    return data.decode(_ENCODINGS.get(charset, "utf-8"), "replace")


def _segment(line: str, separators: Separators) -> Segment:
    name, *fields = line.split(separators.field, MAX_FIELDS)
    if _NAME.fullmatch(name) is None:
        raise Malformed("A segment has no name of three letters.")
    if name == "MSH":
        fields.insert(0, separators.field)
    return Segment(name, tuple(fields), separators)
