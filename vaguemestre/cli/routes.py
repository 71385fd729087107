"""`vaguemestre routes …`: where the mail server of a domain listens, instead of what its MX says."""

from __future__ import annotations

from typing import Annotated

import typer

from certs.routes import checked_routes, format_address, read_routes, set_route, unset_route
from certs.white_list import canonical_domain
from foundation.settings import FILE_NAME, load
from vaguemestre.cli.output import Failed, Home, Json, show, show_one

app = typer.Typer(
    no_args_is_help=True,
    help="Routes: the mail server of a domain, instead of its MX; a running service takes them up.",
)

_Domain = Annotated[str, typer.Argument(help="The domain.")]


@app.command("set", epilog="Example: vaguemestre routes set --home sandbox essai.mssante.fr 127.0.0.1:2525")
def set_one(
    home: Home,
    domain: _Domain,
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where its mail server listens.")],
    as_json: Json = False,
) -> None:
    """Sends mail for a domain to this host and port; the certificate must be listed all the same."""
    settings = load(home)
    changed = set_route(settings.home, domain, address)
    outcome = "set" if changed else "set already"
    show_one({"domain": domain, "address": address, "outcome": outcome}, as_json=as_json)


@app.command("list", epilog="Example: vaguemestre routes list --home sandbox")
def list_all(home: Home, as_json: Json = False) -> None:
    """Lists the routes of the settings and those that were set by command, which come first."""
    settings = load(home)
    from_settings = checked_routes(settings.routes)
    by_command = read_routes(settings.home)
    rows = [
        {
            "domain": domain,
            "address": format_address(address),
            "from": "routes.toml" if domain in by_command else FILE_NAME,
        }
        for domain, address in sorted({**from_settings, **by_command}.items())
    ]
    show(rows, ("domain", "address", "from"), as_json=as_json)


@app.command(epilog="Example: vaguemestre routes unset --home sandbox essai.mssante.fr")
def unset(home: Home, domain: _Domain, as_json: Json = False) -> None:
    """Takes away a route that was set by command."""
    settings = load(home)
    if not unset_route(settings.home, domain):
        if canonical_domain(domain) in checked_routes(settings.routes):
            raise Failed(f"the route of {domain} stands in {FILE_NAME}: change it there")
        raise Failed(f"{domain} has no route")
    show_one({"domain": domain, "outcome": "unset"}, as_json=as_json)
