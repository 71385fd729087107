from __future__ import annotations

import stat
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from foundation.cipher import key_of
from foundation.database_file import connect
from foundation.settings import load
from tests.vaguemestre.programs import run
from vaguemestre import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.vaguemestre.conftest import Said
    from tests.vaguemestre.programs import Serving

    Command = Callable[..., Said]

DOMAIN = "hopital-demo.mssante.fr"
PASSWORD = "un-mot-de-passe-long"


def commands() -> Iterator[tuple[str, ...]]:
    """Every command of the program, as its words."""
    waiting = [((), cli.commands())]
    while waiting:
        words, command = waiting.pop()
        below = getattr(command, "commands", None)
        if below is None:
            yield words
        else:
            waiting += [((*words, name), each) for name, each in below.items()]


ALL = sorted(commands())


def test_the_commands_of_the_contract_are_there() -> None:
    wanted = "sandbox|init|serve|demo|doctor|migrate|bridge|bal add|bal list|bal show|bal suspend|bal resume|bal close|bal password"
    wanted += "|patient add|patient list|patient show|patient open|patient oppose|patient close|directory import|directory search|directory fetch|directory status|directory report"
    wanted += "|certs issue|certs show|trail show|trail verify"
    assert {tuple(each.split()) for each in wanted.split("|")} <= set(ALL)


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_explains_itself_with_an_example(words: tuple[str, ...], vaguemestre: Command) -> None:
    said = vaguemestre(*words, "--help")
    assert said.code == 0
    assert said.err == ""
    _, found, example = " ".join(said.out.split()).partition("Example: ")
    assert found
    assert f"vaguemestre {' '.join(words)}" in example


@pytest.mark.parametrize(
    "words",
    [
        ("nothing",),
        ("bal", "nothing"),
        ("bal", "list"),
        ("bal", "list", "--home", "x", "--nothing"),
        ("bal", "add", "a@b", "--home", "x", "--type", "XXX", "--name", "n"),
        ("sandbox", "--home", "x", "--port-base", "80"),
        ("bridge",),
        ("trail", "show", "--home", "x", "--last", "none"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_no_traceback(words: tuple[str, ...], vaguemestre: Command) -> None:
    said = vaguemestre(*words)
    assert said.code == 2
    assert said.out == ""
    assert "Error: " in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "words",
    [
        ("serve",),
        ("doctor",),
        ("migrate",),
        ("bal", "list"),
        ("bal", "show", "a@b.fr"),
        ("patient", "list"),
        ("directory", "search", "x"),
        ("trail", "verify"),
        ("certs", "issue", "--cn", "a.fr", "--out", "x"),
    ],
    ids=" ".join,
)
def test_a_home_without_settings_is_refused_in_one_sentence(
    words: tuple[str, ...], vaguemestre: Command, tmp_path: Path
) -> None:
    vaguemestre(*words, "--home", str(tmp_path)).is_refused("vaguemestre.toml", "does not exist")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("colour = 'red'", ("colour", "is no setting")),
        ("[limits]\nrecipients = 3", ("limits.recipients",)),
        ("this is not TOML", ("cannot be read",)),
        ("http = 'nowhere'", ("http",)),
    ],
)
def test_a_wrong_setting_is_named(
    line: str, words: tuple[str, ...], vaguemestre: Command, tmp_path: Path
) -> None:
    (tmp_path / "vaguemestre.toml").write_text(line + "\n")
    vaguemestre("bal", "list", "--home", str(tmp_path)).is_refused(*words)


def test_an_unknown_variable_of_the_environment_is_named(
    vaguemestre: Command, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAGUEMESTRE_LIMITS__COLOUR", "red")
    vaguemestre("bal", "list", "--home", str(empty_home)).is_refused("VAGUEMESTRE_LIMITS__COLOUR")


def test_what_nobody_expected_is_a_sentence_too(
    vaguemestre: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def app() -> None:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(cli, "commands", lambda: app)
    said = vaguemestre()
    assert said.code == 1
    assert said.err.startswith("vaguemestre: unexpected failure (ZeroDivisionError")
    assert "Traceback" not in said.err


def test_an_interruption_ends_with_130(vaguemestre: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def app() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "commands", lambda: app)
    assert vaguemestre().code == 130


def test_the_installed_program_says_the_same(tmp_path: Path) -> None:
    said = run("bal", "list", "--home", str(tmp_path))
    assert said.returncode == 1
    assert said.stdout == ""
    assert said.stderr.startswith("vaguemestre: ")
    assert said.stderr.count("\n") == 1


# Mailboxes ------------------------------------------------------------------------------------------------


def test_a_new_box_signs_in_at_once_beside_the_running_service(
    sandbox: Serving, vaguemestre: Command
) -> None:
    home, address = str(sandbox.home), f"nouvelle.boite@{DOMAIN}"
    assert not sandbox.signs_in(address, PASSWORD)
    said = vaguemestre(
        "bal", "add", address, "--home", home, "--type", "PER", "--name", "Dr Nouvelle BOITE",
        "--idnat", "899900000102", "--force", "--password-stdin", "--json", stdin=PASSWORD + "\n",
    )  # fmt: skip
    assert said.code == 0
    assert said.json == {
        "address": address,
        "type": "PER",
        "name": "Dr Nouvelle BOITE",
        "idnat": "899900000102",
        "state": "active",
    }
    assert sandbox.signs_in(address, PASSWORD)
    sandbox.send(sandbox.bal("camille.roussel"), address, "Bienvenue")
    assert sandbox.subjects(address, PASSWORD) == ["Bienvenue"]
    rows = vaguemestre("bal", "list", "--home", home, "--json").json
    assert address in {row["address"] for row in rows}


def test_a_box_is_suspended_resumed_and_closed(sandbox: Serving, vaguemestre: Command) -> None:
    home, address = str(sandbox.home), f"service.essai@{DOMAIN}"
    sender = sandbox.bal("camille.roussel")
    vaguemestre(
        "bal", "add", address, "--home", home, "--type", "ORG", "--name", "Service", "--password-stdin",
        stdin=PASSWORD + "\n",
    )  # fmt: skip
    assert sandbox.rcpt(sender, address).startswith("250 ")

    assert vaguemestre("bal", "suspend", address, "--home", home, "--json").json["state"] == "suspended"
    assert not sandbox.signs_in(address, PASSWORD)
    assert sandbox.rcpt(sender, address).startswith("550 5.2.1 MSS-111")

    assert vaguemestre("bal", "resume", address, "--home", home, "--json").json["state"] == "active"
    assert sandbox.signs_in(address, PASSWORD)
    assert sandbox.rcpt(sender, address).startswith("250 ")

    assert vaguemestre("bal", "close", address, "--home", home, "--json").json["state"] == "closed"
    assert not sandbox.signs_in(address, PASSWORD)
    assert sandbox.rcpt(sender, address).startswith("550 5.2.1 MSS-112")
    assert vaguemestre("bal", "show", address, "--home", home, "--json").json["state"] == "closed"
    vaguemestre("bal", "resume", address, "--home", home).is_refused()
    vaguemestre(
        "bal", "add", address, "--home", home, "--type", "ORG", "--name", "Service", "--password-stdin",
        stdin=PASSWORD + "\n",
    ).is_refused()  # fmt: skip


def test_a_changed_password_opens_and_the_old_one_does_not(sandbox: Serving, vaguemestre: Command) -> None:
    home, address = str(sandbox.home), f"autre.boite@{DOMAIN}"
    vaguemestre(
        "bal", "add", address, "--home", home, "--type", "PER", "--name", "Autre", "--password-stdin",
        stdin=PASSWORD + "\n",
    )  # fmt: skip
    assert sandbox.signs_in(address, PASSWORD)
    said = vaguemestre(
        "bal",
        "password",
        address,
        "--home",
        home,
        "--password-stdin",
        "--json",
        stdin="encore-un-plus-long\n",
    )
    assert said.code == 0
    assert (said.json["address"], said.json["state"]) == (address, "active")
    assert "encore" not in said.out
    assert sandbox.signs_in(address, "encore-un-plus-long")
    assert not sandbox.signs_in(address, PASSWORD)


@pytest.mark.parametrize(
    ("address", "password", "word"),
    [
        (f"court@{DOMAIN}", "court\n", "too short"),
        (f"vide@{DOMAIN}", "", "too short"),
        ("quelqu.un@ailleurs.example", PASSWORD + "\n", "not an address of a domain hosted here"),
        ("pas une adresse", PASSWORD + "\n", "not an address"),
        (f"camille.roussel@{DOMAIN}", PASSWORD + "\n", "camille.roussel"),
    ],
)
def test_a_box_that_cannot_be_is_refused(
    address: str, password: str, word: str, sandbox: Serving, vaguemestre: Command
) -> None:
    vaguemestre(
        "bal", "add", address, "--home", str(sandbox.home), "--type", "PER", "--name", "X", "--password-stdin",
        stdin=password,
    ).is_refused(word)  # fmt: skip


def test_a_password_is_never_waited_for_without_a_terminal(sandbox: Serving, vaguemestre: Command) -> None:
    words = ("bal", "add", f"x@{DOMAIN}", "--home", str(sandbox.home), "--type", "PER", "--name", "X")
    vaguemestre(*words).is_refused("--password-stdin")


@pytest.mark.parametrize("word", ["show", "suspend", "resume", "close"])
def test_an_unknown_box_is_refused(word: str, sandbox: Serving, vaguemestre: Command) -> None:
    vaguemestre("bal", word, f"personne@{DOMAIN}", "--home", str(sandbox.home)).is_refused("personne")


# Patients ---------------------------------------------------------------------------------------------------


def test_a_patient_is_added_closed_and_opened_beside_the_running_service(
    sandbox: Serving, vaguemestre: Command
) -> None:
    home, ins = str(sandbox.home), "180029999900152"
    address, sender = f"{ins}@patient.mssante.fr", sandbox.bal("camille.roussel")
    assert sandbox.rcpt(sender, address).startswith("550 5.1.1 MSS-113")
    said = vaguemestre(
        "patient", "add", ins, "--home", home, "--birth-name", "DURAND", "--first-names", "PAUL",
        "--birth-date", "1980-02-15", "--sex", "M", "--password-stdin", "--json", stdin=PASSWORD + "\n",
    )  # fmt: skip
    assert said.code == 0
    assert said.json == {
        "ins": ins,
        "name": "Paul DURAND",
        "birth_date": "1980-02-15",
        "sex": "M",
        "state": "activated",
    }
    assert sandbox.rcpt(sender, address).startswith("250 ")

    assert vaguemestre("patient", "close", ins, "--home", home, "--json").json["state"] == "closed"
    assert sandbox.rcpt(sender, address).startswith("550 5.1.1 MSS-114")
    assert vaguemestre("patient", "open", address, "--home", home, "--json").json["state"] == "activated"
    assert sandbox.rcpt(sender, address).startswith("250 ")
    assert vaguemestre("patient", "show", ins, "--home", home, "--json").json["state"] == "activated"
    rows = vaguemestre("patient", "list", "--home", home, "--json").json
    assert ins in {row["ins"] for row in rows}


def test_a_patient_gets_another_password(sandbox: Serving, vaguemestre: Command) -> None:
    ins = next(each["ins"] for each in sandbox.told["patients"] if each["state"] == "closed")
    words = ("patient", "password", ins, "--home", str(sandbox.home), "--password-stdin", "--json")
    said = vaguemestre(*words, stdin=PASSWORD + "\n")
    assert (said.code, said.json["ins"]) == (0, ins)
    assert PASSWORD not in said.out
    words = ("patient", "password", "199129999999967", *words[3:])
    vaguemestre(*words, stdin=PASSWORD + "\n").is_refused("no patient")


def test_an_opposition_comes_before_the_activation_and_may_be_taken_back(
    sandbox: Serving, vaguemestre: Command
) -> None:
    home, ins = str(sandbox.home), "180029999900249"
    address, sender = f"{ins}@patient.mssante.fr", sandbox.bal("camille.roussel")
    vaguemestre(
        "patient", "add", ins, "--home", home, "--birth-name", "DURAND", "--first-names", "JEAN", "--state",
        "not_activated", "--birth-date", "1980-02-15", "--sex", "M", "--password-stdin", stdin=PASSWORD + "\n",
    )  # fmt: skip
    assert vaguemestre("patient", "oppose", ins, "--home", home, "--json").json["state"] == "opposed"
    assert sandbox.rcpt(sender, address).startswith("550 5.1.1 MSS-114")
    assert vaguemestre("patient", "open", ins, "--home", home, "--json").json["state"] == "activated"
    assert sandbox.rcpt(sender, address).startswith("250 ")
    # Who has a box closes it: the opposition is to its opening.
    vaguemestre("patient", "oppose", ins, "--home", home).is_refused("activated")


@pytest.mark.parametrize(
    ("ins", "birth_date", "sex"),
    [
        ("12", "1980-02-15", "M"),
        ("180029999900346", "15/02/1980", "M"),
        ("180029999900346", "1980-02-15", "X"),
        ("112059999900169", "2012-05-14", "M"),
    ],
    ids=["no INS", "no date", "no sex", "there already"],
)
def test_a_patient_that_cannot_be_is_refused(
    ins: str, birth_date: str, sex: str, sandbox: Serving, vaguemestre: Command
) -> None:
    vaguemestre(
        "patient", "add", ins, "--home", str(sandbox.home), "--birth-name", "D", "--first-names", "P",
        "--birth-date", birth_date, "--sex", sex, "--password-stdin", stdin=PASSWORD + "\n",
    ).is_refused()  # fmt: skip


@pytest.mark.parametrize("word", ["show", "open", "oppose", "close"])
def test_an_unknown_patient_is_refused(word: str, sandbox: Serving, vaguemestre: Command) -> None:
    vaguemestre("patient", word, "199129999999967", "--home", str(sandbox.home)).is_refused()


# Directory --------------------------------------------------------------------------------------------------


def test_the_directory_is_searched_without_accents(sandbox: Serving, vaguemestre: Command) -> None:
    said = vaguemestre("directory", "search", "lefevre", "generale", "--home", str(sandbox.home), "--json")
    assert said.code == 0
    assert "helene.lefevre@liberal-demo.mssante.fr" in {row["address"] for row in said.json}
    none = vaguemestre("directory", "search", "personne", "--home", str(sandbox.home))
    assert (none.code, none.out) == (0, "(none)\n")


def test_extracts_are_imported_and_a_bad_one_changes_nothing(
    sandbox: Serving, empty_home: Path, tmp_path: Path, vaguemestre: Command
) -> None:
    home = str(empty_home)
    extracts = sorted(str(file) for file in (sandbox.home / "directory").glob("*.txt"))
    assert extracts
    said = vaguemestre("directory", "import", *extracts, "--home", home, "--force", "--json")
    assert said.code == 0
    assert {row["result"] for row in said.json} == {"imported"}
    assert sum(row["rows"] for row in said.json) > 10
    before = vaguemestre("directory", "search", "roussel", "--home", home, "--json").json
    assert before

    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"\x00\xff nothing that anybody publishes\n")
    refused = vaguemestre("directory", "import", str(bad), "--home", home)
    assert refused.code == 1
    assert "bad.txt" in refused.err
    assert "Traceback" not in refused.err
    vaguemestre("directory", "import", str(tmp_path / "none.txt"), "--home", home)
    assert vaguemestre("directory", "search", "roussel", "--home", home, "--json").json == before


# Certificates -----------------------------------------------------------------------------------------------


def test_a_certificate_is_issued_and_shown(empty_home: Path, tmp_path: Path, vaguemestre: Command) -> None:
    prefix = tmp_path / "essai"
    issued = vaguemestre(
        "certs", "issue", "--home", str(empty_home), "--cn", "smtp.essai.mssante.fr", "--ou", "1990780017",
        "--o", "CH, DES « ESSAIS »", "--out", str(prefix), "--json",
    )  # fmt: skip
    assert issued.code == 0
    assert issued.json["certificate"] == f"{prefix}.pem"
    assert stat.S_IMODE((tmp_path / "essai.key").stat().st_mode) == 0o600
    shown = vaguemestre("certs", "show", f"{prefix}.pem", "--json")
    assert shown.code == 0
    assert shown.json["dn"] == issued.json["dn"]
    assert "smtp.essai.mssante.fr" in shown.json["dn"]
    assert shown.json["valid_from"] < shown.json["valid_until"]


def test_a_certificate_may_be_broken_on_purpose(
    empty_home: Path, tmp_path: Path, vaguemestre: Command
) -> None:
    words = ("--home", str(empty_home), "--cn", "smtp.essai.mssante.fr")
    issuers = set()
    for case in ("valid", "expired", "foreign-ca"):
        prefix = str(tmp_path / case)
        assert vaguemestre("certs", "issue", *words, "--case", case, "--out", prefix).code == 0
        shown = vaguemestre("certs", "show", f"{prefix}.pem", "--json").json
        issuers.add(shown["issuer"])
        expired = shown["valid_until"] < datetime.now(UTC).isoformat()
        assert expired == (case == "expired")
    assert len(issuers) == 2


def test_only_a_sandbox_issues_certificates(tmp_path: Path, vaguemestre: Command) -> None:
    home = str(tmp_path / "operator")
    vaguemestre("init", "--home", home, "--hostname", "mail.ch.mssante.fr", "--domain", "ch.mssante.fr")
    words = ("certs", "issue", "--home", home, "--cn", "a.ch.mssante.fr", "--out", str(tmp_path / "x"))
    vaguemestre(*words).is_refused("sandbox only")
    assert not (tmp_path / "x.pem").exists()


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path, vaguemestre: Command) -> None:
    file = tmp_path / "x.pem"
    vaguemestre("certs", "show", str(file)).is_refused("x.pem")
    file.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    vaguemestre("certs", "show", str(file)).is_refused("x.pem")


# Trail ------------------------------------------------------------------------------------------------------


def test_the_trail_tells_what_was_done_by_ids(empty_home: Path, vaguemestre: Command) -> None:
    home = str(empty_home)
    for local in ("un", "deux"):
        vaguemestre(
            "bal", "add", f"{local}@{DOMAIN}", "--home", home, "--type", "PER", "--name", "Dr Secret NOM",
            "--password-stdin", stdin=PASSWORD + "\n",
        )  # fmt: skip
    shown = vaguemestre("trail", "show", "--home", home, "--json")
    assert [row["action"] for row in shown.json] == ["operator.added", "bal.opened", "bal.opened"]
    assert "Secret" not in shown.out
    assert DOMAIN not in shown.out
    assert len(vaguemestre("trail", "show", "--home", home, "--last", "1", "--json").json) == 1
    verified = vaguemestre("trail", "verify", "--home", home, "--json")
    assert verified.code == 0
    assert verified.json == {"rows": 3, "last_hash": shown.json[-1]["hash"], "record_traces": 0}


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("UPDATE trail SET outcome = 'other' WHERE seq = 1", "row 1 was changed"),
        ("UPDATE trail SET at = at + 1 WHERE seq = 2", "row 2 was changed"),
        ("DELETE FROM trail WHERE seq = 1", "row 1 is missing"),
    ],
)
def test_a_trail_that_was_tampered_with_is_found_out(
    statement: str, word: str, empty_home: Path, vaguemestre: Command
) -> None:
    home = str(empty_home)
    for local in ("un", "deux"):
        vaguemestre(
            "bal", "add", f"{local}@{DOMAIN}", "--home", home, "--type", "PER", "--name", "N", "--password-stdin",
            stdin=PASSWORD + "\n",
        )  # fmt: skip
    assert vaguemestre("trail", "verify", "--home", home).code == 0
    with connect(empty_home / "vaguemestre.db", key_of(load(empty_home))) as database:
        database.execute(statement)
    vaguemestre("trail", "verify", "--home", home).is_refused("the trail is broken", word)


# Bridge -----------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path) -> Path:
    from tests.dmp_bridge import builders

    document = builders.cda(unique_id="1.2.250.1.999.7.1")
    file = tmp_path / "IHE_XDM.zip"
    file.write_bytes(builders.xdm(document, ins=builders.INS, unique_id="1.2.250.1.999.7.1"))
    return file


def test_the_bridge_tells_what_a_package_holds(package: Path, vaguemestre: Command) -> None:
    said = vaguemestre("bridge", str(package), "--json")
    assert said.code == 0
    (row,) = said.json
    assert row["unique_id"] == "1.2.250.1.999.7.1"
    assert row["type"] == "11502-2"
    assert row["category"] == "BIOLOGIE"
    assert row["code"] is None
    table = vaguemestre("bridge", str(package))
    assert "BIOLOGIE" in table.out


def test_the_bridge_fails_on_a_refused_document(package: Path, vaguemestre: Command) -> None:
    package.write_bytes(package.read_bytes()[:-40])
    said = vaguemestre("bridge", str(package), "--json")
    assert said.code == 1
    assert said.json[0]["code"] == "906"
    assert said.err == "vaguemestre: at least one document is refused\n"


def test_the_bridge_files_a_package_once_into_the_record(
    package: Path, sandbox: Serving, vaguemestre: Command
) -> None:
    words = ("bridge", str(package), "--home", str(sandbox.home), "--json")
    first, second = vaguemestre(*words), vaguemestre(*words)
    assert (first.code, second.code) == (0, 0)
    assert [row["state"] for row in first.json] == ["filed"]
    # No mail carries either copy: the same document is known by its identifier and its bytes.
    assert [row["document"] for row in second.json] == [first.json[0]["document"]]


def test_the_bridge_refuses_a_document_of_a_patient_without_a_record(
    package: Path, empty_home: Path, vaguemestre: Command
) -> None:
    said = vaguemestre("bridge", str(package), "--home", str(empty_home), "--json")
    assert said.code == 1
    assert [(row["state"], row["code"]) for row in said.json] == [("refused", "902")]
    assert vaguemestre("trail", "verify", "--home", str(empty_home)).code == 0


def test_the_bridge_refuses_a_file_that_is_not_there(tmp_path: Path, vaguemestre: Command) -> None:
    vaguemestre("bridge", str(tmp_path / "none.eml")).is_refused("none.eml")


# Operating --------------------------------------------------------------------------------------------------


def test_the_doctor_explains_every_setting_of_a_sound_sandbox(sandbox: Serving, vaguemestre: Command) -> None:
    said = vaguemestre("doctor", "--home", str(sandbox.home), "--json")
    assert said.code == 0
    assert said.json["ready"] is True
    assert said.json["faults"] == []
    assert all(row["meaning"] for row in said.json["settings"])
    assert {"hostname", "limits.message_bytes", "patients.undeliverable"} <= {
        row["setting"] for row in said.json["settings"]
    }
    words = vaguemestre("doctor", "--home", str(sandbox.home))
    assert words.err.startswith("ready: ")


def test_the_doctor_names_what_is_missing(tmp_path: Path, vaguemestre: Command) -> None:
    home = tmp_path / "operator"
    vaguemestre("init", "--home", str(home), "--hostname", "mail.ch.mssante.fr", "--domain", "ch.mssante.fr")
    said = vaguemestre("doctor", "--home", str(home), "--json")
    assert said.code == 1
    assert said.json["ready"] is False
    assert "server.pem" in said.err
    (home / "keys" / "master.key").unlink()
    assert "master.key" in vaguemestre("doctor", "--home", str(home)).err


def test_a_home_is_initialised_once(tmp_path: Path, vaguemestre: Command) -> None:
    words = ("init", "--home", str(tmp_path), "--hostname", "mail.ch.mssante.fr", "--domain", "ch.mssante.fr")
    assert vaguemestre(*words).code == 0
    key, settings = tmp_path / "keys" / "master.key", tmp_path / "vaguemestre.toml"
    assert stat.S_IMODE(key.stat().st_mode) == stat.S_IMODE(settings.stat().st_mode) == 0o600
    written = key.read_bytes()
    vaguemestre(*words).is_refused("exists")
    assert key.read_bytes() == written


def test_an_operator_without_a_certificate_does_not_start(tmp_path: Path, vaguemestre: Command) -> None:
    words = ("--home", str(tmp_path), "--hostname", "mail.ch.mssante.fr", "--domain", "ch.mssante.fr")
    vaguemestre("init", *words)
    switch = sys.getswitchinterval()
    try:
        vaguemestre("serve", "--home", str(tmp_path)).is_refused("server.pem")
    finally:
        sys.setswitchinterval(switch)
