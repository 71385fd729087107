"""ENABLE: what a client says it understands (RFC 9051 §6.3.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailserver.imap.replies import Reply, ok

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailserver.imap.dialect import Dialect
    from mailserver.imap.grammar.opening import Enable
    from mailserver.imap.session import Session

_MEANS: Mapping[str, Callable[[Dialect], Dialect]] = {
    "IMAP4REV2": lambda dialect: replace(dialect, is_rev2=True),
    "CONDSTORE": lambda dialect: replace(dialect, tells_modseq=True),
    "QRESYNC": lambda dialect: replace(dialect, tells_modseq=True, tells_vanished=True),
    "UTF8=ACCEPT": lambda dialect: replace(dialect, has_utf8=True),
    "UIDONLY": lambda dialect: replace(dialect, is_uid_only=True),
}
_SPELLED = {"IMAP4REV2": "IMAP4rev2"}


async def enable(session: Session, command: Enable) -> Reply:
    """Words that are not known are passed over, as the RFC asks."""
    enabled = []
    for word in dict.fromkeys(command.words):
        if word in _MEANS:
            session.dialect = _MEANS[word](session.dialect)
            enabled.append(_SPELLED.get(word, word))
    session.send(["".join(("* ENABLED", *(f" {word}" for word in enabled), "\r\n")).encode("ascii")])
    return ok("ENABLE completed")
