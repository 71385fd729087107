"""What a sandbox has on disk before it serves: keys, certificates, settings, directory, people."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import tomllib
from typing import TYPE_CHECKING

from cryptography import x509

from certs.names import DistinguishedName
from certs.pki import Pki
from certs.profiles import Purpose
from certs.publisher import SIGNER_CN, Listing, ensure_sandbox_list, published_url
from directory import own
from directory.annuaire.annuaire import Annuaire
from directory.annuaire.build import Importer, ImportPolicy, Refused
from directory.annuaire.generations import PointerDamaged, read_pointer
from directory.bals import BalType, find_bal
from directory.fhir import routes as fhir
from directory.integration import set_deposits
from directory.listing import listing_of
from foundation.cipher import key_of
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.files import PRIVATE, write_atomically
from foundation.passwords import hash_password
from foundation.settings import FILE_NAME, Settings, load
from foundation.vault import Vault, write_master_key
from mailserver.signin import certificates
from mailserver.signin.choosing import Choosing
from mailserver.signin.second_factor import SecondFactors
from portal.operators.accounts import add_operator, find_operator
from vaguemestre import fictive, migrate, ports
from vaguemestre.companions import authority_of, cast_of
from vaguemestre.errors import SandboxBroken
from vaguemestre.fictive_extracts import write_extracts
from vaguemestre.home import to_toml, write_settings_file
from vaguemestre.psc.clients import ensure_secrets, secret_file
from vaguemestre.psc.issuer import PORTAL, SOFTWARE, discovery_of, issuer_at
from vaguemestre.psc.keys import ensure_keys
from vaguemestre.sandbox_peers import certificate_name, peer_entries, prepare_peers, server_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from directory.annuaire.view import View
    from foundation.clock import Clock
    from foundation.database import UnitOfWork

PATIENT_DOMAIN = "patient.mssante.fr"
HOSTNAME = "localhost"
OPERATOR = "operateur"
"""The name of the sandbox's operator."""
_SYLLABLES = tuple(consonant + vowel for consonant in "bdfgjklmnprstvz" for vowel in "aeiou")


def prepare(home: Path) -> None:
    """Keys and certificates. Each file is written whole, so a start that was cut short is simply resumed."""
    key = home / "keys" / "master.key"
    if not key.exists():
        write_master_key(key)
    seed(home)
    ensure_keys(home)
    ensure_secrets(home)
    now = SystemClock().now()
    folder = home / "pki"
    cast = cast_of(home)
    pki = Pki.open_or_create(authority_of(home), now)
    if not (folder / "server.pem").exists():
        hosted = (*cast.domains, PATIENT_DOMAIN) if cast.patients else cast.domains
        hosts = (HOSTNAME, "127.0.0.1", "::1", *_server_names(hosted))
        name = certificate_name(server_name(cast.domains[0]), fictive.HOSPITAL)
        pki.issue(name, now, hosts=hosts).write(folder / "server")
    prepare_peers(pki, now)
    _publish(home, pki, now, cast)
    for bal in cast.bals:
        if bal.type is BalType.APP and not certificate_file(home, bal.address).exists():
            local, _, domain = bal.address.partition("@")
            name = certificate_name(f"{local}.{domain}", bal.structure)
            pki.issue(name, now, purpose=Purpose.ORGANISATION).write(folder / "boxes" / bal.address)


def _server_names(domains: Iterable[str]) -> Iterator[str]:
    """What clients call the servers of these domains, and where they ask for settings before they know any."""
    for domain in domains:
        yield from (server_name(domain), domain, f"autoconfig.{domain}", f"autodiscover.{domain}")


def _publish(home: Path, pki: Pki, now: datetime, cast: fictive.Cast) -> None:
    """The sandbox's list names what it hosts and its peers; one that has joined another is named in that one's."""
    own = DistinguishedName.from_x509(
        x509.load_pem_x509_certificate((home / "pki" / "server.pem").read_bytes()).subject
    )
    hosted = (*cast.domains, PATIENT_DOMAIN) if cast.patients else cast.domains
    entries = [Listing(domain, own) for domain in hosted]
    first = pki.directory.parent
    if first == home:
        entries += [Listing(domain, name, "Pair du bac à sable") for domain, name in peer_entries()]
    ensure_sandbox_list(first, pki, entries, now)


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


def directory_key(home: Path) -> str:
    """The API key with which the sandbox publishes to its own directory; kept where the publisher looks for it."""
    path = home / "keys" / "directory.key"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        write_atomically(path, f"{password_for(seed(home), 'annuaire')}\n".encode(), PRIVATE)
    return path.read_text(encoding="ascii").strip()


def write_settings(home: Path, chosen: ports.Ports) -> Settings:
    """The settings of a sandbox on these ports; whatever else the file says is kept."""
    file = home / FILE_NAME
    cast = cast_of(home)
    authority = authority_of(home)
    values: dict[str, object] = {
        "hostname": HOSTNAME,
        "domains": list(cast.domains),
        "patient_domain": PATIENT_DOMAIN,
        "serves_patients": bool(cast.patients),
        "sandbox": True,
        # Example documents carry the INS of a test patient more often than the other traits.
        "bridge": {"traits": "tell"},
        # Who tries something wants to see the second attempt, and may send a thousand messages from one box.
        "outbound": {"first_retry_seconds": 5, "longest_retry_seconds": 60},
        # Whoever tries things out comes from one address, and may try them on one box.
        "limits": {
            "connections": 5000,
            "connections_per_address": 5000,
            "connections_per_person": 5000,
            "messages_per_minute_per_peer": 0,
            "messages_per_minute_per_bal": 0,
        },
    }
    if file.exists():
        with file.open("rb") as stream:
            values |= tomllib.load(stream)
    # Another home's authority is named by its whole path.
    ca_file = str(authority / "ca.pem") if authority.parent != home else "pki/ca.pem"
    values["tls"] = _section(values, "tls") | {"ca_file": ca_file}
    # `white-list remove` may take half of a list as short as this one.
    values["trust"] = {"largest_loss_percent": 100, **_section(values, "trust")} | {
        "white_list_url": published_url(authority.parent),
        "signer": f"CN={SIGNER_CN}",
        "crl_urls": [(authority / "organisations.crl.pem").as_uri()],
    }
    values["http"] = chosen.address("https")
    issuer = issuer_at(chosen.address("https"))
    values["psc"] = {"authorized_parties": [SOFTWARE], **_section(values, "psc")} | {
        "issuer": issuer,
        "discovery": discovery_of(issuer),
        "client_id": PORTAL,
        "client_secret_file": str(secret_file(home, PORTAL).relative_to(home)),
        "ca_file": ca_file,
    }
    # A sandbox lets one try every way of signing in.
    values["accounts"] = {
        "mail_password": "always",
        "operator_second_factor": "optional",
        **_section(values, "accounts"),
    }
    # ANS has no sandbox of its directory: this one is the national directory to itself.
    key = directory_key(home)
    values["directory"] = {
        # Its extracts are made with it, and nobody publishes newer ones.
        "alarm_days": 0,
        "page": "everybody",
        "fhir_access": "everything",
        "api_keys": [
            {
                "name": OPERATOR,
                "sha256": hashlib.sha256(key.encode()).hexdigest(),
                "domains": list(cast.domains),
            }
        ],
        **_section(values, "directory"),
    } | {
        "publish_url": f"https://{chosen.address('https')}{fhir.BASE}",
        "publish_ca_file": ca_file,
    }
    # The pharmacist of the cast reads prescriptions; a home that has a table of its own keeps it.
    professions = home / "professions.csv"
    if not professions.exists():
        write_atomically(professions, fictive.PROFESSIONS.encode(), PRIVATE)
    # Whoever has a certificate with the number of a professional has a card.
    # No ordinary mail leaves a sandbox: the notices to patients lie in a folder.
    values["record"] = {
        "structures": _structures(home, cast),
        "notice_folder": "notices",
        "professions_file": professions.name,
        **_section(values, "record"),
    } | {"persons_ca_file": ca_file}
    for section, listeners in (
        ("smtp", {"mx": "mx", "submission": "submission", "submissions": "submissions"}),
        ("imap", {"starttls": "imap", "tls": "imaps"}),
        ("ldap", {"starttls": "ldap", "tls": "ldaps"}),
    ):
        addresses = {key: chosen.address(name) for key, name in listeners.items()}
        values[section] = _section(values, section) | addresses
    write_settings_file(file, values)
    write_atomically(home / "ports.toml", to_toml(chosen.numbers).encode(), PRIVATE)
    return load(home)


def _structures(home: Path, cast: fictive.Cast) -> dict[str, str]:
    """The structures whose software may ask for records: those whose boxes have a certificate."""
    found = {}
    for bal in cast.bals:
        file = certificate_file(home, bal.address)
        if file.exists():
            subject = x509.load_pem_x509_certificate(file.read_bytes()).subject
            found[str(DistinguishedName.from_x509(subject))] = bal.structure.idnat
    return found


def _section(values: dict[str, object], name: str) -> dict[str, object]:
    known = values.get(name)
    return known if isinstance(known, dict) else {}


async def populate(settings: Settings, *, empty: bool) -> None:
    """The database with its people, once: professionals through the importer, boxes and patients in one unit.
    An empty sandbox has its operator alone.

    The certificates of the softwares' boxes are bound at every start.
    """
    key = key_of(settings)
    migrate.upgrade(settings.database_url, key)
    clock = SystemClock()
    cast = cast_of(settings.home)
    database = await Database.open(settings.database_url, key=key)
    try:
        vault = Vault.open(database, settings.vault_url, settings.path(settings.vault.master_key_file))
        await _make_operator(settings, database, vault, clock)
        if empty:
            return
        await asyncio.to_thread(_make_directory, settings.home / "directory", clock, cast)
        if await database.read(lambda connection: find_bal(connection, cast.bals[0].address)) is None:
            await _make_people(settings, database, vault, clock, cast)
            await _show_boxes(settings, database, clock, cast)
        await database.write(lambda uow: _bind_certificates(uow, settings.home, clock, cast))
    finally:
        await database.close()


async def _make_operator(settings: Settings, database: Database, vault: Vault, clock: Clock) -> None:
    """Who looks after the boxes of a sandbox."""
    if await database.read(lambda connection: find_operator(connection, OPERATOR)) is None:
        stored = await hash_password(password_for(seed(settings.home), OPERATOR))
        await database.write(lambda uow: add_operator(uow, vault, clock, OPERATOR, stored))


def _make_directory(folder: Path, clock: Clock, cast: fictive.Cast) -> None:
    """The fictive professionals, imported as real ones are, where no extract was imported yet."""
    try:
        if read_pointer(folder).current.parts:
            return
    except PointerDamaged:
        pass
    importer = Importer(folder, clock, ImportPolicy(provisional=True))
    for path in write_extracts(folder, cast.bals):
        for outcome in importer.load(path):
            if isinstance(outcome, Refused):
                raise SandboxBroken(f"the fictive directory cannot be imported: {outcome.reason}")


async def _make_people(
    settings: Settings, database: Database, vault: Vault, clock: Clock, cast: fictive.Cast
) -> None:
    names = _account_names(cast)
    secret = seed(settings.home)
    people = await fictive.create_people(
        database, vault, clock, cast, Choosing(settings), lambda: password_for(secret, next(names))
    )
    factors = SecondFactors.of(settings)

    def give_second_factors(uow: UnitOfWork) -> None:
        for made in people.bals:
            if made.bal.has_second_factor:
                known = second_factor_for(secret, made.bal.address)
                factors.impose(uow, made.owner_id, known, clock.millis())

    def let_software_deposit(uow: UnitOfWork) -> None:
        for made in people.bals:
            box = find_bal(uow.connection, made.bal.address)
            if box is not None and box.type is BalType.APP:
                set_deposits(uow, box, deposits=True)

    await database.write(give_second_factors)
    await database.write(let_software_deposit)


async def _show_boxes(settings: Settings, database: Database, clock: Clock, cast: fictive.Cast) -> None:
    """The directory says of each box itself what the fictive extract does: it stays when another one is imported."""
    annuaire = await Annuaire.open(settings.home / "directory", database, clock)

    def show(uow: UnitOfWork, view: View) -> None:
        for bal in cast.bals:
            found = find_bal(uow.connection, bal.address) if bal.is_in_extract else None
            if found is not None:
                mailbox = own.mailbox_of(found, listing_of(uow.connection, found.owner_id), view)
                own.show(uow, found, mailbox, clock.millis())

    try:
        view = annuaire.view()
        await database.write(lambda uow: show(uow, view))
    finally:
        await annuaire.close()


def _bind_certificates(uow: UnitOfWork, home: Path, clock: Clock, cast: fictive.Cast) -> None:
    """The certificate of each software's box opens it, in homes of earlier versions as well."""
    for bal in cast.bals:
        file = certificate_file(home, bal.address)
        found = find_bal(uow.connection, bal.address) if file.exists() else None
        if found is not None:
            subject = x509.load_pem_x509_certificate(file.read_bytes()).subject
            certificates.add(uow, found.owner_id, DistinguishedName.from_x509(subject), clock.millis())


def certificate_file(home: Path, address: str) -> Path:
    """Where the client certificate of a software's box lies; its key is beside it."""
    return home / "pki" / "boxes" / f"{address}.pem"


def second_factor_for(secret: bytes, account: str) -> bytes:
    """The secret of a fictive person's authenticator application, from the seed and the account's name."""
    return hmac.digest(secret, b"second factor\0" + account.encode(), hashlib.sha256)[:20]


def _account_names(cast: fictive.Cast) -> Iterator[str]:
    """In the order in which `create_people` asks for passwords."""
    yield from (bal.address for bal in cast.bals)
    yield from (patient.ins for patient in cast.patients)
