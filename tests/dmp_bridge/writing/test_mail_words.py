from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.check.pdf_rules import read_name
from dmp_bridge.check.subject import read_subject
from dmp_bridge.examine import Attachment, examine_attachments
from dmp_bridge.findings import Kind
from dmp_bridge.mapping import read_with_entry
from dmp_bridge.writing.mail_words import mss_headers, pdf_name, subject
from tests.dmp_bridge.builders import PDF, cda, n3_body, xdm

if TYPE_CHECKING:
    from dmp_bridge.entry import DocumentEntry


def entry(**changes: str) -> DocumentEntry:
    return read_with_entry(cda(**changes))[1]  # type: ignore[arg-type]


# ref: ECO.2.1.6
@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "20260312_CR d'examens biologiques_PAT-TROIS_DOMINIQUE.pdf"),
        ({"family": "d'Arc_/Le Goff", "given": "Jean:Luc"}, "20260312_CR d'examens biologiques_D'ARC LE GOFF_Jean Luc.pdf"),
        ({"code": "28653-4"}, "20260312_Document du secteur social médico-social_PAT-TROIS_DOMINIQUE.pdf"),
        # Half past midnight in France is the day before in UTC.
        ({"service": "20260313003000+0100"}, "20260313_CR d'examens biologiques_PAT-TROIS_DOMINIQUE.pdf"),
    ],
)  # fmt: skip
def test_a_pdf_is_named_by_the_rule(changes: dict[str, str], name: str) -> None:
    written = pdf_name(entry(**changes))
    assert written == name
    assert len(read_name(written)) >= 1
    assert len(written.split("_")[1]) <= 40


def test_a_record_number_ends_the_name() -> None:
    assert pdf_name(entry(), "A 12/7").endswith("_DOMINIQUE_A127.pdf")


def test_the_bridge_knows_the_copy_by_that_name() -> None:
    n3 = cda(body=n3_body())
    name = pdf_name(read_with_entry(n3)[1])
    found = examine_attachments([Attachment("2", "IHE_XDM.zip", xdm(n3)), Attachment("3", name, PDF)])
    assert [each.kind for each in found] == [Kind.XDM_DOCUMENT, Kind.COPY]


# ref: ECO.2.1.3
def test_the_subject_follows_the_convention() -> None:
    words = subject(entry(), "Résultats")
    assert words == "XDM/1.0/DDM+Résultats PAT-TROIS DOMINIQUE 28/03/1979"
    read = read_subject(words)
    assert read.is_structured
    assert read.birth_date is not None
    assert subject(replace(entry(), title="CR  du\nlundi")).startswith("XDM/1.0/DDM+CR du lundi PAT-TROIS")


# ref: ECO.2.4.1, ECO.2.4.2, ECO.2.4.3, ECO.2.2.8
def test_the_x_mss_fields_tell_what_the_archive_holds() -> None:
    both = [entry(), entry(code="57833-6")]
    assert mss_headers(both, product="DEV999999", can_answer=False) == {
        "X-MSS-CODECDA": "11502-2,57833-6",
        "X-MSS-INS": "O",
        "X-MSS-NIL": "DEV999999",
        "X-MSS-MES": "FIN",
    }
    assert mss_headers([entry(sex="")], product="x")["X-MSS-INS"] == "N"
    assert mss_headers((), product="x") == {"X-MSS-NIL": "x"}
