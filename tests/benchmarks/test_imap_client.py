"""The load client of `make bench`: it must not take half an answer for a whole one, or NO for OK."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from benchmarks.imap_client import Wire, drive, tagged
from benchmarks.load import Failed
from benchmarks.target import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def wire_and_server() -> Iterator[tuple[Wire, socket.socket]]:
    with socket.create_server((HOST, 0)) as listener:
        wire = Wire(listener.getsockname()[1])
        server, _ = listener.accept()
        with wire.socket, server:
            yield wire, server


def _answering(server: socket.socket, *blocks: bytes) -> threading.Thread:
    def answer() -> None:
        for block in blocks:
            server.recv(65536)
            server.sendall(block)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_an_answer_in_pieces_ends_with_its_tagged_line(wire_and_server: tuple[Wire, socket.socket]) -> None:
    wire, server = wire_and_server
    buffer = bytearray(65536)
    wire.say(tagged(b"NOOP"))
    ends = []
    for block in (b"* 1 EXISTS\r\n", b"zq", b"9 OK done", b"\r\n"):
        server.sendall(block)
        ends.append(wire.hear(buffer, memoryview(buffer)))
    assert ends == [False, False, False, True]


def test_a_refusal_is_no_answer_and_tells_no_password(wire_and_server: tuple[Wire, socket.socket]) -> None:
    wire, server = wire_and_server
    thread = _answering(server, b"zq9 NO refused\r\n")
    with pytest.raises(Failed, match="NO refused") as caught:
        wire.ask(b'LOGIN "name" "secret"')
    thread.join()
    assert "secret" not in str(caught.value)


def test_every_command_of_a_programme_is_sent_and_counted(
    wire_and_server: tuple[Wire, socket.socket],
) -> None:
    wire, server = wire_and_server
    thread = _answering(server, b"zq9 OK\r\n", b"* 2 EXISTS\r\nzq9 OK [X] two\r\n", b"zq9 OK\r\n")
    pressed = drive([wire], [iter([tagged(b"NOOP")] * 3)])
    thread.join()
    assert pressed.commands == 3


def test_a_closed_connection_is_a_failure(wire_and_server: tuple[Wire, socket.socket]) -> None:
    wire, server = wire_and_server
    server.close()
    with pytest.raises((Failed, ConnectionError)):
        drive([wire], [iter([tagged(b"NOOP")])])
