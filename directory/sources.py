"""Where extracts come from: text files, and the zip archives the Annuaire Santé publishes them in."""

from __future__ import annotations

import re
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from directory.extracts import ExtractRefused
from foundation.clock import PARIS, to_millis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

MOST_MEMBERS = 50
_LARGEST_RATIO = 200
"""Bytes unpacked for one packed: text of the Annuaire Santé comes to 4 to 12."""
_ARCHIVE = b"PK\x03\x04"
_GENERATED = re.compile(
    r"_(20[0-9]{2})(0[1-9]|1[0-2])([0-2][0-9]|3[01])([01][0-9]|2[0-3])([0-5][0-9])(?![0-9])"
)


@dataclass(frozen=True, slots=True)
class Source:
    """One extract to read. `size` is in bytes, unpacked; `generated_at` in epoch milliseconds, from the
    name of the file or else its date.
    """

    name: str
    size: int
    generated_at: int
    path: Path = field(repr=False)
    member: str | None = field(repr=False, default=None)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The bytes of the extract, as a stream. Raises ExtractRefused for anything that cannot be read."""
        try:
            if self.member is None:
                with self.path.open("rb") as stream:
                    yield stream
            else:
                with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as packed:
                    yield packed  # type: ignore[misc]  # IO[bytes] has all that a reader calls
        except OSError as error:
            raise ExtractRefused(f"{self.name} cannot be read: {error.strerror or 'damaged'}.") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise ExtractRefused(
                f"{self.name} cannot be read: its archive is damaged or encrypted."
            ) from error


def sources_in(path: Path) -> list[Source]:
    """The extract of a text file, or those of a zip archive. Raises ExtractRefused with one sentence."""
    try:
        modified = int(path.stat().st_mtime * 1000)
        if not zipfile.is_zipfile(path):
            with path.open("rb") as stream:
                if stream.read(len(_ARCHIVE)) == _ARCHIVE:
                    raise ExtractRefused(f"{path} is a damaged archive.")
            return [Source(path.name, path.stat().st_size, generated_at(path.name) or modified, path)]
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except OSError as error:
        raise ExtractRefused(f"{path} cannot be read: {error.strerror}.") from error
    except zipfile.BadZipFile as error:
        raise ExtractRefused(f"{path} is a damaged archive.") from error
    if len(members) > MOST_MEMBERS:
        raise ExtractRefused(f"{path} holds more than {MOST_MEMBERS} files.")
    found = [
        # the name inside the archive is shown, never used as a path
        Source(
            member.filename.replace("\\", "/").rpartition("/")[2][:200],
            member.file_size,
            generated_at(member.filename) or generated_at(path.name) or modified,
            path,
            member.filename,
        )
        for member in members
        if not member.is_dir() and member.filename.lower().endswith(".txt")
    ]
    if not found:
        raise ExtractRefused(f"{path} holds no .txt file.")
    if any(member.file_size > _LARGEST_RATIO * max(member.compress_size, 1) for member in members):
        raise ExtractRefused(
            f"{path} is no archive of texts: it unpacks to more than {_LARGEST_RATIO} times its size."
        )
    return found


def generated_at(name: str) -> int | None:
    """When a file was generated, by its name (`…_202608261013.zip`, Paris time), in epoch milliseconds."""
    found = _GENERATED.search(name)
    if found is None:
        return None
    year, month, day, hour, minute = (int(part) for part in found.groups())
    try:
        instant = datetime(year, month, day, hour, minute, tzinfo=PARIS)
    except ValueError:
        return None
    return to_millis(instant.astimezone(UTC))
