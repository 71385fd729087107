"""Examines a file on disk as the bridge would examine it in a mail: for ``vaguemestre bridge FILE``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dmp_bridge.examiner import Examiner

if TYPE_CHECKING:
    from pathlib import Path

    from dmp_bridge.findings import Finding
    from foundation.settings import BridgeSettings

MAX_FILE_BYTES = 200 * 1024 * 1024


class FileTooLarge(Exception):
    """The file is larger than any message; it is not read."""


async def examine_path(path: Path, settings: BridgeSettings) -> tuple[Finding, ...]:
    """The findings of a message (``.eml``) or of one file (a package, a CDA, anything else).

    Raises FileTooLarge past 200 MB and OSError when the file cannot be read.
    """
    if (await asyncio.to_thread(path.stat)).st_size > MAX_FILE_BYTES:
        raise FileTooLarge
    data = await asyncio.to_thread(path.read_bytes)
    examiner = Examiner(settings)
    try:
        if path.suffix.lower() in (".eml", ".msg"):
            return await examiner.examine_message(data)
        return await examiner.examine_file(path.name, data)
    finally:
        await examiner.close()
