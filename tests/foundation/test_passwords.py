"""Passwords at the cost at which they are served; every other test takes the least."""

from __future__ import annotations

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from foundation import passwords
from foundation.passwords import PasswordMemory, hash_password


@pytest.fixture(autouse=True)
def quick_passwords() -> None:
    """None here: the cost is what is looked at."""


async def test_a_stored_password_costs_what_owasp_asks() -> None:
    cost = extract_parameters(await hash_password("cheval agrafe pile exact"))
    assert cost.type is Type.ID
    assert (cost.memory_cost, cost.time_cost, cost.parallelism) == (19_456, 2, 1)
    assert (cost.salt_len, cost.hash_len) == (16, 32)


async def test_an_account_that_does_not_exist_costs_as_much_as_one_that_does() -> None:
    stored = await hash_password("cheval agrafe pile exact")
    assert extract_parameters(passwords._DECOY) == extract_parameters(stored)


async def test_a_password_opens_its_own_hash_alone() -> None:
    stored, other = await hash_password("cheval agrafe"), await hash_password("cheval agrafe")
    assert stored != other
    memory = PasswordMemory()
    assert await memory.verify(stored, "cheval agrafe")
    assert not await memory.verify(stored, "cheval agrafe ")
    assert not await memory.verify(None, "cheval agrafe")
