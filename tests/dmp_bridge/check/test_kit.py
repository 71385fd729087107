"""A kit of the official shape: found in its folder, run in a process of its own, told in the report."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.check.cda_rules import examine_cda
from dmp_bridge.check.kit import Kit, KitUnusable
from dmp_bridge.check.kit_files import list_files
from dmp_bridge.check.report import ALONE, Finding, Verdict, Weight
from dmp_bridge.check.xdm_rules import examine_archive
from tests.dmp_bridge.check.kits import HEADER, write_kit
from tests.dmp_bridge.check.packages import DRAFT, files, n1, n3, swap, zipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("saxonche", reason="saxonche (extra kit) is not installed")
LETTER = n3().data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_kit(tmp_path / "kit")


@pytest.fixture
def kit(folder: Path) -> Iterator[Kit]:
    with Kit.open(folder) as opened:
        yield opened


def told(kit: Kit, data: bytes) -> list[tuple[str, str, str]]:
    return [
        (each.rule, each.verdict.value, each.place.removeprefix("DOC.XML").strip())
        for each in from_kit(examine_cda("DOC.XML", data, ALONE, kit=kit))
    ]


def from_kit(findings: list[Finding]) -> list[Finding]:
    return [each for each in findings if each.rule.startswith("KIT")]


# ref: DMP-F7
def test_a_document_that_keeps_the_kit_holds(kit: Kit) -> None:
    assert told(kit, LETTER) == [("KIT-XSD", "holds", ""), ("KIT-SCHEMATRON", "holds", "")]


def test_the_schema_is_read_with_what_it_includes(kit: Kit) -> None:
    found = told(kit, swap('<realmCode code="FR"/>', "")(LETTER))
    assert found[0][:2] == ("KIT-XSD", "fails")


# ref: DMP-F7
def test_a_failed_assertion_is_told_with_its_file_and_xpath(kit: Kit) -> None:
    found = told(kit, swap('administrativeGenderCode code="F"', 'administrativeGenderCode code="Z"')(LETTER))
    path = "/ClinicalDocument/recordTarget/patientRole/patient/administrativeGenderCode"
    assert found[1] == ("KIT-SCHEMATRON", "fails", f"CI-SIS_StructurationMinimale.sch {path}")


def test_a_warning_of_a_schematron_is_a_remark(kit: Kit) -> None:
    data = swap('languageCode code="fr-FR"', 'languageCode code="en-US"')(LETTER)
    (finding,) = [
        each
        for each in from_kit(examine_cda("DOC.XML", data, ALONE, kit=kit))
        if each.verdict is Verdict.FAILS
    ]
    assert (finding.rule, finding.weight) == ("KIT-SCHEMATRON", Weight.RECOMMENDED)


def test_the_schematron_of_a_model_is_for_documents_of_that_model_or_that_name_it(kit: Kit) -> None:
    model = '<templateId root="1.2.250.1.213.1.1.1.29"'
    other = swap(f"{model}/>", f'{model} extension="2020.01"/>')(LETTER)
    assert told(kit, other)[1][1] == "holds"
    of_it = swap(f"{model}/>", f'{model} extension="2022.01"/>')(LETTER)
    assert told(kit, of_it)[1] == ("KIT-SCHEMATRON", "fails", "CI-SIS_LDL-SES_2022.01.sch /ClinicalDocument")
    naming = '<?oxygen SCHSchema="../schematrons/CI-SIS_LDL-SES_2022.01.sch"?><ClinicalDocument'
    assert told(kit, swap("<ClinicalDocument", naming)(other))[1][1] == "fails"


def test_the_documents_of_a_package_are_put_to_the_kit(kit: Kit) -> None:
    second = replace(DRAFT, unique_id="1.2.250.1.999.1.2.1", set_id="1.2.250.1.999.1.2")
    data = zipped(files(n1(), n3(second)))
    found = from_kit(examine_archive("IHE_XDM.zip", data, ALONE, kit=kit))
    assert {each.place for each in found} == {
        "IHE_XDM/SUBSET01/DOC00001.XML",
        "IHE_XDM/SUBSET01/DOC00002.XML",
    }


def test_a_document_of_another_country_is_not_put_to_the_kit(kit: Kit) -> None:
    assert told(kit, b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>') == []


def test_the_label_names_the_kit_and_what_runs_it(kit: Kit, folder: Path) -> None:
    assert kit.label.startswith("kit « kit » (empreinte ")
    assert "CDA_extended.xsd, 2 schématrons par SaxonC-HE 13" in kit.label
    before = list_files(folder).digest
    (folder / "schematrons/CI-SIS_LDL-SES_2022.01.sch").unlink()
    assert list_files(folder).digest != before


def test_without_the_processor_only_the_schema_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with Kit.open(folder) as opened:
        assert "saxonche n'étant pas installé" in opened.label
        assert told(opened, LETTER) == [("KIT-XSD", "holds", ""), ("KIT-SCHEMATRON", "not_applicable", "")]


def test_a_schematron_that_does_not_compile_is_told_and_the_others_still_run(folder: Path) -> None:
    broken = HEADER.replace('test="@code"', 'test="@code ="')
    (folder / "schematrons/include/entete.sch").write_text(broken, encoding="utf-8")
    data = swap(
        '<templateId root="1.2.250.1.213.1.1.1.29"/>',
        '<templateId root="1.2.250.1.213.1.1.1.29" extension="2022.01"/>',
    )(LETTER)
    with Kit.open(folder) as opened:
        found = [
            each
            for each in from_kit(examine_cda("DOC.XML", data, ALONE, kit=opened))
            if each.verdict is Verdict.FAILS
        ]
    assert [(each.place.split()[1], each.weight) for each in found] == [
        ("CI-SIS_LDL-SES_2022.01.sch", Weight.MANDATORY),
        ("CI-SIS_StructurationMinimale.sch", Weight.RECOMMENDED),
    ]


def test_a_schema_that_is_none_is_told(folder: Path) -> None:
    (folder / "infrastructure/cda/CDA_extended.xsd").write_text("<a/>", encoding="utf-8")
    with Kit.open(folder) as opened:
        found = [
            each
            for each in from_kit(examine_cda("DOC.XML", LETTER, ALONE, kit=opened))
            if each.verdict is Verdict.FAILS
        ]
    assert [each.place for each in found] == ["DOC.XML CDA_extended.xsd"]


def test_a_worker_that_was_killed_is_replaced(kit: Kit) -> None:
    assert len(told(kit, LETTER)) == 2
    process = kit._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert told(kit, LETTER)[0] == ("KIT-XSD", "holds", "")


CONFINED = """
import resource, sys
from pathlib import Path
from dmp_bridge.check.cda_rules import examine_cda
from dmp_bridge.check.kit import Kit
from dmp_bridge.check.report import ALONE
with Kit.open(Path(sys.argv[1])) as kit:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    for finding in examine_cda("DOC.XML", sys.stdin.buffer.read(), ALONE, kit=kit):
        if finding.rule.startswith("KIT"):
            print(finding.rule, finding.verdict.value)
"""


def test_a_process_that_confines_itself_after_it_opened_the_kit_can_use_it(folder: Path) -> None:
    command = [sys.executable, "-c", CONFINED, str(folder)]
    done = subprocess.run(command, input=LETTER, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().splitlines() == ["KIT-XSD holds", "KIT-SCHEMATRON holds"]


def slow(folder: Path, steps: str) -> None:
    """A kit whose schematron counts through ``steps`` for German documents."""
    test = f"@code != 'de-DE' or count(for {steps} return string($i)) = 1"
    text = HEADER.replace('test="@code"', f'test="{test}"')
    (folder / "schematrons/include/entete.sch").write_text(text, encoding="utf-8")


def test_a_late_answer_is_a_remark_and_is_not_taken_for_the_next_one(folder: Path) -> None:
    slow(folder, "$i in 1 to 30000000")
    german = swap('languageCode code="fr-FR"', 'languageCode code="de-DE"')(LETTER)
    with Kit(list_files(folder), seconds=1.0) as opened:
        (finding,) = from_kit(examine_cda("DOC.XML", german, ALONE, kit=opened))
        assert (finding.rule, finding.weight) == ("KIT-XSD", Weight.RECOMMENDED)
        assert "pas répondu" in finding.says
        process = opened._process
        while len(found := told(opened, LETTER)) == 1:
            assert found == [("KIT-XSD", "fails", "")]
        assert found == [("KIT-XSD", "holds", ""), ("KIT-SCHEMATRON", "holds", "")]
        assert opened._process is process


def test_a_schematron_without_end_is_ended(folder: Path) -> None:
    slow(folder, "$i in 1 to 99999999, $j in 1 to 99999999")
    german = swap('languageCode code="fr-FR"', 'languageCode code="de-DE"')(LETTER)
    with Kit(list_files(folder), seconds=1.0) as opened:
        assert told(opened, german) == [("KIT-XSD", "fails", "")]
        process = opened._process
        assert process is not None
        assert process.wait(timeout=60) == -signal.SIGXCPU
        while len(found := told(opened, LETTER)) == 1:
            continue
        assert found[1] == ("KIT-SCHEMATRON", "holds", "")


def test_a_compiled_schematron_is_run_where_its_source_is_not_there(folder: Path) -> None:
    sheet = """<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="2.0"
 xmlns:svrl="http://purl.oclc.org/dsdl/svrl"><xsl:template match="/"><svrl:schematron-output>
<svrl:failed-assert location="/*[1]"><svrl:text>compiled</svrl:text></svrl:failed-assert>
</svrl:schematron-output></xsl:template></xsl:stylesheet>"""
    for name in ("profils/terminologie.xsl", "profils/CI-SIS_StructurationMinimale.xsl", "iso_svrl.xsl"):
        (folder / "schematrons" / name).write_text(sheet, encoding="utf-8")
    assert [path.name for path in list_files(folder).compiled] == ["terminologie.xsl"]
    with Kit.open(folder) as opened:
        assert told(opened, LETTER)[1][2] == "terminologie.xsl /*"


def test_a_folder_without_a_kit_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(KitUnusable, match="n'existe pas"):
        Kit.open(tmp_path / "nowhere")
    (tmp_path / "a.xml").write_text("<a/>")
    with pytest.raises(KitUnusable, match="Aucun schéma"):
        Kit.open(tmp_path)


def test_the_walk_of_the_folder_is_bounded_and_follows_no_link(folder: Path, tmp_path: Path) -> None:
    deep = folder.joinpath(*["d"] * 20)
    deep.mkdir(parents=True)
    (deep / "CDA.xsd").write_text("<a/>")
    (folder / "schematrons" / "link.sch").symlink_to(folder / "schematrons/CI-SIS_LDL-SES_2022.01.sch")
    (folder / "loop").symlink_to(folder)
    found = list_files(folder)
    assert found.schema is not None
    assert found.schema.name == "CDA_extended.xsd"
    assert len(found.schematrons) == 2
