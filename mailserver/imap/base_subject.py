"""The base subject: what stays of a subject without the marks of replies and forwards (RFC 5256 §2.1, §5)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_WHITE: Final = re.compile(r"[ \t\r\n]+")
_BLOB: Final = re.compile(r"\[[^\[\]]*\] *")
_REFWD: Final = re.compile(r"(?:re|fwd?) *(?:\[[^\[\]]*\] *)?:", re.IGNORECASE)
_TRAILER: Final = "(fwd)"
_FORWARD_START: Final = "[fwd:"


class BaseSubject(NamedTuple):
    """`is_reply` says that marks of a reply or a forward were taken away (RFC 5256 §3, REFERENCES)."""

    text: str
    is_reply: bool


def base_subject(subject: str) -> BaseSubject:
    """The base subject of a decoded subject. Linear in its length; the numbers are the steps of RFC 5256 §2.1."""
    text = _WHITE.sub(" ", subject)  # (1)
    start, end = 0, len(text)
    is_reply = False
    while True:
        end, is_forward = _without_trailers(text, start, end)  # (2)
        start, is_answer = _without_leaders(text, start, end)  # (3) (4) (5)
        is_reply = is_reply or is_forward or is_answer
        is_wrapped = (
            end - start > len(_FORWARD_START)
            and text[end - 1] == "]"
            and text[start : start + len(_FORWARD_START)].lower() == _FORWARD_START
        )
        if not is_wrapped:
            return BaseSubject(text[start:end], is_reply)
        start, end, is_reply = start + len(_FORWARD_START), end - 1, True  # (6)


def _without_trailers(text: str, start: int, end: int) -> tuple[int, bool]:
    found = False
    while end > start:
        if text[end - 1] == " ":
            end -= 1
        elif text[max(start, end - len(_TRAILER)) : end].lower() == _TRAILER:
            end -= len(_TRAILER)
            found = True
        else:
            break
    return end, found


def _without_leaders(text: str, start: int, end: int) -> tuple[int, bool]:
    """Where the text begins behind all leaders and blobs. Each run of blobs is read once, or many would be quadratic."""
    found = False
    while start < end:
        if text[start] == " ":
            start += 1
            continue
        after = last = start
        while (blob := _BLOB.match(text, after, end)) is not None:
            last, after = after, blob.end()
        if (refwd := _REFWD.match(text, after, end)) is not None:
            start, found = refwd.end(), True
            continue
        # A blob with nothing behind it is the base subject.
        start = after if after < end else last
        break
    return start, found
