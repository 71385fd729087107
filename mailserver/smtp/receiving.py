"""Reads the content of messages within bounds of time, size and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailserver.smtp import replies
from mailserver.smtp.connection import Closing
from mailserver.smtp.conversation import Conversation
from mailserver.smtp.data import ContentFault

if TYPE_CHECKING:
    from mailserver.smtp.budget import Reservation
    from mailserver.smtp.data import ChunkReader, Content, DataReader

_BLOCK: Final = 256 * 1024
_CUT: Final = 1.1  # of the maximum size: who sends more is not listened to any longer


class ReceivingConversation(Conversation):
    """Adds the reading of content, in the form of DATA and of BDAT, to a conversation."""

    async def receive_data(self, reader: DataReader, declared: int, reservation: Reservation) -> None:
        """Read up to CRLF.CRLF; what is wrong with the content stands in it. `declared` is SIZE, 0 without."""
        self._is_reading_content = True
        content = reader.content
        slowest = self.loop.time()
        ended = False
        while not ended:
            ended = reader.feed(await self._block(_BLOCK, slowest, content.size, self._rate(reservation)))
            if content.size > self._limits.message_bytes * _CUT:
                self.reply(replies.TOO_BIG)
                raise Closing
            slowest += await self._reserve(content, content.size if ended else declared, reservation)
        if reader.rest:
            self._buffer[:0] = reader.rest
        self._is_reading_content = False

    async def receive_chunk(
        self, size: int, chunks: ChunkReader, declared: int, reservation: Reservation
    ) -> None:
        """Read exactly so many octets (RFC 3030)."""
        self._is_reading_content = True
        content = chunks.content
        if chunks.since is None:
            chunks.since = self.loop.time()
        left = size
        while left:
            if content.size + left > self._limits.message_bytes * _CUT:
                self.reply(replies.TOO_BIG)
                raise Closing
            block = await self._block(min(left, _BLOCK), chunks.since, content.size, self._rate(reservation))
            left -= len(block)
            chunks.feed(block)
            chunks.since += await self._reserve(content, declared, reservation)
        self._is_reading_content = False

    async def discard(self, size: int) -> None:
        """Read over so many octets, unless they are more than a message may have."""
        if size > self._limits.message_bytes * _CUT:
            self.reply(replies.TOO_BIG)
            raise Closing
        slowest = self.loop.time()
        rate = self._limits.bytes_per_second
        left = size
        while left:
            left -= len(await self._block(min(left, _BLOCK), slowest, size - left, rate))

    def _rate(self, reservation: Reservation) -> int:
        limits = self._limits
        return limits.reserved_bytes_per_second if reservation.is_begun else limits.bytes_per_second

    async def _block(self, size: int, since: float, received: int, rate: int) -> bytes:
        """Some octets; the client has `block` seconds for each, and over all must keep to the rate."""
        self._expect_by(self._limits.block + min(self.loop.time(), since + received / rate))
        try:
            block: bytes = await self._reader.read(size)
        except ConnectionError:
            raise Closing from None
        if not block:
            raise Closing  # the client left in the middle
        return block

    async def _reserve(self, content: Content, expected: int, reservation: Reservation) -> float:
        """Reserve memory once a message is large; the seconds it took, which the client is not charged."""
        limits = self._limits
        if content.size <= limits.unreserved_bytes or content.fault or reservation.covers(content.size):
            return 0.0
        amount = expected if expected >= content.size else limits.message_bytes
        began = self.loop.time()
        if reservation.is_begun:  # it is larger than was declared
            is_granted = reservation.extend(amount)
        else:
            self._allow(limits.memory + limits.block)
            is_granted = await reservation.begin(amount, limits.memory)
        if not is_granted:
            content.refuse(ContentFault.NO_MEMORY)
        return self.loop.time() - began
