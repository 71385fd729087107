from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from directory.bals import Bal, BalState, BalType
from foundation.settings import Settings, from_values
from portal.setup.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

ADDRESS = "marie.martin@hopital-demo.mssante.fr"


def settings(tls: Mapping[str, Path], **values: Any) -> Settings:
    chosen = {"hostname": "mail.hopital-demo.mssante.fr", "domains": ["hopital-demo.mssante.fr"], **values}
    return from_values(Path("/nowhere"), {"tls": dict(tls), **chosen})


def bal(kind: BalType = BalType.PER) -> Bal:
    return Bal(
        owner_id=1,
        address=ADDRESS,
        type=kind,
        name="Dr Marie MARTIN",
        idnat=None,
        state=BalState.ACTIVE,
        password_hash=None,
        red_list=False,
        created_at=0,
        closed_at=None,
    )


def sheet(tls: Mapping[str, Path], kind: BalType = BalType.PER, **values: Any) -> Sheet:
    return Sheet.of(settings(tls, **values), bal(kind))


def lines(made: Sheet, title: str) -> dict[str, str]:
    (found,) = (section.lines for section in made.sections() if section.title.startswith(title))
    return dict(found)


def test_it_tells_where_to_read_and_where_to_send(identity: dict[str, Path]) -> None:
    made = sheet(identity)
    assert lines(made, "Lire") == {
        "Serveur": "mail.hopital-demo.mssante.fr",
        "Port et sécurité": "1993, TLS (SSL/TLS)",
        "Autre port": "1143, STARTTLS",
        "Identifiant": ADDRESS,
    }
    assert lines(made, "Envoyer")["Port et sécurité"] == "1465, TLS (SSL/TLS)"
    assert lines(sheet(identity, imap={"tls": "", "starttls": ""}), "Lire") == {"État": "pas servi"}


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("always", "ou le mot de passe de la boîte"),
        ("without-totp", "tant qu’elle n’a pas de second facteur"),
        ("never", "n’ouvre que les pages web"),
    ],
)
def test_it_tells_which_password(policy: str, words: str, identity: dict[str, Path]) -> None:
    told = lines(sheet(identity, accounts={"mail_password": policy}), "S’authentifier")
    assert words in told["Mot de passe"]


def test_it_tells_of_tokens_only_with_pro_sante_connect(identity: dict[str, Path]) -> None:
    assert "Pro Santé Connect" not in sheet(identity).text()
    made = sheet(identity, psc={"issuer": "https://psc.test/realm"})
    told = lines(made, "S’authentifier")
    assert "https://psc.test/realm" in told["Pro Santé Connect"]
    assert f"user={ADDRESS}^Aauth=Bearer" in told["XOAUTH2"]
    assert f"n,a={ADDRESS},^Aauth=Bearer" in told["OAUTHBEARER"]
    assert made.values()["mechanisms"] == ["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]


def test_it_tells_software_of_certificates(identity: dict[str, Path]) -> None:
    assert "Certificat" not in lines(sheet(identity), "S’authentifier")
    assert "EXTERNAL" in lines(sheet(identity, BalType.APP), "S’authentifier")["Certificat"]
    without = sheet(identity, BalType.APP, accounts={"client_certificates": False})
    assert "Certificat" not in lines(without, "S’authentifier")


def test_scram_is_told_where_it_is_offered(identity: dict[str, Path]) -> None:
    assert "SCRAM-SHA-256" in sheet(identity, accounts={"scram": True}).text()
    assert "SCRAM-SHA-256" not in sheet(identity).text()
    never = {"scram": True, "mail_password": "never"}
    assert "SCRAM-SHA-256" not in sheet(identity, accounts=never).text()


def test_it_tells_the_fingerprints_of_the_authorities(identity: dict[str, Path]) -> None:
    made = sheet(identity)
    root, organisations = x509.load_pem_x509_certificates(identity["ca_file"].read_bytes())
    assert made.authorities == (organisations, root)
    fingerprints = [each["sha256"] for each in made.values()["authorities"]]
    assert all(each in made.text() for each in fingerprints)
    assert str(identity["ca_file"]) in made.text()


def test_it_tells_where_the_address_book_searches(identity: dict[str, Path]) -> None:
    made = sheet(identity)
    assert lines(made, "Annuaire") == {
        "Serveur": "mail.hopital-demo.mssante.fr",
        "Port et sécurité": "1636, TLS (SSL/TLS)",
        "Autre port": "1389, STARTTLS",
        "Identifiant": ADDRESS,
        "Base de recherche (DN)": "dc=mssante,dc=fr",
        "Connexion": "sans identifiant, ou avec l’adresse et un mot de passe d’application",
    }
    assert made.values()["ldap"] == {
        "servers": [
            {"host": "mail.hopital-demo.mssante.fr", "port": 1636, "security": "TLS"},
            {"host": "mail.hopital-demo.mssante.fr", "port": 1389, "security": "STARTTLS"},
        ],
        "base": "dc=mssante,dc=fr",
        "anonymous": True,
    }
    known = sheet(identity, ldap={"anonymous": False, "starttls": ""}, setup={"ldap_host": "ldap.ch-a.fr"})
    assert lines(known, "Annuaire")["Serveur"] == "ldap.ch-a.fr"
    assert "bind DN" in lines(known, "Annuaire")["Connexion"]
    assert lines(sheet(identity, ldap={"tls": "", "starttls": ""}), "Annuaire") == {"État": "pas servi"}


def test_it_tells_the_limits(identity: dict[str, Path]) -> None:
    made = sheet(identity)
    assert lines(made, "À savoir")["Taille d’un message"].startswith("25 Mo")
    assert "X-MSS-NIL" in made.text()
