"""Which function serves which command, in which states, and what may be told after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailserver.imap.commands import (
    access,
    append,
    authenticate,
    copy,
    enable,
    expunge,
    fetch,
    folders,
    general,
    idle,
    list,
    metadata,
    notify,
    quota,
    search,
    select,
    sort,
    store,
    thread,
)
from mailserver.imap.grammar import access as grammar_access
from mailserver.imap.grammar import appending, listing, opening, sorting
from mailserver.imap.grammar import commands as c
from mailserver.imap.grammar import metadata as grammar_metadata
from mailserver.imap.grammar import notify as grammar_notify
from mailserver.imap.grammar import quota as grammar_quota
from mailserver.imap.grammar import search as grammar_search
from mailserver.imap.session import Handler, State, Sync

if TYPE_CHECKING:
    from collections.abc import Callable

_ANY = frozenset({State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED})
_BEFORE = frozenset({State.NOT_AUTHENTICATED})
_AFTER = frozenset({State.AUTHENTICATED, State.SELECTED})
_CLOSED = frozenset({State.AUTHENTICATED})
_OPEN = frozenset({State.SELECTED})


def _everything(command: c.Command) -> Sync:
    return Sync.EVERYTHING


def _nothing(command: c.Command) -> Sync:
    return Sync.NOTHING


def _by_numbering(command: c.Fetch | c.Store | grammar_search.Search | sorting.Sort | sorting.Thread) -> Sync:
    """RFC 3501 §7.4.1: UID FETCH is another command than FETCH."""
    return Sync.EVERYTHING if command.numbering is c.Numbering.UID else Sync.NO_EXPUNGES


def handlers() -> dict[type[c.Command], Handler]:
    """Every command of `grammar.commands`."""

    def handler(
        run: Callable[..., Any], states: frozenset[State], sync: Callable[..., Sync] = _everything
    ) -> Handler:
        return Handler(run, states, sync)

    return {
        c.Capability: handler(general.capability, _ANY),
        c.Noop: handler(general.noop, _ANY),
        c.Logout: handler(general.logout, _ANY, _nothing),
        c.Id: handler(general.identify, _ANY),
        c.StartTls: handler(general.start_tls, _BEFORE, _nothing),
        c.Authenticate: handler(authenticate.authenticate, _BEFORE, _nothing),
        c.Login: handler(authenticate.login, _BEFORE, _nothing),
        opening.Enable: handler(enable.enable, _CLOSED, _nothing),
        opening.Unauthenticate: handler(general.unauthenticate, _AFTER, _nothing),
        opening.Select: handler(select.select, _AFTER, _nothing),
        opening.Examine: handler(select.examine, _AFTER, _nothing),
        c.Create: handler(folders.create, _AFTER),
        c.Delete: handler(folders.delete, _AFTER),
        c.Rename: handler(folders.rename, _AFTER),
        c.Subscribe: handler(folders.subscribe, _AFTER),
        c.Unsubscribe: handler(folders.unsubscribe, _AFTER),
        listing.List: handler(list.list_mailboxes, _AFTER),
        listing.Lsub: handler(list.list_subscribed, _AFTER),
        listing.Namespace: handler(list.namespace, _AFTER),
        listing.Status: handler(list.status, _AFTER),
        appending.Append: handler(append.append_messages, _AFTER),
        appending.Replace: handler(append.replace_message, _OPEN),
        grammar_access.SetAcl: handler(access.set_acl, _AFTER),
        grammar_access.DeleteAcl: handler(access.delete_acl, _AFTER),
        grammar_access.GetAcl: handler(access.get_acl, _AFTER),
        grammar_access.ListRights: handler(access.list_rights, _AFTER),
        grammar_access.MyRights: handler(access.my_rights, _AFTER),
        grammar_quota.GetQuota: handler(quota.get_quota, _AFTER),
        grammar_quota.GetQuotaRoot: handler(quota.get_quota_root, _AFTER),
        grammar_metadata.GetMetadata: handler(metadata.get_metadata, _AFTER),
        grammar_metadata.SetMetadata: handler(metadata.set_metadata, _AFTER),
        grammar_notify.Notify: handler(notify.notify, _AFTER, _nothing),
        c.Idle: handler(idle.idle, _AFTER),
        c.Check: handler(general.noop, _OPEN),
        c.Close: handler(select.close, _OPEN, _nothing),
        c.Unselect: handler(select.unselect, _OPEN, _nothing),
        c.Expunge: handler(expunge.expunge, _OPEN),
        grammar_search.Search: handler(search.search, _OPEN, _by_numbering),
        sorting.Sort: handler(sort.sort, _OPEN, _by_numbering),
        sorting.Thread: handler(thread.thread, _OPEN, _by_numbering),
        c.Fetch: handler(fetch.fetch, _OPEN, _by_numbering),
        c.Store: handler(store.store, _OPEN, _by_numbering),
        c.Copy: handler(copy.copy, _OPEN),
        c.Move: handler(copy.move, _OPEN),
    }
