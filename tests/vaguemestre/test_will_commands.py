"""`vaguemestre patient consent | relations | block | represent | delete-request | adt …` beside no running service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation.identifiers import ins_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]

PASSWORD = "girafe-lampe-quatre-vélo"
DOCTOR, HOSPITAL = "899900000011", "1000897406"


def ins(number: str) -> str:
    return number + ins_key(number)


PATIENT, CHILD = ins("2790351215189"), ins("1150599999001")


@pytest.fixture
def home(empty_home: Path, vaguemestre: Command) -> str:
    """A home with a patient and a child."""
    for number, name, born in ((PATIENT, "PAT-TROIS", "1979-03-28"), (CHILD, "PETIT", "2015-05-14")):
        said = vaguemestre(
            "patient", "add", number, "--home", str(empty_home), "--birth-name", name, "--first-names",
            "DOMINIQUE", "--birth-date", born, "--sex", "F", "--password-stdin", stdin=f"{PASSWORD}\n",
        )  # fmt: skip
        assert said.code == 0, said
    return str(empty_home)


@pytest.fixture
def patient(home: str, vaguemestre: Command) -> Command:
    def command(word: str, *words: str, json: bool = True) -> Said:
        return vaguemestre("patient", word, *words, "--home", home, *(["--json"] if json else []))

    return command


def test_what_a_patient_says_is_kept_with_its_reason(patient: Command) -> None:
    said = patient("consent", PATIENT, "bris-de-glace", "deny")
    assert said.json == {"kind": "bris-de-glace", "value": "deny", "changed": True}
    assert patient("consent", PATIENT, "bris-de-glace", "deny").json["changed"] is False
    patient("consent", PATIENT, "feeding", "IO", json=False).is_refused("motif")
    patient("consent", PATIENT, "feeding", "IC", json=False).is_refused("réponse")
    patient("consent", PATIENT, "feeding", "INO", "--structure", "x", json=False).is_refused("FINESS")
    patient("consent", PATIENT, "feeding", "IO", "--reason", "Un proche y travaille.")
    history: list[dict[str, Any]] = patient("consents", PATIENT).json
    assert [(each["kind"], each["value"], each["actor"], each["reason"]) for each in history] == [
        ("bris-de-glace", "deny", "operator", ""),
        ("feeding", "IO", "operator", "Un proche y travaille."),
    ]


def test_who_may_enter_is_authorised_named_blocked_and_let_in_again(patient: Command) -> None:
    assert patient("authorise", PATIENT, DOCTOR, "--until", "2099-01-31", "--name", "Dr Roy").json["changed"]
    assert patient("attending", PATIENT, DOCTOR, "--name", "Dr Roy").json["changed"]
    (one, other) = sorted(patient("relations", PATIENT).json, key=lambda each: str(each["kind"]))
    assert (one["kind"], one["subject"], one["name"]) == ("attending", DOCTOR, "Dr Roy")
    assert (other["kind"], other["until"]) == ("authorised", "2099-02-01T00:00+01:00")
    assert patient("block", PATIENT, DOCTOR).json["changed"]
    assert [each["kind"] for each in patient("relations", PATIENT).json] == ["blocked"]
    assert len(patient("relations", PATIENT, "--history").json) == 3
    assert patient("unblock", PATIENT, DOCTOR).json["changed"]
    assert patient("withdraw", PATIENT, DOCTOR).json["changed"] is False
    assert patient("relations", PATIENT).json == []
    patient("block", PATIENT, "Dr Roy", json=False).is_refused("RPPS")


def test_a_guardian_is_written_down_and_ended(patient: Command) -> None:
    said = patient("represent", CHILD, PATIENT, "--kind", "parental")
    assert said.json == {"kind": "parental", "until": None}
    assert patient("end-representation", CHILD, PATIENT).json == {"changed": True}
    assert patient("end-representation", CHILD, PATIENT).json == {"changed": False}
    patient("represent", CHILD, CHILD, json=False).is_refused("Nobody represents themselves")
    patient("represent", CHILD, ins("2990351215189"), json=False).is_refused("no patient")


def test_wishes_are_shown_and_changed_one_by_one(patient: Command) -> None:
    assert patient("preferences", PATIENT).json["told_of_access"] is True
    changed = patient("preferences", PATIENT, "--email", "d.pat@exemple.fr", "--no-access").json
    assert (changed["email"], changed["told_of_access"], changed["told_of_documents"]) == (
        "d.pat@exemple.fr",
        False,
        True,
    )
    assert patient("preferences", PATIENT, "--mask").json["email"] == "d.pat@exemple.fr"
    patient("preferences", PATIENT, "--email", "nowhere", json=False).is_refused("adresse")


# ref: DMP-F21
def test_a_closed_record_is_deleted_on_request_or_opened_again(patient: Command) -> None:
    patient("delete-request", PATIENT, json=False).is_refused("Aucun dossier")
    assert patient("close", PATIENT).json["state"] == "closed"
    patient("consent", PATIENT, "bris-de-glace", "deny", json=False).is_refused("Aucun dossier")
    told = patient("delete-request", PATIENT).json
    assert told["closed_at"] < told["deleted_at"]
    assert patient("delete-request", PATIENT).json == told
    assert patient("open", PATIENT).json["state"] == "activated"
    patient("delete-request", PATIENT, json=False).is_refused("Aucun dossier")


# ref: DMP-F22
def test_admissions_of_a_hospital_are_noted_once_and_what_is_wrong_is_told(
    patient: Command, tmp_path: Path
) -> None:
    good, wrong, other = tmp_path / "a.er7", tmp_path / "b.er7", tmp_path / "c.er7"
    good.write_text(_admission("PAT-TROIS"))
    wrong.write_text("no message")
    other.write_text(_admission("AUTRE"))
    said = patient("adt", str(good), str(wrong), str(other), str(tmp_path / "none.er7"))
    assert said.code == 1
    assert [each["outcome"] for each in said.json] == ["noted", "refused", "refused", "refused"]
    assert (said.json[0]["feeding"], said.json[0]["consultation"], said.json[0]["structure"]) == (
        "IO",
        "IC",
        HOSPITAL,
    )
    assert PATIENT not in said.out
    again = patient("adt", str(good))
    assert (again.code, again.json[0]["outcome"]) == (0, "known")
    elsewhere = patient("adt", str(good), "--structure", "1750000018")
    assert (elsewhere.code, elsewhere.json[0]["structure"]) == (0, "1750000018")
    assert len(patient("consents", PATIENT).json) == 4


def _admission(name: str) -> str:
    pid = ["PID", "1", "", f"{PATIENT}^^^I&1.2.250.1.213.1.4.10&ISO^INS", "", f"{name}^DOMINIQUE^^^^^L"]
    pid += ["", "19790328", "F", *[""] * 23, "VALI"]
    return "\r".join(
        [
            r"MSH|^~\&|GAM|CHU|DPI|CHU|20240306111154||ADT^A01^ADT_A01|3975|D|2.5",
            "|".join(pid),
            "PV1|1|I|^^^CHU-X&000897406&M^O",
            "ZFA|ACTIF|20240306111154|||||||IO|20240306111154|IC|20240306111154",
        ]
    )
