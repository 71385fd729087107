"""A package that lies unpacked in a folder is checked as the archive it would make."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Final

_MAX_FILES: Final = 1000
_MAX_BYTES: Final = 200 * 1024 * 1024
_NAME: Final = "IHE_XDM"

NO_PACKAGE: Final = "Ce dossier ne contient pas de dossier IHE_XDM."
TOO_LARGE: Final = "Ce dossier contient trop de fichiers, ou de trop gros."


class FolderRefused(Exception):
    """The folder is not checked; the text is one French sentence."""


def pack(folder: Path) -> bytes:
    """The zip of a folder that holds an XDM tree, or is its IHE_XDM. Links are not followed.

    Raises FolderRefused, and OSError where a file cannot be read.
    """
    folder = folder.resolve()
    root = folder.parent if folder.name.upper() == _NAME else folder
    packed = io.BytesIO()
    count = total = 0
    found = False
    with zipfile.ZipFile(packed, "w") as archive:
        for place, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                path = Path(place) / name
                if path.is_symlink() or not path.is_file():
                    continue
                inside = path.relative_to(root)
                found = found or _NAME in (part.upper() for part in inside.parts[:-1])
                count, total = count + 1, total + path.stat().st_size
                if count > _MAX_FILES or total > _MAX_BYTES:
                    raise FolderRefused(TOO_LARGE)
                # A fixed date: zip knows none before 1980.
                archive.writestr(zipfile.ZipInfo(inside.as_posix()), path.read_bytes())
    if not found:
        raise FolderRefused(NO_PACKAGE)
    return packed.getvalue()
