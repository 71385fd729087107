"""The negative cases of ../shared/data/mails/negative-cases.json, on letters of our own and on the given ones."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.check.letter import Question
from dmp_bridge.check.message_rules import examine_message
from dmp_bridge.check.message_rules_table import MESSAGE_RULES
from dmp_bridge.check.report import Verdict, Weight
from tests.dmp_bridge.builders import INS, OTHER_INS, cda, xdm
from tests.dmp_bridge.check.letters import COPY, ZIP, failing, findings, letter, note
from tests.shared_data import shared

if TYPE_CHECKING:
    from collections.abc import Callable

WRONG_KEY = "279035121518980@patient.mssante.fr"


def weights(data: bytes, rule: str) -> list[Weight]:
    return [each.weight for each in findings(data, rule) if each.verdict is Verdict.FAILS]


def test_a_good_letter_and_a_good_note_have_no_fault() -> None:
    assert failing(letter()) == set()
    assert failing(note()) == set()


# ref: ECO.2.2.8
def test_n01_fin_in_lower_case() -> None:
    data = letter(X_MSS_MES="fin")
    assert failing(data) == {"ECO.2.2.8"}
    assert weights(data, "ECO.2.2.8") == [Weight.MANDATORY]
    assert failing(letter(X_MSS_MES="FIN")) == set()


def test_n02_fin_between_professionals_is_told_and_does_not_make_the_letter_wrong() -> None:
    data = note(X_MSS_MES="FIN")
    assert failing(data) == {"ECO.2.2.8"}
    assert weights(data, "ECO.2.2.8") == [Weight.RECOMMENDED]
    assert examine_message(data, Question()).conforms


@pytest.mark.parametrize("subject", [" [fin]", "Re: [FIN]", "[fin]", " [FIN]", "FIN"])
def test_n03_a_subject_that_is_almost_fin(subject: str) -> None:
    extra = {"In_Reply_To": "<a@b.fr>", "References": "<a@b.fr>"} if subject.startswith("Re") else {}
    data = note(To=f"{INS}@patient.mssante.fr", Subject=subject, **extra)
    assert failing(data) == {"MES.FIN"}
    assert failing(note(To=f"{INS}@patient.mssante.fr", Subject="[FIN]")) == set()
    assert failing(note(Subject=subject, **extra)) == set()


# ref: F25
def test_n04_two_patients_in_the_archive() -> None:
    first, second = cda(), cda(unique_id="1.2.250.1.999.1.2", ins=OTHER_INS)
    package = xdm(first, second)
    data = letter([("IHE_XDM.zip", ZIP, package), COPY, COPY], X_MSS_CODECDA="11502-2,11502-2")
    assert failing(data) == {"ECO.2.1.1"}
    assert weights(data, "ECO.2.1.1") == [Weight.MANDATORY]


def test_n05_codes_without_an_archive() -> None:
    assert failing(note(X_MSS_CODECDA="34112-3")) == {"ECO.2.4.1"}


def test_n06_ins_that_is_neither_o_nor_n() -> None:
    data = letter(X_MSS_INS="OUI")
    assert failing(data) == {"ECO.2.4.2"}
    assert weights(data, "ECO.2.4.2") == [Weight.MANDATORY]


def test_n07_one_code_for_each_document_duplicates_kept() -> None:
    first, second = cda(), cda(unique_id="1.2.250.1.999.1.2")
    package = xdm(first, second)
    attached = [("IHE_XDM.zip", ZIP, package), COPY, COPY]
    assert failing(letter(attached, X_MSS_CODECDA="11502-2,11502-2")) == set()
    assert failing(letter(attached, X_MSS_CODECDA="11502-2")) == {"ECO.2.4.1"}


# ref: ECO.3.1.5
def test_n08_a_wrong_key_is_an_alert() -> None:
    data = letter(To=WRONG_KEY)
    assert failing(data) == {"ECO.3.1.5"}
    assert weights(data, "ECO.3.1.5") == [Weight.RECOMMENDED]
    assert failing(letter(To="27903512151898@patient.mssante.fr")) == {"ECO.2.2.6"}


# ref: MSS/va1.13
def test_n09_more_than_25_megabytes() -> None:
    line = b"x" * 76 + b"\r\n"
    data = note(To=f"{INS}@patient.mssante.fr") + line * (26 * 1024 * 1024 // len(line))
    assert failing(data) == {"MSS/va1.13"}


def test_n10_a_patient_who_writes_first() -> None:
    patient = f'"Dominique PAT-TROIS" <{INS}@patient.mssante.fr>'
    data = note(From=patient, To="marie.martin@medecin.mssante.fr", X_MSS_NIL=None)
    assert failing(data) == {"MES.INITIATIVE"}
    answered = {"In_Reply_To": "<m1@medecin.mssante.fr>", "References": "<m1@medecin.mssante.fr>"}
    assert (
        failing(note(From=patient, To="marie.martin@medecin.mssante.fr", X_MSS_NIL=None, **answered)) == set()
    )
    assert failing(note(From=patient, To="officine@pharmacie.mssante.fr", X_MSS_NIL=None)) == set()


def test_n11_a_patient_to_a_patient() -> None:
    patient = f'"Dominique PAT-TROIS" <{INS}@patient.mssante.fr>'
    data = note(From=patient, To="160012345678902@patient.mssante.fr", X_MSS_NIL=None)
    assert "MES.INITIATIVE" in failing(data)


def test_n12_the_certificate_is_not_in_the_message_and_the_report_says_so() -> None:
    (held,) = findings(note(), "REF1.DOMAINE")
    assert held.verdict is Verdict.HOLDS
    assert "certificat" in held.says
    assert failing(note(From='"Dr_Marie_MARTIN" <marie@example.fr>')) == {"REF1.DOMAINE"}


def changed(name: str, change: Callable[[bytes], bytes]) -> set[str]:
    return failing(change(shared("mails", name).read_bytes()))


def field(name: str, value: str) -> Callable[[bytes], bytes]:
    line = re.compile(rb"^" + name.encode() + rb":.*(?:\r?\n[ \t].*)*", re.MULTILINE)
    return lambda data: line.sub(f"{name}: {value}\r".encode(), data, count=1)


@pytest.mark.parametrize(
    ("mail", "change", "rule"),
    [
        ("02-pro-vers-patient-reponse-bloquee.eml", field("X-MSS-MES", "fin"), "ECO.2.2.8"),
        ("01-pro-vers-pro-xdm.eml", field("X-MSS-NIL", "1\r\nX-MSS-MES: FIN"), "ECO.2.2.8"),
        ("03-pro-vers-patient-objet-FIN.eml", field("Subject", " [fin]"), "MES.FIN"),
        ("05-pro-sans-document.eml", field("X-MSS-NIL", "1\r\nX-MSS-CODECDA: 34112-3"), "ECO.2.4.1"),
        ("01-pro-vers-pro-xdm.eml", field("X-MSS-INS", "OUI"), "ECO.2.4.2"),
        ("02-pro-vers-patient-reponse-bloquee.eml", field("To", WRONG_KEY), "ECO.3.1.5"),
        ("04-reponse-patient.eml", field("To", "160012345678902@patient.mssante.fr"), "MES.INITIATIVE"),
    ],
)
def test_a_given_mail_that_is_changed_so_has_this_fault_more(
    mail: str, change: Callable[[bytes], bytes], rule: str
) -> None:
    before = failing(shared("mails", mail).read_bytes())
    assert rule not in before
    assert rule in changed(mail, change)
    assert changed(mail, change) - before <= {rule, "ECO.3.1.5"}


def test_no_rule_on_messages_fails_on_the_given_mails() -> None:
    """Save one: a package without its PDF copy (07), whose document holds the PDF itself."""
    folder = shared("mails")
    faults = {mail.name[:2]: failing(mail.read_bytes()) for mail in sorted(folder.glob("*.eml"))}
    assert {name: found for name, found in faults.items() if found} == {"07": {"ECO.2.1.1"}}
    copies = findings((folder / "07-bal-app-vers-patient-reply-to.eml").read_bytes(), "ECO.2.1.1")
    assert [each.weight for each in copies if each.verdict is Verdict.FAILS] == [Weight.RECOMMENDED]


def test_the_given_mails_conform() -> None:
    for mail in sorted(shared("mails").glob("*.eml")):
        report = examine_message(mail.read_bytes(), Question())
        assert [each for each in report.findings if each.breaks] == [], mail.name


def test_every_negative_case_that_is_given_has_a_test_here() -> None:
    cases = json.loads(shared("mails", "negative-cases.json").read_text())
    tests = " ".join(name for name in globals() if name.startswith("test_n"))
    assert [case["id"] for case in cases if case["id"].lower() not in tests] == []


def test_every_rule_has_a_title_and_a_source() -> None:
    assert all(rule.title and rule.source for rule in MESSAGE_RULES.values())


def test_n08_is_an_alert_for_the_documents_rules_too() -> None:
    spoilt = letter(To=WRONG_KEY)
    before, after = (
        {
            (each.rule, each.place)
            for each in examine_message(data, Question()).findings
            if each.verdict is Verdict.FAILS
        }
        for data in (letter(), spoilt)
    )
    assert {rule for rule, _ in after - before} == {"ECO.3.1.5"}


def test_a_trial_with_a_test_identity_around_a_real_one_is_told_and_conforms() -> None:
    real = cda(ins=OTHER_INS, oid="1.2.250.1.213.1.4.8", set_id=None)
    mixed = [("IHE_XDM.zip", ZIP, xdm(real)), COPY]
    report = examine_message(letter(mixed), Question())
    (told,) = [
        each for each in report.findings if each.rule == "INS-ACCORD" and each.place.endswith("recordTarget")
    ]
    assert (told.verdict, told.weight) == (Verdict.FAILS, Weight.RECOMMENDED)
    assert "jeu d'essai" in told.says
    assert [
        each.rule for each in report.findings if each.breaks and each.rule.startswith(("CDA-", "INS-"))
    ] == []
    alike = [("IHE_XDM.zip", ZIP, xdm(cda(ins=OTHER_INS))), COPY]
    assert "INS-ACCORD" in {
        each.rule for each in examine_message(letter(alike), Question()).findings if each.breaks
    }


def test_a_trial_does_not_excuse_a_package_that_was_altered() -> None:
    real = cda(ins=OTHER_INS, oid="1.2.250.1.213.1.4.8")
    altered = [("IHE_XDM.zip", ZIP, xdm(real, sha1="0" * 40)), COPY]
    assert "XDM-HASH" in {
        each.rule for each in examine_message(letter(altered), Question()).findings if each.breaks
    }
