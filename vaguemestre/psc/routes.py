"""The provider as routes of a sandbox's web server, under `/psc`, and the metadata that lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from vaguemestre.psc.authorization import AuthorizationEndpoint
from vaguemestre.psc.clients import Clients
from vaguemestre.psc.grants import Grants
from vaguemestre.psc.issuer import (
    ACR,
    ALL_CLAIMS,
    BASE,
    SCOPES,
    WELL_KNOWN,
    Algorithm,
    discovery_of,
    issuer_at,
)
from vaguemestre.psc.keys import SigningKeys
from vaguemestre.psc.messages import answered, refusing
from vaguemestre.psc.pages import PscPages
from vaguemestre.psc.people import claims_of, people_of
from vaguemestre.psc.resources import Resources
from vaguemestre.psc.token_endpoint import GRANT_TYPES, TokenEndpoint
from vaguemestre.psc.tokens import Mint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.settings import Settings
    from vaguemestre.fictive import Professional

_PROTOCOL = "/protocol/openid-connect"
_TOKEN_CLAIMS = ("iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "sid")
_CLIENT_METHODS = ["client_secret_basic", "client_secret_post"]


def routes(settings: Settings, database: Database, clock: Clock) -> list[BaseRoute]:
    """Every route. Raises SandboxBroken in a home that was not prepared."""
    home, issuer = settings.home, issuer_at(settings.http)
    people = people_of(home)
    clients = Clients(home, int(settings.http.rpartition(":")[2]))
    keys = SigningKeys(home)
    grants = Grants(clock)
    mint = Mint(issuer, keys, clock)
    pages = PscPages(issuer, discovery_of(issuer), people, grants, database)
    authorization = AuthorizationEndpoint(issuer, clients, people, grants, pages)
    tokens = TokenEndpoint(mint, clients, people, grants, clock)
    resources = Resources(mint, clients, people, grants, pages)
    known = metadata(issuer, people)

    async def discovery(request: Request) -> Response:
        return answered(known)

    async def certs(request: Request) -> Response:
        return answered(keys.published())

    protocol = BASE + _PROTOCOL
    return [
        Route(BASE, pages.slash, methods=["GET"]),
        Route(f"{BASE}/", pages.index, methods=["GET"]),
        Route(f"{BASE}/ciba", pages.requests, methods=["GET"]),
        Route(f"{BASE}/ciba", pages.decide, methods=["POST"]),
        *(Route(f"{BASE}/.well-known/{name}", discovery, methods=["GET"]) for name in WELL_KNOWN),
        Route(f"{protocol}/certs", certs, methods=["GET"]),
        Route(f"{protocol}/auth", authorization.answer, methods=["GET", "POST"]),
        Route(f"{protocol}/token", refusing(tokens.token), methods=["POST"]),
        Route(f"{protocol}/ext/ciba/auth", refusing(tokens.ask), methods=["POST"]),
        Route(f"{protocol}/userinfo", resources.userinfo, methods=["GET", "POST"]),
        Route(f"{protocol}/token/introspect", refusing(resources.introspect), methods=["POST"]),
        Route(f"{protocol}/revoke", refusing(resources.revoke), methods=["POST"]),
        Route(f"{protocol}/logout", resources.logout, methods=["GET", "POST"]),
    ]


def metadata(issuer: str, people: Mapping[str, Professional]) -> dict[str, Any]:
    """What the provider says of itself (OpenID Connect Discovery §3): the members of the real one that are served."""
    protocol = issuer + _PROTOCOL
    told = {name: None for each in people.values() for name in claims_of(each, ALL_CLAIMS)}
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{protocol}/auth",
        "token_endpoint": f"{protocol}/token",
        "introspection_endpoint": f"{protocol}/token/introspect",
        "userinfo_endpoint": f"{protocol}/userinfo",
        "end_session_endpoint": f"{protocol}/logout",
        "jwks_uri": f"{protocol}/certs",
        "revocation_endpoint": f"{protocol}/revoke",
        "backchannel_authentication_endpoint": f"{protocol}/ext/ciba/auth",
        "grant_types_supported": list(GRANT_TYPES),
        "acr_values_supported": [ACR],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [Algorithm.RS256.value],
        "scopes_supported": list(SCOPES),
        "claims_supported": [*told, *_TOKEN_CLAIMS],
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "token_endpoint_auth_methods_supported": _CLIENT_METHODS,
        "introspection_endpoint_auth_methods_supported": _CLIENT_METHODS,
        "revocation_endpoint_auth_methods_supported": _CLIENT_METHODS,
        "code_challenge_methods_supported": ["S256"],
        "backchannel_token_delivery_modes_supported": ["poll"],
        "backchannel_user_code_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
    }
