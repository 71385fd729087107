"""The directory as LDIF (RFC 2849), in the entries that LDAP shows: slapd loads it with our schema file."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from directory.annuaire.conditions import Everything
from directory.ldap import schema
from directory.ldap.entries import SUFFIX_ENTRY, values_of
from directory.ldap.names import SUFFIX, dn_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from directory.annuaire.conditions import Condition
    from directory.annuaire.view import View

_PAGE: Final = 1000
_WIDTH: Final = 76
_OPERATIONAL = frozenset(each.name for each in schema.ATTRIBUTES if each.usage)
_TELEPHONE = frozenset("0123456789 +-()/.,")


def export(view: View, condition: Condition | None = None) -> Iterator[str]:
    """The lines of the file, each with its end: the suffix, then the mailboxes in the order of their addresses.

    With `condition` only those that meet it.
    """
    # Without a version line, which slapadd takes for an entry.
    yield from _entry(SUFFIX, SUFFIX_ENTRY)
    wanted = condition if condition is not None else Everything()
    after = ""
    while page := view.page(wanted, _PAGE, after=after):
        for mailbox in page:
            # The attribute `mail` is IA5: an address in other letters has no entry that slapd would take.
            if mailbox.address.isascii():
                yield from _entry(dn_of(mailbox.address), values_of(mailbox))
        after = page[-1].address


def _entry(name: str, attributes: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    yield _line("dn", name)
    for attribute, values in attributes.items():
        if attribute in _OPERATIONAL:
            continue
        for value in values:
            if attribute != "telephoneNumber" or _TELEPHONE.issuperset(value):
                yield _line(attribute, value)
    yield "\n"


def _line(attribute: str, value: str) -> str:
    """One value, in base64 where it is not plain, folded where it is long."""
    if _is_plain(value):
        line = f"{attribute}: {value}"
    else:
        line = f"{attribute}:: {base64.b64encode(value.encode()).decode()}"
    if len(line) <= _WIDTH:
        return f"{line}\n"
    pieces = [line[:_WIDTH]]
    pieces += [line[start : start + _WIDTH - 1] for start in range(_WIDTH, len(line), _WIDTH - 1)]
    return "\n ".join(pieces) + "\n"


def _is_plain(value: str) -> bool:
    """SAFE-STRING of RFC 2849, without a space at its end."""
    return (
        value.isascii()
        and value.isprintable()
        and not value.startswith((" ", ":", "<"))
        and not value.endswith(" ")
    )
