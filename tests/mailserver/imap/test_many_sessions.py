"""Several sessions change one folder in random order; what each was told must stay true (RFC 3501 §5.2)."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest

from tests.mailserver.imap.conftest import SIMPLE

if TYPE_CHECKING:
    from tests.mailserver.imap.client import Client
    from tests.mailserver.imap.conftest import Imap

_FETCHED = re.compile(r"\* (\d+) FETCH \((?:UID (\d+) )?FLAGS \(([^)]*)\)\)")
_NUMBERED = re.compile(r"\* (\d+) (EXISTS|EXPUNGE|RECENT)")
NO_EXPUNGE = ("FETCH", "STORE", "SEARCH")


class Told:
    """What a client knows: UIDs by number (None where it never asked), and flags."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.uids: list[int | None] = []
        self.flags: dict[int, frozenset[str]] = {}

    async def do(self, command: str) -> list[str]:
        answers = await self.client.command(command)
        assert not answers[-1].startswith("BAD"), (command, answers)
        for answer in answers[:-1]:
            self.hear(command, answer)
        return answers

    def hear(self, command: str, answer: str) -> None:
        if numbered := _NUMBERED.fullmatch(answer):
            number, word = int(numbered.group(1)), numbered.group(2)
            if word == "EXPUNGE":
                assert not command.startswith(NO_EXPUNGE), command
                gone = self.uids.pop(number - 1)
                if gone is not None:
                    self.flags.pop(gone, None)
            elif word == "EXISTS":
                assert number >= len(self.uids), (command, answer)
                self.uids += [None] * (number - len(self.uids))
        elif fetched := _FETCHED.fullmatch(answer):
            number = int(fetched.group(1))
            known = self.uids[number - 1]
            if fetched.group(2):
                assert known in (None, int(fetched.group(2))), (command, answer, self.uids)
                known = self.uids[number - 1] = int(fetched.group(2))
            if known is not None:
                self.flags[known] = frozenset(fetched.group(3).split())

    def some_set(self, chance: random.Random) -> str | None:
        if not self.uids:
            return None
        first, last = chance.randint(1, len(self.uids)), chance.randint(1, len(self.uids))
        return chance.choice([str(first), f"{first}:{last}", f"{first},{last}", f"{first}:*"])


async def step(told: Told, chance: random.Random) -> None:
    kind = chance.randrange(10)
    numbers = told.some_set(chance)
    if kind == 0 or numbers is None:
        await told.do(f"APPEND INBOX {{{len(SIMPLE)}+}}\r\n{SIMPLE.decode()}")
    elif kind == 1:
        await told.do("NOOP")
    elif kind in (2, 3):
        await told.do(f"FETCH {numbers} (UID FLAGS)")
    elif kind == 4:
        await told.do(f"STORE {numbers} +FLAGS (\\Deleted)")
    elif kind == 5:
        flags = chance.choice(["FLAGS (\\Seen)", "-FLAGS (\\Seen)", "+FLAGS.SILENT (word)", "FLAGS ()"])
        await told.do(f"STORE {numbers} {flags}")
    elif kind == 6:
        await told.do("EXPUNGE")
    elif kind == 7:
        await told.do(f"COPY {numbers} INBOX")
    elif kind == 8:
        await told.do(f"MOVE {numbers} {chance.choice(['INBOX', 'Trash'])}")
    else:
        answers = await told.do(f"SEARCH {numbers} NOT DELETED")
        found = next(answer for answer in answers if answer.startswith("* SEARCH"))
        assert all(1 <= int(number) <= len(told.uids) for number in found.split()[2:])


@pytest.mark.parametrize("seed", range(4))
async def test_every_session_ends_with_the_same_truth(imap: Imap, seed: int) -> None:
    chance = random.Random(seed)
    sessions = []
    for _ in range(3):
        told = Told(await imap.signed_in())
        await told.do("SELECT INBOX")
        sessions.append(told)
    for _ in range(150):
        await step(chance.choice(sessions), chance)
    pictures = []
    recent: list[int] = []
    for told in sessions:
        await told.do("NOOP")
        before = dict(told.flags)
        await told.do("FETCH 1:* (UID FLAGS)")
        # What was pushed before is what is asked for now. (.SILENT changes are the exception its sender chose.)
        silent = {frozenset(), frozenset({"word"})}
        for uid, flags in before.items():
            assert told.flags[uid] ^ flags in silent, uid
        pictures.append({uid: flags - {"\\Recent"} for uid, flags in told.flags.items()})
        recent += [uid for uid, flags in told.flags.items() if "\\Recent" in flags]
        assert None not in told.uids
        assert told.uids == sorted(told.flags)
    assert pictures[0] == pictures[1] == pictures[2]
    assert len(recent) == len(set(recent))


@pytest.mark.parametrize("enabled", ["", "ENABLE QRESYNC"])
@pytest.mark.parametrize("change", ["+FLAGS.SILENT (\\Flagged)", "+FLAGS.SILENT (\\Seen)"])
async def test_a_silent_change_hides_nothing_that_somebody_else_did_before(
    imap: Imap, enabled: str, change: str
) -> None:
    first, second = await imap.signed_in(), await imap.signed_in()
    if enabled:
        await first.command(enabled)
    await imap.deliver()
    for client in (first, second):
        await client.command("SELECT INBOX")
    await first.command("UID STORE 1 +FLAGS.SILENT (\\Seen)")
    await second.command("STORE 1 +FLAGS (\\Answered)")
    told = " ".join(await first.command(f"UID STORE 1 {change}"))
    assert "\\Answered" in told


async def test_a_silent_change_of_what_is_known_stays_silent(imap: Imap) -> None:
    client = await imap.signed_in()
    await imap.deliver()
    await client.command("SELECT INBOX")
    assert await client.command("STORE 1 +FLAGS.SILENT (\\Flagged)") == ["OK STORE completed"]


async def test_a_fetch_reads_the_folder_as_others_have_just_left_it(imap: Imap) -> None:
    await imap.deliver()
    reader, other = await imap.selected(), await imap.selected()
    await reader.command("FETCH 1 (UID) (CHANGEDSINCE 1)")
    await other.command(r"STORE 1 +FLAGS.SILENT (\Flagged)")
    heard = await reader.command("FETCH 1 (UID RFC822.SIZE) (CHANGEDSINCE 2)")
    assert any("RFC822.SIZE" in line for line in heard)


async def test_a_message_that_another_session_made_unread_is_read_again(imap: Imap) -> None:
    await imap.deliver()
    reader, other = await imap.selected(), await imap.selected()
    await reader.command("FETCH 1 BODY[TEXT]")
    await other.command("STORE 1 FLAGS.SILENT ()")
    await reader.command("FETCH 1 BODY[TEXT]")
    assert any(r"\Seen" in line for line in await other.command("FETCH 1 FLAGS"))
