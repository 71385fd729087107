"""Fetches the extracts of the Annuaire Santé from where they are published, and has them imported."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
import sys
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from certs.sources import SourceTooLarge, SourceUnreachable, path_of
from foundation.clock import from_millis
from foundation.files import PUBLIC, write_atomically
from foundation.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx2

    from foundation.clock import Clock
    from foundation.settings import Settings

_log = get_logger(__name__)

LARGEST = 2 * 1024**3
"""Bytes of one extract, packed or not."""
_LONGEST = 2 * 3600.0
_CONNECT_SECONDS, _SILENT_SECONDS = 10.0, 60.0
_REDIRECTS = 3
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")
_DISPOSITION = re.compile(r'filename="?([^";]{1,200})"?', re.IGNORECASE)
_LOOK_SECONDS = 300.0
_STATE = "fetched.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last fetch of a source ended with; times are epoch milliseconds."""

    checked_at: int
    result: str
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was fetched; `seen` is what to remember of it once it is imported."""

    path: Path
    seen: Seen


def folder_of(settings: Settings) -> Path:
    """Where the directory's files are."""
    return settings.home / "directory"


def read_seen(folder: Path) -> dict[str, Seen]:
    """By URL; empty where nothing was fetched or what is remembered cannot be read."""
    try:
        values = json.loads((folder / _STATE).read_bytes())
        return {url: Seen(**seen) for url, seen in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def remember(folder: Path, url: str, seen: Seen) -> None:
    """Notes how a fetch ended."""
    known = {each: asdict(value) for each, value in read_seen(folder).items()}
    known[url] = asdict(seen)
    write_atomically(folder / _STATE, json.dumps(known, indent=1).encode() + b"\n", PUBLIC)


def ended(known: Seen | None, result: str, now: int) -> Seen:
    """What is known of a source after a fetch that brought nothing to the directory: its file is the one before."""
    return replace(known or Seen(now, result), checked_at=now, result=result)


def believed(settings: Settings) -> ssl.SSLContext:
    """TLS to the publisher: the authorities of the system and of the trust chain; its certificate is of the IGC-Santé."""
    context = ssl.create_default_context()
    with contextlib.suppress(OSError):
        context.load_verify_locations(settings.path(settings.tls.ca_file))
    return context


async def fetch(
    url: str,
    folder: Path,
    tls: ssl.SSLContext,
    clock: Clock,
    progress: Callable[[int, int], None] | None = None,
    *,
    known: Seen | None = None,
) -> Fetched | None:
    """Brings a source to a file in `folder`, named as its publisher names it; None when it is as it was `known`.

    `progress` is told the bytes that came and those announced (0: not announced). Raises SourceUnreachable.
    """
    incoming = folder / "incoming"
    await asyncio.to_thread(incoming.mkdir, parents=True, exist_ok=True)
    if urlsplit(url).scheme == "file":
        return await asyncio.to_thread(_local, url, known, clock)
    try:
        async with asyncio.timeout(_LONGEST):
            return await _download(url, incoming, tls, known, clock, progress or (lambda *_: None))
    except TimeoutError as error:
        raise SourceUnreachable(f"{url} did not answer whole within {_LONGEST / 3600:.0f} hours.") from error
    except OSError as error:
        raise SourceUnreachable(f"{incoming} cannot be written: {error.strerror}.") from error


class Fetcher:
    """Keeps the directory as fresh as its sources, beside a running service."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._folder = folder_of(settings)

    async def run(self) -> None:
        """Looks every few minutes whether a source is due."""
        while True:
            await self.once()
            await asyncio.sleep(_LOOK_SECONDS)

    async def once(self) -> None:
        """Fetches and imports the sources that are due; what fails is tried again an hour later."""
        for url in self._settings.directory.sources:
            seen = (await asyncio.to_thread(read_seen, self._folder)).get(url)
            if seen is not None and not self._is_due(seen):
                continue
            try:
                result, kept = await self._take(url, seen)
            except SourceUnreachable as error:
                result, kept = str(error), None
            _log.info("directory source", result=result)
            kept = kept or ended(seen, result, self._clock.millis())
            await asyncio.to_thread(remember, self._folder, url, kept)

    def _is_due(self, seen: Seen) -> bool:
        hours = self._settings.directory.fetch_hours if seen.result in _GOOD else 1
        return self._clock.now() >= from_millis(seen.checked_at) + timedelta(hours=hours)

    async def _take(self, url: str, known: Seen | None) -> tuple[str, Seen | None]:
        fetched = await fetch(url, self._folder, believed(self._settings), self._clock, known=known)
        if fetched is None:
            return UNCHANGED, None
        try:
            outcomes = await self._import(fetched.path)
        finally:
            discard(self._folder, fetched.path)
        refused = [row["result"] for row in outcomes if row["result"].startswith("refused")]
        if refused or not outcomes:
            return (refused[0] if refused else "the import failed"), None
        return IMPORTED, fetched.seen

    async def _import(self, path: Path) -> list[dict[str, Any]]:
        """In a process of its own: a minute of Python would hold the service."""
        percent = str(self._settings.directory.largest_loss_percent)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "directory.annuaire", str(self._folder), percent, str(path)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()  # what it has read is gone on with
                await process.wait()
        return [json.loads(line) for line in out.splitlines()]


IMPORTED, UNCHANGED = "imported", "unchanged"
_GOOD = frozenset({IMPORTED, UNCHANGED})


def discard(folder: Path, path: Path) -> None:
    """Removes a fetched file; one that lay elsewhere stays."""
    if path.parent == folder / "incoming":
        path.unlink(missing_ok=True)


def _local(url: str, known: Seen | None, clock: Clock) -> Fetched | None:
    path = path_of(url)
    if path is None:
        raise SourceUnreachable(f"{url} names another host: a file URL is file:///path.")
    try:
        told = path.stat()
    except OSError as error:
        raise SourceUnreachable(f"{path} cannot be read: {error.strerror}.") from error
    if not path.is_file():
        raise SourceUnreachable(f"{path} is not a file.")
    etag = f"{told.st_mtime_ns}-{told.st_size}"
    if known is not None and known.etag == etag:
        return None
    return Fetched(path, Seen(clock.millis(), IMPORTED, etag))


async def _download(
    url: str,
    incoming: Path,
    tls: ssl.SSLContext,
    known: Seen | None,
    clock: Clock,
    progress: Callable[[int, int], None],
) -> Fetched | None:
    import httpx2  # a tenth of a second that only a fetch has to wait

    headers = {"Accept-Encoding": "identity", "User-Agent": "vaguemestre"}
    if known is not None and known.etag:
        headers["If-None-Match"] = known.etag
    elif known is not None and known.last_modified:
        headers["If-Modified-Since"] = known.last_modified
    timeout = httpx2.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS)
    try:
        async with httpx2.AsyncClient(verify=tls, timeout=timeout, headers=headers) as client:
            for _ in range(_REDIRECTS + 1):
                if urlsplit(url).scheme != "https":
                    raise SourceUnreachable(f"{url} is not fetched: only https and file URLs are.")
                async with client.stream("GET", url) as response:
                    if response.status_code == 304:
                        return None
                    if response.is_redirect and "location" in response.headers:
                        url = str(response.url.join(response.headers["location"]))
                        continue
                    if response.status_code != 200:
                        raise SourceUnreachable(f"{url} answers {response.status_code}.")
                    path = incoming / _name(url, response)
                    await _write(response, url, path, progress)
                    seen = Seen(
                        clock.millis(),
                        IMPORTED,
                        response.headers.get("etag", "")[:200],
                        response.headers.get("last-modified", "")[:100],
                    )
                    return Fetched(path, seen)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise SourceUnreachable(f"{url} cannot be fetched: {reason}.") from error
    raise SourceUnreachable(f"{url} redirects more than {_REDIRECTS} times.")


async def _write(
    response: httpx2.Response, url: str, path: Path, progress: Callable[[int, int], None]
) -> None:
    """The body, to a file that has its name only when it is whole."""
    announced = response.headers.get("content-length", "")
    expected = int(announced) if announced.isdecimal() and len(announced) < 16 else 0
    if expected > LARGEST:
        raise _too_large(url)
    draft = path.with_name(f".{path.name}.part")
    came = 0
    try:
        with draft.open("wb") as file:
            async for piece in response.aiter_raw(1024 * 1024):
                came += len(piece)
                if came > LARGEST:
                    raise _too_large(url)
                await asyncio.to_thread(file.write, piece)
                progress(came, expected)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _name(url: str, response: httpx2.Response) -> str:
    """The file name that tells when the extract was generated; never a path."""
    told = _DISPOSITION.search(response.headers.get("content-disposition", ""))
    for name in (told[1] if told is not None else "", unquote(urlsplit(url).path).rpartition("/")[2]):
        if _NAME.fullmatch(name.strip()):
            return name.strip()
    return "extract"


def _too_large(url: str) -> SourceTooLarge:
    return SourceTooLarge(f"{url} is larger than {LARGEST // 1024 // 1024} MB.")
