"""What a client knows of its folder from the responses alone, and the rules a server must keep towards it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.imap_wire import Answer, Response

_NO_EXPUNGE_DURING = ("FETCH", "STORE", "SEARCH", "SORT", "THREAD")
"""RFC 3501 §7.4.1, RFC 5256 §3; their UID forms may bring it."""


@dataclass(slots=True)
class Known:
    """One message as far as it was told."""

    uid: int | None = None
    flags: frozenset[str] | None = None
    modseq: int = 0


@dataclass(slots=True)
class View:
    """A selected folder, followed response by response."""

    messages: list[Known] = field(default_factory=list)
    highest_modseq: int = 0
    uidvalidity: int = 0
    is_open: bool = False
    wants_vanished: bool = False
    """After ENABLE QRESYNC (RFC 7162 §3.2.10)."""

    def opened(self, answer: Answer, known: dict[int, frozenset[str]] | None = None) -> None:
        """SELECT or EXAMINE was answered; with QRESYNC, `known` is what the client remembers, by UID."""
        self.messages = []
        self.is_open = answer.status == "OK"
        if not self.is_open:
            return
        vanished: set[int] = set()
        for each in answer.untagged:
            if each.kind == "EXISTS":
                self.messages = [Known() for _ in range(each.number or 0)]
            elif each.kind == "VANISHED":
                assert each.data[0] == ["EARLIER"], each
                vanished |= set(expand(each.data[1]))
            elif each.kind == "FETCH":
                self._fetched(each)
            elif each.code == "HIGHESTMODSEQ":
                self.highest_modseq = each.argument
            elif each.code == "UIDVALIDITY":
                self.uidvalidity = each.argument
        if known is not None:
            told = {message.uid: message for message in self.messages if message.uid is not None}
            kept = {uid: flags for uid, flags in known.items() if uid not in vanished}
            for uid, message in told.items():
                assert message.flags is not None, answer
                kept[uid] = message.flags
            assert len(kept) == len(self.messages), ("the resynchronised client has other messages", answer)
            self.messages = [Known(uid, kept[uid]) for uid in sorted(kept)]

    def apply(self, answer: Answer, command: str) -> None:
        """Follows the untagged responses of any other command."""
        for each in answer.untagged:
            self.hear(each, command)

    def hear(self, each: Response, command: str = "") -> None:
        """One response; AssertionError when the server may not say it."""
        number = each.number or 0
        if each.kind == "EXISTS":
            assert self.is_open, each
            assert number >= len(self.messages), ("EXISTS may not go down", each)
            self.messages += [Known() for _ in range(number - len(self.messages))]
        elif each.kind == "EXPUNGE":
            assert self.is_open, each
            assert not self.wants_vanished, ("EXPUNGE after ENABLE QRESYNC", each)
            assert not command.startswith(_NO_EXPUNGE_DURING), (command, each)
            assert 1 <= number <= len(self.messages), each
            self.messages.pop(number - 1)
        elif each.kind == "VANISHED":
            assert self.is_open, each
            if each.data[0] == ["EARLIER"]:
                return
            assert self.wants_vanished, ("VANISHED before ENABLE QRESYNC", each)
            assert not command.startswith(_NO_EXPUNGE_DURING), (command, each)
            gone = set(expand(each.data[0]))
            known = {message.uid for message in self.messages}
            if None not in known:
                assert gone <= known, ("VANISHED of unknown messages", each)
            self.messages = [message for message in self.messages if message.uid not in gone]
        elif each.kind == "FETCH":
            assert self.is_open, each
            self._fetched(each)
        elif each.code == "HIGHESTMODSEQ":
            self.highest_modseq = max(self.highest_modseq, each.argument)

    def _fetched(self, each: Response) -> None:
        number = each.number or 0
        assert 1 <= number <= len(self.messages), ("FETCH of no message", each)
        message = self.messages[number - 1]
        if "UID" in each.data:
            assert message.uid in (None, each.data["UID"]), ("the UID changed", message, each)
            message.uid = each.data["UID"]
        if "FLAGS" in each.data:
            message.flags = frozenset(each.data["FLAGS"]) - {"\\Recent"}
        if "MODSEQ" in each.data:
            message.modseq = each.data["MODSEQ"][0]
            self.highest_modseq = max(self.highest_modseq, message.modseq)

    def flags_by_uid(self) -> dict[int, frozenset[str]]:
        """What a client would keep on disk; only messages it knows wholly."""
        return {
            each.uid: each.flags for each in self.messages if each.uid is not None and each.flags is not None
        }


def expand(numbers: str | int) -> Iterator[int]:
    """The numbers of a set without `*`."""
    for part in str(numbers).split(","):
        first, _, last = part.partition(":")
        low, high = sorted((int(first), int(last or first)))
        yield from range(low, high + 1)
