"""What a sandbox has on disk before it serves: keys, certificates, settings, directory, people."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import tomllib
from typing import TYPE_CHECKING

from certs.names import DistinguishedName
from certs.pki import Case, Pki
from certs.profiles import Purpose
from directory.bals import BalType, find_bal
from directory.importer import Importer, ImportPolicy, Switched
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.files import PRIVATE, write_atomically
from foundation.settings import FILE_NAME, Settings, load
from foundation.vault import Vault, write_master_key
from vaguemestre import fictive, migrate, ports
from vaguemestre.errors import SandboxBroken
from vaguemestre.fictive_extracts import write_extracts
from vaguemestre.home import to_toml, write_settings_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

PATIENT_DOMAIN = "patient.mssante.fr"
HOSTNAME = "localhost"
PEER_CASES: dict[str, tuple[str, Case]] = {
    "valid": ("pair-valide.mssante.fr", Case.VALID),
    "expired": ("pair-expire.mssante.fr", Case.EXPIRED),
    "revoked": ("pair-revoque.mssante.fr", Case.REVOKED),
    "foreign-ca": ("pair-non-igc.mssante.fr", Case.FOREIGN_CA),
    "unlisted-dn": ("pair-inconnu.mssante.fr", Case.VALID),
    "wrong-domain": ("pair-autre-domaine.mssante.fr", Case.VALID),
    "cn-differs": ("pair-cn-different.mssante.fr", Case.VALID),
}
"""The audit cases of the espace de confiance: the domain of each peer and how its certificate is made."""
_SYLLABLES = tuple(consonant + vowel for consonant in "bdfgjklmnprstvz" for vowel in "aeiou")


def server_name(domain: str) -> str:
    """The host name a domain's mail server would have."""
    return f"mail.{domain}"


def prepare(home: Path) -> None:
    """Keys and certificates. Each file is written whole, so a start that was cut short is simply resumed."""
    key = home / "keys" / "master.key"
    if not key.exists():
        write_master_key(key)
    seed(home)
    now = SystemClock().now()
    folder = home / "pki"
    pki = Pki.open_or_create(folder, now)
    if not (folder / "server.pem").exists():
        names = (server_name(domain) for domain in (*fictive.DOMAINS, PATIENT_DOMAIN))
        hosts = (HOSTNAME, "127.0.0.1", "::1", *names)
        _issue(pki, now, "server", fictive.HOSPITAL, server_name(fictive.DOMAINS[0]), hosts=hosts)
    for case, (domain, how) in PEER_CASES.items():
        if not (folder / "peers" / f"{case}.pem").exists():
            _issue(pki, now, f"peers/{case}", fictive.HOSPITAL, server_name(domain), case=how)
    for bal in fictive.BALS:
        if bal.type is BalType.APP and not (folder / "boxes" / f"{bal.address}.pem").exists():
            local, _, domain = bal.address.partition("@")
            _issue(
                pki,
                now,
                f"boxes/{bal.address}",
                bal.structure,
                f"{local}.{domain}",
                purpose=Purpose.ORGANISATION,
            )


def _issue(
    pki: Pki,
    now: datetime,
    prefix: str,
    structure: fictive.Structure,
    common_name: str,
    *,
    purpose: Purpose = Purpose.SERVER,
    case: Case = Case.VALID,
    hosts: tuple[str, ...] = (),
) -> None:
    name = DistinguishedName.of(cn=common_name, ou=structure.idnat, o=structure.name, st="Sarthe (72)")
    pki.issue(name, now, purpose=purpose, case=case, hosts=hosts).write(pki.directory / prefix)


def seed(home: Path) -> bytes:
    """The secret from which the sandbox's passwords come, so that every start tells the same ones."""
    path = home / "keys" / "sandbox.seed"
    if not path.exists():
        write_atomically(path, f"{secrets.token_hex(32)}\n".encode(), PRIVATE)
    return bytes.fromhex(path.read_text(encoding="ascii").strip())


def password_for(secret: bytes, account: str) -> str:
    """A password one can read out: eight syllables and two digits, from the seed and the account's name."""
    digest = hmac.digest(secret, account.encode(), hashlib.sha256)
    words = [_SYLLABLES[byte % len(_SYLLABLES)] for byte in digest[:8]]
    pairs = ["".join(words[position : position + 2]) for position in range(0, 8, 2)]
    return "-".join([*pairs, f"{digest[8] % 100:02d}"])


def kept_ports(home: Path) -> ports.Ports | None:
    """The ports of the last start; None where there was none."""
    try:
        with (home / "ports.toml").open("rb") as stream:
            numbers = tomllib.load(stream)
    except (OSError, tomllib.TOMLDecodeError):
        return None
    if set(numbers) != set(ports.NAMES) or not all(isinstance(number, int) for number in numbers.values()):
        return None
    return ports.Ports(numbers)


def write_settings(home: Path, chosen: ports.Ports) -> Settings:
    """The settings of a sandbox on these ports; whatever else the file says is kept."""
    file = home / FILE_NAME
    values: dict[str, object] = {
        "hostname": HOSTNAME,
        "domains": list(fictive.DOMAINS),
        "patient_domain": PATIENT_DOMAIN,
        "serves_patients": True,
        "sandbox": True,
        # Example documents carry the INS of a test patient more often than the other traits.
        "bridge": {"traits": "tell"},
    }
    if file.exists():
        with file.open("rb") as stream:
            values |= tomllib.load(stream)
    values["http"] = chosen.address("https")
    for section, listeners in (
        ("smtp", {"submission": "submission", "submissions": "submissions"}),
        ("imap", {"starttls": "imap", "tls": "imaps"}),
    ):
        known = values.get(section)
        addresses = {key: chosen.address(name) for key, name in listeners.items()}
        values[section] = (known if isinstance(known, dict) else {}) | addresses
    write_settings_file(file, values)
    write_atomically(home / "ports.toml", to_toml(chosen.numbers).encode(), PRIVATE)
    return load(home)


async def populate(settings: Settings, *, empty: bool) -> None:
    """The database with its people, once: professionals through the importer, boxes and patients in one unit."""
    migrate.upgrade(settings.database_url)
    if empty:
        return
    clock = SystemClock()
    database = await Database.open(settings.database_url)
    try:
        vault = Vault.open(database, settings.vault_url, settings.path(settings.vault.master_key_file))
        if await database.read(lambda connection: find_bal(connection, fictive.BALS[0].address)) is not None:
            return
        importer = Importer(database, clock, ImportPolicy(smallest_share=0.0))
        for path in write_extracts(settings.home / "directory"):
            for outcome in await importer.load(path):
                if not isinstance(outcome, Switched):
                    raise SandboxBroken(f"the fictive directory cannot be imported: {outcome}")
        names = _account_names()
        secret = seed(settings.home)
        await fictive.create_people(database, vault, clock, lambda: password_for(secret, next(names)))
    finally:
        await database.close()


def _account_names() -> Iterator[str]:
    """In the order in which `create_people` asks for passwords."""
    yield from (bal.address for bal in fictive.BALS)
    yield from (patient.ins for patient in fictive.PATIENTS)
