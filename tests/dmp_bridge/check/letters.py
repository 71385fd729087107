"""Letters that conform, written by hand, to be spoilt one fault at a time; and what the check finds in them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from dmp_bridge.check.letter import Question
from dmp_bridge.check.message_rules import examine_message
from dmp_bridge.check.message_rules_table import MESSAGE_RULES
from dmp_bridge.check.report import Verdict
from tests.dmp_bridge.builders import INS, PDF, cda, xdm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dmp_bridge.check.report import Finding

PATIENT = f"{INS}@patient.mssante.fr"
DOCTOR = '"Dr_Marie_MARTIN_Cabinet Medical" <marie.martin@medecin.mssante.fr>'
SUBJECT = "XDM/1.0/DDM+Compte rendu PAT-TROIS DOMINIQUE 28/03/1979"
COPY = ("20260312_CR_PAT-TROIS_DOMINIQUE.pdf", "application/pdf", PDF)
ZIP = "application/zip"

File = tuple[str, str, bytes]


def files() -> list[File]:
    """One document in its archive, and its copy."""
    return [("IHE_XDM.zip", ZIP, xdm(cda())), COPY]


def fields(**changes: str | None) -> dict[str, str]:
    """The header of a good letter to a patient; None takes a field out, underscores stand for hyphens."""
    header: dict[str, str | None] = {
        "Date": "Thu, 13 Mar 2025 14:54:10 +0100",
        "From": DOCTOR,
        "To": PATIENT,
        "Subject": SUBJECT,
        "Message-ID": "<m1@medecin.mssante.fr>",
        "X-MSS-CODECDA": "11502-2",
        "X-MSS-INS": "O",
        "X-MSS-NIL": "DEV935997",
        "MIME-Version": "1.0",
    }
    header.update({name.replace("_", "-"): value for name, value in changes.items()})
    return {name: value for name, value in header.items() if value is not None}


def letter(
    attached: Sequence[File] | None = None, text: str = "Bonjour,\r\n", /, **changes: str | None
) -> bytes:
    """A good letter with these files (one package and its copy if not said), its fields changed."""
    header = {**fields(**changes), "Content-Type": 'multipart/mixed; boundary="B1"'}
    parts = [
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text.encode()
    ]
    for name, kind, data in files() if attached is None else attached:
        parts.append(
            f'Content-Type: {kind}\r\nContent-Disposition: attachment; filename="{name}"\r\n'
            "Content-Transfer-Encoding: base64\r\n\r\n".encode()
            + base64.encodebytes(data).replace(b"\n", b"\r\n")
        )
    body = b"".join(b"--B1\r\n" + part + b"\r\n" for part in parts) + b"--B1--\r\n"
    return _header(header) + b"\r\n" + body


def note(text: str = "Bonjour.\r\n", /, **changes: str | None) -> bytes:
    """A letter between professionals without a document."""
    changes = {
        "To": "cardiologie@hopital-a.mssante.fr",
        "Subject": "Question d'organisation",
        "X_MSS_CODECDA": None,
        "X_MSS_INS": None,
        "Content_Type": 'text/plain; charset="utf-8"',
        "Content_Transfer_Encoding": "8bit",
        **changes,
    }
    return _header(fields(**changes)) + b"\r\n" + text.encode()


def _header(header: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in header.items()).encode()


def findings(data: bytes, rule: str, question: Question | None = None) -> list[Finding]:
    """What one rule says of a message."""
    return [each for each in examine_message(data, question or Question()).findings if each.rule == rule]


def failing(data: bytes, question: Question | None = None) -> set[str]:
    """The rules on messages that fail; those on documents are tested for themselves."""
    return {
        each.rule
        for each in examine_message(data, question or Question()).findings
        if each.verdict is Verdict.FAILS and each.rule in MESSAGE_RULES
    }
