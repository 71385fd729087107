"""In whose name another operator may write: From and Sender held against the domains it is listed for (Réf#1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailserver.delivery.trace import named_domains
from mailserver.refusals import AUTHOR_NOT_OF_PEER, Refusal

if TYPE_CHECKING:
    from mailserver.delivery.prepare import Prepared
    from mailserver.delivery.recipients import Hosting, Listed
    from mailserver.envelope import Envelope

_DAEMONS: Final = frozenset({"mailer-daemon", "postmaster"})


def peer_author(envelope: Envelope, prepared: Prepared, hosting: Hosting, listed: Listed) -> Refusal | None:
    """Whether From and Sender are of the peer's domains, and no name in them shows an address of another operator.

    A name may show an address outside the espace de confiance, as some people's names do: that one is nobody's here.
    """
    own = envelope.speaks_for
    if own is None:
        return None
    header = prepared.header
    senders = header.sender
    if b"sender" in header.values and not senders:
        return AUTHOR_NOT_OF_PEER
    host = _reporting_host(envelope, own, hosting, listed)
    for address in (*prepared.authors, *senders):
        local, _, domain = address.rpartition("@")
        if domain in own:
            continue
        if host is None or domain != host or not (header.is_report or local in _DAEMONS):
            return AUTHOR_NOT_OF_PEER
    named = named_domains(header)
    if named is None or any(hosting.holds(domain) or domain in listed for domain in named - own):
        return AUTHOR_NOT_OF_PEER
    return None


def _reporting_host(envelope: Envelope, own: frozenset[str], hosting: Hosting, listed: Listed) -> str | None:
    """The server that may sign reports itself (RFC 3464): by the name of its certificate, when that is nobody's domain.

    Whoever issues certificates checks a host name, not who is listed for it.
    """
    if envelope.sender or envelope.peer_host is None:
        return None
    host = envelope.peer_host.lower()
    return None if host not in own and (hosting.holds(host) or host in listed) else host
