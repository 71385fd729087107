"""`vaguemestre white-list …`: the liste blanche fetched, verified, shown, compared; a sandbox's own one changed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography import x509

from certs import sources
from certs.authorities import Authorities
from certs.list_diff import diff as compare
from certs.list_faults import ListRefused
from certs.list_signature import SignaturePolicy, SignedList
from certs.list_signing import Profile, sign
from certs.names import DistinguishedName
from certs.pki import Pki
from certs.publisher import Listing, publish, published_signer, withdraw
from certs.revocation import LARGEST_CRL, Crl, Revocations
from certs.sources import read_file
from certs.trust_store import Adopted, CrlFetched, Force, TrustStore, Unchanged, read_acceptable
from certs.white_list import LARGEST, Entry, WhiteList, canonical_domain, parse_white_list
from foundation.settings import Settings, TrustSettings, load
from vaguemestre.cli.output import Failed, Home, Json, show, show_one
from vaguemestre.companions import authority_of

app = typer.Typer(
    no_args_is_help=True, help="The white list (liste blanche): which certificates speak for which domains."
)

_ENTRY_COLUMNS = ("domain", "dn", "description", "updated")


@app.command(epilog="Example: vaguemestre white-list fetch --home operateur")
def fetch(
    home: Home,
    source: Annotated[
        str | None, typer.Argument(metavar="[FILE|URL]", help="Instead of trust.white_list_url, this once.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also a list that loses more domains than the settings allow.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fetches the revocation lists and the white list, verifies them, and takes them into use.

    A running service takes them up with its next message.
    """
    settings = load(home)
    store = TrustStore(settings)
    strength = Force.SHRINKING if force else Force.NOTHING
    crls, outcome = asyncio.run(_fetch(settings, store, source, strength))
    told: dict[str, Any] = {
        "outcome": "adopted" if isinstance(outcome, Adopted) else "unchanged",
        **_summary(outcome.white_list),
    }
    if isinstance(outcome, Adopted):
        told |= {"domains_added": len(outcome.added), "domains_removed": len(outcome.removed)}
    lists = [_crl(each) for each in crls]
    if as_json:
        show_one({**told, "revocation_lists": lists}, as_json=True)
        return
    for each in lists:
        told[f"revocation list {each['url']}"] = each["failure"] or f"until {each['until']}"
    show_one(told, as_json=False)


@app.command(
    epilog="Example: vaguemestre white-list verify listeblanchemssante.xml --ca igc-sante.pem --signer CN=alb.mssante.fr"
)
def verify(
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help="A white list, here or on the web.")],
    home: Annotated[
        Path | None, typer.Option("--home", help="Operator whose authorities and signer count.")
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="Authorities to believe instead, PEM.")] = None,
    crl: Annotated[Path | None, typer.Option(help="Revocation list of the signer's authority.")] = None,
    signer: Annotated[str | None, typer.Option(help="Attributes that the signer's name must have.")] = None,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Let a list pass that has no signature at all.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Checks the grammar, the one signature, its signer and the date; fails with the code of what is wrong."""
    now = datetime.now(UTC)
    settings = load(home) if home is not None else None
    if ca is None:
        if settings is None:
            raise typer.BadParameter("give --home or --ca", param_hint="'--ca'")
        ca = settings.path(settings.tls.ca_file)
    authorities = Authorities.load(ca)
    expected = signer or (settings.trust.signer if settings else TrustSettings().signer)
    required = not unsigned and (settings is None or settings.trust.signature == "require")
    policy = SignaturePolicy(authorities, DistinguishedName.parse(expected), is_required=required)
    revocations = Revocations.unchecked()
    if crl is not None:
        read = Crl.read(read_file(crl, LARGEST_CRL), authorities, now)
        revocations = Revocations.of([read], timedelta(0))
    elif settings is not None:
        revocations = TrustStore(settings).load_revocations(now)
    content = asyncio.run(_content(source, ca))
    try:
        signed = read_acceptable(content, policy, revocations, now)
    except ListRefused as error:
        if not as_json:
            raise
        show_one({"outcome": "refused", "code": error.fault.value, "reason": str(error)}, as_json=True)
        raise typer.Exit(1) from error
    told = {"outcome": "good", **_summary(signed.white_list), **_signer(signed)}
    show_one(told, as_json=as_json)


@app.command("show", epilog="Example: vaguemestre white-list show medecin.mssante.fr --home sandbox")
def show_list(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[DOMAIN|FILE]", help="A domain, or a list in a file; without one, the list in use."
        ),
    ] = None,
    home: Annotated[Path | None, typer.Option("--home", help="Operator whose list is shown.")] = None,
    as_json: Json = False,
) -> None:
    """Shows the list in use, the certificates that may speak for one domain, or what a file says (not verified)."""
    if what is not None and Path(what).is_file():
        white_list = parse_white_list(read_file(Path(what), LARGEST))
        show_one({**_summary(white_list), "signature": "not looked at"}, as_json=as_json)
        return
    if home is None:
        raise typer.BadParameter("give --home, or the file of a list", param_hint="'--home'")
    domain = what
    store = TrustStore(load(home))
    signed = _held(store)
    if domain is None:
        age = datetime.now(UTC) - signed.white_list.generated_at
        told = {**_summary(signed.white_list), "age_hours": age // timedelta(hours=1), **_signer(signed)}
        show_one(told, as_json=as_json)
        return
    wanted = canonical_domain(domain)
    rows = [_row(entry) for entry in signed.white_list.entries if wanted and entry.domain == wanted]
    if not rows:
        raise Failed(f"{domain} is not in the white list")
    show(rows, _ENTRY_COLUMNS, as_json=as_json)


@app.command(epilog="Example: vaguemestre white-list diff hier.xml aujourdhui.xml")
def diff(
    old: Annotated[
        Path, typer.Argument(help="The earlier list; the only one: compared with the one in use.")
    ],
    new: Annotated[Path | None, typer.Argument(help="The later list.")] = None,
    home: Annotated[Path | None, typer.Option("--home", help="Operator whose list is in use.")] = None,
    as_json: Json = False,
) -> None:
    """Tells which domains and certificates came, went or changed; no signature of a file is looked at."""
    read = parse_white_list(read_file(old, LARGEST))
    if new is not None:
        found = compare(read, parse_white_list(read_file(new, LARGEST)))
    elif home is not None:
        found = compare(_held(TrustStore(load(home))).white_list, read)
    else:
        raise typer.BadParameter("give a second list, or --home", param_hint="'NEW'")
    rows = [{"change": "domain added", "domain": domain} for domain in found.domains_added]
    rows += [{"change": "domain removed", "domain": domain} for domain in found.domains_removed]
    for change, entries in (("added", found.added), ("removed", found.removed), ("changed", found.changed)):
        rows += [{"change": f"certificate {change}", **_row(entry)} for entry in entries]
    show(rows, ("change", "domain", "dn", "description"), as_json=as_json)


_Domain = Annotated[str, typer.Option("--domain", help="The domain.")]
_Dn = Annotated[str | None, typer.Option("--dn", help="Name of the certificate, as `certs show` prints it.")]
_Certificate = Annotated[
    Path | None, typer.Option("--certificate", help="The certificate itself, PEM, instead of --dn.")
]


@app.command(
    epilog="Example: vaguemestre white-list add --home sandbox --domain essai.mssante.fr"
    " --dn 'CN=smtp.essai.mssante.fr,OU=1990780017,O=CH DES ESSAIS,ST=Paris (75),C=FR'"
)
def add(
    home: Home,
    domain: _Domain,
    dn: _Dn = None,
    certificate: _Certificate = None,
    description: Annotated[str, typer.Option(help="What the entry says about it.")] = "Bac à sable",
    as_json: Json = False,
) -> None:
    """Adds a domain and its certificate to a sandbox's list, which is signed again; a running sandbox takes it up."""
    settings = _sandbox(home)
    name = _name(dn, certificate)
    if name is None:
        raise typer.BadParameter("give --dn or --certificate", param_hint="'--dn'")
    publisher = _publisher(settings)
    added = publish(publisher, _pki(publisher), [Listing(domain, name, description)], datetime.now(UTC))
    outcome = "added" if added else "listed already"
    show_one({"domain": domain, "dn": str(name), "outcome": outcome}, as_json=as_json)


@app.command(epilog="Example: vaguemestre white-list remove --home sandbox --domain essai.mssante.fr")
def remove(
    home: Home,
    domain: _Domain,
    dn: _Dn = None,
    certificate: _Certificate = None,
    as_json: Json = False,
) -> None:
    """Takes a domain, or one of its certificates, from a sandbox's list, which is signed again."""
    settings = _sandbox(home)
    publisher = _publisher(settings)
    gone = withdraw(publisher, _pki(publisher), domain, _name(dn, certificate), datetime.now(UTC))
    if not gone:
        raise Failed(f"{domain} is not in the white list")
    show_one({"domain": domain, "entries_removed": gone}, as_json=as_json)


@app.command("sign", epilog="Example: vaguemestre white-list sign liste.xml --home sandbox --out signee.xml")
def sign_list(
    home: Home,
    file: Annotated[Path, typer.Argument(help="A list without a signature.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    profile: Annotated[Profile, typer.Option(help="How it is signed.")] = Profile.XML_DSIG,
    as_json: Json = False,
) -> None:
    """Signs any list with the sandbox's key, for who tries how lists are read; it is not taken into use."""
    pki = _pki(_publisher(_sandbox(home)))
    content = read_file(file, LARGEST)
    parse_white_list(content)
    signed = sign(content, published_signer(pki), profile, datetime.now(UTC))
    try:
        out.write_bytes(signed)
    except OSError as error:
        raise Failed(f"{out} cannot be written: {error.strerror}") from error
    show_one({"written": str(out), "profile": profile.value}, as_json=as_json)


async def _fetch(
    settings: Settings, store: TrustStore, source: str | None, force: Force
) -> tuple[list[CrlFetched], Adopted | Unchanged]:
    now = datetime.now(UTC)
    # First, because a list whose signer is revoked is refused.
    crls = [await store.fetch_crl_into(url, now) for url in settings.trust.crl_urls]
    if source is None:
        content = await store.fetch_list()
    else:
        content = await _content(source, settings.path(settings.tls.ca_file))
    return crls, store.adopt(content, store.load_revocations(now), now, force)


def _crl(fetched: CrlFetched) -> dict[str, Any]:
    until = fetched.crl.next_update.isoformat() if fetched.crl is not None else None
    return {"url": fetched.url, "until": until, "failure": fetched.failure or None}


async def _content(source: str, ca: Path) -> bytes:
    if "://" in source:
        return await sources.fetch(source, schemes=("https", "file"), authorities=ca, limit=LARGEST)
    return sources.read_file(Path(source), LARGEST)


def _held(store: TrustStore) -> SignedList:
    now = datetime.now(UTC)
    held = store.load_list(store.load_revocations(now), now)
    if held is None:
        raise Failed(f"there is no white list in {store.folder}: `vaguemestre white-list fetch` gets it")
    return held


def _summary(white_list: WhiteList) -> dict[str, Any]:
    return {
        "generated_at": white_list.generated_at.isoformat(),
        "entries": len(white_list.entries),
        "domains": len(white_list.domains),
        "certificates": len(white_list.names),
        "entries_without_domain_name": white_list.misnamed,
        "entries_left_out": white_list.unreadable,
    }


def _signer(signed: SignedList) -> dict[str, Any]:
    if signed.signer is None:
        return {"signer": None, "signer_until": None}
    return {
        "signer": str(DistinguishedName.from_x509(signed.signer.subject)),
        "signer_until": signed.signer.not_valid_after_utc.isoformat(),
    }


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "domain": entry.domain or _printable(entry.written),
        "dn": _printable(str(entry.name)),
        "description": _printable(entry.description),
        "updated": entry.updated_at.isoformat() if entry.updated_at else None,
    }


def _printable(text: str) -> str:
    """On one line, and without what moves a terminal's cursor: a list that is compared may be anybody's."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _name(dn: str | None, certificate: Path | None) -> DistinguishedName | None:
    if dn is not None and certificate is not None:
        raise typer.BadParameter("give only one of --dn and --certificate", param_hint="'--dn'")
    if certificate is None:
        return DistinguishedName.parse(dn) if dn is not None else None
    try:
        subject = x509.load_pem_x509_certificate(certificate.read_bytes()).subject
    except (OSError, ValueError) as error:
        raise Failed(f"{certificate} holds no certificate that can be read") from error
    return DistinguishedName.from_x509(subject)


def _sandbox(home: Path) -> Settings:
    settings = load(home)
    if not settings.sandbox:
        raise Failed("only a sandbox has a list of its own: a real one is kept by the ANS")
    return settings


def _publisher(settings: Settings) -> Path:
    """The home whose list it is: a sandbox that has joined another is named in that one's."""
    return authority_of(settings.home).parent


def _pki(publisher: Path) -> Pki:
    return Pki.open(publisher / "pki", datetime.now(UTC))
