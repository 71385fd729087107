"""ITI-57: an UpdateDocumentSet request as the change of one document it asks of the desk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmp_bridge.codes import Coded
from dmp_bridge.dossier.life import Change, Status
from dmp_bridge.ebrim import SET_PATIENT_ID, MetadataFault, parse_cx, submission_of
from dmp_bridge.visibility import Visibility
from dmp_bridge.xds.queries import STATUSES
from dmp_bridge.xds.registry_errors import ErrorCode, Failed
from dmp_bridge.xml import local_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml import etree

    from dmp_bridge.ebrim import Cx, DocumentEntry

REQUEST = "{urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0}SubmitObjectsRequest"

_STATUS_CHANGES: Mapping[tuple[Status, Status], Change] = {
    (Status.APPROVED, Status.ARCHIVED): Change.ARCHIVE,
    (Status.ARCHIVED, Status.APPROVED): Change.UNARCHIVE,
    **{(status, Status.DELETED): Change.DELETE for status in Status if status is not Status.DELETED},
}
_GIVEN: Mapping[Visibility, Change] = {Visibility.MASKED: Change.MASK}
_TAKEN: Mapping[Visibility, Change] = {
    Visibility.MASKED: Change.UNMASK,
    Visibility.UNSEEN: Change.SHOW_TO_PATIENT,
    Visibility.UNSEEN_BY_REPRESENTATIVES: Change.REVEAL_TO_REPRESENTATIVES,
}
_COMPARED = (
    "unique_id",
    "hash",
    "size",
    "title",
    "creation_time",
    "service_start_time",
    "service_stop_time",
    "language_code",
    "class_code",
    "type_code",
    "format_code",
)
"""What the sender may tell again, but not otherwise."""


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """A change of the status of the document with this entryUUID, from the status the sender has seen."""

    entry_uuid: str
    original: Status
    change: Change


@dataclass(frozen=True, slots=True)
class MetadataUpdate:
    """The metadata of the document `logical_id` as they are to be, on top of the version the sender has seen."""

    logical_id: str
    version: int
    entry: DocumentEntry


# ref: DMP-F33
def read_update(request: etree._Element, patient: Cx) -> StatusUpdate | MetadataUpdate:
    """What a SubmitObjectsRequest asks to change, of the patient of the assertion. Raises Failed.

    One document: an update is done as a whole or not at all, and the desk takes one step at a time.
    """
    objects = [each for each in request.iter() if isinstance(each.tag, str)]
    for each in objects:
        if each.get("identificationScheme") == SET_PATIENT_ID:
            told = parse_cx(each.get("value"))
            if told is None or told.value != patient.value:
                raise Failed(ErrorCode.PATIENT_DIFFERS, "Le patient n'est pas celui du VIHF.")
    associations = [each for each in objects if local_name(each) == "Association"]
    entries = [each for each in objects if local_name(each) == "ExtrinsicObject"]
    if len(associations) != 1 or len(entries) > 1:
        raise Failed(ErrorCode.UPDATE_OPERATION, "Une mise à jour porte sur un document et un seul.")
    target = associations[0].get("targetObject", "")[:100]
    match associations[0].get("associationType", "").rpartition(":")[2], entries:
        case "UpdateAvailabilityStatus", []:
            return _status_update(associations[0], target)
        case "HasMember", [element] if element.get("id") == target:
            return _metadata_update(associations[0], element, _described(request), patient)
    raise Failed(ErrorCode.UPDATE_OPERATION, "Cette opération de mise à jour n'est pas servie.", target)


def _described(request: etree._Element) -> DocumentEntry:
    try:
        return submission_of(request).entries[0]
    except (MetadataFault, IndexError) as error:
        raise Failed(ErrorCode.UPDATE, "Les métadonnées ne sont pas lisibles.") from error


def _status_update(association: etree._Element, target: str) -> StatusUpdate:
    original, wanted = (STATUSES.get(_slot(association, name)) for name in ("OriginalStatus", "NewStatus"))
    change = _STATUS_CHANGES.get((original, wanted)) if original and wanted else None
    if original is None or change is None:
        raise Failed(ErrorCode.UPDATE_OPERATION, "Ce changement de statut n'est pas servi.", target)
    return StatusUpdate(target, original, change)


def _metadata_update(
    association: etree._Element, element: etree._Element, entry: DocumentEntry, patient: Cx
) -> MetadataUpdate:
    logical_id, version = element.get("lid", "")[:64], _slot(association, "PreviousVersion")
    if not logical_id or not (version.isascii() and version.isdigit() and len(version) < 10):
        raise Failed(
            ErrorCode.UPDATE_OPERATION,
            "Une mise à jour désigne le document (lid) et la version qu'elle remplace (PreviousVersion).",
            element.get("id", "")[:100],
        )
    if entry.patient_id is None or entry.patient_id.value != patient.value:
        raise Failed(ErrorCode.PATIENT_DIFFERS, "Le patient n'est pas celui du VIHF.", logical_id)
    return MetadataUpdate(logical_id, int(version), entry)


def change_of(update: MetadataUpdate, current: frozenset[Visibility], known: DocumentEntry) -> Change:
    """The one change of visibility that leads from what is known of a document to what is wanted. Raises Failed.

    Whatever else the sender tells otherwise than the registry is no update that is served.
    """
    location = update.logical_id
    if any(_differs(name, update.entry, known) for name in _COMPARED):
        raise Failed(ErrorCode.UPDATE_OPERATION, "Seule la visibilité d'un document se met à jour.", location)
    codes = {each.code for each in update.entry.confidentiality_codes}
    wanted = frozenset(each for each in Visibility if each.value in codes)
    given, taken = wanted - current, current - wanted
    changes = [_GIVEN.get(each) for each in given] + [_TAKEN[each] for each in taken]
    if len(changes) != 1 or changes[0] is None:
        raise Failed(
            ErrorCode.UPDATE_OPERATION,
            "Une mise à jour change une visibilité et une seule, et ne cache rien au patient.",
            location,
        )
    return changes[0]


def _differs(name: str, told: DocumentEntry, known: DocumentEntry) -> bool:
    ours, theirs = getattr(known, name), getattr(told, name)
    if isinstance(ours, Coded) and isinstance(theirs, Coded):
        return ours.code != theirs.code  # labels are written differently
    return bool(theirs) and theirs != ours


def _slot(element: etree._Element, name: str) -> str:
    for slot in element:
        if local_name(slot) == "Slot" and slot.get("name") == name:
            return next(
                ((value.text or "").strip() for value in slot.iter() if local_name(value) == "Value"),
                "",
            )
    return ""
