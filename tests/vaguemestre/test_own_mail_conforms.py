"""What this product writes itself keeps the rules that it judges others by."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dmp_bridge.check.letter import Question
from dmp_bridge.check.message_rules import examine_message
from dmp_bridge.check.message_rules_table import MESSAGE_RULES
from dmp_bridge.check.report import Checked, Report, Verdict
from foundation.clock import to_millis
from foundation.mime.notifications import Action, Fate, Notification
from mailserver.delivery import report as reports
from mailserver.refusals import UNKNOWN_PATIENT
from tests.dmp_bridge.builders import INS
from tests.dmp_bridge.check.letters import letter
from vaguemestre import fictive
from vaguemestre.demo.letters import health_letter, printed, structured
from vaguemestre.demo.stage import IME_DOCTOR, THOMAS

PATIENT = f"{INS}@patient.mssante.fr"
DOCTOR = "marie.martin@medecin.mssante.fr"
AT = datetime(2026, 3, 13, 14, 54, 10, tzinfo=UTC)


def faults(report: Report) -> list[str]:
    """What fails of the rules on messages, and what is mandatory of those on documents."""
    return [
        each.rule
        for each in report.findings
        if each.breaks or (each.verdict is Verdict.FAILS and each.rule in MESSAGE_RULES)
    ]


def test_the_letters_of_the_demonstration() -> None:
    author = fictive.IME_DOCTOR
    papers = (
        structured(THOMAS, author, "60591-5", "Synthèse médicale", {"Traitement": ("Aucun.",)}),
        printed(THOMAS, author, "74207-2", "Document de liaison", {"À savoir": ("Rien.",)}),
    )
    to = [("Thomas", f"{THOMAS.ins}@patient.mssante.fr")]
    written = health_letter(IME_DOCTOR, to, papers, "Bonjour.\n\nÀ bientôt.\n", label="Admission")
    report = examine_message(written.data, Question(box_type="PER"))
    assert (report.checked, faults(report)) == (Checked.MESSAGE, [])


@pytest.mark.parametrize("error", [None, "902^Identifiant de patient inconnu"])
def test_the_notifications_of_the_bridge_and_of_patients(error: str | None) -> None:
    told = Notification(
        PATIENT,
        DOCTOR,
        "[KO Intégration système !][902] XDM/1.0/DDM+CR A B" if error else "XDM/1.0/DDM+CR A B",
        "Le document a été intégré.\n",
        Action.AUTOMATIC,
        Fate.PROCESSED,
        original=letter(),
        error=error,
    )
    data = told.render(hostname="mail.example.fr", identifier="a", at=AT, largest=25_000_000)
    report = examine_message(data, Question())
    assert (report.checked, faults(report)) == (Checked.DISPOSITION_NOTIFICATION, [])


def test_the_delivery_reports() -> None:
    data = reports.render_report(
        reports.Report(
            to=DOCTOR,
            domain="patient.mssante.fr",
            hostname="mail.example.fr",
            identifier="ABC",
            at=to_millis(AT),
            action=reports.Action.FAILED,
            recipients=(reports.Reported(PATIENT, UNKNOWN_PATIENT),),
            arrived_at=to_millis(AT),
            content=letter(),
        )
    )
    report = examine_message(data, Question())
    assert (report.checked, faults(report)) == (Checked.DELIVERY_NOTIFICATION, [])
