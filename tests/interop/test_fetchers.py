"""Programs that fetch mail by IMAP and hand it on: fetchmail and getmail."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.interop.letters import body, find, letter, new_id, signed_in
from tests.interop.service import program, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.service import Service

pytestmark = pytest.mark.interop

BOX = 10


@pytest.fixture
def delivered(service: Service) -> tuple[str, bytes]:
    message_id = new_id()
    message = letter(service.bal(0).address, service.bal(BOX).address, message_id=message_id)
    service.send(service.bal(0), service.bal(BOX).address, message)
    return message_id, message


def test_fetchmail_takes_new_mail_away(
    service: Service, delivered: tuple[str, bytes], tmp_path: Path
) -> None:
    message_id, message = delivered
    bal, rc, taken = service.bal(BOX), tmp_path / "fetchmailrc", tmp_path / "taken"
    rc.write_text(
        f"poll localhost protocol IMAP port {service.port('imaps')} user '{bal.address}' password '{bal.password}'\n"
        f"  ssl sslcertck sslcertfile {service.ca_file} mda 'cat >> {taken}' no keep fetchall no rewrite\n"
    )
    rc.chmod(0o600)
    done = run(
        program("fetchmail"),
        *("-f", str(rc), "--nosyslog", "--pidfile", str(tmp_path / "pid"), "-i", str(tmp_path / "ids")),
        env={**os.environ, "HOME": str(tmp_path), "FETCHMAILHOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert body(message).replace(b"\r\n", b"\n").strip() in taken.read_bytes().replace(b"\r\n", b"\n")
    with signed_in(service, bal) as client:
        assert find(client, message_id) == []


def test_getmail_fetches_once_and_leaves_it_there(
    service: Service, delivered: tuple[str, bytes], tmp_path: Path
) -> None:
    message_id, message = delivered
    bal, taken = service.bal(BOX), tmp_path / "taken"
    (tmp_path / "getmailrc").write_text(
        f"[retriever]\ntype = SimpleIMAPSSLRetriever\nserver = localhost\nport = {service.port('imaps')}\n"
        f"username = {bal.address}\npassword = {bal.password}\nca_certs = {service.ca_file}\nmailboxes = ('INBOX',)\n"
        f"[destination]\ntype = MDA_external\npath = /usr/bin/tee\narguments = ('-a', '{taken}')\n"
        "allow_root_commands = true\n[options]\nread_all = false\ndelete = false\n"
    )
    command = (program("getmail"), "--getmaildir", str(tmp_path), "--rcfile", "getmailrc")
    for _ in range(2):
        done = run(*command, env={**os.environ, "HOME": str(tmp_path), "USER": "poste"}, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    read = taken.read_bytes().replace(b"\r\n", b"\n")
    assert read.count(message_id.encode()) == 1
    assert body(message).replace(b"\r\n", b"\n") in read
    with signed_in(service, bal) as client:
        assert len(find(client, message_id)) == 1
