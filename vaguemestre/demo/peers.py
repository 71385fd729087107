"""The scene of the demonstration in which other operators come and are visited, the honest one and the seven others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vaguemestre.demo.telling import must

if TYPE_CHECKING:
    from vaguemestre.demo.stage import Stage

_FRENCH = {
    "expired": "certificat expiré",
    "revoked": "certificat révoqué",
    "foreign-ca": "autorité étrangère",
    "unlisted-dn": "certificat absent de la liste",
    "wrong-domain": "certificat inscrit pour un autre domaine",
    "cn-differs": "même CN, autre organisation",
    "no-tls": "pas de TLS",
}


def other_operators(stage: Stage) -> None:
    """The audit matrix in both directions, as `vaguemestre check-peers` plays it."""
    telling = stage.telling
    telling.step("D'autres opérateurs")
    telling.say(
        "Un opérateur inscrit en liste blanche échange avec le nôtre en TLS mutuel ; sept autres essaient la même "
        "chose avec ce qu'il ne faut pas, comme clients puis comme serveurs."
    )
    result = stage.sandbox.command("check-peers", "--json")
    must(result.returncode == 0, f"l'audit des pairs ne tient pas : {result.stderr.strip()}")
    verdicts = {(row["direction"], row["case"]): row for row in json.loads(result.stdout)}
    must(verdicts["in", "valid"]["holds"], "le pair inscrit n'a pas pu écrire.")
    must(verdicts["out", "valid"]["holds"], "le pair inscrit n'a rien reçu.")
    telling.proved(
        "le pair inscrit écrit et reçoit, et la boîte reponse.automatique-test lui répond une fois"
    )
    for case, words in _FRENCH.items():
        must(verdicts["in", case]["holds"], f"{words} : le pair est entré.")
        must(verdicts["out", case]["holds"], f"{words} : quelque chose est parti vers ce pair.")
        telling.proved(
            f"{words} : refusé à l'entrée ({_short(verdicts['in', case]['observed'])}), rien n'est parti"
        )


def _short(observed: str) -> str:
    """The reply's codes, or the alert."""
    words = observed.split()
    if words[0].isdigit():
        return " ".join(words[:3])
    return f"alerte TLS « {observed.removeprefix('TLS alert: ').removesuffix(' in the TLS handshake')} »"
