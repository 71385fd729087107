"""Mutt and NeoMutt, driven by their own keys on a terminal: they read, flag, copy, delete and search a box."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from tests.interop.letters import fetch, find, letter, new_id, signed_in
from tests.interop.service import program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.service import Service

pytestmark = pytest.mark.interop

BOX = 9
SECONDS = 60


def drive(service: Service, name: str, folder: Path, keys: str) -> str:
    """Runs a program on a pseudo-terminal with these keys typed at its start; what it drew."""
    bal = service.bal(BOX)
    (folder / "home").mkdir(exist_ok=True)
    rc = folder / "rc"
    rc.write_text(
        f'set ssl_ca_certificates_file="{service.ca_file}"\nset certificate_file="{service.ca_file}"\n'
        f'set folder="imaps://localhost:{service.port("imaps")}/"\nset spoolfile="+INBOX"\n'
        f'set imap_user="{bal.address}"\nset imap_pass="{bal.password}"\nset ssl_verify_host=no\n'
        "set quit=yes\nset delete=yes\nset confirmappend=no\nset confirmcreate=no\nset copy=no\nset move=no\n"
        "set wait_key=no\nset mail_check=1\nset imap_check_subscribed=no\nset sleep_time=0\nset timeout=1\n"
        f"set header_cache=\"{folder}/headers\"\nset pager_stop=yes\nset record=''\n"
        f"push '{keys}'\n"
    )
    main, far = pty.openpty()
    environment = {**os.environ, "HOME": str(folder / "home"), "TERM": "xterm", "LANG": "C.UTF-8"}
    started = subprocess.Popen(
        [program(name), "-n", "-F", str(rc)],
        stdin=far,
        stdout=far,
        stderr=far,
        env=environment,
        close_fds=True,
    )
    os.close(far)
    drawn: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(main, 65536):
                drawn.append(data)
        except OSError:  # the other side was closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        started.wait(SECONDS)
    except subprocess.TimeoutExpired:
        started.kill()
        pytest.fail(f"{name} did not end: {b''.join(drawn)[-2000:]!r}")
    finally:
        reader.join(5)
        os.close(main)
    return b"".join(drawn).decode("utf-8", "replace")


def deliver(service: Service, subject: str) -> str:
    message_id = new_id()
    written = letter(
        service.bal(0).address,
        service.bal(BOX).address,
        message_id=message_id,
        subject=subject,
        text="corps lisible\n",
    )
    service.send(service.bal(0), service.bal(BOX).address, written)
    return message_id


@pytest.mark.parametrize("name", ["mutt", "neomutt"])
def test_it_flags_copies_and_deletes(service: Service, name: str, tmp_path: Path) -> None:
    one, two = f"Un {new_id()[1:9]}", f"Deux {new_id()[1:9]}"
    kept, gone = deliver(service, one), deliver(service, two)
    drawn = drive(
        service,
        name,
        tmp_path,
        f'<limit>~s "{one}"<enter><first-entry><flag-message><copy-message><kill-line>=Archive<enter>'
        f'<limit>~s "{two}"<enter><first-entry><delete-message><sync-mailbox><quit>',
    )
    with signed_in(service, service.bal(BOX)) as client:
        assert find(client, gone) == [], drawn[-3000:]
        (uid,) = find(client, kept)
        assert "Flagged" in str(client.uid("FETCH", uid, "(FLAGS)")[1][0])
        (copied,) = find(client, kept, "Archive")
        assert kept.encode() in fetch(client, copied)


@pytest.mark.parametrize("name", ["mutt", "neomutt"])
def test_it_shows_a_message_and_marks_it_read(service: Service, name: str, tmp_path: Path) -> None:
    subject = f"Lu {new_id()[1:9]}"
    message_id = deliver(service, subject)
    drawn = drive(
        service,
        name,
        tmp_path,
        f'<limit>~s "{subject}"<enter><first-entry><display-message><exit>'
        f"<pipe-message>cat > {tmp_path}/shown<enter><sync-mailbox><quit>",
    )
    assert subject in drawn
    assert "corps lisible" in (tmp_path / "shown").read_text()
    with signed_in(service, service.bal(BOX)) as client:
        (uid,) = find(client, message_id)
        assert "Seen" in str(client.uid("FETCH", uid, "(FLAGS)")[1][0])


@pytest.mark.parametrize("name", ["mutt", "neomutt"])
def test_it_lets_the_server_search_bodies(service: Service, name: str, tmp_path: Path) -> None:
    subject = f"Cherche {new_id()[1:9]}"
    message_id = deliver(service, subject)
    drive(
        service,
        name,
        tmp_path,
        f'<limit>=b "corps lisible" ~s "{subject}"<enter><first-entry><flag-message><sync-mailbox><quit>',
    )
    with signed_in(service, service.bal(BOX)) as client:
        (uid,) = find(client, message_id)
        assert "Flagged" in str(client.uid("FETCH", uid, "(FLAGS)")[1][0])
