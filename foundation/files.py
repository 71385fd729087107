"""Writes files so that a reader sees the old one or the new one, never a half, and a crash loses neither."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

PUBLIC = 0o644
PRIVATE = 0o600


def write_atomically(path: Path, data: bytes, mode: int) -> None:
    """Writes beside `path`, syncs, and renames; `mode` holds from the first byte on."""
    write_pieces_atomically(path, (data,), mode)


def write_pieces_atomically(path: Path, pieces: Iterable[bytes], mode: int) -> None:
    """As `write_atomically`, of what is larger than memory should hold."""
    with open_atomically(path, mode) as file:
        file.writelines(pieces)


@contextlib.contextmanager
def open_atomically(path: Path, mode: int) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends well, and is gone when it does not."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on disk: a synced file is found after a crash only when its name is there too."""
    with contextlib.suppress(OSError):  # some file systems refuse to sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
