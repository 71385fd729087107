"""THREAD=REFERENCES written step by step after RFC 5256 §3, with objects and recursion: slow, and easy to check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailserver.imap.threads import ThreadRow


@dataclass(eq=False)
class Node:
    number: int | None = None  # None for a dummy
    row: ThreadRow | None = None
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)

    def is_below(self, other: Node) -> bool:
        node: Node | None = self
        while node is not None:
            if node is other:
                return True
            node = node.parent
        return False

    def put_below(self, parent: Node) -> None:
        self.parent = parent
        parent.children.append(self)

    def leave(self) -> None:
        if self.parent is not None:
            self.parent.children.remove(self)
        self.parent = None

    @property
    def first(self) -> Node:
        return self.children[0] if self.row is None else self

    @property
    def date(self) -> tuple[int, int]:
        row, number = self.first.row, self.first.number
        assert row is not None
        assert number is not None
        return row[0], number

    @property
    def subject(self) -> str:
        row = self.first.row
        assert row is not None
        return row[3]

    @property
    def is_dummy(self) -> bool:
        return self.row is None

    @property
    def is_reply(self) -> bool:
        return self.row is not None and bool(self.row[4])


def thread(rows: list[ThreadRow]) -> bytes:
    """The answer with sequence numbers."""
    nodes: dict[str, Node] = {}
    messages = []
    for number, row in enumerate(rows, 1):
        message = Node(number, row)
        messages.append(message)
        if row[1]:
            nodes.setdefault(row[1], message)
    everyone = list(messages)
    for message, row in zip(messages, rows, strict=True):
        above: Node | None = None
        for reference in row[2].split():
            if reference not in nodes:
                nodes[reference] = Node()
                everyone.append(nodes[reference])
            node = nodes[reference]
            if above is not None and node.parent is None and not above.is_below(node):
                node.put_below(above)
            above = node
        message.leave()
        if above is not None and not above.is_below(message):
            message.put_below(above)
    roots = _pruned([node for node in everyone if node.parent is None], is_root=True)
    _sort(roots)
    roots = _merged(roots)
    _sort(roots)
    return _answer(roots)


def _pruned(nodes: Iterable[Node], *, is_root: bool) -> list[Node]:
    kept: list[Node] = []
    for node in nodes:
        node.children = _pruned(node.children, is_root=False)
        if not node.is_dummy:
            kept.append(node)
        elif node.children and (not is_root or len(node.children) == 1):
            kept += node.children
        elif node.children:
            kept.append(node)
    return kept


def _sort(nodes: list[Node]) -> None:
    for node in nodes:
        _sort(node.children)
    nodes.sort(key=lambda node: node.date)


def _merged(roots: list[Node]) -> list[Node]:
    table: dict[str, Node] = {}
    for node in roots:
        if not node.subject:
            continue
        known = table.setdefault(node.subject, node)
        if not known.is_dummy and (node.is_dummy or (known.is_reply and not node.is_reply)):
            table[node.subject] = node
    kept = list(roots)
    for node in roots:
        subject = node.subject
        known = table.get(subject, node)
        if known is node:
            continue
        kept.remove(node)
        if known.is_dummy:
            known.children += node.children if node.is_dummy else [node]
        elif node.is_reply and not known.is_reply:
            known.children.append(node)
        else:
            kept.remove(known)
            table[subject] = Node(children=[known, node])
            kept.append(table[subject])
    return kept


def _answer(roots: list[Node]) -> bytes:
    return (" " + "".join(f"({_members(root)})" for root in roots)).encode() if roots else b""


def _members(node: Node) -> str:
    own = [] if node.number is None else [str(node.number)]
    if len(node.children) == 1:
        below = _members(node.children[0])
    else:
        below = "".join(f"({_members(child)})" for child in node.children)
    return " ".join(own + ([below] if below else []))
