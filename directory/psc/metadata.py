"""What a provider says about itself (OpenID Connect Discovery 1.0), and how a client proves itself to it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote_plus

from directory.psc.https import Request, Unreachable, is_https

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WELL_KNOWN = ("/.well-known/wallet-openid-configuration", "/.well-known/openid-configuration")
"""Pro Santé Connect publishes under the first name, the standard has the second."""
_LARGEST_SECRET = 4096


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a client has to prove itself: with the ways offered, and another address for the way by certificate
    (RFC 8705 §5).
    """

    url: str
    methods: tuple[str, ...]
    mtls_url: str

    def request(self, client_id: str, secret_file: Path, form: Mapping[str, str]) -> Request:
        """A form for this endpoint from this client. Raises Unreachable when it knows no way we have.

        `client_secret_basic` is the default (OpenID Connect Core §9); the certificate stands alone only where no
        way with a secret is offered.
        """
        if "client_secret_basic" in self.methods:
            pair = f"{quote_plus(client_id)}:{quote_plus(_secret(secret_file))}"  # RFC 6749 §2.3.1
            return Request(self.url, {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}, form)
        named = {**form, "client_id": client_id}
        if "client_secret_post" in self.methods:
            return Request(self.url, form={**named, "client_secret": _secret(secret_file)})
        if "tls_client_auth" in self.methods:
            return Request(self.mtls_url, form=named)
        raise Unreachable(f"{self.url} offers no way of client authentication that is known here.")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The endpoints of a provider; None for one it does not have."""

    jwks_uri: str
    authorization: str | None
    token: Endpoint | None
    introspection: Endpoint | None
    userinfo: str | None
    end_session: str | None
    names_itself: bool
    """Whether its answers carry `iss` (RFC 9207 §3)."""

    @classmethod
    def read(cls, document: Mapping[str, Any], *, issuer: str) -> Self:
        """Raises Unreachable when the document is another issuer's, or an endpoint in it is not https.

        The issuer is compared character by character (OpenID Connect Discovery §4.3).
        """
        if document.get("issuer") != issuer:
            raise Unreachable("The metadata of Pro Santé Connect name another issuer than psc.issuer.")
        jwks_uri = _url(document, "jwks_uri")
        if jwks_uri is None:
            raise Unreachable("The metadata of Pro Santé Connect name no jwks_uri.")
        return cls(
            jwks_uri=jwks_uri,
            authorization=_url(document, "authorization_endpoint"),
            token=_endpoint(document, "token_endpoint"),
            introspection=_endpoint(document, "introspection_endpoint"),
            userinfo=_url(document, "userinfo_endpoint"),
            end_session=_url(document, "end_session_endpoint"),
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        )


def _url(document: Mapping[str, Any], name: str) -> str | None:
    url = document.get(name)
    if url is None:
        return None
    if not isinstance(url, str) or not is_https(url):
        raise Unreachable(f"The {name} of Pro Santé Connect is no https URL.")
    return url


def _endpoint(document: Mapping[str, Any], name: str) -> Endpoint | None:
    url = _url(document, name)
    if url is None:
        return None
    methods = document.get(f"{name}_auth_methods_supported", ["client_secret_basic"])
    aliases = document.get("mtls_endpoint_aliases")
    return Endpoint(
        url,
        tuple(each for each in methods if isinstance(each, str)) if isinstance(methods, list) else (),
        (_url(aliases, name) if isinstance(aliases, dict) else None) or url,
    )


def _secret(file: Path) -> str:
    """The client secret, read each time: a new one counts at once and none stays in memory."""
    try:
        with file.open("rb") as opened:
            secret = opened.read(_LARGEST_SECRET).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unreachable("The file psc.client_secret_file cannot be read.") from error
    if not secret:
        raise Unreachable("The file psc.client_secret_file is empty.")
    return secret
