"""What passes between operators: mail that comes over new connections with mutual TLS, and mail that leaves."""

from __future__ import annotations

import smtplib
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import load
from benchmarks.run import Meter, Run, Scenario, settle, share
from benchmarks.target import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.target import Target

_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnections(Scenario):
    """Taking mail of another operator, each message over a new connection with certificates on both sides.

    The clock stops when the last message is acknowledged; the rest of the delivery counts as processor time.
    """

    size: int
    connections: int
    messages: int

    def prepare(self, target: Target) -> None:
        with load.Imap(target) as imap:
            imap.empty()
            with _client(target, self, self.connections * 2) as client:
                _go(client, target)
            load.wait_visible(imap, self.connections * 2)
            imap.empty()
        settle(target)

    def run(self, target: Target, effort: float) -> Run:
        messages = share(self.messages, effort)
        with load.Imap(target) as imap:
            with _client(target, self, messages) as client:
                meter = Meter(target)
                _go(client, target)
                found = meter.stop(messages)
            load.wait_visible(imap, messages)
            imap.empty()
        settle(target)
        return found


def _client(target: Target, scenario: NewConnections, messages: int) -> subprocess.Popen[str]:
    """The load client, loaded and waiting."""
    between = target.between
    words = {
        "certificate": between.peer.certificate,
        "key": between.peer.key,
        "ca": between.ca_file,
        "sender": between.peer_box,
        "recipient": target.recipient,
        "port": between.mx_port,
        "messages": messages,
        "connections": scenario.connections,
        "size": scenario.size,
    }
    client = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "benchmarks.tls_client",
            *(f"--{key}={value}" for key, value in words.items()),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert client.stdout is not None
    if client.stdout.readline() != "ready\n":
        with client:
            client.kill()
        raise load.Failed("the TLS load client did not start")
    return client


def _go(client: subprocess.Popen[str], target: Target) -> None:
    """Lets the client begin, and returns when everything is acknowledged."""
    try:
        _, failure = client.communicate("go\n", timeout=_SECONDS)
    except subprocess.TimeoutExpired as late:
        client.kill()
        raise load.Failed(f"{target.name} did not take everything in {_SECONDS} s") from late
    if client.returncode:
        raise load.Failed(f"{target.name}: {failure.strip()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound(Scenario):
    """Mail for another operator, from the first submission until that operator has taken the last message."""

    size: int
    connections: int
    messages: int

    def prepare(self, target: Target) -> None:
        self._pass(target, self.connections * 2)
        settle(target)

    def run(self, target: Target, effort: float) -> Run:
        found = self._pass(target, share(self.messages, effort))
        settle(target)
        return found

    def _pass(self, target: Target, messages: int) -> Run:
        sink = target.between.sink
        already = sink.count()
        senders = [_sender(target) for _ in range(self.connections)]
        try:
            shares = [range(number, messages, self.connections) for number in range(self.connections)]
            meter = Meter(target)
            _submit_all(target, senders, shares, self.size)
            if not sink.wait(already + messages, _SECONDS):
                raise load.Failed(
                    f"{target.name}: {sink.count() - already} of {messages} messages arrived in {_SECONDS} s"
                )
            return meter.stop(messages)
        finally:
            for each in senders:
                each.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoOperators(Scenario):
    """Mail from one operator of our kind to another, from the first submission until all is visible by IMAP."""

    size: int
    connections: int
    messages: int
    accompanied: bool = True

    def prepare(self, target: Target) -> None:
        self._pass(target, self.connections * 2)

    def run(self, target: Target, effort: float) -> Run:
        return self._pass(target, share(self.messages, effort))

    def _pass(self, target: Target, messages: int) -> Run:
        assert target.companion is not None
        both = replace(target, pids=target.pids + target.companion.pids)
        senders = [_sender(target.companion) for _ in range(self.connections)]
        shares = [range(number, messages, self.connections) for number in range(self.connections)]
        with load.Imap(target) as imap:
            imap.empty()
            try:
                meter = Meter(both)
                _submit_all(target.companion, senders, shares, self.size)
                load.wait_visible(imap, messages)
                found = meter.stop(messages)
            finally:
                for each in senders:
                    each.close()
            imap.empty()
        settle(both)
        return found


def _sender(target: Target) -> smtplib.SMTP:
    smtp = smtplib.SMTP(HOST, target.between.submission_port, timeout=_SECONDS)
    if target.between.sign_in:
        smtp.login(target.login, target.password)
    else:
        smtp.ehlo()
    return smtp


def _submit_all(target: Target, senders: Sequence[smtplib.SMTP], shares: Sequence[range], size: int) -> None:
    failures: list[Exception] = []

    def work(smtp: smtplib.SMTP, share: range) -> None:
        try:
            for _ in share:
                smtp.sendmail(target.between.author, [target.between.peer_box], _letter(target, size))
        except (OSError, smtplib.SMTPException) as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(senders, shares, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise load.Failed(f"{target.name}: {failures[0]}")


def _letter(target: Target, size: int) -> bytes:
    head = (
        f"From: <{target.between.author}>\r\nTo: <{target.between.peer_box}>\r\nSubject: charge\r\n"
        f"Message-ID: <{uuid.uuid4().hex}@banc.example>\r\nDate: Fri, 13 Mar 2026 14:54:10 +0100\r\n\r\n"
    ).encode()
    line = b"x" * 76 + b"\r\n"
    return head + line * max(1, (size - len(head)) // len(line))
