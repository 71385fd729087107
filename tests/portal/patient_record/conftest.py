"""A home with a signed-in patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.portal.patient_record.home import Home

if TYPE_CHECKING:
    from tests.portal.house import House


@pytest.fixture
async def home(house: House) -> Home:
    patient = await house.patient()
    return Home(house, patient, await house.signed_in(patient))
