"""`vaguemestre bal delegate | seen | quota`: who opens a mailbox beside its own sign-in, and how much it holds."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from directory.bals import find_bal
from mailserver.store import acl, seen
from mailserver.store.quota import QuotaLimits, quota_of
from mailserver.store.rights import ALL_RIGHTS, Right, rights_of, rights_text
from mailserver.store.seen import Whose
from vaguemestre import accounts
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Home, Json, show_one

if TYPE_CHECKING:
    from sqlalchemy import Connection

AddressArgument = Annotated[str, typer.Argument(help="Address of the mailbox.", show_default=False)]


class Role(StrEnum):
    """Usual sets of rights."""

    READER = "reader"
    WRITER = "writer"
    MANAGER = "manager"


_ROLES = {
    Role.READER: frozenset({Right.LOOKUP, Right.READ, Right.SEEN}),
    Role.WRITER: ALL_RIGHTS - {Right.CREATE, Right.DELETE_MAILBOX, Right.ADMINISTER},
    Role.MANAGER: ALL_RIGHTS,
}
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_LARGEST = 2**50


def register(bal: typer.Typer) -> None:
    """Adds the commands to `vaguemestre bal`."""
    bal.command(
        "delegate",
        epilog="Example: vaguemestre bal delegate secretariat@ime-les-tilleuls.mssante.fr --to a.b@ime-les-tilleuls.mssante.fr --role writer --home sandbox",
    )(bal_delegate)
    bal.command(
        "seen",
        epilog="Example: vaguemestre bal seen secretariat@ime-les-tilleuls.mssante.fr personal --home sandbox",
    )(bal_seen)
    bal.command(
        "quota",
        epilog="Example: vaguemestre bal quota secretariat@ime-les-tilleuls.mssante.fr --storage 20G --home sandbox",
    )(bal_quota)


def bal_delegate(
    address: AddressArgument,
    home: Home,
    to: Annotated[str, typer.Option("--to", help="Address of the member's own mailbox (PER).")],
    role: Annotated[
        Role | None,
        typer.Option(
            help="reader: read and mark as read; writer (where none is given): work with messages and write in the name of the box; manager: all."
        ),
    ] = None,
    rights: Annotated[
        str | None, typer.Option(help="In place of a role, letters of RFC 4314: lrswipkxtea.")
    ] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Close the mailbox to this member.")] = False,
    as_json: Json = False,
) -> None:
    """Opens a mailbox of a structure (ORG, CAB, APP) to a person, who signs in to their own; or closes it."""
    if role is not None and rights is not None:
        raise typer.BadParameter("--role and --rights exclude each other")
    if revoke and (role is not None or rights is not None):
        raise typer.BadParameter("--revoke takes neither --role nor --rights")
    granted = _ROLES[role or Role.WRITER] if rights is None else _parsed(rights)

    async def work(opened: Opened) -> None:
        if revoke:
            await opened.database.write(
                lambda uow: accounts.revoke_delegation(uow, opened.clock, address, to)
            )
        else:
            await opened.database.write(
                lambda uow: accounts.delegate_bal(uow, opened.clock, address, to, granted)
            )

    run(home, work)
    show_one(
        {
            "address": address.lower(),
            "member": to.lower(),
            "rights": "" if revoke else rights_text(granted),
        },
        as_json=as_json,
    )


def _parsed(letters: str) -> frozenset[Right]:
    try:
        rights = rights_of(letters.lower())
    except ValueError:
        raise typer.BadParameter(
            f"{letters} has a letter that is no right: {rights_text(ALL_RIGHTS)}", param_hint="--rights"
        ) from None
    if Right.LOOKUP not in rights:
        raise typer.BadParameter(
            "without l (lookup) no folder is seen: use --revoke to close a mailbox", param_hint="--rights"
        )
    return rights


def bal_seen(
    address: AddressArgument,
    whose: Annotated[
        Whose,
        typer.Argument(
            help="shared: what one member has read is read for all; personal: each has their own.",
            show_default=False,
        ),
    ],
    home: Home,
    as_json: Json = False,
) -> None:
    """Says whose the mark « read » is in a mailbox of a structure."""

    async def work(opened: Opened) -> None:
        await opened.database.write(lambda uow: accounts.set_bal_seen(uow, opened.clock, address, whose))

    run(home, work)
    show_one({"address": address.lower(), "seen": whose.value}, as_json=as_json)


def bal_quota(
    address: AddressArgument,
    home: Home,
    storage: Annotated[
        str | None, typer.Option(help="Octets, or with K, M, G or T; none; default: as in the settings.")
    ] = None,
    messages: Annotated[
        str | None, typer.Option(help="Number of messages; none; default: as in the settings.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Shows what a mailbox holds and may hold, and changes its limits where some are given."""
    given = {
        option: _limit(text, option)
        for option, text in (("--storage", storage), ("--messages", messages))
        if text is not None
    }

    async def work(opened: Opened) -> dict[str, Any]:
        box = await opened.database.read(lambda connection: find_bal(connection, address))
        if box is None:
            raise Failed(f"there is no mailbox {address}")
        own = await opened.database.read(lambda connection: quota_of(connection, box.owner_id).own)
        octets, count = given.get("--storage", own[0]), given.get("--messages", own[1])
        if (octets, count) != own:
            await opened.database.write(
                lambda uow: accounts.limit_bal(uow, opened.clock, address, octets, count)
            )
        limits = QuotaLimits.of(opened.settings.quota)
        shown = await opened.database.read(lambda connection: _quota_row(connection, box.owner_id, limits))
        return {"address": box.address, **shown}

    show_one(run(home, work), as_json=as_json)


def _limit(text: str, option: str) -> int | None:
    word = text.strip().lower()
    if word == "default":
        return None
    if word == "none":
        return 0
    digits = word.rstrip("kmgt")
    unit = _UNITS.get(word[len(digits) :].upper())
    if unit is None or not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise typer.BadParameter(
            f"{text} is no limit: a number, one with K, M, G or T, none, or default", param_hint=option
        )
    value = int(digits) * unit
    if not 0 < value <= _LARGEST:
        raise typer.BadParameter(f"{text} is no limit: from 1 to {_LARGEST}, or none", param_hint=option)
    return value


def _quota_row(connection: Connection, owner_id: int, defaults: QuotaLimits) -> dict[str, Any]:
    quota = quota_of(connection, owner_id, defaults)
    return {
        "bytes": quota.octets,
        "bytes_limit": quota.limits.octets or None,
        "messages": quota.messages,
        "messages_limit": quota.limits.messages or None,
    }


def details(connection: Connection, owner_id: int, defaults: QuotaLimits) -> dict[str, Any]:
    """What `bal show` tells of a box beside its account."""
    members = acl.members(connection, owner_id)
    whose = Whose.PERSONAL if seen.is_personal(connection, owner_id) else Whose.SHARED
    return {
        **_quota_row(connection, owner_id, defaults),
        "seen": whose.value,
        "members": [{"address": each.address, "rights": rights_text(each.rights)} for each in members],
    }
