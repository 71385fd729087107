"""What a report says beside its verdicts is true of the message, and its advice asks for no more than the rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dmp_bridge.check.header_rules import is_oid, oid_fault
from dmp_bridge.check.kit import in_french
from dmp_bridge.check.letter import Question
from dmp_bridge.check.message_rules import examine_message
from dmp_bridge.check.report import Verdict, Weight
from dmp_bridge.check.rules_table import RULES
from dmp_bridge.check.telling import failures_first, size
from foundation.identifiers import OID_NIR
from tests.dmp_bridge.builders import INS, OTHER_INS, cda, xdm
from tests.dmp_bridge.check import packages
from tests.dmp_bridge.check.letters import COPY, PATIENT, ZIP, failing, findings, letter, note
from tests.dmp_bridge.check.packages import DRAFT, METADATA, examine, n1, swap

USER = f'"Dominique PAT-TROIS" <{INS}@patient.mssante.fr>'


def says(data: bytes, rule: str) -> str:
    (only,) = findings(data, rule)
    return only.says


# ref: ECO.2.2.8
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"To": PATIENT}, "Pas de X-MSS-MES : l'usager peut répondre."),
        ({"To": PATIENT, "Subject": "[fin]"}, "Pas de X-MSS-MES : l'usager peut répondre."),
        ({"To": PATIENT, "Subject": "[FIN]"}, "Pas de X-MSS-MES, mais l'objet [FIN] clôt l'échange"),
        ({}, "Pas de X-MSS-MES, et aucun usager parmi les destinataires."),
        ({"Subject": "[FIN]"}, "Pas de X-MSS-MES, et aucun usager parmi les destinataires."),
        ({"From": USER}, "Pas de X-MSS-MES, et l'expéditeur est un usager."),
        ({"X_MSS_MES": "FIN"}, "Sans effet : aucun usager parmi les destinataires."),
        ({"From": USER, "To": PATIENT, "X_MSS_MES": "FIN"}, "Sans effet : l'expéditeur est un usager."),
        ({"To": PATIENT, "X_MSS_MES": "FIN"}, "FIN : l'usager ne peut pas répondre"),
    ],
)
def test_whether_a_patient_may_answer_is_said_as_it_is(changes: dict[str, str], words: str) -> None:
    assert says(note(**changes), "ECO.2.2.8").startswith(words)


def test_domains_that_hold_were_not_looked_up() -> None:
    assert "la liste blanche n'a pas été consultée" in says(note(), "REF1.DOMAINE")


def twice() -> dict[str, bytes]:
    """A package whose second submission set holds the document of the first."""
    content = packages.files()
    again = {
        name.replace("SUBSET01", "SUBSET02"): data.replace(b"1.2.250.1.999.7.1", b"1.2.250.1.999.7.2")
        for name, data in content.items()
        if "SUBSET01" in name
    }
    other = METADATA.replace("SUBSET01", "SUBSET02")
    again[other] = again[other].replace(b"20260313135410", b"20260313135411")
    return {**content, **again}


def test_a_document_that_two_submission_sets_hold_is_named() -> None:
    (told,) = [each for each in examine(twice()) if each.rule == "XDM-UNIQUE"]
    assert (told.verdict, told.weight) == (Verdict.FAILS, Weight.RECOMMENDED)
    assert told.place == "IHE_XDM/SUBSET02/DOC00001.XML"
    assert "IHE_XDM/SUBSET01/DOC00001.XML" in told.says


# ref: ECO.2.4.1
def test_each_entry_of_the_metadata_has_its_code() -> None:
    attached = [("IHE_XDM.zip", ZIP, packages.zipped(twice())), COPY]
    assert "ECO.2.4.1" in failing(letter(attached))
    assert "ECO.2.4.1" not in failing(letter(attached, X_MSS_CODECDA="11502-2,11502-2"))
    assert "ECO.2.4.1" in failing(letter(attached, X_MSS_CODECDA="11502-2,11502-2,11502-2"))
    # A second copy of the whole package announces nothing more.
    content = packages.files()
    copied = {**content, **{f"COPIE/{name}": data for name, data in content.items()}}
    assert "ECO.2.4.1" not in failing(letter([("IHE_XDM.zip", ZIP, packages.zipped(copied)), COPY]))


def test_another_number_is_said_to_be_refused_by_the_record_and_another_authority_is_not() -> None:
    real = cda(ins=OTHER_INS, oid=OID_NIR)
    report = examine_message(letter([("IHE_XDM.zip", ZIP, xdm(real)), COPY]), Question())
    told = [
        each for each in report.findings if each.rule == "INS-ACCORD" and each.place.endswith("recordTarget")
    ]
    assert [each.weight for each in told] == [Weight.RECOMMENDED]
    assert "Le dossier d'un usager le refusera (904)" in told[0].says
    # The bridge does not compare authorities.
    content = packages.files(n1(replace(DRAFT, patient=replace(packages.PATIENT, oid=OID_NIR))))
    content[METADATA] = content[METADATA].replace(b"1.2.250.1.213.1.4.8&", b"1.2.250.1.213.1.4.10&")
    (alike,) = [each for each in examine(content) if each.rule == "INS-ACCORD" and each.breaks]
    assert "OID du matricule" in alike.says
    assert "904" not in alike.says


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1.2.250.01.7", "l'arc 01 commence par un zéro"),
        ("3.2.250", "le premier arc est 3"),
        ("1.2.x", "autre chose que des nombres"),
        ("urn:oid:1.2", "autre chose que des nombres"),
        ("", "autre chose que des nombres"),
        ("1.2." + "1" * 61, "65 caractères, 64 au plus"),
        ("1", "un seul arc"),
        ("1." + "2" * 60, "arc trop long"),
    ],
)
def test_why_a_text_is_no_oid_is_said(text: str, reason: str) -> None:
    assert not is_oid(text)
    assert reason in oid_fault(text)


def test_the_report_gives_the_reason_with_the_value() -> None:
    content = packages.files()
    content[METADATA] = swap('value="1.2.250.1.999.7"', 'value="1.2.250.01.7"')(content[METADATA])
    (told,) = [each for each in examine(content) if each.rule == "META-OID"]
    assert told.says.endswith("n'est pas un OID : l'arc 01 commence par un zéro.")


# ref: ECO.2.1.3
@pytest.mark.parametrize(
    "subject", ["Compte rendu", "XDM/1.0/DDM Compte rendu PAT-TROIS DOMINIQUE", "XDM/1.0/DDM+DOMINIQUE"]
)
def test_advice_on_a_subject_does_not_ask_for_a_birth_date(subject: str) -> None:
    (told,) = findings(letter(Subject=subject), "ECO.2.1.3")
    assert "la date de naissance JJ/MM/AAAA derrière si on le veut" in told.advice
    assert failing(letter(Subject="XDM/1.0/DDM+Compte rendu PAT-TROIS DOMINIQUE")) == set()
    assert "facultative" in RULES["ECO.2.1.3"].title


# ref: MSS/va1.13
def test_sizes_are_written_as_one_reads_them() -> None:
    mega = 1024 * 1024
    assert [size(octets) for octets in (1, 830, 1024, 50_000, mega // 10, 3 * mega + mega // 2, 25 * mega)] == [
        "1 octet", "830 octets", "1 Ko", "49 Ko", "0,1 Mo", "3,5 Mo", "25 Mo",
    ]  # fmt: skip
    assert "25 Mo au plus" in says(note(), "MSS/va1.13")
    assert "0,0" not in says(note(), "MSS/va1.13")


def test_what_weighs_most_stands_first_in_the_order_of_the_rules() -> None:
    report = examine_message(note(X_MSS_NIL=None, Subject="Reçu").replace(b"Bonjour.", b"a\0"), Question())
    told = failures_first(report.findings)
    assert [each.rule for each in told[:3]] == ["ECO.2.4.3", "RFC5322.2", "RFC5322.2"]
    assert [each.breaks for each in told[:3]] == [True, True, False]
    assert sorted(map(id, told)) == sorted(map(id, report.findings))


def test_what_the_schema_of_the_kit_says_is_told_in_french() -> None:
    assert (
        in_french(
            "Element '{urn:hl7-org:v3}title': This element is not expected. Expected is ( {urn:hl7-org:v3}id )."
        )
        == "Élément 'title': Cet élément n'est pas attendu ici. Attendu : ( id )."
    )
