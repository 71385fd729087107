from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState
from dmp_bridge.rights.decide import decide
from dmp_bridge.rights.functional import MATRIX, Column, Note, column_of
from dmp_bridge.rights.question import Asker, DocumentFacts, Question, Standing
from dmp_bridge.rights.vocabulary import Action, Mode, Reason, Role
from tests.dmp_bridge.rights.published import COLUMNS, PUBLISHED
from tests.shared_data import shared

if TYPE_CHECKING:
    from collections.abc import Iterator

NURSE, DOCTOR = "60", "10"
ASKERS = {
    Column.PROFESSIONAL_NORMAL: Asker(role=Role.PROFESSIONAL, profession=NURSE),
    Column.PROFESSIONAL_CENTRE_15: Asker(role=Role.PROFESSIONAL, profession=NURSE, mode=Mode.CENTRE_15),
    Column.PROFESSIONAL_BRIS_DE_GLACE: Asker(
        role=Role.PROFESSIONAL, profession=NURSE, mode=Mode.BRIS_DE_GLACE
    ),
    Column.DOCTOR_NORMAL: Asker(role=Role.PROFESSIONAL, profession=DOCTOR, skill="SM26"),
    Column.DOCTOR_CENTRE_15: Asker(role=Role.PROFESSIONAL, profession=DOCTOR, mode=Mode.CENTRE_15),
    Column.DOCTOR_BRIS_DE_GLACE: Asker(role=Role.PROFESSIONAL, profession=DOCTOR, mode=Mode.BRIS_DE_GLACE),
    Column.OCCUPATIONAL_DOCTOR: Asker(role=Role.PROFESSIONAL, profession=DOCTOR, skill="SM25"),
    Column.ATTENDING_NORMAL: Asker(role=Role.PROFESSIONAL, profession=DOCTOR),
    Column.ATTENDING_BRIS_DE_GLACE: Asker(role=Role.PROFESSIONAL, profession=DOCTOR, mode=Mode.BRIS_DE_GLACE),
    Column.EMPLOYEE: Asker(role=Role.EMPLOYEE),
    Column.STRUCTURE_NORMAL: Asker(role=Role.STRUCTURE),
    Column.STRUCTURE_CENTRE_15: Asker(role=Role.STRUCTURE, mode=Mode.CENTRE_15),
}
ATTENDING = (Column.ATTENDING_NORMAL, Column.ATTENDING_BRIS_DE_GLACE)
PLAIN = DocumentFacts(type_code="11488-4", status="approved")
DOCUMENTS = {
    Action.READ: PLAIN,
    Action.READ_MASKED: replace(PLAIN, is_masked=True),
    Action.READ_UNSEEN_BY_PATIENT: replace(PLAIN, is_unseen=True),
    Action.READ_ARCHIVED: replace(PLAIN, status="archived"),
    Action.READ_FORMER: replace(PLAIN, status="deprecated"),
    Action.READ_DELETED: replace(PLAIN, status="deleted"),
    Action.MASK: PLAIN,
    Action.UNMASK: replace(PLAIN, is_masked=True),
    Action.SHOW_TO_PATIENT: replace(PLAIN, is_unseen=True),
    Action.ARCHIVE: PLAIN,
    Action.UNARCHIVE: replace(PLAIN, status="archived"),
    Action.DELETE: PLAIN,
}
CELLS = [
    pytest.param(action, column, word, id=f"{action.value}-{column.value}")
    for action, _, words in PUBLISHED
    for column, word in zip(COLUMNS, words, strict=True)
]


def question(action: Action, column: Column, *, meets_note: bool) -> Question:
    """Everything speaks for it but the cell; the condition of a note is met or not."""
    document = DOCUMENTS.get(action)
    if document is not None and meets_note:
        document = replace(document, is_own=column not in _STRUCTURES, is_of_own_structure=True)
    standing = Standing(
        state=PatientState.ACTIVATED,
        is_authorised=True,
        is_attending=column in ATTENDING,
        masked_in_emergency=meets_note,
    )
    asker = replace(ASKERS[column], has_motive=True)
    return Question(asker=asker, standing=standing, act=action, document=document)


_STRUCTURES = (Column.EMPLOYEE, Column.STRUCTURE_NORMAL, Column.STRUCTURE_CENTRE_15)


def test_there_are_312_cells() -> None:
    assert len(CELLS) == 312
    assert sum(len(cells) for cells in MATRIX.values()) == 312


# ref: DMP-F23
@pytest.mark.parametrize(("action", "column", "word"), CELLS)
def test_each_cell_is_given_as_published(action: Action, column: Column, word: str) -> None:
    refused = decide(question(action, column, meets_note=True))
    assert refused == (Reason.ROLE if word == "non" else None)


CONDITIONAL = [
    pytest.param(action, column, word, id=f"{action.value}-{column.value}")
    for action, _, words in PUBLISHED
    for column, word in zip(COLUMNS, words, strict=True)
    if word in {"oui(6)", "oui(7)", "oui(8)", "oui(9)"}
]


@pytest.mark.parametrize(("action", "column", "word"), CONDITIONAL)
def test_a_note_that_is_not_met_refuses(action: Action, column: Column, word: str) -> None:
    refused = decide(question(action, column, meets_note=False))
    masked = word in {"oui(6)", "oui(7)"} or action is Action.UNMASK
    assert refused == (Reason.MASKED if masked and column is not Column.ATTENDING_NORMAL else Reason.NOT_OWN)


@pytest.mark.parametrize(("action", "column", "word"), CELLS)
def test_each_note_stands_where_it_is_published(action: Action, column: Column, word: str) -> None:
    note = MATRIX[action][column].note
    assert note == (Note(int(word[4])) if word.startswith("oui(") else None)


def test_the_published_table_of_the_tests_is_the_official_one() -> None:
    with shared("code-lists", "MATRICE_droits_fonctionnels_DMP.csv").open(encoding="utf-8") as stream:
        rows = list(csv.reader(stream))[1:]
    assert [(row[0], tuple(row[2:])) for row in rows] == [(td, words) for _, td, words in PUBLISHED]


@pytest.mark.parametrize("column", COLUMNS)
def test_each_column_is_found_from_who_asks(column: Column) -> None:
    standing = Standing(state=PatientState.ACTIVATED, is_attending=column in ATTENDING)
    assert column_of(ASKERS[column], standing) is column


def _starred() -> Iterator[tuple[Action, Column]]:
    for action in (Action.ARCHIVE, Action.UNARCHIVE, Action.DELETE):
        for column in COLUMNS:
            yield action, column


# ref: DMP-F30
@pytest.mark.parametrize(("action", "column"), list(_starred()))
def test_a_document_of_the_patient_is_archived_and_deleted_by_the_attending_doctor_alone(
    action: Action, column: Column
) -> None:
    asked = question(action, column, meets_note=True)
    assert asked.document is not None
    asked = replace(asked, document=replace(asked.document, is_of_patient=True, is_own=False))
    refused = decide(asked)
    if column in ATTENDING:
        assert refused is None
    else:
        assert refused in {Reason.NOT_OWN, Reason.ROLE}


def test_a_structure_in_an_emergency_has_no_column() -> None:
    asked = question(Action.FEED, Column.STRUCTURE_NORMAL, meets_note=True)
    broken = replace(asked, asker=Asker(role=Role.STRUCTURE, mode=Mode.BRIS_DE_GLACE, has_motive=True))
    assert decide(asked) is None
    assert decide(broken) is Reason.ROLE
