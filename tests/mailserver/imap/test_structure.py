"""ENVELOPE, BODY and BODYSTRUCTURE are rendered as RFC 9051 §7.5.2 says, and sections are found by offsets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.mime.scanner import scan
from mailserver.imap.header_fields import keep_fields
from mailserver.imap.section import Encoding, SectionText, Slice
from mailserver.imap.structure import Rendering, load_parts, render, string


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def rendered(text: str | bytes) -> Rendering:
    message = crlf(text) if isinstance(text, str) else text
    return render(message, scan(message))


def test_an_envelope_has_its_ten_members() -> None:
    assert rendered(
        "Message-ID: <msg@id>\nIn-Reply-To: <reply@to.id>\nDate: Sat, 01 Feb 2025 01:02:03 +0200\nSubject: objet\n"
        "From: From Real <fromuser@a.fr>\nTo: To Real <touser@b.fr>\nCc: Cc Real <ccuser@c.fr>\n"
        "Bcc: Bcc Real <bccuser@d.fr>\nSender: Sender Real <senderuser@e.fr>\nReply-To: Reply Real <ruser@f.fr>\n\nx"
    ).envelope == (
        b'("Sat, 01 Feb 2025 01:02:03 +0200" "objet" (("From Real" NIL "fromuser" "a.fr"))'
        b' (("Sender Real" NIL "senderuser" "e.fr")) (("Reply Real" NIL "ruser" "f.fr"))'
        b' (("To Real" NIL "touser" "b.fr")) (("Cc Real" NIL "ccuser" "c.fr")) (("Bcc Real" NIL "bccuser" "d.fr"))'
        b' "<reply@to.id>" "<msg@id>")'
    )


def test_sender_and_reply_to_are_from_where_they_are_absent_or_empty() -> None:
    user = b'((NIL NIL "u" "d"))'
    expected = b"(NIL NIL %b %b %b NIL NIL NIL NIL NIL)" % (user, user, user)
    assert rendered("From: u@d\n\n").envelope == expected
    assert rendered("From: <u@d>\nSender: \nReply-To: \n\n").envelope == expected


def test_an_envelope_of_no_header_is_all_nil() -> None:
    assert rendered(b"").envelope == b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def test_a_field_that_is_there_but_empty_is_an_empty_string() -> None:
    envelope = rendered("Subject:\nDate:\nMessage-ID: \n\n").envelope
    assert envelope == b'("" "" NIL NIL NIL NIL NIL NIL NIL "")'


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("u@d (Real Name)", b'(("Real Name" NIL "u" "d"))'),
        ("<@route:u@d>", b'((NIL "@route" "u" "d"))'),
        ("<@r1,@r2:u@d>", b'((NIL "@r1,@r2" "u" "d"))'),
        ('"Dupont, \\"J\\"" <u@d>', b'(("Dupont, \\"J\\"" NIL "u" "d"))'),
        ("John Q. Public <u@d>", b'(("John Q. Public" NIL "u" "d"))'),
        ("=?utf-8?q?=C3=A9?= <u@d>", b'(("=?utf-8?q?=C3=A9?=" NIL "u" "d"))'),
        ("<u (c)@ (c) d.fr>", b'((NIL NIL "u" "d.fr"))'),
        ('"a b"@d', b'((NIL NIL "a b" "d"))'),
        ("u@[127.0.0.1]", b'((NIL NIL "u" "[127.0.0.1]"))'),
        ("bare", b'((NIL NIL "bare" "MISSING_DOMAIN"))'),
        ("u@d,, v@e", b'((NIL NIL "u" "d")(NIL NIL "v" "e"))'),
        (
            "g: a@b, c@d;, h: e@f;",
            (
                b'((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL "c" "d")(NIL NIL NIL NIL)'
                b'(NIL NIL "h" NIL)(NIL NIL "e" "f")(NIL NIL NIL NIL))'
            ),
        ),
        ("undisclosed-recipients:;", b'((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))'),
        ("g: a@b", b'((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL))'),
        ("(only a comment)", b"NIL"),
        ("<>", b"NIL"),
        ("", b"NIL"),
    ],
)
def test_addresses_are_given_as_written(field: str, expected: bytes) -> None:
    assert rendered(f"To: {field}\n\n").envelope == b"(NIL NIL NIL NIL NIL %b NIL NIL NIL NIL)" % expected


def test_a_subject_is_unfolded_and_not_decoded() -> None:
    envelope = rendered('Subject: =?utf-8?q?R=C3=A9?=\n =?utf-8?q?sultat?= "x\\y"\n\n').envelope
    assert envelope.startswith(b'(NIL "=?utf-8?q?R=C3=A9?= =?utf-8?q?sultat?= \\"x\\\\y\\"" NIL')


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", b'""'),
        (b'a"b\\c', b'"a\\"b\\\\c"'),
        ("é".encode(), b"{2}\r\n\xc3\xa9"),
        (b"a\rb", b"{3}\r\na\rb"),
        (b"a\nb", b"{3}\r\na\nb"),
        (b"a\0b", b'"a?b"'),
        (b"a\tb", b'"a\tb"'),
    ],
)
def test_a_string_is_quoted_where_it_can_be_and_a_literal_where_not(value: bytes, expected: bytes) -> None:
    assert string(value) == expected


def test_a_message_without_type_is_plain_ascii_text() -> None:
    found = rendered("Subject: x\n\nhello\nworld\n")
    assert found.body == b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 14 2)'
    assert (
        found.bodystructure == b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 14 2 NIL NIL NIL NIL)'
    )


def test_a_text_without_charset_is_ascii_beside_its_parameters() -> None:
    found = rendered("Content-Type: TEXT/Plain; Format=Flowed (c)\n\nx")
    assert found.body == b'("text" "plain" ("Format" "Flowed" "charset" "us-ascii") NIL NIL "7bit" 1 0)'


def test_a_part_that_is_no_text_has_no_lines() -> None:
    assert rendered('Content-Type: image/png; name="a\\"b"\n\nx\n').body == (
        b'("image" "png" ("name" "a\\"b") NIL NIL "7bit" 3)'
    )


MIXED = (
    'Content-Type: multipart/mixed; boundary="out"; x=y\nContent-Language: fr, en\nContent-Disposition: inline\n\n'
    "prologue\n--out\nContent-Type: multipart/alternative; boundary=in\n\n--in\n\nBonjour\n\n--in\n"
    "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: Quoted-Printable\nContent-ID: <c@d>\n"
    'Content-Description: d "q"\n\n<p>\n--in--\n--out\nContent-Type: application/pdf; name=r.pdf\n'
    "Content-Disposition: attachment; filename*0*=utf-8''r%C3%A9; filename*1=\"%.pdf\"\n"
    "Content-Transfer-Encoding: base64\nContent-MD5: abc==\nContent-Language: fr\nContent-Location: loc\n\n"
    "SGVsbG8=\n\n--out--\nepilogue\n"
)


def test_a_multipart_is_its_parts_and_its_subtype() -> None:
    found = rendered(MIXED)
    assert found.body == (
        b'((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 9 1)'
        b'("text" "html" ("charset" "utf-8") "<c@d>" "d \\"q\\"" "quoted-printable" 3 0) "alternative")'
        b'("application" "pdf" ("name" "r.pdf") NIL NIL "base64" 10) "mixed")'
    )
    assert found.bodystructure == (
        b'((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 9 1 NIL NIL NIL NIL)'
        b'("text" "html" ("charset" "utf-8") "<c@d>" "d \\"q\\"" "quoted-printable" 3 0 NIL NIL NIL NIL)'
        b' "alternative" ("boundary" "in") NIL NIL NIL)'
        b'("application" "pdf" ("name" "r.pdf") NIL NIL "base64" 10 "abc=="'
        b' ("attachment" ("filename*" "utf-8\'\'r%C3%A9%25.pdf")) ("fr") "loc")'
        b' "mixed" ("boundary" "out" "x" "y") ("inline" NIL) ("fr" "en") NIL)'
    )


INSIDE = (
    "Subject: outer\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: message/rfc822\n\n"
    "Subject: inner\nFrom: a@b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\ntwo\n--c\n"
    "Content-Type: message/rfc822\n\nSubject: deep\n\nthree\nlines\n--c--\nend\n--b--\n"
)


def test_a_message_inside_has_its_envelope_its_structure_and_its_lines() -> None:
    assert rendered(INSIDE).body == (
        b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0)'
        b'("message" "rfc822" NIL NIL NIL "7bit" 162'
        b' (NIL "inner" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL)'
        b' (("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0)'
        b'("message" "rfc822" NIL NIL NIL "7bit" 29 (NIL "deep" NIL NIL NIL NIL NIL NIL NIL NIL)'
        b' ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 12 1) 3) "mixed") 15) "mixed")'
    )


def test_a_raw_eight_bit_name_is_a_literal() -> None:
    assert rendered("From: Élodie <a@b>\nSubject: été\n\n").envelope.startswith(
        "(NIL {5}\r\nété (({7}\r\nÉlodie NIL".encode()
    )


def test_the_thread_fields_are_read_and_bounded() -> None:
    references = "\n ".join(f"<{n}@x>" for n in range(80))
    found = rendered(
        f"Message-ID: <m@x> junk\nIn-Reply-To: Your mail <r@x> of today\nReferences: {references}\n"
        "Subject: =?utf-8?q?R=C3=A9sultat?=\nDate: Mon, 23 Nov 2026 04:00:00 +0100\n\n"
    )
    assert (found.message_id, found.in_reply_to, found.subject) == ("<m@x>", "<r@x>", "Résultat")
    assert found.references == tuple(f"<{n}@x>" for n in range(30, 80))
    assert found.sent_at == 1_795_402_800_000


def test_a_message_without_thread_fields_has_none() -> None:
    found = rendered("Date: yesterday\n\n")
    assert (found.message_id, found.in_reply_to, found.references, found.subject, found.sent_at) == (
        None,
        None,
        (),
        "",
        None,
    )


def test_an_id_holds_no_control_character() -> None:
    found = rendered(b"Message-ID: a\0b c\r\nIn-Reply-To: <x\0y>\r\nReferences: <x\0y> <z@z>\r\n\r\n")
    assert (found.message_id, found.in_reply_to, found.references) == ("ab", "<xy>", ("<z@z>",))


def section(text: str, numbers: tuple[int, ...], what: SectionText = SectionText.BODY) -> bytes | None:
    message = crlf(text)
    found = load_parts(rendered(text).parts).locate(numbers, what)
    return None if found is None else message[found.start : found.end]


@pytest.mark.parametrize(
    ("numbers", "what", "expected"),
    [
        ((), SectionText.BODY, INSIDE),
        ((), SectionText.HEADER, "Subject: outer\nContent-Type: multipart/mixed; boundary=b\n\n"),
        ((), SectionText.TEXT, INSIDE[INSIDE.index("--b") :]),
        ((), SectionText.MIME, None),
        ((1,), SectionText.BODY, "one"),
        ((1,), SectionText.MIME, "\n"),
        ((1,), SectionText.HEADER, None),
        ((1,), SectionText.TEXT, None),
        ((1, 1), SectionText.BODY, None),
        ((2,), SectionText.MIME, "Content-Type: message/rfc822\n\n"),
        ((2,), SectionText.BODY, INSIDE[INSIDE.index("Subject: inner") : INSIDE.index("\n--b--")]),
        (
            (2,),
            SectionText.HEADER,
            "Subject: inner\nFrom: a@b\nContent-Type: multipart/mixed; boundary=c\n\n",
        ),
        ((2,), SectionText.TEXT, INSIDE[INSIDE.index("--c") : INSIDE.index("\n--b--")]),
        ((2, 1), SectionText.BODY, "two"),
        ((2, 1), SectionText.MIME, "\n"),
        ((2, 2), SectionText.HEADER, "Subject: deep\n\n"),
        ((2, 2), SectionText.TEXT, "three\nlines"),
        ((2, 2, 1), SectionText.BODY, "three\nlines"),
        ((2, 2, 1), SectionText.MIME, "Subject: deep\n\n"),
        ((2, 2, 2), SectionText.BODY, None),
        ((2, 3), SectionText.BODY, None),
        ((3,), SectionText.BODY, None),
        ((0,), SectionText.BODY, None),
        ((2, 2, 1, 1, 1, 1), SectionText.BODY, None),
    ],
)
def test_sections_are_slices_of_the_message(
    numbers: tuple[int, ...], what: SectionText, expected: str | None
) -> None:
    assert section(INSIDE, numbers, what) == (None if expected is None else crlf(expected))


def test_part_one_of_a_message_that_is_no_multipart_is_its_body() -> None:
    text = "Subject: x\n\nhello\n"
    assert section(text, (1,)) == b"hello\r\n"
    assert section(text, (1,), SectionText.MIME) == b"Subject: x\r\n\r\n"
    assert section(text, (1,), SectionText.TEXT) is None
    assert section(text, (2,)) is None
    assert section(text, (1, 1)) is None


def test_a_message_of_type_message_is_entered_by_part_one() -> None:
    text = (
        "Content-Type: message/rfc822\n\nContent-Type: message/rfc822\nSubject: mid\n\nSubject: in\n\nhello\n"
    )
    assert section(text, (1,), SectionText.HEADER) == crlf("Content-Type: message/rfc822\nSubject: mid\n\n")
    assert section(text, (1, 1), SectionText.HEADER) == crlf("Subject: in\n\n")
    assert section(text, (1, 1), SectionText.TEXT) == b"hello\r\n"
    assert section(text, (1, 1, 1)) == b"hello\r\n"


def test_the_message_inside_a_message_may_be_a_multipart() -> None:
    text = "Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n"
    assert section(text, (1, 1)) == b"one"
    assert section(text, (1, 1), SectionText.MIME) == b"\r\n"
    assert section(text, (1,), SectionText.TEXT) == crlf("--b\n\none\n--b--\n")


@pytest.mark.parametrize(
    ("origin", "count", "expected"),
    [(0, 3, Slice(10, 13)), (2, 100, Slice(12, 20)), (10, 1, Slice(20, 20)), (2**32, 2**32, Slice(20, 20))],
)
def test_a_partial_is_cut_at_the_end(origin: int, count: int, expected: Slice) -> None:
    assert Slice(10, 20).partial(origin, count) == expected


def test_the_encoding_of_a_part_is_known_for_binary() -> None:
    index = load_parts(rendered(MIXED).parts)
    assert index.encoding((1, 2)) is Encoding.QUOTED_PRINTABLE
    assert index.encoding((2,)) is Encoding.BASE64
    assert index.encoding((1,)) is None
    assert index.encoding((9,)) is None
    assert index.encoding(()) is Encoding.IDENTITY


def test_an_index_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version"):
        load_parts(b"\x7f")


def test_fields_are_chosen_as_written_and_closed_by_an_empty_line() -> None:
    block = crlf("From: a@b\nX-Foo: 1\n 2\nsubject : x\nFROM: c@d\n\n")
    assert keep_fields(block, {b"from", b"subject"}, invert=False) == crlf(
        "From: a@b\nsubject : x\nFROM: c@d\n\n"
    )
    assert keep_fields(block, {b"from", b"subject"}, invert=True) == crlf("X-Foo: 1\n 2\n\n")
    assert keep_fields(block, {b"date"}, invert=False) == b"\r\n"
    assert keep_fields(b"From: a", {b"from"}, invert=False) == b"From: a\r\n\r\n"
    assert keep_fields(b"", {b"from"}, invert=False) == b"\r\n"


def test_ten_thousand_parts_render_to_as_many_structures() -> None:
    message = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 9_000 + b"--b--\r\n"
    )
    found = render(message, scan(message))
    assert found.body.count(b'("text" "plain"') == 9_000
    assert load_parts(found.parts).locate((9_000,)) == Slice(len(message) - 10, len(message) - 9)


def test_a_list_of_a_hundred_thousand_addresses_is_cut() -> None:
    found = rendered(b"To: " + b"u@d, " * 100_000 + b"\r\n\r\n")
    assert found.envelope.count(b'"u" "d"') == 5_000


def balanced(value: bytes) -> bool:
    """Whether a rendering is one list, by the grammar of RFC 9051 §9: strings, literals, numbers, NIL."""
    depth = at = 0
    while at < len(value):
        byte = value[at : at + 1]
        if byte == b'"':
            at += 1
            while value[at : at + 1] != b'"':
                if value[at] in b"\r\n\0" or value[at] > 127:
                    return False
                at += 2 if value[at : at + 1] == b"\\" else 1
        elif byte == b"{":
            close = value.index(b"}\r\n", at)
            at = close + 2 + int(value[at + 1 : close])
        elif byte in b"()":
            depth += 1 if byte == b"(" else -1
            if depth == 0 and at != len(value) - 1:
                return False
        elif byte not in b" NIL0123456789":
            return False
        at += 1
    return depth == 0


PIECES = st.sampled_from(
    [
        b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"--a\r\n", b"--b--\n", b"x", b"\0", b"\xff", b"<", b">", b"@", b",", b";",
        b":", b"(", b")", b'"', b"\\", b"{3}", b" ", b"To: ", b"From: g:", b"Subject: ", b"Date: ", b"Content-ID: ",
        b"Content-Type: multipart/mixed; boundary=a\r\n", b"Content-Type: message/rfc822\r\n",
        b"Content-Type: text/html; a*0*=x''%ff; a*1=y\n", b"Content-Disposition: a; b*1=c; d=",
    ]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=60).map(b"".join)))
def test_any_bytes_render_to_well_formed_lists(message: bytes) -> None:
    root = scan(message)
    found = render(message, root)
    assert balanced(found.envelope)
    assert balanced(found.body)
    assert balanced(found.bodystructure)
    index = load_parts(found.parts)
    assert index.locate(()) == Slice(0, len(message))
    for part in root.walk():
        if part.number and not part.number.endswith("TEXT"):
            numbers = tuple(int(number) for number in part.number.split("."))
            if part.header_start == part.body_start or part is not root:
                assert index.locate(numbers) == Slice(part.body_start, part.end)
                assert index.locate(numbers, SectionText.MIME) == Slice(part.header_start, part.body_start)
