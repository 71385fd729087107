"""Writes the MDM message that carries a document received by mail into a hospital's own system (CISIS_CDA_HL7_LPS 1.1).

ANS, transmission to the LPS of a CDA document from an MSSanté mail: HL7 2.6, one document a message.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from dmp_bridge.codes import LOINC, PROFESSIONAL_OID, STRUCTURE_OID
from dmp_bridge.entry import Person
from dmp_bridge.hl7 import er7
from dmp_bridge.visibility import Visibility
from foundation.clock import from_millis, to_paris
from foundation.identifiers import OID_NIA

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from dmp_bridge.entry import DocumentEntry


class Event(StrEnum):
    """What the other system is asked to do with the document (HL7 table 0003)."""

    NEW = "T02"
    REPLACE = "T10"
    DELETE = "T04"


# ref: F44
ORDERS: Final[Mapping[Event, tuple[str, str]]] = {
    Event.NEW: ("NW", "F"),
    Event.REPLACE: ("RO", "C"),
    Event.DELETE: ("CA", "D"),
}
"""ORC-1 (HL7 table 0119) and OBX-11 (table 0085) of each event."""

FLAGS: Final[Mapping[str, str]] = {
    "MASQUE_PS": "Masqué aux professionnels de Santé",
    "INVISIBLE_PATIENT": "Document Non Visible par le patient",
    "INVISIBLE_REP_LEGAUX": "Non visible par les représentants Légaux du patient",
    "MODIF_CONF_CODE": "Modification Confidentiality Code",
}
"""The codes of the table MetaDMPMSS that a mail for a system has, in the order in which they are written."""

_FIELDS = {
    "MASQUE_PS": Visibility.MASKED,
    "INVISIBLE_PATIENT": Visibility.UNSEEN,
    "INVISIBLE_REP_LEGAUX": Visibility.UNSEEN_BY_REPRESENTATIVES,
}
_CONTROL_CHARACTERS = 20
"""Of MSH-10 in HL7 2.6."""


@dataclass(frozen=True, slots=True)
class Participant:
    """Who sent or got the mail: an address, and the national identifier and name of its bearer where they are known."""

    address: str
    name: str = ""
    idnat: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """The mail that brought the document."""

    message_id: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    sender: Participant
    recipient: Participant
    reply_to: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """MSH: from which application and organisation to which; `is_test` says that no care depends on it."""

    control_id: str
    at: datetime
    sending: tuple[str, str]
    receiving: tuple[str, str]
    is_test: bool


@dataclass(frozen=True, slots=True)
class Mdm:
    """One document for the other system. `replaces` is the uniqueId of the former version, "" where there is none."""

    event: Event
    header: Header
    entry: DocumentEntry
    document: bytes = field(repr=False)
    letter: Letter
    replaces: str = ""
    changes_confidentiality: bool = False


def control_id(destination: str, event: Event, unique_id: str) -> str:
    """MSH-10 of what is told once: the same for the same document, event and destination, however often it is sent."""
    told = "\0".join((destination, event.value, unique_id))
    return hashlib.sha256(told.encode()).hexdigest()[:_CONTROL_CHARACTERS].upper()


# ref: DMP-F40, F44
def write(message: Mdm) -> bytes:
    """The message in UTF-8, its segments ended by CR."""
    order, status = ORDERS[message.event]
    entry, header = message.entry, message.header
    at = _moment(header.at)
    kind = _kind(entry)
    segments = [
        ["MSH|^~\\&", *map(_text, (*header.sending, *header.receiving)), at, "",
         f"MDM^{message.event.value}^MDM_T02", _text(header.control_id), "T" if header.is_test else "P", "2.6",
         "", "", "", "", "FRA", "UNICODE UTF-8", "", "", "1.1^CISIS_CDA_HL7_LPS"],
        ["EVN", "", at, "", "", "", at],
        _patient(entry),
        ["PV1", "1", "N"],
        ["ORC", order],
        ["OBR", "1", "", "", kind],
        ["TXA", "1", _text(entry.type_code.code if entry.type_code else ""), "TEXT", _act(entry), *[""] * 7,
         _identifier(entry.unique_id), _identifier(message.replaces), "", "", "", "AU", *[""] * 4,
         _text(_author(entry).id)],
        ["OBX", "1", "ED", kind, "", f"^text^XML^Base64^{_base64(message.document)}", *[""] * 5, status],
        *_participants(message),
        ["OBX", "2", "ED", f"{_text(message.letter.message_id)}^{_text(message.letter.subject)}", "",
         f"^text^^Base64^{_base64(message.letter.text.encode())}", *[""] * 5, "F"],
        *_flags(message),
    ]  # fmt: skip
    return "".join(f"{'|'.join(segment).rstrip('|')}\r" for segment in segments).encode()


def _text(text: str) -> str:
    return er7.escape(text)


def _moment(at: datetime) -> str:
    return to_paris(at).strftime("%Y%m%d%H%M%S%z")


def _act(entry: DocumentEntry) -> str:
    millis = entry.service_start_time if entry.service_start_time is not None else entry.creation_time
    return _moment(from_millis(millis)) if millis is not None else ""


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _kind(entry: DocumentEntry) -> str:
    """OBR-4 and OBX-3: the type of the document."""
    code = entry.type_code
    if code is None:
        return ""
    system = "LN" if code.system == LOINC else "TRE_A05"
    return "^".join((_text(code.code), _text(code.display), system))


def _identifier(unique_id: str) -> str:
    """TXA-12 and TXA-13: an OID alone, or an extension and its OID (EI)."""
    root, separator, extension = unique_id.partition("^")
    return f"{_text(extension)}^^{_text(root)}^ISO" if separator else _text(root)


# ref: ECO.2.1.2
def _patient(entry: DocumentEntry) -> list[str]:
    """PID, as PAM in France writes an INS and the traits that qualify it."""
    numbers = []
    for identifier, kind in ((entry.patient_id, "INS"), (entry.source_patient_id, "PI")):
        if identifier is not None and identifier.value and (kind == "INS" or identifier != entry.patient_id):
            name = _authority(identifier.oid) if kind == "INS" else ""
            numbers.append(f"{_text(identifier.value)}^^^{name}&{_text(identifier.oid)}&ISO^{kind}")
    source = entry.source_patient
    names = [
        f"{_text(name.family)}^{_text(name.given.partition(' ')[0])}^{_text(name.given)}^^^^{_text(name.type)}"
        for name in source.names
    ]
    birth = source.birth_date.replace("-", "")
    reliable = ["VALI"] if any(number.endswith("^INS") for number in numbers) else [""]
    return [
        "PID", "", "", "~".join(numbers), "", "~".join(names), "", _text(birth), _text(source.sex),
        *[""] * 23, *reliable,
    ]  # fmt: skip


def _authority(oid: str) -> str:
    return "ASIP-SANTE-INS-NIA" if oid == OID_NIA else "ASIP-SANTE-INS-NIR"


def _author(entry: DocumentEntry) -> Person:
    return entry.authors[0].person if entry.authors else Person()


def _participants(message: Mdm) -> list[list[str]]:
    """PRT: who sent the mail, which box got it, and where an answer goes (HL7 2.9, adopted before)."""
    letter = message.letter
    found = [
        _participant("SB^Send by", letter.sender),
        _participant("RCT^Result Copies To", letter.recipient),
    ]
    if letter.reply_to:
        found.append(_participant("REPLY^Reply To", Participant(letter.reply_to)))
    return found


def _participant(role: str, who: Participant) -> list[str]:
    person = organization = ""
    if who.idnat.startswith("8"):
        family = _text(who.name)
        person = f"{_text(who.idnat)}^{family}^^^^^^^ASIP-SANTE-PS&{PROFESSIONAL_OID}&ISO^D^^^IDNPS"
    elif who.idnat:
        organization = f"{_text(who.name)}^^^^^ASIP-SANTE-ST&{STRUCTURE_OID}&ISO^IDNST^^^{_text(who.idnat)}"
    return [
        "PRT", "", "UC", "", f"{role}^participation", person, "", "", organization, *[""] * 6,
        f"^^X.400^{_text(who.address)}",
    ]  # fmt: skip


# ref: F45
def _flags(message: Mdm) -> list[list[str]]:
    codes = {code.code for code in message.entry.confidentiality_codes}
    found = []
    for number, (code, label) in enumerate(FLAGS.items(), 3):
        is_set = message.changes_confidentiality if code == "MODIF_CONF_CODE" else _FIELDS[code] in codes
        value = f"{'Y' if is_set else 'N'}^^expandedYes-NoIndicator"
        found.append(["OBX", str(number), "CWE", f"{code}^{label}^MetaDMPMSS", "", value, *[""] * 5, "F"])
    return found
