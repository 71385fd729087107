"""What goes in and out of the endpoints: parameters read strictly, errors as OAuth 2.0 tells them."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote_plus

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from vaguemestre.psc.clients import Client, Clients

    Endpoint = Callable[[Request], Awaitable[Response]]

_PARAMETERS = 40
_LONGEST = 16 * 1024
_FORM = "application/x-www-form-urlencoded"
_NEVER_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthError(Exception):
    """A refusal: its code (RFC 6749 §5.2 and its registry), one sentence, and the HTTP status."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status

    def response(self) -> Response:
        """The refusal as a token endpoint tells it."""
        answer = answered({"error": self.code, "error_description": self.description}, self.status)
        if self.code == "invalid_client":
            answer.headers["WWW-Authenticate"] = 'Basic realm="psc"'
        return answer


def answered(values: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON answer that nobody keeps (RFC 6749 §5.1)."""
    return JSONResponse(values, status, headers=_NEVER_KEPT)


def refusing(endpoint: Endpoint) -> Endpoint:
    """The endpoint with its refusals as JSON."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except OAuthError as error:
            return error.response()

    return answer


def query_parameters(request: Request) -> dict[str, str]:
    """The parameters of an address. Raises OAuthError."""
    return _parse(request.scope["query_string"])


async def browser_parameters(request: Request) -> dict[str, str]:
    """The parameters a browser brings by GET or POST. Raises OAuthError with a sentence for the person."""
    try:
        return await form_parameters(request) if request.method == "POST" else query_parameters(request)
    except OAuthError as error:
        raise OAuthError(error.code, "Cette demande est illisible.", error.status) from error


async def form_parameters(request: Request) -> dict[str, str]:
    """The parameters of a posted form. Raises OAuthError; the guard of the portal bounds the body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise OAuthError("invalid_request", f"the body has to be {_FORM}")
    return _parse(await request.body())


def _parse(data: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(data.decode(), keep_blank_values=True, errors="strict", max_num_fields=_PARAMETERS)
    except ValueError as error:
        raise OAuthError("invalid_request", "the parameters cannot be read") from error
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise OAuthError("invalid_request", "a parameter stands there twice")
    if any(len(value) > _LONGEST for _, value in pairs):
        raise OAuthError("invalid_request", "a parameter is too long")
    # RFC 6749 §3.1: without a value it counts as left out.
    return {name: value for name, value in pairs if value}


def required(parameters: Mapping[str, str], name: str) -> str:
    """A parameter's value. Raises OAuthError where it is missing."""
    value = parameters.get(name)
    if value is None:
        raise OAuthError("invalid_request", f"{name} is missing")
    return value


def authenticated(request: Request, parameters: Mapping[str, str], clients: Clients) -> Client:
    """The client that sent this, by client_secret_basic or client_secret_post (RFC 6749 §2.3.1). Raises OAuthError."""
    header = request.headers.get("authorization")
    client_id, secret = parameters.get("client_id", ""), parameters.get("client_secret", "")
    if header is not None:
        if secret:
            raise OAuthError("invalid_request", "the client proves itself twice")
        named, secret = _basic(header)
        if client_id not in ("", named):
            raise OAuthError("invalid_request", "client_id is not the client that proves itself")
        client_id = named
    client = clients.proven(client_id, secret)
    if client is None:
        raise OAuthError("invalid_client", "the client or its secret is wrong", 401)
    return client


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError
        return unquote_plus(name, errors="strict"), unquote_plus(secret, errors="strict")
    except (ValueError, binascii.Error) as error:
        raise OAuthError("invalid_client", "the Authorization header cannot be read", 401) from error
