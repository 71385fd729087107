"""OfflineIMAP keeps a maildir and a box alike, both ways, over TLS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.interop.letters import body, fetch, find, letter, new_id, signed_in
from tests.interop.service import program, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.service import Bal, Service

pytestmark = pytest.mark.interop

BOX = 8


class OfflineImap:
    """A maildir kept like the box of `bal`."""

    def __init__(self, service: Service, bal: Bal, folder: Path) -> None:
        self.near = folder / "near"
        self._home = folder
        self._config = folder / "offlineimaprc"
        self._config.write_text(
            f"[general]\naccounts = sandbox\nmetadata = {folder}/metadata\nmaxsyncaccounts = 1\n"
            "[Account sandbox]\nlocalrepository = near\nremoterepository = far\n"
            f"[Repository near]\ntype = Maildir\nlocalfolders = {self.near}\nsync_deletes = yes\n"
            f"[Repository far]\ntype = IMAP\nremotehost = localhost\nremoteport = {service.port('imaps')}\n"
            f"remoteuser = {bal.address}\nremotepass = {bal.password}\nssl = yes\nsslcacertfile = {service.ca_file}\n"
            "maxconnections = 2\nidlefolders = []\n"
        )

    def sync(self) -> None:
        done = run(
            program("offlineimap"),
            *("-c", str(self._config), "-o", "-u", "basic"),
            timeout=120,
            env={**os.environ, "HOME": str(self._home)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ERROR" not in done.stdout + done.stderr, done.stdout + done.stderr

    def files(self, folder: str, message_id: str) -> list[Path]:
        return [
            file
            for part in ("cur", "new")
            for file in (self.near / folder / part).iterdir()
            if message_id.encode() in file.read_bytes()
        ]

    def flag(self, folder: str, message_id: str, flags: str) -> None:
        (file,) = self.files(folder, message_id)
        stem = file.name.partition(":2,")[0]
        file.rename(self.near / folder / "cur" / f"{stem}:2,{flags}")


@pytest.fixture
def offline(service: Service, tmp_path: Path) -> OfflineImap:
    program("offlineimap")
    return OfflineImap(service, service.bal(BOX), tmp_path)


def deliver(service: Service) -> tuple[str, bytes]:
    message_id = new_id()
    message = letter(service.bal(0).address, service.bal(BOX).address, message_id=message_id)
    service.send(service.bal(0), service.bal(BOX).address, message)
    return message_id, message


def test_it_pulls_pushes_and_deletes(service: Service, offline: OfflineImap) -> None:
    kept, message = deliver(service)
    gone, _ = deliver(service)
    offline.sync()
    (file,) = offline.files("INBOX", kept)
    assert body(file.read_bytes().replace(b"\n", b"\r\n")) == body(message)
    written, text = new_id(), "écrit hors ligne\n"
    own = letter(service.bal(BOX).address, "x@ailleurs.example", message_id=written, text=text)
    (offline.near / "Sent" / "cur" / "1773412450.1_1.poste:2,S").write_bytes(own.replace(b"\r\n", b"\n"))
    offline.flag("INBOX", kept, "FS")
    (file,) = offline.files("INBOX", gone)
    file.unlink()
    offline.sync()
    with signed_in(service, service.bal(BOX)) as client:
        (uid,) = find(client, written, "Sent")
        assert body(fetch(client, uid)) == body(own)
        assert find(client, gone) == []
        (uid,) = find(client, kept)
        flags = str(client.uid("FETCH", uid, "(FLAGS)")[1][0])
        assert "Flagged" in flags
        assert "Seen" in flags
        client.uid("STORE", uid, "-FLAGS", r"(\Flagged)")
        client.uid("STORE", uid, "+FLAGS", r"(\Answered)")
    offline.sync()
    (file,) = offline.files("INBOX", kept)
    assert file.name.endswith(":2,RS")


def test_a_folder_made_on_one_side_appears_on_the_other(service: Service, offline: OfflineImap) -> None:
    name = f"Suivi {new_id()[1:9]}"
    with signed_in(service, service.bal(BOX)) as client:
        assert client.create(f'"{name}"')[0] == "OK"
        client.subscribe(f'"{name}"')
        message_id = new_id()
        written = letter("a@b.example", "c@d.example", message_id=message_id)
        assert client.append(f'"{name}"', r"(\Seen)", None, written)[0] == "OK"
    offline.sync()
    assert len(offline.files(name, message_id)) == 1
    own = f"Local {new_id()[1:9]}"
    for part in ("cur", "new", "tmp"):
        (offline.near / own / part).mkdir(parents=True)
    offline.sync()
    with signed_in(service, service.bal(BOX)) as client:
        assert client.select(f'"{own}"')[0] == "OK"
