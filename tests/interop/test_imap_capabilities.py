"""What CAPABILITY says: everything that was promised, nothing that is dangerous, before and after sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.imap_wire import Wire

if TYPE_CHECKING:
    from tests.interop.service import Service

pytestmark = pytest.mark.interop

PROMISED = (
    "IMAP4rev1", "IMAP4rev2", "ENABLE", "IDLE", "UIDPLUS", "MOVE", "SPECIAL-USE", "CREATE-SPECIAL-USE", "NAMESPACE",
    "ID", "UNSELECT", "CHILDREN", "LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE", "ESEARCH", "SEARCHRES", "SORT",
    "SORT=DISPLAY", "ESORT", "THREAD=REFERENCES", "THREAD=ORDEREDSUBJECT", "CONDSTORE", "QRESYNC", "WITHIN", "QUOTA",
    "BINARY", "MULTIAPPEND", "OBJECTID", "PREVIEW", "SAVEDATE", "REPLACE", "UTF8=ACCEPT", "UNAUTHENTICATE", "NOTIFY",
    "METADATA", "ACL", "INPROGRESS", "PARTIAL", "UIDONLY",
)  # fmt: skip
BY_PREFIX = ("APPENDLIMIT=", "LITERAL", "QUOTA=RES-", "RIGHTS=")
DANGEROUS = ("COMPRESS=DEFLATE", "URLAUTH", "CATENATE", "QUOTASET")


# ref: F22
@pytest.mark.parametrize("name", PROMISED)
def test_what_was_promised_is_offered(service: Service, name: str) -> None:
    bal = service.bal(7)
    with Wire(service.port("imap_plain")) as wire:
        offered = wire.sign_in(bal.address, bal.password).capabilities
        assert name in offered


@pytest.mark.parametrize("start", BY_PREFIX)
def test_what_has_a_value_says_it(service: Service, start: str) -> None:
    bal = service.bal(7)
    with Wire(service.port("imap_plain")) as wire:
        offered = wire.sign_in(bal.address, bal.password).capabilities
        assert [each for each in offered if each.startswith(start)]


def test_what_is_dangerous_is_not_offered(service: Service) -> None:
    bal = service.bal(7)
    with Wire(service.port("imap_plain")) as wire:
        before = set(wire.command("CAPABILITY").one("CAPABILITY").data)
        after = wire.sign_in(bal.address, bal.password).capabilities
        assert not (before | after) & set(DANGEROUS)
        assert wire.command("COMPRESS DEFLATE").status == "BAD"


def test_how_to_sign_in_is_told_before_it_and_not_after(service: Service) -> None:
    bal = service.bal(7)
    with Wire(service.port("imap")) as wire:
        before = set(wire.command("CAPABILITY").one("CAPABILITY").data)
        assert {"STARTTLS", "LOGINDISABLED", "IMAP4rev1"} <= before
        assert not {each for each in before if each.startswith("AUTH=")}
        assert wire.greeting.code == "CAPABILITY"
        assert set(wire.greeting.argument) == before
    with Wire(service.port("imap_plain")) as wire:
        assert "AUTH=PLAIN" in wire.command("CAPABILITY").one("CAPABILITY").data
        after = wire.sign_in(bal.address, bal.password).capabilities
        assert not {each for each in after if each.startswith(("AUTH=", "STARTTLS", "LOGINDISABLED"))}
