"""Several real clients on one box at once: what each of them does, all of them see in the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from imapclient import IMAPClient

from tests.interop.letters import eventually, find, letter, new_id, signed_in
from tests.interop.test_mbsync import Mbsync
from tests.interop.test_offlineimap import OfflineImap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.interop.service import Service

pytestmark = pytest.mark.interop

BOX = 14
LETTERS = 12


def test_they_agree_in_the_end(service: Service, tmp_path: Path) -> None:
    bal, errors = service.bal(BOX), list[BaseException]()
    for name in ("mbsync", "offlineimap"):
        (tmp_path / name).mkdir()
    mbsync = Mbsync(service, bal, tmp_path / "mbsync")
    offline = OfflineImap(service, bal, tmp_path / "offlineimap")
    sent = [new_id() for _ in range(LETTERS)]
    heard: list[object] = []
    ready, done = threading.Event(), threading.Event()

    def deliver() -> None:
        for message_id in sent:
            service.send(
                service.bal(0),
                bal.address,
                letter(service.bal(0).address, bal.address, message_id=message_id),
            )

    def listen() -> None:
        with IMAPClient(service.host, service.port("imap_plain"), ssl=False, timeout=30) as client:
            client.login(bal.address, bal.password)
            client.select_folder("INBOX")
            client.idle()
            ready.set()
            while not done.is_set():
                heard.extend(client.idle_check(timeout=0.2))
            client.idle_done()

    def change() -> None:
        """Files every message with an odd number away, and flags the others."""
        with signed_in(service, bal) as client:
            for at, message_id in enumerate(sent):
                eventually(
                    lambda message_id=message_id: bool(find(client, message_id)), "the message is there"
                )
                (uid,) = find(client, message_id)
                if at % 2:
                    assert client.uid("MOVE", uid, "Archive")[0] == "OK"
                else:
                    assert client.uid("STORE", uid, "+FLAGS", r"(\Flagged)")[0] == "OK"

    def synchronise(each: Mbsync | OfflineImap) -> Callable[[], None]:
        def run() -> None:
            for _ in range(3):
                try:
                    each.sync()
                except AssertionError as error:
                    # OfflineIMAP gives up when another client moves a message between its list and its copy.
                    if "does not have a message with UID" not in str(error):
                        raise

        return run

    def guarded(run: Callable[[], None]) -> Callable[[], None]:
        def started() -> None:
            try:
                run()
            except BaseException as error:
                errors.append(error)

        return started

    listener = threading.Thread(target=guarded(listen))
    listener.start()
    assert ready.wait(20)
    threads = [
        threading.Thread(target=guarded(run))
        for run in (deliver, change, synchronise(mbsync), synchronise(offline))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    done.set()
    listener.join(20)
    assert errors == []
    assert any(isinstance(line, tuple) and line[1] == b"EXISTS" for line in heard)
    mbsync.sync()
    offline.sync()
    for at, message_id in enumerate(sent):
        folder = "Archive" if at % 2 else "INBOX"
        for near in (mbsync, offline):
            (file,) = near.files(folder, message_id)
            assert near.files("INBOX" if at % 2 else "Archive", message_id) == []
            assert ("F" in file.name.partition(":2,")[2]) == (not at % 2)
