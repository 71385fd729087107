"""Message content off the wire: where it ends, without its dot-stuffing, and what is wrong with it."""

from __future__ import annotations

from enum import StrEnum
from io import BytesIO

_END = b"\r\n.\r\n"
MAXIMUM_LINE = 8192  # octets; RFC 5321 allows 998, medical software writes more


class ContentFault(StrEnum):
    """Why content is not taken."""

    BARE_LINE_END = "bare line end"  # CR or LF alone: the next server may see an end of data in it
    NUL = "nul"
    LONG_LINE = "long line"
    TOO_BIG = "too big"
    NO_MEMORY = "no memory"


class Content:
    """The octets of one message, checked block by block.

    Only CRLF.CRLF ends the data (RFC 5321 §4.1.1.4). Content with a fault is counted but no longer kept, so
    that memory stays flat while the client talks on.
    """

    __slots__ = ("_buffer", "_limit", "_line", "fault", "size")

    def __init__(self, limit: int) -> None:
        self._buffer: BytesIO | None = None
        self._limit = limit
        self._line = 0
        self.fault: ContentFault | None = None
        self.size = 0
        """Octets seen so far, kept or not."""

    def add(self, chunk: bytes) -> None:
        """Take more octets. A chunk must not end between CR and LF."""
        self.size += len(chunk)
        if self.fault is not None:
            return
        self.fault = self._examine(chunk)
        if self.fault is not None:
            self._buffer = None
            return
        if self._buffer is None:
            self._buffer = BytesIO()
        self._buffer.write(chunk)

    def getvalue(self) -> bytes:
        """The whole content; BytesIO hands over its own buffer, so this copies nothing."""
        return b"" if self._buffer is None else self._buffer.getvalue()

    @property
    def ends_with_line_end(self) -> bool:
        return self._line == 0

    def refuse(self, fault: ContentFault) -> None:
        """Stop keeping the content, for a reason outside it."""
        self.fault = fault
        self._buffer = None

    def _examine(self, chunk: bytes) -> ContentFault | None:
        if self.size > self._limit:
            return ContentFault.TOO_BIG
        if b"\0" in chunk:
            return ContentFault.NUL
        line_ends = chunk.count(b"\r\n")
        if chunk.count(b"\r") != line_ends or chunk.count(b"\n") != line_ends:
            return ContentFault.BARE_LINE_END
        return self._measure_lines(chunk)

    def _measure_lines(self, chunk: bytes) -> ContentFault | None:
        # Steps from the last line end within reach to the next: a handful of searches per 8 KB.
        position, length = 0, len(chunk)
        carried = self._line
        while length - position + carried > MAXIMUM_LINE:
            reach = position + MAXIMUM_LINE + 2 - carried
            line_end = chunk.rfind(b"\n", position, reach)
            if line_end < 0:
                if reach > length:
                    break
                return ContentFault.LONG_LINE
            position, carried = line_end + 1, 0
        last = chunk.rfind(b"\n", position)
        self._line = length - last - 1 if last >= 0 else carried + length - position
        return None


class DataReader:
    """Splits the stream behind DATA into content and what follows it, at any block boundary."""

    __slots__ = ("_begun", "_held", "content", "rest")

    def __init__(self, limit: int) -> None:
        self.content = Content(limit)
        self.rest = b""
        # The data begins at the start of a line, as if a CRLF stood before it; _keep() takes it off again.
        self._held = b"\r\n"
        self._begun = False

    def feed(self, block: bytes) -> bool:
        """Take one block; True once the end was in it, `rest` is then what came behind."""
        data = self._held + block
        end = data.find(_END)
        if end >= 0:
            self.rest = data[end + 5 :]
            self._keep(data[: end + 2])
            return True
        cut = len(data) - _length_of_started_end(data)
        self._held = data[cut:]
        if cut:
            self._keep(data[:cut])
        return False

    def _keep(self, chunk: bytes) -> None:
        if b"\r\n." in chunk:
            chunk = chunk.replace(b"\r\n.", b"\r\n")
        self.content.add(chunk if self._begun else chunk[2:])
        self._begun = True


class ChunkReader:
    """Joins the chunks of BDAT (RFC 3030), which hold content as it is, without dot-stuffing."""

    __slots__ = ("_held", "content", "since")

    def __init__(self, limit: int) -> None:
        self.content = Content(limit)
        self.since: float | None = None
        """When the first chunk began: the minimum rate is that of the whole message."""
        self._held = b""
        """A CR whose LF may be in the next chunk."""

    def feed(self, block: bytes) -> None:
        """Take some octets of a chunk."""
        data = self._held + block
        self._held = b"\r" if data.endswith(b"\r") else b""
        self.content.add(data[:-1] if self._held else data)

    def finish(self) -> None:
        """No chunk follows; a last line without its end gets one, as DATA would have needed."""
        if self._held:
            self.content.add(self._held)
        elif self.content.size and not self.content.ends_with_line_end:
            self.content.add(b"\r\n")


def _length_of_started_end(data: bytes) -> int:
    """How many octets at the end of the data may be the first ones of CRLF.CRLF."""
    for length in (4, 3, 2, 1):
        if data.endswith(_END[:length]):
            return length
    return 0
