"""A preview is the first words of a message on one line (RFC 8970)."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.mime.scanner import scan
from mailserver.imap.preview import MAX_HTML_OCTETS, MAX_PREVIEW, preview


def shown(text: str | bytes) -> str:
    message = text.replace("\n", "\r\n").encode() if isinstance(text, str) else text
    return preview(message, scan(message))


def html(source: str) -> str:
    return shown(f"Content-Type: text/html; charset=utf-8\n\n{source}")


def plain(source: str) -> str:
    return shown(f"Content-Type: text/plain; charset=utf-8\n\n{source}")


def test_white_space_is_collapsed() -> None:
    assert plain("\n Bonjour,\n\n\tvoici   le\xa0compte rendu. \n") == "Bonjour, voici le compte rendu."


def test_a_preview_has_at_most_200_characters() -> None:
    assert plain("é" * 5000) == "é" * MAX_PREVIEW
    assert plain("mot " * 100) == ("mot " * 50).strip()


def test_no_text_has_no_preview() -> None:
    assert shown("") == shown("Subject: x\n\n") == plain(" \n\t\n") == html("<p></p><img src=x>") == ""
    assert shown("Content-Type: application/pdf\n\nbonjour") == ""
    assert shown("Content-Disposition: attachment\n\nbonjour") == ""


@pytest.mark.parametrize(
    "text",
    [
        "> Avant\nMerci.\n> Encore",
        "Merci.\n\nLe 3 mars 2026 à 10:00, Léa <l@b.fr> a écrit :\n> Avant",
        "Le 3 mars 2026 à 10:00, Léa\n<l@b.fr> a écrit\xa0:\n> Avant\nMerci.",
        "On 3 March, Bob wrote:\n> Before\nMerci.",
        "Merci.\n-- \nDr Dupont",
    ],
)
def test_what_is_quoted_and_signatures_are_left_out(text: str) -> None:
    assert plain(text) == "Merci."


def test_a_message_that_only_quotes_shows_what_it_quotes() -> None:
    assert plain("> Avant") == "> Avant"
    assert html("<blockquote>Avant</blockquote>") == "Avant"


def test_a_line_that_only_ends_like_an_attribution_stays() -> None:
    assert plain("Mon confrère m'a écrit :\nbonjour") == "Mon confrère m'a écrit : bonjour"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<p>Bonjour,</p><p>voici</p>", "Bonjour, voici"),
        ("b<b>o</b>n<SPAN class=x>jour</SPAN>", "bonjour"),
        ("<head><title>T</title><STYLE>p { }</sTyle></head><body>oui", "oui"),
        ("a<!-- <p>non</p> -->b<script>x('<p>')</script >c<template><p>n</p></template>d", "a b c d"),
        ("a<style>b", "a"),
        ("a < b &lt;c&gt; &eacute;&#160;&#8203;f", "a < b <c> é f"),
        ("Merci<blockquote><p>Avant</p></blockquote>", "Merci"),
        ("fin <img alt=", "fin"),
        ("&lt;script&gt;", "<script>"),
    ],
)
def test_html_shows_its_words(source: str, words: str) -> None:
    assert html(source) == words


def test_the_first_text_that_has_words_is_shown() -> None:
    parts = "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n{}\n--b\nContent-Type: text/html\n\n<b>riche</b>\n--b--\n"
    assert shown(parts.format("simple")) == "simple"
    assert shown(parts.format(" \n")) == "riche"


def test_a_message_inside_is_not_shown() -> None:
    assert shown("Content-Type: message/rfc822\n\nSubject: x\n\ndedans") == ""


def test_transfer_encoding_and_character_set_are_undone() -> None:
    header = "Content-Type: text/plain; charset=iso-8859-15\nContent-Transfer-Encoding: "
    assert shown(f"{header}quoted-printable\n\n=E9t=E9 10 =A4") == "été 10 €"
    assert shown(f"{header}base64\n\n6XTpIDEwIKQ=") == "été 10 €"


@given(st.text(max_size=400))
def test_a_preview_is_one_line_without_controls_and_turns_of_direction(text: str) -> None:
    for words in (plain(text), html(text)):
        assert len(words) <= MAX_PREVIEW
        assert not any(unicodedata.category(letter) == "Cc" for letter in words)
        assert not any(letter in words for letter in "\u202a\u202e\u2066\u2069\u200e\u200f\u061c\ufeff\u2028")


@pytest.mark.parametrize(
    "source",
    [
        "<" * MAX_HTML_OCTETS,
        "<a" * MAX_HTML_OCTETS,
        "<a " * MAX_HTML_OCTETS,
        "<style" * MAX_HTML_OCTETS,
        "<!--" * MAX_HTML_OCTETS,
        "<!---->" * MAX_HTML_OCTETS,
        "<title></title>" * MAX_HTML_OCTETS,
        "</" * MAX_HTML_OCTETS,
        "<blockquote>" * MAX_HTML_OCTETS,
        "<style></style " * MAX_HTML_OCTETS,
        "&#" * MAX_HTML_OCTETS,
        "<a\t" * MAX_HTML_OCTETS,
    ],
    ids=lambda source: source[:9],
)
def test_no_html_takes_long(source: str) -> None:
    message = b"Content-Type: text/html\r\n\r\n" + source.encode()
    root = scan(message)
    started = time.process_time()
    preview(message, root)
    assert time.process_time() - started < 0.5


def test_a_message_of_many_parts_is_not_searched_to_its_end() -> None:
    part = b"--b\r\nContent-Type: text/html\r\n\r\n" + b"<p>" * 30_000 + b"\r\n"
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 100
    root = scan(message)
    started = time.process_time()
    assert preview(message, root) == ""
    assert time.process_time() - started < 1
