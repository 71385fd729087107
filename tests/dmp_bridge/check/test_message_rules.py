from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmp_bridge.check.document_rules_table import DOCUMENT_RULES
from dmp_bridge.check.letter import MAX_FILES, Question, read_letter
from dmp_bridge.check.message_rules import examine_message, surroundings
from dmp_bridge.check.message_rules_table import MESSAGE_RULES
from dmp_bridge.check.report import Checked, Verdict, Weight
from dmp_bridge.check.rules_table import RULES
from tests.dmp_bridge.builders import INS, OTHER_INS, PDF, cda, n3_body, xdm, zipped
from tests.dmp_bridge.check.letters import COPY, DOCTOR, SUBJECT, ZIP, failing, files, findings, letter, note


def verdicts(data: bytes, rule: str, question: Question | None = None) -> list[tuple[Verdict, Weight]]:
    return [(each.verdict, each.weight) for each in findings(data, rule, question)]


FAILS = (Verdict.FAILS, Weight.MANDATORY)
ADVISED = (Verdict.FAILS, Weight.RECOMMENDED)
NOTED = (Verdict.FAILS, Weight.NOTE)


def test_every_finding_is_of_a_rule_of_the_table_and_no_rule_is_in_both() -> None:
    assert {each.rule for each in examine_message(letter(), Question()).findings} <= RULES.keys()
    assert not MESSAGE_RULES.keys() & DOCUMENT_RULES.keys()


def test_every_rule_on_letters_is_told_of_every_letter() -> None:
    for data in (letter(), note()):
        told = {each.rule for each in examine_message(data, Question()).findings}
        on_letters = {
            name
            for name in MESSAGE_RULES
            if name.startswith(("ECO.2", "ECO.3", "MES", "MSS", "AMBU", "PJ", "RFC5322", "RFC2045", "REF1"))
        }
        assert on_letters <= told


# ref: ECO.2.1.3
@pytest.mark.parametrize(
    ("subject", "rule"),
    [
        ("Compte rendu PAT-TROIS DOMINIQUE", "ECO.2.1.3"),
        ("XDM/1.0/DDM Compte rendu PAT-TROIS DOMINIQUE", "ECO.2.1.3"),
        ("XDM/1.0/DDM+PAT-TROIS DOMINIQUE", "ECO.2.1.3"),
        ("XDM/1.0/DDM+Compte rendu MARTIN Paul 28/03/1979", "ECO.2.1.3"),
        ("XDM/1.0/DDM+Compte rendu PAT-TROIS DOMINIQUE 31/02/1979", "ECO.2.1.3"),
        ("XDM/1.0/DDM+Compte rendu PAT-TROIS DOMINIQUE 28/03/1980", "ECO.2.1.3"),
    ],
)
def test_a_subject_against_the_convention_fails(subject: str, rule: str) -> None:
    assert FAILS in verdicts(letter(Subject=subject), rule)
    assert failing(letter(Subject=subject)) == {rule}


# ref: ECO.2.1.3
@pytest.mark.parametrize(
    "subject",
    [
        SUBJECT,
        "XDM/1.0/DDM+Compte rendu PAT-TROIS DOMINIQUE",
        "XDM/1.0/DDM+=?utf-8?q?Compte_rendu_m=C3=A9dical?= PAT-TROIS DOMINIQUE 28/03/1979",
    ],
)
def test_a_subject_by_the_convention_holds_with_or_without_birth_date(subject: str) -> None:
    assert failing(letter(Subject=subject)) == set()


def test_a_name_in_small_letters_is_advised_against() -> None:
    assert verdicts(letter(Subject="XDM/1.0/DDM+Compte rendu Pat-trois Dominique"), "ECO.2.1.3") == [ADVISED]


def test_a_subject_that_announces_a_document_without_one_fails_save_in_an_answer() -> None:
    assert failing(letter([], X_MSS_CODECDA=None, X_MSS_INS=None)) == {"ECO.2.1.1"}
    answer = {"In_Reply_To": "<a@b.fr>", "References": "<a@b.fr>"}
    assert (
        failing(letter([], Subject=f"Re: {SUBJECT}", X_MSS_CODECDA=None, X_MSS_INS=None, **answer)) == set()
    )


# ref: ECO.2.1.1
def test_the_archive_has_its_name_and_comes_once() -> None:
    package = xdm(cda())
    assert failing(letter([("documents.zip", ZIP, package), COPY])) == {"ECO.2.1.1"}
    assert failing(letter([("IHE_XDM.ZIP", ZIP, package), COPY])) == set()
    assert (
        verdicts(letter([("IHE_XDM.zip", "application/x-gzip", package), COPY]), "ECO.2.1.1").count(ADVISED)
        == 1
    )
    twice = letter([*files(), *files()], X_MSS_CODECDA="11502-2,11502-2")
    assert FAILS in verdicts(twice, "ECO.2.1.1")


def test_a_document_without_its_copy_fails_unless_it_can_be_read_without() -> None:
    wrapped = letter([("IHE_XDM.zip", ZIP, xdm(cda()))])
    assert ADVISED in verdicts(wrapped, "ECO.2.1.1")
    structured = letter([("IHE_XDM.zip", ZIP, xdm(cda(body=n3_body())))])
    assert FAILS in verdicts(structured, "ECO.2.1.1")


def test_a_cda_outside_the_archive_fails() -> None:
    loose = letter([("lettre.xml", "text/xml", cda())], X_MSS_CODECDA=None)
    assert FAILS in verdicts(loose, "ECO.2.1.1")


# ref: ECO.2.1.1
def test_a_message_to_two_patients_fails() -> None:
    two = letter(To=f"{INS}@patient.mssante.fr, 160012345678902@patient.mssante.fr")
    assert FAILS in verdicts(two, "ECO.2.1.1")


# ref: ECO.2.2.6, F33, F48
def test_an_address_of_another_patient_than_the_documents_fails() -> None:
    other = letter(To=f"{OTHER_INS}@patient.mssante.fr")
    assert FAILS in verdicts(other, "ECO.2.2.6")
    assert FAILS in verdicts(letter(X_MSS_INS="N"), "ECO.2.2.6")


def test_a_patient_and_professionals_in_one_message_is_advised_against() -> None:
    mixed = letter(Cc="cardiologie@hopital-a.mssante.fr")
    assert failing(mixed) == {"MES.DESTINATAIRES"}
    assert verdicts(mixed, "MES.DESTINATAIRES") == [ADVISED]


# ref: ECO.2.2.7, F27
@pytest.mark.parametrize(
    ("sender", "box", "fails"),
    [
        (DOCTOR, "", False),
        ("Marie_MARTIN <m@medecin.mssante.fr>", "", False),
        ("M._Jean-Paul_DE LA TOUR_Cabinet <m@medecin.mssante.fr>", "", False),
        ("Hopital A - Cardiologie <c@hopital-a.mssante.fr>", "", False),
        ("Hopital A - Cardiologie <c@hopital-a.mssante.fr>", "ORG", False),
        ("Hopital A - Cardiologie <c@hopital-a.mssante.fr>", "PER", True),
        ("marie_martin <m@medecin.mssante.fr>", "", True),
        ("Dr_MARTIN <m@medecin.mssante.fr>", "", True),
        ("m@medecin.mssante.fr", "", True),
    ],
)
def test_the_label_of_the_sender(sender: str, box: str, fails: bool) -> None:
    found = verdicts(note(From=sender), "ECO.2.2.7", Question(box_type=box))
    assert (found == [FAILS]) is fails


# ref: ECO.2.2.5
def test_reply_to_is_demanded_of_an_application_alone() -> None:
    app = Question(box_type="APP")
    assert verdicts(letter(), "ECO.2.2.5", app) == [FAILS]
    assert (
        verdicts(letter(Reply_To="Secretariat <s@medecin.mssante.fr>"), "ECO.2.2.5", app)[0][0]
        is Verdict.HOLDS
    )
    assert verdicts(letter(Reply_To="personne"), "ECO.2.2.5", app) == [FAILS]
    for box in ("", "PER", "ORG", "CAB"):
        assert verdicts(letter(), "ECO.2.2.5", Question(box_type=box))[0][0] is Verdict.NOT_APPLICABLE


# ref: ECO.2.2.1
@pytest.mark.parametrize("value", [None, "m1@medecin.mssante.fr", "<m1>", "<a@b> <c@d>"])
def test_a_message_id_is_there_and_well_formed(value: str | None) -> None:
    assert failing(note(Message_ID=value)) == {"ECO.2.2.1"}


# ref: ECO.2.2.2
def test_an_answer_names_what_it_answers() -> None:
    assert verdicts(note(Subject="Re: question"), "ECO.2.2.2") == [FAILS]
    assert verdicts(note(Subject="Re: question", In_Reply_To="<a@b.fr>"), "ECO.2.2.2") == [ADVISED]
    assert FAILS in verdicts(
        note(Subject="Re: question", In_Reply_To="a", References="<a@b.fr>"), "ECO.2.2.2"
    )
    assert (
        failing(note(Subject="Re: question", In_Reply_To="<a@b.fr>", References="<a@b.fr> <c@d.fr>")) == set()
    )


# ref: AMBU.MSS/va1.02
def test_a_replacement_names_what_it_replaces() -> None:
    loose = letter(Subject=f"[Annule et remplace] {SUBJECT}")
    assert failing(loose) == {"ECO.2.2.2", "AMBU.MSS/va1.02"}
    ids = {"In_Reply_To": "<a@b.fr>", "References": "<a@b.fr>"}
    assert failing(letter(Subject=f"[Annule et remplace] {SUBJECT}", **ids)) == set()


# ref: ECO.2.2.4
@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"Date": None}, "RFC5322.3.6"),
        ({"Date": "hier"}, "RFC5322.3.6"),
        ({"Subject": "a\r\nSubject: b"}, "RFC5322.3.6"),
        ({"From": "Dr_Marie_MARTIN"}, "RFC5322.3.6.2"),
        ({"From": f"{DOCTOR}, p.durand@medecin.mssante.fr"}, "RFC5322.3.6.2"),
        ({"X_Long": "x" * 999}, "RFC5322.2"),
        ({"MIME_Version": None}, "RFC2045"),
        ({"Content_Transfer_Encoding": "uuencode"}, "RFC2045"),
        ({"Content_Type": 'text/plain; charset="iso-8859-1"'}, "ECO.2.2.3"),
        ({"Content_Type": "text/html; charset=utf-8"}, "ECO.2.2.4"),
        ({"To": "paul@example.com"}, "REF1.DOMAINE"),
        ({"X_MSS_NIL": None}, "ECO.2.4.3"),
        ({"X_MSS_NIL": "a b"}, "ECO.2.4.3"),
        ({"X_MSS_NIL": "1\r\nX-MSS-NIL: 2"}, "ECO.2.4.3"),
    ],
)
def test_one_fault_in_a_header_is_one_rule(changes: dict[str, str | None], rule: str) -> None:
    data = note(**changes)
    assert rule in failing(data)
    assert FAILS in verdicts(data, rule)


# ref: ECO.2.2.3
def test_text_that_is_not_what_it_says_fails() -> None:
    assert failing(note("Reçu.", Content_Type="text/plain")) == {"ECO.2.2.3"}
    latin = note().replace(b"Bonjour.", "Reçu.".encode("latin-1"))
    assert failing(latin) == {"ECO.2.2.3"}
    assert verdicts(note(Subject="=?iso-8859-1?q?re=E7u?="), "ECO.2.2.3") == [ADVISED]


def test_raw_letters_in_the_header_are_advised_against() -> None:
    assert verdicts(note(Subject="Reçu"), "RFC5322.2") == [ADVISED]


# ref: ECO.2.2.4
def test_alternatives_hold_a_plain_text() -> None:
    parts = "--A\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>a</p>\r\n--A--\r\n"
    assert verdicts(note(parts, Content_Type="multipart/alternative; boundary=A"), "ECO.2.2.4") == [ADVISED]
    both = "--A\r\nContent-Type: text/plain\r\n\r\na\r\n" + parts
    assert failing(note(both, Content_Type="multipart/alternative; boundary=A")) == set()


def test_a_message_that_was_cut_is_told() -> None:
    whole = letter()
    assert FAILS in verdicts(whole[: whole.rindex(b"--B1--")], "RFC2045")
    assert FAILS in verdicts(note("rien", Content_Type="multipart/mixed; boundary=A"), "RFC2045")
    assert FAILS in verdicts(note("rien", Content_Type="multipart/mixed"), "RFC2045")


def test_damaged_base64_is_told_with_its_part() -> None:
    spoilt = letter().replace(b"UEsD", b"UE#D", 1)
    faults = [each for each in findings(spoilt, "RFC2045") if each.verdict is Verdict.FAILS]
    assert [each.place for each in faults] == ["partie 2 (IHE_XDM.zip)"]


# ref: ECO.2.4.1
def test_codes_are_compared_as_a_list_with_those_of_the_archive() -> None:
    assert failing(letter(X_MSS_CODECDA=None)) == {"ECO.2.4.1"}
    assert failing(letter(X_MSS_CODECDA="11502-2,11502-2")) == {"ECO.2.4.1"}
    assert failing(letter(X_MSS_CODECDA="34112-3")) == {"ECO.2.4.1"}
    assert failing(letter(X_MSS_CODECDA="11502-2;")) == {"ECO.2.4.1"}


# ref: ECO.2.4.2
def test_o_means_that_every_document_has_a_whole_identity() -> None:
    nobody = [("IHE_XDM.zip", ZIP, xdm(cda(ins=None), ins=None)), COPY]
    assert failing(letter(nobody, To="marie.martin@medecin.mssante.fr")) == {"ECO.2.4.2"}
    assert "ECO.2.4.2" not in failing(letter(nobody, To="marie.martin@medecin.mssante.fr", X_MSS_INS="N"))
    assert failing(letter(X_MSS_INS=None)) == {"ECO.2.4.2"}


def test_an_archive_nobody_can_open_is_told_once_and_nothing_is_compared() -> None:
    broken = letter([("IHE_XDM.zip", ZIP, b"PK\x03\x04rubbish"), COPY])
    (codes,) = findings(broken, "ECO.2.4.1")
    assert codes.verdict is Verdict.NOT_APPLICABLE
    assert not examine_message(broken, Question()).conforms


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("image.png", PDF, ADVISED),
        ("a.exe", b"MZ\x00", ADVISED),
        ("page.html", b"<html></html>", ADVISED),
        ("vide.pdf", b"", ADVISED),
        ("a.zip", zipped({"a.txt": b"a"}), ADVISED),
        ("lettre.pdf", PDF, None),
    ],
)
def test_the_files_of_a_message(name: str, data: bytes, expected: tuple[Verdict, Weight] | None) -> None:
    found = verdicts(letter([*files(), (name, "application/octet-stream", data)]), "PJ.TYPE")
    assert found == [expected] if expected else found[0][0] is Verdict.HOLDS


def test_a_message_in_the_message_is_told_of_and_not_opened() -> None:
    inner = letter(Subject="XDM/1.0/DDM+a")
    outer = note(
        "--A\r\nContent-Type: text/plain\r\n\r\nVoir\r\n--A\r\nContent-Type: message/rfc822\r\n\r\n"
        + inner.decode()
        + "\r\n--A--\r\n",
        Content_Type="multipart/mixed; boundary=A",
    )
    assert verdicts(outer, "PJ.TYPE") == [NOTED]
    assert failing(outer) == {"PJ.TYPE"}


def test_a_message_with_too_many_files_is_told_so() -> None:
    many = letter([COPY] * (MAX_FILES + 1), Subject="Fichiers", X_MSS_CODECDA=None, X_MSS_INS=None)
    assert ADVISED in verdicts(many, "PJ.TYPE")


# ref: ECO.3.1.6
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Disposition_Notification_To": "marie.martin@medecin.mssante.fr"}, None),
        ({"Disposition_Notification_To": "paul@medecin.mssante.fr"}, ADVISED),
        (
            {
                "Disposition_Notification_To": "paul@medecin.mssante.fr",
                "Return_Path": "<paul@medecin.mssante.fr>",
            },
            None,
        ),
        ({"Disposition_Notification_To": "a@b.fr, c@d.fr"}, FAILS),
        ({"Disposition_Notification_To": "oui"}, FAILS),
    ],
)
def test_a_notification_is_asked_for_at_the_sender(
    changes: dict[str, str | None], expected: tuple[Verdict, Weight] | None
) -> None:
    found = verdicts(note(**changes), "ECO.3.1.6")
    assert found == [expected] if expected else found[0][0] is Verdict.HOLDS


def test_the_documents_of_a_message_are_put_to_their_own_rules() -> None:
    told = {each.rule for each in examine_message(letter(), Question()).findings}
    assert {"XDM-HASH", "CDA-LISIBLE", "ECO.2.1.6"} <= told


def test_what_the_documents_rules_are_told_of_the_message() -> None:
    around = surroundings(read_letter(letter(X_MSS_MES="FIN"), Question()))
    assert around.in_message
    assert around.names == ("IHE_XDM.zip", COPY[0])
    assert around.matricules == (INS,)
    assert (around.codecda, around.ins, around.nil, around.mes) == ("11502-2", "O", "DEV935997", "FIN")
    assert [document.code.code for document in around.documents] == ["11502-2"]
    assert {each.family for each in around.traits} == {"PAT-TROIS"}


def test_the_report_says_by_which_rules() -> None:
    report = examine_message(note(), Question())
    assert (report.checked, report.rules_source) == (Checked.MESSAGE, "règles internes")


def test_nothing_of_a_message_is_in_the_repr_of_what_was_found() -> None:
    report = examine_message(letter(), Question())
    shown = repr(report) + repr(read_letter(letter(), Question()))
    for secret in (INS, "DOMINIQUE", "marie.martin", "Bonjour"):
        assert secret not in shown


@settings(max_examples=200)
@given(st.binary(max_size=2000))
def test_any_bytes_can_be_judged(data: bytes) -> None:
    examine_message(data, Question())


@settings(max_examples=100)
@given(st.data())
def test_a_letter_with_bytes_changed_anywhere_can_be_judged(data: st.DataObject) -> None:
    spoilt = bytearray(letter())
    for _ in range(data.draw(st.integers(1, 20))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    examine_message(bytes(spoilt), Question())
