"""What the check says of the shared samples: nothing false on the official documents, what is odd in each package."""

from __future__ import annotations

import email
import email.policy
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.check.cda_rules import examine_cda
from dmp_bridge.check.report import ALONE, Finding, Verdict, Weight
from dmp_bridge.check.xdm_rules import examine_archive
from tests.dmp_bridge.check.packages import broken
from tests.shared_data import shared

if TYPE_CHECKING:
    from collections.abc import Iterable

# Remarks that are true: a wrong key of a test identity, a time without an offset.
CDA = {
    "BIO-CR-BIO_2021.01_Auto-Presentable.xml": [],
    "BIO-CR-BIO_2021.01_CDA-R2-Niveau-1.xml": [],
    "CSE-CS9_2025.01.xml": ["INS-CLE"],
    "DLU-EHPAD-DLU_2022.01.xml": [],
    "DOC_NON_STRUCTURE_CDA-R2-N1.xml": ["CDA-DATES"],
    "IMG_CR_IMG_2024.01_CDA-R2-Niveau-1.xml": [],
    "LDL-SES_2022.01.xml": [],
    "VAC_2023.01.xml": [],
    "VSM_1.4_2022.01.xml": [],
    "eP-MED-DM_2024.01_PosoStruct.xml": [],
}
LONG = "XDM-NOMS"  # a name of more than 8 characters, or in lower case
MAC = "XDM-RESTES"
LEADING_ZERO = "META-OID"  # …688879.02004…: an arc of an OID has no leading zero
TWICE = "META-ECHAPPEMENT"
XDM = {
    "direct/xd-common-samplexdm.zip": ["META-IHE", "META-LIEN", "META-OID", "XDM-DOSSIER", LONG],
    "direct/xd-xdm.zip": ["META-IHE", "META-OID", "XDM-LOT", LONG],
    "nist/C32_Sample1_in_XDM.zip": [TWICE, LEADING_ZERO, LONG, MAC],
    "nist/C32_Sample2_in_XDM.zip": [TWICE, LEADING_ZERO, LONG, MAC],
    "nist/CCDA_Ambulatory_in_XDM.zip": [LEADING_ZERO, "XDM-CASSE", LONG, MAC],
    "nist/CCDA_Inpatient_in_XDM.zip": [LEADING_ZERO, "XDM-CASSE", LONG, MAC],
    "nist/CCR_Sample1_in_XDM.zip": [TWICE, LEADING_ZERO, LONG, MAC],
    "nist/CCR_Sample2_in_XDM.zip": [TWICE, LEADING_ZERO, LONG, MAC],
    "nist/lynn-xdm.zip": ["CDA-SUR", "META-EBRIM", "META-LIEN", "META-OID", "XDM-RACINE"],
    "nist/toolkit-Ccda.zip": [TWICE, LEADING_ZERO, LONG, MAC, "XDM-UNIQUE"],
    "nist/toolkit-xdm.zip": ["XDM-CASSE", LONG, MAC],
    "nist/toolkit-xdm_minimal.zip": ["XDM-CASSE", LONG, MAC],
}


def mandatory(findings: Iterable[Finding]) -> list[str]:
    return sorted({each.rule for each in findings if each.breaks})


@pytest.mark.parametrize(("name", "remarks"), CDA.items())
def test_no_official_document_breaks_a_mandatory_rule(name: str, remarks: list[str]) -> None:
    findings = examine_cda(name, shared("cda", name).read_bytes(), ALONE)
    assert mandatory(findings) == []
    assert broken(findings) == remarks
    assert sum(each.verdict is Verdict.HOLDS for each in findings) >= 25


def test_every_official_document_is_known_here() -> None:
    assert {path.name for path in shared("cda").iterdir()} == set(CDA)


@pytest.mark.parametrize(("name", "odd"), XDM.items())
def test_what_is_odd_in_each_package_is_named_and_nothing_else(name: str, odd: list[str]) -> None:
    findings = examine_archive(name.rpartition("/")[2], shared("xdm", *name.split("/")).read_bytes(), ALONE)
    assert broken(findings) == odd
    # All sizes and hashes of the samples are right, and none of them is French.
    holds = {each.rule for each in findings if each.verdict is Verdict.HOLDS}
    assert {"XDM-ZIP", "XDM-SUR", "XDM-URI", "XDM-TAILLE", "XDM-HASH", "META-LISIBLE"} <= holds
    assert "META-PROFIL" in {each.rule for each in findings if each.verdict is Verdict.NOT_APPLICABLE}


def test_every_package_is_known_here() -> None:
    root = shared("xdm")
    assert {path.relative_to(root).as_posix() for path in root.rglob("*.zip")} == set(XDM)


def package_of(name: str) -> bytes:
    message = email.message_from_bytes(shared("mails", name).read_bytes(), policy=email.policy.compat32)
    return next(
        part.get_payload(decode=True)  # type: ignore[misc]
        for part in message.walk()
        if part.get_filename() == "IHE_XDM.zip"
    )


def test_what_the_package_of_the_shared_mails_really_is() -> None:
    """Its METADATA.XML is reduced by its own words, and the CDA in it is about another patient."""
    findings = examine_archive("IHE_XDM.zip", package_of("01-pro-vers-pro-xdm.eml"), ALONE)
    assert mandatory(findings) == ["CDA-DATE", "CDA-VERSION", "INS-ACCORD", "META-CDA", "META-FR"]
    (finding,) = [each for each in findings if each.rule == "INS-ACCORD"]
    for one in ("279035121518989", "274075176079430", "PAT-TROIS", "PatA", "1979-03-28", "2005-01-01"):
        assert one in finding.says
    missing = sorted(each.place.rpartition(" ")[2] for each in findings if each.rule == "META-FR")
    assert missing == [
        "author", "classCode", "contentTypeCode", "healthcareFacilityTypeCode", "legalAuthenticator",
        "practiceSettingCode",
    ]  # fmt: skip
    assert all(each.weight is Weight.MANDATORY for each in findings if each.rule == "META-FR")
