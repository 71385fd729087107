"""A message as the rules look at it: its header, its people, its files and the documents in them, read once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from dmp_bridge import archive
from dmp_bridge.archive import ArchiveRefused, unpack
from dmp_bridge.cda import CdaFault, CdaRefused, read_cda
from dmp_bridge.check.subject import FIN, Subject, Traits, read_subject
from dmp_bridge.hl7_time import parse_birth_date
from dmp_bridge.sniff import FileType, sniff
from dmp_bridge.xdm import PackageRefused, is_package, read_package
from foundation.mime.addresses import Group, MailAddress, parse_addresses
from foundation.mime.bodies import decode_body
from foundation.mime.fields import unfold
from foundation.mime.headers import attachments
from foundation.mime.mss_headers import MssHeaders, read_mss_headers
from foundation.mime.scanner import headers, scan
from foundation.mime.words import decode_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dmp_bridge.archive import ArchiveLimits
    from dmp_bridge.cda import CdaDocument
    from dmp_bridge.ebrim import DocumentEntry
    from foundation.mime.parts import Part

MAX_FILES: Final = 200
"""Attachments that are opened; a message with more is told so."""
Fields = tuple[tuple[str, bytes], ...]
TRUST_DOMAINS: Final = (".mssante.fr", "mssante.apicrypt.org")


@dataclass(frozen=True, slots=True)
class Question:
    """What is known beside the bytes: the patients' domain, the largest message (octets), the sender's box if told."""

    patient_domain: str = "patient.mssante.fr"
    largest: int = 25 * 1024 * 1024
    box_type: str = ""
    limits: ArchiveLimits = archive.DEFAULT


@dataclass(frozen=True, slots=True)
class File:
    """One attachment: where it stands, its name as sent, what the header calls it and what its bytes are."""

    place: str = field(repr=False)
    name: str = field(repr=False)
    media_type: str
    found: FileType
    data: bytes = field(repr=False)
    is_package: bool = False
    is_cda: bool = False
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Carried:
    """One clinical document of the message. ``cda`` is None where it could not be read.

    ``times`` is how many entries of METADATA.XML announce it.
    """

    place: str = field(repr=False)
    in_archive: bool = False
    entry: DocumentEntry | None = field(default=None, repr=False)
    cda: CdaDocument | None = field(default=None, repr=False)
    times: int = 1


@dataclass(frozen=True, slots=True)
class Letter:
    """One message, read."""

    data: bytes = field(repr=False)
    root: Part = field(repr=False)
    fields: Fields = field(repr=False)
    """Every field in its order: name in lower case, value as it stands, folded and with its leading space."""
    subject: Subject
    sender: MailAddress | None = field(repr=False)
    recipients: tuple[MailAddress, ...] = field(repr=False)
    mss: MssHeaders
    files: tuple[File, ...]
    documents: tuple[Carried, ...]
    question: Question

    def raw(self, name: str) -> list[bytes]:
        """The values of a field as they stand."""
        return _raw(self.fields, name)

    def text(self, name: str) -> str | None:
        """The first value of a field, unfolded and decoded; None where there is none."""
        return _text(self.fields, name)

    def mailboxes(self, name: str) -> list[MailAddress]:
        """The mailboxes of an address field, those in groups too."""
        return _mailboxes(self.fields, name)

    def is_patient(self, address: MailAddress) -> bool:
        """Whether an address is one of a patient."""
        return address.domain.lower() == self.question.patient_domain.lower()

    @property
    def subject_as_written(self) -> str:
        """The subject decoded, with every space but the one after the colon, which is the field's punctuation."""
        raw = self.raw("subject")
        return decode_words(unfold(_written(raw[0]))) if raw else ""

    @property
    def closes_exchange(self) -> bool:
        """Whether the subject is exactly ``[FIN]`` (Mon espace santé, messagerie v1.3 §7)."""
        raw = self.raw("subject")
        return self.subject_as_written == FIN and _written(raw[0]) == _written(raw[0]).strip()

    @property
    def patients(self) -> tuple[MailAddress, ...]:
        """The patients among the recipients, each once."""
        return tuple(
            {each.address.lower(): each for each in self.recipients if self.is_patient(each)}.values()
        )

    @property
    def is_from_patient(self) -> bool:
        """Whether a patient wrote it."""
        return self.sender is not None and self.is_patient(self.sender)

    @property
    def packages(self) -> list[File]:
        """The IHE_XDM archives."""
        return [file for file in self.files if file.is_package]

    @property
    def traits(self) -> list[Traits]:
        """The patients as METADATA.XML and the documents name them."""
        found: list[Traits] = []
        for document in self.documents:
            if document.entry is not None and (announced := _announced(document.entry)) is not None:
                found.append(announced)
            if document.cda is not None:
                patient = document.cda.patient
                given = tuple(name for name in (patient.first_given, patient.first_names) if name)
                found.append(Traits(patient.birth_name, given, patient.birth_date or ""))
        return found

    def own_parts(self) -> Iterator[Part]:
        """The parts of the message itself; a message inside is one part."""
        waiting = [self.root]
        while waiting:
            part = waiting.pop()
            yield part
            if part.is_multipart:
                waiting.extend(reversed(part.children))


def read_letter(data: bytes, question: Question) -> Letter:
    """Reads a message (RFC 5322). Never raises; time and memory are bounded by the message and ``question.limits``."""
    root = scan(data)
    fields = tuple(
        (name.decode("ascii", "replace").lower(), value)
        for name, value in headers(data, root.header_start, root.body_start)
    )
    files: list[File] = []
    documents: list[Carried] = []
    for each in attachments(data, root)[:MAX_FILES]:
        opened, found = _open(_file(data, each.part, each.filename), question.limits)
        files.append(opened)
        documents.extend(found)
    authors = _mailboxes(fields, "from")
    return Letter(
        data=data,
        root=root,
        fields=fields,
        subject=read_subject(_text(fields, "subject") or ""),
        sender=authors[0] if authors else None,
        recipients=tuple(each for name in ("to", "cc", "bcc") for each in _mailboxes(fields, name)),
        mss=read_mss_headers(data[root.header_start : root.body_start]),
        files=tuple(files),
        documents=tuple(documents),
        question=question,
    )


def _written(value: bytes) -> bytes:
    return value.removeprefix(b" ").rstrip(b"\r\n")


def _raw(fields: Fields, name: str) -> list[bytes]:
    return [value for found, value in fields if found == name]


def _text(fields: Fields, name: str) -> str | None:
    values = _raw(fields, name)
    return decode_words(unfold(values[0])) if values else None


def _mailboxes(fields: Fields, name: str) -> list[MailAddress]:
    found: list[MailAddress] = []
    for value in _raw(fields, name):
        for each in parse_addresses(unfold(value)):
            found.extend(each.members if isinstance(each, Group) else [each])
    return found


def place_of(part: Part, name: str = "") -> str:
    """Where a part stands, as a person finds it."""
    number = f"partie {part.number}" if part.number else "message"
    return f"{number} ({name})" if name else number


def _file(data: bytes, part: Part, name: str) -> File:
    # A decoded body is never larger than the message that holds it.
    decoded = decode_body(data, part, len(data))
    return File(place_of(part, name), name, part.content_type, sniff(decoded), decoded)


def _open(file: File, limits: ArchiveLimits) -> tuple[File, Sequence[Carried]]:
    """The file with what it is, and the documents in it."""
    if file.found is FileType.XML:
        try:
            return replace(file, is_cda=True), [Carried(file.place, cda=read_cda(file.data))]
        except CdaRefused as refused:
            is_other = refused.fault in (CdaFault.NOT_CDA, CdaFault.NOT_XML)
            return (file, []) if is_other else (replace(file, is_cda=True), [Carried(file.place)])
    named = _is_named_package(file.name)
    if file.found is not FileType.ZIP:
        return replace(file, is_package=named, readable=not named), []
    try:
        unpacked = unpack(file.data, limits)
    except ArchiveRefused:
        return replace(file, is_package=named, readable=False), []
    if not is_package(unpacked, file.name):
        return file, []
    opened = replace(file, is_package=True)
    try:
        package = read_package(unpacked)
    except PackageRefused:
        return replace(opened, readable=False), []
    found = []
    repeats = Counter(each.first for each in package.repeated)
    for number, document in enumerate(package.documents):
        cda: CdaDocument | None = None
        if document.data is not None:
            try:
                cda = read_cda(document.data)
            except CdaRefused:
                cda = None
        place = f"{file.name} {document.subset}/{document.name}"
        found.append(
            Carried(place, in_archive=True, entry=document.entry, cda=cda, times=1 + repeats[number])
        )
    return opened, found


def _is_named_package(name: str) -> bool:
    lowered = name.lower()
    return lowered.startswith("ihe_xdm") and lowered.endswith(".zip")


def _announced(entry: DocumentEntry) -> Traits | None:
    """The person that sourcePatientInfo names (PID-5, PID-7)."""
    values = dict(line.split("|", 1) for line in entry.source_patient_info if "|" in line)
    pieces = values.get("PID-5", "").split("^")
    if not pieces[0]:
        return None
    given = (pieces[1],) if len(pieces) > 1 and pieces[1] else ()
    return Traits(pieces[0], given, parse_birth_date(values.get("PID-7")) or "")
