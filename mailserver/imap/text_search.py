"""Texts of mails compared with what SEARCH looks for: the index first, then the texts themselves (RFC 9051 §6.4.4)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
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
from mailserver.store import search_index
from mailserver.store.search_index import Lack

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

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
        return Probe(
            partial(has_in_field, name=name, needle=needle), None, trigrams_of(f"\n{name}: ") + trigrams
        )
    if key.where is Where.BODY:
        return Probe(None, needle.encode(), trigrams)
    if key.where is Where.TEXT:
        return Probe(partial(has_in_fields, needle=needle), needle.encode(), trigrams)
    return Probe(partial(has_in_section, section=_SECTIONS[key.where], needle=needle), None, trigrams)


@dataclass(slots=True)
class _Compared:
    """How far the comparison for one key has come, by mails."""

    probe: Probe
    candidates: Collection[int] | None = None
    """Those that the index leaves, with those it cannot tell of; None as long as it was not asked."""
    tested: set[int] = field(default_factory=set)
    found: set[int] = field(default_factory=set)


class TextSearch:
    """The text keys of one search over the mails of one owner. Used inside queries, in several visits."""

    def __init__(self, vault: Vault, owner_id: int) -> None:
        self._vault = vault
        self._owner_id = owner_id
        self._keys: dict[TextKey | HeaderKey, _Compared] = {}
        self._lacking: dict[int, Lack] | None = None
        self.deadline = 0.0
        """On the clock of `time.monotonic`."""

    @property
    def steps(self) -> int:
        """Comparisons made so far."""
        return sum(len(compared.tested) for compared in self._keys.values())

    def found(self, connection: Connection, key: TextKey | HeaderKey, mails: Iterable[int]) -> set[int]:
        """Which mails have what the key looks for, at least of those given; raises OutOfTime."""
        compared = self._keys.get(key)
        if compared is None:
            compared = self._keys[key] = _Compared(probe_of(key))
        wanted = set(mails) - compared.tested
        if wanted:
            self._compare(connection, compared, wanted)
        return compared.found

    def _compare(self, connection: Connection, compared: _Compared, wanted: set[int]) -> None:
        if self._lacking is None:
            self._lacking = search_index.lacking(connection, self._owner_id)
        probe = compared.probe
        if compared.candidates is None and len(wanted) > _FEW and probe.trigrams:
            compared.candidates = {
                *search_index.mails_with(connection, self._owner_id, probe.trigrams),
                *self._lacking,
            }
        if compared.candidates is not None:
            compared.tested |= wanted.difference(compared.candidates)
            wanted.intersection_update(compared.candidates)
        waiting = sorted(wanted)
        for start in range(0, len(waiting), _CHUNK):
            chunk = waiting[start : start + _CHUNK]
            found = _found(connection, probe, chunk)
            compared.found |= found
            cut = [mail for mail in chunk if self._lacking.get(mail, 0) & Lack.REST and mail not in found]
            compared.tested.update(set(chunk).difference(cut))
            for mail in cut:
                if self._is_in_message(connection, probe, mail):
                    compared.found.add(mail)
                compared.tested.add(mail)
                self._check_time()
            self._check_time()

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
        return {mail for mail, head in search_index.heads(connection, mails) if in_head(head)}
    if probe.in_head is None:
        needle = probe.in_body
        return {mail for mail, body in search_index.bodies(connection, mails) if needle in body}
    return {
        mail for mail, head, body in search_index.whole_texts(connection, mails) if probe.matches(head, body)
    }
