"""The Content-* fields of one part's header are read once, with the defaults of RFC 2045 §5.2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from foundation.mime.charsets import decode_unlabelled
from foundation.mime.fields import split_fields, unfold
from foundation.mime.parameters import MAX_VALUE_BYTES, Parameters, read_value, without_comments


@dataclass(frozen=True, slots=True)
class Content:
    """What a header says about its body, not yet decoded."""

    media_type: str = "text"
    subtype: str = "plain"
    parameters: Parameters = ()
    encoding: str = "7bit"
    disposition: str | None = None
    disposition_parameters: Parameters = ()
    content_id: str | None = None
    description: str | None = None
    language: str | None = None
    location: str | None = None
    md5: str | None = None

    @property
    def is_multipart(self) -> bool:
        return self.media_type == "multipart"

    @property
    def is_message(self) -> bool:
        """A whole message inside the message (RFC 2046 §5.2.1, RFC 6532 §3.7)."""
        return self.media_type == "message" and self.subtype in ("rfc822", "global")

    @property
    def holds_parts(self) -> bool:
        return self.is_multipart or self.is_message

    def boundary(self) -> bytes | None:
        """The boundary of a multipart (RFC 2046 §5.1.1); None when it has none that can be used."""
        for name, value in self.parameters:
            if name.lower() == "boundary":
                boundary = value.encode("utf-8", "replace").rstrip()
                return boundary if 0 < len(boundary) <= MAX_BOUNDARY_BYTES else None
        return None


MAX_BOUNDARY_BYTES: Final = 1_000
TEXT: Final = Content()
MESSAGE: Final = Content("message", "rfc822")
OPAQUE: Final = Content("application", "octet-stream")


def read_content(header: bytes, default: Content) -> Content:
    """The Content-* fields of a header block; `default` when it names no type. The first of two fields counts."""
    values: dict[bytes, bytes] = {}
    for name, value in split_fields(header):
        name = name.lower()
        if name.startswith(b"content-") and name not in values:
            values[name] = unfold(value)
    if not values:
        return default
    media_type, subtype, parameters = default.media_type, default.subtype, default.parameters
    if b"content-type" in values:
        lead, parameters = read_value(values[b"content-type"])
        media_type, slash, subtype = (word.strip() for word in lead.partition("/"))
        if not (media_type and slash and subtype) or " " in media_type or " " in subtype:
            media_type, subtype = "text", "plain"  # RFC 2045 §5.2: what cannot be read is plain text
    disposition: str | None = None
    disposition_parameters: Parameters = ()
    if value := values.get(b"content-disposition", b""):
        lead, disposition_parameters = read_value(value)
        disposition = lead or ("attachment" if disposition_parameters else None)
    return Content(
        media_type,
        subtype,
        parameters,
        _encoding(values.get(b"content-transfer-encoding", b"")),
        disposition,
        disposition_parameters,
        _text(values.get(b"content-id")),
        _text(values.get(b"content-description")),
        _text(values.get(b"content-language")),
        _text(values.get(b"content-location")),
        _text(values.get(b"content-md5")),
    )


def _encoding(value: bytes) -> str:
    value = value[:MAX_VALUE_BYTES]
    if b"(" in value:
        value = without_comments(value)
    return decode_unlabelled(value.strip(b' \t";')).lower() or "7bit"


def _text(value: bytes | None) -> str | None:
    return decode_unlabelled(value[:MAX_VALUE_BYTES]) if value else None
