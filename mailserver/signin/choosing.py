"""Another password for a box: looked at, then stored in each form that a way of signing in needs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from directory.bals import set_password
from foundation.passwords import hash_password
from mailserver.signin import scram
from mailserver.signin.policy import RefusedPasswords, weakness_of

if TYPE_CHECKING:
    from directory.bals import Bal
    from foundation.database import UnitOfWork
    from foundation.settings import Settings
    from mailserver.signin.policy import Weakness


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is stored of a password: its argon2id string, and the SCRAM verifier where those are kept."""

    password_hash: str = field(repr=False)
    verifier: scram.Verifier | None = None


class Choosing:
    """Takes new passwords by the policy of one operator."""

    def __init__(self, settings: Settings) -> None:
        self._scram = settings.accounts.scram
        self._refused = RefusedPasswords.of(settings)

    async def choose(self, plain: str, *, address: str, name: str) -> Chosen | Weakness:
        """What to store of a password for the box of this address and name, or what is wrong with it.

        Raises RefusedPasswordsUnreadable.
        """
        weakness = await asyncio.to_thread(
            weakness_of, plain, address=address, name=name, refused=self._refused
        )
        return weakness if weakness is not None else await self.take(plain)

    async def take(self, plain: str) -> Chosen:
        """What to store of a password that nobody chose: one that was drawn."""
        verifier = await asyncio.to_thread(scram.derive, plain) if self._scram else None
        return Chosen(await hash_password(plain), verifier)


def put(uow: UnitOfWork, address: str, chosen: Chosen) -> Bal:
    """Gives a box another password. Raises BalRefused where there is no such box."""
    bal = set_password(uow, address, chosen.password_hash)
    scram.store(uow, bal.owner_id, chosen.verifier)
    return bal
