"""Unpacks a zip from a stranger in memory: real bytes are counted, and no name ever becomes a path."""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What one archive may hold: entries, bytes in all once inflated, and bytes per compressed byte."""

    entries: int = 1000
    total_bytes: int = 200 * 1024 * 1024
    ratio: int = 100
    name_bytes: int = 1024


DEFAULT = ArchiveLimits()


class ArchiveFault(StrEnum):
    """Why a whole archive is refused."""

    NOT_A_ZIP = "not_a_zip"
    TOO_MANY_ENTRIES = "too_many_entries"
    TOO_LARGE = "too_large"
    BOMB = "bomb"
    ENCRYPTED = "encrypted"
    DAMAGED = "damaged"
    CONTRADICTORY = "contradictory"
    UNSUPPORTED = "unsupported"


SENTENCES: dict[ArchiveFault, str] = {
    ArchiveFault.NOT_A_ZIP: "La pièce jointe n'est pas une archive ZIP lisible.",
    ArchiveFault.TOO_MANY_ENTRIES: "L'archive contient trop de fichiers.",
    ArchiveFault.TOO_LARGE: "L'archive est trop volumineuse une fois décompressée.",
    ArchiveFault.BOMB: "L'archive est anormalement compressée et n'a pas été ouverte.",
    ArchiveFault.ENCRYPTED: "L'archive est protégée par un mot de passe.",
    ArchiveFault.DAMAGED: "L'archive est endommagée.",
    ArchiveFault.CONTRADICTORY: "L'archive contient deux fichiers différents du même nom.",
    ArchiveFault.UNSUPPORTED: "L'archive utilise une méthode de compression non prise en charge.",
}


class IgnoredBecause(StrEnum):
    """Why one entry is left out while the rest of the archive is read."""

    CLIMBS = "climbs"
    ABSOLUTE = "absolute"
    LINK = "link"
    REPEATED = "repeated"
    NAME = "name"


class ArchiveRefused(Exception):
    """The archive is not read; ``fault`` says why."""

    def __init__(self, fault: ArchiveFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive: its name in segments (a label, never a path on disk) and its bytes."""

    segments: tuple[str, ...]
    data: bytes

    @property
    def name(self) -> str:
        return "/".join(self.segments)


@dataclass(frozen=True, slots=True)
class Ignored:
    """One entry left out; the name is shown to nobody, the reason is counted."""

    name: str
    because: IgnoredBecause


@dataclass(frozen=True, slots=True)
class Archive:
    """The files of a zip in their order, and the entries that were left out."""

    entries: tuple[Entry, ...]
    ignored: tuple[Ignored, ...]


_CHUNK = 64 * 1024
# Below this an entry cannot hurt, and a page of blanks may honestly shrink a thousandfold.
_RATIO_FROM = 1024 * 1024
_CENTRAL_RECORD = b"PK\x01\x02"
_END_RECORD = b"PK\x05\x06"
_DRIVE = re.compile(r"^[A-Za-z]:")
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_STRONGLY_ENCRYPTED = 0x40


# ref: DMP-F2
def unpack(data: bytes, limits: ArchiveLimits = DEFAULT) -> Archive:
    """Every file of the zip ``data``, inflated in memory; a zip within it stays closed.

    Raises ``ArchiveRefused`` for an archive that is damaged, encrypted, contradictory or past ``limits``.
    """
    if _count_records(data) > limits.entries:
        raise ArchiveRefused(ArchiveFault.TOO_MANY_ENTRIES)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            return _read_all(opened, len(data), limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as fault:
        # zipfile words some of its faults only: what it could open but not read is damaged.
        whole = isinstance(fault, zipfile.BadZipFile) and "not a zip file" in str(fault)
        raise ArchiveRefused(ArchiveFault.NOT_A_ZIP if whole else ArchiveFault.DAMAGED) from None
    except (ValueError, OverflowError, OSError):
        raise ArchiveRefused(ArchiveFault.DAMAGED) from None


def _count_records(data: bytes) -> int:
    """How many records the central directory really holds, before objects are made of them."""
    end = data.rfind(_END_RECORD)
    if end < 0:
        raise ArchiveRefused(ArchiveFault.NOT_A_ZIP)
    size = int.from_bytes(data[end + 12 : end + 16], "little")
    start = max(0, end - size - 76)  # 76: the ZIP64 end record and its locator may stand between
    return data.count(_CENTRAL_RECORD, start, end)


def _read_all(opened: zipfile.ZipFile, packed_size: int, limits: ArchiveLimits) -> Archive:
    infos = opened.infolist()
    if len(infos) > limits.entries:
        raise ArchiveRefused(ArchiveFault.TOO_MANY_ENTRIES)
    entries: dict[tuple[str, ...], Entry] = {}
    ignored: list[Ignored] = []
    total = 0
    for info in infos:
        name = _name_of(info)
        if name.endswith(("/", "\\")) or info.is_dir():
            continue
        verdict = _segments(name, info, limits)
        if isinstance(verdict, IgnoredBecause):
            ignored.append(Ignored(name[:200], verdict))
            continue
        if info.flag_bits & (_ENCRYPTED | _STRONGLY_ENCRYPTED):
            raise ArchiveRefused(ArchiveFault.ENCRYPTED)
        if info.compress_type not in _METHODS:
            raise ArchiveRefused(ArchiveFault.UNSUPPORTED)
        content = _inflate(opened, info, packed_size, limits.total_bytes - total, limits)
        total += len(content)
        known = entries.get(verdict)
        if known is None:
            entries[verdict] = Entry(verdict, content)
        elif known.data == content:
            ignored.append(Ignored(name[:200], IgnoredBecause.REPEATED))
        else:
            raise ArchiveRefused(ArchiveFault.CONTRADICTORY)
    return Archive(tuple(entries.values()), tuple(ignored))


def _name_of(info: zipfile.ZipInfo) -> str:
    """The name as its writer meant it: zipfile reads CP437 where the UTF-8 flag is not set."""
    name = info.orig_filename
    if info.flag_bits & _UTF8_NAME or name.isascii():
        return name
    # Many French programs write UTF-8 bytes without the flag; CP437 bytes are hardly ever valid UTF-8.
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _segments(name: str, info: zipfile.ZipInfo, limits: ArchiveLimits) -> tuple[str, ...] | IgnoredBecause:
    if stat.S_ISLNK(info.external_attr >> 16):
        return IgnoredBecause.LINK
    if len(name.encode("utf-8", "surrogatepass")) > limits.name_bytes or any(
        ord(character) < 32 for character in name
    ):
        return IgnoredBecause.NAME
    slashed = name.replace("\\", "/")
    if slashed.startswith("/") or _DRIVE.match(slashed):
        return IgnoredBecause.ABSOLUTE
    segments = tuple(segment for segment in slashed.split("/") if segment not in ("", "."))
    if ".." in segments:
        return IgnoredBecause.CLIMBS
    return segments or IgnoredBecause.NAME


def _inflate(
    opened: zipfile.ZipFile, info: zipfile.ZipInfo, packed_size: int, room: int, limits: ArchiveLimits
) -> bytes:
    allowed_by_ratio = max(_RATIO_FROM, min(info.compress_size, packed_size) * limits.ratio)
    content = bytearray()
    with opened.open(info) as stream:
        while chunk := stream.read(_CHUNK):
            content += chunk
            if len(content) > room:
                raise ArchiveRefused(ArchiveFault.TOO_LARGE)
            if len(content) > allowed_by_ratio:
                raise ArchiveRefused(ArchiveFault.BOMB)
    if len(content) != info.file_size:
        raise ArchiveRefused(ArchiveFault.DAMAGED)
    return bytes(content)
