"""Random sequences of IMAP commands as values, so that hypothesis can shorten them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import strategies as st

from tests.interop.differential_known import FOUND_OTHERWISE, READ_OTHERWISE
from tests.interop.mail_corpus import MESSAGES

FOLDERS = ("A", "B", "A/c", "&AOk-t&AOk- 1")
PATTERNS = ("*", "%", "A%", "A/%", "*c", "B", "%/%", "A*c", "absent")
FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$Forwarded", "Label1", "label1")
DATES = ("13-Mar-2026 14:54:10 +0100", " 1-Jan-2020 00:30:00 +0200", "31-Dec-2025 23:59:59 -0500")
WORDS = (
    "alpha", "ALPHA", "beta", "gamma", "epsilon", "theta", "iota kappa", "bonjour", "marie", "un.example",
    "paul@deux.example", "lambda", "dedans", "omicron", "typed", "introuvable", "preambule", "equipe",
)  # fmt: skip
FIELDS = ("Subject", "message-id", "X-Long", "Received", "Content-Type", "Absent")
DAYS = ("1-Jan-2020", "31-Dec-2025", "13-Mar-2026", "14-Mar-2026", "1-Jan-2019", "17-Mar-2026")
STATUS_ITEMS = ("MESSAGES", "UIDNEXT", "UNSEEN")
SIMPLE_ITEMS = (
    "FLAGS", "UID", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "BODY.PEEK[]",
    "BODY[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY[1]", "BODY.PEEK[HEADER.FIELDS (Subject From)]",
    "BODY.PEEK[HEADER.FIELDS.NOT (to received)]", "BODY.PEEK[]<0.10>", "BODY.PEEK[TEXT]<5.20>",
    "BODY.PEEK[]<100000.5>", "BODY.PEEK[1]<1.1000000>", "RFC822.HEADER", "RFC822.TEXT", "RFC822",
)  # fmt: skip
SECTIONS = (
    "BODY.PEEK[1]", "BODY.PEEK[1.MIME]", "BODY.PEEK[2]", "BODY.PEEK[2.MIME]", "BODY.PEEK[3]", "BODY.PEEK[2.HEADER]",
    "BODY.PEEK[2.TEXT]", "BODY.PEEK[2.1]", "BODY.PEEK[2.1.MIME]", "BODY.PEEK[2.2]", "BODY.PEEK[2.2.MIME]",
    "BODY.PEEK[1.1]", "BODY.PEEK[1.2]", "BODY.PEEK[1.HEADER]", "BODY.PEEK[1.TEXT]", "BODY.PEEK[1.2.MIME]",
    "BODY.PEEK[2.HEADER.FIELDS (SUBJECT)]", "BODY.PEEK[1.HEADER.FIELDS (SUBJECT)]", "BODY.PEEK[2]<1.5>",
)  # fmt: skip
BINARY_ITEMS = ("BINARY.PEEK[1]", "BINARY.SIZE[1]", "BINARY.PEEK[1]<2.4>")
NAMES = tuple(
    name
    for name in MESSAGES
    if not any(name == odd and item in SIMPLE_ITEMS for odd, item in READ_OTHERWISE)
    and not any(name == odd for odd, _ in FOUND_OTHERWISE)
)
"""Messages that both servers read and find alike, so that an answer is right or wrong whatever is in the folder."""
SORTS = ("ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "REVERSE DATE", "REVERSE SUBJECT SIZE")


@dataclass(frozen=True, slots=True)
class Folder:
    """A name below the root of an example."""

    name: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """Messages by position, cut to those that are there."""

    text: str


@dataclass(frozen=True, slots=True)
class Since:
    """Each server's own modification sequence at an earlier step."""

    step: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the corpus."""

    name: str


Piece: TypeAlias = str | bytes | Folder | Numbers | Since | Message


@dataclass(frozen=True, slots=True)
class Step:
    """One command of one of two sessions; `needs` names the capability without which it is not sent."""

    session: int
    command: str
    pieces: tuple[Piece, ...] = ()
    needs: str = ""
    asked: tuple[str, ...] = ()
    """What a FETCH asks for."""


folders = st.sampled_from(FOLDERS).map(Folder)
flag_lists = st.lists(st.sampled_from(FLAGS), max_size=3, unique_by=str.lower).map(
    lambda flags: "(" + " ".join(flags) + ")"
)
numbers = st.integers(1, 9)
ends = st.one_of(numbers.map(str), st.just("*"))
ranges = st.one_of(numbers.map(str), st.tuples(ends, ends).map(":".join), st.just("*"), st.just("1:*"))
sets = st.lists(ranges, min_size=1, max_size=3).map(",".join)
sessions = st.integers(0, 1)
by_uid = st.booleans()
strings = st.sampled_from(WORDS).map(lambda word: f'"{word}"')


def _search_leaf() -> st.SearchStrategy[tuple[Piece, ...]]:
    return st.one_of(
        st.sampled_from(
            (
                "ALL",
                "SEEN",
                "UNSEEN",
                "ANSWERED",
                "UNANSWERED",
                "FLAGGED",
                "UNFLAGGED",
                "DELETED",
                "UNDELETED",
                "DRAFT",
                "UNDRAFT",
            )
        ).map(lambda key: (key,)),
        st.tuples(st.sampled_from(("BODY", "TEXT", "SUBJECT", "FROM", "TO", "CC", "BCC")), strings).map(
            lambda each: (f"{each[0]} {each[1]}",)
        ),
        st.tuples(st.sampled_from(FIELDS), st.one_of(strings, st.just('""'))).map(
            lambda each: (f"HEADER {each[0]} {each[1]}",)
        ),
        st.tuples(
            st.sampled_from(("BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE")),
            st.sampled_from(DAYS),
        ).map(lambda each: (f"{each[0]} {each[1]}",)),
        st.tuples(st.sampled_from(("LARGER", "SMALLER")), st.sampled_from((0, 100, 300, 5000))).map(
            lambda each: (f"{each[0]} {each[1]}",)
        ),
        st.tuples(st.sampled_from(("KEYWORD", "UNKEYWORD")), st.sampled_from(FLAGS[5:])).map(
            lambda each: (f"{each[0]} {each[1]}",)
        ),
        sets.map(lambda text: (Numbers(text),)),
        sets.map(lambda text: (f"UID {text}",)),
    )


def _combined(inner: st.SearchStrategy[tuple[Piece, ...]]) -> st.SearchStrategy[tuple[Piece, ...]]:
    return st.one_of(
        inner.map(lambda key: ("NOT ", *key)),
        st.tuples(inner, inner).map(lambda pair: ("OR ", *pair[0], " ", *pair[1])),
        st.tuples(inner, inner).map(lambda pair: ("(", *pair[0], " ", *pair[1], ")")),
    )


programs = st.recursive(_search_leaf(), _combined, max_leaves=4)


def _prefixed(uid: bool, command: str) -> str:
    return f"UID {command}" if uid else command


def _numbers(uid: bool, text: str) -> Piece:
    return text if uid else Numbers(text)


@st.composite
def appends(draw: st.DrawFn) -> Step:
    pieces: list[Piece] = [" ", draw(folders)]
    count = draw(st.sampled_from((1, 1, 1, 2, 3)))
    for _ in range(count):
        pieces += [
            f' {draw(flag_lists)} "{draw(st.sampled_from(DATES))}" ',
            Message(draw(st.sampled_from(NAMES))),
        ]
    return Step(draw(sessions), "APPEND", tuple(pieces), "MULTIAPPEND" if count > 1 else "")


@st.composite
def stores(draw: st.DrawFn) -> Step:
    uid, since = draw(by_uid), draw(st.one_of(st.none(), st.none(), st.integers(0, 20)))
    pieces: list[Piece] = [" ", _numbers(uid, draw(sets)), " "]
    if since is not None:
        pieces += ["(UNCHANGEDSINCE ", Since(since), ") "]
    mode = draw(st.sampled_from(("FLAGS", "+FLAGS", "-FLAGS"))) + draw(st.sampled_from(("", "", ".SILENT")))
    pieces.append(f"{mode} {draw(flag_lists)}")
    return Step(draw(sessions), _prefixed(uid, "STORE"), tuple(pieces), "" if since is None else "CONDSTORE")


@st.composite
def copies(draw: st.DrawFn) -> Step:
    uid, command = draw(by_uid), draw(st.sampled_from(("COPY", "MOVE")))
    # One range only: Dovecot 2.3 panics at COPY 1,*,1:* (cmd-copy.c, match_not).
    pieces = (" ", _numbers(uid, draw(ranges)), " ", draw(folders))
    return Step(draw(sessions), _prefixed(uid, command), pieces, "MOVE" if command == "MOVE" else "")


@st.composite
def fetches(draw: st.DrawFn) -> Step:
    uid = draw(by_uid)
    binary = draw(st.integers(0, 5)) == 0
    asked = draw(
        st.lists(
            st.sampled_from(BINARY_ITEMS if binary else SIMPLE_ITEMS),
            min_size=1,
            max_size=4,
            unique_by=lambda item: item.replace(".PEEK", ""),
        )
    )
    since = None if binary else draw(st.one_of(st.none(), st.none(), st.none(), st.integers(0, 20)))
    pieces: list[Piece] = [" ", _numbers(uid, draw(sets)), f" ({' '.join(asked)})"]
    needs = "BINARY" if binary else ""
    if since is not None:
        pieces += [" (CHANGEDSINCE ", Since(since), ")"]
        needs = "CONDSTORE"
    return Step(draw(sessions), _prefixed(uid, "FETCH"), tuple(pieces), needs, tuple(asked))


@st.composite
def searches(draw: st.DrawFn) -> Step:
    uid = draw(by_uid)
    returns = draw(
        st.one_of(st.none(), st.lists(st.sampled_from(("MIN", "MAX", "ALL", "COUNT")), unique=True))
    )
    options = "" if returns is None else f" RETURN ({' '.join(returns)})"
    pieces = (f"{options} ", *draw(programs))
    return Step(draw(sessions), _prefixed(uid, "SEARCH"), pieces, "" if returns is None else "ESEARCH")


@st.composite
def sorts(draw: st.DrawFn) -> Step:
    uid = draw(by_uid)
    keys = " ".join(draw(st.lists(st.sampled_from(SORTS), min_size=1, max_size=2)))
    pieces = (f" ({keys}) UTF-8 ", *draw(programs))
    return Step(draw(sessions), _prefixed(uid, "SORT"), pieces, "SORT")


@st.composite
def threads(draw: st.DrawFn) -> Step:
    uid, way = draw(by_uid), draw(st.sampled_from(("REFERENCES", "ORDEREDSUBJECT")))
    return Step(
        draw(sessions), _prefixed(uid, "THREAD"), (f" {way} UTF-8 ", *draw(programs)), f"THREAD={way}"
    )


@st.composite
def of_folders(draw: st.DrawFn) -> Step:
    command = draw(
        st.sampled_from(
            (
                "CREATE",
                "DELETE",
                "RENAME",
                "SUBSCRIBE",
                "UNSUBSCRIBE",
                "LIST",
                "LSUB",
                "STATUS",
                "STATUS",
                "NESTED",
            )
        )
    )
    session, folder = draw(sessions), draw(folders)
    if command in ("LIST", "LSUB"):
        return Step(session, command, (' "" ', Folder(draw(st.sampled_from(PATTERNS)))))
    if command == "NESTED":
        return Step(
            session,
            "LIST",
            (
                draw(st.sampled_from((" (SUBSCRIBED)", " ()", " (SUBSCRIBED RECURSIVEMATCH)"))) + ' "" (',
                Folder(draw(st.sampled_from(PATTERNS))),
                " ",
                Folder(draw(st.sampled_from(PATTERNS))),
                ")"
                + draw(
                    st.sampled_from(
                        ("", " RETURN (SUBSCRIBED CHILDREN)", " RETURN (STATUS (MESSAGES UNSEEN))")
                    )
                ),
            ),
            "LIST-EXTENDED",
        )
    if command == "STATUS":
        items = draw(st.lists(st.sampled_from(STATUS_ITEMS), min_size=1, unique=True))
        if draw(st.booleans()):
            return Step(session, command, (" ", folder, f" ({' '.join([*items, 'SIZE'])})"), "STATUS=SIZE")
        return Step(session, command, (" ", folder, f" ({' '.join(items)})"))
    if command == "RENAME":
        return Step(session, command, (" ", folder, " ", draw(folders)))
    return Step(session, command, (" ", folder))


of_selection = st.one_of(
    st.builds(
        lambda session, command, folder: Step(session, command, (" ", folder)),
        sessions,
        st.sampled_from(("SELECT", "SELECT", "EXAMINE")),
        folders,
    ),
    st.builds(
        Step, sessions, st.sampled_from(("NOOP", "NOOP", "CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "EXPUNGE"))
    ),
    st.builds(lambda session, text: Step(session, "UID EXPUNGE", (" ", text), "UIDPLUS"), sessions, sets),
    st.builds(lambda session: Step(session, "RESYNC", (), "QRESYNC"), sessions),
)
steps = st.one_of(
    st.just(Step(0, "NOOP")), of_selection, appends(), stores(), stores(), copies(), fetches(), fetches(), fetches(),
    searches(), searches(), sorts(), threads(), of_folders(), of_selection,
)  # fmt: skip
sequences = st.lists(steps, min_size=15, max_size=30)
first_messages = st.lists(st.sampled_from(NAMES).map(Message), min_size=4, max_size=6)
"""What is in the open folder at the beginning."""


def octets(message: Message) -> bytes:
    return MESSAGES[message.name]
