"""The lots that the documents of a package came in: one SubmissionSet of the record for all that name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.dossier import registry
from dmp_bridge.dossier.forms import SubmissionQuery
from dmp_bridge.entry import Author

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmp_bridge.entry import SubmissionSet
    from foundation.database import UnitOfWork


# ref: DMP-F11
def join(uow: UnitOfWork, document_id: int, lots: Sequence[SubmissionSet], *, now: int) -> None:
    """Makes a document of the record a member of the lots it came in, once; `now` in epoch milliseconds.

    The first lot that ever held it brought it, to the others it is a reference.
    """
    for lot in lots:
        known = registry.document_by_id(uow.connection, document_id)
        number = _number(uow, known.owner_id, lot, now) if known is not None else None
        if known is not None and number is not None:
            registry.join(uow, known, number)


def _number(uow: UnitOfWork, owner_id: int, lot: SubmissionSet, now: int) -> int | None:
    """The number of this lot in the record, written where it is not there.

    None where its uniqueId is that of a lot of another source: what a mail tells adds nothing to what somebody
    else sent.
    """
    author = lot.authors[0] if lot.authors else Author()
    structure = author.institutions[0] if author.institutions else None
    structure_id = structure.id[:64] if structure is not None else ""
    name = f"{author.person.given} {author.person.family}".strip()
    if not name and structure is not None:
        name = structure.name
    told = {
        "owner_id": owner_id,
        "unique_id": lot.unique_id,
        "source_id": lot.source_id,
        "title": lot.title,
        "content_type": lot.content_type_code.code[:64] if lot.content_type_code is not None else "",
        "depositor_id": author.person.id[:64] or structure_id,
        "depositor_name": name[:256],
        "depositor_structure": structure_id,
        # Nobody has sent anything in the future.
        "submitted_at": lot.submission_time if 0 < lot.submission_time <= now else now,
    }
    known = registry.submissions_of(
        uow.connection, owner_id, SubmissionQuery(unique_ids=(lot.unique_id,), limit=1)
    )
    if not known:
        return registry.submit(uow, told)
    is_same = all(getattr(known[0], name) == told[name] for name in ("source_id", "depositor_id"))
    return known[0].id if is_same else None
