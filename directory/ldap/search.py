"""One search: what it may see, the entries that match, and the octets that tell them; pure but for the view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from directory.annuaire import conditions
from directory.annuaire.fields import Field
from directory.ldap import ber, entries, matching
from directory.ldap.doors import NOBODY_NEAR
from directory.ldap.messages import Scope
from directory.ldap.names import SUFFIX, MailboxName, Place
from directory.ldap.paging import Position
from directory.ldap.results import Refused, ResultCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from directory.annuaire.conditions import Condition
    from directory.annuaire.model import Mailbox
    from directory.annuaire.view import View
    from directory.ldap.doors import Near
    from directory.ldap.entries import Selection
    from directory.ldap.messages import Search

_CHUNK = 32 * 1024
_INDEXED_LETTERS = 3


@dataclass(frozen=True, slots=True)
class Page:
    """What a page may hold, and where the page before ended; None for the first."""

    size: int
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A search, understood: `limit` entries at most, in pages where `page` says so."""

    number: int
    place: MailboxName | Place
    search: Search
    selection: Selection
    condition: Condition
    limit: int
    page: Page | None = None
    near: Near = NOBODY_NEAR
    """Whose entries come first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The entries as octets to send, how the search ended, and where its next page begins."""

    chunks: tuple[bytes, ...] = ()
    code: ResultCode = ResultCode.SUCCESS
    diagnostic: str = ""
    matched: str = ""
    next: Position | None = None


def answer(plan: Plan, view: View) -> Answer:
    """Works a search out, in the time the view allows. Raises what the view raises, and Refused."""
    if isinstance(plan.place, MailboxName):
        return _below(plan, view, plan.place.address)
    return _whole(plan, view)


def _below(plan: Plan, view: View, address: str) -> Answer:
    """The mailbox the search begins at: nothing is below it."""
    if view.mailbox(address) is None:
        raise Refused(ResultCode.NO_SUCH_OBJECT, "There is no such entry", matched=SUFFIX)
    if plan.search.scope is Scope.ONE:
        return Answer()
    wanted = matching.all_of([conditions.Equal(Field.ADDRESS, address), plan.condition])
    return Answer(tuple(_chunks(plan, view.page(wanted, 1), with_suffix=False)))


def _whole(plan: Plan, view: View) -> Answer:
    position = plan.page.position if plan.page is not None else None
    scope = plan.search.scope
    with_suffix = (
        position is None
        and scope is not Scope.ONE
        and matching.holds(plan.search.filter, entries.SUFFIX_ENTRY) is True
    )
    sent = position.sent if position is not None else 0
    room = plan.limit - sent
    if plan.page is not None:
        room = min(room, plan.page.size)
    # One more than there is room for tells whether there are more.
    wanted = max(0, room + 1 - with_suffix)
    found: list[Mailbox] = []
    if scope is not Scope.BASE and wanted:
        if plan.page is not None:
            found = view.page(plan.condition, wanted, after=position.after if position is not None else "")
        else:
            near = plan.near
            found = view.mailboxes(plan.condition, wanted, own_structure=near.structure, recent=near.recent)
    are_more = len(found) + with_suffix > room
    if are_more:
        with_suffix = with_suffix and room > 0
        found = found[: room - with_suffix]
    chunks = tuple(_chunks(plan, found, with_suffix=with_suffix))
    if not are_more:
        return Answer(chunks)
    sent += len(found) + with_suffix
    if plan.page is None or sent >= plan.limit:
        return Answer(chunks, ResultCode.SIZE_LIMIT_EXCEEDED)
    return Answer(chunks, next=Position(view.generation, found[-1].address if found else "", sent))


def _chunks(plan: Plan, found: list[Mailbox], *, with_suffix: bool) -> Iterator[bytes]:
    """The entries in pieces that are small enough to be sent one after the other."""
    number = ber.integer(plan.number)
    pieces: list[bytes] = []
    size = 0
    if with_suffix:
        pieces.append(plan.selection.of_entry(number, SUFFIX, entries.SUFFIX_ENTRY))
    for entry in plan.selection.of_mailboxes(number, found):
        pieces.append(entry)
        size += len(entry)
        if size > _CHUNK:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


def is_quick(plan: Plan) -> bool:
    """Whether an index leads to what is searched for, so that it is found in milliseconds."""
    if isinstance(plan.place, MailboxName) or plan.search.scope is Scope.BASE:
        return True
    if plan.page is not None and isinstance(plan.condition, conditions.Everything):
        return True  # the index of the addresses
    return _is_indexed(plan.condition)


def _is_indexed(condition: Condition) -> bool:
    # As deep as a filter may be, which is not much.
    match condition:
        case conditions.Equal() | conditions.Nothing():
            return True
        case conditions.Substring(_, initial, parts, final):
            return any(len(piece or "") >= _INDEXED_LETTERS for piece in (initial, *parts, final))
        case conditions.All(children):
            return any(map(_is_indexed, children))
        case conditions.Any(children):
            return all(map(_is_indexed, children))
        case _:
            return False
