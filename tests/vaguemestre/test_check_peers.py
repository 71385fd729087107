from __future__ import annotations

import json
import subprocess
import time
import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from benchmarks.target import free_ports
from certs.routes import read_routes, set_route, unset_route
from tests.vaguemestre.programs import PROGRAM
from vaguemestre.home import to_toml
from vaguemestre.peers.matrix import PeerCase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.vaguemestre.conftest import Said
    from tests.vaguemestre.programs import Serving

    Command = Callable[..., Said]

INWARD = {*PeerCase, "null-sender", "other-author", "relay", "no-certificate"}
OUTWARD = {*PeerCase, "auto-answer"}
KEPT = "pair-valide.mssante.fr"


def test_a_sandbox_holds_in_every_case_and_its_routes_are_as_before(
    sandbox: Serving, vaguemestre: Command
) -> None:
    set_route(sandbox.home, KEPT, "127.0.0.1:9")
    before = read_routes(sandbox.home)
    try:
        said = vaguemestre("check-peers", "--home", str(sandbox.home), "--json")
        verdicts = json.loads(said.out)
        assert [each for each in verdicts if not each["holds"]] == []
        assert said.code == 0
        assert {each["case"] for each in verdicts if each["direction"] == "in"} == INWARD
        assert {each["case"] for each in verdicts if each["direction"] == "out"} == OUTWARD
        assert read_routes(sandbox.home) == before
    finally:
        unset_route(sandbox.home, KEPT)


def test_an_audit_that_is_told_to_stop_sets_the_routes_back(sandbox: Serving) -> None:
    before = read_routes(sandbox.home)
    with subprocess.Popen(
        [PROGRAM, "check-peers", "--home", str(sandbox.home), "--direction", "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as audit:
        deadline = time.monotonic() + 30
        while read_routes(sandbox.home) == before and time.monotonic() < deadline:
            time.sleep(0.01)
        audit.terminate()
        assert audit.wait(30) == 130
    assert read_routes(sandbox.home) == before


def test_an_exported_folder_audits_any_address(
    sandbox: Serving, vaguemestre: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "peers"
    assert vaguemestre("check-peers", "--home", str(sandbox.home), "--export", str(folder)).code == 0
    address = f"{sandbox.told['host']}:{sandbox.told['ports']['mx']}"
    box = sandbox.told["bals"][0]["address"]
    said = vaguemestre(
        *("check-peers", "--address", address, "--to", box, "--peers", str(folder), "--direction", "in")
    )
    assert said.code == 0, said
    lines = said.out.splitlines()
    assert len(lines) == len(INWARD)
    assert all(line.split()[2] == "holds" for line in lines)
    assert "all 12 cases hold" in said.err


def test_one_case_that_does_not_hold_fails_the_command(
    sandbox: Serving, vaguemestre: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "peers"
    vaguemestre("check-peers", "--home", str(sandbox.home), "--export", str(folder))
    # A peer that is said to be revoked and is not: the operator lets it in.
    (folder / "revoked.pem").write_bytes((folder / "valid.pem").read_bytes())
    (folder / "revoked.key").write_bytes((folder / "valid.key").read_bytes())
    file = folder / "peers.toml"
    file.write_text(file.read_text().replace("pair-revoque", "pair-valide"))
    said = vaguemestre(
        *("check-peers", "--address", f"127.0.0.1:{sandbox.told['ports']['mx']}", "--peers", str(folder)),
        *("--to", sandbox.told["bals"][0]["address"], "--direction", "in"),
    )
    assert said.code == 1
    assert said.err == "vaguemestre: 1 of 12 cases did not hold: revoked (in)\n"
    assert next(line for line in said.out.splitlines() if "FAILS" in line).startswith("in   revoked")


def test_outward_it_says_where_to_send_and_that_nobody_came(
    sandbox: Serving, vaguemestre: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "peers"
    vaguemestre("check-peers", "--home", str(sandbox.home), "--export", str(folder))
    said = vaguemestre("check-peers", "--peers", str(folder), "--direction", "out", "--wait", "1", "--json")
    assert said.code == 1
    assert {each["observed"] for each in said.json} == {"not tried: the operator did not come"}
    assert "audit@pair-sans-tls.mssante.fr" in said.err
    assert "whose mail server is 127.0.0.1:" in said.err


@contextmanager
def audited(sandbox: Serving, folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The sandbox audited like any operator, its robot visited."""
    robot = f"reponse.automatique-test@{sandbox.told['domains'][0]}"
    address = f"{sandbox.told['host']}:{sandbox.told['ports']['mx']}"
    before = read_routes(sandbox.home)
    with subprocess.Popen(
        [
            *(PROGRAM, "check-peers", "--address", address, "--to", robot, "--peers", str(folder)),
            *("--json", *options),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as audit:
        try:
            yield audit
        finally:
            audit.kill()
            for domain in set(read_routes(sandbox.home)) - set(before):
                unset_route(sandbox.home, domain)


def instructions(audit: subprocess.Popen[str]) -> dict[str, str]:
    """Where the audit says that each mailbox's server listens, read until it says what comes next."""
    assert audit.stderr is not None
    found: dict[str, str] = {}
    for line in audit.stderr:
        if line.startswith("The operator is visited once"):
            break
        if "whose mail server is" in line:
            words = line.split()
            found[words[0]] = words[-1]
    return found


def send_to_each(sandbox: Serving, mailboxes: Iterable[str]) -> None:
    for mailbox in mailboxes:
        sandbox.send(sandbox.bal("paul.girard"), mailbox, f"Essai pour {mailbox}")


def test_the_operator_has_time_to_set_its_routes_before_it_is_visited(
    sandbox: Serving, vaguemestre: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "peers"
    vaguemestre("check-peers", "--home", str(sandbox.home), "--export", str(folder))
    with audited(sandbox, folder) as audit:
        listening = instructions(audit)
        for mailbox, where in listening.items():
            set_route(sandbox.home, mailbox.partition("@")[2], where)
        send_to_each(sandbox, listening)
        out, err = audit.communicate(timeout=120)
    assert [each for each in json.loads(out) if not each["holds"]] == [], err
    assert audit.returncode == 0


def test_routes_may_be_set_beforehand_to_ports_that_the_folder_names(
    sandbox: Serving, vaguemestre: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "peers"
    vaguemestre("check-peers", "--home", str(sandbox.home), "--export", str(folder))
    file = folder / "peers.toml"
    tables = tomllib.loads(file.read_text())
    for table, port in zip(tables.values(), free_ports(len(tables)), strict=True):
        table["port"] = port
        set_route(sandbox.home, table["domain"], f"127.0.0.1:{port}")
    file.write_text(to_toml(tables))
    with audited(sandbox, folder) as audit:
        send_to_each(sandbox, instructions(audit))
        out, err = audit.communicate(timeout=120)
    for table in tables.values():
        unset_route(sandbox.home, table["domain"])
    assert [each for each in json.loads(out) if not each["holds"]] == [], err


def test_an_answer_that_does_not_come_asks_for_the_route(
    sandbox: Serving, vaguemestre: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "peers"
    vaguemestre("check-peers", "--home", str(sandbox.home), "--export", str(folder))
    with audited(sandbox, folder, "--wait", "1") as audit:
        out, _ = audit.communicate(timeout=60)
    told = {each["case"]: each["observed"] for each in json.loads(out) if each["direction"] == "out"}
    assert told["auto-answer"] == f"no answer came (has the operator a route to {KEPT}?)"


def test_an_exported_folder_is_not_written_over(
    sandbox: Serving, vaguemestre: Command, tmp_path: Path
) -> None:
    words = ("check-peers", "--home", str(sandbox.home), "--export", str(tmp_path / "peers"))
    written = vaguemestre(*words, "--json").json
    assert {"ca.pem", "crl.pem", "listed.csv", "peers.toml"} < {
        each["written"].rpartition("/")[2] for each in written
    }
    vaguemestre(*words).is_refused("ca.pem exists", "choose another folder")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--home", "x", "--ca", "y"),
        ("--home", "x", "--address", "a:1"),
        ("--address", "a:1", "--to", "a@b.fr"),
        ("--peers", "x"),
        ("--peers", "x", "--address", "a:1"),
        ("--peers", "x", "--export", "y"),
        ("--home", "x", "--direction", "sideways"),
    ],
)
def test_a_command_that_makes_no_sense_is_wrong_usage(words: tuple[str, ...], vaguemestre: Command) -> None:
    assert vaguemestre("check-peers", *words).code == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--home", "{tmp}"), "no sandbox is served"),
        (("--peers", "{tmp}", "--direction", "out"), "peers.toml cannot be read"),
        (("--peers", "{tmp}", "--address", "nowhere", "--to", "a@b.fr"), "nowhere is no address"),
    ],
)
def test_what_cannot_be_audited_is_told_in_one_sentence(
    words: tuple[str, ...], sentence: str, tmp_path: Path, vaguemestre: Command
) -> None:
    said = vaguemestre("check-peers", *(word.format(tmp=tmp_path) for word in words))
    said.is_refused(sentence)
