"""Two servers side by side: the same commands, each server's own numbers, and what counts as the same answer."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.interop.differential_steps import Folder, Message, Numbers, Since, Step, octets
from tests.interop.imap_view import View, expand
from tests.interop.imap_wire import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.interop.imap_wire import Answer, Wire

MEANINGFUL_CODES = ("TRYCREATE", "READ-ONLY", "READ-WRITE", "MODIFIED", "APPENDUID", "COPYUID")


@dataclass(slots=True)
class Side:
    """One server: two sessions that act and one that looks."""

    name: str
    connect: Callable[[], Wire]
    sessions: list[Wire] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    modseqs: list[int] = field(default_factory=list)
    root: str = ""

    def open(self) -> None:
        self.sessions = [self.connect() for _ in range(3)]
        self.views = [View(), View()]

    def close(self) -> None:
        for session in self.sessions:
            session.close()

    @property
    def looker(self) -> Wire:
        return self.sessions[2]

    def quoted(self, name: str) -> str:
        return f'"{self.root}/{name}"'

    def render(self, step: Step) -> list[str | bytes]:
        count = len(self.views[step.session].messages)
        pieces: list[str | bytes] = [step.command]
        for piece in step.pieces:
            rendered: str | bytes
            if isinstance(piece, Folder):
                rendered = self.quoted(piece.name)
            elif isinstance(piece, Numbers):
                rendered = cut(piece.text, count)
            elif isinstance(piece, Since):
                rendered = str(self.modseqs[piece.step % len(self.modseqs)])
            elif isinstance(piece, Message):
                rendered = octets(piece)
            else:
                rendered = piece
            pieces.append(rendered)
        return pieces

    def run(self, step: Step) -> Answer:
        wire, view = self.sessions[step.session], self.views[step.session]
        if step.command == "RESYNC":
            return self._resynchronise(step.session)
        try:
            answer = wire.command(*self.render(step))
        except Malformed as error:
            raise Malformed(f"{self.name}: {error}") from None
        if step.command in ("SELECT", "EXAMINE"):
            view.opened(answer)
        else:
            view.apply(answer, step.command)
            if step.command in ("CLOSE", "UNSELECT") and answer.status == "OK":
                view.is_open = False
                view.messages = []
        return answer

    def checkpoint(self, numbers: Iterable[int]) -> None:
        """Remembers the highest modification sequence that any of these sessions was told of."""
        self.modseqs.append(max((self.views[number].highest_modseq for number in numbers), default=1))

    def _resynchronise(self, number: int) -> Answer:
        """A client leaves and comes back with what it remembers (RFC 7162 §3.2.5)."""
        view = self.views[number]
        known, modseq, folder = view.flags_by_uid(), view.highest_modseq, self.selected[number]
        self.sessions[number].close()
        self.sessions[number] = wire = self.connect()
        assert wire.command("ENABLE QRESYNC").status == "OK"
        fresh = View(wants_vanished=True)
        self.views[number] = fresh
        answer = wire.command(f"SELECT {self.quoted(folder)} (QRESYNC ({view.uidvalidity} {max(modseq, 1)}))")
        fresh.opened(answer, known if answer.status == "OK" else None)
        return answer

    selected: list[str] = field(default_factory=lambda: ["", ""])

    def learn(self, number: int) -> None:
        """Brings a session up to date, with every UID, flag and modification sequence."""
        wire, view = self.sessions[number], self.views[number]
        view.apply(wire.command("NOOP"), "NOOP")
        if view.is_open and view.messages:
            items = "(UID FLAGS MODSEQ)" if "CONDSTORE" in wire.capabilities else "(UID FLAGS)"
            view.apply(wire.command(f"FETCH 1:* {items}"), "FETCH")


def cut(text: str, count: int) -> str:
    """A set of sequence numbers without those beyond the last message; there is at least one."""
    return re.sub(r"\d+", lambda found: str(min(int(found.group()), max(count, 1))), text)


# The same answer


def normal(side: Side, step: Step, answer: Answer) -> dict[str, Any]:
    """What must be equal on both servers."""
    found: dict[str, Any] = {"status": answer.status}
    if answer.code in MEANINGFUL_CODES:
        found["code"] = (answer.code, _argument(answer.code, answer.argument))
    verb = step.command.removeprefix("UID ")
    read = _READERS.get(verb)
    if read is not None and answer.status == "OK":
        found["data"] = read(side, step, answer)
    if verb == "MOVE":
        found["moved"] = [
            _argument("COPYUID", each.argument) for each in answer.of("OK") if each.code == "COPYUID"
        ]
    return found


def _argument(code: str, argument: Any) -> Any:
    """Without UIDVALIDITY, which is each server's own."""
    if code == "APPENDUID":
        return list(expand(argument[1]))
    if code == "COPYUID":
        return list(zip(expand(argument[1]), expand(argument[2]), strict=True))
    if code == "MODIFIED":
        return sorted(expand(argument))
    return None


def _fetched(side: Side, step: Step, answer: Answer) -> dict[int, dict[str, Any]]:
    wanted = {label(name) for name in step.asked} | ({"UID"} if step.command.startswith("UID") else set())
    found: dict[int, dict[str, Any]] = {}
    for each in answer.of("FETCH"):
        values = {
            name.upper(): _value(name, value) for name, value in each.data.items() if name.upper() in wanted
        }
        if values.keys() - {"FLAGS", "UID"} or wanted <= {"FLAGS", "UID"}:
            found.setdefault(each.number or 0, {}).update(values)
    return found


def label(name: str) -> str:
    """How an item stands in the answer."""
    name = name.upper().replace(".PEEK", "")
    return re.sub(r"<(\d+)\.\d+>", r"<\1>", name)


def _value(name: str, value: Any) -> Any:
    if name == "FLAGS":
        return sorted({each.lower() for each in value} - {"\\recent"})
    if name == "INTERNALDATE":
        return datetime.strptime(value.decode().strip(), "%d-%b-%Y %H:%M:%S %z").timestamp()
    if name in ("BODY", "BODYSTRUCTURE"):
        return folded(value)
    # A section that is not there is NIL for us and empty for Dovecot: RFC 3501 names neither.
    return value if value is not None or name == "ENVELOPE" else b""


def folded(value: Any) -> Any:
    """Media types, parameter names and encodings in one case of letters; values as they are."""
    if isinstance(value, list):
        if value and isinstance(value[0], bytes):
            return [
                each.lower() if isinstance(each, bytes) and at in (0, 1, 5) else folded(each)
                for at, each in enumerate(value)
            ]
        return [folded(each) for each in value]
    return value


def _searched(side: Side, step: Step, answer: Answer) -> Any:
    if answer.of("ESEARCH"):
        values = answer.one("ESEARCH").data
        values = values[1:] if isinstance(values[0], list) else values
        values = values[1:] if values and values[0] == "UID" else values
        pairs = dict(zip(values[::2], values[1::2], strict=True))
        if "ALL" in pairs:
            pairs["ALL"] = sorted(expand(pairs["ALL"]))
        pairs.pop("MODSEQ", None)
        return pairs
    return sorted(each for response in answer.of("SEARCH") for each in response.data if isinstance(each, int))


def _sorted(side: Side, step: Step, answer: Answer) -> list[int]:
    return [each for response in answer.of("SORT") for each in response.data if isinstance(each, int)]


def _threaded(side: Side, step: Step, answer: Answer) -> Any:
    return [response.data for response in answer.of("THREAD") if response.data]


def _listed(side: Side, step: Step, answer: Answer) -> Any:
    """Names below the root and their attributes; folders of the account itself are left out."""
    found = {}
    unasked = {"\\marked", "\\unmarked"}
    if step.needs == "LIST-EXTENDED" and not any("CHILDREN" in str(piece) for piece in step.pieces):
        unasked |= {"\\haschildren", "\\hasnochildren"}  # may be told all the same (RFC 5258 §4)
    for response in answer.of("LIST") + answer.of("LSUB"):
        attributes, _, name, *_ = response.data
        text = name.decode() if isinstance(name, bytes) else str(name)
        if text.startswith(side.root + "/"):
            found[text[len(side.root) + 1 :]] = sorted({each.lower() for each in attributes} - unasked)
    return found, _statuses(side, step, answer)


def _statuses(side: Side, step: Step, answer: Answer) -> Any:
    found = {}
    for response in answer.of("STATUS"):
        name, values = response.data
        text = name.decode() if isinstance(name, bytes) else str(name)
        found[text.removeprefix(side.root + "/")] = dict(zip(values[::2], values[1::2], strict=True))
    return found


def _opened(side: Side, step: Step, answer: Answer) -> Any:
    return {
        "exists": answer.one("EXISTS").number,
        "uidnext": [each.argument for each in answer.of("OK") if each.code == "UIDNEXT"],
    }


_READERS: dict[str, Callable[[Side, Step, Answer], Any]] = {
    "FETCH": _fetched,
    "SEARCH": _searched,
    "SORT": _sorted,
    "THREAD": _threaded,
    "LIST": _listed,
    "LSUB": _listed,
    "STATUS": _statuses,
    "SELECT": _opened,
    "EXAMINE": _opened,
}


def state(side: Side, folders: Iterable[str]) -> dict[str, Any]:
    """Everything below the root: folders, subscriptions, messages with flags, dates and octets."""
    looker = side.looker
    found: dict[str, Any] = {}
    for name in folders:
        opened = looker.command(f"EXAMINE {side.quoted(name)}")
        if opened.status != "OK":
            found[name] = None
            continue
        view = View()
        view.opened(opened)
        messages = []
        if view.messages:
            answer = looker.command("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
            messages = [
                (
                    each.number,
                    each.data["UID"],
                    _value("FLAGS", each.data["FLAGS"]),
                    _value("INTERNALDATE", each.data["INTERNALDATE"]),
                    each.data["RFC822.SIZE"],
                    hashlib.sha256(each.data["BODY[]"]).hexdigest()[:16],
                )
                for each in answer.of("FETCH")
            ]
        found[name] = messages
        looker.command("UNSELECT")
    step = Step(2, "LIST")
    found["LIST"] = _listed(side, step, looker.command(f'LIST "" "{side.root}/*"'))
    found["LSUB"] = sorted(_listed(side, step, looker.command(f'LSUB "" "{side.root}/*"'))[0])
    return found
