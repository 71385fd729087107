"""What a scan finds: a tree of body parts, each a few offsets into the message and the words of its header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.mime.words import decode_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from foundation.mime.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Part:
    """One body part, or the message itself (RFC 2045 §2.5, RFC 9051 §6.4.5.1).

    Offsets count octets from the start of the message: the header is `[header_start, body_start)`, with the empty
    line that ends it; the body is `[body_start, end)`, still in its transfer encoding.
    """

    number: str
    """As IMAP counts: "" for the message, "1", "1.2"; "2.TEXT" for the multipart body of the message inside part 2."""
    header_start: int
    body_start: int
    end: int
    media_type: str
    subtype: str
    parameters: Mapping[str, str]
    encoding: str
    disposition: str | None
    disposition_parameters: Mapping[str, str]
    content_id: str | None
    description: str | None
    language: str | None
    location: str | None
    md5: str | None
    lines: int
    """Line ends in the body."""
    children: tuple[Part, ...]
    """The parts of a multipart; for message/rfc822 one part, the message inside."""
    raw_parameters: Parameters = ()
    raw_disposition_parameters: Parameters = ()

    @property
    def content_type(self) -> str:
        return f"{self.media_type}/{self.subtype}"

    @property
    def size(self) -> int:
        """Octets of the body as it stands in the message."""
        return self.end - self.body_start

    @property
    def filename(self) -> str | None:
        """The name the sender gave, decoded; nothing about it is safe to use as a path."""
        name = self.disposition_parameters.get("filename") or self.parameters.get("name")
        return (decode_words(name) or None) if name else None

    @property
    def is_multipart(self) -> bool:
        return self.media_type == "multipart"

    @property
    def embedded(self) -> Part | None:
        """The message inside, when this part is a message that was scanned."""
        return self.children[0] if self.children and self.media_type == "message" else None

    def walk(self) -> Iterator[Part]:
        """This part and all below it, each parent before its children."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            yield part
            waiting.extend(reversed(part.children))
