"""SEARCH (RFC 9051 §6.4.4), its answers SEARCH and ESEARCH, and the saved result (RFC 5182)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.grammar.search import ReturnOption, Returns
from mailserver.imap.grammar.sequence import format_uid_set
from mailserver.imap.masks import chosen
from mailserver.imap.replies import Reply, Status, bad, ok
from mailserver.imap.searching import aside, find, numbers_of, refusal
from mailserver.imap.session import Sync

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailserver.imap.grammar.search import Search
    from mailserver.imap.session import Session

_ALL = Returns(frozenset({ReturnOption.ALL}))
_OF_EVERYTHING = frozenset({ReturnOption.ALL, ReturnOption.COUNT})


async def search(session: Session, command: Search) -> Reply:
    returns = command.returns
    if returns is None and session.dialect.is_rev2:
        returns = _ALL
    saves = returns is not None and ReturnOption.SAVE in returns.options
    try:
        reply = await _search(session, command, returns)
    except Exception:
        if saves:
            session.folder.saved = ()
        raise
    if saves and reply.status is Status.NO:
        session.folder.saved = ()  # RFC 5182 §2.1
    return reply


async def _search(session: Session, command: Search, returns: Returns | None) -> Reply:
    if command.program.charset is not None and session.dialect.has_utf8 and not session.dialect.is_rev2:
        return bad("No charset is named once UTF8=ACCEPT is enabled")  # RFC 6855 §3
    refused = refusal(session, command.program)
    if refused is not None:
        return refused
    await session.tell(Sync.NO_EXPUNGES)
    places = await find(session, command.program)
    session.send(await aside(session, partial(_answer, session, command, returns, places)))
    return ok("SEARCH completed")


def _answer(session: Session, command: Search, returns: Returns | None, places: int) -> list[bytes]:
    folder = session.folder
    image = folder.image
    count = len(image.uids)
    uids = list(chosen(image.uids, places, count))
    numbers = uids
    if command.numbering is Numbering.SEQUENCE:
        numbers = list(chosen(numbers_of(session, image.uids), places, count))
    modseqs = list(chosen(image.modseqs, places, count)) if command.program.names_modseq else []
    if returns is None:
        return [numbers_line(b"SEARCH", numbers, modseqs)]
    if ReturnOption.SAVE in returns.options:
        folder.saved = picked(uids, returns)
    return esearch_lines(session, command.numbering, returns, numbers, modseqs)


def numbers_line(name: bytes, numbers: Sequence[int], modseqs: Sequence[int]) -> bytes:
    """SEARCH or SORT, with the highest modification sequence of what was found (RFC 7162 §3.1.5)."""
    modseq = f" (MODSEQ {max(modseqs)})" if modseqs else ""
    return b"* %b%b\r\n" % (name, ("".join(f" {number}" for number in numbers) + modseq).encode("ascii"))


def esearch_lines(
    session: Session,
    numbering: Numbering,
    returns: Returns,
    numbers: Sequence[int],
    modseqs: Sequence[int],
) -> list[bytes]:
    """ESEARCH (RFC 9051 §7.3.4) of numbers in the order of the answer; nothing where only SAVE was asked for.

    `modseqs` are those of the messages, where MODSEQ was among the keys.
    """
    options, partial = returns.options, returns.partial
    if options == {ReturnOption.SAVE} and partial is None:
        return []
    pieces = [b'* ESEARCH (TAG "%b")' % session.tag.encode("ascii")]
    if numbering is Numbering.UID:
        pieces.append(b"UID")
    if numbers:
        if ReturnOption.MIN in options:
            pieces.append(b"MIN %d" % numbers[0])
        if ReturnOption.MAX in options:
            pieces.append(b"MAX %d" % numbers[-1])
        if ReturnOption.ALL in options:
            pieces.append(b"ALL " + format_uid_set(numbers))
    if ReturnOption.COUNT in options:
        pieces.append(b"COUNT %d" % len(numbers))
    if partial is not None:
        page = numbers[partial.slice(len(numbers))]
        pieces.append(b"PARTIAL (%b %b)" % (bytes(partial), format_uid_set(page) if page else b"NIL"))
    if modseqs:
        pieces.append(b"MODSEQ %d" % max(picked(modseqs, returns), default=max(modseqs)))
    return [b" ".join(pieces) + b"\r\n"]


def picked(values: Sequence[int], returns: Returns) -> Sequence[int]:
    """Of values by message, those that "$" and MODSEQ stand for (RFC 5182 §2.1, RFC 7162 §3.1.10, RFC 9394 §3.2)."""
    options = returns.options
    some = options & {ReturnOption.MIN, ReturnOption.MAX}
    if options & _OF_EVERYTHING or not (some or returns.partial) or not values:
        return values
    places = set(range(len(values))[returns.partial.slice(len(values))]) if returns.partial else set()
    if ReturnOption.MIN in some:
        places.add(0)
    if ReturnOption.MAX in some:
        places.add(len(values) - 1)
    return [values[place] for place in sorted(places)]
