"""The directory written as JSON, for programs that know no other format of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from directory.annuaire.conditions import Everything

if TYPE_CHECKING:
    from collections.abc import Iterator

    from directory.annuaire.conditions import Condition
    from directory.annuaire.model import Mailbox
    from directory.annuaire.view import View

_PAGE = 1000
_FOR_OPERATORS = frozenset({"responsible", "updated_at"})


def public_values(mailbox: Mailbox) -> dict[str, Any]:
    """What anybody may read of a mailbox, without what is empty; who answers for it is for operators alone."""
    return {
        name: value
        for name, value in asdict(mailbox).items()
        if value is not None and name not in _FOR_OPERATORS
    }


# ref: F37
def json_lines(view: View, condition: Condition | None = None) -> Iterator[str]:
    """One array, a line for each mailbox in the order of addresses, each with its line end."""
    yield "["
    after, end = "", "\n"
    while page := view.page(condition or Everything(), _PAGE, after=after):
        for mailbox in page:
            yield end + json.dumps(public_values(mailbox), ensure_ascii=False)
            end = ",\n"
        after = page[-1].address
    yield "\n]\n"
