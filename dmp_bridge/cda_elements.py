"""Reads the elements of a CDA R2 header: children by name, texts, codes, identifiers and times, all bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.codes import Coded
from dmp_bridge.hl7_time import parse_cda_time

if TYPE_CHECKING:
    from lxml import etree

NAMESPACE = "urn:hl7-org:v3"
_Q = f"{{{NAMESPACE}}}"
_TEXT_LIMIT = 1024


def children(element: etree._Element | None, name: str) -> list[etree._Element]:
    """The children of a name in the namespace of CDA."""
    return [] if element is None else element.findall(f"{_Q}{name}")


def child(element: etree._Element | None, name: str) -> etree._Element | None:
    """The first child of a name."""
    return None if element is None else element.find(f"{_Q}{name}")


def path(element: etree._Element | None, *names: str) -> etree._Element | None:
    """The first child of the first child … down a path."""
    for name in names:
        element = child(element, name)
    return element


def attribute(element: etree._Element | None, name: str) -> str:
    """An attribute without blanks around it, "" where there is none."""
    return "" if element is None else element.get(name, "").strip()[:_TEXT_LIMIT]


def text(element: etree._Element | None) -> str:
    """All the text in an element, its blanks made one."""
    if element is None:
        return ""
    return " ".join("".join(element.itertext(with_tail=False)).split())[:_TEXT_LIMIT]


def coded(element: etree._Element | None) -> Coded | None:
    """A code with its system and its label; None for a nullFlavor."""
    code = attribute(element, "code")
    if not code:
        return None
    return Coded(code, attribute(element, "codeSystem"), attribute(element, "displayName"))


def identifier(element: etree._Element | None) -> str | None:
    """``root^extension``, or the root alone."""
    root, extension = attribute(element, "root"), attribute(element, "extension")
    if not root:
        return None
    return f"{root}^{extension}" if extension else root


def time(element: etree._Element | None) -> int | None:
    """The instant of an HL7 TS in epoch milliseconds."""
    return parse_cda_time(attribute(element, "value"))


def qualified(parts: list[etree._Element], qualifier: str | None) -> str:
    """The first part of a name that has words and this qualifier among its own (None: has none)."""
    wanted = {qualifier} if qualifier else set()
    for part in parts:
        has = set(part.get("qualifier", "").split())
        if (has & wanted if wanted else not has) and (found := text(part)):
            return found
    return ""
