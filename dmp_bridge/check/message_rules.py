"""Puts a message to every rule that concerns it: a letter with its documents, a notification, a delivery report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dmp_bridge.check import (
    attachment_rules,
    field_rules,
    line_rules,
    mime_rules,
    notification_rules,
    people_rules,
)
from dmp_bridge.check.cda_rules import examine_cda
from dmp_bridge.check.letter import read_letter
from dmp_bridge.check.pdf_rules import examine_pdf
from dmp_bridge.check.report import INTERNAL_RULES, Checked, Report, Surroundings, Weight
from dmp_bridge.check.xdm_rules import examine_archive
from dmp_bridge.codes import ErrorCode
from dmp_bridge.sniff import FileType
from foundation.identifiers import OID_DEMO, OID_TEST, Ins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dmp_bridge.check.kit import Kit
    from dmp_bridge.check.letter import File, Letter, Question
    from dmp_bridge.check.report import Finding
    from foundation.mime.mss_headers import MssField

    MessageRule = Callable[[Letter], Iterator[Finding]]

_ANY: Final[tuple[MessageRule, ...]] = (
    field_rules.required,
    people_rules.author,
    people_rules.domains,
    field_rules.message_id,
    field_rules.thread,
    line_rules.lines,
    mime_rules.structure,
    mime_rules.charset,
    mime_rules.size,
)
_LETTER: Final[tuple[MessageRule, ...]] = (
    field_rules.subject,
    people_rules.one_patient,
    attachment_rules.package,
    people_rules.patient_addresses,
    people_rules.label,
    people_rules.reply_to,
    attachment_rules.mes,
    attachment_rules.codes,
    attachment_rules.ins,
    attachment_rules.nil,
    field_rules.receipts,
    field_rules.end_of_exchange,
    field_rules.replacement,
    people_rules.initiative,
    people_rules.recipients,
    mime_rules.body,
    attachment_rules.files,
)
_TEST_OIDS: Final = frozenset({OID_TEST, OID_DEMO})
_PROFILE: Final = ("META-FR", "META-CDA", "META-CODES", "META-DATES", "META-OID", "CDA-", "INS-", "KIT-")
_READABLE: Final = frozenset({"CDA-LISIBLE", "CDA-RACINE", "CDA-SUR"})
_REFUSED_AS: Final = {"INS-CDA": ErrorCode.NO_INS, "INS-TRAITS": ErrorCode.INCOMPLETE_INS}
_TRIAL: Final = "L'un des deux matricules est de test et l'autre réel : jeu d'essai."
_RULES: Final = {
    Checked.MESSAGE: _LETTER,
    Checked.DISPOSITION_NOTIFICATION: (
        notification_rules.report,
        notification_rules.disposition,
        notification_rules.refusal,
    ),
    Checked.DELIVERY_NOTIFICATION: (notification_rules.report, notification_rules.delivery),
}


# ref: F25
def examine_message(data: bytes, question: Question, kit: Kit | None = None) -> Report:
    """The report on an RFC 5322 message. Never raises on any bytes."""
    letter = read_letter(data, question)
    checked = notification_rules.kind_of(letter)
    findings = [finding for rule in (*_RULES[checked], *_ANY) for finding in rule(letter)]
    # The documents in a notification are the original's: its sender has them checked.
    if checked is Checked.MESSAGE:
        around = surroundings(letter)
        attached = [each for file in letter.files for each in examine_file(file, around, question, kit)]
        findings += [_of_a_trial(each) for each in attached] if _is_trial(letter) else attached
    return Report(checked, tuple(findings), kit.label if kit is not None else INTERNAL_RULES)


def _is_trial(letter: Letter) -> bool:
    """Whether METADATA.XML gives a document a test identity, and the document names a real one, or the reverse."""
    return any(
        document.entry is not None
        and document.entry.patient_id is not None
        and document.cda is not None
        and {document.entry.patient_id.oid in _TEST_OIDS, document.cda.patient.ins_oid in _TEST_OIDS}
        == {True, False}
        and document.cda.patient.ins_oid is not None
        for document in letter.documents
    )


def _of_a_trial(finding: Finding) -> Finding:
    """What a sample document wrapped for a trial lacks is told; it does not make the message wrong."""
    if not finding.breaks or finding.rule in _READABLE or not finding.rule.startswith(_PROFILE):
        return finding
    says = f"{finding.says} {_TRIAL}" if finding.rule.startswith("INS-") else finding.says
    if (code := _REFUSED_AS.get(finding.rule)) is not None:
        says += f" Le dossier d'un usager refusera ce document ({code.value})."
    return replace(finding, weight=Weight.RECOMMENDED, says=says)


def examine_file(file: File, around: Surroundings, question: Question, kit: Kit | None) -> list[Finding]:
    """The findings on one attachment, by what its bytes are; none for what no rule is about."""
    if file.is_package:
        return examine_archive(file.name, file.data, around, question.limits, kit=kit)
    if file.found is FileType.XML and file.is_cda:
        return examine_cda(file.name, file.data, around, kit=kit)
    if file.found is FileType.PDF:
        return examine_pdf(file.name, file.data, around)
    return []


def surroundings(letter: Letter) -> Surroundings:
    """What the message says around its files."""
    return Surroundings(
        in_message=True,
        names=tuple(file.name for file in letter.files),
        traits=tuple(letter.traits),
        documents=tuple(document.cda for document in letter.documents if document.cda is not None),
        # A wrong key is an alert of its own (ECO.3.1.5), not another patient.
        matricules=tuple(
            ins.value
            for each in letter.patients
            if (ins := Ins.parse(each.local)) is not None and ins.key_is_right
        ),
        subject=letter.subject.text,
        codecda=_value(letter.mss.codecda),
        ins=_value(letter.mss.ins),
        nil=_value(letter.mss.nil),
        mes=_value(letter.mss.mes),
    )


def _value(written: MssField | None) -> str | None:
    return written.value if written is not None else None
