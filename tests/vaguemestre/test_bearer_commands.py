"""`vaguemestre bal add|edit --idnat`: the directory shows nobody under a number that is somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.vaguemestre.test_publishing_in_the_sandbox import settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.vaguemestre.conftest import Said
    from tests.vaguemestre.programs import Serving

    Command = Callable[..., Said]

DOMAIN = "hopital-demo.mssante.fr"
PASSWORD = "un-mot-de-passe-long\n"
CAMILLE = "899900000102"


def add(vaguemestre: Command, sandbox: Serving, local: str, name: str, *more: str) -> Said:
    return vaguemestre(
        "bal", "add", f"{local}@{DOMAIN}", "--home", str(sandbox.home), "--type", "PER", "--name", name,
        "--password-stdin", *more, stdin=PASSWORD,
    )  # fmt: skip


def test_somebody_elses_number_is_refused_and_makes_no_box(sandbox: Serving, vaguemestre: Command) -> None:
    said = add(vaguemestre, sandbox, "paul.durand", "Dr Paul DURAND", "--idnat", CAMILLE)
    said.is_refused(CAMILLE, "Camille ROUSSEL", "Paul DURAND", "--force")
    vaguemestre("bal", "show", f"paul.durand@{DOMAIN}", "--home", str(sandbox.home)).is_refused("paul.durand")


def test_who_confirms_it_gets_the_name_of_the_directory(sandbox: Serving, vaguemestre: Command) -> None:
    home, address = str(sandbox.home), f"c.durand@{DOMAIN}"
    assert add(vaguemestre, sandbox, "c.durand", "Dr DURAND", "--idnat", CAMILLE, "--force").code == 0
    assert settled(vaguemestre, home, address)["state"] == "published"
    rows = vaguemestre("directory", "search", "roussel", "--home", home, "--json").json
    assert address in {row["address"] for row in rows}


def test_a_number_given_later_is_compared_too(sandbox: Serving, vaguemestre: Command) -> None:
    home, address = str(sandbox.home), f"sans.numero@{DOMAIN}"
    assert add(vaguemestre, sandbox, "sans.numero", "Sans NUMERO").code == 0
    words = ("bal", "edit", address, "--home", home, "--idnat", CAMILLE, "--json")
    vaguemestre(*words).is_refused("Camille ROUSSEL")
    vaguemestre(*words, "--name", "Paul").is_refused("Paul")
    assert vaguemestre(*words, "--name", "Dr C. Roussel").json["idnat"] == CAMILLE
    # The bearer stays: another name is the box's own affair.
    assert vaguemestre("bal", "edit", address, "--home", home, "--name", "Autre", "--json").code == 0


def test_every_box_of_the_sandbox_is_called_as_its_bearer(sandbox: Serving, vaguemestre: Command) -> None:
    told = [bal for bal in sandbox.told["bals"] if bal["type"] in ("PER", "CAB") and bal["idnat"]]
    assert len(told) > 5
    for number, bal in enumerate(told):
        said = add(
            vaguemestre, sandbox, f"pareil{number}", bal["name"], "--idnat", bal["idnat"], "--red-list"
        )
        assert said.code == 0, said
