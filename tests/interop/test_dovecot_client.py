"""Dovecot as a client of our server (imapc): a migration away and a migration here, folder by folder, octet by octet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.differential_steps import DATES
from tests.interop.dovecot import PASSWORD, Dovecot
from tests.interop.imap_wire import Wire
from tests.interop.mail_corpus import MESSAGES
from tests.interop.service import program, run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.interop.service import Service

pytestmark = pytest.mark.interop

BOX = 11
FOLDERS = ("INBOX", "Dossier", "Dossier/2026", "&AOk-t&AOk-")


@pytest.fixture(scope="module")
def dovecot_of_its_own() -> Iterator[Dovecot]:
    with Dovecot() as started:
        yield started


def fill(wire: Wire) -> None:
    for at, message in enumerate(MESSAGES.values()):
        folder = FOLDERS[at % len(FOLDERS)]
        if at < len(FOLDERS):
            wire.command(f'CREATE "{folder}"')
            wire.command(f'SUBSCRIBE "{folder}"')
        flags = "(\\Seen \\Flagged $Forwarded)" if at % 2 else "()"
        assert wire.command(f'APPEND "{folder}" {flags} "{DATES[at % 3]}" ', message).status == "OK"


def content(wire: Wire) -> dict[str, list[tuple[bytes, frozenset[str]]]]:
    found = {}
    for folder in FOLDERS:
        assert wire.command(f'EXAMINE "{folder}"').status == "OK", folder
        answer = wire.command("FETCH 1:* (FLAGS BODY.PEEK[])")
        found[folder] = sorted(
            (each.data["BODY[]"], frozenset(each.data["FLAGS"]) - {"\\Recent"}) for each in answer.of("FETCH")
        )
    return found


def doveadm(dovecot: Dovecot, service: Service, *words: str) -> subprocess.CompletedProcess[str]:
    bal = service.bal(BOX)
    settings = {
        "imapc_host": "127.0.0.1",
        "imapc_port": str(service.port("imap_plain")),
        "imapc_user": bal.address,
        "imapc_password": bal.password,
        "imapc_features": "rfc822.size fetch-headers",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return run(program("doveadm"), "-c", str(dovecot.configuration), *options, *words, timeout=120)


def test_a_box_moves_to_dovecot_and_nothing_is_lost(service: Service, dovecot_of_its_own: Dovecot) -> None:
    bal = service.bal(BOX)
    with Wire(service.port("imap_plain")) as wire:
        fill(wire.sign_in(bal.address, bal.password))
        ours = content(wire)
    done = doveadm(dovecot_of_its_own, service, "backup", "-R", "-u", "emigrant", "imapc:")
    assert done.returncode == 0, done.stdout + done.stderr
    with Wire(dovecot_of_its_own.port) as wire:
        assert content(wire.sign_in("emigrant", PASSWORD)) == ours
    again = doveadm(dovecot_of_its_own, service, "backup", "-R", "-u", "emigrant", "imapc:")
    assert again.returncode == 0, again.stdout + again.stderr


def test_dovecot_shows_our_box_as_its_own(service: Service) -> None:
    """Its IMAP server over our IMAP server: what one says of the corpus, the other says too."""
    bal = service.bal(BOX + 1)
    more = (
        "mail_location = imapc:~/imapc\nimapc_host = 127.0.0.1\n"
        f"imapc_port = {service.port('imap_plain')}\nimapc_user = {bal.address}\nimapc_password = {bal.password}\n"
        "imapc_features = rfc822.size fetch-headers fetch-bodystructure search\n"
    )
    with Dovecot(more) as proxy, Wire(proxy.port) as through, Wire(service.port("imap_plain")) as direct:
        fill(through.sign_in("proxy", PASSWORD))
        direct.sign_in(bal.address, bal.password)
        assert content(through) == content(direct)
        for wire in (through, direct):
            assert wire.command("SELECT Dossier").status == "OK"
        assert through.command("STORE 1 +FLAGS (\\Answered)").status == "OK"
        assert through.command("COPY 1 INBOX").status == "OK"
        assert through.command("STORE 2 +FLAGS.SILENT (\\Deleted)").status == "OK"
        assert through.command("EXPUNGE").status == "OK"
        direct.command("NOOP")
        assert content(through) == content(direct)
        found = [wire.command('UID SEARCH TEXT "marie"').one("SEARCH").data for wire in (through, direct)]
        assert found[0] == found[1]
