"""NOTIFY (RFC 5465 §8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mailserver.imap.grammar.commands import Command
from mailserver.imap.grammar.errors import NotSupported, ParseError
from mailserver.imap.grammar.fetch import FetchAttribute, parse_fetch_attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailserver.imap.grammar.cursor import Cursor

MAX_GROUPS = 32
MAX_NAMES = 1000


class Among(StrEnum):
    """filter-mailboxes"""

    SELECTED = "SELECTED"
    SELECTED_DELAYED = "SELECTED-DELAYED"
    INBOXES = "INBOXES"
    PERSONAL = "PERSONAL"
    SUBSCRIBED = "SUBSCRIBED"
    SUBTREE = "SUBTREE"
    MAILBOXES = "MAILBOXES"


class Event(StrEnum):
    """event; what annotations and metadata do is not told."""

    MESSAGE_NEW = "MESSAGENEW"
    MESSAGE_EXPUNGE = "MESSAGEEXPUNGE"
    FLAG_CHANGE = "FLAGCHANGE"
    MAILBOX_NAME = "MAILBOXNAME"
    SUBSCRIPTION_CHANGE = "SUBSCRIPTIONCHANGE"


_OF_MESSAGES = frozenset({Event.MESSAGE_NEW, Event.MESSAGE_EXPUNGE, Event.FLAG_CHANGE})
_BAD_EVENT = "BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange)"
_OF_SELECTED = (Among.SELECTED, Among.SELECTED_DELAYED)


@dataclass(frozen=True, slots=True)
class EventGroup:
    """event-group: `names` for SUBTREE and MAILBOXES; `attributes` are fetched of new messages in the open folder."""

    among: Among
    names: tuple[str, ...]
    events: frozenset[Event]
    attributes: tuple[FetchAttribute, ...]


@dataclass(frozen=True, slots=True)
class Notify(Command):
    """RFC 5465 §3; `groups` is None for NOTIFY NONE."""

    groups: tuple[EventGroup, ...] | None
    with_status: bool = False


def _notify(cursor: Cursor) -> Command:
    cursor.space()
    word = cursor.keyword()
    if word == "NONE":
        return Notify(None)
    if word != "SET":
        raise ParseError("Expected SET or NONE")
    cursor.space()
    with_status = cursor.peek() != b"("
    if with_status:
        if cursor.keyword() != "STATUS":
            raise ParseError("Expected STATUS or an event group")
        cursor.space()
    groups = [_group(cursor)]
    while cursor.peek() == b" ":
        cursor.space()
        groups.append(_group(cursor))
        if len(groups) > MAX_GROUPS:
            raise ParseError("Too many event groups")
    if sum(group.among in _OF_SELECTED for group in groups) > 1:
        raise ParseError("SELECTED is given twice")
    return Notify(tuple(groups), with_status)


def _group(cursor: Cursor) -> EventGroup:
    cursor.expect(b"(")
    try:
        among = Among(cursor.keyword())
    except ValueError:
        raise ParseError("Unknown choice of mailboxes") from None
    cursor.space()
    names: tuple[str, ...] = ()
    if among in (Among.SUBTREE, Among.MAILBOXES):
        names = _names(cursor)
        cursor.space()
    events, attributes = _events(cursor, among)
    cursor.expect(b")")
    return EventGroup(among, names, events, attributes)


def _names(cursor: Cursor) -> tuple[str, ...]:
    if not cursor.accept(b"("):
        return (cursor.mailbox(),)
    names = [cursor.mailbox()]
    while not cursor.accept(b")"):
        cursor.space()
        names.append(cursor.mailbox())
        if len(names) > MAX_NAMES:
            raise ParseError("Too many mailboxes")
    return tuple(names)


def _events(cursor: Cursor, among: Among) -> tuple[frozenset[Event], tuple[FetchAttribute, ...]]:
    if not cursor.accept(b"("):
        if cursor.keyword() != "NONE":
            raise ParseError("Expected events or NONE")
        return frozenset(), ()
    events: set[Event] = set()
    attributes: tuple[FetchAttribute, ...] = ()
    while True:
        word = cursor.keyword()
        try:
            events.add(Event(word))
        except ValueError:
            raise NotSupported("This event is not told", code=_BAD_EVENT) from None
        if word == Event.MESSAGE_NEW and cursor.data.startswith(b" (", cursor.position):
            cursor.space()
            attributes = parse_fetch_attributes(cursor)
        if cursor.accept(b")"):
            break
        cursor.space()
    _check(among, frozenset(events), attributes)
    return frozenset(events), attributes


def _check(among: Among, events: frozenset[Event], attributes: tuple[FetchAttribute, ...]) -> None:
    """RFC 5465 §5: what goes together."""
    if (Event.MESSAGE_NEW in events) != (Event.MESSAGE_EXPUNGE in events):
        raise ParseError("MessageNew and MessageExpunge go together")
    if Event.FLAG_CHANGE in events and Event.MESSAGE_NEW not in events:
        raise ParseError("FlagChange needs MessageNew and MessageExpunge")
    if among in _OF_SELECTED:
        if not events <= _OF_MESSAGES:
            raise ParseError("An open mailbox has events of messages only")
    elif attributes:
        raise ParseError("Only messages of the open mailbox are fetched")


COMMANDS: dict[str, Callable[[Cursor], Command]] = {"NOTIFY": _notify}
