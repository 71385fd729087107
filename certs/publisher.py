"""The sandbox's own liste blanche: written, signed with the sandbox's key, published as a file and adopted at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree

from certs.authorities import Authorities
from certs.list_faults import ListRefused
from certs.list_signature import SignaturePolicy, read_signed
from certs.list_signing import Profile, sign
from certs.names import DistinguishedName
from certs.pki import Issued, Pki, PkiUnusable
from certs.profiles import Purpose
from certs.sources import SourceUnreachable, read_file
from certs.trust_store import FOLDER, WHITE_LIST, folder_lock
from certs.white_list import LARGEST, NAMESPACE, Entry, WhiteList, canonical_domain
from foundation.files import PUBLIC, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

PUBLISHED = "published.xml"
SIGNER_CN = "liste-blanche.vaguemestre.test"
SIGNER_NAME = DistinguishedName.of(
    cn=SIGNER_CN, ou="318751275100020", o="BAC A SABLE VAGUEMESTRE", st="Paris (75)"
)
_RENEWED_AFTER = timedelta(hours=1)
_RENEWED_WHILE_SERVING = timedelta(hours=12)
_CONTACT = "01 00 00 00 00, contact@vaguemestre.test"


@dataclass(frozen=True, slots=True)
class Listing:
    """A certificate name that a domain is to be listed with."""

    domain: str
    name: DistinguishedName
    description: str = "Bac à sable"


class ListingRefused(Exception):
    """A listing cannot stand in a white list; the text is one sentence."""


def published_file(home: Path) -> Path:
    """Where a sandbox publishes its list."""
    return home / FOLDER / PUBLISHED


def published_url(home: Path) -> str:
    """The same as the `trust.white_list_url` of a sandbox."""
    return published_file(home.absolute()).as_uri()


def ensure_sandbox_list(home: Path, pki: Pki, entries: Sequence[Listing], now: datetime) -> None:
    """Makes the signer's certificate once, and publishes a list that has these entries beside those already there.

    A list that has them already is signed again only when it is more than an hour old. Raises PkiUnusable,
    ListingRefused.
    """
    _ensure_signer(pki, now)
    _publish(home, pki, now, lambda held: _merged(held, entries, now), renewed_after=_RENEWED_AFTER)


def publish(home: Path, pki: Pki, entries: Sequence[Listing], now: datetime) -> bool:
    """Adds entries to the sandbox's list, signs and adopts it; False when all of them were there already.

    Raises PkiUnusable, ListingRefused.
    """
    _ensure_signer(pki, now)
    return _publish(home, pki, now, lambda held: _merged(held, entries, now))


def renew(file: Path, now: datetime) -> None:
    """Signs a sandbox's list again once it is half a day old, and its revocation list near its end.

    Nothing happens where the sandbox's keys are not beside the list. Raises PkiUnusable.
    """
    home = file.parent.parent
    if file != published_file(home) or not (home / "pki" / "white-list.key").exists():
        return
    _publish(home, Pki.open(home / "pki", now), now, lambda held: held, renewed_after=_RENEWED_WHILE_SERVING)


def withdraw(home: Path, pki: Pki, domain: str, name: DistinguishedName | None, now: datetime) -> int:
    """Takes a domain, or one of its certificates, from the sandbox's list; gives the number of entries that went.

    Raises PkiUnusable, ListingRefused when nothing would be left.
    """
    _ensure_signer(pki, now)
    gone = 0

    def without(held: tuple[Entry, ...]) -> tuple[Entry, ...]:
        nonlocal gone
        wanted = canonical_domain(domain)
        kept = tuple(
            entry for entry in held if entry.domain != wanted or (name is not None and entry.name != name)
        )
        gone = len(held) - len(kept)
        if not kept:
            raise ListingRefused("A white list without any entry is no list.")
        return kept

    _publish(home, pki, now, without)
    return gone


def published_signer(pki: Pki) -> Issued:
    """The certificate and key that sign the sandbox's list. Raises PkiUnusable."""
    certificate_file, key_file = _signer_files(pki)
    try:
        certificate, *chain = x509.load_pem_x509_certificates(certificate_file.read_bytes())
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except OSError as error:
        raise PkiUnusable(f"The file {error.filename} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError) as error:
        raise PkiUnusable(f"{certificate_file} or its key is not usable PEM.") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise PkiUnusable(f"The key {key_file} does not belong to the certificate {certificate_file}.")
    return Issued(certificate, key, tuple(chain))


def _signer_files(pki: Pki) -> tuple[Path, Path]:
    return pki.directory / "white-list.pem", pki.directory / "white-list.key"


def _ensure_signer(pki: Pki, now: datetime) -> None:
    certificate_file, _ = _signer_files(pki)
    if not certificate_file.exists():  # written last: with it the key is there too
        pki.issue(SIGNER_NAME, now, purpose=Purpose.SIGNATURE).write(pki.directory / "white-list")


def _publish(
    home: Path,
    pki: Pki,
    now: datetime,
    change: Callable[[tuple[Entry, ...]], tuple[Entry, ...]],
    renewed_after: timedelta = timedelta.max,
) -> bool:
    folder = home / FOLDER
    signer = published_signer(pki)
    policy = SignaturePolicy(Authorities.load(pki.ca_file), DistinguishedName.of(cn=SIGNER_CN, c=""))
    with folder_lock(folder):
        published, adopted = (_held(folder / name, policy) for name in (PUBLISHED, WHITE_LIST))
        held = published or adopted  # the entries outlive damage to one of the two files
        before = held.entries if held else ()
        after = change(before)
        is_whole = published is not None and adopted is not None
        if held and after == before and is_whole and now - held.generated_at < renewed_after:
            return False
        generated_at = now.replace(microsecond=0)
        if held:
            generated_at = max(generated_at, held.generated_at + timedelta(seconds=1))
        content = sign(to_xml(after, generated_at), signer, Profile.XML_DSIG, now)
        try:
            read_signed(content, policy)
        except ListRefused as error:
            raise PkiUnusable(f"The sandbox's white list cannot be signed: {error}") from error
        write_atomically(folder / PUBLISHED, content, PUBLIC)
        write_atomically(folder / WHITE_LIST, content, PUBLIC)
    return after != before


def _held(file: Path, policy: SignaturePolicy) -> WhiteList | None:
    try:
        return read_signed(read_file(file, LARGEST), policy).white_list
    except (ListRefused, SourceUnreachable):
        return None  # none yet, or a damaged one


def _merged(held: Iterable[Entry], listings: Iterable[Listing], now: datetime) -> tuple[Entry, ...]:
    entries = {(entry.domain, entry.name): entry for entry in held}
    for listing in listings:
        domain = canonical_domain(listing.domain)
        if domain is None:
            raise ListingRefused(f"{listing.domain} is no domain.")
        entry = Entry(domain, domain, listing.name, listing.description, now.replace(microsecond=0))
        entries.setdefault((domain, listing.name), entry)
    return tuple(entries.values())


def to_xml(entries: Iterable[Entry], generated_at: datetime) -> bytes:
    """A list in the official grammar, not signed yet. Raises ListingRefused for text that XML cannot hold."""
    root = etree.Element(f"{{{NAMESPACE}}}ListeBlancheMSSante", nsmap={None: NAMESPACE})
    _add(root, "DateDeGeneration", _instant(generated_at))
    domains = etree.SubElement(root, f"{{{NAMESPACE}}}ListeDomaines")
    for entry in entries:
        each = etree.SubElement(domains, f"{{{NAMESPACE}}}Domaine")
        _add(each, "Nom", entry.written)
        _add(each, "Description", entry.description)
        _add(each, "DNCertificatOperateur", str(entry.name))
        _add(each, "ResponsableContact", _CONTACT)
        _add(each, "SupportContact", _CONTACT)
        _add(each, "DateMAJ", _instant(entry.updated_at or generated_at))
    etree.indent(root, "    ")
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _add(parent: etree._Element, name: str, text: str) -> None:
    try:
        etree.SubElement(parent, f"{{{NAMESPACE}}}{name}").text = text
    except ValueError as error:
        raise ListingRefused(f"{name} holds a character that XML cannot hold.") from error


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
