"""`vaguemestre operator …`: who may sign in to the operator pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from foundation.passwords import hash_password
from mailserver.signin import second_factor
from mailserver.signin.policy import RefusedPasswords, weakness_of
from portal.operators import accounts
from vaguemestre.cli.life import moment
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Home, Json, PasswordStdin, read_password, show, show_one

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from portal.operators.accounts import OperatorAccount

app = typer.Typer(no_args_is_help=True, help="Accounts of the operator pages (/operateur/).")

Username = Annotated[str, typer.Argument(help="Name of the operator.", show_default=False)]


@app.command(
    "add",
    epilog="Example: printf '%s\\n' \"$PASSWORD\" | vaguemestre operator add claude --home sandbox --password-stdin",
)
def add(username: Username, home: Home, password_stdin: PasswordStdin = False, as_json: Json = False) -> None:
    """Adds an operator; the second factor is set up at the first sign-in."""
    password = read_password(password_stdin)

    async def work(opened: Opened) -> OperatorAccount:
        stored = await _stored(opened, password, username)
        return await opened.database.write(
            lambda uow: accounts.add_operator(uow, opened.vault, opened.clock, username, stored)
        )

    show_one(_row(run(home, work)), as_json=as_json)


@app.command("list", epilog="Example: vaguemestre operator list --home sandbox --json")
def list_(home: Home, as_json: Json = False) -> None:
    """Lists the operators, removed ones too."""

    def query(connection: Connection) -> list[dict[str, Any]]:
        return [
            _row(each) | {"second_factor": second_factor.is_enrolled(connection, each.owner_id)}
            for each in accounts.list_operators(connection)
        ]

    async def work(opened: Opened) -> list[dict[str, Any]]:
        return await opened.database.read(query)

    show(run(home, work), ("username", "created_at", "removed_at", "second_factor"), as_json=as_json)


@app.command(
    "password",
    epilog="Example: printf '%s\\n' \"$PASSWORD\" | vaguemestre operator password claude --home sandbox --password-stdin",
)
def password(
    username: Username, home: Home, password_stdin: PasswordStdin = False, as_json: Json = False
) -> None:
    """Gives an operator another password; the second factor is set up anew and sessions end."""
    plain = read_password(password_stdin)

    async def work(opened: Opened) -> OperatorAccount:
        stored = await _stored(opened, plain, username)
        return await opened.database.write(
            lambda uow: accounts.set_operator_password(uow, opened.clock, username, stored)
        )

    show_one(_row(run(home, work)), as_json=as_json)


@app.command("remove", epilog="Example: vaguemestre operator remove claude --home sandbox")
def remove(username: Username, home: Home, as_json: Json = False) -> None:
    """Lets an operator sign in no more; the name is not given again."""

    async def work(opened: Opened) -> OperatorAccount:
        await opened.database.write(lambda uow: accounts.remove_operator(uow, opened.clock, username))
        found = await opened.database.read(lambda connection: accounts.find_operator(connection, username))
        assert found is not None
        return found

    show_one(_row(run(home, work)), as_json=as_json)


async def _stored(opened: Opened, plain: str, username: str) -> str:
    refused = RefusedPasswords.of(opened.settings)
    weakness = weakness_of(plain, address=username, name=username, refused=refused)
    if weakness is not None:
        raise Failed(f"the password is refused: {weakness}")
    return await hash_password(plain)


def _row(found: OperatorAccount) -> dict[str, Any]:
    return {
        "username": found.username,
        "created_at": moment(found.created_at),
        "removed_at": moment(found.removed_at),
    }
