"""Shows the narrative of a structured (N3) document as safe HTML, without running anybody's style sheet."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from dmp_bridge.cda import find_document
from dmp_bridge.cda_elements import NAMESPACE
from dmp_bridge.xml import local_name, namespace

if TYPE_CHECKING:
    from lxml import etree

_MAX_OUTPUT = 4_000_000
_MAX_HEADING = 6

# Narrative element of CDA R2 §4.3.5 → HTML element; "" keeps the text alone.
_ELEMENTS: dict[str, str] = {
    "paragraph": "p",
    "content": "span",
    "list": "ul",
    "item": "li",
    "table": "table",
    "thead": "thead",
    "tbody": "tbody",
    "tfoot": "tfoot",
    "tr": "tr",
    "th": "th",
    "td": "td",
    "caption": "",
    "sub": "sub",
    "sup": "sup",
    "linkHtml": "",
    "footnote": "",
    "footnoteRef": "",
}
_STYLES: dict[str, str] = {"bold": "strong", "italics": "em", "underline": "u", "emphasis": "em"}
_SILENT = frozenset({"renderMultiMedia", "col", "colgroup"})
_SPANS = ("colspan", "rowspan")


# ref: DMP-F39
def render_narrative(data: bytes) -> str:
    """The sections of the CDA in ``data``, titles and narrative, as an HTML fragment.

    Every text is escaped and the only attributes are ``colspan`` and ``rowspan`` with a number, so the
    fragment can stand in a page as it is. Raises ``CdaRefused`` when there is no CDA in ``data``.
    """
    _, document = find_document(data)
    body = document.find(f"{{{NAMESPACE}}}component/{{{NAMESPACE}}}structuredBody")
    if body is None:
        return ""
    writer = _Writer()
    for section, depth in _sections(body):
        title = section.find(f"{{{NAMESPACE}}}title")
        heading = f"h{min(_MAX_HEADING, 2 + depth)}"
        if title is not None:
            words = " ".join("".join(title.itertext()).split())
            if words:
                writer.add(f"<{heading}>{escape(words)}</{heading}>\n")
        text = section.find(f"{{{NAMESPACE}}}text")
        if text is not None:
            writer.narrative(text)
    return writer.result()


def _sections(body: etree._Element) -> list[tuple[etree._Element, int]]:
    """Every section in reading order with its depth from 0; a stack, as the nesting is not ours."""
    found: list[tuple[etree._Element, int]] = []
    waiting = [(section, 0) for section in reversed(_below(body))]
    while waiting:
        section, depth = waiting.pop()
        found.append((section, depth))
        waiting.extend((child, depth + 1) for child in reversed(_below(section)))
    return found


def _below(element: etree._Element) -> list[etree._Element]:
    return element.findall(f"{{{NAMESPACE}}}component/{{{NAMESPACE}}}section")


class _Writer:
    """Collects the fragment and stops past its limit."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0

    def add(self, piece: str) -> None:
        self._size += len(piece)
        self._pieces.append(piece)

    def result(self) -> str:
        return "".join(self._pieces)

    def narrative(self, text: etree._Element) -> None:
        """One section.text: elements are opened and closed from a stack of what is still to write."""
        self.add("<div>")
        waiting: list[etree._Element | str] = _reversed_content(text)
        while waiting:
            if self._size > _MAX_OUTPUT:
                # Closing tags are still written, so that the fragment stays whole.
                waiting = [piece for piece in waiting if isinstance(piece, str) and piece.startswith("</")]
                if not waiting:
                    break
            piece = waiting.pop()
            if isinstance(piece, str):
                self.add(piece)
                continue
            if namespace(piece) != NAMESPACE or local_name(piece) in _SILENT:
                continue
            if local_name(piece) == "br":
                self.add("<br>")
                continue
            if local_name(piece) == "list":
                self._caption(piece)
            elif _is_list_caption(piece):
                continue
            name = _html_name(piece)
            if name:
                self.add(f"<{name}{_spans(piece)}>")
                waiting.append(f"</{name}>")
            waiting.extend(_reversed_content(piece))
        self.add("</div>\n")

    def _caption(self, element: etree._Element) -> None:
        """The caption of a list stands before it: HTML has no place for one within."""
        for caption in element.findall(f"{{{NAMESPACE}}}caption"):
            words = " ".join("".join(caption.itertext()).split())
            if words:
                self.add(f"<p>{escape(words)}</p>")


def _is_list_caption(element: etree._Element) -> bool:
    above = element.getparent()
    return local_name(element) == "caption" and above is not None and local_name(above) == "list"


def _reversed_content(element: etree._Element) -> list[etree._Element | str]:
    """Text, children and tails, last first; only closing tags, written elsewhere, start with ``</``."""
    content: list[etree._Element | str] = [escape(element.text or "")]
    for child in element:
        content.append(child)
        content.append(escape(child.tail or ""))
    return content[::-1]


def _html_name(element: etree._Element) -> str:
    name = local_name(element)
    if name == "content":
        style = element.get("styleCode", "").lower().split()
        return next((_STYLES[word] for word in style if word in _STYLES), "span")
    if name == "list":
        return "ol" if element.get("listType") == "ordered" else "ul"
    return _ELEMENTS.get(name, "")


def _spans(element: etree._Element) -> str:
    spans = []
    for name in _SPANS:
        value = element.get(name, "")
        if 0 < len(value) <= 3 and value.isascii() and value.isdigit():
            spans.append(f' {name}="{value}"')
    return "".join(spans)
