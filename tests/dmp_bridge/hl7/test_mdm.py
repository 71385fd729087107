"""The message for a hospital's system, held against those that the ANS publishes."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.entry import confidentiality_codes
from dmp_bridge.examine import Attachment, examine_attachments
from dmp_bridge.hl7 import er7
from dmp_bridge.hl7.mdm import FLAGS, Event, Header, Letter, Mdm, Participant, control_id, write
from tests.dmp_bridge.builders import cda
from tests.shared_data import shared

if TYPE_CHECKING:
    from dmp_bridge.entry import DocumentEntry

AT = datetime(2026, 3, 13, 14, 54, 10, tzinfo=UTC)
LETTER = Letter(
    "<m1@medecin.mssante.fr>",
    "XDM/1.0/DDM+CR d'examens biologiques PAT-TROIS DOMINIQUE 28/03/1979",
    "Bonjour,\nvoici le compte rendu.\n",
    Participant("marie.martin@medecin.mssante.fr", "MARTIN", "899900000012"),
    Participant("dpi@hopital-demo.mssante.fr", "Service d'urologie", "1990700012"),
    "reponse@medecin.mssante.fr",
)
HEADER = Header("015", AT, ("PFI-Y", "Organisation-Y"), ("RIS-Y", "Organisation-Y"), is_test=False)


def entry_of(data: bytes) -> DocumentEntry:
    [finding] = examine_attachments([Attachment("2", "document.xml", data)])
    assert finding.clinical is not None, finding.sentence
    return finding.clinical.entry


def message(data: bytes, event: Event = Event.NEW, **values: object) -> Mdm:
    options = {"event": event, "header": HEADER, "entry": entry_of(data), "document": data, "letter": LETTER}
    return Mdm(**(options | values))  # type: ignore[arg-type]


def observations(read: er7.Message) -> dict[str, str]:
    return {each.get(3): each.get(5) for each in read.all("OBX")[2:]}


# ref: DMP-F40, F44
@pytest.mark.parametrize(
    ("event", "order", "status"),
    [(Event.NEW, "NW", "F"), (Event.REPLACE, "RO", "C"), (Event.DELETE, "CA", "D")],
)
def test_each_event_has_its_order_and_its_status(event: Event, order: str, status: str) -> None:
    read = er7.read(write(message(cda(), event)))
    orc, obx = read.first("ORC"), read.all("OBX")[0]
    assert orc is not None
    assert (read.header.raw(9), orc.get(1), obx.get(11)) == (f"MDM^{event.value}^MDM_T02", order, status)


def test_the_segments_stand_in_the_order_of_the_profile() -> None:
    read = er7.read(write(message(cda())))
    assert [each.name for each in read.segments] == (
        ["MSH", "EVN", "PID", "PV1", "ORC", "OBR", "TXA", "OBX", "PRT", "PRT", "PRT", "OBX"] + ["OBX"] * 4
    )
    assert [each.get(1) for each in read.all("OBX")] == ["1", "2", "3", "4", "5", "6"]


def test_the_document_and_the_mail_are_in_it_whole() -> None:
    data = cda(title="Résultats | de ^ l'examen")
    read = er7.read(write(message(data)))
    first, second = read.all("OBX")[:2]
    assert base64.b64decode(first.get(5, 5)) == data
    assert (second.get(3), second.get(3, 2)) == (LETTER.message_id, LETTER.subject)
    assert base64.b64decode(second.get(5, 5)).decode() == LETTER.text


def test_who_sent_and_got_the_mail_is_told() -> None:
    read = er7.read(write(message(cda())))
    told = [
        (each.get(2), each.get(4), each.get(5), each.get(8, 10), each.get(15, 4)) for each in read.all("PRT")
    ]
    assert told == [
        ("UC", "SB", "899900000012", "", "marie.martin@medecin.mssante.fr"),
        ("UC", "RCT", "", "1990700012", "dpi@hopital-demo.mssante.fr"),
        ("UC", "REPLY", "", "", "reponse@medecin.mssante.fr"),
    ]


# ref: F45
@pytest.mark.parametrize(
    ("visibilities", "flags"),
    [
        ((), "NNN"),
        (("MASQUE_PS",), "YNN"),
        (("INVISIBLE_PATIENT",), "NYN"),
        (("INVISIBLE_REPRESENTANTS_LEGAUX",), "NNY"),
        (("INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"), "NYY"),
    ],
)
@pytest.mark.parametrize("changes", [False, True])
def test_the_flags_are_those_of_the_document(
    visibilities: tuple[str, ...], flags: str, *, changes: bool
) -> None:
    data = cda()
    entry = replace(entry_of(data), confidentiality_codes=confidentiality_codes("N", *visibilities))
    read = er7.read(write(message(data, entry=entry, changes_confidentiality=changes)))
    assert observations(read) == dict(zip(FLAGS, f"{flags}{'Y' if changes else 'N'}", strict=True))
    assert {each.get(3, 3) for each in read.all("OBX")[2:]} == {"MetaDMPMSS"}


def test_an_identifier_with_an_extension_is_taken_apart() -> None:
    data = cda()
    entry = replace(entry_of(data), unique_id="1.2.250.2345.3245.13^58132")
    read = er7.read(write(message(data, entry=entry, replaces="1.2.250.2345.3245.13.58131")))
    txa = read.first("TXA")
    assert txa is not None
    assert (txa.raw(12), txa.raw(13)) == ("58132^^1.2.250.2345.3245.13^ISO", "1.2.250.2345.3245.13.58131")


def test_a_test_message_says_so() -> None:
    header = replace(HEADER, is_test=True)
    assert er7.read(write(message(cda(), header=header))).header.get(11) == "T"


def test_nothing_of_a_mail_breaks_out_of_its_field() -> None:
    letter = replace(LETTER, subject="a|b\rPID|||x~y&z\\^c\x1c\x0b", message_id="<a\rb@c>")
    read = er7.read(write(message(cda(), letter=letter)))
    assert len(read.all("PID")) == 1
    assert read.all("OBX")[1].get(3, 2) == "a|b PID|||x~y&z\\^c  "


# ref: DMP-F40
@pytest.mark.parametrize(
    ("folder", "document", "sample", "event", "replaces"),
    [
        ("lps-mdm-init", "CR_Radio_CDAN1_v1.XML", "INIT_N1_Base64", Event.NEW, ""),
        (
            "lps-mdm-replace",
            "CR_Radio_CDAN1_v2.XML",
            "RPLC_N1",
            Event.REPLACE,
            "1.2.250.1.71.4.2.2.120456789.71024000081",
        ),
    ],
)
def test_the_message_says_what_that_of_the_ans_says(
    folder: str, document: str, sample: str, event: Event, replaces: str
) -> None:
    data = shared("hl7v2", folder, document).read_bytes()
    theirs = er7.read(shared("hl7v2", folder, f"message_MDM__LPS_MSS_CR_Radio_{sample}.er7").read_bytes())
    ours = er7.read(write(message(data, event, replaces=replaces)))

    def told(read: er7.Message, name: str, *numbers: int) -> list[str]:
        segment = read.first(name)
        assert segment is not None
        return [segment.raw(number) for number in numbers]

    assert told(ours, "MSH", 3, 4, 5, 9, 10, 11, 12, 17, 18, 21) == told(
        theirs, "MSH", 3, 4, 5, 9, 10, 11, 12, 17, 18, 21
    )
    assert told(ours, "ORC", 1) == told(theirs, "ORC", 1)
    assert told(ours, "TXA", 1, 2, 3, 17) == told(theirs, "TXA", 1, 2, 3, 17)
    for name, field in (("OBR", 4), ("TXA", 12), ("TXA", 13), ("PID", 8), ("PV1", 2)):
        mine, its = ours.first(name), theirs.first(name)
        assert mine is not None
        assert its is not None
        assert mine.get(field) == its.get(field), name
    pid, their_pid = ours.first("PID"), theirs.first("PID")
    assert pid is not None
    assert their_pid is not None
    assert (pid.get(3, 4, 1), pid.get(3, 5), pid.get(32)) == ("ASIP-SANTE-INS-NIR", "INS", "VALI")
    assert their_pid.get(32) == "VALI"
    assert [each.get(11) for each in ours.all("OBX")] == [each.get(11) for each in theirs.all("OBX")]
    assert list(observations(ours)) == list(observations(theirs))
    assert base64.b64decode(ours.all("OBX")[0].get(5, 5)) == data


def test_what_is_told_once_has_one_number() -> None:
    number = control_id("dpi@hopital-demo.mssante.fr", Event.NEW, "1.2.3")
    assert number == control_id("dpi@hopital-demo.mssante.fr", Event.NEW, "1.2.3")
    others = {
        control_id("dpi@hopital-demo.mssante.fr", Event.DELETE, "1.2.3"),
        control_id("dpi@hopital-demo.mssante.fr", Event.NEW, "1.2.4"),
        control_id("ris@hopital-demo.mssante.fr", Event.NEW, "1.2.3"),
    }
    assert len(others | {number}) == 4
    assert {len(each) for each in others} == {20}
