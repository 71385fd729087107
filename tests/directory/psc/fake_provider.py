"""A provider shaped as Pro Santé Connect: it signs what tests ask for, and does as it is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from directory.psc.https import Request, Response, Unreachable

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from foundation.clock import FixedClock

ISSUER = "https://psc.test/auth/realms/esante-wallet"
CLIENT, SECRET = "vaguemestre", "s3cr3t: à la main"
LPS = "logiciel-lps"
IDNAT = "899900000011"
SUBJECT = "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:99900000011"
REDIRECT = "https://mail.test/pro/psc"
PERSON: Mapping[str, Any] = {
    "sub": SUBJECT,
    "SubjectNameID": IDNAT,
    "preferred_username": IDNAT,
    "given_name": "Anne",
    "family_name": "EXEMPLE",
}
RSA_1, RSA_2, RSA_3 = (RSAKey.generate_key(2048, {"kid": f"key-{number}"}) for number in (1, 2, 3))


class FakeProvider:
    """Answers requests as the provider would. `keys` are what it publishes, the first signs."""

    def __init__(self, clock: FixedClock, issuer: str = ISSUER) -> None:
        self.clock = clock
        self.issuer = issuer
        self.keys: list[RSAKey | ECKey] = [RSA_1]
        self.published: dict[str, Any] | None = None
        self.discovery_name = "/.well-known/wallet-openid-configuration"
        self.metadata: dict[str, Any] = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/auth?theme=psc",
            "token_endpoint": f"{issuer}/token",
            "introspection_endpoint": f"{issuer}/introspect",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "end_session_endpoint": f"{issuer}/logout",
            "jwks_uri": f"{issuer}/certs",
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"],
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
            "mtls_endpoint_aliases": {"token_endpoint": f"{issuer}/mtls/token"},
        }
        self.is_down = False
        self.missing: set[str] = set()
        self.asked: list[str] = []
        self.requests: list[Request] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.token_answer: dict[str, Any] | None = None
        self.id_claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | str = dict(PERSON)
        self.introspection: dict[str, Any] | bytes = {"active": False}
        self.hold: asyncio.Event | None = None
        self.is_closed = False

    async def __call__(self, request: Request) -> Response:
        path = request.url.removeprefix(self.issuer)
        self.asked.append(path)
        self.requests.append(request)
        answer = None if self.is_down else self._answer(path, request)
        if self.hold is not None:
            await self.hold.wait()
        else:
            await asyncio.sleep(0)
        if answer is None:
            raise Unreachable(f"{request.url} cannot be reached.")
        return answer

    async def aclose(self) -> None:
        self.is_closed = True

    def _answer(self, path: str, request: Request) -> Response:
        if path in self.missing:
            return Response(404, "text/html", b"<p>404</p>")
        if path == self.discovery_name:
            return reply(self.metadata)
        if path == "/certs":
            return reply(
                self.published if self.published is not None else {"keys": [public(key) for key in self.keys]}
            )
        if path == "/introspect" and self._is_client(request):
            if isinstance(self.introspection, bytes):
                return Response(200, "application/json", self.introspection)
            return reply(self.introspection)
        if path in ("/token", "/mtls/token"):
            return self._exchange(request)
        if path == "/userinfo" and request.headers["Authorization"].startswith("Bearer "):
            if isinstance(self.userinfo, str):
                return Response(200, "application/jwt", self.userinfo.encode())
            return reply(self.userinfo)
        return Response(404, "text/html", b"<p>404</p>")

    def _exchange(self, request: Request) -> Response:
        if self.token_answer is not None:
            return reply(self.token_answer)
        form = request.form or {}
        issued = self.codes.pop(form["code"], None)
        if not self._is_client(request):
            return reply({"error": "invalid_client"}, 401)
        challenge = unpadded(hashlib.sha256(form["code_verifier"].encode()).digest())
        expected = {"redirect_uri": form["redirect_uri"], "code_challenge": challenge}
        if issued is None or any(issued[name] != value for name, value in expected.items()):
            return reply({"error": "invalid_grant", "error_description": "Code not valid"}, 400)
        access_token = self.access_token()
        claims = {"nonce": issued["nonce"], "at_hash": half_hash(access_token)} | self.id_claims
        return reply(
            {
                "access_token": access_token,
                "id_token": self.id_token(**claims),
                "token_type": "Bearer",
                "expires_in": 240,
            }
        )

    def _is_client(self, request: Request) -> bool:
        # RFC 6749 §2.3.1, as its appendix B says: + for a space, %XX for what is not ASCII.
        encoded = b"vaguemestre:s3cr3t%3A+%C3%A0+la+main"
        basic = f"Basic {base64.b64encode(encoded).decode()}"
        form = request.form or {}
        return (
            request.headers.get("Authorization") == basic
            or (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
            or (request.url.endswith("/mtls/token") and form.get("client_id") == CLIENT)
        )

    def visit(self, url: str) -> tuple[str, str]:
        """What the browser brings back from the authorization endpoint: code and state."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = f"code-{len(self.codes)}-{query['state'][:4]}"
        self.codes[code] = query
        return code, query["state"]

    def now(self) -> int:
        return int(self.clock.now().timestamp())

    def access_token(
        self, *, key: RSAKey | ECKey | None = None, header: Mapping[str, Any] = {}, **claims: Any
    ) -> str:
        """An access token as Pro Santé Connect makes them; a claim that is None is left out."""
        usual = {
            **PERSON,
            "iss": self.issuer,
            "exp": self.now() + 240,
            "iat": self.now(),
            "typ": "Bearer",
            "azp": LPS,
            "acr": "eidas1",
            "scope": "openid scope_all",
        }
        return self.sign(usual | claims, key=key, header=header)

    def id_token(self, *, key: RSAKey | ECKey | None = None, **claims: Any) -> str:
        usual = {
            "iss": self.issuer,
            "sub": SUBJECT,
            "aud": CLIENT,
            "azp": CLIENT,
            "exp": self.now() + 240,
            "iat": self.now(),
            "typ": "ID",
            "acr": "eidas1",
            "sid": "session-1",
        }
        return self.sign(usual | claims, key=key)

    def sign(
        self, claims: Mapping[str, Any], *, key: RSAKey | ECKey | None = None, header: Mapping[str, Any] = {}
    ) -> str:
        key = key or self.keys[0]
        head = {
            "alg": "RS256" if isinstance(key, RSAKey) else "ES256",
            "typ": "JWT",
            "kid": key.kid,
            **header,
        }
        present = {name: value for name, value in claims.items() if value is not None}
        return jws.serialize_compact(
            {name: value for name, value in head.items() if value is not None},
            json.dumps(present).encode(),
            key,
            algorithms=[head["alg"]],
        )


def public(key: RSAKey | ECKey, **members: Any) -> dict[str, Any]:
    """A key as a JWK Set shows it."""
    return {**key.as_dict(private=False), "use": "sig", **members}


def reply(content: Any, status: int = 200) -> Response:
    return Response(status, "application/json", json.dumps(content).encode())


def unpadded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def half_hash(access_token: str) -> str:
    return unpadded(hashlib.sha256(access_token.encode()).digest()[:16])


def raw_token(header: bytes, claims: bytes, signature: bytes = b"x" * 256) -> str:
    """Three segments of any octets."""
    return ".".join(map(unpadded, (header, claims, signature)))


def rsa_token(header: bytes, claims: bytes, key: RSAPrivateKey) -> str:
    """A token with an RS256 signature that joserfc would not make."""
    signed = f"{unpadded(header)}.{unpadded(claims)}"
    return f"{signed}.{unpadded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def hmac_token(claims: Mapping[str, Any], secret: bytes, kid: str) -> str:
    """A token signed by HS256 with `secret`, for a server that confuses algorithms."""
    head = unpadded(json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid}).encode())
    signed = f"{head}.{unpadded(json.dumps(claims).encode())}"
    return f"{signed}.{unpadded(hmac.digest(secret, signed.encode(), 'sha256'))}"


@asynccontextmanager
async def over_https(provider: FakeProvider, tls: ssl.SSLContext) -> AsyncIterator[str]:
    """Serves a provider on loopback; yields `https://localhost:PORT`, where its issuer has to be."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                fields = dict(line.split(": ", 1) for line in head[1:] if line)
                names = {name.lower(): value for name, value in fields.items()}
                body = await reader.readexactly(int(names.get("content-length", 0)))
                form = {name: each[0] for name, each in parse_qs(body.decode()).items()} if body else None
                url = f"https://{names['host']}{head[0].split()[1]}"
                sent = {name.title(): value for name, value in names.items()}
                answer = await provider(Request(url, sent, form))
                writer.write(
                    f"HTTP/1.1 {answer.status} X\r\nContent-Type: {answer.media_type}; charset=utf-8\r\n"
                    f"Set-Cookie: who=last; Path=/\r\n"
                    f"Content-Length: {len(answer.body)}\r\n\r\n".encode()
                    + answer.body
                )
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
