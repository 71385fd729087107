"""Examines attachments: says of each what it is, and under which metadata it could be filed. No state."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dmp_bridge import archive, cda
from dmp_bridge.announced import lots_of
from dmp_bridge.archive import ArchiveLimits, ArchiveRefused, unpack
from dmp_bridge.cda import Attached, CdaDocument, CdaRefused
from dmp_bridge.cda_elements import NAMESPACE
from dmp_bridge.codes import category, document_type
from dmp_bridge.document_faults import (
    NO_CDA,
    announced_ins,
    faults_of,
    faults_of_package,
    faults_of_packaged,
    faults_of_unread,
)
from dmp_bridge.findings import OFFER_BYTES, Clinical, Finding, Kind, refused
from dmp_bridge.hl7_time import paris_date
from dmp_bridge.mapping import read_with_entry
from dmp_bridge.sniff import OFFERED, FileType, name_fits, name_lies, sniff
from dmp_bridge.visibility import (
    Marks,
    Visibility,
    confidentiality,
    flag,
    identifier_key,
    unite,
)
from dmp_bridge.xdm import FURNITURE, PackagedDocument, PackageRefused, is_package, read_package
from foundation.mime.mss_headers import AttachedCda
from foundation.mime.packages import is_package_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dmp_bridge.document_faults import DocumentFault
    from dmp_bridge.ebrim import DocumentEntry as Announced
    from dmp_bridge.entry import DocumentEntry

_KEPT = "Ce fichier reste disponible dans le message."
_KEPT_ZIP = "Cette archive reste disponible dans le message ; son contenu n'est pas ajouté au dossier."
_KEPT_LARGE = "Ce fichier dépasse 5 Mo : il reste disponible dans le message."
_KEPT_EMPTY = "Ce fichier est vide."
_KEPT_LIE = "Le contenu de ce fichier ne correspond pas à son nom : il n'est pas proposé au dossier."
_TOO_LARGE = "Les documents du message sont trop volumineux une fois décompressés."
_SEVERAL_PATIENTS = "Le message contient des documents de plusieurs patients."
_READABLE = frozenset({FileType.XML.value, *(each.value for each in OFFERED)})
"""What a copy of a document can be: a page is XML, or text."""
_UNREAD = AttachedCda(None, has_qualified_ins=None, in_archive=True)


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
    return _within(limits, _pair_copies(_one_patient(findings), digests, unseen))


# ref: DMP-F2
def _within(limits: ArchiveLimits, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Refused from where a message holds more than one archive may: a CDA can be compressed in itself as well."""
    size, taken = 0, []
    for finding in findings:
        size += len(finding.data) + (len(finding.display.data) if finding.display is not None else 0)
        fits = size <= limits.total_bytes or not finding.data
        taken.append(finding if fits else refused(finding, _TOO_LARGE))
    return tuple(taken)


def examine_attachment(attachment: Attachment, limits: ArchiveLimits) -> list[tuple[Finding, Marks]]:
    """The findings of one attachment with what each is marked by; a package gives one per document."""
    found = sniff(attachment.data)
    whole = Marks((_content_key(attachment.data),))
    # What an old Macintosh says about a file bears the name of the file that comes beside it.
    if found is FileType.APPLE_DOUBLE:
        return [(_finding(attachment, found, Kind.KEPT, _KEPT), whole)]
    # A zip may have a few bytes before it; only its name tells it then.
    if found is FileType.ZIP or is_package_name(attachment.filename):
        return _examine_zip(attachment, found, limits)
    if found is FileType.XML:
        return [_examine_xml(attachment)]
    return [(_examine_plain(attachment, found), whole)]


def _examine_plain(attachment: Attachment, found: FileType) -> Finding:
    if found is FileType.EMPTY:
        return _finding(attachment, found, Kind.KEPT, _KEPT_EMPTY)
    if found not in OFFERED:
        return _finding(attachment, found, Kind.KEPT, _lie_or(attachment.filename, found, _KEPT))
    if not name_fits(attachment.filename, found):
        return _finding(attachment, found, Kind.KEPT, _lie_or(attachment.filename, found, _KEPT))
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
        means_to_be = unreadable.fault is cda.CdaFault.NOT_XML and NAMESPACE.encode() in attachment.data
        if unreadable.fault in (cda.CdaFault.NOT_XML, cda.CdaFault.NOT_CDA) and not means_to_be:
            sentence = _lie_or(attachment.filename, FileType.XML, _KEPT)
            return replace(finding, kind=Kind.KEPT, sentence=sentence), unread
        return _refused_for(finding, faults_of_unread(unreadable, None)), unread
    marks = _marks(document, attachment.data, None)
    return _examine_cda(finding, document, described, attachment.data, None, marks), marks


def _examine_zip(
    attachment: Attachment, found: FileType, limits: ArchiveLimits
) -> list[tuple[Finding, Marks]]:
    # An office document is a zip as well, and nobody's archive.
    kept = _KEPT_ZIP if name_fits(attachment.filename, FileType.ZIP) else _KEPT
    whole = _finding(attachment, found, Kind.KEPT, _lie_or(attachment.filename, found, kept))
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
        return [(_refused_for(whole, faults_of_package(fault)), replace(marks, flags=flags))]
    marked = [
        _examine_packaged(attachment, document, item) for item, document in enumerate(package.documents)
    ]
    return _with_packed_copies(package.documents, marked)


# ref: SC.CDA/DD.15
def _with_packed_copies(
    documents: Iterable[PackagedDocument], marked: list[tuple[Finding, Marks]]
) -> list[tuple[Finding, Marks]]:
    """What shows a CDA of the package in another format is its copy, as ``DOC00001.PDF`` beside ``DOC00001.XML``.

    It is announced as its transformation, bears its name, or is the very file in it.
    """
    pairs = list(zip(documents, marked, strict=True))
    shown: dict[tuple[str, ...], str] = {}
    for document, (finding, _) in pairs:
        if finding.clinical is not None:
            shown[document.subset, "id", document.entry.entry_uuid] = finding.clinical.unique_id
            shown[document.subset, "name", _stem(document.name)] = finding.clinical.unique_id
            if finding.display is not None:
                shown["content", _sha1(finding.display.data)] = finding.clinical.unique_id
    found = []
    for document, (finding, marks) in pairs:
        ways = [
            *((document.subset, "id", target) for target in document.entry.transforms),
            (document.subset, "name", _stem(document.name)),
            ("content", _sha1(document.data or b"")),
        ]
        copy_of = next((shown[way] for way in ways if way in shown), None)
        if copy_of is not None and finding.sentence in NO_CDA and finding.media_type in _READABLE:
            finding = replace(
                finding,
                kind=Kind.COPY,
                filename=document.name,
                copy_of=copy_of,
                sentence="",
                also=(),
                code=None,
                cda=None,
            )
            marks = replace(marks, keys=(*marks.keys, identifier_key(copy_of)))
        elif shown and finding.sentence in NO_CDA and document.name.lower().endswith(FURNITURE):
            # Other files must not affect the import (IHE ITI-32 §3.32.4.1.2.2), even where they are announced.
            finding = replace(
                finding, kind=Kind.KEPT, filename=document.name, sentence=_KEPT, also=(), code=None, cda=None
            )
        found.append((finding, marks))
    return found


def _stem(name: str) -> str:
    return name.casefold().rpartition(".")[0] or name.casefold()


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
    if document.fault is not None or found is not FileType.XML:
        return _refused_for(finding, faults_of_packaged(document)), unread
    try:
        read, described = read_with_entry(data)
    except CdaRefused as unreadable:
        return _refused_for(finding, faults_of_unread(unreadable, document)), unread
    marks = _marks(read, data, document.entry)
    return _examine_cda(finding, read, described, data, document, marks), marks


def _refused_for(finding: Finding, faults: Sequence[DocumentFault]) -> Finding:
    """Refused for the first fault; the others are told to who wants to know all of them."""
    first, *others = faults
    sentences = tuple(dict.fromkeys(each.sentence for each in others if each.sentence != first.sentence))
    return replace(refused(finding, first.sentence, first.code), also=sentences)


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
        flags |= {flag(code) for code in document.confidentialities}
    return Marks(tuple(keys), frozenset(flags))


# ref: DMP-F10
def _examine_cda(
    finding: Finding,
    document: CdaDocument,
    described: DocumentEntry,
    data: bytes,
    packaged: PackagedDocument | None,
    marks: Marks,
) -> Finding:
    """The checks of one document that need nothing but the message (ANS, integration of a document)."""
    finding = replace(
        finding,
        ins=document.patient.ins or announced_ins(packaged),
        cda=AttachedCda(
            document.code.code,
            has_qualified_ins=document.patient.is_complete,
            in_archive=packaged is not None,
        ),
    )
    faults = faults_of(document, packaged)
    kind = document_type(document.code.code)
    if faults or kind is None:
        return _refused_for(finding, faults)
    display = document.display
    if display is not None:
        # What the bytes are is what a browser is told, not what the document says they are.
        display = Attached(sniff(display.data).value, display.data)
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
