"""What a person sees of a message: its text, and its attachments under safe names."""

from __future__ import annotations

import pytest

from foundation.mime.headers import attachments, display_text, html_to_text
from foundation.mime.scanner import scan


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def shown(text: str) -> str:
    message = crlf(text)
    return display_text(message, scan(message))


def test_plain_text_is_shown_decoded() -> None:
    assert (
        shown("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nw6l0w6kNCg==\n")
        == "été"
    )


def test_html_is_shown_without_markup() -> None:
    assert shown(
        "Content-Type: text/html\n\n<style>p{}</style><p>Bonjour &eacute;l&egrave;ve</p><p>a<br>b &lt;c&gt;</p><script>x</script>"
    ) == ("Bonjour élève\na\nb <c>")


ALTERNATIVE = "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n{plain}\n--b\nContent-Type: text/html\n\n<b>html</b>\n--b--\n"


@pytest.mark.parametrize(("plain", "expected"), [("plain", "plain"), (" ", "html")])
def test_of_an_alternative_the_plain_text_is_shown_unless_it_is_blank(plain: str, expected: str) -> None:
    assert shown(ALTERNATIVE.replace("{plain}", plain)) == expected


def test_texts_of_a_mixed_message_follow_one_another_and_attached_ones_are_left_out() -> None:
    assert (
        shown(
            "Content-Type: multipart/mixed; boundary=m\n\n--m\n\none\n--m\nContent-Disposition: attachment\n\nno\n"
            "--m\nContent-Type: text/plain; name=a.txt\n\nno\n--m\nContent-Type: message/rfc822\n\nSubject: x\n\nno\n--m\n\ntwo\n--m--\n"
        )
        == "one\n\ntwo"
    )


@pytest.mark.parametrize(
    "source", ["<div>" * 50_000, "<b></p>" * 30_000, "<" * 200_000, "\xa0" * 200_000, "<!--" * 50_000]
)
def test_hostile_html_ends(source: str) -> None:
    assert "<div>" not in html_to_text(source)


def test_too_long_a_text_is_replaced_by_a_sentence() -> None:
    assert shown("\n" + "x" * 2_000_000) == "[Ce texte est trop long pour être affiché.]"


MIXED = crlf(
    "Content-Type: multipart/mixed; boundary=m\n\n--m\n\ntext\n--m\n"
    'Content-Type: application/zip; name="IHE_XDM.ZIP"\nContent-Disposition: attachment; filename="IHE_XDM.ZIP"\n'
    "Content-Transfer-Encoding: base64\n\nSGVs\nbG8=\n\n--m\n"
    'Content-Type: application/pdf\nContent-Disposition: attachment; filename="../..\\\\x/r\u202e:a.pdf"\n\nabc\n--m\n'
    "Content-Type: message/rfc822\n\nSubject: x\n\nhello\n--m\nContent-Type: message/disposition-notification\n\nx\n--m--\n"
)


def test_attachments_have_safe_names_types_and_decoded_sizes() -> None:
    found = attachments(MIXED, scan(MIXED))
    assert [(one.part.number, one.filename, one.media_type, one.size) for one in found] == [
        ("2", "IHE_XDM.ZIP", "application/zip", 5),
        ("3", "r a.pdf", "application/pdf", 3),
        ("4", "piece-jointe-3.eml", "message/rfc822", 19),
    ]


def test_a_message_that_is_one_document_is_its_attachment() -> None:
    message = crlf("Content-Type: application/pdf\n\n%PDF")
    (only,) = attachments(message, scan(message))
    assert (only.filename, only.part.number) == ("piece-jointe-1.pdf", "")


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        ("text/xml; name=CR.xml", "CR.xml"),
        ("text/xml", "piece-jointe-1.xml"),
        ("text/plain; name=a.txt", "a.txt"),
        ("text/calendar", "piece-jointe-1"),
    ],
)
def test_a_message_that_is_one_text_nobody_shows_is_its_attachment(media_type: str, name: str) -> None:
    message = crlf(f"Content-Type: {media_type}\n\n<a/>")
    assert display_text(message, scan(message)) == ""
    assert [each.filename for each in attachments(message, scan(message))] == [name]


def test_a_text_message_has_no_attachment() -> None:
    message = crlf("Content-Type: text/plain\n\nBonjour")
    assert attachments(message, scan(message)) == []


def test_a_character_reference_of_thousands_of_digits_is_only_text() -> None:
    text = html_to_text("<div>" * 301 + "a&#" + "1" * 5000 + ";")
    assert text.endswith("1" * 4000 + ";")
