"""What changed between two white lists: domains, and the certificates that may speak for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from certs.names import DistinguishedName
    from certs.white_list import Entry, WhiteList


@dataclass(frozen=True, slots=True)
class ListDiff:
    """`added`, `removed` and `changed` are entries; a changed one has another description or spelling."""

    domains_added: tuple[str, ...]
    domains_removed: tuple[str, ...]
    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changed: tuple[Entry, ...]


def diff(old: WhiteList, new: WhiteList) -> ListDiff:
    """Compares two lists entry by entry, each sorted by its domain."""
    before, after = _by_key(old), _by_key(new)
    return ListDiff(
        domains_added=tuple(sorted(new.domains - old.domains)),
        domains_removed=tuple(sorted(old.domains - new.domains)),
        added=_sorted(after[key] for key in after.keys() - before.keys()),
        removed=_sorted(before[key] for key in before.keys() - after.keys()),
        changed=_sorted(
            after[key]
            for key in before.keys() & after.keys()
            if (before[key].description, before[key].written) != (after[key].description, after[key].written)
        ),
    )


def _by_key(white_list: WhiteList) -> dict[tuple[str, DistinguishedName], Entry]:
    return {(entry.domain or entry.written, entry.name): entry for entry in white_list.entries}


def _sorted(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (entry.domain or entry.written, str(entry.name))))
