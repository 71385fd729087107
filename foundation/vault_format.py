"""How a body lies on disk: chunks of 256 KiB, each compressed by zstd, then sealed by AES-256-GCM.

A blob has its own random key, so the nonce of a chunk is simply its index. The additional data of a chunk holds
its index and whether it is the last, so chunks cannot be swapped, dropped or cut off unnoticed. Each chunk is
preceded by its length in four bytes, big-endian: a reader can skip to the middle of a large blob.
"""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 256 * 1024
_LENGTH = struct.Struct(">I")
_AAD = struct.Struct(">3sQ?")
_MAGIC = b"vm1"
_LEVEL = 1


class BlobDamaged(Exception):
    """The stored bytes are not what was sealed."""


_local = threading.local()


def _compressor() -> zstandard.ZstdCompressor:
    """One compressor for each thread: making one costs more than compressing a short mail."""
    compressor: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    return compressor


def chunk_count(size: int) -> int:
    """Chunks of a blob of `size` plaintext bytes; an empty blob has one."""
    return max(1, -(-size // CHUNK))


def seal_chunks(key: bytes, data: bytes) -> Iterator[bytes]:
    """The sealed chunks of `data`, each with its length in front."""
    cipher = AESGCM(key)
    compressor = _compressor()
    count = chunk_count(len(data))
    view = memoryview(data)
    for index in range(count):
        plain = compressor.compress(view[index * CHUNK : (index + 1) * CHUNK])
        sealed = cipher.encrypt(_nonce(index), plain, _AAD.pack(_MAGIC, index, index == count - 1))
        yield _LENGTH.pack(len(sealed)) + sealed


def open_chunk(key: bytes, sealed: bytes, index: int, count: int) -> bytes:
    """The plaintext of chunk `index` of `count`; raises BlobDamaged."""
    try:
        plain = AESGCM(key).decrypt(_nonce(index), sealed, _AAD.pack(_MAGIC, index, index == count - 1))
        return zstandard.ZstdDecompressor().decompress(plain, max_output_size=CHUNK)
    except (InvalidTag, zstandard.ZstdError) as error:
        raise BlobDamaged(f"chunk {index} does not open") from error


def split_chunks(stored: bytes, count: int) -> Iterator[bytes]:
    """The sealed chunks of a whole stored blob."""
    position = 0
    for _ in range(count):
        length = chunk_length(stored[position : position + _LENGTH.size])
        position += _LENGTH.size
        if position + length > len(stored):
            raise BlobDamaged("the blob is cut short")
        yield stored[position : position + length]
        position += length


def chunk_length(prefix: bytes) -> int:
    """The length a chunk announces; raises BlobDamaged where it cannot be true."""
    if len(prefix) != _LENGTH.size:
        raise BlobDamaged("the blob is cut short")
    length: int = _LENGTH.unpack(prefix)[0]
    if length > 2 * CHUNK:
        raise BlobDamaged("a chunk is longer than any chunk")
    return length


PREFIX_BYTES = _LENGTH.size


def _nonce(index: int) -> bytes:
    return index.to_bytes(12, "big")
