"""What `trust/` of the home holds: the last good white list and revocation lists, checked on their way in and out."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authorities import Authorities
from certs.list_faults import ListFault, ListRefused
from certs.list_signature import SignaturePolicy, SignedList, read_signed
from certs.names import DistinguishedName, NameMalformed
from certs.revocation import LARGEST_CRL, Crl, CrlRefused, Revocations
from certs.sources import SourceTooLarge, SourceUnreachable, fetch, read_file
from certs.tls import TlsUnusable
from certs.white_list import LARGEST
from foundation.files import PUBLIC, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from certs.white_list import WhiteList
    from foundation.settings import Settings

FOLDER = "trust"
WHITE_LIST = "white-list.xml"
FARTHEST_AHEAD = timedelta(days=1)


class TrustUnusable(Exception):
    """The trust space cannot be opened; the text is one sentence for the operator."""


class Force(StrEnum):
    """What is let pass when a list is adopted."""

    NOTHING = "nothing"
    SHRINKING = "shrinking"
    """A list that loses more domains than the settings allow."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A new list is in use; `added` and `removed` are domains."""

    white_list: WhiteList
    added: frozenset[str]
    removed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What was fetched is what is in use."""

    white_list: WhiteList


@dataclass(frozen=True, slots=True)
class CrlFetched:
    """How the fetch of one revocation list went; `failure` is a sentence, empty when all is well.

    `is_refused` tells a list that was there and is not taken from a source that did not answer.
    """

    url: str
    crl: Crl | None
    failure: str
    is_refused: bool = False


class TrustStore:
    """Reads and writes the files of `trust/`. Its methods read, verify and wait for a lock: call them in a thread."""

    def __init__(self, settings: Settings) -> None:
        """Raises TrustUnusable when the authorities or the signer's name cannot be read."""
        self.folder = settings.home / FOLDER
        self._settings = settings.trust
        self._authority_file = settings.path(settings.tls.ca_file)
        try:
            self.authorities = Authorities.load(self._authority_file)
            signer = DistinguishedName.parse(self._settings.signer)
        except TlsUnusable as error:
            raise TrustUnusable(str(error)) from error
        except NameMalformed as error:
            raise TrustUnusable(f"The setting trust.signer is no certificate name: {error}.") from error
        self._policy = SignaturePolicy(
            self.authorities, signer, is_required=self._settings.signature == "require"
        )

    @property
    def list_file(self) -> Path:
        return self.folder / WHITE_LIST

    def crl_file(self, url: str) -> Path:
        """The file of the list that is fetched from a URL."""
        return self.folder / f"crl-{hashlib.sha256(url.encode()).hexdigest()[:12]}.pem"

    @property
    def crl_files(self) -> tuple[Path, ...]:
        return tuple(self.crl_file(url) for url in self._settings.crl_urls)

    def read(self, content: bytes, revocations: Revocations, now: datetime) -> SignedList:
        """A list that could be adopted where none is in use. Raises ListRefused."""
        return read_acceptable(content, self._policy, revocations, now)

    def load_list(self, revocations: Revocations, now: datetime) -> SignedList | None:
        """The last good list, verified again; None where there is none. Raises ListRefused, SourceUnreachable."""
        if not self.list_file.exists():
            return None
        return self.read(read_file(self.list_file, LARGEST), revocations, now)

    # ref: F03
    def adopt(
        self,
        content: bytes,
        revocations: Revocations,
        now: datetime,
        force: Force,
        known: WhiteList | None = None,
    ) -> Adopted | Unchanged:
        """Takes a list into use when it is good and follows the one in use. Raises ListRefused.

        `known` is the list in memory: it is the measure where the one on disk is damaged.
        """
        new = self.read(content, revocations, now)
        with folder_lock(self.folder):
            try:
                held = self.load_list(revocations, now)
            except (ListRefused, SourceUnreachable):
                held = None  # a damaged list, or one of other authorities, is no measure for the new one
            if held is not None and held.content == new.content:
                return Unchanged(held.white_list)
            before = held.white_list if held is not None else known
            is_lost = held is None and known == new.white_list  # only its file is to be written again
            if before is not None and not is_lost:
                check_succession(before, new.white_list, self._settings.largest_loss_percent, force)
            write_atomically(self.list_file, content, PUBLIC)
        old = before.domains if before is not None else frozenset()
        return Adopted(new.white_list, new.white_list.domains - old, old - new.white_list.domains)

    async def fetch_list(self) -> bytes:
        """The octets of the published list. Raises ListRefused (too large), SourceUnreachable."""
        try:
            return await fetch(
                self._settings.white_list_url,
                schemes=("https", "file"),
                authorities=self._authority_file,
                limit=LARGEST,
            )
        except SourceTooLarge as error:
            raise ListRefused(ListFault.TOO_LARGE, f"more than {LARGEST // 1024 // 1024} MB") from error

    async def fetch_crl(self, url: str) -> bytes:
        """The octets of a revocation list. Raises SourceUnreachable."""
        return await fetch(
            url, schemes=("https", "http", "file"), authorities=self._authority_file, limit=LARGEST_CRL
        )

    async def fetch_crl_into(self, url: str, now: datetime, known: Crl | None = None) -> CrlFetched:
        """Fetches a revocation list and takes it into use; a failure leaves the one in use."""
        try:
            content = await self.fetch_crl(url)
            crl = await asyncio.to_thread(self.adopt_crl, url, content, now, known)
        except CrlRefused as error:
            return CrlFetched(url, None, str(error), is_refused=True)
        except (SourceUnreachable, OSError) as error:
            return CrlFetched(url, None, str(error))
        return CrlFetched(url, crl, "")

    def load_crl(self, path: Path, now: datetime) -> Crl | None:
        """A revocation list on disk; None where there is none. Raises CrlRefused, SourceUnreachable."""
        return Crl.read(read_file(path, LARGEST_CRL), self.authorities, now) if path.exists() else None

    def load_revocations(self, now: datetime, known: Iterable[Crl] = ()) -> Revocations:
        """Every readable revocation list on disk, or the one `known` in memory where that is newer."""
        if not self._settings.crl_urls:
            return Revocations.unchecked()
        found = list(known)
        for path in self.crl_files:
            try:
                crl = self.load_crl(path, now)
            except (CrlRefused, SourceUnreachable):
                continue
            if crl is not None:
                found.append(crl)
        return self.revocations_of(found)

    def revocations_of(self, lists: list[Crl]) -> Revocations:
        """The lists as the settings want them to serve."""
        if not self._settings.crl_urls:
            return Revocations.unchecked()
        return Revocations.of(lists, timedelta(days=self._settings.crl_grace_days))

    # ref: ECO.1.1.7
    def adopt_crl(self, url: str, content: bytes, now: datetime, known: Crl | None = None) -> Crl:
        """Takes a revocation list into use when it follows the one held from the same URL. Raises CrlRefused.

        `known` is the list in memory: it is the measure where the one on disk is damaged, or older.
        """
        new = Crl.read(content, self.authorities, now)
        path = self.crl_file(url)
        with folder_lock(self.folder):
            try:
                held = self.load_crl(path, now)
            except (CrlRefused, SourceUnreachable):
                held = None
            before = _measure(held, known)
            if before is not None and before.der != new.der:
                new.check_follows(before)
            if held is not None and held.der == new.der:
                return held
            parsed = x509.load_der_x509_crl(new.der)
            write_atomically(path, parsed.public_bytes(Encoding.PEM), PUBLIC)
        return new


def _measure(held: Crl | None, known: Crl | None) -> Crl | None:
    """What a new revocation list has to follow: the newer one of those on disk and in memory.

    One on disk that does not follow the one in memory is of no account: this process would not take it either.
    """
    if held is None or known is None:
        return held or known
    try:
        held.check_follows(known)
    except CrlRefused:
        return known
    return held


def read_acceptable(
    content: bytes, policy: SignaturePolicy, revocations: Revocations, now: datetime
) -> SignedList:
    """A list whose signature and date are in order. Raises ListRefused."""
    signed = read_signed(content, policy, revocations)
    generated_at = signed.white_list.generated_at
    if generated_at > now + FARTHEST_AHEAD:
        raise ListRefused(ListFault.FUTURE_DATE, f"{generated_at:%Y-%m-%d %H:%M} UTC")
    return signed


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Holds the folder against another process or thread that would write into it."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check_succession(held: WhiteList, new: WhiteList, largest_loss_percent: int, force: Force) -> None:
    """Whether a list may follow the one in use. Raises ListRefused."""
    if new.generated_at < held.generated_at:
        raise ListRefused(
            ListFault.ROLLBACK,
            f"{new.generated_at:%Y-%m-%d %H:%M} UTC, in use {held.generated_at:%Y-%m-%d %H:%M} UTC",
        )
    if new.generated_at == held.generated_at:
        raise ListRefused(ListFault.SAME_DATE)
    lost = len(held.domains - new.domains)
    if lost * 100 > largest_loss_percent * len(held.domains) and force is not Force.SHRINKING:
        raise ListRefused(ListFault.SHRINKS, f"{lost} of {len(held.domains)}")
