"""Folding keeps substrings, and the collation of SORT is that of RFC 5051."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.mime.casemap import MAX_TRIGRAMS, fold_needle, fold_text, trigrams_of, unicode_casemap

_TEXT = st.text(st.characters(exclude_categories=("Cs",)))
_FRENCH = st.text("aàâäeéèêëiîïoôœuùûcçAÉŒÆßØ’'- \u00a0\t\n.\u0301\u0308İıΣςσﬁ…½ﷺ가", max_size=60)


@given(_TEXT | _FRENCH, _TEXT | _FRENCH, _TEXT | _FRENCH)
def test_what_is_in_a_text_is_in_the_folded_text(before: str, needle: str, after: str) -> None:
    assert fold_needle(needle) in fold_text(before + needle + after)


@given(_TEXT | _FRENCH)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold_text(fold_text(text)) == fold_text(text)


@given(_TEXT | _FRENCH)
def test_a_text_folds_as_its_characters_do(text: str) -> None:
    assert fold_text(text) == "".join(map(fold_text, text.replace("\r\n", "\n")))


@given(st.text(st.characters(max_codepoint=127), max_size=200))
def test_ascii_folds_alike_beside_other_letters(text: str) -> None:
    assert fold_text("œ" + text) == "oe" + fold_text(text)


@given(_TEXT | _FRENCH)
def test_case_does_not_count(text: str) -> None:
    assert fold_text(text.casefold()) == fold_text(text)


def test_every_character_folds_to_what_stays_folded() -> None:
    letters = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    folded = fold_text(letters)
    assert fold_text(folded) == folded
    assert not any(character in folded for character in "\0\t\r\x7f\xa0éÉœ’")


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Œdème à l’hôpital", "oedeme a l'hopital"),
        ("NOËL\u00a0: ça", "noel : ca"),
        ("Straße STRASSE", "strasse strasse"),
        ("e\u0301te\u0301", "ete"),
        ("Łukasz Đorđe Søren", "lukasz dorde soren"),
        ("İstanbul ılık", "istanbul ilik"),
        ("a\tb\0c\x7fd\re", "a b c d e"),
        ("deux  blancs\r\nlignes", "deux  blancs\nlignes"),
        ("rendez\u2011vous", "rendez-vous"),
        ("ΣΊΣΥΦΟΣ σίσυφος", "σισυφοσ σισυφοσ"),
        ("ﬁn… ½", "fin... 1\u20442"),
    ],
)
def test_letters_are_found_as_people_type_them(text: str, folded: str) -> None:
    assert fold_text(text) == folded


def test_trigrams_are_all_of_a_short_needle_and_none_of_a_shorter() -> None:
    assert trigrams_of("dupont") == ("dup", "upo", "pon", "ont")
    assert trigrams_of("aaaa") == ("aaa",)
    assert trigrams_of("ab") == trigrams_of("") == ()


@given(st.text("abcdefghij", min_size=40, max_size=300))
def test_trigrams_of_a_long_needle_are_few_and_reach_its_end(needle: str) -> None:
    pieces = trigrams_of(needle)
    assert len(pieces) == len(set(pieces)) <= MAX_TRIGRAMS
    assert all(piece in needle for piece in pieces)
    assert pieces[0] == needle[:3]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Résumé", "RE\u0301SUME\u0301"),
        ("straße", "STRAßE"),  # RFC 5051 has no mapping to several characters
        ("ǆ", "D\u017d".replace("\u017d", "z\u030c")),  # its title case ǅ, decomposed
        ("abc", "ABC"),
    ],
)
def test_sort_keys_are_title_case_decomposed(text: str, key: str) -> None:
    assert unicode_casemap(text) == key


@given(_TEXT)
def test_texts_that_differ_in_case_alone_sort_alike(text: str) -> None:
    ascii_only = "".join(letter.lower() if letter.isascii() else letter for letter in text)
    assert unicode_casemap(ascii_only) == unicode_casemap(text)


def test_folding_is_quick_whatever_the_letters() -> None:
    every = "".join(chr(code) for code in range(0x80, 0x30000) if not 0xD800 <= code < 0xE000)
    started = time.process_time()
    fold_text(every)
    fold_text("\u0301" * 262_144)
    fold_text("é’œ" * 87_381)
    assert time.process_time() - started < 3
