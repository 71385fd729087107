"""MTOM: reads a multipart/related request piece by piece within bounds, resolves XOP, writes answers with parts."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from dataclasses import dataclass, field
from email.message import Message
from typing import TYPE_CHECKING
from urllib.parse import unquote

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from dmp_bridge.xds.soap import LARGEST_ENVELOPE, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxml import etree

XOP = "http://www.w3.org/2004/08/xop/include"
SOAP_TYPE = "application/soap+xml"
XOP_TYPE = "application/xop+xml"
RELATED = "multipart/related"

MOST_PARTS = 201
"""The envelope and two hundred documents, as many as one METADATA.XML may have."""
_MOST_PART_HEADERS = 12
_LONGEST_PART_HEADER = 2000
_LONGEST_BOUNDARY = 200
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9.+-]{1,60}/[A-Za-z0-9.+-]{1,60}")
_PLAIN_ENCODINGS = ("", "binary", "8bit", "7bit")


@dataclass(frozen=True, slots=True)
class ContentType:
    """The Content-Type of a request, with what MTOM reads of its parameters."""

    media_type: str
    boundary: str = ""
    start: str = ""

    @classmethod
    def read(cls, header: str) -> ContentType:
        """Raises Fault for anything that is neither SOAP 1.2 nor MTOM."""
        message = Message()
        message["Content-Type"] = header[:2000].replace("\r", " ").replace("\n", " ")
        media_type = message.get_content_type()
        if media_type == SOAP_TYPE:
            return cls(media_type)
        boundary = str(message.get_param("boundary") or "")
        inner = str(message.get_param("type") or XOP_TYPE).lower()
        if media_type != RELATED or inner not in (XOP_TYPE, SOAP_TYPE):
            raise Fault("Le message est du type application/soap+xml ou multipart/related (MTOM).")
        if not boundary or len(boundary) > _LONGEST_BOUNDARY or not boundary.isascii():
            raise Fault("La frontière (boundary) du message manque ou n'est pas valable.")
        return cls(media_type, boundary, _bare(str(message.get_param("start") or "")))


@dataclass(slots=True)
class _Part:
    content_id: str = ""
    encoding: str = ""
    content: bytearray = field(default_factory=bytearray)

    def taken(self) -> bytes:
        """The bytes of the part without its transfer encoding, which the part then holds no more; raises Fault."""
        data, self.content = bytes(self.content), bytearray()
        return _decoded(data) if self.encoding == "base64" else data


class Reader:
    """Takes the body of a request as it comes. `limit` bounds it as a whole; the envelope has its own bound.

    Raises Fault as soon as a bound is passed, so that nothing past it is held.
    """

    def __init__(self, content_type: ContentType, limit: int) -> None:
        self._start = content_type.start
        self._limit = limit
        self._taken = 0
        self._parts: list[_Part] = []
        self._header = (b"", b"")
        self._is_over = False
        self._parser: MultipartParser | None = None
        if content_type.media_type == SOAP_TYPE:
            self._parts.append(_Part())
            return
        self._parser = MultipartParser(
            content_type.boundary.encode("ascii"),
            {
                "on_part_begin": self._begin,
                "on_header_field": self._name,
                "on_header_value": self._value,
                "on_header_end": self._header_end,
                "on_part_data": self._data,
                "on_end": self._end,
            },
            max_header_count=_MOST_PART_HEADERS,
            max_header_size=_LONGEST_PART_HEADER,
        )

    def feed(self, piece: bytes) -> None:
        """The next piece of the body."""
        self._taken += len(piece)
        if self._taken > self._limit:
            raise Fault(f"Le message dépasse {self._limit} octets.")
        if self._parser is None:
            self._data(piece, 0, len(piece))
            return
        try:
            self._parser.write(piece)
        except MultipartParseError as error:
            raise _malformed() from error

    def finish(self) -> Received:
        """What came, once the body is over."""
        if self._parser is not None and not self._is_over:
            raise Fault("Le message est incomplet : sa dernière frontière manque.")
        root = self._root()
        if len(root.content) > LARGEST_ENVELOPE:
            raise Fault(f"L'enveloppe du message dépasse {LARGEST_ENVELOPE} octets.")
        others: dict[str, _Part] = {}
        for part in self._parts:
            if part is root:
                continue
            if not part.content_id or part.content_id in others:
                raise Fault("Une partie du message n'a pas de Content-ID, ou celui d'une autre.")
            others[part.content_id] = part
        return Received(root.taken(), others)

    def _root(self) -> _Part:
        if not self._parts:
            raise _malformed()
        if not self._start:
            return self._parts[0]
        for part in self._parts:
            if part.content_id == self._start:
                return part
        raise Fault("La partie que désigne le paramètre start n'est pas dans le message.")

    def _begin(self) -> None:
        if len(self._parts) >= MOST_PARTS:
            raise Fault(f"Un message a au plus {MOST_PARTS - 1} documents.")
        self._parts.append(_Part())

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], b"")

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _header_end(self) -> None:
        name, value = (each.decode("latin-1").strip() for each in self._header)
        self._header = (b"", b"")
        part = self._parts[-1]
        match name.lower():
            case "content-id":
                part.content_id = _bare(value)
            case "content-transfer-encoding":
                part.encoding = value.lower()
                if part.encoding not in (*_PLAIN_ENCODINGS, "base64"):
                    raise Fault("Une partie du message a un codage de transfert qui n'est pas admis.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._parts[-1].content += data[start:end]

    def _end(self) -> None:
        self._is_over = True


class Received:
    """A request: its envelope, and the parts beside it, each of which one Include may take."""

    def __init__(self, envelope: bytes, parts: dict[str, _Part]) -> None:
        self.envelope = envelope
        self._parts = parts

    def content_of(self, element: etree._Element) -> bytes:
        """The bytes an element stands for: those of the part its Include names, or its own base64. Raises Fault.

        A part is given once: two hundred documents of one part would be a bomb.
        """
        if len(element) == 0:
            return _decoded((element.text or "").encode())
        include = element[0]
        if len(element) > 1 or include.tag != f"{{{XOP}}}Include" or (element.text or "").strip():
            raise Fault("Un document est un Include (XOP) ou du base64.")
        reference = include.get("href", "")
        part = (
            self._parts.pop(unquote(reference[4:])[:_LONGEST_PART_HEADER], None)
            if reference.startswith("cid:")
            else None
        )
        if part is None:
            raise Fault("Un document désigne (cid) une partie absente du message, ou déjà prise.")
        return part.taken()

    @property
    def left(self) -> int:
        """How many parts nobody took."""
        return len(self._parts)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of an answer, by the Content-ID that its Include names."""

    content_id: str
    media_type: str
    data: bytes = field(repr=False)

    @property
    def include(self) -> str:
        """The element that stands in its place."""
        return f'<xop:Include xmlns:xop="{XOP}" href="cid:{self.content_id}"/>'


def attachment(data: bytes, media_type: str) -> Attachment:
    """A part with a Content-ID of its own; a media type that is none would be a line of its header."""
    is_type = _MEDIA_TYPE.fullmatch(media_type) is not None
    return Attachment(
        f"{uuid.uuid4()}@vaguemestre", media_type if is_type else "application/octet-stream", data
    )


@dataclass(frozen=True, slots=True)
class Related:
    """An answer as multipart/related; `pieces` are sent one by one, no document is copied into another string."""

    content_type: str
    pieces: Sequence[bytes] = field(repr=False)

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))


def write_related(envelope: bytes, attachments: Sequence[Attachment], action: str) -> Related:
    """An answer in MTOM (SOAP MTOM §3): the envelope first, then its parts."""
    boundary = f"uuid:{uuid.uuid4()}"
    root = f"{uuid.uuid4()}@vaguemestre"
    content_type = f'{RELATED}; boundary="{boundary}"; type="{XOP_TYPE}"; start="<{root}>"; start-info="{SOAP_TYPE}"; action="{action}"'
    return Related(content_type, list(_pieces(boundary, root, envelope, attachments)))


def _pieces(boundary: str, root: str, envelope: bytes, attachments: Sequence[Attachment]) -> Iterator[bytes]:
    yield _part_head(boundary, root, f'{XOP_TYPE}; charset=UTF-8; type="{SOAP_TYPE}"')
    yield envelope
    for each in attachments:
        yield b"\r\n" + _part_head(boundary, each.content_id, each.media_type)
        yield each.data
    yield f"\r\n--{boundary}--\r\n".encode()


def _part_head(boundary: str, content_id: str, content_type: str) -> bytes:
    return (
        f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-Transfer-Encoding: binary\r\n"
        f"Content-ID: <{content_id}>\r\n\r\n"
    ).encode()


def _decoded(data: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Fault("Un document n'est pas du base64 lisible.") from error


def _bare(content_id: str) -> str:
    return content_id.strip().removeprefix("<").removesuffix(">").strip()


def _malformed() -> Fault:
    return Fault("Le message multipart n'est pas lisible.")
