"""The list as the ANS publishes it, contacts taken out: read from the shared inputs, and skipped without them."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from certs.list_faults import ListFault
from certs.list_signature import read_signed
from certs.list_signing import Profile, sign
from certs.names import DistinguishedName
from certs.pki import Issued
from certs.white_list import WhiteList, instant, parse_white_list
from tests.certs.lists import SIGNER_NAME, a_key, certificate_of, fault, policy
from tests.shared_data import shared

if TYPE_CHECKING:
    from datetime import datetime

    from certs.pki import Pki

REAL = "listeblanchemssante-2025-03-13-contacts-remplaces.xml.gz"


@pytest.fixture(scope="module")
def content() -> bytes:
    return gzip.decompress(shared("white-list", REAL).read_bytes())


@pytest.fixture(scope="module")
def real(content: bytes) -> WhiteList:
    return parse_white_list(content)


# ref: F01
def test_every_entry_of_the_real_list_is_read(real: WhiteList) -> None:
    assert real.generated_at == instant("2025-03-13T14:54:10Z")
    assert len(real.entries) == 6554
    assert real.unreadable == 0
    assert real.misnamed == 1


def test_its_oddities_are_understood(real: WhiteList) -> None:
    medimail = DistinguishedName.parse(
        "CN=medimail-asip.mipih.fr,OU=318310021300028,O=GIP MIPIH,ST=Haute-Garonne (31),C=FR"
    )
    assert real.lists("uc-cmp.mssante.fr", medimail)
    assert real.lists("UC-CMP.mssante.fr", medimail)
    assert "sessad@ase.ditepbeziers.mssante.fr" not in real
    spaced = DistinguishedName.parse(
        "CN=mailin.interop-mssante.apicrypt.org,OU=343975235300037,O=APICEM,ST=Nord (59),C=FR"
    )
    assert real.lists_name(spaced)
    place = DistinguishedName.parse(
        "CN=cert-expire-audit.espacedeconfiance.mssante.fr,OU=300000000099622,O=GIP - TEST9962,L=Paris (75),C=FR"
    )
    assert real.lists("cert-expire-audit.espacedeconfiance.mssante.fr", place)
    assert len(real.names_of("patient.mssante.fr")) == 2
    assert max(len(real.names_of(domain)) for domain in real.domains) == 5
    assert len(real.domains_of(medimail)) > 1000


@pytest.mark.parametrize("profile", list(Profile))
def test_signed_by_a_known_key_it_loads_and_unsigned_it_is_refused(
    pki: Pki, now: datetime, content: bytes, real: WhiteList, profile: Profile
) -> None:
    # judged at the date of the list, long before this machine's
    certificate = certificate_of(pki.organisations, SIGNER_NAME, real.generated_at)
    signed = sign(content, Issued(certificate, a_key(0), ()), profile, now)
    found = read_signed(signed, policy(pki))
    assert found.white_list == real
    assert fault(lambda: read_signed(content, policy(pki))) is ListFault.UNSIGNED
    changed = signed.replace(b"<Nom>medecin.mssante.fr</Nom>", b"<Nom>medecin.mssante.fx</Nom>")
    assert changed != signed
    assert fault(lambda: read_signed(changed, policy(pki))) is ListFault.DIGEST


def test_the_copy_without_its_end_is_refused_as_truncated(content: bytes) -> None:
    assert (
        fault(lambda: parse_white_list(content.replace(b"</ListeBlancheMSSante>", b"")))
        is ListFault.TRUNCATED
    )


def test_the_fictive_list_and_the_extract_are_read() -> None:
    fictive = parse_white_list(shared("white-list", "listeblanche-FICTIVE.xml").read_bytes())
    assert len(fictive.names_of("patient.mssante.fr")) == 2
    extract = parse_white_list(shared("white-list", "listeblanchemssante-extrait.xml").read_bytes())
    assert len(extract.names_of("15-20.mssante.fr")) == 5


def test_the_sister_list_s_grammar_is_not_ours() -> None:
    drim = shared("white-list", "signature-profile-DRIM-M.xml").read_bytes()
    assert fault(lambda: parse_white_list(drim)) is ListFault.WRONG_ROOT
