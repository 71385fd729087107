"""The keys of SORT and SORT=DISPLAY are read once, at delivery (RFC 5256 §3, RFC 5957)."""

from __future__ import annotations

import pytest

from foundation.mime.scanner import scan
from mailserver.imap.sort_keys import MAX_KEY, SortKeys
from mailserver.imap.structure import render


def keys(header: str) -> SortKeys:
    message = f"{header}\n\n".replace("\n", "\r\n").encode()
    return render(message, scan(message)).sort_keys


def test_keys_are_of_the_first_addresses_and_the_base_subject() -> None:
    assert keys(
        "Subject: Re: [liste] =?utf-8?q?=C3=89t=C3=A9?=\nFrom: Zoe <marie@a.fr>, b@c.fr\n"
        "To: =?utf-8?q?L=C3=A9a?= <lea@b.fr>\nCc: paul@c.fr"
    ) == SortKeys("E\u0301TE\u0301", "MARIE", "LEA", "PAUL", "ZOE", "LE\u0301A")


def test_absent_fields_have_empty_keys() -> None:
    assert keys("X: y") == SortKeys("", "", "", "", "", "")
    assert keys("From:\nTo: ,\nCc: <>") == SortKeys("", "", "", "", "", "")


@pytest.mark.parametrize(
    ("field", "mailbox", "display"),
    [
        ("lea@b.fr", "LEA", "LEA@B.FR"),
        ('"" <lea@b.fr>', "LEA", "LEA@B.FR"),
        ("lea@b.fr (Dr Léa)", "LEA", "DR LE\u0301A"),
        ("equipe: lea@b.fr;", "EQUIPE", "EQUIPE"),
        ("undisclosed-recipients:;", "UNDISCLOSED-RECIPIENTS", "UNDISCLOSED-RECIPIENTS"),
    ],
)
def test_an_address_sorts_by_mailbox_and_by_what_a_person_reads(
    field: str, mailbox: str, display: str
) -> None:
    found = keys(f"From: {field}\nTo: {field}")
    assert (found.from_, found.display_from) == (found.to, found.display_to) == (mailbox, display)


def test_keys_are_short() -> None:
    found = keys(f"Subject: {'é' * 5000}\nFrom: {'x' * 5000} <{'y' * 5000}@z>")
    assert [len(key) for key in (found.base_subject, found.from_, found.display_from)] == [MAX_KEY] * 3
