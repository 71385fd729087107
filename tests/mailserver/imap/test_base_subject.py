"""The base subject is extracted as RFC 5256 §2.1 says, in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.imap.base_subject import BaseSubject, base_subject

_PIECES = st.sampled_from(
    (
        "re",
        "Re:",
        "fw",
        "FWD",
        "fwd:",
        "[fwd:",
        "]",
        "[",
        "[a]",
        "[re]",
        ":",
        " ",
        "\t",
        "(fwd)",
        "(FWD)",
        "x",
        "é",
    )
)
_SUBJECTS = st.lists(_PIECES, max_size=12).map("".join)


@pytest.mark.parametrize(
    ("subject", "base", "is_reply"),
    [
        ("Objet", "Objet", False),
        ("Re: Objet", "Objet", True),
        ("re :Objet", "Objet", True),
        ("RE: Fw: fwd: re: Objet", "Objet", True),
        ("Re[2]: Objet", "Objet", True),
        ("re [x] [y]: Objet", "re [x] [y]: Objet", False),
        ("[liste] Re: Objet", "Objet", True),
        ("[a][b] Re: [c] Re: Objet", "Objet", True),
        ("[liste] Objet", "Objet", False),
        ("[a][b]", "[b]", False),
        ("[seul]", "[seul]", False),
        ("[a[b] Objet", "[a[b] Objet", False),
        ("Objet (fwd)", "Objet", True),
        ("Objet (FWD) (fwd)  ", "Objet", True),
        ("Objet (fwd) fin", "Objet (fwd) fin", False),
        ("[Fwd: Objet]", "Objet", True),
        ("[fwd: [FWD: Re: Objet (fwd)] ]", "Objet", True),
        ("[a][fwd: Objet]", "Objet", True),
        ("[fwd: Objet] fin", "fin", False),
        ("[fwd: Objet", "[fwd: Objet", False),
        ("[fwd:]", "", True),
        ("  un \t deux\r\n trois ", "un deux trois", False),
        ("Ref: Objet", "Ref: Objet", False),
        ("Re Objet", "Re Objet", False),
        ("Réf: Objet", "Réf: Objet", False),
        ("Re:", "", True),
        ("(fwd)", "", True),
        ("", "", False),
    ],
)
def test_marks_of_replies_and_forwards_are_taken_away(subject: str, base: str, is_reply: bool) -> None:
    assert base_subject(subject) == BaseSubject(base, is_reply)


@given(_SUBJECTS | st.text())
def test_a_base_subject_is_its_own_base_subject(subject: str) -> None:
    base = base_subject(subject).text
    assert base_subject(base) == BaseSubject(base, is_reply=False)


@given(_SUBJECTS)
def test_an_answer_has_the_base_subject_of_what_it_answers(subject: str) -> None:
    expected = base_subject(subject).text
    answers = [f"Re: {subject}", f"{subject} (fwd)", f"[x] Fwd [2]: {subject}"]
    if "]" not in expected:  # else its bracket may end the forward
        answers.append(f"[fwd: {expected}]")
    for answer in answers:
        assert base_subject(answer) == BaseSubject(expected, is_reply=True)


@pytest.mark.parametrize(
    "subject",
    [
        "re: " * 500_000,
        "[" * 2_000_000,
        "[a]" * 700_000 + "x",
        "[a]" * 700_000,
        "[fwd:" * 400_000 + "]" * 400_000,
        "(fwd)" * 400_000,
        " " * 2_000_000,
        "re[" * 700_000,
        "[a" * 1_000_000 + "]" * 1_000_000,
        "[a]re:" * 350_000,
        "re [a] " * 300_000,
    ],
    ids=lambda subject: subject[:8],
)
def test_no_subject_takes_long(subject: str) -> None:
    started = time.process_time()
    base_subject(subject)
    assert time.process_time() - started < 4
