"""Who may give which rights to whom, what of it is traced, and what each right lets a person do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from foundation import trail
from mailserver.imap.permission import NEEDED, Action
from mailserver.store import acl
from mailserver.store.acl import DELEGATED
from tests.mailserver.imap.sharing import DESK, MARIE, PAUL, Sharing

if TYPE_CHECKING:
    from tests.mailserver.imap.client import Client
    from tests.mailserver.imap.conftest import Imap

SHARED = f"Partages/{MARIE}/Dossiers"
NO_RIGHT = "NO [NOPERM] You have not been given the right to do that here"


async def last(client: Client, text: str) -> str:
    return (await client.command(text))[-1]


@pytest.fixture
async def marie(imap: Imap) -> Client:
    client = await imap.signed_in()
    await client.command("CREATE Dossiers")
    return client


def test_the_table_names_every_action() -> None:
    assert set(NEEDED) == set(Action)
    assert all(NEEDED.values())


async def test_what_changes_is_traced_by_numbers(imap: Imap, marie: Client) -> None:
    await marie.command(f"SETACL Dossiers {PAUL} lr")
    await marie.command(f"DELETEACL Dossiers {PAUL}")
    rows = [
        row for row in imap.database.read_now(lambda connection: list(trail.rows(connection)))
        if row.action.startswith("access.")
    ]  # fmt: skip
    assert [row.action for row in rows] == ["access.granted", "access.revoked"]
    owner, member = imap.owner(0), imap.owner(1)
    assert {(row.actor, row.subject) for row in rows} == {(f"bal:{owner}", f"bal:{owner}")}
    details = [json.loads(row.detail) for row in rows]
    assert [detail["member"] for detail in details] == [member, member]
    assert [detail["rights"] for detail in details] == ["lr", ""]


async def test_nobody_shares_a_personal_box_where_that_is_off(imap: Imap, marie: Client) -> None:
    paul = await imap.signed_in(PAUL)
    await marie.command(f"SETACL Dossiers {PAUL} lr")
    assert (await last(paul, f"EXAMINE {SHARED}")).startswith("OK")
    imap.server._shared.context = replace(imap.context, opened_types=DELEGATED)
    again, other = await imap.signed_in(), await imap.signed_in(PAUL)
    assert await last(other, f"EXAMINE {SHARED}") == "NO [NONEXISTENT] No such mailbox"
    refused = "NO [NOPERM] Personal mailboxes are not shared here"
    assert await last(again, f"SETACL Dossiers {PAUL} lrs") == refused
    assert (await last(again, f"DELETEACL Dossiers {PAUL}")).startswith("OK")


async def test_a_manager_of_a_service_says_who_opens_a_folder(imap: Imap) -> None:
    sharing = Sharing(imap)
    await sharing.box()
    await sharing.delegate(rights="lrswipkxtea")
    marie, paul = await imap.signed_in(), await imap.signed_in(PAUL)
    inbox = f"Partages/{DESK}/INBOX"
    assert (await last(marie, f"SETACL {inbox} {PAUL} lra")).startswith("OK")
    assert (await paul.command('LIST "" Partages/%/*'))[:-1] == [f'* LIST (\\HasNoChildren) "/" {inbox}']
    assert (await paul.command(f"GETACL {inbox}"))[0] == (
        f"* ACL {inbox} {DESK} lrswipkxteacd {MARIE} lrswipkxteacd {PAUL} lra"
    )


async def test_an_entry_of_a_folder_stands_in_place_of_the_delegation(imap: Imap) -> None:
    sharing = Sharing(imap)
    await sharing.box()
    await sharing.delegate(rights="lrswipkxtea")
    await sharing.delegate(member=PAUL, rights="lrs")
    marie, paul = await imap.signed_in(), await imap.signed_in(PAUL)
    sent = f"Partages/{DESK}/Sent"
    await marie.command(f"SETACL {sent} {PAUL} +w")
    assert (await paul.command(f"MYRIGHTS {sent}"))[0].endswith(" lrsw")
    assert (await last(marie, f"DELETEACL {sent} {PAUL}")).startswith("OK")
    assert await last(paul, f"SELECT {sent}") == "NO [NONEXISTENT] No such mailbox"
    assert (await last(paul, f"SELECT Partages/{DESK}/INBOX")).startswith("OK")
    # What the operator says of the box holds for all of it again.
    await sharing.delegate(member=PAUL, rights="lr")
    assert (await paul.command(f"MYRIGHTS {sent}"))[0].endswith(" lr")


async def test_a_list_has_an_end(imap: Imap, marie: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acl, "MAX_MEMBERS", 1)
    await Sharing(imap).box("lea@test.mssante.fr", "PER")
    assert (await last(marie, f"SETACL Dossiers {PAUL} lr")).startswith("OK")
    assert (await last(marie, "SETACL Dossiers lea@test.mssante.fr lr")).startswith("NO [LIMIT]")
    assert (await last(marie, f"SETACL Dossiers {PAUL} lrs")).startswith("OK")


@pytest.mark.parametrize("command", ["GETACL", "MYRIGHTS", "LISTRIGHTS", "SETACL", "DELETEACL"])
async def test_words_that_are_missing_or_odd_are_bad(marie: Client, command: str) -> None:
    for rest in (
        "",
        " INBOX a b c d",
        ' INBOX "',
        ' INBOX {2+}\r\n\xff\xfe "lr"',
        " INBOX " + "x" * 500 + " lr",
    ):
        assert (await last(marie, command + rest)).startswith("BAD"), rest


async def test_flags_that_may_not_be_set_are_left_away_where_messages_come_in(
    imap: Imap, marie: Client
) -> None:
    await imap.deliver(flags=31)
    await marie.command(f"SETACL Dossiers {PAUL} lri")
    paul = await imap.signed_in(PAUL)
    assert (await last(paul, f"APPEND {SHARED} (\\Seen \\Deleted word) {{5+}}\r\na: b\n")).startswith("OK")
    await marie.command(f"SETACL Dossiers {PAUL} lriw")
    assert (await last(paul, f"APPEND {SHARED} (\\Seen \\Flagged word) {{5+}}\r\na: b\n")).startswith("OK")
    await marie.command("EXAMINE Dossiers")
    assert [line.partition("FLAGS ")[2] for line in (await marie.command("FETCH 1:* FLAGS"))[:-1]] == [
        "(\\Recent))",
        "(\\Flagged \\Recent word))",
    ]


async def test_a_message_that_comes_as_read_is_read_for_who_brought_it(imap: Imap) -> None:
    sharing = Sharing(imap)
    await sharing.box()
    await sharing.seen(DESK, "personal")
    for member in (MARIE, PAUL):
        await sharing.delegate(member=member)
    marie, paul = await imap.signed_in(), await imap.signed_in(PAUL)
    inbox = f"Partages/{DESK}/INBOX"
    await marie.command(f"APPEND {inbox} (\\Seen) {{5+}}\r\na: b\n")
    assert (await marie.command(f"STATUS {inbox} (UNSEEN)"))[0].endswith("(UNSEEN 0)")
    assert (await paul.command(f"STATUS {inbox} (UNSEEN)"))[0].endswith("(UNSEEN 1)")
    # Reading a body marks it for the reader.
    await paul.command(f"SELECT {inbox}")
    await paul.command("FETCH 1 BODY[]")
    assert (await paul.command(f"STATUS {inbox} (UNSEEN)"))[0].endswith("(UNSEEN 0)")
    desk = await imap.signed_in(DESK)
    assert (await desk.command("STATUS INBOX (UNSEEN)"))[0].endswith("(UNSEEN 1)")


async def test_one_persons_other_session_is_told_what_they_have_read(imap: Imap) -> None:
    sharing = Sharing(imap)
    await sharing.box()
    await sharing.seen(DESK, "personal")
    await sharing.delegate()
    await sharing.bring()
    first, second = await imap.signed_in(), await imap.signed_in()
    for client in (first, second):
        await client.command(f"SELECT Partages/{DESK}/INBOX")
    await first.command("STORE 1 +FLAGS.SILENT (\\Seen)")
    assert (await second.command("NOOP"))[0] == "* 1 FETCH (FLAGS (\\Seen))"


async def test_the_body_of_a_shared_message_is_read_with_the_key_of_its_box(imap: Imap) -> None:
    sharing = Sharing(imap)
    await sharing.box()
    await sharing.delegate()
    await sharing.bring()
    marie = await imap.signed_in()
    await marie.command(f"SELECT Partages/{DESK}/INBOX")
    assert "Second line" in (await marie.command("FETCH 1 BODY.PEEK[TEXT]"))[0]
    assert (await marie.command('SEARCH TEXT "second line"'))[0] == "* SEARCH 1"
    assert (await marie.command("COPY 1 INBOX"))[-1].startswith("OK [COPYUID")
    await sharing.revoke()
    again = await imap.selected()
    assert "Second line" in (await again.command("FETCH 1 BODY.PEEK[TEXT]"))[0]
    assert (await again.command('SEARCH TEXT "second line"'))[0] == "* SEARCH 1"


@pytest.mark.parametrize(
    "command",
    [
        "APPEND {} {{5+}}\r\na: b\r", "COPY 1 {}", "CREATE {}", "DELETE {}", "GETACL {}", "GETMETADATA {} /shared/x",
        "MYRIGHTS {}", "RENAME Trash/x {}", "RENAME {} Mine", "SETACL {} x lr", "STATUS {} (MESSAGES)", "SUBSCRIBE {}",
    ],
)  # fmt: skip
async def test_a_hidden_folder_below_an_open_one_looks_like_one_that_is_not_there(
    imap: Imap, marie: Client, command: str
) -> None:
    sharing = Sharing(imap)
    await marie.command("CREATE Dossiers/Hidden")
    await marie.command(f"SETACL Dossiers {PAUL} lrswite")
    await sharing.bring(MARIE, "Dossiers")
    paul = await imap.signed_in(PAUL)
    await paul.command("CREATE Trash/x")
    await paul.command(f"SELECT {SHARED}")
    answers = {await last(paul, command.format(f"{SHARED}/{name}")) for name in ("Hidden", "Nothing")}
    assert len(answers) == 1
    assert answers.pop().startswith("NO ")
