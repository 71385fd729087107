"""A box's whole way in a sandbox that is its own national directory: opened, found, hidden, shown, closed, gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.vaguemestre.conftest import Said
    from tests.vaguemestre.programs import Serving

    Command = Callable[..., Said]

DOMAIN = "hopital-demo.mssante.fr"
PASSWORD = "girafe-lampe-quatre-vélo"
PATIENCE_SECONDS = 60


@pytest.fixture
def browser(sandbox: Serving) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=sandbox.told["http"], verify=sandbox.tls(), timeout=30) as client:
        yield client


def standing(vaguemestre: Command, home: str, *addresses: str) -> list[dict[str, Any]]:
    """Where the publication of these boxes ends, or of every box when none is named."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        words = ("directory", "publish", *addresses, "--status", "--home", home, "--json")
        rows: list[dict[str, Any]] = vaguemestre(*words).json
        waiting = [row for row in rows if row["state"] in ("waiting", "retrying")]
        if rows and not waiting:
            return rows
        assert time.monotonic() < until, waiting


def settled(vaguemestre: Command, home: str, address: str) -> dict[str, Any]:
    """Where the publication of a box ends."""
    (row,) = standing(vaguemestre, home, address)
    return row


def is_found(browser: httpx2.Client, address: str) -> bool:
    by_page = "1 boîte</h2>" in browser.get("/annuaire", params={"q": address}).text
    answer = browser.get("/fhir/annuaire/Organization", params={"mailbox-mss:exact": address})
    assert answer.json()["total"] == int(by_page)
    return by_page


# ref: F36
def test_a_box_is_found_as_long_as_it_is_to_be(
    sandbox: Serving, vaguemestre: Command, browser: httpx2.Client
) -> None:
    home, address = str(sandbox.home), f"admissions@{DOMAIN}"
    said = vaguemestre(
        "bal", "add", address, "--home", home, "--type", "ORG", "--name", "Admissions", "--idnat", "1990700106",
        "--service", "ADMISSIONS", "--password-stdin", stdin=f"{PASSWORD}\n",
    )  # fmt: skip
    assert said.code == 0
    assert settled(vaguemestre, home, address)["state"] == "published"
    assert is_found(browser, address)
    told = browser.get(f"/annuaire/bal/{address}.json").json()
    assert (told["service"], told["structure_id"]) == ("ADMISSIONS", "1990700106")
    for words, state, found in (
        (("red-list", address), "published", False),
        (("red-list", address, "--off"), "published", True),
        (("edit", address, "--description", "Entrées et sorties"), "published", True),
        (("suspend", address), "withdrawn", False),
        (("resume", address), "published", True),
        (("close", address), "withdrawn", False),
    ):
        assert vaguemestre("bal", *words, "--home", home).code == 0
        row = settled(vaguemestre, home, address)
        assert (row["state"], row["error"]) == (state, None), words
        assert is_found(browser, address) is found, words


def test_who_is_not_known_to_the_directory_is_refused_in_its_words(
    sandbox: Serving, vaguemestre: Command
) -> None:
    home, address = str(sandbox.home), f"inconnue@{DOMAIN}"
    vaguemestre(
        "bal", "add", address, "--home", home, "--type", "PER", "--name", "Inconnue", "--idnat", "899999999999",
        "--password-stdin", stdin=f"{PASSWORD}\n",
    )  # fmt: skip
    row = settled(vaguemestre, home, address)
    assert row["state"] == "refused"
    assert row["error"].startswith("HTTP 404 ")


def test_the_boxes_of_the_sandbox_are_published(sandbox: Serving, vaguemestre: Command) -> None:
    for local in ("dpi", "cabinet.lefevre", "neurologie", "camille.roussel"):
        address = sandbox.bal(local)["address"]
        assert settled(vaguemestre, str(sandbox.home), address)["state"] == "published"


def test_the_operator_of_the_sandbox_signs_in(sandbox: Serving, browser: httpx2.Client) -> None:
    account = sandbox.told["operator"]
    answer = browser.post("/session", data=account)
    assert (answer.status_code, answer.headers["location"]) == (303, "/operateur/")
    page = browser.get("/operateur/", params={"q": "camille.roussel"}).text
    assert sandbox.bal("camille.roussel")["address"] in page
    assert "Publiée" in page


# ref: F37
def test_what_is_exported_is_imported_as_the_same(
    sandbox: Serving, vaguemestre: Command, tmp_path: Any
) -> None:
    home, file = str(sandbox.home), tmp_path / "Extraction_Correspondance_MSSante.txt"
    standing(vaguemestre, home)  # what is still on its way to the directory is in no extract
    assert vaguemestre("directory", "export", "--extract", "--home", home, "--out", str(file)).code == 0
    first = file.read_bytes()
    assert first.count(b"\n") > 10
    said = vaguemestre("directory", "import", str(file), "--home", home, "--json")
    assert said.code == 0, said
    assert vaguemestre("directory", "export", "--extract", "--home", home, "--out", str(file)).code == 0
    assert file.read_bytes() == first
    own = vaguemestre("directory", "export", "--extract", "--own", "--home", home)
    assert own.out.encode() == first  # nobody else is in the fictive directory
