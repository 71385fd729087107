"""Octets from a client, cut into lines and literals; bounded by whoever feeds it."""

from __future__ import annotations


class LineTooLong(Exception):
    """A line passed its bound before it ended."""


class Incoming:
    """A buffer of what was received and not yet read."""

    __slots__ = ("_data", "_searched")

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0

    def __len__(self) -> int:
        return len(self._data)

    def feed(self, data: bytes) -> None:
        """Adds what the transport delivered."""
        self._data += data

    def take_line(self, limit: int) -> bytes | None:
        """The next line without its line end, or None when it is not there whole. Raises LineTooLong past `limit`."""
        end = self._data.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._data)
            if self._searched > limit:
                raise LineTooLong
            return None
        if end > limit:
            raise LineTooLong
        line = bytes(self._data[:end])
        del self._data[: end + 1]
        self._searched = 0
        return line.removesuffix(b"\r")

    def take(self, count: int) -> bytes | None:
        """The next `count` octets, or None when they are not all there."""
        if len(self._data) < count:
            return None
        self._searched = 0
        if len(self._data) == count:
            taken, self._data = bytes(self._data), bytearray()
            return taken
        taken = bytes(memoryview(self._data)[:count])
        del self._data[:count]
        return taken

    def take_some(self, most: int) -> bytes:
        """What is there, up to `most` octets."""
        return self.take(min(most, len(self._data))) or b""

    def drop(self, count: int) -> int:
        """Forgets up to `count` octets; returns how many."""
        dropped = min(count, len(self._data))
        del self._data[:dropped]
        self._searched = 0
        return dropped
