"""The service is killed in the middle of 1 000 deliveries to another operator; each one arrives, hardly any twice."""

from __future__ import annotations

import random
import socket
import threading
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from benchmarks.target import HOST, Identity, free_ports
from benchmarks.tls_sink import Sink
from certs.routes import set_route
from foundation.settings import OutboundSettings
from tests.interop.letters import eventually, letter, signed_in
from tests.interop.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

MESSAGES, SENDERS, KILLS = 1000, 4, 5
# A message that was sent and not yet noted when the service died; one for each connection to the domain.
IN_FLIGHT = OutboundSettings().connections_per_domain


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "home") as started:
        yield started


def submit(service: Service, recipient: str) -> list[str]:
    """The Message-IDs of all that was taken, from several boxes at once."""
    boxes = service.bals()[:SENDERS]
    ids = [f"<crash.{number}@hopital-demo.mssante.fr>" for number in range(MESSAGES)]

    def work(number: int) -> None:
        sender = boxes[number]
        with service.submission(sender) as smtp:
            for message_id in ids[number::SENDERS]:
                content = letter(sender.address, recipient, message_id=message_id)
                assert smtp.sendmail(sender.address, [recipient], content) == {}

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(boxes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ids


def test_every_message_leaves_at_least_once_and_at_most_those_in_flight_twice(
    own_service: Service, tmp_path: Path
) -> None:
    valid = next(each for each in own_service.described["peers"] if each["case"] == "valid")
    identity = Identity(valid["certificate"], valid["key"])
    (port,) = free_ports(1)
    set_route(own_service.home, valid["domain"], f"{HOST}:{port}")
    # The other operator is away while its mail is written, so that all of it is in the queue when it comes back.
    ids = submit(own_service, f"essai@{valid['domain']}")
    chance = random.Random()
    with Sink(tmp_path / "sink", identity, own_service.ca_file, port=port, delay_ms=5) as sink:
        for moment in sorted(chance.sample(range(1, MESSAGES - 100), KILLS)):
            assert sink.wait(moment, 60), f"{sink.count()} of {MESSAGES} arrived"
            own_service.kill()
            own_service.start()
        eventually(lambda: set(ids) <= set(sink.message_ids()), "every message has arrived", 120)
        eventually(lambda: waiting(own_service) == 0, "the queue is empty")
        seen = Counter(sink.message_ids())
    assert set(seen) == set(ids)
    assert sum(seen.values()) - MESSAGES <= KILLS * IN_FLIGHT, seen.most_common(5)
    for box in own_service.bals()[:SENDERS]:
        with signed_in(own_service, box) as client:
            assert client.select("INBOX", readonly=True)[1] == [b"0"]
    verified = own_service.command("trail", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def waiting(service: Service) -> int:
    """How many messages wait, as /metrics tells it."""
    with urllib.request.urlopen(f"{service.url}/metrics", context=service.tls(), timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    (line,) = (each for each in lines if each.startswith("vaguemestre_queued_deliveries "))
    return int(float(line.rpartition(" ")[2]))


def test_a_dead_destination_does_not_slow_another(own_service: Service, tmp_path: Path) -> None:
    valid = next(each for each in own_service.described["peers"] if each["case"] == "valid")
    dead = next(each for each in own_service.described["peers"] if each["case"] == "cn-differs")
    with socket.create_server((HOST, 0), backlog=1) as silent:
        # It takes connections and never says a word.
        set_route(own_service.home, dead["domain"], f"{HOST}:{silent.getsockname()[1]}")
        identity = Identity(valid["certificate"], valid["key"])
        with Sink(tmp_path / "sink", identity, own_service.ca_file) as sink:
            set_route(own_service.home, valid["domain"], f"{HOST}:{sink.port}")
            sender = own_service.bal(0)
            with own_service.submission(sender) as smtp:
                for number in range(100):
                    for peer in (dead, valid):
                        recipient = f"essai@{peer['domain']}"
                        content = letter(
                            sender.address, recipient, message_id=f"<{peer['case']}.{number}@x.fr>"
                        )
                        smtp.sendmail(sender.address, [recipient], content)
            assert sink.wait(100, 10), f"{sink.count()} of 100 arrived beside the dead destination"
            assert {each.partition(".")[0] for each in sink.message_ids()} == {"<valid"}
