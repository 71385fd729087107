"""Three independent IMAP clients: the standard library's, imapclient and aioimaplib."""

from __future__ import annotations

import asyncio
import imaplib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aioimaplib
import pytest
from imapclient import IMAPClient

from tests.interop.letters import body, fetch, find, letter, new_id, signed_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.service import Service

pytestmark = pytest.mark.interop

BOX = 4


def deliver(service: Service) -> tuple[str, bytes]:
    message_id, sender, recipient = new_id(), service.bal(0), service.bal(BOX)
    message = letter(
        sender.address,
        recipient.address,
        ("radio.png", "image/png", b"\x89PNG" + bytes(5000)),
        message_id=message_id,
    )
    service.send(sender, recipient.address, message)
    return message_id, message


class TestImaplib:
    def test_it_reads_flags_copies_and_expunges(self, service: Service) -> None:
        message_id, message = deliver(service)
        with signed_in(service, service.bal(BOX)) as client:
            (uid,) = find(client, message_id)
            assert body(fetch(client, uid)) == body(message)
            assert client.uid("COPY", uid, "Archive")[0] == "OK"
            assert client.uid("STORE", uid, "+FLAGS", r"(\Deleted)")[0] == "OK"
            assert client.expunge()[0] == "OK"
            assert find(client, message_id) == []
            assert len(find(client, message_id, "Archive")) == 1

    # ref: ECO.1.0.2
    def test_it_signs_in_after_starttls_and_not_before(self, service: Service) -> None:
        bal = service.bal(BOX)
        client = imaplib.IMAP4(service.host, service.port("imap"), timeout=30)
        try:
            assert "LOGINDISABLED" in client.capabilities
            with pytest.raises(imaplib.IMAP4.error):
                client.login(bal.address, bal.password)
            assert client.starttls(service.tls())[0] == "OK"
            assert "LOGINDISABLED" not in client.capabilities
            assert client.login(bal.address, bal.password)[0] == "OK"
        finally:
            client.logout()

    def test_it_refuses_a_wrong_password(self, service: Service) -> None:
        class FromElsewhere(imaplib.IMAP4_SSL):
            def _create_socket(self, timeout: float | None) -> object:
                import socket

                plain = socket.create_connection((self.host, self.port), timeout, ("127.0.0.22", 0))
                return self.ssl_context.wrap_socket(plain, server_hostname=self.host)

        client = FromElsewhere(service.host, service.port("imaps"), ssl_context=service.tls(), timeout=30)
        try:
            with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
                client.login(service.bal(BOX).address, "faux")
        finally:
            client.logout()


class TestImapclient:
    @pytest.fixture
    def client(self, service: Service) -> Iterator[IMAPClient]:
        bal = service.bal(BOX)
        with IMAPClient(service.host, service.port("imap"), ssl=False, timeout=30) as opened:
            opened.starttls(service.tls())
            opened.login(bal.address, bal.password)
            yield opened

    def test_it_finds_the_special_folders(self, client: IMAPClient) -> None:
        named = {name: flags for flags, _, name in client.list_folders()}
        for name, use in {
            "Sent": b"\\Sent",
            "Drafts": b"\\Drafts",
            "Trash": b"\\Trash",
            "Junk": b"\\Junk",
        }.items():
            assert use in named[name]
        assert client.find_special_folder(b"\\Sent") == "Sent"

    def test_it_reads_envelopes_and_structures(self, service: Service, client: IMAPClient) -> None:
        message_id, message = deliver(service)
        client.select_folder("INBOX", readonly=True)
        (uid,) = client.search(["HEADER", "Message-ID", message_id])
        found = client.fetch([uid], ["ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "FLAGS", "INTERNALDATE"])[
            uid
        ]
        envelope = found[b"ENVELOPE"]
        assert envelope.message_id == message_id.encode()
        assert envelope.from_[0].mailbox + b"@" + envelope.from_[0].host == service.bal(0).address.encode()
        assert found[b"BODYSTRUCTURE"].is_multipart
        assert found[b"RFC822.SIZE"] >= len(message)
        assert b"\\Seen" not in found[b"FLAGS"]
        assert (
            client.fetch([uid], ["BODY.PEEK[2.MIME]"])[uid][b"BODY[2.MIME]"].lower().count(b"image/png") == 1
        )

    # ref: F22
    def test_it_makes_folders_moves_and_searches(self, service: Service, client: IMAPClient) -> None:
        message_id, _ = deliver(service)
        folder = f"Suivi été {message_id[1:9]}"
        client.create_folder(folder)
        client.subscribe_folder(folder)
        client.select_folder("INBOX")
        (uid,) = client.search(["HEADER", "Message-ID", message_id])
        if client.has_capability("MOVE"):
            client.move([uid], folder)
        else:
            client.copy([uid], folder)
            client.delete_messages([uid])
            client.expunge()
        assert client.search(["HEADER", "Message-ID", message_id]) == []
        client.select_folder(folder)
        assert len(client.search(["SUBJECT", "Résultats"], charset="UTF-8")) == 1
        client.close_folder()
        client.rename_folder(folder, folder + " bis")
        client.delete_folder(folder + " bis")
        assert not client.folder_exists(folder + " bis")

    def test_it_appends_with_date_and_flags(self, client: IMAPClient) -> None:
        message_id = new_id()
        written = letter("moi@ici.example", "toi@la.example", message_id=message_id)
        when = datetime(2026, 3, 13, 14, 54, 10, tzinfo=UTC)
        client.append("Drafts", written, flags=[rb"\Draft", rb"\Seen"], msg_time=when)
        client.select_folder("Drafts")
        (uid,) = client.search(["HEADER", "Message-ID", message_id])
        client.normalise_times = False
        found = client.fetch([uid], ["BODY[]", "FLAGS", "INTERNALDATE"])[uid]
        assert found[b"BODY[]"] == written
        assert {b"\\Draft", b"\\Seen"} <= set(found[b"FLAGS"])
        assert found[b"INTERNALDATE"] == when

    def test_it_hears_of_a_new_message_while_idle(self, service: Service, client: IMAPClient) -> None:
        client.select_folder("INBOX")
        client.idle()
        deliver(service)
        heard = client.idle_check(timeout=10)
        client.idle_done()
        assert any(line[1] == b"EXISTS" for line in heard), heard


class TestAioimaplib:
    async def test_it_hears_of_a_new_message_while_idle(self, service: Service) -> None:
        bal = service.bal(BOX)
        client = aioimaplib.IMAP4_SSL(
            service.host, service.port("imaps"), timeout=20, ssl_context=service.tls()
        )
        await client.wait_hello_from_server()
        try:
            assert (await client.login(bal.address, bal.password)).result == "OK"
            assert (await client.select("INBOX")).result == "OK"
            idling = await client.idle_start(timeout=30)
            message_id, message = await asyncio.to_thread(deliver, service)
            pushed = await asyncio.wait_for(client.wait_server_push(), timeout=10)
            assert any(line.endswith(b"EXISTS") for line in pushed), pushed
            client.idle_done()
            await asyncio.wait_for(idling, timeout=10)
            found = await client.uid_search(f'HEADER Message-ID "{message_id}"')
            (uid,) = found.lines[0].decode().split()
            fetched = await client.uid("fetch", uid, "(BODY.PEEK[TEXT])")
            assert bytes(fetched.lines[1]) == body(message)
        finally:
            await client.logout()

    async def test_it_reads_stores_copies_and_expunges(self, service: Service) -> None:
        bal = service.bal(BOX)
        message_id, _ = await asyncio.to_thread(deliver, service)
        client = aioimaplib.IMAP4_SSL(
            service.host, service.port("imaps"), timeout=20, ssl_context=service.tls()
        )
        await client.wait_hello_from_server()
        try:
            assert (await client.login(bal.address, bal.password)).result == "OK"
            assert (await client.select("INBOX")).result == "OK"
            found = await client.uid_search(f'HEADER Message-ID "{message_id}"')
            (uid,) = found.lines[0].decode().split()
            assert (await client.uid("store", uid, "+FLAGS", r"(\Flagged \Deleted)")).result == "OK"
            assert (await client.uid("copy", uid, "Archive")).result == "OK"
            assert (await client.expunge()).result == "OK"
            assert (await client.uid_search(f'HEADER Message-ID "{message_id}"')).lines[0].split() == []
            status = await client.status("Archive", "(MESSAGES UIDNEXT)")
            assert b"MESSAGES" in status.lines[0]
            written = letter("a@b.example", "c@d.example", message_id=new_id())
            appended = await client.append(written, "Drafts", flags=r"\Draft")
            assert appended.result == "OK"
        finally:
            await client.logout()
