"""Searches of the national directory by FHIR: who has an address with these letters."""

from __future__ import annotations

import http.client
import random
import ssl
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks import national_data
from benchmarks.load import Failed
from benchmarks.run import NotOffered, Run, Scenario
from benchmarks.target import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.target import Target

_KINDS = ("Practitioner", "PractitionerRole", "Organization")
_SECONDS = 12.0
_PATIENCE = 30


@lru_cache(maxsize=1)
def parts() -> Sequence[str]:
    """Three to eight letters out of addresses, each once, in no order."""
    chance = random.Random(2027)
    found: dict[str, None] = {}
    with national_data.mailboxes_file().open(encoding="utf-8") as file:
        column = file.readline().rstrip("\n").split("|").index("Adresse BAL")
        for number, line in enumerate(file):
            if number % 100 == 0:
                address = line.split("|")[column]
                letters = chance.randint(3, 8)
                begin = chance.randrange(max(1, len(address) - letters))
                found[address[begin : begin + letters]] = None
    told = list(found)
    chance.shuffle(told)
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains(Scenario):
    """How long a page of fifty takes one client, but for the slowest twentieth; the three resources in turn."""

    unit: str = "ms"
    is_national: bool = True

    def prepare(self, target: Target) -> None:
        if target.web_port is None:
            raise NotOffered("FHIR")
        self._durations(target, 1.0)

    def run(self, target: Target, effort: float) -> Run:
        durations = sorted(self._durations(target, max(3.0, _SECONDS * effort)))
        return Run(durations[int(len(durations) * 0.95)] * 1000)

    def _durations(self, target: Target, seconds: float) -> list[float]:
        assert target.web_port is not None
        context = ssl.create_default_context(cafile=target.ca_file)
        connection = http.client.HTTPSConnection(HOST, target.web_port, timeout=_PATIENCE, context=context)
        words = parts()
        found: list[float] = []
        first = random.SystemRandom().randrange(len(words))  # a run does not ask what the one before asked
        until = time.perf_counter() + seconds
        try:
            while time.perf_counter() < until:
                word = words[(first + len(found)) % len(words)]
                kind = _KINDS[len(found) % len(_KINDS)]
                began = time.perf_counter()
                connection.request("GET", f"/fhir/annuaire/{kind}?mailbox-mss:contains={quote(word)}")
                answer = connection.getresponse()
                answer.read()
                found.append(time.perf_counter() - began)
                if answer.status != 200:
                    raise Failed(f"HTTP {answer.status} for {kind} with {word}")
        except http.client.HTTPException as error:
            raise Failed(f"no answer by HTTP: {error}") from error
        finally:
            connection.close()
        return found
