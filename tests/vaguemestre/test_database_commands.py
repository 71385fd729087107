"""`vaguemestre database encrypt|decrypt`, and what every command says of a file it cannot open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from foundation.cipher import key_of
from foundation.database_file import connect, draft_of, is_plain
from foundation.settings import load
from foundation.vault import write_master_key
from tests.vaguemestre.programs import serving
from vaguemestre.home import alone_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.vaguemestre.conftest import Said
    from tests.vaguemestre.programs import Serving

    Command = Callable[..., Said]

ADDRESS = "un@hopital-demo.mssante.fr"


@pytest.fixture
def home(empty_home: Path, vaguemestre: Command) -> str:
    """A home that nobody serves, with one box."""
    said = vaguemestre(
        "bal", "add", ADDRESS, "--home", str(empty_home), "--type", "PER", "--name", "N", "--password-stdin",
        stdin="un-mot-de-passe-long\n",
    )  # fmt: skip
    assert said.code == 0
    return str(empty_home)


@pytest.fixture
def file(empty_home: Path) -> Path:
    return empty_home / "vaguemestre.db"


def without_cipher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAGUEMESTRE_DATABASE__CIPHER", "false")


def fails_in_one_sentence(said: Said, words: str) -> None:
    """As `Said.is_refused`, also for a command that printed something before."""
    assert said.code == 1, said
    assert said.err.count("\n") == 1, said
    assert words in said.err, said


def test_a_new_home_is_encrypted(home: str, file: Path) -> None:
    assert not is_plain(file)
    assert ADDRESS.encode() not in file.read_bytes()


def test_decrypted_and_encrypted_again_it_is_the_same_home(
    home: str, file: Path, vaguemestre: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as off:
        without_cipher(off)
        vaguemestre("bal", "list", "--home", home).is_refused("vaguemestre database decrypt")
        said = vaguemestre("database", "decrypt", "--home", home, "--json")
        assert (said.json["before"], said.json["after"]) == ("encrypted", "plain")
        assert ADDRESS.encode() in file.read_bytes()
        assert vaguemestre("bal", "show", ADDRESS, "--home", home).code == 0
    for words in (("bal", "list"), ("migrate",), ("trail", "verify")):
        vaguemestre(*words, "--home", home).is_refused("vaguemestre database encrypt")
    said = vaguemestre("database", "encrypt", "--home", home, "--json")
    assert (said.json["before"], said.json["after"]) == ("plain", "encrypted")
    assert ADDRESS.encode() not in file.read_bytes()
    assert vaguemestre("bal", "show", ADDRESS, "--home", home).code == 0
    assert vaguemestre("trail", "verify", "--home", home).code == 0
    rows = vaguemestre("trail", "show", "--last", "2", "--home", home, "--json").json
    assert [row["outcome"] for row in rows if row["action"] == "database.converted"] == ["plain", "encrypted"]


def test_what_is_as_wanted_is_left_alone(home: str, file: Path, vaguemestre: Command) -> None:
    before = file.stat().st_ino
    said = vaguemestre("database", "encrypt", "--home", home, "--json")
    assert (said.json["before"], said.json["after"]) == ("encrypted", "encrypted")
    assert file.stat().st_ino == before


def test_the_setting_comes_first(home: str, vaguemestre: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    vaguemestre("database", "decrypt", "--home", home).is_refused("database.cipher is true")
    without_cipher(monkeypatch)
    vaguemestre("database", "encrypt", "--home", home).is_refused("database.cipher is false")


def test_a_home_that_is_served_is_not_converted(
    home: str, empty_home: Path, vaguemestre: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_cipher(monkeypatch)
    with alone_in(empty_home):
        vaguemestre("database", "decrypt", "--home", home).is_refused("another process serves")


def test_a_running_service_holds_its_home(sandbox: Serving, vaguemestre: Command) -> None:
    vaguemestre("database", "encrypt", "--home", str(sandbox.home)).is_refused("another process serves")


def test_a_home_without_a_database_has_nothing_to_convert(
    home: str, file: Path, vaguemestre: Command
) -> None:
    file.unlink()
    vaguemestre("database", "encrypt", "--home", home).is_refused("does not exist")
    assert not file.exists()


def test_with_another_master_key_every_command_says_so(
    home: str, empty_home: Path, file: Path, vaguemestre: Command
) -> None:
    key = empty_home / "keys" / "master.key"
    key.unlink()
    content = file.read_bytes()
    for words in (("bal", "list"), ("migrate",), ("doctor",)):
        fails_in_one_sentence(vaguemestre(*words, "--home", home), "master.key does not exist")
    write_master_key(key)
    for words in (("bal", "list"), ("migrate",), ("doctor",), ("database", "encrypt")):
        said = vaguemestre(*words, "--home", home)
        fails_in_one_sentence(said, "another master key, or a damaged file")
    assert file.read_bytes() == content


def test_a_damaged_page_is_told_by_the_doctor_and_by_who_reads_it(
    home: str, empty_home: Path, file: Path, vaguemestre: Command
) -> None:
    with connect(file, key_of(load(empty_home))) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'bal'").fetchone()
    content = bytearray(file.read_bytes())
    content[(page - 1) * 4096 + 50] ^= 1
    file.write_bytes(content)
    said = vaguemestre("doctor", "--home", home)
    fails_in_one_sentence(said, f"damaged pages: 1, the first: HMAC verification failed for page {page}")
    vaguemestre("bal", "list", "--home", home).is_refused("damaged")


def test_a_file_without_a_byte_is_no_new_database(home: str, file: Path, vaguemestre: Command) -> None:
    file.write_bytes(b"")
    vaguemestre("bal", "list", "--home", home).is_refused("was cut off")
    assert file.read_bytes() == b""


def test_a_start_removes_what_a_conversion_left_behind(empty_home: Path, file: Path) -> None:
    draft_of(file).write_bytes(b"half a copy")
    with serving(empty_home):
        assert not draft_of(file).exists()
