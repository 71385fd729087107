"""Boxes of services, opened by their members under `Partages/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailserver.imap.context import ImapLimits
from tests.mailserver.imap.sharing import DESK, PAUL, Sharing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.mailserver.imap.client import Client
    from tests.mailserver.imap.conftest import Imap

INBOX = f"Partages/{DESK}/INBOX"
MISSING = "NO [NONEXISTENT] No such mailbox"
NO_RIGHT = "NO [NOPERM] You have not been given the right to do that here"


@pytest.fixture
async def sharing(imap: Imap) -> Sharing:
    made = Sharing(imap)
    await made.box()
    return made


async def last(client: Client, text: str) -> str:
    return (await client.command(text))[-1]


async def listed(client: Client) -> list[str]:
    lines = (await client.command('LIST "" "Partages*"'))[:-1]
    return [line.rpartition(" ")[2] for line in lines]


async def test_a_member_sees_the_box_under_its_address_and_nobody_else_does(
    imap: Imap, sharing: Sharing
) -> None:
    await sharing.delegate()
    marie, paul = await imap.signed_in(), await imap.signed_in(PAUL)
    names = await listed(marie)
    assert names[:3] == ["Partages", f"Partages/{DESK}", f"Partages/{DESK}/Archive"]
    assert INBOX in names
    assert await listed(paul) == []
    assert await last(paul, f"SELECT {INBOX}") == MISSING


async def test_uses_are_told_of_own_folders_only(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate()
    marie = await imap.signed_in()
    lines = (await marie.command('LIST (SPECIAL-USE) "" "*"'))[:-1]
    assert len(lines) == 5
    assert not any("Partages" in line for line in lines)


@pytest.mark.parametrize(
    "command",
    [
        "SELECT {}", "EXAMINE {}", "STATUS {} (MESSAGES)", "DELETE {}", "RENAME {} Mine", "SUBSCRIBE {}",
    ],
)  # fmt: skip
async def test_a_box_that_is_not_open_looks_like_one_that_is_not_there(
    imap: Imap, sharing: Sharing, command: str
) -> None:
    paul = await imap.signed_in(PAUL)
    answers = {
        await last(paul, command.format(name))
        for name in (INBOX, f"Partages/{DESK}/Nothing", "Partages/nobody@test.mssante.fr/INBOX")
    }
    assert answers == {MISSING}


@pytest.mark.parametrize("command", ["CREATE {}", "RENAME Trash/x {}"])
async def test_nobody_makes_folders_beside_the_boxes_of_others(
    imap: Imap, sharing: Sharing, command: str
) -> None:
    paul = await imap.signed_in(PAUL)
    await paul.command("CREATE Trash/x")
    names = ("Partages", "Partages/x", f"Partages/{DESK}/x", "Partages/nobody@test.mssante.fr/x")
    answers = {await last(paul, command.format(name)) for name in names}
    assert answers == {NO_RIGHT}


@pytest.mark.parametrize(
    "text", ["Partages//INBOX", f"Partages/{DESK}/", f"Partages/{PAUL}/INBOX", "partages/x"]
)
async def test_odd_names_lead_nowhere(imap: Imap, sharing: Sharing, text: str) -> None:
    await sharing.delegate(member=PAUL)
    paul = await imap.signed_in(PAUL)
    assert await last(paul, f'SELECT "{text}"') == MISSING


async def test_inbox_is_one_name_in_any_case(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate()
    marie = await imap.signed_in()
    assert (await last(marie, f"SELECT Partages/{DESK}/inbox")).startswith("OK [READ-WRITE]")


async def test_two_members_work_on_one_box_and_see_each_other(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate()
    await sharing.delegate(member=PAUL)
    await sharing.bring()
    marie, paul = await imap.signed_in(), await imap.signed_in(PAUL)
    for client in (marie, paul):
        await client.command(f"SELECT {INBOX}")
    await marie.command("STORE 1 +FLAGS (\\Answered)")
    assert any("\\Answered" in line for line in await paul.command("NOOP"))
    await paul.command("STORE 1 +FLAGS (\\Deleted)")
    await paul.command("EXPUNGE")
    assert "* 1 EXPUNGE" in await marie.command("NOOP")


async def test_who_only_reads_opens_read_only(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate(rights="lr")
    await sharing.bring()
    marie = await imap.signed_in()
    assert (await last(marie, f"SELECT {INBOX}")).startswith("OK [READ-ONLY]")
    assert await last(marie, "STORE 1 +FLAGS (\\Seen)") == "NO [READ-ONLY] Mailbox was opened read-only"
    assert await last(marie, "EXPUNGE") == "NO [READ-ONLY] Mailbox was opened read-only"


async def test_rights_are_asked_for_by_every_command(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate(rights="lrs")
    await sharing.bring()
    marie = await imap.signed_in()
    await marie.command("CREATE Mine")
    await marie.command(f"SELECT {INBOX}")
    for command in (
        f"CREATE Partages/{DESK}/x",
        f"DELETE Partages/{DESK}/Sent",
        f"RENAME Partages/{DESK}/Sent Partages/{DESK}/Out",
        f"RENAME Mine Partages/{DESK}/Mine",
        f"APPEND Partages/{DESK}/Sent {{3+}}\r\nx\r\n",
        f"COPY 1 Partages/{DESK}/Sent",
        "MOVE 1 Mine",
        "EXPUNGE",
    ):
        assert await last(marie, command) == NO_RIGHT, command


async def test_lookup_alone_lists_and_does_not_open(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate(rights="l")
    marie = await imap.signed_in()
    assert INBOX in await listed(marie)
    assert await last(marie, f"SELECT {INBOX}") == NO_RIGHT
    assert await last(marie, f"STATUS {INBOX} (UNSEEN)") == NO_RIGHT


async def test_a_manager_makes_renames_and_deletes_folders(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate(rights="lrswipkxtea")
    marie, desk = await imap.signed_in(), await imap.signed_in(DESK)
    assert (await last(marie, f"CREATE Partages/{DESK}/Urgent/Today")).startswith("OK")
    assert (
        await last(marie, f"RENAME Partages/{DESK}/Urgent Mine") == "NO [CANNOT] A mailbox stays in its box"
    )
    assert (await last(marie, f"RENAME Partages/{DESK}/Urgent Partages/{DESK}/Soon")).startswith("OK")
    assert (await desk.command('LIST "" Soon/%'))[0].endswith("Soon/Today")
    assert (await last(marie, f"DELETE Partages/{DESK}/Soon/Today")).startswith("OK")
    assert await last(desk, "STATUS Soon/Today (MESSAGES)") == MISSING


async def test_subscriptions_of_shared_folders_are_each_persons_own(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate()
    await sharing.delegate(member=PAUL)
    marie, paul = await imap.signed_in(), await imap.signed_in(PAUL)
    assert (await last(marie, f"SUBSCRIBE {INBOX}")).startswith("OK")
    assert (await marie.command('LSUB "" "Partages/*"'))[:-1] == [f'* LSUB () "/" {INBOX}']
    assert (await paul.command('LSUB "" "Partages/*"'))[:-1] == []


async def test_who_is_revoked_is_out_at_the_next_command(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate()
    await sharing.bring()
    marie = await imap.signed_in()
    await marie.command(f"SELECT {INBOX}")
    await sharing.revoke()
    await marie.send("a FETCH 1 BODY[]\r\n")
    assert await marie.line() == "* BYE Access to this mailbox has ended"
    again = await imap.signed_in()
    assert await last(again, f"SELECT {INBOX}") == MISSING
    assert await listed(again) == []


async def test_an_idle_member_is_put_out_as_well(start: Callable[..., Awaitable[Imap]]) -> None:
    imap = await start(ImapLimits(access_seconds=0.05))
    sharing = Sharing(imap)
    await sharing.box()
    await sharing.delegate()
    marie = await imap.signed_in()
    await marie.command(f"SELECT {INBOX}")
    await marie.send("a IDLE\r\n")
    assert await marie.line() == "+ idling"
    await sharing.revoke()
    assert await marie.line() == "* BYE Access to this mailbox has ended"


async def test_who_is_told_without_asking_is_put_out_as_well(start: Callable[..., Awaitable[Imap]]) -> None:
    imap = await start(ImapLimits(access_seconds=0.05))
    sharing = Sharing(imap)
    await sharing.box()
    await sharing.delegate()
    marie = await imap.signed_in()
    await marie.command(f"SELECT {INBOX}")
    await marie.command("NOTIFY SET (selected (MessageNew (UID BODY.PEEK[]) MessageExpunge))")
    await sharing.revoke()
    assert await marie.line() == "* BYE Access to this mailbox has ended"


async def test_rights_that_shrink_hold_in_an_open_session(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate()
    await sharing.bring()
    marie = await imap.signed_in()
    await marie.command(f"SELECT {INBOX}")
    await sharing.delegate(rights="lrs")
    assert await last(marie, "EXPUNGE") == NO_RIGHT


async def test_a_suspended_box_is_closed_to_its_members(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate()
    marie = await imap.signed_in()
    await sharing.suspend(DESK)
    assert await listed(marie) == []
    assert await last(marie, f"SELECT {INBOX}") == MISSING


async def test_what_happens_in_a_shared_box_is_told_to_who_watches_it(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate()
    marie = await imap.signed_in()
    await marie.command(f"NOTIFY SET (mailboxes {INBOX} (MessageNew MessageExpunge))")
    await sharing.bring()
    assert (await marie.line()).startswith(f"* STATUS {INBOX} (MESSAGES 1")


async def test_personal_means_ones_own(imap: Imap, sharing: Sharing) -> None:
    await sharing.delegate()
    marie = await imap.signed_in()
    told = await marie.command("NOTIFY SET STATUS (personal (MessageNew MessageExpunge))")
    assert len(told) > 5
    assert not any("Partages" in line for line in told)
