from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import extracts
from directory.extracts import FIELDS, ExtractKind, ExtractReader, ExtractRefused, normalised
from tests.directory.extract_files import ACTIVITY_HEADER, MAILBOX_HEADER, activity, mailbox
from tests.shared_data import shared

FIELD = {name: place for place, name in enumerate(FIELDS[ExtractKind.MAILBOXES])}


def reader(*lines: str, ending: str = "\n") -> ExtractReader:
    return ExtractReader(io.BytesIO("".join(line + ending for line in lines).encode()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Libellé civilité d'exercice", "LIBELLE CIVILITE D’EXERCICE"),
        ("Code civilité d'exercice", "Code civilité exercice"),
        ("Code rôle", "Code fonction"),
        ("Code genre activité", "Code genre d'activité"),
        ("Code Département (structure)", "Code département (coord. structure)"),
        ("Indice répétition voie (coord. structure)", "Indice répétition voie (coord. Structure)"),
    ],
)
def test_names_of_columns_that_drift_stay_the_same(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "|\n"])
def test_it_reads_mailboxes_with_any_line_end(ending: str) -> None:
    reading = reader("\ufeff" + MAILBOX_HEADER, mailbox(), mailbox("b@demo.mssante.fr"), ending=ending)
    assert reading.kind is ExtractKind.MAILBOXES
    records = list(reading)
    assert [record.values[FIELD["address"]] for record in records] == [
        "anne.exemple@demo.mssante.fr",
        "b@demo.mssante.fr",
    ]
    assert [record.line for record in records] == [2, 3]
    assert records[0].digest != records[1].digest
    assert (reading.rows, reading.bad_lines) == (2, 0)


def test_it_reads_a_header_that_drifted_and_columns_in_another_order() -> None:
    header = MAILBOX_HEADER.upper().replace("É", "E").split("|")
    line = mailbox(profession="Médecin").split("|")
    reading = reader("|".join(reversed(header)), "|".join(reversed(line)))
    (record,) = reading
    assert record.values[FIELD["profession"]] == "Médecin"
    assert record.values[FIELD["last_name"]] == "EXEMPLE"


def test_an_optional_column_that_is_absent_reads_empty() -> None:
    header, line = MAILBOX_HEADER.split("|"), mailbox(digital="True").split("|")
    place = header.index("Dématérialisation")
    del header[place], line[place]
    (record,) = reader("|".join(header), "|".join(line))
    assert record.values[FIELD["digital"]] == ""


def test_a_required_column_that_is_absent_refuses_the_file() -> None:
    with pytest.raises(ExtractRefused, match="misses required columns: nomdexercice"):
        reader(MAILBOX_HEADER.replace("Nom d'exercice", "Nom"))


def test_mailboxes_whose_columns_have_new_names_are_no_extract_of_skills() -> None:
    header = MAILBOX_HEADER.replace("Adresse BAL", "Courriel").replace("Type de BAL", "Genre")
    with pytest.raises(ExtractRefused, match="misses required columns: adressebal"):
        reader(header, mailbox())


def test_the_digest_tells_what_changed_and_the_hash_covers_the_file() -> None:
    def digest(header: str, line: str) -> bytes:
        return next(iter(reader(header, line))).digest

    same = digest(MAILBOX_HEADER, mailbox())
    assert digest(MAILBOX_HEADER.lower(), mailbox()) == same
    assert digest(MAILBOX_HEADER, mailbox(service="URGENCES")) != same
    text = f"{MAILBOX_HEADER}\n{mailbox()}\n".encode()
    reading = ExtractReader(io.BytesIO(text))
    list(reading)
    assert reading.sha256 == hashlib.sha256(text).hexdigest()
    assert reading.bytes_read == len(text)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (mailbox() + "|x", "columns instead of 31"),
        ("PER|a@b.fr", "2 columns instead of 31"),
        (mailbox(last="EXEM\x00PLE"), "control characters"),
        (mailbox(last="EXEM\x1bPLE"), "control characters"),
        (mailbox(last="A" * 40_000), "longer than a line may be"),
    ],
)
def test_a_bad_line_is_left_out_and_told_by_its_number_without_its_content(line: str, reason: str) -> None:
    reading = reader(MAILBOX_HEADER, mailbox(), line, mailbox("b@demo.mssante.fr"))
    assert [record.line for record in reading] == [2, 4]
    assert reading.bad_lines == 1
    assert reading.bad[0].line == 3
    assert reason in reading.bad[0].reason
    assert "EXEM" not in reading.bad[0].reason


def test_a_line_that_is_not_utf_8_is_left_out() -> None:
    text = (
        f"{MAILBOX_HEADER}\n".encode() + mailbox(last="LOÏC").encode("latin-1") + b"\n" + mailbox().encode()
    )
    reading = ExtractReader(io.BytesIO(text))
    assert [record.line for record in reading] == [3]
    assert reading.bad[0].reason == "not UTF-8"


def test_quotes_part_nothing() -> None:
    (record,) = reader(MAILBOX_HEADER, mailbox(structure='CRLCC "PAUL'))
    assert record.values[FIELD["structure"]] == 'CRLCC "PAUL'


def test_too_many_bad_lines_refuse_the_file() -> None:
    few = reader(MAILBOX_HEADER, mailbox(), *["x|y"] * 10)
    assert len(list(few)) == 1
    many = reader(MAILBOX_HEADER, mailbox(), *["x|y"] * 11)
    with pytest.raises(ExtractRefused, match="11 bad lines among 13"):
        list(many)


def test_a_file_of_nothing_but_bad_lines_is_given_up_early() -> None:
    reading = reader(MAILBOX_HEADER, *["x|y"] * 5000)
    with pytest.raises(ExtractRefused, match="1001 bad lines"):
        list(reading)
    assert len(reading.bad) == 20


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "empty"),
        (b"\n", "no header"),
        (b"PK\x03\x04\xff\xfe", "not UTF-8"),
        (b"a|b|c\n", "columns are not known"),
        (b"a" * 100_000, "no header"),
        (b"|" * 1000 + b"\n", "no header"),
    ],
)
def test_what_is_no_extract_is_refused_in_one_sentence(text: bytes, sentence: str) -> None:
    with pytest.raises(ExtractRefused, match=sentence):
        ExtractReader(io.BytesIO(text))


def test_a_file_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extracts, "MOST_BYTES", 5000)
    with pytest.raises(ExtractRefused, match="larger than 5000 bytes"):
        list(reader(MAILBOX_HEADER, *[mailbox()] * 100))


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(header: bytes, body: bytes) -> None:
    for start in (header, MAILBOX_HEADER.encode() + b"\n"):
        try:
            reading = ExtractReader(io.BytesIO(start + body))
            records = list(reading)
        except ExtractRefused:
            continue
        assert len(records) == reading.rows


def test_activities_skills_and_diplomas_are_told_apart() -> None:
    assert reader(ACTIVITY_HEADER, activity()).kind is ExtractKind.ACTIVITIES
    start = "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Nom d'exercice|"
    assert reader(start + "Code savoir-faire|Libellé savoir-faire|").kind is ExtractKind.SKILLS
    assert reader(start + "Code diplôme obtenu|Libellé diplôme obtenu|").kind is ExtractKind.DIPLOMAS


@pytest.mark.parametrize(
    ("name", "kind", "rows"),
    [
        ("Extraction_Correspondance_MSSante_FICTIF.txt", ExtractKind.MAILBOXES, 3),
        ("PS_LibreAcces_Personne_activite_FICTIF.txt", ExtractKind.ACTIVITIES, 3),
        ("PS_LibreAcces_SavoirFaire_FICTIF.txt", ExtractKind.SKILLS, 1),
        ("PS_LibreAcces_Dipl_AutExerc_FICTIF.txt", ExtractKind.DIPLOMAS, 1),
    ],
)
def test_the_real_shapes_are_read(name: str, kind: ExtractKind, rows: int) -> None:
    with shared("directory", name).open("rb") as stream:
        reading = ExtractReader(stream)
        assert reading.kind is kind
        assert len(list(reading)) == rows
        assert reading.bad_lines == 0
        # every field but those older files lack is found in the header of 2026
        assert all(place < reading._columns for place in reading._places)
