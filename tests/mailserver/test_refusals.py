from __future__ import annotations

import re

import pytest

from mailserver import refusals
from mailserver.refusals import REFUSALS, Refusal

ALL = [value for value in vars(refusals).values() if isinstance(value, Refusal)]


def test_no_two_refusals_share_a_code() -> None:
    assert len(REFUSALS) == len(ALL)


def test_the_table_is_in_the_order_of_its_codes() -> None:
    assert list(REFUSALS) == sorted(REFUSALS)


@pytest.mark.parametrize("refusal", ALL, ids=lambda refusal: refusal.code)
def test_a_refusal_is_a_reply_of_smtp_and_two_sentences_of_french(refusal: Refusal) -> None:
    assert re.fullmatch(r"MSS-1\d\d", refusal.code)
    assert 400 <= refusal.reply < 600
    assert re.fullmatch(r"[45]\.\d{1,3}\.\d{1,3}", refusal.enhanced)
    assert refusal.enhanced[0] == str(refusal.reply)[0]
    assert refusal.sentence.endswith(".")
    assert refusal.advice.endswith(".")


@pytest.mark.parametrize("refusal", ALL, ids=lambda refusal: refusal.code)
def test_what_goes_over_smtp_is_seven_bits_and_one_line(refusal: Refusal) -> None:
    text = refusal.smtp_text
    assert text.isascii()
    assert text.isprintable()
    assert text.startswith(f"{refusal.enhanced} {refusal.code} ")
    assert len(text) < 500  # RFC 5321 §4.5.3.1.5: 512 with the code and CRLF


def test_accents_become_plain_letters() -> None:
    assert refusals.UNKNOWN_PATIENT.smtp_text == "5.1.1 MSS-113 Patient non trouve."


def test_too_big_and_too_many_hops_have_the_codes_of_the_rfcs() -> None:
    assert (refusals.TOO_BIG.reply, refusals.TOO_BIG.enhanced) == (552, "5.3.4")
    assert (refusals.TOO_MANY_HOPS.reply, refusals.TOO_MANY_HOPS.enhanced) == (554, "5.4.6")
    assert (refusals.WRONG_PASSWORD.reply, refusals.WRONG_PASSWORD.enhanced) == (535, "5.7.8")
    assert (refusals.LOCKED_OUT.reply, refusals.LOCKED_OUT.enhanced) == (454, "4.7.0")


def test_only_4yz_is_temporary() -> None:
    assert refusals.LOCKED_OUT.is_temporary
    assert not refusals.UNKNOWN_MAILBOX.is_temporary


@pytest.mark.parametrize("number", range(150, 158))
def test_advice_on_a_certificate_is_for_who_wrote_the_message_first(number: int) -> None:
    advice = REFUSALS[f"MSS-{number}"].advice
    assert advice.lower().index("joignez le destinataire par un autre moyen") < advice.index("doit ")
