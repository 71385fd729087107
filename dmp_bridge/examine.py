"""Examines attachments: says of each what it is, and under which metadata it could be filed. No state."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dmp_bridge import archive, cda, xdm
from dmp_bridge.announced import lots_of
from dmp_bridge.archive import ArchiveLimits, ArchiveRefused, unpack
from dmp_bridge.cda import Attached, CdaDocument, CdaRefused, Level
from dmp_bridge.codes import ErrorCode, category, document_type
from dmp_bridge.findings import OFFER_BYTES, Clinical, Finding, Kind, refused
from dmp_bridge.hl7_time import paris_date
from dmp_bridge.mapping import read_with_entry
from dmp_bridge.sniff import FileType, name_fits, name_lies, sniff
from dmp_bridge.visibility import (
    Marks,
    Visibility,
    confidentiality,
    flag,
    identifier_key,
    unite,
)
from dmp_bridge.xdm import PackagedDocument, PackageRefused, is_package, read_package
from foundation.identifiers import INS_OIDS
from foundation.mime.mss_headers import AttachedCda

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dmp_bridge.ebrim import DocumentEntry as Announced
    from dmp_bridge.entry import DocumentEntry

OFFERED = frozenset({FileType.PDF, FileType.JPEG, FileType.PNG, FileType.TIFF, FileType.RTF, FileType.TEXT})

_KEPT = "Ce fichier reste disponible dans le message."
_KEPT_ZIP = "Cette archive reste disponible dans le message ; son contenu n'est pas ajouté au dossier."
_KEPT_LARGE = "Ce fichier dépasse 5 Mo : il reste disponible dans le message."
_KEPT_LIE = "Le contenu de ce fichier ne correspond pas à son nom : il n'est pas proposé au dossier."
_SEVERAL_IN_ONE = "Le document désigne plusieurs patients."
_SEVERAL_PATIENTS = "Le message contient des documents de plusieurs patients."
_OTHER_PATIENT = "Le document et METADATA.XML ne désignent pas le même patient."
_UNKNOWN_TYPE = "Le type du document n'appartient pas à la nomenclature des documents de santé."
_NO_INS = "Le document ne contient pas l'INS du patient."
_INCOMPLETE_INS = "L'identité du patient est incomplète dans le document."
_WRONG_BODY = "Le contenu du document ne correspond pas au type qu'il annonce."
_NO_BODY = "Le document ne contient rien à lire."
_UNREAD = AttachedCda(None, has_qualified_ins=None, in_archive=True)
_NOT_FILEABLE = "Ce contenu de l'archive IHE_XDM n'est pas un document CDA."


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file of a message: its MIME part number, its name as sent and its decoded bytes."""

    part: str
    filename: str
    data: bytes


def examine_attachments(
    attachments: Iterable[Attachment], limits: ArchiveLimits = archive.DEFAULT
) -> tuple[Finding, ...]:
    """Every attachment examined, then the rules that hold for the whole message."""
    marked = [each for attachment in attachments for each in examine_attachment(attachment, limits)]
    findings = unite(marked)
    digests = {
        (finding.part, finding.item): _sha1(finding.data)
        for finding in findings
        if finding.kind is Kind.PLAIN
    }
    unseen = [
        finding.clinical
        for finding in findings
        if finding.clinical is not None and finding.clinical.invisible_to_patient
    ]
    return _pair_copies(_one_patient(findings), digests, unseen)


def examine_attachment(attachment: Attachment, limits: ArchiveLimits) -> list[tuple[Finding, Marks]]:
    """The findings of one attachment with what each is marked by; a package gives one per document."""
    found = sniff(attachment.data)
    whole = Marks((_content_key(attachment.data),))
    if found is FileType.ZIP:
        return _examine_zip(attachment, limits)
    if _claims_to_be_a_package(attachment.filename):
        finding = _finding(attachment, found, Kind.KEPT)
        return [(refused(finding, archive.SENTENCES[archive.ArchiveFault.NOT_A_ZIP]), whole)]
    if found is FileType.XML:
        return [_examine_xml(attachment)]
    return [(_examine_plain(attachment, found), whole)]


def _claims_to_be_a_package(filename: str) -> bool:
    name = filename.strip().lower().rpartition("/")[2]
    return name.startswith("ihe_xdm") and name.endswith(".zip")


def _examine_plain(attachment: Attachment, found: FileType) -> Finding:
    if found not in OFFERED:
        return _finding(attachment, found, Kind.KEPT, _lie_or(attachment.filename, found, _KEPT))
    if not name_fits(attachment.filename, found):
        return _finding(attachment, found, Kind.KEPT, _KEPT_LIE)
    if len(attachment.data) > OFFER_BYTES:
        return _finding(attachment, found, Kind.KEPT, _KEPT_LARGE)
    return replace(_finding(attachment, found, Kind.PLAIN), data=attachment.data)


def _lie_or(filename: str, found: FileType, sentence: str) -> str:
    return _KEPT_LIE if name_lies(filename, found) else sentence


def _finding(attachment: Attachment, found: FileType, kind: Kind, sentence: str = "") -> Finding:
    return Finding(
        part=attachment.part,
        item=0,
        filename=attachment.filename,
        media_type=found.value,
        size=len(attachment.data),
        kind=kind,
        sentence=sentence,
    )


def _examine_xml(attachment: Attachment) -> tuple[Finding, Marks]:
    finding = _finding(attachment, FileType.XML, Kind.CDA)
    unread = _marks(None, attachment.data, None)
    try:
        document, described = read_with_entry(attachment.data)
    except CdaRefused as unreadable:
        if unreadable.fault in (cda.CdaFault.NOT_XML, cda.CdaFault.NOT_CDA):
            sentence = _lie_or(attachment.filename, FileType.XML, _KEPT)
            return replace(finding, kind=Kind.KEPT, sentence=sentence), unread
        return refused(finding, cda.SENTENCES[unreadable.fault]), unread
    marks = _marks(document, attachment.data, None)
    return _examine_cda(finding, document, described, attachment.data, None, marks), marks


def _examine_zip(attachment: Attachment, limits: ArchiveLimits) -> list[tuple[Finding, Marks]]:
    whole = _finding(
        attachment, FileType.ZIP, Kind.KEPT, _lie_or(attachment.filename, FileType.ZIP, _KEPT_ZIP)
    )
    claims_to_be = attachment.filename.lower().startswith("ihe_xdm")
    marks = Marks((_content_key(attachment.data),))
    try:
        unpacked = unpack(attachment.data, limits)
    except ArchiveRefused as unreadable:
        sentence = archive.SENTENCES[unreadable.fault]
        return [(refused(whole, sentence) if claims_to_be else replace(whole, sentence=sentence), marks)]
    if not is_package(unpacked, attachment.filename):
        return [(whole, marks)]
    try:
        package = read_package(unpacked)
    except PackageRefused as fault:
        flags = frozenset({Visibility.UNSEEN.value}) if fault.unseen else frozenset()
        return [(refused(whole, xdm.SENTENCES[fault.fault]), replace(marks, flags=flags))]
    return [_examine_packaged(attachment, document, item) for item, document in enumerate(package.documents)]


# ref: DMP-F5
def _examine_packaged(attachment: Attachment, document: PackagedDocument, item: int) -> tuple[Finding, Marks]:
    data = document.data or b""
    found = sniff(data)
    finding = Finding(
        part=attachment.part,
        item=item,
        filename=attachment.filename,
        media_type=found.value,
        size=len(data),
        kind=Kind.XDM_DOCUMENT,
        deletes=document.entry.asks_deletion,
        lots=lots_of(document.submission_sets),
        cda=_UNREAD if document.data is None or found is FileType.XML else None,
    )
    unread = _marks(None, data, document.entry)
    if document.fault is not None:
        return refused(finding, xdm.SENTENCES[document.fault]), unread
    if found is FileType.XML:
        try:
            read, described = read_with_entry(data)
        except CdaRefused as unreadable:
            return refused(finding, cda.SENTENCES[unreadable.fault]), unread
        marks = _marks(read, data, document.entry)
        return _examine_cda(finding, read, described, data, document.entry, marks), marks
    # The French profile packs CDA only; what else stands there has no header to identify its patient by.
    return refused(finding, _NOT_FILEABLE), unread


def _marks(document: CdaDocument | None, data: bytes, entry: Announced | None) -> Marks:
    """By what the same document is known elsewhere in the message, and the flags of both its headers."""
    keys, flags = [], set()
    if data:
        keys.append(_content_key(data))
    if entry is not None:
        keys += [identifier_key(entry.unique_id)] if entry.unique_id else []
        flags |= {flag(code.code) for code in entry.confidentiality_codes}
    if document is not None:
        keys.append(identifier_key(document.unique_id))
        keys += [_content_key(document.display.data)] if document.display is not None else []
        flags.add(flag(document.confidentiality))
    return Marks(tuple(keys), frozenset(flags))


# ref: DMP-F10
def _examine_cda(
    finding: Finding,
    document: CdaDocument,
    described: DocumentEntry,
    data: bytes,
    announced: Announced | None,
    marks: Marks,
) -> Finding:
    """The checks of one document that need nothing but the message (ANS, integration of a document)."""
    finding = replace(
        finding,
        ins=document.patient.ins or _announced_ins(announced),
        cda=AttachedCda(
            document.code.code,
            has_qualified_ins=document.patient.is_complete,
            in_archive=announced is not None,
        ),
    )
    kind = document_type(document.code.code)
    if kind is None:
        return refused(finding, _UNKNOWN_TYPE)
    if document.level is Level.NONE:
        return refused(finding, _NO_BODY)
    if document.names_several_patients:
        return refused(finding, _SEVERAL_IN_ONE, ErrorCode.OTHER_PATIENT)
    display = document.display
    if display is not None:
        shown = sniff(display.data)
        if shown not in OFFERED or (display.media_type == FileType.PDF.value) != (shown is FileType.PDF):
            return refused(finding, _WRONG_BODY)
        # What the bytes are is what a browser is told, not what the document says they are.
        display = Attached(shown.value, display.data)
    ins = _announced_ins(announced)
    if ins is not None and document.patient.ins is not None and ins != document.patient.ins:
        return refused(finding, _OTHER_PATIENT, ErrorCode.OTHER_PATIENT)
    if document.patient.ins is None:
        return refused(finding, _NO_INS, ErrorCode.NO_INS)
    if not document.patient.is_complete:
        return refused(finding, _INCOMPLETE_INS, ErrorCode.INCOMPLETE_INS)
    author = document.authors[0] if document.authors else None
    # Where METADATA.XML and the document differ on its identifier, type or title, the document is right: its
    # SHA-1 ties the two together, and producers flatten an id with an extension each in their own way.
    clinical = Clinical(
        unique_id=document.unique_id,
        set_id=document.set_id,
        version_number=document.version_number or 1,
        title=document.title or kind.label,
        type_code=kind.code,
        class_code=kind.class_code,
        category=category(kind.code, kind.class_code),
        format_code=document.format_code,
        # Those of this one place; the whole message is united afterwards.
        confidentiality=confidentiality(marks.flags),
        masked_to_professionals=Visibility.MASKED in marks.flags,
        invisible_to_patient=Visibility.UNSEEN in marks.flags,
        invisible_to_representatives=Visibility.UNSEEN_BY_REPRESENTATIVES in marks.flags,
        language=document.language,
        level=document.level.value,
        created_at=document.effective_at,
        service_start_at=document.service_start_at,
        service_stop_at=document.service_stop_at,
        author_id=author.id if author else "",
        author_name=author.name if author else "",
        author_specialty=author.specialty if author else "",
        institution=(author.institution if author else "") or document.custodian,
        institution_id=author.institution_id if author else "",
        replaces=document.replaces,
        patient=document.patient,
        entry=described,
    )
    return replace(finding, media_type=described.mime_type, clinical=clinical, display=display, data=data)


def _announced_ins(entry: Announced | None) -> str | None:
    identifier = entry.patient_id if entry is not None else None
    return identifier.value.upper() if identifier is not None and identifier.oid in INS_OIDS else None


def _one_patient(findings: list[Finding]) -> list[Finding]:
    """One message is about one patient (Réf#2 ECO.2.1.1); two INS, and nothing of it is filed."""
    if len({finding.ins for finding in findings if finding.ins is not None}) < 2:
        return findings
    return [
        refused(finding, _SEVERAL_PATIENTS) if finding.ins is not None else finding for finding in findings
    ]


# ref: SC.CDA/DD.15, DMP-F14
def _pair_copies(
    findings: list[Finding], digests: dict[tuple[str, int], str], unseen: list[Clinical]
) -> tuple[Finding, ...]:
    """A file that shows a document of the same message is its copy: one line, filed once (SC.CDA/DD.15)."""
    shown: dict[str, str] = {}
    documents = [finding.clinical for finding in findings if finding.clinical is not None]
    for finding in findings:
        if finding.clinical is not None and finding.display is not None:
            shown[_sha1(finding.display.data)] = finding.clinical.unique_id
    paired: list[Finding] = []
    for finding in findings:
        copy_of = None
        if finding.kind is Kind.PLAIN:
            copy_of = shown.get(digests[finding.part, finding.item]) or _named_after(finding, documents)
        if copy_of is not None:
            finding = replace(finding, kind=Kind.COPY, copy_of=copy_of, data=b"")
        # Same content was found before; a copy that only bears the official name is hidden here.
        if not finding.hidden and unseen and _named_after(finding, unseen) is not None:
            finding = replace(finding, hidden=True)
        paired.append(finding)
    return tuple(paired)


def _named_after(finding: Finding, documents: list[Clinical]) -> str | None:
    """The document whose official copy a PDF is by name: ``AAAAMMJJ_libellé_NOM_prénom.pdf`` (ECO.2.1.6)."""
    if finding.media_type != FileType.PDF.value or not documents:
        return None
    words = _plain(finding.filename).removesuffix(".pdf").split("_")
    if len(words) < 4:
        return None
    for clinical in documents:
        when = clinical.service_start_at or clinical.created_at
        if when is None or words[0] != paris_date(when).replace("-", ""):
            continue
        if _plain(clinical.patient.birth_name) in words[2:]:
            return clinical.unique_id
    return None


def _plain(text: str) -> str:
    """Without accents, in lower case, for comparison of names that programs spell in their own way."""
    return "".join(
        character
        for character in unicodedata.normalize("NFKD", text).lower()
        if not unicodedata.combining(character)
    )


def _content_key(data: bytes) -> str:
    return f"sha1:{_sha1(data)}"


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
