"""The corpus of the IMAP rows: the same for both servers, and varied."""

from __future__ import annotations

import email
import email.policy

from benchmarks.letters import LETTERS, RARE, letters, small


def test_the_corpus_is_the_same_each_time() -> None:
    assert list(letters(200)) == list(letters(200))


def test_the_corpus_is_as_varied_as_the_rows_need() -> None:
    made = list(letters())
    assert len(made) == LETTERS
    assert 0.45 < sum("\\Seen" in letter.flags for letter in made) / LETTERS < 0.55
    assert 0.28 < sum(b"multipart/mixed" in letter.content for letter in made) / LETTERS < 0.38
    assert 700 < sum(b"\r\nReferences: " in letter.content for letter in made) < 1800
    assert (
        max(letter.received_at for letter in made) - min(letter.received_at for letter in made)
    ).days > 700
    assert any(RARE.encode() in letter.content for letter in made)
    assert all(b"\nzq9 " not in letter.content for letter in made)


def test_every_letter_is_read_without_a_defect_and_its_subject_is_french() -> None:
    read = [email.message_from_bytes(letter.content, policy=email.policy.default) for letter in letters(300)]
    assert not [message.defects for message in read if message.defects]
    assert any("é" in message["Subject"] for message in read)
    assert len({message["Message-ID"] for message in read}) == 300


def test_the_letter_to_append_has_about_its_2800_octets() -> None:
    assert all(2700 < len(small(number).content) < 2950 for number in range(50))
