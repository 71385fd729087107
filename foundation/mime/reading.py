"""What a person sees of a message: the text to read, and the attachments beside it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import nh3

from foundation.mime.bodies import TooLarge, decode_body, decode_text
from foundation.mime.entities import decode_references
from foundation.mime.transfer import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation.mime.parts import Part

MAX_TEXT_BYTES: Final = 1024 * 1024
MAX_HTML_BYTES: Final = 256 * 1024
MAX_TEXT_PARTS: Final = 50
MAX_OPEN_TAGS: Final = 300
"""Elements left open at once; the parser behind nh3 takes quadratic time in them."""

_LINE_BREAK: Final = re.compile(r"<(?=(?:br|/p|/div|/tr|/li|/h[1-6]|/table|hr)\b)", re.IGNORECASE)
_TAG: Final = re.compile(r"<(/?)([a-z][a-z0-9]{0,20})", re.IGNORECASE)
_ANY_TAG: Final = re.compile(r"<[^<>]*>")
_CLOSED_BY_THE_NEXT: Final = frozenset(
    {
        "area",
        "br",
        "col",
        "dd",
        "dt",
        "hr",
        "img",
        "input",
        "li",
        "link",
        "meta",
        "option",
        "p",
        "td",
        "th",
        "tr",
    }
)
_SOURCE_BREAK: Final = re.compile(r"[ \t\r\n]+")
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_HIDDEN_TAGS: Final = frozenset({"script", "style", "head", "title", "noscript", "template"})
_UNSAFE_IN_NAMES: Final = re.compile(r'[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069<>:"|?*]+')
_REPORTS: Final = frozenset(
    {"message/disposition-notification", "message/delivery-status", "text/rfc822-headers"}
)
_EXTENSIONS: Final = MappingProxyType(
    {
        "application/pdf": ".pdf",
        "application/zip": ".zip",
        "application/xml": ".xml",
        "image/jpeg": ".jpg",
        "image/png": ".png",
        "message/rfc822": ".eml",
        "text/html": ".html",
        "text/plain": ".txt",
        "text/xml": ".xml",
    }
)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is listed beside the text. `size` counts decoded octets; `filename` is one name, never a path."""

    part: Part
    filename: str
    media_type: str
    size: int


def display_text(message: bytes, root: Part) -> str:
    """The text a person reads: text/plain where there is some, else the HTML with all its markup taken away.

    Attached texts and messages inside the message are not part of it. At most MAX_TEXT_BYTES of decoded text.
    """
    texts = []
    left = MAX_TEXT_BYTES
    for part in _shown(message, root):
        text = _text_of(message, part, left)
        left -= len(text)
        if text:
            texts.append(text)
        if left <= 0:
            break
    return "\n\n".join(texts)[:MAX_TEXT_BYTES]


def attachments(message: bytes, root: Part) -> list[Attachment]:
    """The parts a person can open or keep, in the order of the message; a message inside is one attachment."""
    found: list[Attachment] = []
    for part in _leaves(root):
        if part.content_type in _REPORTS or _is_shown(part):
            continue
        name = _safe_name(part.filename or "")
        if not name:
            name = f"piece-jointe-{len(found) + 1}{_EXTENSIONS.get(part.content_type, '')}"
        found.append(Attachment(part, name, part.content_type, _decoded_size(message, part)))
    return found


def html_to_text(source: str) -> str:
    """The words of an HTML text, its paragraphs as lines; nothing of the markup is left."""
    lines = _LINE_BREAK.sub("\n<", _SOURCE_BREAK.sub(" ", source[:MAX_HTML_BYTES]))
    if _is_deep(lines):
        words = _ANY_TAG.sub("", lines)
    else:
        words = nh3.clean(lines, tags=set(), clean_content_tags=set(_HIDDEN_TAGS))
    text = "\n".join(line.strip() for line in decode_references(words).split("\n"))
    return _BLANK_LINES.sub("\n\n", text).strip()


def _is_deep(source: str) -> bool:
    unclosed: Counter[str] = Counter()
    total = 0
    for slash, tag in _TAG.findall(source):
        name = tag.lower()
        if name in _CLOSED_BY_THE_NEXT:
            continue
        if not slash:
            unclosed[name] += 1
            total += 1
        elif unclosed[name]:
            unclosed[name] -= 1
            total -= 1
        if total > MAX_OPEN_TAGS:
            return True
    return False


def _is_shown(part: Part) -> bool:
    """Whether a leaf is text of the message itself and not something attached to it."""
    return (
        part.content_type in ("text/plain", "text/html")
        and part.disposition != "attachment"
        and part.filename is None
    )


def _leaves(root: Part) -> Iterator[Part]:
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if part.is_multipart:
            waiting.extend(reversed(part.children))
        else:
            yield part


def _shown(message: bytes, root: Part) -> list[Part]:
    """The text parts to show; of each multipart/alternative one text."""
    shown: list[Part] = []
    waiting = [root]
    while waiting and len(shown) < MAX_TEXT_PARTS:
        part = waiting.pop()
        if not part.is_multipart:
            if _is_shown(part):
                shown.append(part)
        elif part.subtype == "alternative":
            if (chosen := _choose(message, part)) is not None:
                shown.append(chosen)
        else:
            waiting.extend(reversed(part.children))
    return shown


def _choose(message: bytes, alternative: Part) -> Part | None:
    """The plain text of an alternative, or its HTML when the plain text is missing or blank."""
    texts = [part for part in _leaves(alternative) if _is_shown(part)][:MAX_TEXT_PARTS]
    plain = next((part for part in texts if part.subtype == "plain"), None)
    rich = next((part for part in texts if part.subtype == "html"), None)
    if plain is not None and (rich is None or message[plain.body_start : plain.end].strip()):
        return plain
    return rich


def _text_of(message: bytes, part: Part, limit: int) -> str:
    try:
        text = decode_text(message, part, limit)
    except TooLarge:
        text = "[Ce texte est trop long pour être affiché.]"
    text = text.replace("\r", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return html_to_text(text) if part.subtype == "html" else text.strip("\n")


def _safe_name(name: str) -> str:
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return _UNSAFE_IN_NAMES.sub(" ", last).strip(" .")[:200]


def _decoded_size(message: bytes, part: Part) -> int:
    if part.encoding in IDENTITY:
        return part.size
    if part.encoding != "base64":
        return len(decode_body(message, part, part.size))
    # Counted, not decoded: a list of attachments must not cost the decoding of 25 MB.
    body_end = part.end
    while body_end > part.body_start and message[body_end - 1] in b" \t\r\n":
        body_end -= 1
    breaks = message.count(b"\n", part.body_start, body_end) + message.count(b"\r", part.body_start, body_end)
    padding = message.count(b"=", max(part.body_start, body_end - 2), body_end)
    return max(0, (body_end - part.body_start - breaks - padding) * 3 // 4)
