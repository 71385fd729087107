from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from certs.routes import read_routes, set_route, unset_route
from tests.vaguemestre.programs import PROGRAM
from vaguemestre.peers.matrix import PeerCase

if TYPE_CHECKING:
    from collections.abc import Callable
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


@pytest.mark.parametrize(
    "words",
    [
        (),
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
