"""MTOM: whole messages, in pieces of any size, and messages that are made to hurt."""

from __future__ import annotations

import base64
import tracemalloc

import pytest
from lxml import etree

from dmp_bridge.xds.mtom import (
    MOST_PARTS,
    XOP,
    Attachment,
    ContentType,
    Reader,
    Received,
    attachment,
    write_related,
)
from dmp_bridge.xds.soap import LARGEST_ENVELOPE, Fault

BOUNDARY = "----=_Part_9_20030738"
TYPE = f'multipart/related; type="application/xop+xml"; start="<root@x>"; boundary="{BOUNDARY}"'
ENVELOPE = b"<envelope/>"


def part(content_id: str, data: bytes, *headers: str) -> bytes:
    lines = [f"--{BOUNDARY}", f"Content-ID: <{content_id}>", *headers, "", ""]
    return "\r\n".join(lines).encode() + data + b"\r\n"


def message(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def received(body: bytes, content_type: str = TYPE, *, limit: int = 1 << 26, step: int = 65_536) -> Received:
    reader = Reader(ContentType.read(content_type), limit)
    for start in range(0, len(body), step):
        reader.feed(body[start : start + step])
    return reader.finish()


def include(content_id: str) -> etree._Element:
    return etree.fromstring(f'<Document><i:Include xmlns:i="{XOP}" href="cid:{content_id}"/></Document>')


# ref: DMP-F33
@pytest.mark.parametrize("step", [1, 7, 65_536])
def test_parts_come_back_byte_for_byte_whatever_the_pieces(step: int) -> None:
    data = bytes(range(256)) * 3 + b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n"
    found = received(message(part("root@x", ENVELOPE), part("a@x", data)), step=step)
    assert found.envelope == ENVELOPE
    assert found.content_of(include("a%40x")) == data
    assert found.left == 0


def test_the_root_is_the_part_that_start_names_or_the_first() -> None:
    body = message(part("a@x", b"document"), part("root@x", ENVELOPE))
    assert received(body).envelope == ENVELOPE
    assert received(body, TYPE.replace(' start="<root@x>";', "")).envelope == b"document"
    with pytest.raises(Fault, match="start"):
        received(message(part("a@x", b"document")))


def test_plain_soap_has_no_parts_and_carries_base64() -> None:
    found = received(ENVELOPE, 'application/soap+xml; charset=utf-8; action="urn:x"')
    assert found.envelope == ENVELOPE
    assert (
        found.content_of(etree.fromstring(f"<D>\n{base64.encodebytes(b'abc' * 99).decode()}</D>"))
        == b"abc" * 99
    )
    for text in ("<D>a</D>", "<D>é</D>", "<D><x/></D>", "<D>a<x/></D>"):
        with pytest.raises(Fault):
            found.content_of(etree.fromstring(text))


def test_a_part_in_base64_is_decoded() -> None:
    encoded = base64.encodebytes(b"document")
    body = message(part("root@x", ENVELOPE), part("a@x", encoded, "Content-Transfer-Encoding: BASE64"))
    assert received(body).content_of(include("a@x")) == b"document"
    broken = message(part("root@x", ENVELOPE), part("a@x", b"%%%", "Content-Transfer-Encoding: base64"))
    with pytest.raises(Fault, match="base64"):
        received(broken).content_of(include("a@x"))
    other = message(
        part("root@x", ENVELOPE), part("a@x", b"=", "Content-Transfer-Encoding: quoted-printable")
    )
    with pytest.raises(Fault, match="codage"):
        received(other)


@pytest.mark.parametrize("href", ["cid:b@x", "a@x", "http://elsewhere.example/a@x", "file:///etc/passwd", ""])
def test_a_wrong_reference_is_refused(href: str) -> None:
    found = received(message(part("root@x", ENVELOPE), part("a@x", b"document")))
    element = etree.fromstring(f'<D><i:Include xmlns:i="{XOP}" href="{href}"/></D>')
    with pytest.raises(Fault, match="cid"):
        found.content_of(element)


def test_the_envelope_is_no_document() -> None:
    found = received(message(part("root@x", ENVELOPE)))
    with pytest.raises(Fault):
        found.content_of(include("root@x"))


def test_one_part_is_given_to_one_document() -> None:
    found = received(message(part("root@x", ENVELOPE), part("a@x", b"document")))
    assert found.content_of(include("a@x")) == b"document"
    with pytest.raises(Fault, match="déjà prise"):
        found.content_of(include("a@x"))


def test_two_parts_of_one_name_or_of_none_are_refused() -> None:
    with pytest.raises(Fault, match="Content-ID"):
        received(message(part("root@x", ENVELOPE), part("a@x", b"1"), part("a@x", b"2")))
    with pytest.raises(Fault, match="Content-ID"):
        received(message(part("root@x", ENVELOPE), f"--{BOUNDARY}\r\nX: y\r\n\r\nz\r\n".encode()))


def test_a_message_past_the_limit_is_refused_at_once() -> None:
    reader = Reader(ContentType.read(TYPE), 1000)
    reader.feed(part("root@x", ENVELOPE))
    with pytest.raises(Fault, match="1000 octets"):
        reader.feed(b"x" * 1000)


def test_an_envelope_has_a_bound_of_its_own() -> None:
    with pytest.raises(Fault, match="enveloppe"):
        received(message(part("root@x", b" " * (LARGEST_ENVELOPE + 1))))
    with pytest.raises(Fault, match="enveloppe"):
        received(b" " * (LARGEST_ENVELOPE + 1), "application/soap+xml")


def test_a_bomb_of_parts_is_refused() -> None:
    with pytest.raises(Fault, match="au plus"):
        received(message(part("root@x", ENVELOPE), *(part(f"{n}@x", b"") for n in range(MOST_PARTS))))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        part("root@x", ENVELOPE),
        part("root@x", ENVELOPE) + f"--{BOUNDARY}".encode(),
        f"--{BOUNDARY}\r\n".encode() + b"X: " + b"y" * 100_000,
        f"--{BOUNDARY}\r\n".encode() + b"X: y\r\n" * 1000 + b"\r\n",
        f"--{BOUNDARY}\r\nno header\r\n\r\n".encode(),
        f"--{BOUNDARY}--\r\n".encode(),
    ],
)
def test_a_message_that_is_cut_short_or_malformed_is_refused(body: bytes) -> None:
    with pytest.raises(Fault):
        received(body)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/xml",
        "application/soap",
        "multipart/form-data; boundary=x",
        "multipart/related",
        "multipart/related; type=text/xml; boundary=x",
        f"multipart/related; boundary={'x' * 201}",
        "multipart/related; boundary=é",
        "multipart/related\r\nX-Evil: 1; boundary=x",
    ],
)
def test_another_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(Fault):
        ContentType.read(content_type)


@pytest.mark.parametrize("fill", [b"\r", b"\r\n", b"\r\n--", b"\r\n------=_Part_9_2003073", b"\0"])
def test_a_large_part_costs_its_size_and_little_more(fill: bytes) -> None:
    size = 8_000_000
    body = message(part("root@x", ENVELOPE), part("a@x", fill * (size // len(fill))))
    tracemalloc.start()
    try:
        found = received(body)
        data = found.content_of(include("a@x"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(data) == size // len(fill) * len(fill)
    assert peak < 3 * size


def test_what_is_written_is_read_again() -> None:
    documents = [attachment(b"\r\n--uuid:", "text/xml"), attachment(b"", "application/pdf")]
    related = write_related(ENVELOPE, documents, "urn:answer")
    body = b"".join(related.pieces)
    assert related.size == len(body)
    found = received(body, related.content_type)
    assert found.envelope == ENVELOPE
    for each in documents:
        assert found.content_of(etree.fromstring(f"<D>{each.include}</D>")) == each.data
    assert isinstance(documents[0], Attachment)
    assert documents[0].content_id != documents[1].content_id


@pytest.mark.parametrize("media_type", ["", "text", "text/xml; charset=x", "text/xml\r\nX-Evil: 1", "é/é"])
def test_a_media_type_that_is_none_stands_in_no_header(media_type: str) -> None:
    assert attachment(b"", media_type).media_type == "application/octet-stream"
