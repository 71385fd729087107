"""The demonstration holds on a service that works, says what does not hold, and leaves nothing running."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from directory.ldap import filters
from directory.ldap.ber import Reader
from vaguemestre.demo.address_book import thunderbird_filter
from vaguemestre.demo.browser import Link, Page
from vaguemestre.demo.lasting import _spellings
from vaguemestre.demo.pdf import scanned_page, text_page
from vaguemestre.demo.play import SCENES
from vaguemestre.demo.telling import NotProved, Telling, eventually, must

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.interop

PROGRAM = str(Path(sys.executable).with_name("vaguemestre"))
# The same program, which gives up sooner on what does not come.
IMPATIENT = "from vaguemestre.demo import telling; telling._PATIENCE_SECONDS = 6; from vaguemestre.cli import main; main()"


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Fails when a process that names this test's folder outlives the test, whoever its parent is by now."""
    yield
    left = [each.pid for each in psutil.process_iter(["cmdline"]) if names(each, str(tmp_path))]
    assert left == []


def names(process: psutil.Process, folder: str) -> bool:
    return any(folder in word for word in process.info["cmdline"] or ())


def demo(home: Path, *program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*(program or (PROGRAM,)), "demo", "--home", str(home)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )


def steps(told: str) -> list[int]:
    return [int(number) for number in re.findall(r"(?m)^(\d+)\. ", told)]


@pytest.mark.timeout(600)
def test_the_story_of_thomas_holds_twice_in_the_same_home(tmp_path: Path, nothing_left: None) -> None:
    for _ in range(2):
        told = demo(tmp_path / "home")
        assert told.returncode == 0, told.stdout + told.stderr
        assert told.stderr == ""
        words = " ".join(told.stdout.split())  # lines and unbroken spaces
        assert steps(told.stdout) == list(range(1, len(SCENES) + 1))
        for proof in (
            "queued as",
            "SHA-1",
            "[904]",
            "MSS-113",
            "MSS-120",
            "EXISTS",
            "X-MSS-MES",
            "« processed »",
            "bris de glace sans motif : refusé",
            "Accès en urgence au dossier",
            "LDAP sur TLS",
            "record import",
            "trail verify",
        ):
            assert proof in words, proof
        assert "fictifs" in told.stdout
    assert (tmp_path / "home" / "demo.log").exists()
    assert not (tmp_path / "home" / "sandbox.json").exists()


def test_it_says_in_one_sentence_what_does_not_hold(tmp_path: Path, nothing_left: None) -> None:
    # Such an operator files nothing that patients did not accept: what the IME sends appears nowhere.
    impatient = (sys.executable, "-P", "-c", IMPATIENT)
    told = demo(tmp_path / "home", *impatient, VAGUEMESTRE_BRIDGE__STRUCTURED="offer")
    assert told.returncode == 1
    assert steps(told.stdout) == [1, 2, 3]
    assert re.search(r"(?m)^Échec.*n'apparaît pas", told.stdout)
    assert told.stderr == "vaguemestre: the demonstration did not hold\n"


def test_a_sandbox_that_does_not_start_is_told_with_its_reason(tmp_path: Path, nothing_left: None) -> None:
    told = demo(tmp_path / "home", VAGUEMESTRE_PATIENTS__NOT_ACTIVATED="never")
    assert told.returncode == 1
    assert re.search(r"(?s)Échec.*patients.not_activated", told.stdout)


def test_a_term_signal_leaves_nothing_running(nothing_left: None, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with subprocess.Popen([PROGRAM, "demo", "--home", str(home)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(b"1."):
                break
        running = [each.pid for each in psutil.process_iter(["cmdline"]) if names(each, str(home))]
        assert len(running) > 1  # the demonstration and its sandbox
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(60) == 130


def test_a_step_that_never_comes_is_given_up() -> None:
    with pytest.raises(NotProved, match="jamais"):
        must(0, "jamais")
    began = time.monotonic()
    answers = iter([None, None, "là"])
    assert eventually(lambda: next(answers), "jamais") == "là"
    assert time.monotonic() - began < 5


def test_proofs_are_counted_and_french_signs_stay_with_their_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telling = Telling(sys.stdout)
    telling.step("Un titre")
    telling.proved("il a dit « " + "oui " * 40 + "» : c'est noté")
    told = capsys.readouterr().out
    assert telling.proofs == 1
    assert told.startswith("\n1. Un titre\n   preuve")
    assert all(not line.strip().startswith(("»", ":")) for line in told.splitlines())
    assert all(len(line) <= 100 for line in told.splitlines())


def test_a_page_is_read_as_words_links_and_forms() -> None:
    page = Page(
        "<title>rien</title><h1>Bonjour</h1><a href='/a'>Ouvrir <b>ceci</b></a>"
        "<form action='/x/1/accept'><input type='hidden' name='csrf' value='j'>"
        "<select name='category'><option value='A'>a</option><option value='B' selected>b</option></select></form>"
        "<form action='/x/2/accept'></form>"
    )
    assert page.text.startswith("Bonjour")
    link = page.link("Ouvrir ceci")
    assert link is not None
    assert link.path == "/a"
    assert page.link("Fermer") is None
    form = page.form("/1/accept")
    assert form is not None
    assert form.fields == {"csrf": "j", "category": "B"}
    assert Page("<a href='/d/7'>Une <b>lettre</b></a><a href='/d/x'>Non</a>").links_below("/d") == [
        Link("/d/7", "Une lettre")
    ]
    last = page.form("/accept")
    assert last is not None
    assert last.action == "/x/2/accept"


def test_the_search_for_readable_sentences_finds_one_inside_base64() -> None:
    import base64

    sentence = "Il range ses trésors dans une boîte."
    for lead in (b"", b"x", b"xy"):
        encoded = base64.b64encode(lead + sentence.encode() + b"and more")
        assert any(spelling in encoded for spelling in _spellings(sentence))


def test_the_address_book_asks_what_thunderbird_asks() -> None:
    text, octets = thunderbird_filter("anne roy")
    assert text == "(|(cn=*anne*roy*)(mail=*anne roy*)(givenName=*anne*)(sn=*anne roy*))"
    read = filters.read(Reader(octets))
    assert isinstance(read, filters.Or)
    assert len(read.children) == 4


@pytest.mark.parametrize("data", [text_page("Titre (é)", ["Un \\ deux"]), scanned_page(20, "x")])
def test_the_table_of_a_pdf_points_at_its_objects(data: bytes) -> None:
    table = int(data.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    assert data[table:].startswith(b"xref\n")
    offsets = [int(line.split()[0]) for line in data[table:].split(b"\n")[3:8]]
    for number, offset in enumerate(offsets, 1):
        assert data[offset:].startswith(f"{number} 0 obj".encode())
