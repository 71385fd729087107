"""One search: what it may see, the entries that match, and the octets that tell them; pure but for the view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from directory.annuaire import conditions
from directory.annuaire.fields import Field
from directory.ldap import entries, matching
from directory.ldap.doors import NOBODY_NEAR
from directory.ldap.messages import Scope
from directory.ldap.names import SUFFIX, MailboxName, Place
from directory.ldap.paging import Position
from directory.ldap.results import Refused, ResultCode

if TYPE_CHECKING:
    from directory.annuaire.conditions import Condition
    from directory.annuaire.model import Mailbox
    from directory.annuaire.view import View
    from directory.ldap.doors import Near
    from directory.ldap.entries import Selection
    from directory.ldap.messages import Search

_INDEXED_LETTERS = 3


@dataclass(frozen=True, slots=True)
class Page:
    """What a page may hold, and where the page before ended; None for the first."""

    size: int
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A search, understood: `limit` entries at most, in pages where `page` says so."""

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
    """The entries (SearchResultEntry), how the search ended, and where its next page begins."""

    entries: tuple[bytes, ...] = ()
    code: ResultCode = ResultCode.SUCCESS
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
    return Answer(_told(plan, view.page(wanted, 1), with_suffix=False))


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
    told = _told(plan, found, with_suffix=with_suffix)
    if not are_more:
        return Answer(told)
    sent += len(found) + with_suffix
    if plan.page is None or sent >= plan.limit:
        return Answer(told, ResultCode.SIZE_LIMIT_EXCEEDED)
    return Answer(told, next=Position(view.generation, found[-1].address if found else "", sent))


def _told(plan: Plan, found: list[Mailbox], *, with_suffix: bool) -> tuple[bytes, ...]:
    told = plan.selection.of_mailboxes(found)
    if not with_suffix:
        return tuple(told)
    return (plan.selection.of_entry(SUFFIX, entries.SUFFIX_ENTRY), *told)


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
