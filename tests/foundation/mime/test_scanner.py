"""A message is cut into its parts as RFC 2046 says, leniently, and within bounds whatever its bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.mime.scanner import (
    Part,
    ScanLimits,
    TooLarge,
    decode_body,
    decode_text,
    header,
    headers,
    scan,
)
from tests.shared_data import shared


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def outline(message: bytes, root: Part) -> list[tuple[str, str, bytes]]:
    return [
        (part.number, part.content_type, message[part.body_start : part.end])
        for part in root.walk()
        if not part.is_multipart
    ]


MIXED = crlf(
    """From: a@b.fr
Content-Type: multipart/mixed; boundary="out"

prologue
--out
Content-Type: multipart/alternative; boundary="in"

--in

Bonjour

--in
Content-Type: text/html

<p>Bonjour
--in--
between
--out
Content-Type: application/pdf; name="r.pdf"
Content-Transfer-Encoding: base64

SGVsbG8=

--out--
epilogue
"""
)


def test_a_plain_message_is_one_text_part() -> None:
    message = crlf("Subject: x\n\nhello\nworld\n")
    root = scan(message)
    assert (root.number, root.content_type, root.encoding, root.lines) == ("", "text/plain", "7bit", 2)
    assert message[root.header_start : root.body_start] == b"Subject: x\r\n\r\n"
    assert message[root.body_start : root.end] == b"hello\r\nworld\r\n"
    assert root.children == ()


def test_nested_multiparts_are_numbered_as_imap_counts() -> None:
    root = scan(MIXED)
    assert outline(MIXED, root) == [
        ("1.1", "text/plain", b"Bonjour\r\n"),
        ("1.2", "text/html", b"<p>Bonjour"),
        ("2", "application/pdf", b"SGVsbG8=\r\n"),
    ]
    inner = root.children[0]
    assert inner.number == "1"
    assert MIXED[inner.end :].startswith(b"\r\n--out\r\nContent-Type: application/pdf")


@pytest.mark.parametrize("blank", [b"", b"\n", b"\r\n"])
def test_an_empty_message_has_an_empty_body(blank: bytes) -> None:
    root = scan(blank)
    assert (root.content_type, root.body_start, root.end) == ("text/plain", len(blank), len(blank))


def test_a_message_of_header_only_has_an_empty_body() -> None:
    message = b"Subject: x\r\nContent-Type: text/html"
    root = scan(message)
    assert (root.content_type, root.body_start, root.end) == ("text/html", len(message), len(message))


def test_a_message_without_header_is_all_body() -> None:
    root = scan(b"\r\nhello")
    assert (root.body_start, root.end) == (2, 7)


def test_line_ends_may_be_line_feeds_alone() -> None:
    message = MIXED.replace(b"\r\n", b"\n")
    assert [found[0] for found in outline(message, scan(message))] == ["1.1", "1.2", "2"]
    assert outline(message, scan(message))[0][2] == b"Bonjour\n"


def test_a_missing_closing_boundary_ends_with_the_message() -> None:
    message = crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n")
    assert outline(message, scan(message)) == [
        ("1", "text/plain", b"one"),
        ("2", "text/plain", b"two\r\n"),
    ]


def test_the_boundary_of_a_parent_ends_its_unclosed_children() -> None:
    message = crlf(
        "Content-Type: multipart/mixed; boundary=out\n\n--out\n"
        "Content-Type: multipart/mixed; boundary=in\n\n--in\n\none\n--out\n\ntwo\n--in\nstill two\n--out--\n"
    )
    assert outline(message, scan(message)) == [
        ("1.1", "text/plain", b"one"),
        ("2", "text/plain", b"two\r\n--in\r\nstill two"),
    ]


@pytest.mark.parametrize(
    "content_type",
    ["multipart/mixed", 'multipart/mixed; boundary=""', "multipart/mixed; boundary=other"],
)
def test_a_multipart_without_its_boundary_shows_its_whole_body_as_text(content_type: str) -> None:
    message = crlf(f"Content-Type: {content_type}\n\n--b\n\none\n--b--\n")
    root = scan(message)
    assert root.is_multipart
    assert outline(message, root) == [("1", "text/plain", crlf("--b\n\none\n--b--\n"))]


def test_a_boundary_that_begins_like_another_is_not_taken_for_it() -> None:
    message = crlf(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
        "Content-Type: multipart/mixed; boundary=b2\n\n--b2\n\none\n--b2\n\ntwo\n--b2--\n--b\n\nthree\n--b--\n"
    )
    assert [(number, body) for number, _, body in outline(message, scan(message))] == [
        ("1.1", b"one"),
        ("1.2", b"two"),
        ("2", b"three"),
    ]


def test_a_folded_boundary_and_spaces_after_a_delimiter_are_understood() -> None:
    message = crlf(
        'Content-Type: multipart/mixed; boundary="foo\n bar"\n\n--foo bar \t\n\none\n--foo bar-- \n'
    )
    assert outline(message, scan(message)) == [("1", "text/plain", b"one")]


def test_a_part_without_empty_line_ends_at_the_delimiter() -> None:
    message = crlf(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n--b\n\ntwo\n--b--\n"
    )
    assert outline(message, scan(message)) == [("1", "text/html", b""), ("2", "text/plain", b"two")]


def test_a_part_with_nothing_in_it_is_empty() -> None:
    message = crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\n--b--\n")
    assert outline(message, scan(message)) == [("1", "text/plain", b""), ("2", "text/plain", b"")]


def test_a_message_inside_a_multipart_continues_the_numbers() -> None:
    message = crlf(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: message/rfc822\n\n"
        "Subject: in\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\ntwo\n--c\n\nthree\n--c--\n--b--\n"
    )
    root = scan(message)
    assert [part.number for part in root.walk()] == ["", "1", "2", "2.TEXT", "2.1", "2.2"]
    embedded = root.children[1].embedded
    assert embedded is not None
    assert header(message, embedded, "subject") == "in"


def test_a_message_inside_a_message_has_one_part() -> None:
    message = crlf("Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nSubject: x\n\nhello\n")
    root = scan(message)
    assert [(part.number, part.content_type) for part in root.walk()] == [
        ("", "message/rfc822"),
        ("1.1", "message/rfc822"),
        ("1.1.1", "text/plain"),
    ]
    assert outline(message, root)[-1][2] == b"hello\r\n"


def test_the_parts_of_a_digest_are_messages_unless_they_say_otherwise() -> None:
    message = crlf(
        "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\n1\n--b\nContent-Type: text/plain\n\n2\n--b--\n"
    )
    first, second = scan(message).children
    assert (first.content_type, second.content_type) == ("message/rfc822", "text/plain")
    assert header(message, first.children[0], "Subject") == "one"


def test_an_encoded_message_is_opaque() -> None:
    message = crlf("Content-Type: message/rfc822; name=a.eml\nContent-Transfer-Encoding: base64\n\nQQ==\n")
    root = scan(message)
    assert (root.content_type, root.children, root.filename) == ("application/octet-stream", (), "a.eml")


def test_parameters_are_decoded_and_the_first_of_two_counts() -> None:
    message = crlf(
        'Content-Type: Text/Plain (a (nested) comment); CHARSET=utf-8 (b); charset=koi8-r; x="a\\"b"\n'
        "Content-Disposition: ATTACHMENT;\n filename*0*=utf-8'fr'r%C3%A9sum;\n filename*1*=%C3%A9;\n filename*2=\".pdf\";\n filename=r.pdf\n\n"
    )
    root = scan(message)
    assert root.content_type == "text/plain"
    assert root.parameters == {"charset": "utf-8", "x": 'a"b'}
    assert root.disposition == "attachment"
    assert root.filename == "résumé.pdf"
    assert root.raw_disposition_parameters[0] == ("filename*0*", "utf-8'fr'r%C3%A9sum")


def test_an_encoded_word_as_file_name_is_read() -> None:
    root = scan(crlf('Content-Type: application/pdf; name="=?iso-8859-1?q?r=E9sultat.pdf?="\n\n'))
    assert root.filename == "résultat.pdf"


@pytest.mark.parametrize("content_type", ["", "text", "/", "a/b c", ";", "\xff"])
def test_a_content_type_that_cannot_be_read_is_plain_text(content_type: str) -> None:
    assert scan(b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n").content_type == "text/plain"


def test_the_other_content_fields_are_kept() -> None:
    root = scan(
        crlf(
            "Content-ID: <i@d>\nContent-Description: d\nContent-Language: fr\nContent-Location: l\n"
            "Content-MD5: m\nContent-Transfer-Encoding: BASE64 (c)\n\n"
        )
    )
    assert (root.content_id, root.description, root.language, root.location, root.md5, root.encoding) == (
        "<i@d>",
        "d",
        "fr",
        "l",
        "m",
        "base64",
    )


def test_headers_keep_order_and_folding() -> None:
    message = b"A: 1\r\nB: 2\r\n 3\r\nbroken line\r\na : 4\r\n\r\nC: body\r\n"
    assert headers(message, 0, scan(message).body_start) == [
        (b"A", b" 1"),
        (b"B", b" 2\r\n 3"),
        (b"a", b" 4"),
    ]


def test_a_header_is_unfolded_and_decoded() -> None:
    message = crlf("Subject: =?utf-8?q?R=C3=A9?=\n =?utf-8?b?c3VsdGF0?= 12\n\n")
    assert header(message, scan(message), "SUBJECT") == "Résultat 12"
    assert header(message, scan(message), "Date") is None


def test_bodies_are_decoded_leniently_and_bounded() -> None:
    base64 = b"Content-Transfer-Encoding: base64\r\n\r\nSGV*sbG8\r\n"
    assert decode_body(base64, scan(base64), 5) == b"Hello"
    with pytest.raises(TooLarge) as refused:
        decode_body(base64, scan(base64), 4)
    assert refused.value.limit == 4
    quoted = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9t=\r\n=C3=A9 =ZZ\r\n"
    assert decode_text(quoted, scan(quoted), 100) == "été =ZZ\n"


@pytest.mark.parametrize(
    ("charset", "octets", "text"),
    [
        ("utf-8", b"\xc3\xa9", "é"),
        ("iso-8859-1", b"\xe9\x80", "é€"),
        ("Windows-1252", b"\x92", "’"),
        ("iso-8859-15", b"\xa4", "€"),
        ("us-ascii", b"\xe9", "é"),
        ("us-ascii", b"\xc3\xa9", "é"),
        ("utf-8", b"\xe9", "\ufffd"),
        ("punycode", b"\xc3\xa9", "é"),
        ("../../etc", b"\xff", "\ufffd"),
        ("", b"x", "x"),
    ],
)
def test_text_is_read_in_its_charset_and_never_raises(charset: str, octets: bytes, text: str) -> None:
    message = f'Content-Type: text/plain; charset="{charset}"\r\n\r\n'.encode() + octets
    assert decode_text(message, scan(message), 100) == text


def test_nesting_beyond_the_limit_is_one_opaque_part() -> None:
    message = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(100_000)
    )
    parts = list(scan(message).walk())
    assert len(parts) == 101
    assert parts[-1].content_type == "application/octet-stream"
    assert parts[-1].end == len(message)


def test_messages_nested_beyond_the_limit_are_one_opaque_part() -> None:
    parts = list(scan(b"Content-Type: message/rfc822\r\n\r\n" * 100_000).walk())
    assert len(parts) == 101
    assert parts[-1].content_type == "application/octet-stream"
    assert parts[-1].number == ".".join(["1"] * 101)


def test_parts_beyond_the_limit_are_one_opaque_part() -> None:
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 20_000
    root = scan(message)
    assert len(root.children) == 9_999
    assert [part.content_type for part in root.children[-2:]] == ["text/plain", "application/octet-stream"]
    assert root.children[-1].end == len(message)
    assert message.count(b"--b", root.children[-1].body_start) == 20_000 - 9_999


def test_headers_beyond_the_limit_make_an_opaque_message_with_the_true_body() -> None:
    message = b"Subject: x\r\n" + b"X: y\r\n" * 400_000 + b"\r\nbody"
    root = scan(message)
    assert root.content_type == "application/octet-stream"
    assert message[root.body_start : root.end] == b"body"
    assert header(message, root, "subject") == "x"


def test_a_part_whose_header_is_over_the_limit_takes_the_rest_of_the_message() -> None:
    limits = ScanLimits(header_bytes=100)
    message = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: "
        + b"y" * 100
        + b"\r\n\r\nz\r\n--b--\r\n"
    )
    (only,) = scan(message, limits).children
    assert (only.content_type, only.end) == ("application/octet-stream", len(message))
    assert message[only.body_start :].startswith(b"X: yyy")


def test_a_hundred_thousand_nested_comments_end() -> None:
    root = scan(b"Content-Type: " + b"(" * 100_000 + b"\r\n\r\nbody")
    assert root.content_type == "text/plain"


def test_delimiters_are_sought_in_a_bounded_number_of_lines() -> None:
    limits = ScanLimits(dash_lines=10)
    message = (
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--no\r\n" * 20
        + b"--a\r\n\r\nlast\r\n--a--\r\n"
    )
    assert [part.number for part in scan(message, limits).walk()] == ["", "1", "1.1"]
    assert [part.number for part in scan(message).walk()] == ["", "1", "1.1", "2"]


PIECES = st.sampled_from(
    [
        b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"--a", b"--b", b"--a--", b"--", b"\n--a\n", b"\n--b--\n", b"x", b"\0\xff",
        b"Content-Type: multipart/mixed; boundary=a\r\n", b"Content-Type: multipart/digest; boundary=b\r\n",
        b"Content-Type: message/rfc822\r\n", b"Content-Type: text/html; a*0*=x''%ff; a*1=y\n", b"Subject: =?utf-8?q?x",
        b"Content-Transfer-Encoding: base64\r\n", b"From: (((<\"a", b": ", b";", b'"',
    ]
)  # fmt: skip
MESSAGES = st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=60).map(b"".join))


@settings(max_examples=400, deadline=None)
@given(MESSAGES)
def test_any_bytes_scan_to_parts_in_order_and_in_bounds(message: bytes) -> None:
    root = scan(message)
    assert (root.header_start, root.end) == (0, len(message))
    numbers = [part.number for part in root.walk()]
    assert len(numbers) == len(set(numbers))
    for part in root.walk():
        assert part.header_start <= part.body_start <= part.end
        assert part.lines == message.count(b"\n", part.body_start, part.end)
        assert len(decode_text(message, part, len(message))) <= len(message)
        at = part.body_start
        for child in part.children:
            assert at <= child.header_start
            assert child.end <= part.end
            at = child.end
        assert bool(part.children) or not part.is_multipart


@settings(max_examples=100, deadline=None)
@given(MESSAGES, st.integers(1, 4), st.integers(0, 3), st.integers(1, 60))
def test_any_limits_hold(message: bytes, parts: int, depth: int, header_bytes: int) -> None:
    root = scan(message, ScanLimits(depth=depth, parts=parts, header_bytes=header_bytes, dash_lines=5))
    assert root.end == len(message)
    assert sum(1 for _ in root.walk()) <= 2 * parts + 2


@pytest.mark.parametrize(
    "name", ["01-pro-vers-pro-xdm.eml", "04-reponse-patient.eml", "05-pro-sans-document.eml"]
)
def test_the_sample_mails_are_understood(name: str) -> None:
    message = shared("mails", name).read_bytes()
    root = scan(message)
    assert header(message, root, "From")
    for part in root.walk():
        if part.encoding == "base64":
            assert decode_body(message, part, 10_000_000)[:2] in (b"PK", b"%P")
