"""Writes the objects of ebRIM 3.0 in the layout of the French DMP: ExtrinsicObject, RegistryPackage, Association."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from dmp_bridge import ebrim
from dmp_bridge.entry import escaped
from dmp_bridge.hl7_time import format_dtm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dmp_bridge.codes import Coded
    from dmp_bridge.entry import Author, DocumentEntry, SubmissionSet

HAS_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
RELATIONSHIP = "urn:ihe:iti:2007:AssociationType:"
_NOTHING: Mapping[str, str] = MappingProxyType({})
_VALUE_LENGTH = 256  # LongName of rim.xsd
_TITLE_LENGTH = 128
# What XML 1.0 has no place for (§2.2): a title that somebody typed may hold it.
_UNWRITABLE = dict.fromkeys({*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF} - {0x09, 0x0A, 0x0D})


class Ids:
    """Symbolic ids, unique in one request."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, prefix: str) -> str:
        """The next one that begins in this way."""
        self._last += 1
        return f"{prefix}{self._last}"


# ref: DMP-F16
def extrinsic_object(
    ids: Ids,
    entry: DocumentEntry,
    symbol: str,
    *,
    slots: Mapping[str, str] = _NOTHING,
    attributes: Mapping[str, str] = _NOTHING,
    version: int | None = None,
) -> str:
    """A DocumentEntry under the id ``symbol``.

    ``slots`` are what only its way knows (URI in a package, repositoryUniqueId in an answer), ``attributes`` and the
    ``version`` of the metadata what only a registry knows (lid, status, home).
    """
    patient = entry.patient_id
    told = _attributes({"mimeType": entry.mime_type, "objectType": ebrim.STABLE_DOCUMENT, **attributes})
    identifiers = (
        (ebrim.DOCUMENT_PATIENT_ID, patient.cx if patient is not None else "", "XDSDocumentEntry.patientId"),
        (ebrim.DOCUMENT_UNIQUE_ID, entry.unique_id, "XDSDocumentEntry.uniqueId"),
    )
    return (
        f"<rim:ExtrinsicObject id={quoted(symbol)}{told}>"
        + "".join(slot(name, values) for name, values in _document_slots(entry, slots) if any(values))
        + localized("Name", entry.title[:_TITLE_LENGTH])
        + localized("Description", entry.comments)
        + ("" if version is None else f'<rim:VersionInfo versionName="{version}"/>')
        + "".join(_author(ids, ebrim.AUTHOR, symbol, each) for each in entry.authors)
        + "".join(classification(ids, scheme, symbol, each) for scheme, each in _codes(entry))
        + _identified(ids, symbol, identifiers)
        + "</rim:ExtrinsicObject>"
    )


def registry_package(
    ids: Ids, submission: SubmissionSet, symbol: str, *, attributes: Mapping[str, str] = _NOTHING
) -> str:
    """A SubmissionSet under the id ``symbol``."""
    patient = submission.patient_id
    identifiers = (
        (ebrim.SET_PATIENT_ID, patient.cx if patient is not None else "", "XDSSubmissionSet.patientId"),
        (ebrim.SET_SOURCE_ID, submission.source_id, "XDSSubmissionSet.sourceId"),
        (ebrim.SET_UNIQUE_ID, submission.unique_id, "XDSSubmissionSet.uniqueId"),
    )
    content = submission.content_type_code
    return (
        f"<rim:RegistryPackage id={quoted(symbol)}{_attributes(attributes)}>"
        + slot("submissionTime", (dtm(submission.submission_time),))
        + localized("Name", submission.title[:_TITLE_LENGTH])
        + "".join(_author(ids, ebrim.SET_AUTHOR, symbol, each) for each in submission.authors)
        + ("" if content is None else classification(ids, ebrim.SET_CONTENT_TYPE, symbol, content))
        + f'<rim:Classification id="{ids.next("cla")}" classificationNode="{ebrim.SET_NODE}"'
        f" classifiedObject={quoted(symbol)}/>"
        + _identified(ids, symbol, identifiers)
        + "</rim:RegistryPackage>"
    )


def association(ids: Ids, kind: str, source: str, target: str, *, slots: Mapping[str, str] = _NOTHING) -> str:
    """An Association of a kind: `HAS_MEMBER`, or `RELATIONSHIP` and RPLC, XFRM, APND or signs."""
    inner = "".join(slot(name, (value,)) for name, value in slots.items())
    return (
        f'<rim:Association id="{ids.next("as")}" associationType={quoted(kind)}'
        f" sourceObject={quoted(source)} targetObject={quoted(target)}>{inner}</rim:Association>"
    )


def slot(name: str, values: Iterable[str]) -> str:
    """A Slot with its values."""
    listed = "".join(f"<rim:Value>{escape(writable(value)[:_VALUE_LENGTH])}</rim:Value>" for value in values)
    return f'<rim:Slot name="{name}"><rim:ValueList>{listed}</rim:ValueList></rim:Slot>'


def localized(element: str, text: str) -> str:
    """A Name or Description in French; nothing for no text."""
    if not text:
        return ""
    return f'<rim:{element}><rim:LocalizedString xml:lang="FR" charset="UTF8" value={quoted(text)}/></rim:{element}>'


def classification(ids: Ids, scheme: str, symbol: str, code: Coded) -> str:
    """A code under a classification scheme."""
    return (
        f'<rim:Classification id="{ids.next("cla")}" classificationScheme="{scheme}" classifiedObject={quoted(symbol)}'
        f" nodeRepresentation={quoted(code.code)}>{slot('codingScheme', (code.system,))}"
        f"{localized('Name', code.display or code.code)}</rim:Classification>"
    )


def external_identifier(ids: Ids, scheme: str, symbol: str, value: str, name: str) -> str:
    """An ExternalIdentifier under an identification scheme."""
    return (
        f'<rim:ExternalIdentifier id="{ids.next("ei")}" identificationScheme="{scheme}" registryObject={quoted(symbol)}'
        f" value={quoted(value)}>{localized('Name', name)}</rim:ExternalIdentifier>"
    )


def dtm(millis: int) -> str:
    """An instant as XDS writes it: ``YYYYMMDDHHMMSS`` in UTC."""
    return format_dtm(datetime.fromtimestamp(millis / 1000, UTC))


def writable(text: str) -> str:
    """The text without what XML has no place for."""
    return text.translate(_UNWRITABLE)


def quoted(text: str) -> str:
    """A text as the value of an attribute, quotes and all."""
    return quoteattr(writable(text))


def _identified(ids: Ids, symbol: str, identifiers: Iterable[tuple[str, str, str]]) -> str:
    return "".join(
        external_identifier(ids, scheme, symbol, value, name) for scheme, value, name in identifiers if value
    )


def _attributes(values: Mapping[str, str]) -> str:
    return "".join(f" {name}={quoted(value)}" for name, value in values.items())


def _document_slots(entry: DocumentEntry, others: Mapping[str, str]) -> Iterable[tuple[str, tuple[str, ...]]]:
    signer, source = entry.legal_authenticator, entry.source_patient_id
    return (
        ("creationTime", _moment(entry.creation_time)),
        ("hash", (entry.hash,)),
        ("languageCode", (entry.language_code,)),
        ("legalAuthenticator", () if signer is None else (signer.xcn,)),
        ("serviceStartTime", _moment(entry.service_start_time)),
        ("serviceStopTime", _moment(entry.service_stop_time)),
        ("size", (str(entry.size),)),
        ("sourcePatientId", () if source is None else (source.cx,)),
        ("sourcePatientInfo", entry.source_patient.pid),
        ("urn:ihe:iti:xds:2013:referenceIdList", tuple(each.cx for each in entry.reference_ids)),
        *((name, (value,)) for name, value in others.items()),
    )


def _moment(millis: int | None) -> tuple[str, ...]:
    return () if millis is None else (dtm(millis),)


def _codes(entry: DocumentEntry) -> Iterable[tuple[str, Coded]]:
    single = (
        (ebrim.CLASS, entry.class_code),
        (ebrim.TYPE, entry.type_code),
        *((ebrim.CONFIDENTIALITY, each) for each in entry.confidentiality_codes),
        (ebrim.FORMAT, entry.format_code),
        (ebrim.FACILITY, entry.healthcare_facility_type_code),
        (ebrim.PRACTICE, entry.practice_setting_code),
        *((ebrim.EVENT, each) for each in entry.event_codes),
    )
    return ((scheme, code) for scheme, code in single if code is not None)


def _author(ids: Ids, scheme: str, symbol: str, author: Author) -> str:
    specialties = tuple(
        f"{escaped(each.code)}^{escaped(each.display)}^{escaped(each.system)}" for each in author.specialties
    )
    told = (
        ("authorPerson", (author.person.xcn,)),
        ("authorInstitution", tuple(each.xon for each in author.institutions)),
        ("authorRole", author.roles),
        ("authorSpecialty", specialties),
    )
    return (
        f'<rim:Classification id="{ids.next("cla")}" classificationScheme="{scheme}" classifiedObject={quoted(symbol)}'
        ' nodeRepresentation="">'
        + "".join(slot(name, values) for name, values in told if values)
        + "</rim:Classification>"
    )
