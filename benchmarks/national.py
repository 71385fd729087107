"""`python -m benchmarks.national`: the extracts of the real sizes, imported and searched, told in a table.

Each import is a process of its own, so that its seconds, its processor time and its greatest memory are its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import national_data
from benchmarks.run import NotOffered, Run, Scenario
from directory.annuaire.annuaire import Annuaire
from directory.annuaire.conditions import Any, Condition, Equal, Everything, Substring, Words
from directory.annuaire.fields import Field
from foundation.clock import SystemClock
from foundation.database import Database, create_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.target import Target
    from directory.annuaire.view import View

_IMPORT = (
    "import sys, os, resource, json, time; from pathlib import Path; from foundation.clock import SystemClock;"
    " from directory.annuaire.build import Importer, Imported, ImportPolicy;"
    " began = time.monotonic();"
    " (made,) = Importer(Path(sys.argv[1]), SystemClock(), ImportPolicy(force=True)).load(Path(sys.argv[2]));"
    " assert isinstance(made, Imported), made;"
    " used = resource.getrusage(resource.RUSAGE_SELF);"
    " print(json.dumps([time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, made.part.rows]))"
)
_SEARCHES = 300
_SEARCHERS = 16


@dataclass(frozen=True, slots=True)
class Import:
    """What one import cost: seconds, seconds of processor, megabytes, and the rows it made."""

    seconds: float
    cpu: float
    memory: float
    rows: int


def imported(folder: Path, file: Path) -> Import:
    """Imports a file into a folder, by another process."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, str(folder), str(file)], capture_output=True, text=True, check=True
    )
    return Import(*json.loads(done.stdout))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportMailboxes(Scenario):
    """How long 535 000 mailboxes take to be searched for."""

    unit: str = "s"
    is_steady: bool = True

    def prepare(self, target: Target) -> None:
        if target.home is None:
            raise NotOffered("a directory")
        national_data.mailboxes_file()

    def run(self, target: Target, effort: float) -> Run:
        folder = Path(tempfile.mkdtemp(prefix="bench-national-"))
        try:
            made = imported(folder, national_data.mailboxes_file())
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Run(made.seconds, cpu_ms=made.cpu * 1000, memory_mb=made.memory)


def main() -> int:
    """Prints what was measured; 1 when a search failed while the directory was replaced."""
    _say(f"generating or finding the extracts in {national_data.folder()}")
    boxes, roles = national_data.mailboxes_file(), national_data.activities_file()
    folder = Path(tempfile.mkdtemp(prefix="bench-national-"))
    try:
        for name, file in (
            ("MSSanté, first", boxes),
            ("activities", roles),
            ("MSSanté, beside activities", boxes),
        ):
            made = imported(folder / "directory", file)
            print(
                f"{name}: {made.rows} rows in {made.seconds:.1f} s, {made.cpu:.1f} s of processor,"
                f" {made.memory:.0f} MB"
            )
        size = sum(path.stat().st_size for path in (folder / "directory").glob("*.db"))
        print(f"files, with the generation that is kept: {size / 1e6:.0f} MB")
        return asyncio.run(_search(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _search(folder: Path) -> int:
    database = await Database.open(f"sqlite:///{folder / 'bench.db'}")
    await create_all(database)
    annuaire = await Annuaire.open(folder / "directory", database, SystemClock(), seconds=10.0)
    try:
        for name, searches in _searches(annuaire.view()).items():
            _tell(name, searches)
        return await _switch(annuaire, folder / "directory")
    finally:
        await annuaire.close()
        await database.close()


def _searches(view: View) -> dict[str, Sequence[Callable[[], object]]]:
    chance = random.Random(7)
    nation = national_data.Nation()
    last = [nation.last_name(chance) for _ in range(_SEARCHES)]
    first = [nation.first_name(chance) for _ in range(_SEARCHES)]
    towns = [nation.town(chance)[0].replace("-", " ") for _ in range(_SEARCHES)]
    some = view.page(Everything(), 20_000)
    rpps = [box.person_id for box in chance.sample(some, _SEARCHES) if box.person_id]
    nobody = ["".join(chance.choice("BCDFGJKLMNPQRSTVWXZAEIOU") for _ in range(8)) for _ in range(_SEARCHES)]
    nearly = [f"{name}INE" for name in last]  # the trigrams are there, the word is not

    def each(texts: Sequence[str], condition: Callable[[str], Condition]) -> list[Callable[[], object]]:
        return [partial(view.mailboxes, condition(text), 100) for text in texts]

    def contains(text: str) -> Condition:
        return Substring(Field.ADDRESS, parts=(text.lower(),))

    typed = [name[: chance.randint(3, 6)] for name in last]
    return {
        "Thunderbird's filter, beginnings of names": each(typed, thunderbird),
        "Thunderbird's filter, two letters": each([name[:2] for name in last], thunderbird),
        "Thunderbird's filter, first and last name": each(
            [f"{one} {two}" for one, two in zip(first, last, strict=True)], thunderbird
        ),
        "Thunderbird's filter, no hit": each(nobody, thunderbird),
        "Thunderbird's filter, nearly a hit": each(nearly, thunderbird),
        "words: name and town": each([f"{a} {b}" for a, b in zip(last, towns, strict=True)], Words),
        "words: speciality and town": each([f"cardio {town}" for town in towns], Words),
        "words: no hit, one typing error looked for": each(nobody, Words),
        "exact RPPS": each(rpps, partial(Equal, Field.PERSON_ID)),
        "address": [partial(view.mailbox, box.address) for box in chance.sample(some, _SEARCHES)],
        "persons, mailbox-mss:contains a name": [partial(view.persons, contains(name), 50) for name in last],
        "persons by the beginning of a name": [
            partial(view.persons, Substring(Field.LAST_NAME, initial=name), 50) for name in last
        ],
        "roles by a code that all have, or nobody": [
            partial(view.roles, Equal(Field.PRACTICE_CODE, code), 50) for code in ("L", "R") * 50
        ],
    }


def thunderbird(typed: str) -> Condition:
    """`(|(cn=*%v1*%v2-*)(mail=*%v*)(givenName=*%v1*)(sn=*%v*))`."""
    head, *tail = typed.split()
    return Any(
        (
            Substring(Field.CN, parts=(head, " ".join(tail)) if tail else (head,)),
            Substring(Field.ADDRESS, parts=(typed,)),
            Substring(Field.GIVEN_NAME, parts=(head,)),
            Substring(Field.LAST_NAME, parts=(typed,)),
        )
    )


async def _switch(annuaire: Annuaire, folder: Path) -> int:
    """Replaces the directory while sixteen threads search it."""
    stop = threading.Event()
    failures: list[BaseException] = []
    answers: dict[str, int] = {}
    lock = threading.Lock()
    holder = [annuaire.view()]

    def search(seed: int) -> None:
        chance, nation = random.Random(seed), national_data.Nation()
        while not stop.is_set():
            view = holder[0]
            try:
                view.mailboxes(thunderbird(nation.last_name(chance)[:4]), 100)
            except BaseException as failure:
                failures.append(failure)
                return
            with lock:
                answers[view.generation] = answers.get(view.generation, 0) + 1

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(_SEARCHERS)]
    for thread in threads:
        thread.start()
    try:
        made = await asyncio.to_thread(imported, folder, national_data.mailboxes_file())
        await annuaire.refresh()
        holder[0] = annuaire.view()
        await asyncio.sleep(1)
    finally:
        stop.set()
        for thread in threads:
            await asyncio.to_thread(thread.join)
    print(
        f"while {_SEARCHERS} threads search: imported in {made.seconds:.1f} s; searches of the old and the new"
        f" directory: {' + '.join(str(count) for count in answers.values())}, failed: {len(failures)}"
    )
    return int(bool(failures) or len(answers) != 2)


def _tell(name: str, searches: Sequence[Callable[[], object]]) -> None:
    searches[0]()
    durations = sorted(_timed(search) for search in searches)
    cpu = time.process_time()
    for search in searches:
        search()
    cpu = (time.process_time() - cpu) / len(searches)
    p50, p95, p99 = (durations[int(len(durations) * part)] * 1000 for part in (0.5, 0.95, 0.99))
    print(f"{name}: p50 {p50:.2f} ms, p95 {p95:.2f} ms, p99 {p99:.2f} ms, processor {cpu * 1000:.2f} ms")


def _timed(search: Callable[[], object]) -> float:
    began = time.perf_counter()
    search()
    return time.perf_counter() - began


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
