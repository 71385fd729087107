"""Parses XML that strangers wrote: no DTD, no entity, no network, bounded in size, depth and count."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 200
MAX_ELEMENTS = 500_000
MAX_ATTRIBUTES = 2_000_000

# Any other encoding (UTF-7, UTF-16, EBCDIC) could hide a DOCTYPE from the reading of the prolog below.
_ENCODINGS = {
    "utf-8": "UTF-8",
    "utf8": "UTF-8",
    "us-ascii": "UTF-8",
    "ascii": "UTF-8",
    "iso-8859-1": "ISO-8859-1",
    "iso8859-1": "ISO-8859-1",
    "latin1": "ISO-8859-1",
    "iso-8859-15": "ISO-8859-15",
    "windows-1252": "WINDOWS-1252",
    "cp1252": "WINDOWS-1252",
}
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_DECLARES_UTF16 = re.compile(rb"""(<\?xml\s[^>]{0,300}encoding\s*=\s*["'])utf-?16(["'])""", re.IGNORECASE)
_DECLARED = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_SPACE = b" \t\r\n"
_AROUND = 100
_HEAD = 500
"""Octets in which the XML declaration stands."""
"""Marks of the prolog, of comments and of instructions that a document may have beside its elements."""


class XmlFault(Exception):
    """The bytes are not XML that the bridge reads; the message is for the log and holds no content."""


@dataclass(frozen=True, slots=True)
class XmlLimits:
    """Bytes, nested elements, elements and attributes in all that a document may have."""

    size: int = MAX_BYTES
    depth: int = MAX_DEPTH
    elements: int = MAX_ELEMENTS
    attributes: int = MAX_ATTRIBUTES


DEFAULT = XmlLimits()


def parse(data: bytes, limits: XmlLimits = DEFAULT) -> etree._Element:
    """The root element of ``data``; ``XmlFault`` for anything past the limits or not well-formed.

    A DOCTYPE is refused before the parser sees it: CDA and ebRIM have none, and entities live there.
    """
    if len(data) > limits.size:
        raise XmlFault("too large")
    # A tree takes thirty times the bytes of `<a/>`: what cannot be within the limits is not built.
    if data.count(b"<") > 2 * limits.elements + _AROUND or data.count(b"=") > limits.attributes + _AROUND:
        raise XmlFault("too many elements or attributes")
    start, encoding = _read_prolog(data)
    parser = etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        dtd_validation=False,
        attribute_defaults=False,
        remove_comments=True,
        remove_pis=True,
        # A PDF of 8 MB in base64 is one text node of 11 MB, past the ordinary limit of the parser; size,
        # depth and count are held here instead.
        huge_tree=True,
    )
    try:
        root = etree.fromstring(data[start:], parser)
    except etree.XMLSyntaxError as fault:
        raise XmlFault(f"not well-formed near line {fault.lineno}") from None
    except (ValueError, MemoryError):
        raise XmlFault("not readable") from None
    _measure(root, limits)
    return root


def recoded(data: bytes) -> bytes:
    """UTF-16 with its byte order mark as UTF-8, anything else as it is; ``XmlFault`` where it is neither.

    What only declares UTF-16 is taken as UTF-8: programs leave the declaration on text that they then save so.
    """
    if data.startswith(_UTF16_MARKS):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeError:
            raise XmlFault("not in the encoding it bears") from None
    return _DECLARES_UTF16.sub(rb"\1UTF-8\2", data[:_HEAD], count=1) + data[_HEAD:]


def local_name(element: etree._Element) -> str:
    """The name without its namespace; "" for an entity reference and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def namespace(element: etree._Element) -> str:
    """The namespace of an element, "" without one."""
    tag = element.tag
    return tag[1:].partition("}")[0] if isinstance(tag, str) and tag.startswith("{") else ""


def _read_prolog(data: bytes) -> tuple[int, str]:
    """Where the document starts (past a byte order mark) and its encoding."""
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    # Some producers leave blank lines before the XML declaration, which the parser would refuse.
    while start < len(data) and data[start] in _SPACE:
        start += 1
    position, encoding = start, "UTF-8"
    if data.startswith(b"<?xml", start):
        end = data.find(b"?>", start)
        if end < 0:
            raise XmlFault("no end of the XML declaration")
        declared = _DECLARED.search(data, start, min(end, start + 400))
        if declared:
            name = declared.group(1).decode("ascii").lower().replace("_", "-")
            if name not in _ENCODINGS:
                raise XmlFault("unsupported encoding")
            encoding = _ENCODINGS[name]
        position = end + 2
    while position < len(data):
        if data[position] in _SPACE:
            position += 1
        elif data.startswith(b"<!--", position):
            position = _past(data, b"-->", position + 4)
        elif data.startswith(b"<?", position):
            position = _past(data, b"?>", position + 2)
        elif data.startswith(b"<!", position):
            raise XmlFault("DOCTYPE is not accepted")
        elif data.startswith(b"<", position):
            return start, encoding
        else:
            break
    raise XmlFault("not XML")


def _past(data: bytes, mark: bytes, position: int) -> int:
    end = data.find(mark, position)
    if end < 0:
        raise XmlFault("not well-formed")
    return end + len(mark)


def _measure(root: etree._Element, limits: XmlLimits) -> None:
    depth = count = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        if event == "end":
            depth -= 1
            continue
        depth += 1
        count += 1
        if depth > limits.depth:
            raise XmlFault("nested too deeply")
        if count > limits.elements:
            raise XmlFault("too many elements")
