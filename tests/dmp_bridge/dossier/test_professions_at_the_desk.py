from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier.desk import Denied, Desk, DocumentQuery
from dmp_bridge.rights.professions import ProfessionsRefused
from dmp_bridge.rights.vocabulary import Reason
from foundation.settings import from_values
from tests.dmp_bridge.dossier.wards import INS, NURSE, Ward

if TYPE_CHECKING:
    from pathlib import Path


# ref: DMP-F24
@pytest.mark.parametrize("may", ["oui", "non"])
async def test_the_table_of_the_operator_says_what_a_profession_is_shown(
    ward: Ward, tmp_path: Path, may: str
) -> None:
    (tmp_path / "professions.csv").write_text(f"profession,type_code,consultation\n60,*,{may}\n")
    settings = from_values(tmp_path, {"record": {"professions_file": "professions.csv"}})
    desk = Desk.open(ward.database, ward.vault, ward.clock, settings)
    try:
        (filed,) = await ward.feed()
        await ward.authorise(NURSE)
        found = await desk.search(NURSE, INS, DocumentQuery())
        assert len(found.documents) == (1 if may == "oui" else 0)
        if may == "oui":
            assert (await desk.read(NURSE, filed.document_id)).document.id == filed.document_id
        else:
            with pytest.raises(Denied) as denied:
                await desk.read(NURSE, filed.document_id)
            assert denied.value.reason is Reason.PROFESSION
    finally:
        await desk.close()


async def test_a_desk_is_not_opened_with_a_table_that_is_wrong(ward: Ward, tmp_path: Path) -> None:
    (tmp_path / "professions.csv").write_text("nothing\n")
    settings = from_values(tmp_path, {"record": {"professions_file": "professions.csv"}})
    with pytest.raises(ProfessionsRefused):
        Desk.open(ward.database, ward.vault, ward.clock, settings)
