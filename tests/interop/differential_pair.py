"""Two sessions on each of two servers, driven step by step and held against each other."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

from hypothesis import note

from tests.interop.differential import normal, state
from tests.interop.differential_known import is_known
from tests.interop.differential_steps import DATES, FOLDERS, Folder, Message, Numbers, Step

if TYPE_CHECKING:
    from tests.interop.differential import Side

NEEDS_SELECTED = (
    "STORE", "COPY", "MOVE", "FETCH", "SEARCH", "SORT", "THREAD", "EXPUNGE", "CHECK", "CLOSE", "UNSELECT", "RESYNC",
)  # fmt: skip
REMOVES = ("EXPUNGE", "MOVE", "CLOSE")


class Pair:
    """Both servers and what their sessions have open."""

    def __init__(self, ours: Side, theirs: Side) -> None:
        self.sides = (ours, theirs)
        self.count = itertools.count(1)
        self.selected: list[str | None] = [None, None]
        self.names: set[str] = set()
        self.stale = [False, False]
        self.is_read_only = [False, False]
        self.offered: frozenset[str] = frozenset()
        self.is_broken = False
        """A sequence ended in an error, which may have left half a response on the wire."""

    def begin(self, first: list[Message]) -> None:
        root = f"e{os.getpid()}x{next(self.count)}"
        if self.is_broken:
            for side in self.sides:
                side.close()
                side.open()
        self.is_broken = True
        self.selected, self.names, self.stale = [None, None], set(), [False, False]
        for side in self.sides:
            for number in (0, 1):
                if side.views[number].wants_vanished:
                    side.sessions[number].close()
                    side.sessions[number] = side.connect()
                side.views[number] = type(side.views[number])()
            side.root, side.modseqs, side.selected = root, [1], ["", ""]
            assert side.looker.command(f'CREATE "{root}"').status == "OK"
        for step in (Step(0, "CREATE", (" ", Folder("A"))), Step(0, "CREATE", (" ", Folder("B")))):
            self.both(step)
        for at, message in enumerate(first):
            self.both(Step(0, "APPEND", (" ", Folder("A"), f' () "{DATES[at % 3]}" ', message)))
        for number in (0, 1):
            self.both(Step(number, "SELECT", (" ", Folder("A"))))

    def end(self) -> None:
        for side in self.sides:
            for number in (0, 1):
                if side.views[number].is_open:
                    side.sessions[number].command("UNSELECT")
            for name in (*sorted(FOLDERS, reverse=True), ""):
                side.looker.command(f'DELETE "{side.root}/{name}"'.replace('/"', '"'))
        self.is_broken = False

    def can_run(self, step: Step) -> bool:
        """Leaves out what servers may answer as they like: folders that are open, have no parent, or are not there."""
        if step.needs and step.needs not in self.offered:
            return False
        verb = step.command.removeprefix("UID ")
        is_open = self.sides[0].views[step.session].is_open
        if verb in NEEDS_SELECTED and not is_open:
            return False
        if any(isinstance(piece, Numbers) for piece in step.pieces):
            self.refresh(step.session)
            if not self.sides[0].views[step.session].messages:
                return False
        names = [piece.name for piece in step.pieces if isinstance(piece, Folder)]
        if verb in ("SUBSCRIBE", "UNSUBSCRIBE") and names[0] not in self.names:
            return False
        if verb == "STATUS" and names[0] == self.selected[step.session]:
            return False  # Dovecot answers from what the session was told so far
        if verb == "MOVE" and self.is_read_only[step.session]:
            return False  # Dovecot copies and leaves the original, we refuse (RFC 6851 §3.1)
        if verb in ("DELETE", "RENAME") and any(
            selected is not None and (selected == name or selected.startswith(name + "/"))
            for name in names
            for selected in self.selected
        ):
            return False
        if verb in ("DELETE", "RENAME") and any(name.startswith(names[0] + "/") for name in self.names):
            return False
        parent = names[-1].rpartition("/")[0] if names else ""
        return not (
            verb in ("CREATE", "RENAME") and parent and (parent not in self.names or parent == names[0])
        )

    def refresh(self, number: int) -> None:
        """Before numbers are used, both clients must count alike: when an expunge is told is each server's affair."""
        if self.stale[number] or len({len(side.views[number].messages) for side in self.sides}) > 1:
            self.both(Step(number, "NOOP"))

    def both(self, step: Step) -> None:
        verb = step.command.removeprefix("UID ")
        if verb == "RESYNC":
            for side in self.sides:
                side.learn(step.session)
        if verb in ("COPY", "MOVE", "STORE", "FETCH", "SEARCH", "SORT", "THREAD", "EXPUNGE", "RESYNC"):
            self.refresh(step.session)
        if verb in ("SEARCH", "SORT", "THREAD"):
            # We search what is, Dovecot what this client was told: a flag that the other session set is told first.
            self.both(Step(step.session, "NOOP"))
        answers = [side.run(step) for side in self.sides]
        first, second = (normal(side, step, answer) for side, answer in zip(self.sides, answers, strict=True))
        note(f"{step.session}: {[str(piece)[:60] for piece in self.sides[0].render(step)]}")
        assert first == second or is_known(step, first, second), (
            f"{step}\nours   {answers[0]}\ntheirs {answers[1]}"
        )
        # Dovecot tells a session of modification sequences only when that client has used one.
        told = [number for number in (0, 1) if all(side.views[number].highest_modseq for side in self.sides)]
        for side in self.sides:
            side.checkpoint(told)
        if answers[0].status == "OK":
            self.follow(step, verb)

    def follow(self, step: Step, verb: str) -> None:
        names = [piece.name for piece in step.pieces if isinstance(piece, Folder)]
        if verb == "CREATE":
            self.names.add(names[0])
        elif verb == "DELETE":
            self.names.discard(names[0])
        elif verb == "RENAME":
            self.names.discard(names[0])
            self.names.add(names[1])
        elif verb in ("SELECT", "EXAMINE"):
            self.selected[step.session] = names[0]
            self.is_read_only[step.session] = verb == "EXAMINE"
            self.stale[step.session] = False
            for side in self.sides:
                side.selected[step.session] = names[0]
        elif verb in REMOVES:
            self.stale[1 - step.session] = True
        if verb in ("CLOSE", "UNSELECT"):
            self.selected[step.session] = None
        if verb == "NOOP":
            self.stale[step.session] = False

    def compare_everything(self) -> None:
        for number in (0, 1):
            for side in self.sides:
                side.learn(number)
            ours, theirs = (side.views[number] for side in self.sides)
            assert [
                (each.uid, each.flags and {flag.lower() for flag in each.flags}) for each in ours.messages
            ] == [
                (each.uid, each.flags and {flag.lower() for flag in each.flags}) for each in theirs.messages
            ], number
        first, second = (state(side, FOLDERS) for side in self.sides)
        assert first == second
