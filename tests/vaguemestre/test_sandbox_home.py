"""What opens the boxes of a sandbox beside their passwords, from the first start on and in homes made before."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from sqlalchemy import delete

from certs.names import DistinguishedName
from directory.bals import BalType, find_bal, list_bals
from foundation.cipher import key_of
from foundation.database import Database
from foundation.settings import load
from mailserver.signin import certificates, scram, second_factor
from mailserver.signin.second_factor import SecondFactors, code
from portal.operators.accounts import find_operator
from vaguemestre import ports
from vaguemestre.fictive import BALS
from vaguemestre.sandbox_home import (
    OPERATOR,
    populate,
    prepare,
    second_factor_for,
    seed,
    write_settings,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.settings import Settings


@pytest.fixture
async def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("VAGUEMESTRE_ACCOUNTS__SCRAM", "true")
    home = tmp_path / "home"
    home.mkdir()
    prepare(home)
    made = write_settings(home, ports.free())
    await populate(made, empty=False)
    return made


@pytest.fixture
async def opened(settings: Settings) -> AsyncIterator[Database]:
    database = await Database.open(settings.database_url, key=key_of(settings))
    yield database
    await database.close()


def owner(database: Database, address: str) -> int:
    found = database.read_now(lambda connection: find_bal(connection, address))
    assert found is not None
    return found.owner_id


async def test_an_empty_sandbox_has_its_operator_alone(empty_home: Path) -> None:
    settings = load(empty_home)
    database = await Database.open(settings.database_url, key=key_of(settings))
    try:
        assert database.read_now(lambda connection: find_operator(connection, OPERATOR)) is not None
        assert database.read_now(list_bals) == []
    finally:
        await database.close()


async def test_the_certificate_of_a_software_opens_its_box_also_in_a_home_made_before(
    settings: Settings, opened: Database
) -> None:
    softwares = [bal.address for bal in BALS if bal.type is BalType.APP]

    def opens() -> dict[str, list[int]]:
        found = {}
        for address in softwares:
            file = settings.home / "pki" / "boxes" / f"{address}.pem"
            name = DistinguishedName.from_x509(x509.load_pem_x509_certificate(file.read_bytes()).subject)
            found[address] = opened.read_now(lambda c, dn=name: certificates.owners_of(c, dn))  # type: ignore[misc]
        return found

    expected = {address: [owner(opened, address)] for address in softwares}
    assert len(softwares) > 1
    assert opens() == expected
    await opened.write(lambda uow: uow.execute(delete(certificates.bal_certificate)).rowcount)
    assert opens() == {address: [] for address in softwares}
    for _ in range(2):
        await populate(settings, empty=False)
        assert opens() == expected


async def test_one_person_has_a_second_factor_that_is_known(settings: Settings, opened: Database) -> None:
    (strong,) = [bal.address for bal in BALS if bal.has_second_factor]
    owner_id = owner(opened, strong)
    secret = second_factor_for(seed(settings.home), strong)
    assert len(base64.b32decode(second_factor.base32(secret))) == 20
    factors, now = SecondFactors.of(settings), 1_800_000_000_000
    assert await opened.write(lambda uow: factors.verify(uow, owner_id, code(secret, now), now))
    others = [owner(opened, bal.address) for bal in BALS if not bal.has_second_factor]
    assert not opened.read_now(lambda c: any(second_factor.is_enrolled(c, each) for each in others))


async def test_passwords_are_kept_for_scram_where_the_settings_say_so(opened: Database) -> None:
    owner_id = owner(opened, BALS[0].address)
    assert opened.read_now(lambda c: scram.find(c, owner_id)) is not None
