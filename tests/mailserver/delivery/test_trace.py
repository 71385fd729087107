from __future__ import annotations

import time
from datetime import UTC, datetime
from time import process_time

import pytest

from mailserver.delivery import trace
from mailserver.delivery.trace import (
    MAX_HEADER_BYTES,
    MAX_HOPS,
    Header,
    Stamp,
    is_safe_path,
    read_header,
    stamped,
)
from mailserver.refusals import (
    FROM_NOT_OWNED,
    MALFORMED_MESSAGE,
    NO_FROM,
    SEVERAL_FROM,
    TOO_MANY_HOPS,
    Refusal,
)

ME = "marie.martin@hopital-demo.mssante.fr"


def read(*lines: str, body: bytes = b"corps\r\n") -> Header | Refusal:
    return read_header("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def header(*lines: str) -> Header:
    found = read(*lines)
    assert isinstance(found, Header)
    return found


def check_author(found: Header, owned: set[str] | None) -> Refusal | None:
    return trace.check_author(found, found.authors, owned)


def stamp(**values: str | None) -> Stamp:
    fields: dict[str, str | None] = {
        "return_path": ME,
        "helo": "poste.example",
        "peer": "192.0.2.7",
        "hostname": "mail.example.fr",
        "protocol": "ESMTPSA",
        "queue_id": "Q1",
        "recipient": None,
        **values,
    }
    return Stamp(at=datetime(2026, 3, 13, 14, 54, 10, tzinfo=UTC), **fields)  # type: ignore[arg-type]


def stored(content: bytes, **values: str | None) -> bytes:
    found = read_header(content)
    assert isinstance(found, Header)
    return stamped(content, found, stamp(**values))


def test_blind_copies_and_statements_of_the_receiver_are_stripped_with_their_folds() -> None:
    content = (
        b"Return-Path: <forged@example.org>\r\n"
        b"Authentication-Results: mail.example.fr;\r\n\tspf=pass\r\n"
        b"From: " + ME.encode() + b"\r\n"
        b"BCC: one@example.org,\r\n two@example.org\r\n"
        b"Resent-Bcc: three@example.org\r\n"
        b"Subject: Bcc: not a field\r\n"
        b"\r\n"
        b"Bcc: in the body\r\n"
    )
    kept = stored(content)
    for gone in (b"forged", b"spf=pass", b"one@", b"two@", b"three@"):
        assert gone not in kept
    assert b"Subject: Bcc: not a field\r\n" in kept
    assert kept.endswith(b"\r\n\r\nBcc: in the body\r\n")


def test_the_body_is_not_touched() -> None:
    body = bytes(range(256)) * 40 + b"\r\n--x--"
    content = b"From: a@example.fr\r\nMessage-ID: <1@x>\r\nDate: now\r\n\r\n" + body
    assert stored(content).partition(b"\r\n\r\n")[2] == body


def test_return_path_and_received_stand_on_top() -> None:
    lines = stored(b"From: a@example.fr\r\n\r\n", recipient="b@example.fr").split(b"\r\n")
    assert lines[0] == b"Return-Path: <" + ME.encode() + b">"
    assert lines[1:5] == [
        b"Received: from poste.example ([192.0.2.7])",
        b"\tby mail.example.fr (Vaguemestre) with ESMTPSA id Q1",
        b"\tfor <b@example.fr>;",
        b"\tFri, 13 Mar 2026 15:54:10 +0100",
    ]
    assert lines[5] == b"From: a@example.fr"


def test_received_names_no_recipient_when_there_are_several() -> None:
    assert b"\tfor <" not in stored(b"From: a@example.fr\r\n\r\n")


def test_an_ipv6_peer_is_written_as_a_literal_of_rfc_5321() -> None:
    assert b"([IPv6:2001:db8::7])" in stored(b"From: a@example.fr\r\n\r\n", peer="2001:db8::7")


def test_what_a_client_calls_itself_cannot_write_into_the_header() -> None:
    kept = stored(b"From: a@example.fr\r\n\r\n", helo="x)\r\nX-Forged: yes")
    assert b"from unknown ([192.0.2.7])" in kept
    assert b"X-Forged" not in kept


# ref: ECO.2.2.1
def test_a_missing_message_id_and_date_are_added() -> None:
    kept = stored(b"From: a@example.fr\r\n\r\ncorps")
    assert b"\r\nMessage-ID: <q1@mail.example.fr>\r\n" in kept
    assert b"\r\nDate: Fri, 13 Mar 2026 15:54:10 +0100\r\n\r\ncorps" in kept


def test_a_message_id_and_date_that_are_there_stay_alone() -> None:
    kept = stored(b"From: a@example.fr\r\nmessage-id: <1@x>\r\nDATE: then\r\n\r\n")
    assert kept.lower().count(b"message-id:") == 1
    assert kept.lower().count(b"\r\ndate:") == 1


def test_received_fields_of_others_stay() -> None:
    assert stored(b"Received: by a.example; x\r\nFrom: a@example.fr\r\n\r\n").count(b"Received:") == 2


def test_a_message_that_went_round_too_often_is_refused() -> None:
    hop = "Received: from a by b; Fri, 13 Mar 2026 15:54:10 +0100"
    assert isinstance(read(*[hop] * MAX_HOPS, "From: a@example.fr"), Header)
    assert read(*[hop] * (MAX_HOPS + 1), "From: a@example.fr") is TOO_MANY_HOPS


def test_no_from_is_refused() -> None:
    assert read("Subject: x") is NO_FROM


@pytest.mark.parametrize("second", ["From: b@example.fr", "FROM : b@example.fr", "from:\r\n b@example.fr"])
def test_a_second_from_is_refused_however_it_is_written(second: str) -> None:
    assert read("From: a@example.fr", second) is SEVERAL_FROM


def test_a_second_sender_is_refused() -> None:
    assert read("From: a@example.fr", "Sender: a@example.fr", "Sender: b@example.fr") is SEVERAL_FROM


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\nFrom: a@example.fr\r\n\r\n",
        b" folded first\r\nFrom: a@example.fr\r\n\r\n",
        b"From: a@example.fr\r\nno colon here\r\n\r\n",
        b"From a@example.fr Thu Mar 13\r\nFrom: a@example.fr\r\n\r\n",
        b"From: a@example.fr\nX: bare line feed\r\n\r\n",
        b"From: a@example.fr\rX: bare carriage return\r\n\r\n",
        b"From: a\0@example.fr\r\n\r\n",
        b"Fr\xc3\xb4m: a@example.fr\r\n\r\n",
        b": a@example.fr\r\n\r\n",
        b"X: " + b"a" * MAX_HEADER_BYTES + b"\r\nFrom: a@example.fr\r\n\r\n",
    ],
    ids=range(11),
)
def test_a_header_that_two_readers_could_read_differently_is_refused(content: bytes) -> None:
    assert read_header(content) is MALFORMED_MESSAGE


def test_a_header_without_a_body_is_a_message() -> None:
    found = read_header(b"From: a@example.fr\r\n")
    assert isinstance(found, Header)
    assert stamped(b"From: a@example.fr\r\n", found, stamp()).endswith(b"+0100\r\n\r\n")


def test_two_megabytes_of_header_are_read_in_one_pass() -> None:
    content = b"From: a@example.fr\r\n" + b"X: y\r\n" * 330_000 + b"\r\n"
    start = time.process_time()
    assert isinstance(read_header(content), Header)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "author",
    [
        ME,
        ME.upper(),
        f"Dr Marie MARTIN <{ME}>",
        f'"Martin, Marie" <{ME}>',
        f"=?utf-8?q?H=C3=A9l=C3=A8ne?= <{ME}>",
        f"=?utf-8?q?Martin,_H=C3=A9l=C3=A8ne?= <{ME}>",
        f"{ME} (Marie)",
        f"Marie\r\n <{ME}>",
    ],
)
def test_a_from_that_names_an_owned_box_passes(author: str) -> None:
    assert check_author(header(f"From: {author}"), {ME}) is None


@pytest.mark.parametrize(
    "author",
    [
        "chef@hopital-demo.mssante.fr",
        f"{ME}, chef@hopital-demo.mssante.fr",
        f"chef@hopital-demo.mssante.fr <{ME}>",
        f"<chef@hopital-demo.mssante.fr> <{ME}>",
        f"<{ME}> <chef@hopital-demo.mssante.fr>",
        f"equipe: {ME}, chef@hopital-demo.mssante.fr;",
        f'"unterminated <{ME}>',
        "=?utf-8?q?" + ME.replace("@", "=40") + "?=",
        "Marie Martin",
        f"<@relais.example:{ME}>",
        "",
    ],
)
def test_a_from_that_names_or_hides_another_is_refused(author: str) -> None:
    assert check_author(header(f"From: {author}"), {ME}) in (FROM_NOT_OWNED, NO_FROM)


def test_a_sender_that_is_not_owned_is_refused() -> None:
    assert check_author(header(f"From: {ME}", f"Sender: {ME}"), {ME}) is None
    assert check_author(header(f"From: {ME}", "Sender: chef@example.fr"), {ME}) is FROM_NOT_OWNED
    assert check_author(header(f"From: {ME}", "Sender:"), {ME}) in (FROM_NOT_OWNED, NO_FROM)


@pytest.mark.parametrize("name", ["From", "Sender"])
@pytest.mark.parametrize("filler", ['\\"', '"\\', '"', "(", "=?a?q?", "<@", "\\"])
def test_an_author_that_never_closes_its_quote_costs_no_time(name: str, filler: str) -> None:
    # Quadratic, the first of these took half a minute; the time-out of the suite is no threshold here.
    raw = f'"{filler * 400_000}'[:800_000]
    other = "Sender" if name == "From" else "From"
    found = header(f"{name}: {ME}, {raw}", f"{other}: {ME}")
    start = process_time()
    assert check_author(found, {ME}) in (FROM_NOT_OWNED, NO_FROM)
    short = header(f"{name}: {ME}, {raw[:60_000]}", f"{other}: {ME}")
    assert check_author(short, {ME}) in (FROM_NOT_OWNED, NO_FROM)
    assert process_time() - start < 5


def test_mail_of_another_operator_needs_one_readable_author_only() -> None:
    assert check_author(header("From: a@ailleurs.mssante.fr"), None) is None
    assert check_author(header("From: ,"), None) is NO_FROM


# ref: ECO.2.2.8
def test_fin_is_three_capitals_and_nothing_else() -> None:
    # N01
    assert header("From: a@b.fr", "X-MSS-MES: FIN").forbids_reply
    for wrong in ("fin", "Fin", "FIN.", "[FIN]", "FINI", ""):
        assert not header("From: a@b.fr", f"X-MSS-MES: {wrong}").forbids_reply


@pytest.mark.parametrize("subject", ["[FIN]", "=?utf-8?q?=5BFIN=5D?=", "=?UTF-8?B?W0ZJTl0=?="])
def test_a_subject_of_exactly_fin_ends_the_exchange(subject: str) -> None:
    assert header("From: a@b.fr", f"Subject: {subject}").ends_exchange


@pytest.mark.parametrize("subject", ["[fin]", " [fin]", " [FIN]", "Re: [FIN]", "[FIN] ", "[FIN].", "FIN", ""])
def test_any_other_subject_does_not_end_the_exchange(subject: str) -> None:
    # N03
    assert not header("From: a@b.fr", f"Subject: {subject}").ends_exchange


@pytest.mark.parametrize("path", ["a@b.fr>\r\nX: y", "a b@c.fr", "<a@b.fr>", "a\0@b.fr", "a" * 400 + "@b.fr"])
def test_an_unsafe_path_is_known_as_one(path: str) -> None:
    assert not is_safe_path(path)


def test_the_null_path_is_safe() -> None:
    assert is_safe_path("")
