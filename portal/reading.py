"""Mails opened for reading: text and attachments of each, kept for a while, because a mail never changes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foundation.mime.headers import MailAddress, attachments, display_text, parse_addresses
from foundation.mime.scanner import headers, scan
from foundation.vault import BlobDamaged, BlobNotFound
from mailserver.reading_receipt import receipt_address

if TYPE_CHECKING:
    from foundation.mime.parts import Part
    from foundation.vault import Vault

_TEXT_CHARACTERS = 100_000
_CUT = "\n[…] La suite de ce texte est trop longue pour être affichée."
_KEPT_CHARACTERS = 8_000_000
_FILE_WEIGHT = 300
_READERS = 2
_REPLY_INTRODUCTIONS = ("a écrit :", "a écrit :", "wrote:")
_ORIGINAL_MESSAGE = (
    "-----Message d'origine-----",
    "-----Message d’origine-----",
    "-----Original Message-----",
)


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """An attachment as its message names it; `part` is None where it must not be given."""

    part: str | None
    filename: str = field(repr=False)
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What is shown of a mail, without its bytes, and whether it asks for a receipt that may be sent."""

    sender: str
    text: str = field(repr=False)
    quoted: str = field(repr=False)
    files: tuple[AttachedFile, ...]
    asks_receipt: bool = False

    @property
    def weight(self) -> int:
        """About the characters that it holds."""
        names = sum(len(file.filename) + _FILE_WEIGHT for file in self.files)
        return len(self.text) + len(self.quoted) + names + _FILE_WEIGHT


class MailReader:
    """Opens mails, few at a time, and keeps what is shown of the latest; used from one event loop."""

    def __init__(self, vault: Vault, *, kept: int = _KEPT_CHARACTERS) -> None:
        self._vault = vault
        self._most = kept
        self._weight = 0
        self._kept: OrderedDict[tuple[int, int, int], Opened] = OrderedDict()
        self._turns = asyncio.Semaphore(_READERS)

    @property
    def weight(self) -> int:
        """About the characters that are kept."""
        return self._weight

    async def opened(self, owner_id: int, mail_id: int, blob_id: int) -> Opened | None:
        """One mail of an owner's conversation; None when it cannot be read."""
        key = (owner_id, mail_id, blob_id)
        known = self._known(key)
        if known is not None:
            return known
        async with self._turns:
            known = self._known(key)  # another page may have waited for the same mail
            if known is not None:
                return known
            try:
                data = await self._vault.read(owner_id, blob_id)
            except (BlobNotFound, BlobDamaged):
                return None
            made = await asyncio.to_thread(_open, data)
        self._keep(key, made)
        return made

    def _known(self, key: tuple[int, int, int]) -> Opened | None:
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
        return known

    def _keep(self, key: tuple[int, int, int], opened: Opened) -> None:
        if key in self._kept or opened.weight > self._most:
            return
        self._kept[key] = opened
        self._weight += opened.weight
        while self._weight > self._most:
            _, forgotten = self._kept.popitem(last=False)
            self._weight -= forgotten.weight


def _open(data: bytes) -> Opened:
    root = scan(data)
    text, quoted = split_quoted(display_text(data, root))
    return Opened(
        _sender(data, root),
        _bounded(text),
        _bounded(quoted),
        tuple(
            AttachedFile(each.part.number or "1", each.filename, each.media_type, each.size)
            for each in attachments(data, root)
        ),
        receipt_address(data) is not None,
    )


def _sender(data: bytes, root: Part) -> str:
    for name, value in headers(data, root.header_start, root.body_start):
        if name.lower() == b"from":
            first = next((each for each in parse_addresses(value) if isinstance(each, MailAddress)), None)
            return f"{first.local}@{first.domain}".lower() if first is not None else ""
    return ""


def split_quoted(text: str) -> tuple[str, str]:
    """What was written, and the earlier message quoted below it (lines with ">", or behind a mail client's rule)."""
    lines = text.split("\n")
    for position, line in enumerate(lines):
        if line.strip() in _ORIGINAL_MESSAGE:
            return "\n".join(lines[:position]).rstrip(), "\n".join(lines[position:])
    start = len(lines)
    while start and (not lines[start - 1].strip() or lines[start - 1].startswith(">")):
        start -= 1
    if not any(line.startswith(">") for line in lines[start:]):
        return text, ""
    if start and lines[start - 1].rstrip().endswith(_REPLY_INTRODUCTIONS):
        start -= 1
    written = "\n".join(lines[:start]).rstrip()
    # A message that is nothing but a quotation is shown as it is.
    return (written, "\n".join(lines[start:]).strip("\n")) if written else (text, "")


def _bounded(text: str) -> str:
    return text if len(text) <= _TEXT_CHARACTERS else text[:_TEXT_CHARACTERS] + _CUT
