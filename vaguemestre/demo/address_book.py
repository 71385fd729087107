"""An address book that completes recipients from the directory, as Thunderbird does: one LDAP search over TLS."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from directory.ldap import ber
from directory.ldap.messages import Scope
from vaguemestre.demo.telling import must

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaguemestre.demo.sandbox import Sandbox

_SECONDS = 15.0
_LARGEST = 1024 * 1024
_SEARCH, _ENTRY, _DONE = 0x63, 0x64, 0x65
_OR, _SUBSTRINGS, _ANY = 0xA1, 0xA4, 0x81
_SIZE_LIMIT = 100


def thunderbird_filter(words: str) -> tuple[str, bytes]:
    """What Thunderbird asks for when somebody types words in a recipient: as text and in BER (RFC 4515, RFC 4511)."""
    first, last = words.split(" ", 1)
    conditions = {"cn": (first, last), "mail": (words,), "givenName": (first,), "sn": (words,)}
    text = "".join(f"({name}=*{'*'.join(pieces)}*)" for name, pieces in conditions.items())
    return f"(|{text})", ber.constructed(_OR, (_substrings(name, *each) for name, each in conditions.items()))


def search(sandbox: Sandbox, condition: bytes) -> list[Mapping[str, list[str]]]:
    """The attributes of the boxes that a filter finds. Raises NotProved."""
    request = ber.constructed(
        ber.SEQUENCE,
        (
            ber.integer(1),
            ber.constructed(
                _SEARCH,
                (
                    ber.string(str(sandbox.described["directory"]["ldap_base"])),
                    ber.integer(Scope.SUB, ber.ENUMERATED),
                    ber.integer(0, ber.ENUMERATED),
                    ber.integer(_SIZE_LIMIT),
                    ber.integer(0),
                    ber.element(ber.BOOLEAN, b"\x00"),
                    condition,
                    ber.constructed(ber.SEQUENCE, ()),
                ),
            ),
        ),
    )
    found: list[Mapping[str, list[str]]] = []
    address = (sandbox.host, sandbox.port("ldaps"))
    with (
        socket.create_connection(address, _SECONDS) as plain,
        sandbox.tls().wrap_socket(plain, server_hostname=sandbox.host) as connection,
    ):
        connection.sendall(request)
        received = bytearray()
        while True:
            length = ber.message_length(received, _LARGEST)
            if length is None or len(received) < length:
                more = connection.recv(65536)
                must(more, "l'annuaire ferme la connexion LDAP.")
                received += more
                continue
            message = ber.Reader(bytes(received[:length])).enter(ber.SEQUENCE)
            del received[:length]
            message.integer()
            tag = message.peek()
            content = message.enter(tag)
            if tag == _ENTRY:
                content.octets()
                found.append(_attributes(content.enter(ber.SEQUENCE)))
            elif tag == _DONE:
                code = content.integer(ber.ENUMERATED)
                must(code == 0, f"la recherche LDAP répond {code}.")
                return found


def _substrings(name: str, *pieces: str) -> bytes:
    within = ber.constructed(ber.SEQUENCE, (ber.string(each, _ANY) for each in pieces))
    return ber.constructed(_SUBSTRINGS, (ber.string(name), within))


def _attributes(listed: ber.Reader) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    while not listed.is_at_end:
        attribute = listed.enter(ber.SEQUENCE)
        name, values = attribute.text(), attribute.enter(ber.SET)
        found[name] = []
        while not values.is_at_end:
            found[name].append(values.text())
    return found
