from __future__ import annotations

import io
from typing import Any

from vaguemestre.sandbox_file import print_summary

DESCRIPTION: dict[str, Any] = {
    "host": "127.0.0.1",
    "home": "bac",
    "http": "https://127.0.0.1:21007",
    "ca_file": "bac/pki/ca.pem",
    "ports": dict.fromkeys(("submission", "submissions", "mx", "imap", "imaps", "ldap", "ldaps"), 25),
    "domains": ["hopital-demo-b.mssante.fr", "liberal-demo-b.mssante.fr"],
    "patient_domain": "patient.mssante.fr",
    "bals": [
        {"type": "PER", "address": "a@b.fr", "password": "mot-un"},
        {
            "type": "ORG",
            "address": "un.service.au.nom.bien.long@ime-les-tilleuls-b.mssante.fr",
            "password": "mot-deux",
        },
    ],
    "patients": [],
    "psc": {"issuer": "https://127.0.0.1:21007/psc"},
    "directory": {"ldap_base": "dc=mssante,dc=fr"},
    "operator": {"username": None, "password": None},
}
PATIENT = {"ins": "112059999900169", "name": "Thomas", "state": "activated", "password": "mot-trois"}


def summary(**other: Any) -> list[str]:
    out = io.StringIO()
    print_summary(DESCRIPTION | other, out)
    return out.getvalue().splitlines()


def test_the_passwords_stand_below_each_other() -> None:
    lines = [line for line in summary() if "mot-" in line]
    assert len({line.index("mot-") for line in lines}) == 1
    assert len(lines) == 2


def test_without_patients_nothing_is_said_of_them() -> None:
    assert not any("patient" in line for line in summary())


def test_with_patients_their_pages_and_passwords_are_told() -> None:
    lines = summary(patients=[PATIENT])
    assert "  pages des patients   https://127.0.0.1:21007" in lines
    assert "    112059999900169  Thomas  activated  mot-trois" in lines


def test_an_empty_sandbox_has_no_section_of_boxes() -> None:
    assert "  boîtes" not in summary(bals=[])


def test_the_operator_is_told_where_there_is_one() -> None:
    assert not any("operateur" in line for line in summary())
    lines = summary(operator={"username": "operateur", "password": "mot-quatre"})
    assert "  pages d’opérateur    https://127.0.0.1:21007/operateur/  operateur  mot-quatre" in lines


def test_the_robot_and_the_way_to_stop_are_told() -> None:
    lines = summary()
    assert "  réponse automatique  reponse.automatique-test@hopital-demo-b.mssante.fr" in lines
    assert lines[-1] == "  Ctrl-C pour arrêter, les données restent."
