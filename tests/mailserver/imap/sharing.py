"""Boxes that others open, as an operator sets them up: for tests and as directives of dialogues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.bals import BalState, BalType, find_bal, set_state
from mailserver.envelope import Principal
from mailserver.store.rights import rights_of
from mailserver.store.seen import Whose
from tests.mailserver.imap.conftest import SIMPLE, deliver, open_box
from vaguemestre import accounts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.mailserver.imap.conftest import Imap

MARIE, PAUL = "marie@test.mssante.fr", "paul@test.mssante.fr"
DESK = "accueil@test.mssante.fr"


class Sharing:
    """What the operator of the server under test does."""

    def __init__(self, imap: Imap) -> None:
        self.imap = imap

    async def directive(self, word: str, *arguments: str) -> None:
        """`@box ADDRESS TYPE`, `@delegate BOX MEMBER RIGHTS`, `@revoke BOX MEMBER`, `@seen BOX personal`…"""
        known: dict[str, Callable[..., Awaitable[object]]] = {
            "box": self.box,
            "delegate": self.delegate,
            "revoke": self.revoke,
            "seen": self.seen,
            "quota": self.quota,
            "bring": self.bring,
        }
        await known[word](*arguments)

    async def box(self, address: str = DESK, kind: str = "ORG") -> int:
        """A box that also signs in by itself."""
        imap = self.imap
        owner_id = await open_box(imap.database, imap.vault, address, BalType(kind), imap.clock.millis())
        imap.sign_in.principals[address] = Principal(owner_id, address, None, "")
        return owner_id

    async def delegate(self, box: str = DESK, member: str = MARIE, rights: str = "lrswite") -> None:
        await self.imap.database.write(
            lambda uow: accounts.delegate_bal(uow, self.imap.clock, box, member, rights_of(rights))
        )

    async def revoke(self, box: str = DESK, member: str = MARIE) -> None:
        await self.imap.database.write(
            lambda uow: accounts.revoke_delegation(uow, self.imap.clock, box, member)
        )

    async def seen(self, box: str, whose: str) -> None:
        await self.imap.database.write(
            lambda uow: accounts.set_bal_seen(uow, self.imap.clock, box, Whose(whose))
        )

    async def quota(self, box: str, octets: str, messages: str) -> None:
        await self.imap.database.write(
            lambda uow: accounts.limit_bal(uow, self.imap.clock, box, int(octets), int(messages))
        )

    async def suspend(self, box: str) -> None:
        now = self.imap.clock.millis()
        await self.imap.database.write(lambda uow: set_state(uow, box, BalState.SUSPENDED, now))

    async def bring(
        self, box: str = DESK, folder: str = "INBOX", message: bytes = SIMPLE, flags: int = 0
    ) -> None:
        """A message comes into a folder of a box."""
        index = list(self.imap.sign_in.principals).index(box)
        await deliver(self.imap, index, message, folder, flags, "")

    def owner(self, address: str) -> int:
        found = self.imap.database.read_now(lambda connection: find_bal(connection, address))
        assert found is not None
        return found.owner_id
