"""imapclient's whole interface on a folder of its own: every method that the server's capabilities allow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from imapclient import IMAPClient

from tests.interop.letters import letter, new_id
from tests.interop.mail_corpus import MESSAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.service import Service

pytestmark = pytest.mark.interop

BOX = 15
WHEN = datetime(2026, 3, 13, 14, 54, 10, tzinfo=UTC)


@pytest.fixture
def client(service: Service) -> Iterator[IMAPClient]:
    bal = service.bal(BOX)
    with IMAPClient(service.host, service.port("imap"), ssl=False, timeout=30) as opened:
        opened.normalise_times = False
        opened.starttls(service.tls())
        opened.login(bal.address, bal.password)
        yield opened


@pytest.fixture
def folder(client: IMAPClient) -> Iterator[str]:
    name = f"Vivant {new_id()[1:9]}"
    client.create_folder(name)
    for message in list(MESSAGES.values())[:5]:
        client.append(name, message, flags=[rb"\Seen"], msg_time=WHEN)
    client.select_folder(name)
    yield name
    client.unselect_folder()
    client.delete_folder(name)


def needs(client: IMAPClient, capability: str) -> bool:
    """Whether it is offered; that it must be is tested in test_imap_capabilities."""
    return client.has_capability(capability)


def test_namespaces_identity_and_status(client: IMAPClient, folder: str) -> None:
    assert client.namespace().personal[0] == ("", "/")
    assert client.id_({"name": "imapclient"}) is not None
    status = client.folder_status(folder, ["MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN"])
    assert (status[b"MESSAGES"], status[b"UNSEEN"], status[b"UIDNEXT"]) == (5, 0, 6)
    assert client.noop()


def test_folders_and_subscriptions(client: IMAPClient, folder: str) -> None:
    inner = f"{folder}/dédans"
    client.create_folder(inner)
    assert client.folder_exists(inner)
    client.subscribe_folder(inner)
    assert inner in [name for _, _, name in client.list_sub_folders()]
    assert [name for _, _, name in client.list_folders(folder, "/*")] == [inner]
    client.unsubscribe_folder(inner)
    assert inner not in [name for _, _, name in client.list_sub_folders()]
    client.rename_folder(inner, inner + " bis")
    client.delete_folder(inner + " bis")
    assert not client.folder_exists(inner + " bis")


def test_flags_and_labels(client: IMAPClient, folder: str) -> None:
    assert client.add_flags([1, 2], [rb"\Flagged", b"Mot"])[1]
    assert set(client.get_flags([1])[1]) >= {rb"\Flagged", b"Mot", rb"\Seen"}
    client.remove_flags([1], [rb"\Seen"])
    assert rb"\Seen" not in client.get_flags([1])[1]
    client.set_flags([1], [rb"\Draft"], silent=True)
    assert set(client.get_flags([1])[1]) - {rb"\Recent"} == {rb"\Draft"}
    client.delete_messages([3])
    client.expunge([3])
    assert client.search() == [1, 2, 4, 5]
    client.move([5], "INBOX")
    assert client.search() == [1, 2, 4]
    client.copy([1, 2], folder)
    assert client.search() == [1, 2, 4, 6, 7]


def test_searches(client: IMAPClient, folder: str) -> None:
    assert client.search(["FROM", "marie"]) == [1]
    assert client.search(["NOT", ["FROM", "marie"], "SEEN"]) == [2, 3, 4, 5]
    assert client.search(["SUBJECT", "Résultats"], charset="UTF-8") == [4]
    assert client.search(["SINCE", WHEN.date()]) == [1, 2, 3, 4, 5]
    assert client.search(["BEFORE", WHEN.date()]) == []


def test_sort_and_thread(client: IMAPClient, folder: str) -> None:
    if needs(client, "SORT"):
        assert client.sort(["REVERSE ARRIVAL"]) == [1, 2, 3, 4, 5]
        assert client.sort("DATE") == [1, 2, 3, 4, 5]
    if needs(client, "THREAD=REFERENCES"):
        threads = client.thread("REFERENCES")
        assert (1, 2, 3) in threads


def test_fetch_with_everything(client: IMAPClient, folder: str) -> None:
    items = [
        "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY.PEEK[]", "BODY.PEEK[HEADER]",
        "BODY.PEEK[TEXT]", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]", "BODY.PEEK[]<0.10>",
    ]  # fmt: skip
    found = client.fetch([1, 2, 3, 4, 5], items)
    for uid, message in zip(range(1, 6), list(MESSAGES.values())[:5], strict=True):
        each = found[uid]
        assert each[b"BODY[]"] == message
        assert each[b"BODY[HEADER]"] + each[b"BODY[TEXT]"] == message
        assert each[b"BODY[]<0>"] == message[:10]
        assert each[b"RFC822.SIZE"] == len(message)
        assert each[b"INTERNALDATE"] == WHEN
    assert found[2][b"ENVELOPE"].in_reply_to == b"<1@un.example>"


def test_changes_since(client: IMAPClient, folder: str) -> None:
    if needs(client, "CONDSTORE"):
        modseq = client.folder_status(folder, ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"]
        client.add_flags([2], [rb"\Answered"])
        changed = client.fetch([1, 2, 3, 4, 5], ["FLAGS"], [f"CHANGEDSINCE {modseq}"])
        assert list(changed) == [2]
        assert changed[2][b"MODSEQ"][0] > modseq


def test_several_messages_in_one_append(client: IMAPClient, folder: str) -> None:
    if needs(client, "MULTIAPPEND"):
        more = [letter("a@b.example", "c@d.example", message_id=new_id()) for _ in range(3)]
        client.multiappend(folder, more)
        client.noop()
        assert client.search() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_the_quota_is_told(client: IMAPClient, folder: str) -> None:
    if needs(client, "QUOTA"):
        quotas = client.get_quota_root(f'"{folder}"')[1]  # the one command whose folder it leaves unquoted
        (quota,) = [each for each in quotas if each.resource in ("STORAGE", b"STORAGE")]
        assert 0 <= quota.usage <= quota.limit


def test_what_is_enabled_is_told(client: IMAPClient) -> None:
    if needs(client, "ENABLE") and needs(client, "CONDSTORE"):
        assert client.enable("CONDSTORE") == [b"CONDSTORE"]
