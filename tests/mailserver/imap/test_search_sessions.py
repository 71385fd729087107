"""Searching beside others: numbers that are still the client's, what is told first, and what a dialect forbids."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailserver.imap.dialect import Dialect
from mailserver.imap.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.mailserver.imap.conftest import Imap


@pytest.fixture
def speaks(monkeypatch: pytest.MonkeyPatch) -> Callable[[Dialect], None]:
    """Every session speaks like this from its start."""

    def set_dialect(dialect: Dialect) -> None:
        made = Session.__init__

        def init(self: Session, *arguments: object) -> None:
            made(self, *arguments)  # type: ignore[arg-type]
            self.dialect = replace(dialect)

        monkeypatch.setattr(Session, "__init__", init)

    return set_dialect


async def letters(imap: Imap, count: int) -> None:
    for number in range(count):
        await imap.deliver(f"Subject: {chr(122 - number)}\r\n\r\nbody\r\n".encode())


async def test_numbers_stay_those_of_the_client_until_it_is_told(imap: Imap) -> None:
    await letters(imap, 5)
    one, other = await imap.selected(), await imap.selected()
    await other.command("STORE 2,4 +FLAGS.SILENT (\\Deleted)")
    await other.command("EXPUNGE")
    assert (await one.command("SEARCH ALL"))[-2:] == ["* SEARCH 1 3 5", "OK SEARCH completed"]
    assert (await one.command("SEARCH 2:3"))[0] == "* SEARCH 3"
    assert (await one.command("SORT (SUBJECT) UTF-8 ALL"))[0] == "* SORT 5 3 1"
    assert (await one.command("THREAD ORDEREDSUBJECT UTF-8 ALL"))[0] == "* THREAD (1)(3)(5)"
    assert await one.command("UID SEARCH ALL") == [
        "* SEARCH 1 3 5",
        "* 4 EXPUNGE",
        "* 2 EXPUNGE",
        "OK SEARCH completed",
    ]
    assert (await one.command("SEARCH ALL"))[0] == "* SEARCH 1 2 3"
    assert (await one.command("THREAD ORDEREDSUBJECT UTF-8 ALL"))[0] == "* THREAD (1)(2)(3)"


async def test_a_search_sees_what_another_session_has_just_done(imap: Imap) -> None:
    await letters(imap, 2)
    one, other = await imap.selected(), await imap.selected()
    await other.command("STORE 2 +FLAGS.SILENT (\\Flagged $Urgent)")
    said = await one.command("SEARCH FLAGGED KEYWORD $urgent")
    assert "* 2 FETCH (FLAGS (\\Flagged \\Recent $Urgent))" in said
    assert said[-2:] == ["* SEARCH 2", "OK SEARCH completed"]
    await imap.deliver()
    assert (await one.command("SEARCH SUBJECT hello")) == [
        "* 3 EXISTS",
        "* 3 RECENT",
        "* SEARCH 3",
        "OK SEARCH completed",
    ]


async def test_a_message_copied_twice_into_a_folder_is_found_twice(imap: Imap) -> None:
    await letters(imap, 1)
    client = await imap.selected()
    await client.command("COPY 1 INBOX")
    await client.command("NOOP")
    assert (await client.command("SEARCH BODY body"))[0] == "* SEARCH 1 2"
    assert (await client.command("SEARCH EMAILID M1"))[0] == "* SEARCH 1 2"


async def test_an_empty_folder_is_searched_sorted_and_threaded(imap: Imap) -> None:
    client = await imap.selected()
    for command, answer in (
        ("SEARCH TEXT x", "* SEARCH"),
        ("SEARCH NOT SENTON 1-Jan-2026", "* SEARCH"),
        ("SORT (DATE) UTF-8 ALL", "* SORT"),
        ("THREAD REFERENCES UTF-8 ALL", "* THREAD"),
        ("UID SEARCH RETURN (COUNT) ALL", '* ESEARCH (TAG "t7") UID COUNT 0'),
    ):
        assert (await client.command(command))[0] == answer


async def test_no_charset_is_named_after_utf8_accept(imap: Imap, speaks: Callable[[Dialect], None]) -> None:
    speaks(Dialect(has_utf8=True))
    client = await imap.selected()
    assert (await client.command("SEARCH CHARSET UTF-8 ALL"))[-1].startswith("BAD")
    assert (await client.command("SEARCH SUBJECT é"))[-1].startswith("BAD")  # a string must be quoted
    assert (await client.command('SEARCH SUBJECT "é"'))[-1].startswith("OK")
    assert (await client.command("SORT (DATE) UTF-8 ALL"))[-1].startswith("OK")


async def test_numbers_are_no_search_keys_under_uidonly(
    imap: Imap, speaks: Callable[[Dialect], None]
) -> None:
    speaks(Dialect(is_uid_only=True))
    await letters(imap, 3)
    client = await imap.selected()
    for command in ("SEARCH ALL", "UID SEARCH 1:2", "UID SEARCH OR SEEN NOT 1", "UID SORT (DATE) UTF-8 *"):
        assert (await client.command(command))[-1].startswith("BAD [UIDREQUIRED]")
    assert (await client.command("UID SEARCH RETURN (SAVE COUNT) UID 2:3"))[0].endswith("UID COUNT 2")
    assert (await client.command("UID SEARCH $"))[0] == "* SEARCH 2 3"
    assert (await client.command("UID THREAD REFERENCES UTF-8 $"))[0] == "* THREAD (2)(3)"


async def test_a_search_that_fails_leaves_nothing_saved(imap: Imap, monkeypatch: pytest.MonkeyPatch) -> None:
    await letters(imap, 2)
    client = await imap.selected()
    await client.command("SEARCH RETURN (SAVE) ALL")

    async def fail(*_: object) -> int:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr("mailserver.imap.commands.search.find", fail)
        assert (await client.command("SEARCH RETURN (SAVE) 1"))[-1].startswith("NO [UNAVAILABLE]")
    assert (await client.command("SEARCH $"))[0] == "* SEARCH"


async def test_programs_as_deep_and_long_as_allowed_are_answered(imap: Imap) -> None:
    await letters(imap, 3)
    client = await imap.selected()
    assert (await client.command("SEARCH " + "NOT " * 100 + "SUBJECT z"))[0] == "* SEARCH 1"
    assert (await client.command("SEARCH " + "OR SUBJECT y " * 99 + "SUBJECT x"))[0] == "* SEARCH 2 3"
    assert (await client.command("SEARCH " + " ".join(["BODY b"] * 4000)))[0] == "* SEARCH 1 2 3"
