"""The vault: every body and document, stored once, encrypted, readable only through a grant of its owner.

Keys: the master key file wraps one key per owner (a BAL or a patient); an owner's key wraps the key of each
blob granted to it. Destroying an owner's row makes everything that only it could read unreadable for good.
Blobs are addressed by a keyed hash of their content: equal contents are stored once, and the address tells a
thief of the disk nothing. Up to 64 KiB a blob lies in the database's own transaction; a larger one is a file,
synced before the commit that names it.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from foundation import vault_format
from foundation.database import identity, metadata
from foundation.files import sync_folder
from foundation.log import get_logger
from foundation.prepared import run
from foundation.vault_format import BlobDamaged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from sqlalchemy import Connection

    from foundation.database import Database, UnitOfWork

__all__ = ["BlobDamaged", "BlobNotFound", "SealedBlob", "Vault", "VaultUnavailable", "write_master_key"]

_log = get_logger(__name__)
IN_DATABASE_BYTES = 64 * 1024
"""Stored bytes up to which a blob lies in the database; above, a file is quicker (measured: 349/s against 126/s at 1 MB)."""
_OFF_LOOP_BYTES = 128 * 1024
_CACHED_OWNERS = 10_000
_ORPHAN_SECONDS = 3600

vault_owner = Table(
    "vault_owner",
    metadata,
    identity("id"),
    Column("wrapped_key", LargeBinary, nullable=False),
)
blob = Table(
    "blob",
    metadata,
    identity("id"),
    Column("address", LargeBinary(32), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("data", LargeBinary),
    Column("file", String(64)),
)
blob_grant = Table(
    "blob_grant",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("blob_id", ForeignKey("blob.id"), primary_key=True, index=True),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("uses", Integer, nullable=False),  # how many rows of this owner name the blob
    sqlite_with_rowid=False,
)

_BY_ADDRESS = select(blob.c.id).where(blob.c.address == bindparam("address"))
_INSERT_BLOB = insert(blob)
_INSERT_GRANT = insert(blob_grant)
_OWNER_KEY = select(vault_owner.c.wrapped_key).where(vault_owner.c.id == bindparam("owner"))
_GRANT = (
    select(blob_grant.c.wrapped_key, blob.c.address, blob.c.size, blob.c.data, blob.c.file)
    .join(blob, blob.c.id == blob_grant.c.blob_id)
    .where(blob_grant.c.owner_id == bindparam("owner"), blob_grant.c.blob_id == bindparam("blob"))
)
_ONE_MORE = (
    update(blob_grant)
    .where(blob_grant.c.owner_id == bindparam("owner"), blob_grant.c.blob_id == bindparam("blob"))
    .values(uses=blob_grant.c.uses + 1)
)
_ONE_LESS = (
    update(blob_grant)
    .where(blob_grant.c.owner_id == bindparam("owner"), blob_grant.c.blob_id == bindparam("blob"))
    .values(uses=blob_grant.c.uses - 1)
)
_DROP_UNUSED = delete(blob_grant).where(
    blob_grant.c.owner_id == bindparam("owner"),
    blob_grant.c.blob_id == bindparam("blob"),
    blob_grant.c.uses <= 0,
)
_ANY_GRANT = (
    select(blob_grant.c.owner_id, blob_grant.c.wrapped_key)
    .where(blob_grant.c.blob_id == bindparam("blob"))
    .limit(1)
)
_FILE_OF = select(blob.c.file).where(blob.c.id == bindparam("blob"))
_DELETE_BLOB = delete(blob).where(blob.c.id == bindparam("blob"))


class BlobNotFound(LookupError):
    """No such blob, or it is not granted to this owner: the two are not told apart."""


class VaultUnavailable(Exception):
    """The vault cannot be opened; the text is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class SealedBlob:
    """Encrypted bytes that no row names yet. `size` is that of the plaintext, in bytes."""

    address: bytes = field(repr=False)
    size: int
    key: bytes = field(repr=False)
    data: bytes | None = field(repr=False)
    file: str | None


@dataclass(frozen=True, slots=True)
class _Opened:
    key: bytes = field(repr=False)
    size: int
    data: bytes | None = field(repr=False)
    file: str | None


def write_master_key(path: Path) -> None:
    """Writes a new random master key, readable by its owner alone; raises FileExistsError rather than replace one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_hex(32).encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def read_master_key(path: Path) -> bytes:
    """The 32 bytes of a master key file; raises VaultUnavailable with a sentence."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except FileNotFoundError as error:
        raise VaultUnavailable(f"vault.master_key_file: {path} does not exist") from error
    except (ValueError, OSError) as error:
        raise VaultUnavailable(f"vault.master_key_file: {path} is not a readable key") from error
    if len(key) != 32:
        raise VaultUnavailable(f"vault.master_key_file: {path} does not hold 32 bytes in hexadecimal")
    if path.stat().st_mode & 0o077:
        raise VaultUnavailable(f"vault.master_key_file: {path} can be read by others (chmod 600)")
    return key


class Vault:
    """The vault of one operator."""

    def __init__(self, database: Database, folder: Path, master_key: bytes) -> None:
        self._database = database
        self._folder = folder
        self._master = AESGCM(_derive(master_key, b"owner keys"))
        self._address_key = _derive(master_key, b"addresses")
        self._owners: OrderedDict[int, AESGCM] = OrderedDict()
        self._unlinking: set[asyncio.Future[None]] = set()

    @classmethod
    def open(cls, database: Database, url: str, master_key_file: Path) -> Vault:
        """Opens `file:///folder`, making the folder where it is missing; raises VaultUnavailable."""
        parts = urlsplit(url)
        if parts.scheme != "file":
            raise VaultUnavailable(f"vault.url: only file:/// is served by this version, not {parts.scheme}")
        folder = Path(parts.path)
        master_key = read_master_key(master_key_file)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync_folder(folder)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise VaultUnavailable(f"vault.url: {folder} cannot be written ({error.strerror})") from error
        return cls(database, folder, master_key)

    def __repr__(self) -> str:
        return "Vault(...)"

    # Owners

    def create_owner(self, uow: UnitOfWork) -> int:
        """A new owner with a key of its own; returns its id."""
        key = secrets.token_bytes(32)
        result = uow.execute(insert(vault_owner), {"wrapped_key": _wrap(self._master, key, b"owner")})
        assert result.inserted_primary_key is not None
        owner_id: int = result.inserted_primary_key[0]
        return owner_id

    def _owner(self, connection: Connection, owner_id: int) -> AESGCM:
        cipher = self._owners.get(owner_id)
        if cipher is None:
            row = connection.execute(_OWNER_KEY, {"owner": owner_id}).first()
            if row is None:
                raise BlobNotFound(owner_id)
            cipher = AESGCM(_unwrap(self._master, row.wrapped_key, b"owner"))
            while len(self._owners) >= _CACHED_OWNERS:
                self._owners.popitem(last=False)
            self._owners[owner_id] = cipher
        return cipher

    # Writing

    async def seal(self, data: bytes) -> SealedBlob:
        """Compresses and encrypts `data`; a large result is written to a file and synced before this returns."""
        if len(data) > _OFF_LOOP_BYTES:
            return await asyncio.to_thread(lambda: self._placed(self._seal(data)))
        sealed = self._seal(data)
        return sealed if _fits(sealed) else await asyncio.to_thread(self._placed, sealed)

    def _seal(self, data: bytes) -> SealedBlob:
        key = secrets.token_bytes(32)
        return SealedBlob(
            self._address(data), len(data), key, b"".join(vault_format.seal_chunks(key, data)), None
        )

    def _placed(self, sealed: SealedBlob) -> SealedBlob:
        """The blob as it will be stored: what does not fit into the database is in a file, synced."""
        if _fits(sealed):
            return sealed
        assert sealed.data is not None
        name = secrets.token_hex(16)
        path = self._path(name)
        self._make_shelf(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with memoryview(sealed.data) as view:
                written = 0
                while written < len(view):
                    written += os.write(descriptor, view[written:])
            os.fsync(descriptor)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
        return replace(sealed, data=None, file=name)

    def _make_shelf(self, shelf: Path) -> None:
        try:
            shelf.mkdir(mode=0o700)
        except FileExistsError:
            return
        sync_folder(self._folder)

    def store(self, uow: UnitOfWork, sealed: SealedBlob, owners: Iterable[int]) -> int:
        """Names a sealed blob in the transaction, one grant per owner in `owners`; returns the blob's id.

        Where the same content is there already, that blob is granted and the new copy dropped.
        """
        row = uow.run(_BY_ADDRESS, {"address": sealed.address}).first()
        if row is not None:
            self.drop(uow, sealed)
            for owner_id in owners:
                self.grant(uow, row.id, owner_id)
            known: int = row.id
            return known
        blob_id = uow.run(
            _INSERT_BLOB,
            {"address": sealed.address, "size": sealed.size, "data": sealed.data, "file": sealed.file},
        ).inserted_id
        uow.run_each(
            _INSERT_GRANT,
            [
                {
                    "owner_id": owner_id,
                    "blob_id": blob_id,
                    "wrapped_key": _wrap(self._owner(uow.connection, owner_id), sealed.key, sealed.address),
                    "uses": uses,
                }
                for owner_id, uses in Counter(owners).items()
            ],
        )
        return blob_id

    def grant(self, uow: UnitOfWork, blob_id: int, owner_id: int) -> None:
        """Gives an owner one use of a blob that somebody has; raises BlobNotFound where nobody has it."""
        if uow.execute(_ONE_MORE, {"owner": owner_id, "blob": blob_id}).rowcount:
            return
        row = uow.execute(_ANY_GRANT, {"blob": blob_id}).first()
        address = uow.execute(select(blob.c.address).where(blob.c.id == blob_id)).scalar()
        if row is None or address is None:
            raise BlobNotFound(blob_id)
        key = _unwrap(self._owner(uow.connection, row.owner_id), row.wrapped_key, address)
        uow.execute(
            _INSERT_GRANT,
            {
                "owner_id": owner_id,
                "blob_id": blob_id,
                "wrapped_key": _wrap(self._owner(uow.connection, owner_id), key, address),
                "uses": 1,
            },
        )

    def release(self, uow: UnitOfWork, owner_id: int, blob_id: int) -> None:
        """Drops one use; the last use of the last owner deletes the blob and, after the commit, its file."""
        names = {"owner": owner_id, "blob": blob_id}
        if not uow.run(_ONE_LESS, names).rowcount:
            return
        if not uow.run(_DROP_UNUSED, names).rowcount:
            return
        if uow.run(_ANY_GRANT, {"blob": blob_id}).first() is not None:
            return
        row = uow.run(_FILE_OF, {"blob": blob_id}).first()
        uow.run(_DELETE_BLOB, {"blob": blob_id})
        if row is not None and row.file is not None:
            self._unlink_after_commit(uow, row.file)

    async def discard(self, sealed: SealedBlob) -> None:
        """Removes the file of a sealed blob that no transaction will name."""
        if sealed.file is not None:
            await asyncio.to_thread(self._path(sealed.file).unlink, missing_ok=True)

    def drop(self, uow: UnitOfWork, sealed: SealedBlob) -> None:
        """As `discard`, once the transaction that decided it is on disk."""
        if sealed.file is not None:
            self._unlink_after_commit(uow, sealed.file)

    def _unlink_after_commit(self, uow: UnitOfWork, file: str) -> None:
        path = self._path(file)

        def unlink() -> None:
            # Off the event loop; a file that cannot be removed now is an orphan that the sweep finds.
            task = asyncio.ensure_future(asyncio.to_thread(_unlink, path))
            self._unlinking.add(task)
            task.add_done_callback(self._unlinking.discard)

        uow.after_commit(unlink)

    # Reading

    async def read(self, owner_id: int, blob_id: int) -> bytes:
        """The whole plaintext; raises BlobNotFound or BlobDamaged."""
        opened = await self._database.read(lambda connection: self._open(connection, owner_id, blob_id))
        if opened.data is not None and opened.size <= _OFF_LOOP_BYTES:
            return _plaintext(opened, opened.data)
        return await asyncio.to_thread(self._read_file, opened)

    def open_now(self, connection: Connection, owner_id: int, blob_id: int) -> bytes:
        """The whole plaintext, inside a query that already runs off the event loop."""
        return self._read_file(self._open(connection, owner_id, blob_id))

    async def stream(
        self, owner_id: int, blob_id: int, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The plaintext from `start`, `length` bytes or to the end, a chunk at a time."""
        opened = await self._database.read(lambda connection: self._open(connection, owner_id, blob_id))
        end = opened.size if length is None else min(opened.size, start + length)
        if start >= end:
            return
        if opened.data is not None:
            yield _plaintext(opened, opened.data)[start:end]
            return
        first, last = start // vault_format.CHUNK, (end - 1) // vault_format.CHUNK
        position = 0
        for index in range(last + 1):
            sealed, position = await asyncio.to_thread(
                self._chunk_at, opened, position, wanted=index >= first
            )
            if sealed is None:
                continue
            plain = await asyncio.to_thread(
                vault_format.open_chunk, opened.key, sealed, index, vault_format.chunk_count(opened.size)
            )
            base = index * vault_format.CHUNK
            yield plain[max(0, start - base) : end - base]

    def _open(self, connection: Connection, owner_id: int, blob_id: int) -> _Opened:
        row = run(connection, _GRANT, {"owner": owner_id, "blob": blob_id}).first()
        if row is None:
            raise BlobNotFound(blob_id)
        key = _unwrap(self._owner(connection, owner_id), row.wrapped_key, row.address)
        return _Opened(key, row.size, row.data, row.file)

    def _read_file(self, opened: _Opened) -> bytes:
        if opened.data is not None:
            return _plaintext(opened, opened.data)
        assert opened.file is not None
        try:
            stored = self._path(opened.file).read_bytes()
        except OSError as error:
            raise BlobDamaged("the file of a blob is missing") from error
        return _plaintext(opened, stored)

    def _chunk_at(self, opened: _Opened, position: int, *, wanted: bool) -> tuple[bytes | None, int]:
        assert opened.file is not None
        try:
            with self._path(opened.file).open("rb") as file:
                file.seek(position)
                length = vault_format.chunk_length(file.read(vault_format.PREFIX_BYTES))
                after = position + vault_format.PREFIX_BYTES + length
                return (file.read(length) if wanted else None), after
        except OSError as error:
            raise BlobDamaged("the file of a blob is missing") from error

    # Keeping house

    async def settle(self) -> None:
        """Waits for the files that are being removed; before the loop ends."""
        while self._unlinking:
            await asyncio.wait(self._unlinking)

    async def sweep(self) -> int:
        """Deletes files that no row names (left by a crash between file and commit); returns how many."""
        named = await self._database.read(
            lambda connection: set(
                connection.execute(select(blob.c.file).where(blob.c.file.is_not(None))).scalars()
            )
        )
        return await asyncio.to_thread(self._sweep, named)

    def _sweep(self, named: set[str | None]) -> int:
        # A young file may belong to a transaction that has not been committed yet.
        too_young = time.time() - _ORPHAN_SECONDS
        removed = 0
        for path in self._folder.glob("*/*"):
            if path.name not in named and path.stat().st_mtime < too_young:
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _address(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, key=self._address_key, digest_size=32).digest()

    def _path(self, file: str) -> Path:
        return self._folder / file[:2] / file


def _fits(sealed: SealedBlob) -> bool:
    return sealed.data is not None and len(sealed.data) <= IN_DATABASE_BYTES


def _plaintext(opened: _Opened, stored: bytes) -> bytes:
    count = vault_format.chunk_count(opened.size)
    chunks = vault_format.split_chunks(stored, count)
    return b"".join(
        vault_format.open_chunk(opened.key, chunk, index, count) for index, chunk in enumerate(chunks)
    )


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("file of a blob not removed", error=type(error).__name__)


def _derive(master_key: bytes, purpose: bytes) -> bytes:
    return hashlib.blake2b(purpose, key=master_key, digest_size=32, person=b"vaguemestre").digest()


def _wrap(cipher: AESGCM, key: bytes, purpose: bytes) -> bytes:
    nonce = secrets.token_bytes(12)
    return nonce + cipher.encrypt(nonce, key, purpose)


def _unwrap(cipher: AESGCM, wrapped: bytes, purpose: bytes) -> bytes:
    try:
        return cipher.decrypt(wrapped[:12], wrapped[12:], purpose)
    except InvalidTag as error:
        raise BlobDamaged("a key does not open: another master key?") from error
