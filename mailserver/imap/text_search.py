"""Texts of mails compared with what SEARCH looks for: the index first, then the texts themselves (RFC 9051 §6.4.4)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from foundation.mime.casemap import fold_needle, trigrams_of
from foundation.mime.scanner import scan
from foundation.mime.search_text import (
    LARGEST,
    Section,
    has_in_field,
    has_in_fields,
    has_in_section,
    read_search_text,
)
from foundation.vault import BlobDamaged, BlobNotFound
from mailserver.imap.grammar.search_keys import HeaderKey, TextKey, Where
from mailserver.imap.masks import chosen, mask_of
from mailserver.store import search_index
from mailserver.store.search_index import Lack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from foundation.vault import Vault

_FEW = 64
"""So many texts are compared sooner than the index is asked."""
_CHUNK = 256
_SECTIONS = {
    Where.SUBJECT: Section.SUBJECT,
    Where.FROM: Section.FROM,
    Where.TO: Section.TO,
    Where.CC: Section.CC,
    Where.BCC: Section.BCC,
}


class OutOfTime(Exception):
    """The time of this visit is over; what was compared is kept for the next one."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a key looks for: in the head of a text, in its body, or in either; and its trigrams for the index."""

    needle: str
    in_head: Callable[[str], bool] | None
    in_body: bytes | None
    trigrams: tuple[str, ...]

    def matches(self, head: str, body: bytes) -> bool:
        """Whether a whole text has it."""
        if self.in_head is not None and self.in_head(head):
            return True
        return self.in_body is not None and self.in_body in body


def probe_of(key: TextKey | HeaderKey) -> Probe:
    """The probe for a key."""
    needle = fold_needle(key.text)
    trigrams = trigrams_of(needle)
    if isinstance(key, HeaderKey):
        name = fold_needle(key.field)
        has = partial(has_in_field, name=name, needle=needle)
        return Probe(needle, has, None, trigrams_of(f"\n{name}: ") + trigrams)
    if key.where is Where.BODY:
        return Probe(needle, None, needle.encode(), trigrams)
    if key.where is Where.TEXT:
        return Probe(needle, partial(has_in_fields, needle=needle), needle.encode(), trigrams)
    has = partial(has_in_section, section=_SECTIONS[key.where], needle=needle)
    return Probe(needle, has, None, trigrams)


@dataclass(slots=True)
class Compared:
    """How far the comparison for one key has come, as sets of places."""

    tested: int = 0
    found: int = 0


class TextSearch:
    """The text keys of one search in one folder. Used inside queries, in several visits.

    `mails` are the numbers of the mails by place. `known` is what was compared before.
    """

    def __init__(
        self, vault: Vault, owner_id: int, mails: Sequence[int], known: Mapping[TextKey | HeaderKey, Compared]
    ) -> None:
        self._vault = vault
        self._owner_id = owner_id
        self._mails = mails
        self.compared = dict(known)
        self.steps = 0
        """Comparisons made so far."""
        self.deadline = 0.0
        """On the clock of `time.monotonic`."""
        self._lacking: dict[int, Lack] | None = None
        self._candidates: dict[TextKey | HeaderKey, frozenset[int]] = {}

    def passing(self, connection: Connection | None, key: TextKey | HeaderKey, places: int) -> int:
        """Which of the places have what the key looks for; raises OutOfTime.

        A connection is needed where not all of them were compared before.
        """
        compared = self.compared.setdefault(key, Compared())
        if waiting := places & ~compared.tested:
            assert connection is not None
            tested: set[int] = set()
            found: set[int] = set()
            try:
                mails = set(chosen(self._mails, waiting, len(self._mails)))
                self._compare(connection, key, mails, tested, found)
            finally:
                compared.tested |= mask_of(map(tested.__contains__, self._mails))
                compared.found |= mask_of(map(found.__contains__, self._mails))
        return places & compared.found

    def _compare(
        self,
        connection: Connection,
        key: TextKey | HeaderKey,
        mails: set[int],
        tested: set[int],
        found: set[int],
    ) -> None:
        if self._lacking is None:
            self._lacking = search_index.lacking(connection, self._owner_id)
        probe = probe_of(key)
        if len(mails) > _FEW and probe.trigrams:
            candidates = self._asked(connection, key, probe)
            tested |= mails - candidates
            mails &= candidates
        waiting = sorted(mails)
        for start in range(0, len(waiting), _CHUNK):
            chunk = waiting[start : start + _CHUNK]
            found |= _found(connection, probe, chunk)
            cut = [mail for mail in chunk if self._lacking.get(mail, 0) & Lack.REST and mail not in found]
            tested.update(set(chunk).difference(cut))
            self.steps += len(chunk)
            for mail in cut:
                if self._is_in_message(connection, probe, mail):
                    found.add(mail)
                tested.add(mail)
                self._check_time()
            self._check_time()

    def _asked(self, connection: Connection, key: TextKey | HeaderKey, probe: Probe) -> frozenset[int]:
        """The mails that the index leaves, and those it cannot tell of."""
        candidates = self._candidates.get(key)
        if candidates is None:
            assert self._lacking is not None
            left = search_index.mails_with(connection, self._owner_id, probe.trigrams)
            candidates = self._candidates[key] = frozenset((*left, *self._lacking))
        return candidates

    def _check_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise OutOfTime

    def _is_in_message(self, connection: Connection, probe: Probe, mail: int) -> bool:
        for _, blob_id in search_index.blobs(connection, [mail]):
            try:
                message = self._vault.open_now(connection, self._owner_id, blob_id)
            except (BlobNotFound, BlobDamaged):
                return False  # what cannot be read holds no text; FETCH says that it is damaged
            searched = read_search_text(message, scan(message), LARGEST)
            return probe.matches(searched.head, searched.body.encode())
        return False


def _found(connection: Connection, probe: Probe, mails: list[int]) -> set[int]:
    if probe.in_body is None:
        in_head = probe.in_head
        assert in_head is not None
        heads = search_index.heads_with(connection, mails, probe.needle)
        return {mail for mail, head in heads if in_head(head)}
    if probe.in_head is None:
        needle = probe.in_body
        return {mail for mail, body in search_index.bodies(connection, mails) if needle in body}
    return {
        mail for mail, head, body in search_index.whole_texts(connection, mails) if probe.matches(head, body)
    }
