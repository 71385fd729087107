"""Mails that are opened once and shown many times."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from foundation.vault import Vault
from portal.reading import MailReader

if TYPE_CHECKING:
    import pytest

    from directory.patients import Patient
    from tests.portal.house import House


def reads_of(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The blobs that are read from now on."""
    reads: list[int] = []
    read = Vault.read

    async def counted(vault: Vault, owner_id: int, blob_id: int) -> bytes:
        reads.append(blob_id)
        return await read(vault, owner_id, blob_id)

    monkeypatch.setattr(Vault, "read", counted)
    return reads


async def written(house: House, count: int) -> Patient:
    patient, doctor = await house.patient(), await house.doctor()
    for number in range(count):
        body = f"Corps-{number}." + "x" * 1000
        await house.write(doctor, patient, message_id=f"<{number}@example.fr>", body=body)
    return patient


async def test_a_page_that_is_shown_again_reads_no_mail_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await written(house, 3)
    browser = await house.signed_in(patient)
    reads = reads_of(monkeypatch)
    path = f"/patient/conversations/{house.conversation(patient).id}"
    pages = [await browser.get(each) for each in (path, path, f"{path}/fragment")]
    assert [page.text.count("Corps-") for page in pages] == [3, 3, 3]
    assert len(reads) == 3


async def test_pages_that_ask_at_once_read_each_mail_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await written(house, 1)
    reads = reads_of(monkeypatch)
    reader = MailReader(house.context.vault)
    (item,) = house.conversation(patient).items
    opened = await asyncio.gather(
        *(reader.opened(patient.owner_id, item.mail_id, item.blob_id) for _ in range(5))
    )
    assert {each.text[:8] for each in opened if each is not None} == {"Corps-0."}
    assert len(reads) <= 2


async def test_what_is_kept_is_bounded_and_the_oldest_goes_first(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await written(house, 3)
    reads = reads_of(monkeypatch)
    reader = MailReader(house.context.vault, kept=3000)
    items = house.conversation(patient).items
    for item in (*items, items[2], items[0]):
        await reader.opened(patient.owner_id, item.mail_id, item.blob_id)
        assert reader.weight <= 3000
    assert reads == [items[0].blob_id, items[1].blob_id, items[2].blob_id, items[0].blob_id]


async def test_what_one_person_opened_is_not_given_to_another(house: House) -> None:
    patient = await written(house, 1)
    reader = MailReader(house.context.vault)
    (item,) = house.conversation(patient).items
    assert await reader.opened(patient.owner_id, item.mail_id, item.blob_id) is not None
    assert await reader.opened(patient.owner_id + 1, item.mail_id, item.blob_id) is None
