"""A live service under broken commands and random octets: one tagged answer each, well-formed, and never an internal error.

`IMAP_FUZZ=20000` sets how many sequences are tried.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailserver.imap.grammar.parser import names
from tests.interop.differential_steps import BINARY_ITEMS, SECTIONS, SIMPLE_ITEMS
from tests.interop.imap_wire import Reader, Wire
from tests.interop.mail_corpus import MESSAGES
from tests.interop.service import Service
from tests.interop.victim import MEGABYTE, Victim

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.interop

EXAMPLES = int(os.environ.get("IMAP_FUZZ", "150"))
MEMORY = 64
"""Megabytes that a run may add: what is cached, and messages that were appended."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A string sent as a literal, announced or not."""

    octets: bytes
    mark: bytes
    """Between the braces, after the size: "" or "+"."""
    before: bytes = b""
    """ "~" for literal8."""


Piece: TypeAlias = bytes | Literal

TOKENS = tuple(
    each.encode(errors="surrogateescape")
    for each in (
        *(
            " ",
            "  ",
            "(",
            ")",
            "[",
            "]",
            '"',
            "\\",
            "*",
            "%",
            "{",
            "}",
            "<0.5>",
            ",",
            ":",
            "NIL",
            '""',
            "()",
            "+",
            "~",
        ),
        *(
            "1",
            "0",
            "1:*",
            "*:1",
            "2,4:5",
            "4294967295",
            "4294967296",
            "99999999999999999999",
            "$",
            "-1",
            "1:0",
        ),
        *(
            "INBOX",
            "inbox",
            "Sent",
            "A/B",
            "&AOk-",
            "&",
            "&Jjo!",
            '"a b"',
            "../x",
            "%",
            "#news",
            '"/private/comment"',
        ),
        *("\\Seen", "\\Deleted", "$Forwarded", "\\*", "\\", "FLAGS", "+FLAGS", "-FLAGS.SILENT", "(\\Seen k)"),
        *(
            "ALL",
            "NOT",
            "OR",
            "SEEN",
            "TEXT x",
            'SUBJECT ""',
            "HEADER X y",
            "SINCE 1-Jan-2026",
            "LARGER 5",
            "UID 1",
        ),
        *(
            "CHARSET UTF-8",
            "CHARSET X",
            "MODSEQ 5",
            "OLDER 5",
            "YOUNGER 0",
            "KEYWORD k",
            "SAVEDSINCE 1-Jan-2020",
        ),
        *(
            "RETURN (ALL)",
            "RETURN ()",
            "RETURN (SAVE)",
            "RETURN (MIN MAX COUNT)",
            "RETURN (PARTIAL 1:5)",
            "(DATE)",
        ),
        *("REFERENCES UTF-8", "ORDEREDSUBJECT US-ASCII", "(REVERSE SUBJECT)", "(DISPLAYFROM)", "EMAILID x"),
        *(
            "(CHANGEDSINCE 1)",
            "(UNCHANGEDSINCE 0)",
            "(QRESYNC (1 1))",
            "(QRESYNC (1 1 1:9 (1 1)))",
            "(CONDSTORE)",
        ),
        *(
            "(VANISHED CHANGEDSINCE 1)",
            "(PARTIAL 1:2)",
            "MODSEQ",
            "PREVIEW",
            "PREVIEW (LAZY)",
            "SAVEDATE",
            "THREADID",
        ),
        *(
            "(MESSAGES UIDNEXT SIZE)",
            "(HIGHESTMODSEQ)",
            "RETURN (STATUS (UNSEEN))",
            "(SUBSCRIBED)",
            "(USE (\\Junk))",
        ),
        *(
            "UTF8=ACCEPT",
            "QRESYNC",
            "CONDSTORE",
            "IMAP4rev2",
            "UIDONLY",
            "PLAIN",
            "=",
            "AGEAYg==",
            "DONE",
            "STORAGE",
        ),
        *("SET (SELECTED (MessageNew FlagChange))", "NONE", "lrs", "+i", "(DEPTH infinity)", "(STORAGE 5)"),
        *('"13-Mar-2026 14:54:10 +0100"', '"99-Mar-2026 14:54:10 +0100"', "é", "UTF8 (", "x" * 2000),
        *("\0", "\x7f", "\udcff\udcfe", "\udcc3"),
    )
)
ITEMS = tuple(each.encode() for each in (*SIMPLE_ITEMS, *SECTIONS, *BINARY_ITEMS))
OTHER_NAMES = tuple(sorted(each.encode() for each in names() if each not in ("LOGOUT", "STARTTLS")))
VALID = tuple(
    each.encode()
    for each in (
        "FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)", "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Subject To)]<0.20>)",
        "STORE 1:2 +FLAGS (\\Seen k)", "UID STORE 1 FLAGS.SILENT ()", "COPY 1 Sent", "UID MOVE 2 INBOX", "EXPUNGE",
        "SEARCH CHARSET UTF-8 OR TEXT x NOT (SEEN 1:3)", "UID SEARCH RETURN (ALL COUNT) ALL", "SELECT INBOX",
        "SORT (REVERSE DATE SUBJECT) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL", 'LIST "" "*"', 'LSUB "" "%"',
        'LIST (SUBSCRIBED) "" ("*" "%") RETURN (CHILDREN STATUS (MESSAGES))', "STATUS INBOX (MESSAGES UNSEEN)",
        "CREATE f/g", "DELETE f/g", "RENAME f g", "SUBSCRIBE Sent", "ENABLE CONDSTORE", "NAMESPACE", 'ID ("a" "b")',
        "GETQUOTAROOT INBOX", "GETMETADATA INBOX /private/comment", "GETACL INBOX", "IDLE", "CLOSE", "EXAMINE Sent",
    )
)  # fmt: skip

literals = st.builds(
    Literal,
    st.one_of(
        st.sampled_from([b"", b"INBOX", b"x", b"a\x00b", *list(MESSAGES.values())[:8]]),
        st.binary(max_size=60),
    ),
    st.sampled_from([b"", b"+"]),
    st.sampled_from([b"", b"", b"", b"~"]),
)
tokens = st.sampled_from(TOKENS)
made_up = st.tuples(
    st.sampled_from(OTHER_NAMES),
    st.lists(st.one_of(tokens, st.sampled_from(ITEMS), st.just(b" "), literals), max_size=8),
).map(lambda each: (each[0], b" ", *each[1]))


@st.composite
def mutated(draw: st.DrawFn) -> tuple[Piece, ...]:
    command = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(command)))
        cut = draw(st.integers(0, 6))
        command = command[:at] + draw(st.one_of(tokens, st.binary(max_size=3))) + command[at + cut :]
    return (command, draw(literals)) if draw(st.integers(0, 5)) == 0 else (command,)


commands = st.lists(st.one_of(made_up, mutated()), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with Service(tmp_path_factory.mktemp("fuzzed") / "home") as service:
        victim = Victim(service)
        with victim.signed_in() as client:
            for message in MESSAGES.values():
                assert client.command("APPEND INBOX ", message).status == "OK"
        yield victim


class Fuzzed:
    """A session, renewed when the server has had enough of it."""

    def __init__(self, victim: Victim) -> None:
        self._victim = victim
        self._wire: Wire | None = None
        self._count = 0

    def wire(self) -> Wire:
        if self._wire is None:
            self._wire = self._victim.signed_in()
            self._wire.command("SELECT INBOX")
        return self._wire

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def ask(self, pieces: tuple[Piece, ...]) -> None:
        """Sends one command; AssertionError unless it has exactly one tagged answer, or the connection ends with BYE."""
        self._count += 1
        tag = b"f%d" % self._count
        wire = self.wire()
        line = tag + b" "
        for piece in pieces:
            if isinstance(piece, bytes):
                line += re.sub(rb"[\r\n]", b"", piece)
                continue
            wire.send(line + b"%b{%d%b}\r\n" % (piece.before, len(piece.octets), piece.mark))
            if not piece.mark and not self._is_invited(wire, tag):
                return
            wire.send(piece.octets)
            line = b""
        if re.search(rb"\{\d+\+?\}$", line):
            line += b" "  # else it would announce a literal that does not follow
        wire.send(line + b"\r\n")
        while self._is_invited(wire, tag):
            wire.send(b"DONE\r\n")

    def _is_invited(self, wire: Wire, tag: bytes) -> bool:
        """Reads up to a continuation request (true), the tagged answer, or the end."""
        while True:
            data = wire.raw()
            if data.startswith(b"+ "):
                return True
            if data.startswith(b"* "):
                response = Reader(data).response()
                if response.kind == "BYE":
                    assert wire.socket.recv(1) == b""
                    self.close()
                    return False
                if response.kind != "BAD":
                    continue
                # A tag that cannot be read is answered by an untagged BAD.
                raise AssertionError(f"an untagged answer: {data!r}")
            reader = Reader(data)
            reader.expect(tag + b" ")
            assert reader.match(re.compile(rb"OK|NO|BAD"), "status")
            reader.expect(b" ")
            reader.text()
            assert b"Internal error" not in data, data
            return False


@pytest.mark.timeout(7200)
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False
)
@given(sequence=commands)
def test_every_command_has_one_answer(victim: Victim, sequence: list[tuple[Piece, ...]]) -> None:
    fuzzed = Fuzzed(victim)
    try:
        for pieces in sequence:
            fuzzed.ask(pieces)
            fuzzed.ask((b"NOOP",))  # after twenty broken commands in a row the session would end
    finally:
        fuzzed.close()


@pytest.mark.timeout(7200)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    octets=st.lists(
        st.one_of(st.binary(max_size=200), tokens, st.just(b"\r\n"), st.sampled_from(VALID)), max_size=40
    )
)
@pytest.mark.parametrize("is_signed_in", [False, True])
def test_random_octets_are_borne(victim: Victim, octets: list[bytes], is_signed_in: bool) -> None:
    with victim.attacker() if is_signed_in else victim.stranger() as raw:
        if raw.pour(b"".join(octets)):
            try:
                raw.socket.shutdown(socket.SHUT_WR)
            except OSError:
                return
        while line := raw.line():
            assert b"Internal error" not in line


def test_nothing_was_logged_and_memory_is_what_it_was(victim: Victim) -> None:
    """Runs also alone: then over commands of its own."""
    before = victim.memory
    fuzzed = Fuzzed(victim)
    for name in OTHER_NAMES * 5:
        for token in TOKENS[::7]:
            fuzzed.ask((name, b" ", token))
            fuzzed.ask((b"NOOP",))
    fuzzed.close()
    assert (victim.memory - before) / MEGABYTE < MEMORY
    log = victim.log()
    assert "command_failed" not in log
    assert "Traceback" not in log
