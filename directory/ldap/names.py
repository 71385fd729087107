"""Distinguished names (RFC 4514) of the one tree there is: the suffix, and the mailboxes right below it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from directory.ldap.results import Refused, ResultCode

SUFFIX: Final = "dc=mssante,dc=fr"
SUBSCHEMA: Final = "cn=Subschema"
LONGEST: Final = 1024

_SUFFIX_PARTS = (("dc", "mssante"), ("dc", "fr"))
_SUBSCHEMA_PARTS = (("cn", "subschema"),)
_TYPES = {
    "0.9.2342.19200300.100.1.25": "dc",
    "domaincomponent": "dc",
    "0.9.2342.19200300.100.1.3": "mail",
    "rfc822mailbox": "mail",
    "2.5.4.3": "cn",
    "commonname": "cn",
}
"""Other ways to write the types of our names."""
_SPECIAL = frozenset('"+,;<>\\')
_ESCAPED = _SPECIAL | frozenset(" #=")
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")


class Place(Enum):
    """An entry that is no mailbox."""

    ROOT = ""
    """The root DSE (RFC 4512 §5.1)."""
    SUBSCHEMA = SUBSCHEMA
    SUFFIX = SUFFIX


@dataclass(frozen=True, slots=True)
class MailboxName:
    """The address that a name below the suffix names."""

    address: str


def dn_of(address: str) -> str:
    """The name of a mailbox's entry."""
    if not _SPECIAL.isdisjoint(address):
        address = "".join("\\" + each if each in _SPECIAL else each for each in address)
    return f"mail=\\{address},{SUFFIX}" if address.startswith("#") else f"mail={address},{SUFFIX}"


def find(name: str) -> Place | MailboxName:
    """The entry that a name leads to, whether a mailbox of that address exists or not.

    Raises Refused for what is no name (invalidDNSyntax) or leads out of the tree (noSuchObject).
    """
    parts = parse(name)
    if not parts:
        return Place.ROOT
    if parts == _SUFFIX_PARTS:
        return Place.SUFFIX
    if parts == _SUBSCHEMA_PARTS:
        return Place.SUBSCHEMA
    if parts[-2:] != _SUFFIX_PARTS:
        raise Refused(ResultCode.NO_SUCH_OBJECT, f"This directory is {SUFFIX}")
    kind, value = parts[-3]
    if len(parts) > 3 or kind != "mail":
        raise Refused(ResultCode.NO_SUCH_OBJECT, "There is no such entry", matched=SUFFIX)
    return MailboxName(value)


def parse(name: str) -> tuple[tuple[str, str], ...]:
    """Types and values from the nearest to the farthest, in lower case. Raises Refused."""
    if len(name) > LONGEST:
        raise Refused(ResultCode.INVALID_DN_SYNTAX, f"A name has at most {LONGEST} characters here")
    if not name.strip():
        return ()
    parts: list[tuple[str, str]] = []
    position = 0
    while True:
        equals = name.find("=", position)
        kind = name[position:equals].strip().lower().removeprefix("oid.") if equals >= 0 else ""
        if not kind or not _NAME_CHARACTERS.issuperset(kind):
            raise _invalid()
        value, position = _value(name, equals + 1)
        parts.append((_TYPES.get(kind, kind), " ".join(value.lower().split())))
        if position == len(name):
            return tuple(parts)
        if name[position] == "+":  # ours have one part each
            raise Refused(ResultCode.NO_SUCH_OBJECT, "There is no such entry")
        position += 1


def _value(name: str, position: int) -> tuple[str, int]:
    """The value that begins here, its escapes resolved, and where it ends."""
    octets = bytearray()
    kept = 0  # octets up to the last that was escaped: spaces behind it do not count
    while position < len(name):
        character = name[position]
        if character in ",;+":
            break
        if character in '"<>\0':
            raise _invalid()
        position += 1
        if character == "\\":
            pair = name[position : position + 2]
            if not pair:
                raise _invalid()
            if _is_hexadecimal(pair):
                octets.append(int(pair, 16))
                position += 2
            elif pair[0] in _ESCAPED:
                octets += pair[0].encode()
                position += 1
            else:
                raise _invalid()
            kept = len(octets)
        elif character != " " or octets:
            octets += character.encode()
    value = bytes(octets[:kept]) + bytes(octets[kept:]).rstrip(b" ")
    try:
        return value.decode(), position
    except UnicodeDecodeError:
        raise _invalid() from None


def _is_hexadecimal(pair: str) -> bool:
    return len(pair) == 2 and all(each in "0123456789abcdefABCDEF" for each in pair)


def _invalid() -> Refused:
    return Refused(ResultCode.INVALID_DN_SYNTAX, "This is no distinguished name (RFC 4514)")
