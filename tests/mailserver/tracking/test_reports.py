from __future__ import annotations

import time

import pytest

from foundation.mime.scanner import scan
from mailserver.tracking.reports import MAX_TOLD, ArrivedReport, What, read_report
from tests.mailserver.tracking.reported import dsn, mdn
from tests.shared_data import shared

PAUL = "paul@pair.mssante.fr"
MARIE = "marie@hopital-demo.mssante.fr"


def read(content: bytes, in_reply_to: str | None = None) -> ArrivedReport | None:
    return read_report(content, scan(content), in_reply_to)


def only(content: bytes) -> tuple[What, str | None]:
    found = read(content)
    assert found is not None
    [told] = found.told
    return told.what, told.code


@pytest.mark.parametrize(
    ("disposition", "fields", "expected"),
    [
        ("manual-action/MDN-sent-manually; displayed", (), (What.READ, None)),
        ("automatic-action/MDN-sent-automatically; processed", (), (What.PROCESSED, None)),
        ("automatic-action/MDN-sent-automatically;processed", (), (What.PROCESSED, None)),
        ("a/b; processed/Error: 902^Identifiant de patient inconnu", (), (What.REFUSED, "902")),
        ("a/b; processed/error", ("Error: 904^INS",), (What.REFUSED, "904")),
        ("a/b; processed", ("Error: 906^Autre",), (What.REFUSED, "906")),
        ("a/b; processed/error", (), (What.REFUSED, None)),
        ("a/b; processed/warning", (), (What.PROCESSED, None)),
        ("a/b; deleted", (), (What.ENDED, None)),
        ("displayed", (), (What.READ, None)),
    ],
)
def test_a_disposition_is_read(
    disposition: str, fields: tuple[str, ...], expected: tuple[What, str | None]
) -> None:
    assert only(mdn(PAUL, MARIE, disposition=disposition, fields=fields)) == expected


def test_a_notification_names_its_message_and_its_recipient() -> None:
    found = read(mdn(PAUL, MARIE), "<other@example.fr>")
    assert found is not None
    assert found.is_disposition
    assert found.message_ids == ("<m1@example.fr>", "<other@example.fr>")
    assert found.told[0].final == PAUL


def test_a_notification_whose_part_is_not_marked_is_read_all_the_same() -> None:
    content = mdn(PAUL, MARIE, part="text/plain", disposition="a/b; processed")
    assert only(content) == (What.PROCESSED, None)


def test_a_delivery_report_tells_of_each_recipient() -> None:
    content = dsn(
        "mailer-daemon@pair.mssante.fr",
        MARIE,
        (PAUL, "failed"),
        ("lea@pair.mssante.fr", "delivered"),
        ("jean@pair.mssante.fr", "relayed"),
        ("luc@pair.mssante.fr", "delayed"),
        ("anne@pair.mssante.fr", "invented"),
        envid="QQ314",
    )
    found = read(content)
    assert found is not None
    assert not found.is_disposition
    assert found.envid == "QQ314"
    assert found.message_ids == ("<m1@example.fr>",)
    assert [(each.final, each.what, each.said) for each in found.told] == [
        (PAUL, What.FAILED, "550 5.1.1 inconnu"),
        ("lea@pair.mssante.fr", What.DELIVERED, None),
        ("jean@pair.mssante.fr", What.RELAYED, None),
        ("luc@pair.mssante.fr", What.DELAYED, "2.0.0"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Content-Type: multipart/report\r\n\r\n",
        mdn(PAUL, MARIE, disposition=""),
        dsn(PAUL, MARIE),
        dsn(PAUL, MARIE, (PAUL, "nothing")),
        mdn(PAUL, MARIE).replace(b"Disposition:", b"D:"),
    ],
)
def test_what_is_no_report_tells_nothing(content: bytes) -> None:
    assert read(content) is None


def test_a_report_on_thousands_is_cut_and_read_quickly() -> None:
    content = dsn(
        "d@pair.mssante.fr", MARIE, *[(f"a{number}@pair.mssante.fr", "failed") for number in range(5_000)]
    )
    begun = time.process_time()
    found = read(content)
    assert time.process_time() - begun < 2
    assert found is not None
    assert len(found.told) == MAX_TOLD


def test_words_of_others_stay_on_one_line_and_short() -> None:
    content = dsn(PAUL, MARIE, (PAUL, "failed"), diagnostic="smtp; 550 " + "a\x07\u202e" * 2_000)
    found = read(content)
    assert found is not None
    said = found.told[0].said
    assert said is not None
    assert len(said) <= 512
    assert said.isprintable()


@pytest.mark.parametrize(
    ("name", "what", "code"),
    [
        ("mdn-ko-902", What.REFUSED, "902"),
        ("mdn-ok-processed", What.PROCESSED, None),
        ("mdn-lecture-humaine", What.READ, None),
        ("ndr-mes-bal-fermee", What.FAILED, None),
        ("ndr-mes-taille", What.FAILED, None),
    ],
)
def test_the_samples_are_read(name: str, what: What, code: str | None) -> None:
    content = shared("mdn", f"{name}.eml").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    found = read(content)
    assert found is not None
    assert found.message_ids[0] in ("<m1@medecin.mssante.fr>", "<m2@medecin.mssante.fr>")
    assert [(each.what, each.code) for each in found.told] == [(what, code)]
