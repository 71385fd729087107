"""isync keeps a maildir and a box alike, both ways, over TLS that it verifies against the sandbox's trust chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.letters import body, fetch, find, letter, new_id, signed_in
from tests.interop.service import program, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.service import Bal, Service

pytestmark = pytest.mark.interop

FOLDERS = {"INBOX", "Sent", "Drafts", "Trash", "Junk", "Archive"}


class Mbsync:
    """A maildir kept like the box of `bal`."""

    def __init__(self, service: Service, bal: Bal, folder: Path) -> None:
        self.near = folder / "near"
        self.near.mkdir()
        self._config = folder / "mbsyncrc"
        # localhost and not 127.0.0.1: isync compares the certificate with names only.
        self._config.write_text(
            f"IMAPAccount sandbox\nHost localhost\nPort {service.port('imaps')}\nUser {bal.address}\n"
            f'Pass "{bal.password}"\nSSLType IMAPS\nSystemCertificates no\nCertificateFile {service.ca_file}\n\n'
            "IMAPStore far\nAccount sandbox\n\n"
            f"MaildirStore near\nPath {self.near}/\nInbox {self.near}/INBOX\nSubFolders Verbatim\n\n"
            "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n"
        )

    def sync(self) -> None:
        done = run(program("mbsync"), "-c", str(self._config), "-a")
        assert done.returncode == 0, done.stdout + done.stderr

    def files(self, folder: str, message_id: str) -> list[Path]:
        """The files of a message, whatever flags their names bear."""
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
def mbsync(service: Service, tmp_path: Path) -> Mbsync:
    program("mbsync")
    return Mbsync(service, service.bal(3), tmp_path)


def deliver(service: Service) -> tuple[str, bytes]:
    message_id = new_id()
    message = letter(service.bal(0).address, service.bal(3).address, message_id=message_id)
    service.send(service.bal(0), service.bal(3).address, message)
    return message_id, message


def test_it_pulls_every_folder_and_every_message(service: Service, mbsync: Mbsync) -> None:
    message_id, message = deliver(service)
    nested = f"Dossiers {new_id()[1:9]}/2026 été"
    encoded = nested.replace("été", "&AOk-t&AOk-")
    kept = new_id()
    with signed_in(service, service.bal(3)) as client:
        assert client.create(f'"{encoded}"')[0] == "OK"
        written = letter("a@b.example", "c@d.example", message_id=kept)
        assert client.append(f'"{encoded}"', r"(\Seen)", '"13-Mar-2026 14:54:10 +0100"', written)[0] == "OK"
    mbsync.sync()
    pulled = {folder.name for folder in mbsync.near.iterdir()}
    assert pulled >= FOLDERS
    (file,) = mbsync.files("INBOX", message_id)
    assert body(file.read_bytes().replace(b"\n", b"\r\n")) == body(message)
    (inner,) = [path for path in mbsync.near.rglob("*2026*") if (path / "cur").is_dir()]
    (file,) = mbsync.files(str(inner.relative_to(mbsync.near)), kept)
    assert file.name.endswith(":2,S")


def test_it_pushes_flags_back_and_takes_those_of_the_server(service: Service, mbsync: Mbsync) -> None:
    message_id, _ = deliver(service)
    mbsync.sync()
    mbsync.flag("INBOX", message_id, "FRS")
    mbsync.sync()
    with signed_in(service, service.bal(3)) as client:
        (uid,) = find(client, message_id)
        _, data = client.uid("FETCH", uid, "(FLAGS)")
        flags = str(data[0])
        assert all(flag in flags for flag in (r"\\Flagged", r"\\Answered", r"\\Seen"))
        assert client.uid("STORE", uid, "-FLAGS", r"(\Flagged)")[0] == "OK"
    mbsync.sync()
    (file,) = mbsync.files("INBOX", message_id)
    assert file.name.endswith(":2,RS")


def test_it_pushes_a_new_message_and_a_deletion_up(service: Service, mbsync: Mbsync) -> None:
    gone, _ = deliver(service)
    mbsync.sync()
    message_id = new_id()
    written = letter(service.bal(3).address, "quelqu-un@ailleurs.example", message_id=message_id)
    (mbsync.near / "Sent" / "cur" / "1773412450.1_1.poste:2,S").write_bytes(written.replace(b"\r\n", b"\n"))
    mbsync.flag("INBOX", gone, "ST")
    mbsync.sync()
    with signed_in(service, service.bal(3)) as client:
        (uid,) = find(client, message_id, "Sent")
        assert body(fetch(client, uid)) == body(written)
        assert find(client, gone) == []
    assert mbsync.files("INBOX", gone) == []


def test_a_second_run_finds_nothing_to_do(mbsync: Mbsync) -> None:
    mbsync.sync()
    before = sorted(path.name for path in mbsync.near.rglob("cur/*"))
    mbsync.sync()
    assert sorted(path.name for path in mbsync.near.rglob("cur/*")) == before
