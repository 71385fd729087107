from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import stat
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.vaguemestre.programs import run, serving
from vaguemestre.ports import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.vaguemestre.programs import Serving

PORTS = ("mx", "submission", "submissions", "imap", "imaps", "ldap", "ldaps", "https")
PLAIN = ("imap_plain", "submission_plain", "mx_plain")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "sandbox"


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home without people that was served once: it starts again in a second."""
    home = tmp_path_factory.mktemp("stopped") / "home"
    with serving(home, "--empty") as served:
        assert served.stop() == 0
    return home


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


def ports_of(home: Path) -> dict[str, int]:
    return {
        name: int(number)
        for name, number in re.findall(r"(?m)^(\w+) = (\d+)$", (home / "ports.toml").read_text())
    }


# sandbox.json -----------------------------------------------------------------------------------------------


def test_the_description_has_the_keys_and_types_of_the_contract(sandbox: Serving) -> None:
    told = sandbox.told
    types: dict[str, Any] = {
        "version": int, "home": str, "pid": int, "ca_file": str, "host": str, "ports": dict, "http": str,
        "domains": list, "patient_domain": str, "bals": list, "patients": list, "peers": list, "psc": dict,
        "directory": dict, "record": dict, "operator": dict,
    }  # fmt: skip
    assert {key: type(value) for key, value in told.items()} == types
    assert told["version"] == 1
    assert told["host"] == "127.0.0.1"
    assert told["home"] == str(sandbox.home)
    assert told["pid"] == sandbox.process.pid
    assert set(told["ports"]) == set(PORTS)
    assert all(type(number) is int for number in told["ports"].values())
    assert told["http"] == f"https://127.0.0.1:{told['ports']['https']}"
    assert told["patient_domain"] == "patient.mssante.fr"
    assert "hopital-demo.mssante.fr" in told["domains"]
    assert set(told["psc"]) == {"issuer", "discovery", "client_id", "client_secret", "users"}
    assert set(told["directory"]) == {"ldap_base", "fhir"}
    assert set(told["record"]) == {"fhir"}
    assert set(told["operator"]) == {"username", "password"}


def test_boxes_patients_and_peers_are_whole(sandbox: Serving) -> None:
    told = sandbox.told
    for bal in told["bals"]:
        assert {"address", "type", "name", "idnat", "password"} <= set(bal)
        assert set(bal) <= {"address", "type", "name", "idnat", "password", "totp", "certificate", "key"}
        assert bal["address"].partition("@")[2] in told["domains"]
    assert {bal["type"] for bal in told["bals"]} == {"PER", "ORG", "APP", "CAB"}
    assert {bal["type"] for bal in told["bals"] if "certificate" in bal} == {"APP"}
    (strong,) = (bal for bal in told["bals"] if "totp" in bal)
    assert strong["type"] == "PER"
    assert len(base64.b32decode(strong["totp"])) == 20
    for patient in told["patients"]:
        assert set(patient) == {"address", "ins", "name", "birth_date", "state", "minor", "password"}
        assert patient["address"] == f"{patient['ins']}@{told['patient_domain']}"
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", patient["birth_date"])
    assert {patient["state"] for patient in told["patients"]} == {
        "activated",
        "not_activated",
        "opposed",
        "closed",
    }
    cases = {"valid", "expired", "revoked", "foreign-ca", "unlisted-dn", "wrong-domain", "cn-differs"}
    assert {peer["case"] for peer in told["peers"]} == cases
    for row in (*told["peers"], *(bal for bal in told["bals"] if "certificate" in bal)):
        with open(row["certificate"]) as certificate, open(row["key"]) as key:  # noqa: PTH123
            assert certificate.read().startswith("-----BEGIN CERTIFICATE-----")
            assert "PRIVATE KEY" in key.read()


def test_only_its_owner_reads_the_passwords(sandbox: Serving) -> None:
    assert stat.S_IMODE((sandbox.home / "sandbox.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((sandbox.home / "keys" / "master.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(sandbox.home.stat().st_mode) == 0o700


def test_every_listener_that_is_named_answers(sandbox: Serving) -> None:
    for port in sandbox.told["ports"].values():
        socket.create_connection((sandbox.told["host"], port), timeout=10).close()
    with urllib.request.urlopen(
        f"{sandbox.told['http']}/health", context=sandbox.tls(), timeout=20
    ) as answer:
        assert answer.status == 200


def test_the_certificate_is_refused_by_who_does_not_trust_the_sandbox(sandbox: Serving) -> None:
    trust = ssl.create_default_context()
    address = (sandbox.told["host"], sandbox.told["ports"]["imaps"])
    with (
        socket.create_connection(address, timeout=10) as connection,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        trust.wrap_socket(connection, server_hostname="127.0.0.1")


def test_a_box_that_is_listed_signs_in(sandbox: Serving) -> None:
    bal = sandbox.bal("helene.lefevre")
    assert sandbox.signs_in(bal["address"], bal["password"])


def test_a_second_instance_on_the_same_home_is_refused(sandbox: Serving) -> None:
    said = run("sandbox", "--home", str(sandbox.home))
    assert said.returncode == 1
    assert said.stderr == f"vaguemestre: another process serves {sandbox.home} already\n"
    assert json.loads((sandbox.home / "sandbox.json").read_text()) == sandbox.told
    bal = sandbox.bal("helene.lefevre")
    assert sandbox.signs_in(bal["address"], bal["password"])


# Starting again ---------------------------------------------------------------------------------------------


def test_mail_passwords_and_ports_survive_a_stop_and_a_kill(home: Path) -> None:
    with serving(home) as first:
        sender, reader = first.bal("camille.roussel"), first.bal("karim.benali")
        first.send(sender, reader["address"], "Avant l'arret")
        assert first.stop() == 0
        assert not (home / "sandbox.json").exists()
    with serving(home) as second:
        for key in ("bals", "patients", "ports", "ca_file", "domains"):
            assert second.told[key] == first.told[key]
        assert second.subjects(reader["address"], reader["password"]) == ["Avant l'arret"]
        second.send(sender, reader["address"], "Avant la coupure")
        second.process.kill()
        assert second.process.wait(30) == -9
    with serving(home) as third:
        assert third.subjects(reader["address"], reader["password"]) == ["Avant l'arret", "Avant la coupure"]
        assert third.told["bals"] == first.told["bals"]
        assert run("trail", "verify", "--home", str(home)).returncode == 0
        assert third.stop() == 0


def test_a_start_that_was_cut_short_is_taken_up_again(home: Path) -> None:
    home.mkdir()
    (home / "keys").mkdir()
    (home / "sandbox.json").write_text('{"pid": 0}')
    (home / "ports.toml").write_text("imap = 'nonsense'\n")
    with serving(home, "--empty") as served:
        assert set(ports_of(home)) == set(NAMES)
        assert served.told["pid"] == served.process.pid


# Options ----------------------------------------------------------------------------------------------------


def test_an_empty_sandbox_has_nobody(stopped: Path) -> None:
    with serving(stopped, "--empty") as served:
        assert served.told["bals"] == []
        assert served.told["patients"] == []
        said = run("bal", "list", "--home", str(stopped), "--json")
        assert json.loads(said.stdout) == []


def test_ports_are_counted_from_a_base(stopped: Path) -> None:
    base = next(base for base in range(21_000, 60_000, 97) if all(is_free(base + step) for step in range(11)))
    with serving(stopped, "--empty", "--port-base", str(base)) as served:
        expected = {name: base + position for position, name in enumerate(NAMES)}
        assert served.told["ports"] == {name: expected[name] for name in PORTS}


def test_listeners_without_tls_exist_only_when_asked_for(stopped: Path) -> None:
    with serving(stopped, "--empty", "--plain") as served:
        assert set(served.told["ports"]) == {*PORTS, *PLAIN}
        for name in PLAIN:
            with socket.create_connection(("127.0.0.1", served.told["ports"][name]), timeout=10) as client:
                assert client.recv(100).startswith((b"220 ", b"* OK"))
        assert all(served.told["ports"][name] for name in PLAIN)


def test_a_port_that_somebody_took_is_replaced(stopped: Path, taken: socket.socket) -> None:
    busy = taken.getsockname()[1]
    file = stopped / "ports.toml"
    file.write_text(re.sub(r"(?m)^submissions = \d+$", f"submissions = {busy}", file.read_text()))
    assert ports_of(stopped)["submissions"] == busy
    with serving(stopped, "--empty") as served:
        assert served.told["ports"]["submissions"] not in {0, busy}
        assert ports_of(stopped)["submissions"] == served.told["ports"]["submissions"]


def test_a_port_that_was_asked_for_is_not_exchanged(stopped: Path, taken: socket.socket) -> None:
    busy = taken.getsockname()[1]
    said = run("sandbox", "--home", str(stopped), "--empty", "--port-base", str(busy - NAMES.index("imap")))
    assert said.returncode == 1
    assert re.fullmatch(r"vaguemestre: \w+: 127\.0\.0\.1:\d+ cannot be listened on \(.+\)\n", said.stderr)
    assert not (stopped / "sandbox.json").exists()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
