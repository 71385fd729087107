"""What the server says it can do; only what it does (RFC 9051 §7.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALWAYS = ("IMAP4rev1", "IMAP4rev2", "SASL-IR", "ID", "ENABLE", "IDLE", "UIDPLUS", "MOVE")
_BEFORE_SIGN_IN = ("LITERAL-",)
_SIGNED_IN = (
    "LITERAL+",
    "NAMESPACE",
    "CHILDREN",
    "UNSELECT",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "STATUS=SIZE",
    "UNAUTHENTICATE",
    "MULTIAPPEND",
    "REPLACE",
    "UTF8=ACCEPT",
    "NOTIFY",
    "ESEARCH",
    "SEARCHRES",
    "WITHIN",
    "SORT",
    "SORT=DISPLAY",
    "ESORT",
    "THREAD=REFERENCES",
    "THREAD=ORDEREDSUBJECT",
    "INPROGRESS",
    "CONDSTORE",
    "QRESYNC",
    "BINARY",
    "OBJECTID",
    "PREVIEW",
    "SAVEDATE",
    "PARTIAL",
    "ACL",
    "RIGHTS=texk",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "QUOTA=RES-MESSAGE",
    "METADATA",
    "UIDONLY",
)


# ref: ECO.1.0.2, F22
def capabilities(
    *, is_signed_in: bool, mechanisms: Sequence[str], may_start_tls: bool, message_bytes: int
) -> str:
    """The words of CAPABILITY in a state of the session; without `mechanisms` nobody may sign in."""
    words = list(_ALWAYS)
    if is_signed_in:
        words += _SIGNED_IN
        words.append(f"APPENDLIMIT={message_bytes}")
        return " ".join(words)
    words += _BEFORE_SIGN_IN
    if may_start_tls:
        words.append("STARTTLS")
    words += [f"AUTH={mechanism}" for mechanism in mechanisms] or ["LOGINDISABLED"]
    return " ".join(words)
