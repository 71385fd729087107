"""Where Dovecot 2.3 and our server may differ, and why both are right, or why ours is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interop.differential_steps import Step

Facts: TypeAlias = dict[str, Any]


def nothing_to_copy(step: Step, ours: Facts, theirs: Facts) -> bool:
    """UID COPY of no message to a folder that is not there: Dovecot looks at the messages first, we at the folder."""
    return (
        step.command in ("UID COPY", "UID MOVE")
        and ours == {**ours, "status": "NO", "code": ("TRYCREATE", None)}
        and theirs["status"] == "OK"
        and "code" not in theirs
    )


def a_change_in_a_folder_opened_for_reading(step: Step, ours: Facts, theirs: Facts) -> bool:
    """After EXAMINE, Dovecot says OK to what changes messages and does nothing; we say NO (RFC 3501 §6.4.3)."""
    return (
        step.command.removeprefix("UID ") in ("EXPUNGE", "STORE", "MOVE")
        and ours == {**ours, "status": "NO", "code": ("READ-ONLY", None)}
        and theirs["status"] in ("OK", "NO")
    )


def not_of_two_comparisons(step: Step, ours: Facts, theirs: Facts) -> bool:
    """`NOT (LARGER 0 LARGER 5000)`: Dovecot joins two comparisons of a kind under NOT and finds too few."""
    words = " ".join(piece for piece in step.pieces if isinstance(piece, str)).split()
    compared = [word for word in words if word in _COMPARED]
    return "NOT" in words and len(compared) > len(set(compared))


_COMPARED = ("LARGER", "SMALLER", "BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE")
_LEAF = "Dovecot reads a part of a leaf as the leaf itself; there is none (RFC 3501 §6.4.5)"
_NO_BOUNDARY = "a multipart that cannot be cut up: we show its whole body as one text, Dovecot an empty one"
_NO_TYPE = "a Content-Type without a subtype is text/plain (RFC 2045 §5.2); Dovecot names no type at all"
_STRUCTURE = ("BODY", "BODYSTRUCTURE")
_INSIDE = "a message inside has no encoding of its own (RFC 2046 §5.2.1); Dovecot decodes the parts in it"
_BODY_1 = ("BODY[1]", "BODY.PEEK[1]", "BODY.PEEK[1]<1.1000000>")
_BINARY_1 = ("BINARY.SIZE[1]", "BINARY.PEEK[1]")

READ_OTHERWISE: dict[tuple[str, str], str] = {
    **{("mixed", f"BODY.PEEK[{section}]"): _LEAF for section in ("1.1", "2.1", "2.1.MIME")},
    **{("no closing boundary", f"BODY.PEEK[{section}]"): _LEAF for section in ("1.1", "2.1", "2.1.MIME")},
    ("forwarded", "BODY.PEEK[1.1]"): _LEAF,
    ("empty part", "BODY.PEEK[2.1.MIME]"): _LEAF,
    (
        "empty part",
        "BODY.PEEK[1.MIME]",
    ): "the only line end belongs to the delimiter; we count it as the empty line",
    **{
        (name, item): _NO_BOUNDARY
        for name in ("no boundary parameter", "boundary never used", "empty multipart")
        for item in (*_STRUCTURE, *_BODY_1, *_BINARY_1, "BINARY.PEEK[1]<2.4>")
    },
    **{(name, item): _INSIDE for name in ("message only", "digest") for item in _BINARY_1},
    **{("bad type", item): _NO_TYPE for item in _STRUCTURE},
    ("folded", "ENVELOPE"): "unfolding takes away line ends and no spaces (RFC 5322 §2.2.3)",
    (
        "no body",
        "BODY.PEEK[HEADER.FIELDS.NOT (to received)]",
    ): "a blank line where there is none in the message",
}
"""(message, item) → why the answers differ."""

FOUND_OTHERWISE: dict[tuple[str, str], str] = {
    **{("bad type", f'{where} "lambda"'): _NO_TYPE for where in ("BODY", "TEXT")},
    **{
        (name, 'BODY "dedans"'): "the header of a message inside is in the body of the outer one"
        for name in ("forwarded", "message only", "digest")
    },
    **{
        (name, f"SENTBEFORE {day}"): "no Date is no date; Dovecot takes it for 1970"
        for name in ("no body", "only a line", "no header")
        for day in ("1-Jan-2020", "31-Dec-2025", "13-Mar-2026", "14-Mar-2026", "1-Jan-2019", "17-Mar-2026")
    },
}
"""(message, search) → why only one of the servers finds it."""

KNOWN: tuple[Callable[[Step, Facts, Facts], bool], ...] = (
    nothing_to_copy,
    a_change_in_a_folder_opened_for_reading,
    not_of_two_comparisons,
)


def is_known(step: Step, ours: Facts, theirs: Facts) -> bool:
    return any(known(step, ours, theirs) for known in KNOWN)
