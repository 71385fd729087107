"""The directory of a sandbox by LDAP: ldapsearch, ldap3, Thunderbird, and slapd that has loaded its LDIF."""

from __future__ import annotations

import ssl
import subprocess
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from benchmarks import slapd
from tests.interop.address_book import AddressBook
from tests.interop.service import program, run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it still imports names that pyasn1 has renamed
    import ldap3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.service import Bal, Service

pytestmark = [
    pytest.mark.interop,
    pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning"),  # ldap3 still asks it
]

SUFFIX = "dc=mssante,dc=fr"
BOX = 15
CONFIDENTIALITY_REQUIRED, INVALID_CREDENTIALS, UNWILLING_TO_PERFORM = 13, 49, 53


class Ldap:
    """The programs of ldap-utils on a sandbox; certificates and names are checked."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.plain = f"ldap://127.0.0.1:{service.port('ldap')}"
        self.tls = f"ldaps://127.0.0.1:{service.port('ldaps')}"

    def run(self, name: str, url: str, *words: str) -> subprocess.CompletedProcess[str]:
        trust = {"LDAPTLS_CACERT": self._service.ca_file, "LDAPTLS_REQCERT": "demand"}
        return run(program(name), "-H", url, "-x", *words, env=trust)

    def search(self, url: str, *words: str) -> list[dict[str, list[str]]]:
        done = self.run("ldapsearch", url, "-LLL", "-o", "ldif-wrap=no", "-b", SUFFIX, *words)
        assert done.returncode == 0, done
        return entries(done.stdout)


def entries(ldif: str) -> list[dict[str, list[str]]]:
    """Plain values only: the words these tests look at are."""
    found: list[dict[str, list[str]]] = []
    for block in ldif.strip().split("\n\n"):
        entry: dict[str, list[str]] = {}
        for line in block.splitlines():
            name, colon, value = line.partition(": ")
            if colon and not line.startswith("#"):
                entry.setdefault(name, []).append(value)
        if entry:
            found.append(entry)
    return found


@pytest.fixture
def ldap(service: Service) -> Ldap:
    return Ldap(service)


@pytest.fixture
def bal(service: Service) -> Bal:
    return service.bal(BOX)


def connection(service: Service, **options: Any) -> ldap3.Connection:
    trust = ldap3.Tls(
        validate=ssl.CERT_REQUIRED, ca_certs_file=service.ca_file, **options.pop("certificate", {})
    )
    server = ldap3.Server("localhost", service.port("ldaps"), use_ssl=True, tls=trust, get_info=ldap3.ALL)
    return ldap3.Connection(server, receive_timeout=20, **options)


# Searching


def test_ldapsearch_finds_a_box_of_the_sandbox_over_tls(service: Service, ldap: Ldap) -> None:
    person = service.bals("PER")[0]
    (found,) = ldap.search(ldap.tls, f"(mail={person.address})")
    assert found["dn"] == [f"mail={person.address},{SUFFIX}"]
    assert found["TypeBAL"] == ["PER"]
    assert found["TypeIdentifiantPP"] == ["8"]
    (also,) = ldap.search(ldap.plain, "-ZZ", f"(IdentifiantPP={found['IdentifiantPP'][0]})", "mail")
    assert also["mail"] == [person.address]


def test_ldapsearch_reads_everything_in_pages(service: Service, ldap: Ldap) -> None:
    whole = {entry["dn"][0] for entry in ldap.search(ldap.tls, "(mail=*)", "1.1")}
    paged = ldap.search(ldap.tls, "-E", "pr=3/noprompt", "(mail=*)", "1.1")
    assert {entry["dn"][0] for entry in paged if "dn" in entry} == whole
    assert len(whole) > 6


def test_boxes_of_the_red_list_are_not_there(service: Service, ldap: Ldap) -> None:
    # The box that no other test looks up: it comes back when the directory has been told, later than this test ends.
    looked_up = {service.bals("PER")[0].address, service.bal(BOX).address}
    address = next(each.address for each in reversed(service.bals("PER")) if each.address not in looked_up)
    assert ldap.search(ldap.tls, f"(mail={address})", "1.1")
    try:
        assert service.command("bal", "red-list", address).returncode == 0
        assert ldap.search(ldap.tls, f"(mail={address})", "1.1") == []
        gone = ldap.run("ldapsearch", ldap.tls, "-b", f"mail={address},{SUFFIX}", "-s", "base")
        assert gone.returncode == 32
    finally:
        service.command("bal", "red-list", address, "--off")


# Signing in


def test_a_box_binds_with_an_application_password(service: Service, ldap: Ldap, bal: Bal) -> None:
    made = service.command("bal", "app-password", "add", bal.address, "--name", "Carnet", "--scope", "ldap")
    assert made.returncode == 0, made.stderr
    password = next(word for word in made.stdout.split() if word.count("-") == 6)
    for name in (bal.address, f"mail={bal.address},{SUFFIX}"):
        told = ldap.run("ldapwhoami", ldap.tls, "-D", name, "-w", password)
        assert told.stdout.strip() == f"dn:mail={bal.address},{SUFFIX}", told


def test_a_wrong_password_and_one_in_the_clear_are_refused(ldap: Ldap, bal: Bal) -> None:
    wrong = ldap.run("ldapwhoami", ldap.tls, "-D", bal.address, "-w", "wrong")
    assert wrong.returncode == INVALID_CREDENTIALS
    clear = ldap.run("ldapwhoami", ldap.plain, "-D", bal.address, "-w", bal.password)
    assert clear.returncode == CONFIDENTIALITY_REQUIRED
    over_tls = ldap.run("ldapwhoami", ldap.plain, "-ZZ", "-D", bal.address, "-w", bal.password)
    assert over_tls.stdout.startswith("dn:mail="), over_tls


def test_ldap3_binds_by_sasl_plain(service: Service, bal: Bal) -> None:
    with connection(
        service,
        authentication=ldap3.SASL,
        sasl_mechanism="PLAIN",
        sasl_credentials=("", bal.address, bal.password),
    ) as bound:
        assert bound.extend.standard.who_am_i() == f"dn:mail={bal.address},{SUFFIX}"


def test_software_binds_with_its_certificate(service: Service) -> None:
    box = next(each for each in service.described["bals"] if "certificate" in each)
    shown = {"local_certificate_file": box["certificate"], "local_private_key_file": box["key"]}
    with connection(
        service,
        certificate=shown,
        authentication=ldap3.SASL,
        sasl_mechanism="EXTERNAL",
        sasl_credentials="",
    ) as bound:
        assert bound.extend.standard.who_am_i() == f"dn:mail={box['address']},{SUFFIX}"


# What clients read before they search


def test_ldap3_reads_the_server_and_its_schema(service: Service) -> None:
    with connection(service) as client:
        server = client.server
        assert server.info.naming_contexts == [SUFFIX]
        assert "balMSSante" in server.schema.object_classes
        assert server.schema.attribute_types["TypeBAL"].single_value
        # With the schema at hand it checks the names of filters and attributes itself.
        assert client.search(SUFFIX, "(&(objectClass=balMSSante)(TypeBAL=ORG))", attributes=["cn", "o"])


def test_writing_is_refused(ldap: Ldap, bal: Bal) -> None:
    change = f"dn: mail={bal.address},{SUFFIX}\nchangetype: modify\nreplace: sn\nsn: AUTRE\n"
    done = subprocess.run(
        [program("ldapmodify"), "-x", "-H", ldap.plain],
        input=change,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == UNWILLING_TO_PERFORM, done


# slapd with what we exported


def test_slapd_answers_as_we_do_with_our_ldif(service: Service, ldap: Ldap, tmp_path: Path) -> None:
    if (reason := slapd.missing()) is not None:
        pytest.skip(reason)
    file = tmp_path / "directory.ldif"
    exported = service.command("directory", "export", "--ldif", "--out", str(file))
    assert exported.returncode == 0, exported.stderr
    with slapd.running(tmp_path / "slapd", file.read_text().splitlines(keepends=True)) as server:
        for wanted in (
            "(mail=*)",
            "(TypeBAL=ORG)",
            "(&(TypeBAL=PER)(!(l=*paris*)))",
            "(|(cn=*mar*)(mail=*mar*)(givenName=*mar*)(sn=*mar*))",
            "(objectClass=inetOrgPerson)",
        ):
            ours = sorted(entry["dn"][0] for entry in ldap.search(ldap.plain, wanted, "1.1"))
            theirs = sorted(entry["dn"][0] for entry in ldap.search(server.url, wanted, "1.1"))
            assert ours == theirs
            assert ours


# Thunderbird


@pytest.fixture(scope="module", params=["a stranger", "a bound box"])
def book(
    service: Service, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[AddressBook]:
    box = service.bal(BOX)
    who = (box.address, box.password) if request.param == "a bound box" else ("", "")
    authorities = x509.load_pem_x509_certificates(Path(service.ca_file).read_bytes())
    folder = tmp_path_factory.mktemp("address-book")
    with AddressBook(folder, service.port("ldaps"), authorities, *who) as started:
        yield started


# ref: ECO.3.1.4
def test_thunderbird_completes_a_recipient(service: Service, book: AddressBook) -> None:
    person = service.bals("PER")[0]
    letters = person.address.partition("@")[0].partition(".")[2][:4]
    proposed = book.complete(letters)
    assert any(person.address in each for each in proposed)
    assert book.complete("xyzzyx") == []


def test_thunderbird_completes_two_words_in_either_order(service: Service, book: AddressBook) -> None:
    person = service.bals("PER")[0]
    first, _, last = person.address.partition("@")[0].partition(".")
    for typed in (f"{first} {last}", f"{last} {first}", f"{last[:3]} {first[:2]}"):
        assert any(person.address in each for each in book.complete(typed)), typed


def test_thunderbird_shows_profession_structure_and_place(service: Service, book: AddressBook) -> None:
    person = service.bals("PER")[0]
    (card,) = book.cards(f"(and(PrimaryEmail,c,{person.address}))")
    assert card["mail"] == person.address
    assert card["last"] and card["first"] and card["title"] and card["company"] and card["city"]
