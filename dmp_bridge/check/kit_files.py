"""Finds what a folder holds of a validation kit: the CDA schema and the schematrons."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

_SCHEMAS = ("cda_extended.xsd", "cda.xsd")
_MOST_FILES = 20_000
_DEPTH = 12
_SCHEMATRON = b"http://purl.oclc.org/dsdl/schematron"
_ROOT_WITHIN = 65_536
_WRITES_SVRL = b"<svrl:schematron-output"


@dataclass(frozen=True, slots=True)
class KitFiles:
    """The files of a kit that are used; ``schema`` is None without one. ``digest`` tells one kit from another."""

    folder: Path
    schema: Path | None
    schematrons: tuple[Path, ...]
    compiled: tuple[Path, ...]
    digest: str


def list_files(folder: Path) -> KitFiles:
    """What a walk of ``folder`` finds, at most 12 folders deep and 20 000 files; links are not followed."""
    folder = folder.resolve()
    schemas: dict[str, Path] = {}
    sources: list[Path] = []
    sheets: list[Path] = []
    digest = hashlib.sha256()
    for path in _walk(folder):
        name = path.name.lower()
        if name in _SCHEMAS:
            schemas.setdefault(name, path)
        elif name.endswith(".sch") and _is_schema(path):
            sources.append(path)
        elif (
            name.endswith(".xsl")
            and not name.startswith("iso_")
            and _WRITES_SVRL in _head(path, 4 * _ROOT_WITHIN)
        ):
            sheets.append(path)
        else:
            continue
        digest.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
    written = {path.with_suffix("") for path in sources}
    compiled = tuple(path for path in sheets if path.with_suffix("") not in written)
    schema = next((schemas[name] for name in _SCHEMAS if name in schemas), None)
    return KitFiles(folder, schema, tuple(sources), compiled, digest.hexdigest()[:8])


def _walk(folder: Path) -> list[Path]:
    found: list[Path] = []
    for root, folders, names in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        if len(here.relative_to(folder).parts) >= _DEPTH:
            folders.clear()
        found.extend(
            path for name in sorted(names) if (path := here / name).is_file() and not path.is_symlink()
        )
        if len(found) > _MOST_FILES:
            break
    return found[:_MOST_FILES]


def _is_schema(path: Path) -> bool:
    """Whether a .sch is a whole schematron, not a part that others include."""
    head = _head(path, _ROOT_WITHIN)
    return _SCHEMATRON in head and (b"<schema" in head or b":schema" in head)


def _head(path: Path, length: int) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(length)
    except OSError:
        return b""
