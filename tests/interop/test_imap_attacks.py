"""Hostile IMAP clients against a real service: it answers clearly, keeps its memory, and serves others meanwhile."""

from __future__ import annotations

import socket
import struct
import time
from typing import TYPE_CHECKING

import pytest

from tests.interop.service import Service
from tests.interop.victim import Victim

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A sandbox that nobody else uses: its attackers are counted and locked out."""
    with Service(tmp_path_factory.mktemp("attacked") / "home") as service:
        victim = Victim(service)
        with victim.signed_in() as client:  # what the first sign-in loads is no attack
            client.command("SELECT INBOX")
        yield victim


# Before signing in


@pytest.mark.parametrize("size", [b"8193", b"4294967296", b"10737418240", b"1" + b"0" * 40, b"9" * 200])
def test_a_huge_literal_before_sign_in_ends_the_session(victim: Victim, size: bytes) -> None:
    with victim.bears(megabytes=8), victim.stranger() as stranger:
        assert stranger.ask(b"LOGIN {" + size + b"}") == b"* BYE Literal too large\r\n"
        assert stranger.line() == b""


def test_a_flood_of_literal_octets_before_sign_in_is_cut_off(victim: Victim) -> None:
    with victim.bears(megabytes=8), victim.stranger() as stranger:
        stranger.send(b"x LOGIN {104857600+}\r\n")
        assert stranger.pour(b"x" * 65536, 1600) < 1600
        assert stranger.until(b"x ") in (b"* BYE Literal too large\r\n", b"")


@pytest.mark.parametrize("is_signed_in", [False, True])
def test_a_line_of_50_megabytes_is_cut_off(victim: Victim, is_signed_in: bool) -> None:
    with victim.bears(megabytes=8), victim.attacker() if is_signed_in else victim.stranger() as raw:
        assert raw.pour(b"x" * 65536, 800) < 800
        assert raw.until(b"x ") in (b"* BYE Command line too long\r\n", b"")


@pytest.mark.parametrize("is_signed_in", [False, True])
@pytest.mark.parametrize("command", [b"ID ", b"LIST ", b"FETCH 1 ", b"SEARCH ", b"STATUS INBOX ", b"LOGIN "])
def test_a_hundred_thousand_parentheses_are_refused(
    victim: Victim, command: bytes, is_signed_in: bool
) -> None:
    with victim.bears(megabytes=8), victim.attacker() if is_signed_in else victim.stranger() as raw:
        raw.pour(b"x " + command + b"(" * 100_000 + b"\r\n")
        assert raw.until(b"x ") in (b"* BYE Command line too long\r\n", b"")
    with victim.attacker() if is_signed_in else victim.stranger() as raw:
        assert raw.ask(command + b"(" * 60_000).startswith(b"x BAD ")


def test_id_with_20_000_parameters_is_refused(victim: Victim) -> None:
    with victim.bears(megabytes=8), victim.stranger() as stranger:
        stranger.pour(b"x ID (" + b'"a" "b" ' * 20_000 + b'"a" "b")\r\n')
        assert stranger.until(b"x ") in (b"* BYE Command line too long\r\n", b"")
    with victim.stranger() as stranger:
        assert stranger.ask(b"ID (" + b'"a" "b" ' * 6_000 + b'"a" "b")').startswith(b"x BAD More than 30")
        assert stranger.ask(b'ID ("name" "x")').startswith(b"x OK ")


@pytest.mark.parametrize(
    "response", [b"AGE\tAYg==", b"AGE AYg==", b"AGEAYg", b"AGEAYg===", b"=AGEAYg=", b"\xff", b"*x"]
)
def test_base64_that_is_not_strict_is_refused(victim: Victim, response: bytes) -> None:
    with victim.stranger() as stranger:
        stranger.send(b"x AUTHENTICATE PLAIN\r\n")
        assert stranger.line() == b"+ \r\n"
        stranger.send(response + b"\r\n")
        assert stranger.until(b"x ").startswith(b"x BAD ")


def test_a_guesser_is_slowed_down_and_locked_out(victim: Victim) -> None:
    """Counted by account and address, over connections; from elsewhere the owner still signs in."""
    login = victim.service.bal(2)
    with victim.stranger("127.0.0.42") as stranger:
        took = []
        for _ in range(4):
            began = time.monotonic()
            answer = stranger.ask(f'LOGIN "{login.address}" "faux"'.encode())
            took.append(time.monotonic() - began)
            assert answer.startswith(b"x NO [AUTHENTICATIONFAILED]")
        assert took[-1] > took[0] + 1
        assert stranger.ask(f'LOGIN "{login.address}" "faux"'.encode()).startswith(b"* BYE ")
    with victim.stranger("127.0.0.42") as stranger:
        assert stranger.ask(f'LOGIN "{login.address}" "{login.password}"'.encode()).startswith(b"x NO ")
    with victim.signed_in(2) as owner:
        assert owner.command("NOOP").status == "OK"


def test_commands_behind_starttls_are_not_carried_over(victim: Victim) -> None:
    raw = socket.create_connection(("127.0.0.1", victim.service.port("imap")), 30)
    with raw, raw.makefile("rb") as said:
        assert b"STARTTLS" in said.readline()
        raw.sendall(b"a STARTTLS\r\nb NOOP\r\n")
        assert said.readline() == b"* BYE Nothing may follow STARTTLS before TLS\r\n"
        assert said.readline() == b""


def test_400_clients_that_say_nothing_do_not_hold_up_the_next(victim: Victim) -> None:
    silent = []
    try:
        with victim.bears(megabytes=40):
            for number in range(400):
                silent.append(victim.stranger(f"127.0.0.{50 + number % 50}"))
                silent[-1].send(b"x LOGIN half")
            began = time.monotonic()
            with victim.signed_in(3) as client:
                assert client.command("STATUS INBOX (MESSAGES)").status == "OK"
            assert time.monotonic() - began < 1.5
    finally:
        for each in silent:
            each.__exit__()


# Signed in: grammar


@pytest.mark.parametrize(
    "pattern", [b"*a" * 500 + b"b", b"%/" * 2000, b"*" * 5000, b"%a*" * 300 + b"x", b"*" + b"a" * 1000]
)
def test_list_patterns_cost_nothing(victim: Victim, pattern: bytes) -> None:
    with victim.attacker() as attacker:
        attacker.ask(b"CREATE " + b"a" * 200)
        with victim.bears(megabytes=8):
            began = time.monotonic()
            for command in (b"LIST", b"LSUB"):
                assert attacker.ask(command + b' "" "' + pattern + b'"').startswith(
                    (b"x OK ", b"x BAD ", b"x NO ")
                )
            assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        (b"NOT " * 15_000 + b"SEEN", b"x BAD "),
        (b"(" * 20_000 + b"SEEN" + b")" * 20_000, b"x BAD "),
        (b"OR SEEN " * 7_500 + b"SEEN", b"x BAD "),
        (b"(SEEN) " * 9_000 + b"SEEN", b"x BAD "),
        (b",".join([b"1:*"] * 15_000), b"x OK "),
        (b",".join(b"%d" % number for number in range(1, 20_000, 2)), b"x OK "),
        (b"UID " + b",".join([b"4294967295:1"] * 4_500), b"x OK "),
    ],
)
def test_a_search_program_is_bounded_in_depth_and_size(victim: Victim, program: bytes, answer: bytes) -> None:
    with victim.attacker() as attacker:
        assert attacker.ask(b"SELECT INBOX").startswith(b"x OK")
        with victim.bears(megabytes=16):
            began = time.monotonic()
            assert attacker.ask(b"SEARCH " + program).startswith(answer)
            assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "program", [b"NOT " * 50_000 + b"SEEN", b"OR SEEN " * 10_000 + b"SEEN", b",".join([b"1:*"] * 50_000)]
)
def test_a_search_program_over_the_line_limit_ends_the_session(victim: Victim, program: bytes) -> None:
    with victim.bears(megabytes=8), victim.attacker() as attacker:
        attacker.ask(b"SELECT INBOX")
        attacker.pour(b"x SEARCH " + program + b"\r\n")
        assert attacker.until(b"x ") in (b"* BYE Command line too long\r\n", b"")


@pytest.mark.parametrize(
    ("items", "answer"),
    [
        (b"BODY[" + b".".join([b"1"] * 5000) + b"]", b"x BAD "),
        (b"BODY[" + b".".join([b"1"] * 100) + b"]", b"x OK "),
        (b"BODY[]<4294967296.1>", b"x OK "),
        (b"BODY[]<9223372036854775807.9223372036854775807>", b"x OK "),
        (b"BODY[]<18446744073709551616.1>", b"x BAD "),
        (b"BODY[]<0." + b"9" * 400 + b">", b"x BAD "),
        (b"BODY[]<-1.5>", b"x BAD "),
        (b"BODY[99999999999999]", b"x BAD "),
        (b"(" + b" ".join([b"BODY[]"] * 3000) + b")", b"x BAD "),
        (b"(" + b" ".join([b"BODY[]"] * 100) + b")", b"x OK "),
        (b"BODY[HEADER.FIELDS (" + b"x " * 10_000 + b"x)]", b"x BAD "),
    ],
)
def test_a_fetch_is_bounded_in_depth_items_and_numbers(victim: Victim, items: bytes, answer: bytes) -> None:
    with victim.signed_in() as client:
        client.command("APPEND INBOX ", b"Subject: x\r\n\r\n" + b"y" * 1000)
    with victim.attacker() as attacker:
        assert attacker.ask(b"SELECT INBOX").startswith(b"x OK")
        with victim.bears(megabytes=16):
            attacker.send(b"x FETCH 1 " + items + b"\r\n")
            heard = b""
            while not heard.startswith((b"x ", b"* BYE")):
                heard = attacker.line()
                assert len(heard) < 5000
            assert heard.startswith(answer)


# Signed in: what is stored


def test_flags_without_end_are_refused(victim: Victim) -> None:
    with victim.signed_in() as client:
        client.command("APPEND INBOX ", b"Subject: x\r\n\r\ny")
        client.command("SELECT INBOX")
        with victim.bears(megabytes=16):
            many = " ".join(f"k{number}" for number in range(2000))
            assert client.command(f"STORE 1 +FLAGS ({many})").status in ("NO", "BAD")
            assert client.command(f"STORE 1 +FLAGS ({'k' * 10_000})").status in ("NO", "BAD")
            assert client.command(f"STORE 1 +FLAGS ({'k' * 129})").status in ("NO", "BAD")
            # Little by little is no way round the limit either.
            statuses = {client.command(f"STORE 1 +FLAGS.SILENT (s{number})").status for number in range(100)}
            assert statuses & {"NO", "BAD"}
            flags = client.command("FETCH 1 FLAGS").of("FETCH")[-1].data["FLAGS"]
            assert len(flags) <= 70, len(flags)


@pytest.mark.parametrize(
    "name",
    [
        "../../x", "/etc/passwd", "a/../../b", "..", "a//b", "x" * 5000, "/".join(["n"] * 300), "&Jjo!", "&",
        "&AGE-", "&2AA-", "a\x01b", "a\x7fb", "",
    ],
)  # fmt: skip
def test_a_folder_name_is_never_a_path_and_never_odd(victim: Victim, name: str) -> None:
    with victim.signed_in() as client, victim.bears(megabytes=8):
        answer = client.command("CREATE ", name.encode())
        assert answer.status in ("NO", "BAD"), name
        assert client.command("RENAME Junk ", name.encode()).status in ("NO", "BAD")
        assert client.command("NOOP").status == "OK"


def test_a_folder_name_with_nul_is_refused(victim: Victim) -> None:
    with victim.signed_in() as client:
        assert client.command("CREATE ", b"a\0b").status in ("NO", "BAD")
        assert not [each for each in client.command('LIST "" *').of("LIST") if each.data[2] == b"a"]


def test_an_append_of_100_gigabytes_is_refused_before_it_is_sent(victim: Victim) -> None:
    with victim.attacker() as attacker, victim.bears(megabytes=8):
        assert attacker.ask(b"APPEND INBOX {107374182400}").startswith(b"x NO [TOOBIG]")
        assert attacker.ask(b"NOOP").startswith(b"x OK")
        assert attacker.ask(b"APPEND INBOX {107374182400+}").startswith(b"* BYE ")


def test_an_append_cut_in_the_middle_leaves_nothing(victim: Victim) -> None:
    with victim.signed_in() as client:
        before = client.command("STATUS INBOX (MESSAGES)").one("STATUS").data
        with victim.bears(megabytes=16):
            attacker = victim.attacker()
            attacker.send(b"x APPEND INBOX {1000000}\r\n")
            assert attacker.line().startswith(b"+ ")
            attacker.send(b"x" * 500_000)
            # Reset rather than closed, as a cut line does it.
            attacker.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            attacker.__exit__()
        assert client.command("STATUS INBOX (MESSAGES)").one("STATUS").data == before


def test_300_fetches_of_a_megabyte_that_nobody_reads_cost_nothing(victim: Victim) -> None:
    with victim.signed_in() as client:
        assert client.command("CREATE big").status == "OK"
        assert (
            client.command("APPEND big ", b"Subject: x\r\n\r\n" + b"0123456789abcde\n" * 65536).status == "OK"
        )
    with victim.attacker() as attacker:
        assert attacker.ask(b"SELECT big").startswith(b"x OK")
        with victim.bears(megabytes=24):
            attacker.send(b"y FETCH 1 BODY.PEEK[]\r\n" * 300)
            with victim.signed_in(3) as other:
                for _ in range(20):
                    assert other.command("STATUS INBOX (MESSAGES)").status == "OK"
                    time.sleep(0.05)  # the flood goes on meanwhile
