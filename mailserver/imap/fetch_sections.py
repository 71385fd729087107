"""Sections of a message in FETCH: where their octets are, and how they are written (RFC 9051 §6.4.5, RFC 3516)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailserver.imap.binary import UnknownEncoding, decoded
from mailserver.imap.grammar.fetch import FetchAttribute, FetchItem, SectionText
from mailserver.imap.grammar.render import literal
from mailserver.imap.header_fields import keep_fields
from mailserver.imap.section import Encoding, Slice
from mailserver.imap.section import SectionText as StoredText

if TYPE_CHECKING:
    from mailserver.imap.section import PartIndex

_FILTERS = (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT)
_BINARY = (FetchItem.BINARY, FetchItem.BINARY_SIZE)


@dataclass(frozen=True, slots=True)
class Octets:
    """A section as a stretch of the stored message, `length` octets from `start`; what is sent of it is made from them."""

    attribute: FetchAttribute
    start: int
    length: int
    encoding: Encoding = Encoding.IDENTITY

    @property
    def is_verbatim(self) -> bool:
        """Whether the octets are sent as they are stored."""
        return self.attribute.item not in _BINARY and not is_filter(self.attribute)

    @property
    def is_decoded(self) -> bool:
        """BINARY and BINARY.SIZE."""
        return self.attribute.item in _BINARY


def is_filter(attribute: FetchAttribute) -> bool:
    """HEADER.FIELDS and HEADER.FIELDS.NOT."""
    return attribute.section is not None and attribute.section.text in _FILTERS


def locate(attribute: FetchAttribute, parts: PartIndex, size: int) -> bytes | Octets:
    """The octets of a section, or the whole data item where there are none.

    Raises UnknownEncoding for BINARY of a part that nobody can decode.
    """
    section, partial = attribute.section, attribute.partial
    assert section is not None
    encoding = Encoding.IDENTITY
    found: Slice | None
    if section.text is SectionText.WHOLE and not section.part:
        found = Slice(0, size)
    else:
        text = SectionText.HEADER if section.text in _FILTERS else section.text
        found = parts.locate(section.part, StoredText(text.value))
    if found is None:
        return attribute.label + (b" 0" if attribute.item is FetchItem.BINARY_SIZE else b" NIL")
    if attribute.item in _BINARY:
        encoding = parts.encoding(section.part) or Encoding.IDENTITY  # what has parts below it is not encoded
        if encoding is Encoding.UNKNOWN:
            raise UnknownEncoding
    elif partial is not None and section.text not in _FILTERS:
        found = found.partial(partial.offset, partial.length)
    return Octets(attribute, found.start, len(found), encoding)


def render(octets: Octets, content: bytes) -> bytes:
    """The data item, from the octets of its stretch."""
    attribute = octets.attribute
    section, partial = attribute.section, attribute.partial
    assert section is not None
    if octets.is_decoded:
        content = decoded(content, octets.encoding)
        if attribute.item is FetchItem.BINARY_SIZE:
            return b"%b %d" % (attribute.label, len(content))
    elif is_filter(attribute):
        content = keep_fields(content, section.fields, invert=section.text is SectionText.HEADER_FIELDS_NOT)
    if partial is not None and not octets.is_verbatim:
        content = content[partial.offset : partial.offset + partial.length]
    if octets.is_decoded and b"\0" in content:
        return attribute.label + b" ~" + literal(content)
    return attribute.label + b" " + literal(content)
