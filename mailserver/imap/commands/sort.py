"""SORT (RFC 5256 §3) with RETURN (RFC 5267 §3): the order of a whole folder is kept, an answer only picks from it."""

from __future__ import annotations

from array import array
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING

from mailserver.imap.commands.search import esearch_lines, numbers_line, picked
from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.grammar.search import ReturnOption
from mailserver.imap.masks import full
from mailserver.imap.replies import Reply, ok
from mailserver.imap.searching import aside, complete, derived, find, numbers_of, refusal
from mailserver.imap.session import Sync
from mailserver.store.mail_keys import sorted_uids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailserver.imap.grammar.sorting import Sort
    from mailserver.imap.session import Session
    from mailserver.store.images import FolderImage


async def sort(session: Session, command: Sort) -> Reply:
    refused = refusal(session, command.program)
    if refused is not None:
        return refused
    await session.tell(Sync.NO_EXPUNGES)
    image = session.folder.image
    found = await find(session, command.program)
    await complete(session)
    criteria = tuple((criterion.key.value, criterion.is_reverse) for criterion in command.criteria)

    def work_out(connection: Connection) -> Sequence[int]:
        return _order(image, sorted_uids(connection, image.folder_id, criteria))

    order: Sequence[int] = await derived(session, criteria, work_out, 4)
    has_plain_answer = command.returns is None and not command.program.names_modseq
    if has_plain_answer and session.folder.uids is image.uids:

        def write_out(_: Connection) -> list[str]:
            column = _column(session, command)
            return [f" {column[place]}" for place in order]

        written: list[str] = await derived(session, (criteria, command.numbering), write_out, 64)
        session.send([await aside(session, partial(_plain_answer, order, written, found))])
        return ok("SORT completed")
    session.send(await aside(session, partial(_answer, session, command, order, found)))
    return ok("SORT completed")


def _column(session: Session, command: Sort) -> Sequence[int]:
    uids = session.folder.image.uids
    return uids if command.numbering is Numbering.UID else numbers_of(session, uids)


def _plain_answer(order: Sequence[int], written: Sequence[str], found: int) -> bytes:
    """SORT from numbers that are written already, in order."""
    count = len(order)
    if found != full(count):
        written = list(compress(written, map(found.to_bytes(count, "little").__getitem__, order)))
    return b"* SORT%b\r\n" % "".join(written).encode("ascii")


def _answer(session: Session, command: Sort, places: Sequence[int], found: int) -> list[bytes]:
    folder = session.folder
    image = folder.image
    count = len(image.uids)
    if found != full(count):
        octets = found.to_bytes(count, "little")
        places = [place for place in places if octets[place]]
    column = _column(session, command)
    numbers = [column[place] for place in places]
    modseqs = [image.modseqs[place] for place in places] if command.program.names_modseq else []
    if command.returns is None:
        return [numbers_line(b"SORT", numbers, modseqs)]
    if ReturnOption.SAVE in command.returns.options:
        uids = [image.uids[place] for place in places]
        folder.saved = sorted(picked(uids, command.returns))
    return esearch_lines(session, command.numbering, command.returns, numbers, modseqs)


def _order(image: FolderImage, uids: Sequence[int]) -> array[int]:
    """The places of the image in the order of the UIDs; those that are gone meanwhile come last."""
    places = dict(zip(image.uids, range(len(image.uids)), strict=True))
    ordered = [place for uid in uids if (place := places.pop(uid, None)) is not None]
    return array("I", ordered + list(places.values()))
