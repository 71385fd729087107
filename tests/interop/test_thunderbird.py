"""Thunderbird signs in, lists folders, downloads, hears of new mail, flags, moves, and makes folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.letters import eventually, find, letter, new_id, signed_in
from tests.interop.thunderbird import Thunderbird

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.service import Service

pytestmark = pytest.mark.interop

BOX = 13
UPDATE = "find(arguments[0]).updateFolder(null); finish(true);"


@pytest.fixture(scope="module")
def thunderbird(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thunderbird]:
    deliver(service)
    with Thunderbird(service, service.bal(BOX), tmp_path_factory.mktemp("thunderbird")) as started:
        started.run("find('INBOX').updateFolder(null); finish(true);")
        started.eventually("headers(find('INBOX')).length")
        started.run("server.performExpand(null); finish(true);")  # it lists folders once it has signed in
        yield started


def deliver(service: Service, text: str = "corps\n") -> str:
    message_id = new_id()
    written = letter(service.bal(0).address, service.bal(BOX).address, message_id=message_id, text=text)
    service.send(service.bal(0), service.bal(BOX).address, written)
    return message_id


def test_it_finds_the_folders_and_their_uses(thunderbird: Thunderbird) -> None:
    thunderbird.eventually("find('Junk') && find('Trash') && find('Sent') && find('Drafts')")
    assert thunderbird.run("finish(find('Sent').getFlag(Ci.nsMsgFolderFlags.SentMail));")
    assert thunderbird.run("finish(find('Trash').getFlag(Ci.nsMsgFolderFlags.Trash));")


def test_it_downloads_and_hears_of_new_mail_while_idle(service: Service, thunderbird: Thunderbird) -> None:
    arrived = deliver(service)
    # Nobody asks for it: the IDLE connection brings it.
    thunderbird.eventually("byId(find('INBOX'), arguments[0])", arrived)
    thunderbird.run(
        "find('INBOX').downloadAllForOffline(null, null); finish(true);",
    )
    thunderbird.eventually(
        "(byId(find('INBOX'), arguments[0]).flags & Ci.nsMsgMessageFlags.Offline)", arrived
    )


def test_flags_go_both_ways(service: Service, thunderbird: Thunderbird) -> None:
    message_id = deliver(service)
    thunderbird.run(UPDATE, "INBOX")
    thunderbird.eventually("byId(find('INBOX'), arguments[0])", message_id)
    thunderbird.run(
        "const header = byId(find('INBOX'), arguments[0]);"
        "find('INBOX').markMessagesRead([header], true); find('INBOX').markMessagesFlagged([header], true); finish(true);",
        message_id,
    )
    with signed_in(service, service.bal(BOX)) as client:

        def flags() -> str:
            (uid,) = find(client, message_id)
            return str(client.uid("FETCH", uid, "(FLAGS)")[1][0])

        eventually(lambda: "Seen" in flags() and "Flagged" in flags(), "the flags are on the server")
        (uid,) = find(client, message_id)
        client.uid("STORE", uid, "-FLAGS", r"(\Flagged)")
    thunderbird.eventually("byId(find('INBOX'), arguments[0]).isFlagged == false", message_id)


def test_it_makes_a_folder_and_moves_a_message_into_it(service: Service, thunderbird: Thunderbird) -> None:
    message_id, name = deliver(service), f"Suivi été {new_id()[1:7]}"
    thunderbird.run(UPDATE, "INBOX")
    thunderbird.eventually("byId(find('INBOX'), arguments[0])", message_id)
    thunderbird.run("root.createSubfolder(arguments[0], null); finish(true);", name)
    thunderbird.eventually("find(arguments[0])", name)
    thunderbird.run(
        "MailServices.copy.copyMessages(find('INBOX'), [byId(find('INBOX'), arguments[0])], find(arguments[1]),"
        " true, null, null, false); finish(true);",
        message_id,
        name,
    )
    encoded = name.replace("é", "&AOk-")
    with signed_in(service, service.bal(BOX)) as client:
        eventually(lambda: len(find(client, message_id, encoded)) == 1, "the message is in the new folder")
        assert find(client, message_id) == []
