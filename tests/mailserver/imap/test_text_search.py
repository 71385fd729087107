"""What the index and the kept texts find is what reading every message finds, at every moment."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from foundation.mime.casemap import fold_needle
from foundation.mime.scanner import scan
from foundation.mime.search_text import (
    SearchText,
    Section,
    has_in_field,
    has_in_fields,
    has_in_section,
    read_search_text,
)
from mailserver.imap import text_search
from mailserver.imap.indexing import Indexing
from mailserver.store import search_index

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.mailserver.imap.client import Client
    from tests.mailserver.imap.conftest import Imap

WORDS = (
    "été", "ÉTÉ", "ete", "Noël", "œuvre", "Straße", "strasse", "a", "ab", "abc", "abcabc", "l'avis", "l’avis",
    "100 %", "x-y", '"quoted"', "日本語", "naïve", "fin", "MÜLLER",
)  # fmt: skip
NEEDLES = (
    *WORDS, "te", "été noel", "c a", "bcab", "muller", "<x@", "@y.fr", '"', "%", "subject: ", "語", "zzz", "\\",
)  # fmt: skip
WHERE = ("SUBJECT", "FROM", "TO", "CC", "BCC", "BODY", "TEXT", "HEADER Subject", "HEADER X-Note")
_SECTIONS = {name: Section[name] for name in ("SUBJECT", "FROM", "TO", "CC", "BCC")}


def letter(chance: random.Random) -> bytes:
    def some(most: int) -> str:
        return " ".join(chance.choice(WORDS) for _ in range(chance.randint(0, most)))

    lines = [f"From: {some(1)} <x@y.fr>", f"Subject: {some(3)}"]
    for name in ("To", "Cc", "Bcc"):
        if chance.random() < 0.4:
            lines.append(f'{name}: "{some(1).replace(chr(34), "")}" <{name.lower()}@y.fr>')
    if chance.random() < 0.3:
        lines.append(f"X-Note: {some(2)}")
    return "\r\n".join((*lines, "Content-Type: text/plain; charset=utf-8", "", some(8), "")).encode()


@cache
def read(message: bytes) -> SearchText:
    return read_search_text(message, scan(message))


def holds(message: bytes, where: str, needle: str) -> bool:
    searched = read(message)
    folded = fold_needle(needle)
    if where in _SECTIONS:
        return has_in_section(searched.head, _SECTIONS[where], folded)
    if where.startswith("HEADER"):
        return has_in_field(searched.head, where.split()[1].lower(), folded)
    return folded in searched.body or (where == "TEXT" and has_in_fields(searched.head, folded))


async def ask(client: Client, program: str) -> set[int]:
    found = await client.command(f"UID SEARCH CHARSET UTF-8 {program}")
    assert found[-1].startswith("OK"), found
    return {int(uid) for line in found if line.startswith("* SEARCH") for uid in line.split()[2:]}


def quoted(needle: str) -> str:
    return '"' + needle.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def index_all(imap: Imap) -> None:
    while await imap.database.write(lambda uow: search_index.index_texts(uow, 1, 50)):
        continue


def rows(connection: Connection, statement: str) -> list[tuple[int, ...]]:
    return [tuple(row) for row in connection.execute(text(statement))]


async def check_index(imap: Imap) -> None:
    """The index holds the texts that say so, and no other."""
    await imap.database.write(
        lambda uow: uow.execute(text("INSERT INTO mail_index (mail_index) VALUES ('integrity-check')"))
    )
    known = await imap.database.read(
        lambda connection: rows(connection, "SELECT rowid FROM mail_index ORDER BY 1")
    )
    said = await imap.database.read(
        lambda connection: rows(
            connection, "SELECT owner_id << 40 | mail_id FROM mail_text WHERE lacks & 1 = 0 ORDER BY 1"
        )
    )
    assert known == said


@pytest.mark.parametrize("seed", range(4))
async def test_the_index_finds_what_reading_finds(
    imap: Imap, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(text_search, "_FEW", 0)
    monkeypatch.setattr(text_search, "_CHUNK", 7)
    chance = random.Random(seed)
    letters = {}
    for number in range(40):
        message = letter(chance)
        letters[(await imap.deliver(message)).uid] = message
        if number == 25:
            await index_all(imap)  # the others are compared without it
    client = await imap.selected()
    for where in WHERE:
        for needle in NEEDLES:
            expected = {uid for uid, message in letters.items() if holds(message, where, needle)}
            assert await ask(client, f"{where} {quoted(needle)}") == expected, (where, needle)
    for _ in range(60):
        keys = [(chance.choice(WHERE), chance.choice(NEEDLES)) for _ in range(3)]
        first, second, third = (
            {uid for uid, message in letters.items() if holds(message, where, needle)}
            for where, needle in keys
        )
        one, two, three = (f"{where} {quoted(needle)}" for where, needle in keys)
        assert await ask(client, f"OR {one} NOT {two} {three}") == (first | set(letters) - second) & third
        assert await ask(client, f"NOT (OR {one} {two}) UID 1:20") == {
            uid for uid in set(letters) - first - second if uid <= 20
        }


async def test_deleted_and_moved_messages_leave_no_row_behind(imap: Imap) -> None:
    chance = random.Random(9)
    for _ in range(30):
        await imap.deliver(letter(chance))
    await index_all(imap)
    for _ in range(10):
        await imap.deliver(letter(chance))
    client = await imap.selected()
    await client.command("CREATE Elsewhere")
    everywhere = 'TEXT "x@y.fr"'
    assert len(await ask(client, everywhere)) == 40
    assert (await client.command("UID COPY 1:5 Elsewhere"))[-1].startswith("OK")
    assert (await client.command("UID MOVE 6:10 Elsewhere"))[-1].startswith("OK")
    await client.command("UID STORE 1:20,35:40 +FLAGS.SILENT (\\Deleted)")
    await client.command("EXPUNGE")
    assert await ask(client, everywhere) == set(range(21, 35))
    await check_index(imap)
    count = "SELECT (SELECT count(*) FROM mail), (SELECT count(*) FROM mail_text), (SELECT count(*) FROM mail_key)"
    assert await imap.database.read(lambda connection: rows(connection, count)) == [(24, 24, 24)]
    await client.command("SELECT Elsewhere")
    assert len(await ask(client, everywhere)) == 10
    await client.command("UNSELECT")
    await client.command("DELETE Elsewhere")
    await check_index(imap)
    assert await imap.database.read(lambda connection: rows(connection, count)) == [(14, 14, 14)]


async def test_the_rows_of_an_owner_go_with_the_owner(imap: Imap) -> None:
    await imap.deliver()
    await index_all(imap)
    await imap.database.write(lambda uow: uow.execute(text("DELETE FROM message")))
    await imap.database.write(lambda uow: uow.execute(text("DELETE FROM mail")))
    await check_index(imap)
    assert await imap.database.read(lambda connection: rows(connection, "SELECT 1 FROM mail_index")) == []


async def test_boxes_do_not_find_what_others_have(imap: Imap) -> None:
    await imap.deliver(b"Subject: secret word\r\n\r\nsecret body\r\n")
    await index_all(imap)
    other = await imap.selected(login="paul@test.mssante.fr")
    assert await ask(other, "TEXT secret") == set()


async def test_texts_too_long_to_keep_are_found_in_the_message(imap: Imap) -> None:
    filler = b"filling the room \r\n" * 20_000
    for ending in (b"needle\r\n", b"nothing\r\n"):
        await imap.deliver(b"Subject: long\r\n\r\n" + filler + ending)
    await index_all(imap)
    client = await imap.selected()
    assert await ask(client, "BODY needle") == {1}
    assert await ask(client, "BODY filling") == {1, 2}
    assert await ask(client, "NOT TEXT needle") == {2}
    assert await ask(client, "SUBJECT needle") == set()


async def test_a_search_in_many_visits_finds_the_same_and_says_that_it_goes_on(
    imap: Imap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailserver.imap.searching._VISIT_SECONDS", 0.0)
    monkeypatch.setattr("mailserver.imap.searching._PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr(text_search, "_CHUNK", 5)
    for _ in range(20):
        await imap.deliver()
    client = await imap.selected()
    said = await client.command("SEARCH BODY line SUBJECT hello NOT BODY absent")
    assert said[-2] == "* SEARCH " + " ".join(map(str, range(1, 21)))
    progress = [line for line in said if "INPROGRESS" in line]
    assert progress[0] == '* OK [INPROGRESS ("t3" 5 NIL)] Still searching'
    assert len(progress) > 5


async def test_what_was_found_is_found_again_when_messages_come_and_go(imap: Imap) -> None:
    for number in range(5):
        await imap.deliver(f"Subject: word {number}\r\n\r\nbody\r\n".encode())
    client = await imap.selected()
    assert await ask(client, "SUBJECT word") == {1, 2, 3, 4, 5}
    await imap.deliver(b"Subject: another word\r\n\r\n")
    await imap.deliver(b"Subject: another\r\n\r\n")
    assert await ask(client, "SUBJECT word") == {1, 2, 3, 4, 5, 6}
    await client.command("UID STORE 2 +FLAGS.SILENT (\\Deleted)")
    await client.command("EXPUNGE")
    assert await ask(client, "SUBJECT word") == {1, 3, 4, 5, 6}
    assert await ask(client, "NOT SUBJECT word") == {7}


async def test_mails_from_before_texts_were_kept_are_read_once(imap: Imap) -> None:
    reply = b"Subject: Re: Hello world\r\nMessage-ID: <b@y>\r\nReferences: <simple@hopital-demo.mssante.fr>\r\n\r\n"
    await imap.deliver()
    await imap.deliver(reply)
    forget = (
        "DELETE FROM mail_key",
        "UPDATE mail_text SET lacks = 5, head = '', body = x''",
    )
    for statement in forget:
        await imap.database.write(lambda uow, statement=statement: uow.execute(text(statement)))
    old = Indexing(imap.database, imap.vault)
    imap.server._shared.indexing = old
    client = await imap.selected()
    assert await ask(client, "BODY second") == {1}
    assert (await client.command("THREAD REFERENCES UTF-8 ALL"))[0] == "* THREAD (1 2)"
    assert await ask(client, "THREADID T1") == {1, 2}
    await old.read_old_mails()
    assert old.are_old_mails_read
    await index_all(imap)
    await check_index(imap)


async def test_a_mail_whose_body_is_lost_does_not_hold_up_the_others(imap: Imap) -> None:
    await imap.deliver()
    await imap.deliver()
    await imap.database.write(
        lambda uow: uow.execute(text("UPDATE mail_text SET lacks = 5, head = '', body = x''"))
    )
    for statement in ("DELETE FROM mail_key", "UPDATE mail SET blob_id = 999 WHERE id = 1"):
        await imap.database.write(lambda uow, statement=statement: uow.execute(text(statement)))
    imap.server._shared.indexing = Indexing(imap.database, imap.vault)
    client = await imap.selected()
    assert await ask(client, "BODY second") == {2}
    assert (await client.command("SORT (SUBJECT) UTF-8 ALL"))[0] == "* SORT 1 2"


async def test_texts_come_into_the_index_some_at_a_time(imap: Imap) -> None:
    index = Indexing(imap.database, imap.vault)
    for _ in range(49):
        await imap.deliver()
    assert await index.add_to_index() == 0
    await imap.deliver()
    assert await index.add_to_index() in (0, 50)  # the server's own task may have been quicker
    await check_index(imap)
    found = await imap.database.read(lambda connection: rows(connection, "SELECT count(*) FROM mail_index"))
    assert found == [(50,)]
