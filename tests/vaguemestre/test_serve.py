from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from certs.publisher import SIGNER_CN, published_url
from tests.vaguemestre.programs import PROGRAM, run
from vaguemestre.home import to_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.vaguemestre.conftest import Said

HOSTNAME = "mail.ch-exemple.mssante.fr"


@pytest.fixture
def operator(tmp_path: Path, empty_home: Path, vaguemestre: Callable[..., Said]) -> Path:
    """A home made by `init`, with a certificate of the sandbox's authority, on ports of the kernel's choice."""
    home = tmp_path / "operator"
    words = ("--home", str(home), "--hostname", HOSTNAME, "--domain", "ch-exemple.mssante.fr")
    assert vaguemestre("init", *words).code == 0
    prefix = str(home / "pki" / "server")
    issued = vaguemestre("certs", "issue", "--home", str(empty_home), "--cn", HOSTNAME, "--out", prefix)
    assert issued.code == 0
    settings = home / "vaguemestre.toml"
    text = settings.read_text()
    for port in ("1025", "1443", "1587", "1465", "1143", "1993"):
        text = text.replace(f":{port}", ":0")
    # The authority, list and revocations of the sandbox stand for those of the IGC-Santé.
    shutil.copy(empty_home / "pki" / "ca.pem", home / "pki" / "ca.pem")
    trust = {
        "white_list_url": published_url(empty_home),
        "signer": f"CN={SIGNER_CN}",
        "crl_urls": [(empty_home / "pki" / "organisations.crl.pem").as_uri()],
    }
    settings.write_text(text + to_toml({"trust": trust}))
    assert vaguemestre("white-list", "fetch", "--home", str(home)).code == 0
    return home


@contextmanager
def served(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, int]]]:
    """The process of `vaguemestre serve` and the ports its log tells."""
    process = subprocess.Popen(
        [PROGRAM, "serve", "--home", str(home)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    with process, process.stderr:
        try:
            said = next((line for line in process.stderr if b'"serving"' in line), b"{}")
            assert process.poll() is None
            yield process, json.loads(said)["ports"]
        finally:
            process.terminate()


def test_an_operator_serves_with_a_certificate_and_stops_when_told(operator: Path, empty_home: Path) -> None:
    trust = ssl.create_default_context(cafile=empty_home / "pki" / "ca.pem")
    trust.check_hostname = False  # the name is that of the operator, not of the loopback
    with served(operator) as (process, ports):
        assert set(ports) == {"mx", "submission", "submissions", "imap", "imaps", "ldap", "ldaps", "https"}
        with urllib.request.urlopen(
            f"https://127.0.0.1:{ports['https']}/health", context=trust, timeout=20
        ) as answer:
            health = json.loads(answer.read())
        assert health["status"] == "ok"
        assert health["alarms"] == []
        began = time.monotonic()
        process.terminate()
        assert process.wait(30) == 0
        assert time.monotonic() - began < 10


def test_a_real_operator_offers_no_way_without_tls(operator: Path) -> None:
    with served(operator) as (_, ports):
        assert not any(name.endswith("_plain") for name in ports)


def test_a_certificate_that_is_no_longer_valid_stops_the_start(
    operator: Path, empty_home: Path, vaguemestre: Callable[..., Said]
) -> None:
    for suffix in ("pem", "key"):
        (operator / "pki" / f"server.{suffix}").unlink()
    prefix = str(operator / "pki" / "server")
    words = ("--home", str(empty_home), "--cn", HOSTNAME, "--case", "expired", "--out", prefix)
    assert vaguemestre("certs", "issue", *words).code == 0
    said = run("serve", "--home", str(operator))
    assert said.returncode == 1
    assert said.stderr.startswith("vaguemestre: ")
    assert said.stderr.count("\n") == 1


def test_an_operator_without_a_white_list_does_not_start_and_says_how_to_get_one(operator: Path) -> None:
    (operator / "trust" / "white-list.xml").unlink()
    settings = operator / "vaguemestre.toml"
    text = settings.read_text()
    settings.write_text(
        re.sub('white_list_url = "[^"]*"', 'white_list_url = "https://127.0.0.1:9/l.xml"', text)
    )
    said = run("serve", "--home", str(operator))
    assert said.returncode == 1
    assert "vaguemestre white-list fetch" in said.stderr
    assert "Traceback" not in said.stderr
    asked = run("doctor", "--home", str(operator))
    assert asked.returncode == 1
    assert "vaguemestre white-list fetch" in asked.stderr


def test_the_doctor_names_the_authorities_that_are_not_there(operator: Path) -> None:
    assert run("doctor", "--home", str(operator)).returncode == 0
    (operator / "pki" / "ca.pem").unlink()
    asked = run("doctor", "--home", str(operator))
    assert asked.returncode == 1
    assert "ca.pem" in asked.stderr


def test_an_operator_that_takes_part_in_no_exchange_needs_no_list(operator: Path) -> None:
    (operator / "trust" / "white-list.xml").unlink()
    settings = operator / "vaguemestre.toml"
    settings.write_text(settings.read_text().replace('mx = "127.0.0.1:0"', 'mx = ""'))
    with served(operator) as (_, ports):
        assert "mx" not in ports


def test_a_lost_master_key_stops_the_start(operator: Path) -> None:
    (operator / "keys" / "master.key").unlink()
    said = run("serve", "--home", str(operator))
    assert said.returncode == 1
    assert "master.key" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_port_in_use_is_named(operator: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = operator / "vaguemestre.toml"
        settings.write_text(settings.read_text().replace('http = "127.0.0.1:0"', f'http = "{address}"'))
        said = run("serve", "--home", str(operator))
    assert said.returncode == 1
    assert said.stderr.splitlines()[-1].startswith(f"vaguemestre: https: {address} cannot be listened on")
