from __future__ import annotations

import pytest

from dmp_bridge.check.letter import Question
from dmp_bridge.check.message_rules import examine_message
from dmp_bridge.check.report import Checked, Verdict
from tests.dmp_bridge.check.letters import note
from tests.shared_data import shared

FIELDS = (
    "Final-Recipient: rfc822;cardiologie@hopital-a.mssante.fr\r\n"
    "Original-Message-ID: <m1@medecin.mssante.fr>\r\n"
    "Disposition: automatic-action/MDN-sent-automatically; processed\r\n"
)
STATUS = (
    "Reporting-MTA: dns; smtp.example\r\n\r\n"
    "Final-Recipient: rfc822; paul@hopital-a.mssante.fr\r\nAction: failed\r\nStatus: 5.1.1\r\n"
)


def report(
    fields: str = FIELDS,
    *,
    kind: str = "disposition-notification",
    part: str = "message/disposition-notification",
    original: str = "--R\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: a\r\n",
    **changes: str | None,
) -> bytes:
    body = (
        "--R\r\nContent-Type: text/plain\r\n\r\nFait.\r\n"
        f"--R\r\nContent-Type: {part}\r\n\r\n{fields}\r\n{original}--R--\r\n"
    )
    kinds = {"Content_Type": f"multipart/report; report-type={kind}; boundary=R"}
    return note(body, **{**kinds, **changes})


def faults(data: bytes) -> set[str]:
    return {each.rule for each in examine_message(data, Question()).findings if each.verdict is Verdict.FAILS}


def checked(data: bytes) -> Checked:
    return examine_message(data, Question()).checked


def status(fields: str = STATUS) -> bytes:
    return report(fields, kind="delivery-status", part="message/delivery-status")


def test_reports_are_recognised_and_not_put_to_the_rules_on_letters() -> None:
    assert checked(report()) is Checked.DISPOSITION_NOTIFICATION
    assert checked(status()) is Checked.DELIVERY_NOTIFICATION
    assert checked(note()) is Checked.MESSAGE
    told = {each.rule for each in examine_message(report(), Question()).findings}
    assert "RFC8098.3" in told
    assert "ECO.2.4.3" not in told


def test_good_reports_hold() -> None:
    assert faults(report()) == set()
    assert faults(status()) == set()


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS.replace("Final-Recipient", "X"),
        FIELDS.replace("Disposition", "X"),
        FIELDS + "Disposition: manual-action/MDN-sent-manually; displayed\r\n",
        FIELDS.replace("rfc822;", ""),
        FIELDS.replace("; processed", ""),
        FIELDS.replace("processed", "perdu"),
        FIELDS.replace("automatic-action/", ""),
        FIELDS.replace("Original-Message-ID", "X"),
    ],
)
def test_a_notification_with_a_field_missing_or_wrong_fails(fields: str) -> None:
    assert faults(report(fields)) == {"RFC8098.3"}


@pytest.mark.parametrize(
    "fields",
    [
        STATUS.replace("Reporting-MTA", "X"),
        STATUS.replace("Final-Recipient", "X"),
        STATUS.replace("Action: failed", "Action: lost"),
        STATUS.replace("5.1.1", "550"),
        "Reporting-MTA: dns; a\r\n",
    ],
)
def test_a_delivery_report_with_a_field_missing_or_wrong_fails(fields: str) -> None:
    assert faults(status(fields)) == {"RFC3464.2"}


def test_the_parts_of_a_report() -> None:
    assert "RFC6522" in faults(report(kind="delivery-status"))
    assert "RFC6522" in faults(report(part="text/plain"))
    assert faults(report(original="")) == {"RFC6522"}


KO = FIELDS.replace("processed", "processed/Error: 902^Identifiant de patient inconnu")
KO_SUBJECT = "[KO =?utf-8?q?Int=C3=A9gration_syst=C3=A8me?= !][902] XDM/1.0/DDM+CR NOM prenom"


def test_a_refused_integration_has_its_code_in_both_places() -> None:
    assert faults(report(KO, Subject=KO_SUBJECT)) == set()
    assert faults(report(KO)) == {"ANS.KO"}
    assert faults(report(KO, Subject=KO_SUBJECT.replace("902", "903"))) == {"ANS.KO"}
    assert faults(report(KO.replace("902", "999"), Subject=KO_SUBJECT)) == {"ANS.KO"}
    assert faults(report(FIELDS, Subject=KO_SUBJECT)) == {"ANS.KO"}


def test_the_given_notifications_conform() -> None:
    for path in sorted(shared("mdn").glob("*.eml")):
        told = examine_message(path.read_bytes(), Question())
        expected = (
            Checked.DELIVERY_NOTIFICATION if path.name.startswith("ndr") else Checked.DISPOSITION_NOTIFICATION
        )
        assert told.checked is expected
        assert told.conforms, path.name
