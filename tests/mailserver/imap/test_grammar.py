"""The grammar: what is read, what is refused, and that nothing but its own error comes out."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailserver.imap.grammar import utf7
from mailserver.imap.grammar.appending import Append, message_comes_next
from mailserver.imap.grammar.commands import Fetch, Id, Login, Numbering, Store, StoreMode
from mailserver.imap.grammar.cursor import Cursor, inbox_in_capitals
from mailserver.imap.grammar.dates import format_date_time, parse_date, parse_date_time
from mailserver.imap.grammar.errors import NotSupported, ParseError
from mailserver.imap.grammar.fetch import MAX_ITEMS, FetchItem, Partial, Section, SectionText
from mailserver.imap.grammar.parser import names, parse_command, split_tag
from mailserver.imap.grammar.patterns import ListPattern
from mailserver.imap.grammar.search import Program, Search
from mailserver.imap.grammar.search_keys import AndKey, NotKey, OrKey, TextKey, Where
from mailserver.imap.grammar.sequence import SequenceSet, format_uid_set, parse_sequence_set


def parse(text: bytes, *literals: bytes) -> object:
    cursor = Cursor(b"a " + text, literals)
    _, name = split_tag(cursor)
    return parse_command(cursor, name)


# Elements


def test_it_reads_a_quoted_string_with_escapes() -> None:
    assert Cursor(rb'"a \"b\" \\c"').string() == rb'a "b" \c'


@pytest.mark.parametrize(
    "text", [b'"open', b'"a\\x"', b'"a\\', b'"a\r\n"', b'"\0"', b"bare", b"{5}", b"{3}\r\n"]
)
def test_it_refuses_what_is_no_string(text: bytes) -> None:
    with pytest.raises(ParseError):
        Cursor(text).string()


def test_it_takes_literals_in_their_order() -> None:
    assert parse(b"LOGIN {3}\r\n {2+}\r\n", b"abc", b"de") == Login(b"abc", b"de")


def test_it_hides_secrets_in_their_representation() -> None:
    assert "secret" not in repr(parse(b"LOGIN a secret"))
    assert "body" not in repr(parse(b"APPEND INBOX {4}\r\n", b"body"))


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("INBOX", b"INBOX"),
        ("R&D", b"R&-D"),
        ("Éléments supprimés", b"&AMk-l&AOk-ments supprim&AOk-s"),
        ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("😀", b"&2D3eAA-"),
    ],
)
def test_it_knows_modified_utf7(name: str, wire: bytes) -> None:
    assert utf7.encode(name) == wire
    assert utf7.decode(wire) == name


@pytest.mark.parametrize(
    "wire",
    [
        b"&",
        b"&Jjo",
        b"&Jjo!",
        b"&AGE-",
        b"a\x80",
        b"a\0b",
        b"&U,BTFw-&ZeVnLIqe-",
        b"&2D0-",
        b"&AAA-x\x7f",
        b"&A-",
    ],
)
def test_it_refuses_modified_utf7_that_is_not_canonical(wire: bytes) -> None:
    with pytest.raises(ValueError):
        utf7.decode(wire)


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc"))))
def test_every_name_survives_modified_utf7(name: str) -> None:
    wire = utf7.encode(name)
    assert wire.isascii()
    if name.isprintable():
        assert utf7.decode(wire) == name


@given(st.binary(max_size=64))
def test_modified_utf7_raises_nothing_but_value_errors(raw: bytes) -> None:
    with suppress(ValueError):
        assert utf7.encode(utf7.decode(raw)) == raw


def test_inbox_has_one_spelling() -> None:
    assert [inbox_in_capitals(name) for name in ("inbox", "InBox/x", "inboxes")] == [
        "INBOX",
        "INBOX/x",
        "inboxes",
    ]


# Sets


@pytest.mark.parametrize(
    ("text", "count", "slices"),
    [
        (b"1", 5, [(0, 1)]),
        (b"2:4", 5, [(1, 4)]),
        (b"4:2", 5, [(1, 4)]),
        (b"*", 5, [(4, 5)]),
        (b"6:*", 5, [(4, 5)]),
        (b"*:6", 5, [(4, 5)]),
        (b"*:3", 5, [(2, 5)]),
        (b"1,4,*", 5, [(0, 1), (3, 5)]),
        (b"3,1,2", 5, [(0, 3)]),
        (b"1:*", 0, []),
        (b"*", 0, []),
        (b"2:9", 5, [(1, 5)]),
    ],
)
def test_it_resolves_sequence_numbers(text: bytes, count: int, slices: list[tuple[int, int]]) -> None:
    assert parse_sequence_set(Cursor(text)).positions(count) == slices


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"1:*", [3, 7, 9]),
        (b"4:*", [7, 9]),
        (b"100:*", [9]),
        (b"*:100", [9]),
        (b"4:6", []),
        (b"7", [7]),
        (b"9,3", [3, 9]),
        (b"9:3", [3, 7, 9]),
    ],
)
def test_it_resolves_uids(text: bytes, found: list[int]) -> None:
    uids = [3, 7, 9]
    slices = parse_sequence_set(Cursor(text)).uid_positions(uids)
    assert [uid for start, stop in slices for uid in uids[start:stop]] == found


@pytest.mark.parametrize(
    "text", [b"0", b"1:", b":1", b"1,,2", b",", b"a", b"1:2:3", b"4294967296", b"99999999999999", b""]
)
def test_it_refuses_what_is_no_set(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_sequence_set(Cursor(text))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1), st.integers(0, 10))
def test_positions_agree_with_the_definition(ranges: list[tuple[int, int]], count: int) -> None:
    named = set()
    for first, last in ranges:
        low, high = sorted((first or count, last or count))
        named.update(range(low, high + 1))
        if 0 in (first, last):
            named.add(count)
    found = SequenceSet(tuple(ranges)).positions(count)
    assert {number for start, stop in found for number in range(start + 1, stop + 1)} == {
        number for number in named if 1 <= number <= count
    }
    assert all(before[1] < after[0] for before, after in pairwise(found))


@given(st.lists(st.integers(1, 60), unique=True, min_size=1).map(sorted))
def test_a_written_set_reads_back(uids: list[int]) -> None:
    slices = parse_sequence_set(Cursor(format_uid_set(uids))).positions(60)
    assert [number for start, stop in slices for number in range(start + 1, stop + 1)] == uids


# Patterns


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("*", "a/b/c", True),
        ("%", "a", True),
        ("%", "a/b", False),
        ("a/%", "a/b", True),
        ("a/%", "a/b/c", False),
        ("a*c", "a/b/c", True),
        ("%/%", "a/b", True),
        ("inbox", "INBOX", True),
        ("InBox/%", "INBOX/x", True),
        ("%*%", "a/b", True),
        ("a%*b", "axx/b", True),
        ("", "", True),
        ("b", "a", False),
        ("*b", "ab/b", True),
        ("%t*4", "test3/test4", True),
        (".*", "abc", False),
        ("x" * 2000, "x", False),
    ],
)
def test_patterns_match_as_the_rfc_says(pattern: str, name: str, expected: bool) -> None:
    assert ListPattern(pattern).matches(name) is expected


@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=8))
def test_patterns_agree_with_a_slow_matcher(pattern: str, name: str) -> None:
    def slow(pattern: str, name: str) -> bool:
        if not pattern:
            return not name
        if pattern[0] in "*%":
            taken = 0
            while True:
                if slow(pattern[1:], name[taken:]):
                    return True
                if taken == len(name) or (pattern[0] == "%" and name[taken] == "/"):
                    return False
                taken += 1
        return bool(name) and name[0] == pattern[0] and slow(pattern[1:], name[1:])

    assert ListPattern(pattern).matches(name) is slow(pattern, name)


def test_a_pattern_of_wildcards_is_matched_in_linear_time() -> None:
    assert not ListPattern("*a" * 500 + "b").matches("a" * 255)


# Dates


def test_it_reads_and_writes_internal_dates() -> None:
    millis = parse_date_time(Cursor(b'" 1-Feb-2026 12:00:00 +0130"'))
    assert millis == int(datetime(2026, 2, 1, 10, 30, tzinfo=UTC).timestamp()) * 1000
    assert format_date_time(millis) == b'" 1-Feb-2026 10:30:00 +0000"'
    zone = timezone(-timedelta(hours=3, minutes=30))
    assert format_date_time(millis, zone) == b'" 1-Feb-2026 07:00:00 -0330"'


@pytest.mark.parametrize(
    "text",
    [
        b'"31-Feb-2026 12:00:00 +0000"',
        b'"1-Feb-2026 12:00:00 +0000"',
        b'"01-Foo-2026 12:00:00 +0000"',
        b'"01-Feb-2026 12:00:00 +9900"',
        b'"01-Feb-0000 12:00:00 +0000"',
        b'""',
    ],
)
def test_it_refuses_what_is_no_instant(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_date_time(Cursor(text))


def test_it_reads_days_quoted_or_not() -> None:
    assert parse_date(Cursor(b"1-feb-2026")) == date(2026, 2, 1)
    assert parse_date(Cursor(b'"28-Feb-2026"')) == date(2026, 2, 28)


# Commands


def test_it_reads_a_fetch_of_sections() -> None:
    command = parse(
        b"UID FETCH 1:*,3 (FLAGS body.peek[1.2.header.fields (From {2+}\r\n)]<5.10> BODY[])", b"To"
    )
    assert isinstance(command, Fetch)
    assert command.numbering is Numbering.UID
    flags, section, body = command.attributes
    assert flags.item is FetchItem.FLAGS
    assert section.section == Section((1, 2), SectionText.HEADER_FIELDS, (b"From", b"To"))
    assert section.partial == Partial(5, 10)
    assert section.label == b"BODY[1.2.HEADER.FIELDS (From To)]<5>"
    assert not section.sets_seen
    assert body.sets_seen
    assert body.label == b"BODY[]"


def test_what_has_one_answer_is_fetched_once() -> None:
    command = parse(b"FETCH 1 (BODY.PEEK[] UID BODY[] BODY.PEEK[]<0.5> BODY.PEEK[] BODY.PEEK[]<0.6> UID)")
    assert isinstance(command, Fetch)
    assert [each.label for each in command.attributes] == [b"BODY[]", b"UID", b"BODY[]<0>", b"BODY[]<0>"]
    assert command.attributes[0].sets_seen


@pytest.mark.parametrize(
    "text",
    [
        b"FETCH 1 ()",
        b"FETCH 1 BODY[",
        b"FETCH 1 BODY[1.]",
        b"FETCH 1 BODY[0]",
        b"FETCH 1 BODY[MIME]",
        b"FETCH 1 BODY[HEADER.FIELDS]",
        b"FETCH 1 BODY[HEADER.FIELDS ()]",
        b"FETCH 1 BODY[]<1>",
        b"FETCH 1 BODY[]<0.0>",
        b"FETCH 1 BODYSTRUCTURE[1]",
        b"FETCH 1 (ALL)",
        b"FETCH 1 BODY[" + b".".join([b"1"] * 200) + b"]",
        b"FETCH 1 (" + b" ".join([b"FLAGS"] * (MAX_ITEMS + 1)) + b")",
        b"STORE 1 FLAGS \\Seen)",
        b"STORE 1 +FLAGS (\\Unknown)",
        b"STORE 1 FLAGS",
        b"SEARCH",
        b"SEARCH ()",
        b"SEARCH NOT",
        b"SEARCH OR SEEN",
        b"SEARCH LARGER x",
        b"SEARCH KEYWORD \\Seen",
        b"SEARCH " + b"NOT " * 101 + b"SEEN",
        b"SEARCH " + b"(" * 102 + b"SEEN" + b")" * 102,
        b"SEARCH " + b"OR SEEN " * 101 + b"SEEN",
        b"SEARCH " + b" ".join([b"SEEN"] * 5000),
        b"STATUS INBOX ()",
        b"STATUS INBOX (SIZE",
        b"ID (" + b" ".join([b'"a" "b"'] * 31) + b")",
        b"LIST (RECURSIVEMATCH REMOTE) a b",
        b"LIST (NONSENSE) a b",
        b"LIST a b RETURN (NONSENSE)",
        b"LIST a ()",
        b"APPEND INBOX body",
        b"NOOP x",
        b"UID",
        b"UID NOOP",
        b"UID EXPUNGE",
    ],
)
def test_it_refuses_what_is_no_command(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse(text)


def test_it_reads_a_search_program_as_a_tree() -> None:
    command = parse(b'SEARCH CHARSET utf-8 OR (FROM a NOT TO {2}\r\n) SUBJECT "b c"', "é".encode())
    from_, to, subject = TextKey(Where.FROM, "a"), TextKey(Where.TO, "é"), TextKey(Where.SUBJECT, "b c")
    key = OrKey(AndKey((from_, NotKey(to))), subject)
    assert command == Search(Numbering.SEQUENCE, Program(key, "UTF-8"))


def test_it_bounds_keywords() -> None:
    words = b" ".join(b"k%d" % number for number in range(65))
    for text in (b"STORE 1 FLAGS (" + words + b")", b"STORE 1 FLAGS " + b"k" * 129):
        with pytest.raises(NotSupported) as caught:
            parse(text)
        assert caught.value.code == "LIMIT"


def test_it_reads_a_store_without_parentheses() -> None:
    command = parse(b"STORE 2 -flags.silent \\seen Work work")
    assert isinstance(command, Store)
    assert (command.mode, command.silent) == (StoreMode.REMOVE, True)
    assert command.flags.system == {"\\Seen"}
    assert command.flags.keywords == ("Work",)


def test_it_accepts_id_in_its_forms() -> None:
    assert parse(b"ID NIL") == parse(b"ID ()") == parse(b'ID ("name" NIL "a" "b")') == Id()


def test_it_reads_append_with_everything() -> None:
    command = parse(b'APPEND "inbox" (\\Seen x) " 1-Jan-1970 00:00:01 +0000" {2}\r\n', b"hi")
    assert isinstance(command, Append)
    (message,) = command.messages
    assert (command.mailbox, message.received_at, message.content) == ("INBOX", 1000, b"hi")


def test_it_reads_several_messages_in_the_forms_of_each_extension() -> None:
    command = parse(b"APPEND x {2}\r\n (\\Seen) ~{3}\r\n UTF8 (~{1+}\r\n)", b"hi", b"two", b"3")
    assert isinstance(command, Append)
    assert [message.content for message in command.messages] == [b"hi", b"two", b"3"]
    with pytest.raises(ParseError):
        parse(b"APPEND x UTF8 (~{2}\r\n", b"hi")
    with pytest.raises(ParseError):
        parse(b"APPEND x {2}\r\n (\\Seen)", b"hi")


def test_it_knows_when_the_message_of_append_comes_next() -> None:
    assert message_comes_next(b"a APPEND INBOX {5}", [])
    assert message_comes_next(b"a append {5}\r\n (\\Seen) {9+}", [b"INBOX"])
    assert message_comes_next(b"a UID REPLACE 7 INBOX (\\Seen) ~{5}", [])
    assert message_comes_next(b"a APPEND INBOX {2}\r\n UTF8 (~{9}", [b"hi"])
    assert not message_comes_next(b"a APPEND INBOX {2}\r\n nonsense {9}", [b"hi"])
    assert not message_comes_next(b"a APPEND {5}", [])
    assert not message_comes_next(b"a SEARCH BODY {5}", [])


_WORDS = st.sampled_from(
    [name.encode() for name in sorted(names())]
    + [b"(", b")", b" ", b" ", b" ", b"[", b"]", b"<0.1>", b'"', b"\\", b"*", b"%", b"1:*", b"1", b"0", b",", b"BODY[",
       b"BODY.PEEK[1.MIME]", b"HEADER.FIELDS", b"FLAGS", b"+FLAGS.SILENT", b"\\Seen", b"NOT ", b"OR ", b"CHARSET UTF-8 ",
       b"{3}\r\n", b"{3+}\r\n", b"{99999999999999999999}\r\n", b"SINCE 1-Feb-2026", b"NIL", b"INBOX", b"&AOk-", b"\xff", b"\0"]
)  # fmt: skip


@settings(max_examples=600)
@given(st.lists(_WORDS, max_size=14).map(b"".join) | st.binary(max_size=80))
def test_the_parser_raises_nothing_but_its_own_error(text: bytes) -> None:
    cursor = Cursor(b"a " + text, [b"abc", b"def"])
    message_comes_next(b"a " + text, [b"abc"])
    try:
        _, name = split_tag(cursor)
        parse_command(cursor, name)
    except ParseError as error:
        error.text.encode("ascii")


@settings(max_examples=300)
@given(st.sampled_from(sorted(names())), st.lists(_WORDS, max_size=10).map(b"".join))
def test_every_command_survives_any_arguments(name: str, arguments: bytes) -> None:
    cursor = Cursor(b" " + arguments, [b"abc"])
    try:
        parse_command(cursor, name)
    except ParseError as error:
        error.text.encode("ascii")
