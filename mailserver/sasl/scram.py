"""The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), without a database.

first = parse_client_first(message, endpoint)        # who, and with which binding
challenge = ServerFirst.answer(first, verifier)      # salt and count
challenge.check(client_final) -> the server's signature, or None
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.serialization import Encoding

from mailserver.sasl.messages import saslname

if TYPE_CHECKING:
    from typing import Self

    from cryptography import x509

MAXIMUM_NONCE = 256  # octets
BINDING = b"tls-server-end-point"
"""RFC 5929 §4: the only binding that Python can compute under TLS 1.2 and 1.3 alike."""


class Verifies(Protocol):
    """What is stored of a password (RFC 5802 §3)."""

    @property
    def salt(self) -> bytes: ...
    @property
    def iterations(self) -> int: ...
    @property
    def stored_key(self) -> bytes: ...
    @property
    def server_key(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class ClientFirst:
    """Who wants to sign in. `bound` is what the client's final message has to repeat of header and binding."""

    login: str
    nonce: bytes = field(repr=False)
    bare: bytes = field(repr=False)
    bound: bytes = field(repr=False)


def parse_client_first(message: bytes, endpoint: bytes | None, *, plus: bool) -> ClientFirst | None:
    """None where it is malformed, binds to something else than `endpoint`, or was downgraded (RFC 5802 §6).

    `endpoint` is the digest of this server's certificate, None without TLS; `plus` whether the mechanism of that
    name was chosen.
    """
    parts = message.split(b",", 2)
    if len(parts) != 3:
        return None
    flag, authorization, bare = parts
    if plus:
        if flag != b"p=" + BINDING or endpoint is None:
            return None
        binding = endpoint
    else:
        # "y" says: I could bind, but you did not offer it. We do, so somebody in between has taken it away.
        if flag != b"n" and not (flag == b"y" and endpoint is None):
            return None
        binding = b""
    fields = bare.split(b",")
    if len(fields) < 2 or not fields[0].startswith(b"n=") or not fields[1].startswith(b"r="):
        return None  # a mandatory extension (m=) would stand first
    login = saslname(fields[0][2:])
    nonce = fields[1][2:]
    if not login or not _is_printable(nonce):
        return None
    if authorization and (authorization[:2] != b"a=" or saslname(authorization[2:]) != login):
        return None
    header = flag + b"," + authorization + b","
    return ClientFirst(login, nonce, bare, header + binding)


@dataclass(frozen=True, slots=True)
class ServerFirst:
    """The challenge, and what its answer is checked with."""

    message: bytes
    _first: ClientFirst = field(repr=False)
    _verifier: Verifies = field(repr=False)
    _nonce: bytes = field(repr=False)

    @classmethod
    def answer(cls, first: ClientFirst, verifier: Verifies) -> Self:
        nonce = first.nonce + secrets.token_urlsafe(24).encode()
        salt = b64encode(verifier.salt)
        message = b"r=" + nonce + b",s=" + salt + f",i={verifier.iterations}".encode()
        return cls(message, first, verifier, nonce)

    def check(self, client_final: bytes) -> bytes | None:
        """The server's final message where the client has the password; None where not."""
        without_proof, separator, proof = client_final.rpartition(b",p=")
        fields = without_proof.split(b",")
        expected = [b"c=" + b64encode(self._first.bound), b"r=" + self._nonce]
        if not separator or not hmac.compare_digest(b",".join(fields[:2]), b",".join(expected)):
            return None
        try:
            given = b64decode(proof, validate=True)
        except (binascii.Error, ValueError):
            return None
        whole = b",".join((self._first.bare, self.message, without_proof))
        signature = _hmac(self._verifier.stored_key, whole)
        if len(given) != len(signature):
            return None
        client_key = bytes(left ^ right for left, right in zip(given, signature, strict=True))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key):
            return None
        return b"v=" + b64encode(_hmac(self._verifier.server_key, whole))


def endpoint_of(certificate: x509.Certificate) -> bytes:
    """The binding of a server's certificate, by the hash of its own signature; SHA-256 instead of weaker ones."""
    algorithm = certificate.signature_hash_algorithm
    name = algorithm.name if algorithm is not None else "sha256"
    if name in {"md5", "sha1"}:
        name = "sha256"
    return hashlib.new(name, certificate.public_bytes(Encoding.DER)).digest()


def _is_printable(nonce: bytes) -> bool:
    return 0 < len(nonce) <= MAXIMUM_NONCE and all(0x21 <= octet <= 0x7E for octet in nonce)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)
