"""Boxes of services, signed in to by a delegate with their own token: as under `Partages/`, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from foundation import trail
from mailserver.envelope import Means, Principal
from mailserver.store.rights import rights_of
from tests.mailserver.imap.sharing import DESK, MARIE, PAUL, Sharing

if TYPE_CHECKING:
    from tests.mailserver.imap.client import Client
    from tests.mailserver.imap.conftest import Imap

MISSING = "NO [NONEXISTENT] No such mailbox"
NO_RIGHT = "NO [NOPERM] You have not been given the right to do that here"
AS_MARIE = f"marie:{DESK}"


@pytest.fixture
async def sharing(imap: Imap) -> Sharing:
    made = Sharing(imap)
    await made.box()
    return made


async def delegate(sharing: Sharing, rights: str = "lrswipkxtea") -> Client:
    """Marie in the box of the service."""
    await sharing.delegate(rights=rights)
    sharing.imap.sign_in.principals[AS_MARIE] = Principal(
        sharing.owner(DESK),
        DESK,
        None,
        "",
        means=Means.TOKEN,
        person_id=sharing.owner(MARIE),
        rights=rights_of(rights),
    )
    return await sharing.imap.signed_in(AS_MARIE)


async def last(client: Client, text: str) -> str:
    return (await client.command(text))[-1]


async def names(client: Client, text: str = 'LIST "" "*"') -> list[str]:
    return [line.rpartition(" ")[2] for line in (await client.command(text))[:-1]]


async def test_a_folder_closed_to_a_delegate_is_closed_whichever_way_they_come(
    imap: Imap, sharing: Sharing
) -> None:
    marie, desk = await delegate(sharing), await imap.signed_in(DESK)
    await desk.command("CREATE Private/Salaries")
    await desk.command("SUBSCRIBE Private/Salaries")
    assert await last(marie, "SELECT Private/Salaries") == "OK [READ-WRITE] SELECT completed"
    await desk.command(f'SETACL Private/Salaries {MARIE} ""')
    await marie.send("a NOOP\r\n")
    assert await marie.line() == "* BYE Access to this mailbox has ended"
    again = await imap.signed_in(AS_MARIE)
    for command in ("SELECT", "MYRIGHTS", "GETACL", "SUBSCRIBE", "DELETE"):
        assert await last(again, f"{command} Private/Salaries") == MISSING
    assert "Private/Salaries" not in await names(again)
    assert "Private/Salaries" not in await names(again, 'LSUB "" "*"')
    assert "Private/Salaries" in await names(desk, 'LSUB "" "*"')


async def test_a_delegate_has_in_a_folder_what_its_access_list_gives_them(
    imap: Imap, sharing: Sharing
) -> None:
    marie, desk = await delegate(sharing, "lrs"), await imap.signed_in(DESK)
    assert await last(marie, "CREATE Consults") == NO_RIGHT
    await desk.command("CREATE Consults")
    await desk.command(f"SETACL Consults {MARIE} lrswitek")
    assert (await marie.command("MYRIGHTS Consults"))[0] == "* MYRIGHTS Consults lrswiktecd"
    assert (await last(marie, "CREATE Consults/2026")).endswith("CREATE completed")


async def test_a_delegate_sees_the_folders_of_the_box_with_their_uses(sharing: Sharing) -> None:
    marie = await delegate(sharing)
    assert await names(marie) == ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
    assert len(await names(marie, 'LIST (SPECIAL-USE) "" "*"')) == 5


async def test_who_gave_a_right_is_the_delegate_and_not_the_box(imap: Imap, sharing: Sharing) -> None:
    marie = await delegate(sharing)
    assert await last(marie, f"SETACL INBOX {PAUL} lrs") == "OK SETACL completed"
    rows = imap.database.read_now(lambda connection: list(trail.rows(connection)))
    assert (rows[-1].action, rows[-1].actor, rows[-1].subject) == (
        "access.granted",
        f"bal:{sharing.owner(MARIE)}",
        f"bal:{sharing.owner(DESK)}",
    )


async def test_private_notes_are_those_of_the_delegate(imap: Imap, sharing: Sharing) -> None:
    marie, desk = await delegate(sharing), await imap.signed_in(DESK)
    for mailbox in ("INBOX", '""'):
        await desk.command(f'SETMETADATA {mailbox} (/private/comment "of the box")')
        assert (await marie.command(f"GETMETADATA {mailbox} /private/comment"))[0] == (
            f"* METADATA {mailbox} (/private/comment NIL)"
        )
