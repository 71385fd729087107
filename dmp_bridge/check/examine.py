"""Says what a file is and puts it to the rules for it: a message, an archive, a CDA, a PDF or a transcript."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dmp_bridge.check.cda_rules import examine_cda
from dmp_bridge.check.imap_transcript import examine_imap
from dmp_bridge.check.message_rules import examine_message
from dmp_bridge.check.pdf_rules import examine_pdf
from dmp_bridge.check.report import ALONE, INTERNAL_RULES, Checked, Report
from dmp_bridge.check.smtp_transcript import examine_smtp
from dmp_bridge.check.transcript import MAX_LINES, Protocol, is_transcript, protocol_of, read_turns
from dmp_bridge.check.xdm_rules import examine_archive
from dmp_bridge.sniff import FileType, sniff
from foundation.mime.scanner import headers

if TYPE_CHECKING:
    from dmp_bridge.check.kit import Kit
    from dmp_bridge.check.letter import Question

_FIELDS: Final = frozenset(
    {
        b"from",
        b"to",
        b"subject",
        b"date",
        b"message-id",
        b"received",
        b"return-path",
        b"mime-version",
        b"content-type",
    }
)
_HEADER_BYTES: Final = 65_536

EMPTY: Final = "Le fichier est vide."
UNKNOWN: Final = "Ce fichier n'est ni un message, ni une archive ZIP, ni un document CDA, ni un PDF, ni un échange SMTP ou IMAP."
NO_CONVERSATION: Final = (
    "Ce fichier ne montre ni un échange SMTP ni un échange IMAP (lignes « C: » et « S: »)."
)
TOO_LONG: Final = f"Cet échange est trop long : {MAX_LINES} lignes au plus."


class Unrecognised(Exception):
    """The file is nothing that is checked; the text is one French sentence."""


def examine(name: str, data: bytes, question: Question, kit: Kit | None = None) -> Report:
    """The report on one file, recognised by its content alone. Raises Unrecognised."""
    if not data:
        raise Unrecognised(EMPTY)
    if is_transcript(data):
        return examine_transcript(data)
    found = sniff(data)
    source = kit.label if kit is not None else INTERNAL_RULES
    if found is FileType.ZIP:
        return Report(
            Checked.ARCHIVE, tuple(examine_archive(name, data, ALONE, question.limits, kit=kit)), source
        )
    if found is FileType.XML:
        return Report(Checked.CDA, tuple(examine_cda(name, data, ALONE, kit=kit)), source)
    if _is_message(data):
        return examine_message(data, question, kit)
    if found is FileType.PDF:
        return Report(Checked.PDF, tuple(examine_pdf(name, data, ALONE)))
    raise Unrecognised(UNKNOWN)


def examine_transcript(data: bytes) -> Report:
    """The report on a conversation of a client with its server. Raises Unrecognised."""
    if data.count(b"\n") > MAX_LINES:
        raise Unrecognised(TOO_LONG)
    turns = read_turns(data)
    protocol = protocol_of(turns)
    if protocol is None:
        raise Unrecognised(NO_CONVERSATION)
    findings = examine_smtp(turns) if protocol is Protocol.SMTP else examine_imap(turns)
    return Report(Checked.TRANSCRIPT, tuple(findings))


def _is_message(data: bytes) -> bool:
    """Whether the file begins with a field every mail program writes; a PDF may stand behind (RFC 5322 §2.2)."""
    names = {name.lower() for name, _ in headers(data, 0, min(len(data), _HEADER_BYTES))[:50]}
    return bool(names & _FIELDS)
