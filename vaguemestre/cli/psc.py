"""`vaguemestre token` and `vaguemestre psc …`: the sandbox's Pro Santé Connect from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foundation.clock import SystemClock
from foundation.settings import load
from vaguemestre.cli.output import Failed, Home, Json, show, show_one
from vaguemestre.psc.issuer import (
    ACCESS_SECONDS,
    PORTAL,
    SCOPES,
    SOFTWARE,
    Algorithm,
    discovery_of,
    issuer_at,
)

if TYPE_CHECKING:
    from foundation.settings import Settings

_YEAR = 366 * 24 * 60 * 60

app = typer.Typer(no_args_is_help=True, help="Pro Santé Connect of the sandbox: its people and its keys.")


def register(program: typer.Typer) -> None:
    """Adds `token` and the family `psc`."""
    program.command(epilog="Example: vaguemestre token --home sandbox --user 899900000102")(token)
    program.add_typer(app, name="psc")


def token(
    home: Home,
    user: Annotated[str, typer.Option("--user", help="User name, an IdNat_PS.", show_default=False)],
    lifetime: Annotated[
        int,
        typer.Option(min=-_YEAR, max=_YEAR, help="Seconds it holds; negative: it has expired so long ago."),
    ] = ACCESS_SECONDS,
    certificate: Annotated[
        Path | None, typer.Option(help="Certificate the token is bound to (cnf.x5t#S256), PEM.")
    ] = None,
    algorithm: Annotated[Algorithm, typer.Option(help="What it is signed with.")] = Algorithm.RS256,
    as_json: Json = False,
) -> None:
    """Prints an access token of Pro Santé Connect for one of the sandbox's professionals."""
    from vaguemestre.psc.grants import Grants
    from vaguemestre.psc.keys import SigningKeys
    from vaguemestre.psc.people import people_of
    from vaguemestre.psc.tokens import Mint

    settings = _sandbox(home, "access tokens are made")
    professional = people_of(settings.home).get(user)
    if professional is None:
        raise Failed(f"{user} is no professional of this sandbox: `vaguemestre psc show` lists them")
    thumbprint = None if certificate is None else _thumbprint(certificate)
    clock = SystemClock()
    issuer, scope = issuer_at(settings.http), " ".join(SCOPES)
    session = Grants(clock).begin(user, SOFTWARE, scope)
    made = Mint(issuer, SigningKeys(settings.home), clock).access_token(
        professional, session, lifetime=lifetime, thumbprint=thumbprint, algorithm=algorithm
    )
    if not as_json:
        print(made)
        return
    values = {"access_token": made, "token_type": "Bearer", "expires_in": lifetime, "scope": scope}
    show_one({**values, "username": user, "issuer": issuer}, as_json=True)


@app.command("show", epilog="Example: vaguemestre psc show --home sandbox")
def show_all(home: Home, as_json: Json = False) -> None:
    """Shows where the provider is, its clients, the professionals, and the keys it signs with."""
    from vaguemestre.psc import keys
    from vaguemestre.psc.people import people_of

    settings = _sandbox(home, "Pro Santé Connect is played")
    issuer = issuer_at(settings.http)
    places = {"issuer": issuer, "discovery": discovery_of(issuer)}
    users = [
        {
            "username": username,
            "name": f"{each.first_name.capitalize()} {each.last_name}",
            "profession": each.profession,
            "structure": each.structure.name,
        }
        for username, each in people_of(settings.home).items()
    ]
    states = keys.states(settings.home)
    if as_json:
        values = {**places, "clients": [PORTAL, SOFTWARE], "users": users, "keys": states}
        print(json.dumps(values, ensure_ascii=False, indent=2))
        return
    show_one({**places, "clients": f"{PORTAL}, {SOFTWARE}"}, as_json=False)
    print()
    show(users, ("username", "name", "profession", "structure"), as_json=False)
    print()
    show(states, ("kid", "alg", "state"), as_json=False)


@app.command(epilog="Example: vaguemestre psc rotate --home sandbox")
def rotate(
    home: Home,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Former signatures hold no longer, as after a theft.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Signs with new keys from now on; a running sandbox takes them up. The former keys serve until the next time."""
    from vaguemestre.psc import keys

    settings = _sandbox(home, "keys are changed")
    made = keys.rotate(settings.home, keep_old=not drop_old)
    show([{"kid": kid} for kid in made], ("kid",), as_json=as_json)


def _sandbox(home: Path, what: str) -> Settings:
    settings = load(home)
    if not settings.sandbox:
        raise Failed(f"{what} in a sandbox only: a real operator relies on Pro Santé Connect")
    return settings


def _thumbprint(certificate: Path) -> str:
    from vaguemestre.psc.messages import OAuthError
    from vaguemestre.psc.token_endpoint import pem_thumbprint

    try:
        return pem_thumbprint(certificate.read_bytes())
    except OSError as error:
        raise Failed(f"{certificate} cannot be read: {error.strerror}") from error
    except OAuthError as error:
        raise Failed(f"{certificate} is no certificate in PEM") from error
