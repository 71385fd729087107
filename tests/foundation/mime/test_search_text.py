"""What SEARCH compares is read once, as the envelope and the parts tell it."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.mime.casemap import fold_needle
from foundation.mime.entities import decode_references
from foundation.mime.scanner import scan
from foundation.mime.search_text import (
    KEPT,
    LARGEST,
    SearchText,
    Section,
    has_in_field,
    has_in_fields,
    has_in_section,
    read_search_text,
)


def read(text: str | bytes, limit: int = KEPT) -> SearchText:
    message = text.replace("\n", "\r\n").encode() if isinstance(text, str) else text
    return read_search_text(message, scan(message), limit)


LETTER = read(
    "Received: from a\n\tby b\nX-Empty:\nSubject: =?utf-8?q?R=C3=A9sultat?= du\n test\nsubject: second\n"
    'From: "Léa Dupont" <Lea@Hopital.fr>\nTo: equipe: a@b.fr, Bob <b@b.fr>;\nTo: c@d.fr\nCc: =?utf-8?b?w4lsaXNl?= <e@f.fr>\n'
    "Bcc: g@h.fr\nX-Tag: un\nX-Tag: deux\n\nLe corps du message.\n"
)


def test_a_head_is_its_fields_and_then_its_sections() -> None:
    assert read("Subject: A\nFrom: b@c\nTo: d@e, f@g\n\n").head == (
        "\nsubject: a\nfrom: b@c\nto: d@e, f@g\n\ta\n\t <b@c>\n\t <d@e>\t <f@g>\n\t\n\t"
    )


@pytest.mark.parametrize(
    ("section", "needle", "found"),
    [
        (Section.SUBJECT, "RÉSULTAT du test", True),
        (Section.SUBJECT, "second", False),
        (Section.SUBJECT, "lea", False),
        (Section.FROM, "lea dupont <lea@hopital.fr>", True),
        (Section.FROM, '"lea', False),
        (Section.TO, "equipe", True),
        (Section.TO, "bob <b@b.fr>", True),
        (Section.TO, "c@d.fr", True),
        (Section.TO, "b.fr> bob", False),
        (Section.CC, "Elise", True),
        (Section.BCC, "g@h.fr", True),
        (Section.BCC, "", True),
        (Section.BCC, "c@d.fr", False),
        (Section.TO, "du test\n", False),
    ],
)
def test_a_section_is_searched_alone(section: Section, needle: str, found: bool) -> None:
    assert has_in_section(LETTER.head, section, fold_needle(needle)) is found


@pytest.mark.parametrize(
    ("name", "needle", "found"),
    [
        ("x-tag", "deux", True),
        ("x-tag", "", True),
        ("x-empty", "", True),
        ("x-empty", "a", False),
        ("x-none", "", False),
        ("tag", "un", False),
        ("received", "from a by b", True),
        ("from", '"léa dupont"', True),
        ("x-tag: un", "", False),
        ("", "", False),
        ("\tresultat du test", "", False),
        ("x-tag", "un\nx-tag: deux", False),
    ],
)
def test_a_field_is_searched_by_its_name(name: str, needle: str, found: bool) -> None:
    assert has_in_field(LETTER.head, name, fold_needle(needle)) is found


def test_the_fields_are_searched_with_their_names_but_without_the_sections() -> None:
    assert has_in_fields(LETTER.head, "x-tag: deux")
    assert has_in_fields(LETTER.head, "")
    assert not has_in_fields(LETTER.head, "lea dupont <lea@hopital.fr>")
    assert not has_in_fields(LETTER.head, "corps")
    assert not has_in_fields(LETTER.head, "un\nx-tag")


def test_a_message_without_a_header_has_empty_sections() -> None:
    assert read("\ntexte").head == "\n\t\n\t\n\t\n\t\n\t"
    assert not has_in_field(read("").head, "subject", "")
    assert has_in_section(read("").head, Section.TO, "")


@given(st.binary(max_size=300), st.sampled_from(Section), st.text(max_size=3))
def test_no_header_breaks_the_form_of_the_head(block: bytes, section: Section, needle: str) -> None:
    head = read(b"Subject: " + block + b"\r\nFrom: " + block + b"\r\n\r\n").head
    assert head.count("\n\t") == len(Section)
    assert "\0" not in head
    has_in_section(head, section, fold_needle(needle))
    has_in_field(head, needle, needle)
    has_in_fields(head, needle)


MIXED = """\
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Le c=E9l=
=E8bre
--b
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

{html}
--b
Content-Type: application/pdf; name="=?utf-8?q?R=C3=A9sum=C3=A9?=.pdf"
Content-Transfer-Encoding: base64

{pdf}
--b
Content-Type: message/rfc822

Subject: =?utf-8?q?D=C3=A9dans?=
Content-Type: text/plain

au fond
--b
Content-Type: message/delivery-status

Final-Recipient: rfc822; perdu@x.fr
--b--
""".format(
    html=base64.b64encode(b"<p>Prot&eacute;g&#233;&nbsp;bien</p>").decode(),
    pdf=base64.b64encode(b"%PDF secret").decode(),
)


@pytest.mark.parametrize(
    ("needle", "found"),
    [
        ("le célèbre", True),
        ("protégé bien", True),
        ("résumé.pdf", True),
        ("%pdf secret", False),
        ("subject: dedans", True),
        ("AU FOND", True),
        ("perdu@x.fr", True),
        ("multipart/mixed", False),
    ],
)
def test_a_body_is_its_texts_file_names_and_inner_messages(needle: str, found: bool) -> None:
    text = read(MIXED)
    assert (fold_needle(needle) in text.body) is found
    assert text.is_head_complete
    assert text.is_body_complete


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_a_long_text_is_kept_in_part_and_says_so(encoding: str) -> None:
    body = "é comme été, à la ligne\n" * 30_000 + "aiguille"
    coded = base64.encodebytes(body.encode()) if encoding == "base64" else body.encode()
    message = (
        f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n".encode() + coded
    )
    kept = read(message)
    assert not kept.is_body_complete
    assert kept.is_head_complete
    assert KEPT * 0.5 < len(kept.body) <= KEPT
    assert "\ufffd" not in kept.body
    assert "aiguille" not in kept.body
    whole = read(message, LARGEST)
    assert whole.is_body_complete
    assert whole.body.endswith("aiguille")


def test_a_long_header_is_kept_in_part_and_says_so() -> None:
    text = read("X: " + "a" * 300_000 + "\nSubject: s\n\ncorps")
    assert not text.is_head_complete
    assert text.is_body_complete
    assert has_in_section(text.head, Section.SUBJECT, "s")


def test_folding_cannot_make_a_body_long() -> None:
    text = read("Content-Type: text/plain; charset=utf-8\n\n" + "ﷺ" * 80_000)
    assert len(text.body) <= KEPT
    assert not text.is_body_complete


def test_attachments_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise AssertionError("decoded")

    message = (
        b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(b"x" * 1_000_000)
    )
    monkeypatch.setattr("foundation.mime.excerpts.decode_transfer", refuse)
    assert read(message).body == "a.pdf"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a header of 2 MB", b"X: " + b"=?utf-8?q?=C3=A9?= " * 110_000 + b"\r\n\r\n"),
        ("50 000 addresses", b"To: " + b"a <a@b>, " * 50_000 + b"\r\n\r\n"),
        ("5 000 fields", b"X: =?utf-8?q?=C3=A9?=\r\n" * 50_000 + b"\r\n"),
        (
            "10 000 parts",
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
            + b"--b\r\nContent-Disposition: attachment; filename*=utf-8''%C3%A9\r\n\r\nx\r\n" * 10_000,
        ),
        ("references", b"Content-Type: text/html\r\n\r\n" + b"&#" * 100_000 + b"1" * 100_000),
        (
            "inner messages",
            b"Content-Type: multipart/digest; boundary=b\r\n\r\n"
            + b"--b\r\n\r\nSubject: x\r\n\r\ny\r\n" * 4_000,
        ),
    ],
)
def test_no_message_takes_long(name: str, message: bytes) -> None:
    root = scan(message)
    started = time.process_time()
    text = read_search_text(message, root)
    assert time.process_time() - started < 2, name
    assert len(text.head) < 8 * KEPT


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("&eacute;&#233;&#xE9;", "ééé"),
        ("&amp;eacute;", "&eacute;"),
        ("AT&T & &;", "AT&T & &;"),
        ("&#" + "1" * 5_000 + ";", "\ufffd" + "1" * 4_992 + ";"),
    ],
)
def test_references_of_html_become_characters(source: str, text: str) -> None:
    assert decode_references(source) == text
