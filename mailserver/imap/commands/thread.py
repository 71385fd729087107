"""THREAD (RFC 5256 §3): the threads of a whole folder are kept; those of a part of it are made anew, as they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.grammar.sorting import Algorithm
from mailserver.imap.masks import chosen, full
from mailserver.imap.replies import Reply, ok
from mailserver.imap.searching import complete, derived, find, numbers_of, refusal
from mailserver.imap.session import Sync
from mailserver.imap.threads import thread_by_references, thread_by_subject
from mailserver.store.mail_keys import thread_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailserver.imap.grammar.sorting import Thread
    from mailserver.imap.session import Session

_ALGORITHMS = {
    Algorithm.REFERENCES: thread_by_references,
    Algorithm.ORDEREDSUBJECT: thread_by_subject,
}


async def thread(session: Session, command: Thread) -> Reply:
    refused = refusal(session, command.program)
    if refused is not None:
        return refused
    await session.tell(Sync.NO_EXPUNGES)
    folder = session.folder
    image = folder.image
    found = await find(session, command.program)
    await complete(session)
    count = len(image.uids)
    make = _ALGORITHMS[command.algorithm]

    def work_out(connection: Connection) -> bytes:
        uids = list(chosen(image.uids, found, count))
        column = image.uids if command.numbering is Numbering.UID else numbers_of(session, image.uids)
        numbers = dict(zip(uids, chosen(column, found, count), strict=True))
        rows = thread_rows(connection, image.folder_id, uids)
        return make([row[1:] for row in rows], [numbers[row[0]] for row in rows])

    if found == full(count) and folder.uids is image.uids:
        answer = await derived(session, (command.algorithm, command.numbering), work_out, 8)
    else:
        answer = await session.context.database.read(work_out)
    session.send([b"* THREAD" + answer + b"\r\n"])
    return ok("THREAD completed")
