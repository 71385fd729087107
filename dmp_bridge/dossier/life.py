"""The life of a document as tables: from which state which act leads where, and which visibilities go together."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from dmp_bridge.visibility import Visibility

if TYPE_CHECKING:
    from collections.abc import Mapping


# ref: DMP-F17
class Status(StrEnum):
    """availabilityStatus (IHE ITI TF-3 §4.2.3.2.2; archived and deleted are the DMP's own)."""

    APPROVED = "approved"
    DEPRECATED = "deprecated"
    """A newer version took its place."""
    ARCHIVED = "archived"
    DELETED = "deleted"
    """Logically: nobody removes the bytes (dmp.md §4.4)."""


class Change(StrEnum):
    """What may be done to a document that is there."""

    MASK = "mask"
    UNMASK = "unmask"
    SHOW_TO_PATIENT = "show-to-patient"
    REVEAL_TO_REPRESENTATIVES = "reveal-to-representatives"
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"
    DELETE = "delete"


# ref: DMP-F36
STATUS_AFTER: Mapping[Change, Mapping[Status, Status]] = {
    Change.ARCHIVE: {Status.APPROVED: Status.ARCHIVED, Status.ARCHIVED: Status.ARCHIVED},
    Change.UNARCHIVE: {Status.ARCHIVED: Status.APPROVED, Status.APPROVED: Status.APPROVED},
    Change.DELETE: dict.fromkeys(Status, Status.DELETED),
}
"""Each act on the status: a status that is not there is one from which it does not lead on. An act said twice is
done once."""

STATUS_WHEN_REPLACED: Mapping[Status, Status] = {
    Status.APPROVED: Status.DEPRECATED,
    Status.ARCHIVED: Status.DEPRECATED,
    Status.DEPRECATED: Status.DEPRECATED,
    Status.DELETED: Status.DELETED,
}
"""What a replacement makes of what it replaces, whichever of the two arrives first."""

VISIBILITY_AFTER: Mapping[Change, tuple[Visibility, bool]] = {
    Change.MASK: (Visibility.MASKED, True),
    Change.UNMASK: (Visibility.MASKED, False),
    Change.SHOW_TO_PATIENT: (Visibility.UNSEEN, False),
    Change.REVEAL_TO_REPRESENTATIVES: (Visibility.UNSEEN_BY_REPRESENTATIVES, False),
}
"""Which visibility an act gives or takes; no act hides a document again that its patient has seen."""


class Impossible(Exception):
    """The act does not lead on from this status, or to these visibilities."""


class NotFromThisStatus(Impossible):
    """The status has no way on by this act."""


class NotTogether(Impossible):
    """These visibilities exclude each other."""


# ref: DMP-F18
def go_together(visibilities: frozenset[Visibility]) -> bool:
    """Masked and invisible to the patient exclude each other: nobody would read it (EX 113, `cumul` is false)."""
    return not {Visibility.MASKED, Visibility.UNSEEN} <= visibilities


def after(
    status: Status, visibilities: frozenset[Visibility], change: Change
) -> tuple[Status, frozenset[Visibility]]:
    """Status and visibilities after an act. Raises NotFromThisStatus or NotTogether."""
    if change in STATUS_AFTER:
        found = STATUS_AFTER[change].get(status)
        if found is None:
            raise NotFromThisStatus
        return found, visibilities
    if status is Status.DELETED:
        raise NotFromThisStatus
    visibility, is_given = VISIBILITY_AFTER[change]
    wanted = visibilities | {visibility} if is_given else visibilities - {visibility}
    if not go_together(wanted):
        raise NotTogether
    return status, wanted
