"""THREAD=REFERENCES and THREAD=ORDEREDSUBJECT over the rows of a folder, without recursion (RFC 5256 §3).

Messages are numbers, the position of their row; a number past the last row is a dummy, a message that others refer to
and that is not there. The steps named below are those of the RFC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_REFERENCES: Final = 50
"""References kept of one message, the last ones."""
MAX_READ: Final = 1_000_000
"""References read for one answer; in folders too large for it, fewer of each message count, the last ones."""
MAX_STEPS: Final = 1_000_000
"""Steps up the threads that one answer may take to see whether a link makes a loop; 20 more for each message.

Mail takes none or few, as what is linked is at the end of its thread. Past it no more such links are made.
"""

ThreadRow: TypeAlias = "tuple[int, str, str, str, int]"
"""Sent date in epoch ms (the internal date where there is none), `message_id` and `references` as in ThreadKeys,
the base subject as SORT compares it, and whether the message is a reply or a forward."""

_NONE: Final = -1
_OPEN: Final = -1
_CLOSE: Final = -2
_MESSAGE_ID: Final = re.compile(rb"<([^<>\x00-\x20\x7f]{1,996})>")
_QUOTED: Final = re.compile(r'\\(.)|"')


@dataclass(frozen=True, slots=True)
class ThreadKeys:
    """What threading needs of a message beside its date and base subject. Ids are without angle brackets."""

    message_id: str
    """Normalised; "" when there is no valid one."""
    references: str
    """The ids of References, or else the first of In-Reply-To, with a space between them, oldest first."""
    is_reply: bool


def read_thread_keys(
    message_id: bytes, references: bytes, in_reply_to: bytes, *, is_reply: bool
) -> ThreadKeys:
    """The keys of a message from the unfolded values of its fields, and whether its subject is that of a reply."""
    found = _ids(references)[-MAX_REFERENCES:] or _ids(in_reply_to)[:1]
    own = _MESSAGE_ID.search(message_id)
    return ThreadKeys(_normal(own[1]) if own is not None else "", " ".join(map(_normal, found)), is_reply)


def thread_by_references(rows: Sequence[ThreadRow], numbers: Sequence[int]) -> bytes:
    """What follows "* THREAD" for THREAD REFERENCES: " (1 2)(3)", or nothing where there are no rows.

    Rows stand in mailbox order; `numbers` are the sequence numbers or UIDs of the rows. Takes n log n time.
    """
    if not rows:
        return b""
    sent, ids, references, subjects, replies = zip(*rows, strict=True)
    parents = _link(ids, references)
    order = sorted(range(len(rows)), key=sent.__getitem__)
    roots, children = _prune(parents, order)
    roots = _gather(roots, children, order, subjects, replies, len(parents))
    return _render(roots, children, numbers)


def thread_by_subject(rows: Sequence[ThreadRow], numbers: Sequence[int]) -> bytes:
    """The same for THREAD ORDEREDSUBJECT."""
    if not rows:
        return b""
    threads: dict[str, list[int]] = {}
    for message in sorted(range(len(rows)), key=lambda row: rows[row][0]):
        threads.setdefault(rows[message][3], []).append(message)
    children = {thread[0]: thread[1:] for thread in threads.values() if len(thread) > 1}
    return _render([thread[0] for thread in threads.values()], children, numbers)


def _ids(field: bytes) -> list[bytes]:
    found: list[bytes] = _MESSAGE_ID.findall(field)
    return found


def _normal(message_id: bytes) -> str:
    """Quotes that need not be are none of the id: <"a"@b> is <a@b> (RFC 5256 §3)."""
    text = message_id.decode("utf-8", "replace")
    return _QUOTED.sub(r"\1", text) if '"' in text else text


def _link(ids: Sequence[str], references: Sequence[str]) -> list[int]:
    """Step 1: the parent of each message, and of the dummies, which are appended."""
    count = len(ids)
    # Of messages with the same id the first has it.
    nodes = dict(zip(reversed(ids), range(count - 1, -1, -1), strict=True))
    nodes.pop("", None)
    parents = [_NONE] * count
    has_children = bytearray(count)
    most = max(1, MAX_READ // count)
    steps = MAX_STEPS + 20 * count

    def is_loop(parent: int, child: int) -> bool:
        nonlocal steps
        while parent != _NONE and parent != child:
            parent = parents[parent]
            steps -= 1
            if steps < 0:
                return True
        return parent == child

    for message, text in enumerate(references):
        last = _NONE
        if text:
            names = text.split(" ") if most >= MAX_REFERENCES else text.split(" ")[-most:]
            for name in names:
                node = nodes.get(name)
                if node is None:
                    node = nodes[name] = len(parents)
                    parents.append(_NONE)
                    has_children.append(0)
                if (
                    last != _NONE
                    and parents[node] == _NONE
                    and node != last
                    and not (has_children[node] and is_loop(last, node))
                ):
                    parents[node] = last
                    has_children[last] = 1
                last = node
        if parents[message] != last:
            if last == message or (has_children[message] and is_loop(last, message)):
                last = _NONE
            parents[message] = last
            if last != _NONE:
                has_children[last] = 1
    return parents


def _prune(parents: list[int], order: Sequence[int]) -> tuple[list[int], dict[int, list[int]]]:
    """Steps 2 to 4: the roots by date, and the children by date of all that have some; of dummies only roots stay."""
    count = len(order)
    roots: list[int] = []
    children: dict[int, list[int]] = {}
    for message in order:
        parent = parents[message]
        if parent >= count:
            parent = _above(parents, parent, count)
        if parent == _NONE:
            roots.append(message)
        elif parent in children:
            children[parent].append(message)
        else:
            children[parent] = [message]
            if parent >= count:
                roots.append(parent)
    if len(parents) > count:
        for at, root in enumerate(roots):
            if root >= count and len(children[root]) == 1:
                roots[at] = children.pop(root)[0]
    return roots, children


def _above(parents: list[int], dummy: int, count: int) -> int:
    """The first message above a dummy, or the dummy at the root; the way is made short for those who come after."""
    way = []
    top = dummy
    while (parent := parents[top]) != _NONE:
        way.append(top)
        top = parent
        if top < count:
            break
    for passed in way:
        parents[passed] = top
    return top


def _gather(
    roots: list[int],
    children: dict[int, list[int]],
    order: Sequence[int],
    subjects: Sequence[str],
    replies: Sequence[int],
    unused: int,
) -> list[int]:
    """Steps 5 and 6: threads with the same base subject become one, and what grew is sorted again.

    `unused` is the first number that stands for nothing yet.
    """
    count = len(order)
    threads = [subjects[root if root < count else children[root][0]] for root in roots]
    if len(set(threads)) == len(threads):
        return roots
    table: dict[str, int] = {}
    for root, subject in zip(roots, threads, strict=True):
        known = table.setdefault(subject, root)
        if known < count and (root >= count or (replies[known] and not replies[root])):
            table[subject] = root
    kept: list[int] = []
    covered: dict[int, int] = {}  # roots that went below a new dummy
    grown: set[int] = set()
    for root, subject in zip(roots, threads, strict=True):
        known = table[subject]
        if known == root or not subject:
            kept.append(root)
            continue
        if known >= count:
            children[known] += children.pop(root) if root >= count else (root,)
        elif replies[root] and not replies[known]:
            children.setdefault(known, []).append(root)
        else:
            children[unused] = [known, root]
            covered[known] = table[subject] = known = unused
            unused += 1
        grown.add(known)
    ranks = [0] * count
    for rank, message in enumerate(order):
        ranks[message] = rank
    for parent in grown:
        children[parent].sort(key=ranks.__getitem__)
    kept = [covered.get(root, root) for root in kept]
    return sorted(kept, key=lambda root: ranks[root if root < count else children[root][0]])


def _render(roots: Iterable[int], children: Mapping[int, Sequence[int]], numbers: Sequence[int]) -> bytes:
    """The thread-lists of RFC 5256 §5. What follows the children of a message waits on a stack."""
    count = len(numbers)
    pieces = [" "]
    for root in roots:
        if root not in children:
            pieces.append(f"({numbers[root]})")
            continue
        pieces.append("(")
        waiting = [root]
        while waiting:
            message = waiting.pop()
            if message < 0:
                pieces.append("(" if message == _OPEN else ")")
                continue
            if message < count:
                pieces.append(str(numbers[message]))
            below = children.get(message)
            if below is None:
                continue
            if message < count:
                pieces.append(" ")
            if len(below) == 1:
                waiting.append(below[0])
            else:
                for child in reversed(below):
                    waiting += (_CLOSE, child, _OPEN)
        pieces.append(")")
    return "".join(pieces).encode("ascii")
