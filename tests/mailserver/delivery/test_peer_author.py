"""In whose name another operator may write: whatever From says, every reader must take it for one of the peer's."""

from __future__ import annotations

import email
import email.policy
from email.errors import HeaderParseError
from email.utils import getaddresses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foundation.identifiers import Address
from mailserver.delivery.trace import Header, check_author, named_domains, read_header
from mailserver.envelope import Refused
from mailserver.refusals import AUTHOR_NOT_OF_PEER, NO_FROM, Refusal
from tests.mailserver.place import DOMAIN, PATIENTS, Place, Space, letter

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

PAIR = "pair.mssante.fr"
AUTRE = "autre.mssante.fr"
LEA = f"lea@{PAIR}"
KARIM = f"karim@{DOMAIN}"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, trust=Space.of(DOMAIN, PATIENTS, PAIR, AUTRE))


async def answer(
    place: Place,
    author: str,
    *,
    sender: str = LEA,
    headers: tuple[str, ...] = (),
    host: str = "mail.pair.fr",
) -> Refusal | None:
    paul = await place.add("paul")
    content = letter("x@x.fr", paul.address, headers=headers)
    content = content.replace(b"From: Dr Marie MARTIN <x@x.fr>\r\n", b"From: " + author.encode() + b"\r\n")
    assert author.encode() in content
    given = await place.receive(
        sender, paul.address, content=content, speaks_for=frozenset({PAIR}), peer_host=host
    )
    return given.refusal if isinstance(given, Refused) else None


@pytest.mark.parametrize(
    "author",
    [
        LEA,
        f"<{LEA}>",
        f"Léa Petit <{LEA}>",
        f'"Petit, Léa (Dr)" <{LEA}>',
        f'"Dr_Marie_MARTIN_Cabinet Medical" <{LEA}>',
        f'"Léa \\"Lili\\" Petit" <{LEA}>',
        f'"{LEA}" <{LEA}>',
        f"\"'{LEA}'\" <{LEA}>",
        f"{LEA} <{LEA}>",
        f'"lea.petit@orange.fr" <{LEA}>',
        f"=?utf-8?Q?L=C3=A9a_Petit?= <{LEA}>",
        f"=?utf-8?Q?Petit,_L=C3=A9a?= <{LEA}>",
        f"=?utf-8?Q?Petit_L=C3=A9a_(CHU)?= <{LEA}>",
        f"=?UTF-8?B?TMOpYSBQZXRpdA==?= <{LEA}>",
        f'"=?iso-8859-1?Q?L=E9a_Petit?=" <{LEA}>',
        f"=?iso-8859-15?Q?H=F4pital_de_l'?=\r\n =?iso-8859-15?Q?=C9toile?= <{LEA}>",
        f"PETIT Léa - CHU d'Angers / Cardiologie <{LEA}>",
        f"Dr. Jean-François L'Hostis, médecin <{LEA}>".replace(",", " –"),
        f"Léa Petit (Secrétariat) <{LEA}>",
        f"{LEA} (Léa Petit)",
        f"[CHU] Léa Petit <{LEA}>",
        f"{LEA}\t(=?utf-8?Q?L=C3=A9a?=)",
        f"Léa <{LEA}>, Paul <paul@{PAIR}>",
        f'"Petit, Léa" <{LEA}>,\r\n\t"Durand, Paul" <paul@{PAIR}>',
        "Léa Petit <LEA@PAIR.MSSANTE.FR>",
        f"Mail Delivery System <MAILER-DAEMON@{PAIR}>",
        f"MAILER-DAEMON@{PAIR} (Mail Delivery System)",
        f"Mail Delivery Subsystem <MAILER-DAEMON@{PAIR}>",
        f'"postmaster@{PAIR}" <postmaster@{PAIR}>',
        f"Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@{PAIR}>",
    ],
)
async def test_what_real_programs_write_passes(place: Place, author: str) -> None:
    assert await answer(place, author) is None


@pytest.mark.parametrize(
    "author",
    [
        f"<{KARIM}> <{LEA}>",
        f"<{LEA}> <{KARIM}>",
        f"{KARIM} {LEA}",
        f"{KARIM}: {LEA};",
        f"equipe: {LEA};",
        f"{KARIM} <{LEA}>",
        f'"{KARIM}" <{LEA}>',
        f'"Karim ({KARIM})" <{LEA}>',
        f'"karim\\@{DOMAIN}" <{LEA}>',
        f'"Karim <{KARIM.upper()}>" <{LEA}>',
        f'"karim＠{DOMAIN}" <{LEA}>',
        f'"karim@\u200b{DOMAIN}" <{LEA}>',
        f'"279035121518989@{PATIENTS}" <{LEA}>',
        f'"b@{AUTRE}" <{LEA}>',
        f"({KARIM}) {LEA}",
        f"{LEA} (Karim, {KARIM})",
        f"<{KARIM}:{LEA}>",
        f"<@{DOMAIN}:{LEA}>",
        f"<karim:{LEA}>",
        f"=?utf-8?q?karim=40{DOMAIN},?= {LEA}",
        f"=?utf-8?q?karim=40{DOMAIN}?= <{LEA}>",
        f"=?utf-8?q?karim=40hopital-?=\r\n =?utf-8?q?{DOMAIN.removeprefix('hopital-')}?= <{LEA}>",
        f'"=?utf-8?q?karim=40{DOMAIN}?=" <{LEA}>',
        f'=?utf-8?q?"?= "<{KARIM}>" <{LEA}>',
        f'=?utf-8?q?(?= "x)<{KARIM}>" <{LEA}>',
        f'{LEA} (" ), {KARIM} (" )',
        f"{LEA}, {KARIM}",
        f"{LEA},",
        '"' + ", ".join(f"x@d{number}.example" for number in range(200)) + f'" <{LEA}>',
    ],
)
async def test_what_some_reader_takes_for_another_is_refused(place: Place, author: str) -> None:
    assert await answer(place, author) in (NO_FROM, AUTHOR_NOT_OF_PEER)


@pytest.mark.parametrize(
    ("sender", "refusals"),
    [
        (LEA, {None}),
        (f"Secrétariat <secretariat@{PAIR}>", {None}),
        (KARIM, {AUTHOR_NOT_OF_PEER}),
        ("x@exemple.fr", {AUTHOR_NOT_OF_PEER}),
        (f'"{KARIM}" <{LEA}>', {AUTHOR_NOT_OF_PEER}),
        (f"<{KARIM}> <{LEA}>", {NO_FROM}),
        (f"equipe:<{LEA}>", {NO_FROM, AUTHOR_NOT_OF_PEER}),
        ("", {NO_FROM}),
    ],
)
async def test_the_sender_field_is_of_the_peer_too(
    place: Place, sender: str, refusals: set[Refusal | None]
) -> None:
    assert await answer(place, LEA, headers=(f"Sender: {sender}",)) in refusals


REPORT = ("Content-Type: multipart/report; report-type=delivery-status; boundary=b",)


@pytest.mark.parametrize(
    ("author", "host", "headers", "refusal"),
    [
        ("MAILER-DAEMON@mail.pair.fr", "mail.pair.fr", (), None),
        ("postmaster@mail.pair.fr", "Mail.Pair.fr", (), None),
        ("exchange329e@mail.pair.fr", "mail.pair.fr", REPORT, None),
        ("lea@mail.pair.fr", "mail.pair.fr", (), AUTHOR_NOT_OF_PEER),
        (f"MAILER-DAEMON@{PAIR}", PAIR, (), None),
        (LEA, PAIR, (), None),
        (KARIM, DOMAIN, (), AUTHOR_NOT_OF_PEER),
        (KARIM, DOMAIN, REPORT, AUTHOR_NOT_OF_PEER),
        (f"MAILER-DAEMON@{DOMAIN}", DOMAIN, REPORT, AUTHOR_NOT_OF_PEER),
        (f"MAILER-DAEMON@{AUTRE}", AUTRE, REPORT, AUTHOR_NOT_OF_PEER),
    ],
)
async def test_a_certificate_s_own_name_signs_reports_and_opens_nobody_s_domain(
    place: Place, author: str, host: str, headers: tuple[str, ...], refusal: Refusal | None
) -> None:
    assert await answer(place, author, sender="", headers=headers, host=host) is refusal


_PIECES = [
    *' \t",;:<>()@.\\[]=?_',
    "\r\n ",
    "a@p1.fr",
    "k@h.fr",
    "<a@p1.fr>",
    "<k@h.fr>",
    '"k@h.fr"',
    '"<k@h.fr>,"',
    "(k@h.fr)",
    "Léa",
    "=?utf-8?q?",
    "?=",
    "=?utf-8?q?k=40h.fr,?=",
    "=?utf-8?b?a0BoLmZy?=",
    "a",
    "p1.fr",
]


def seen_by_python(author: str) -> set[str]:
    """The addresses that the readers of Python's own library take from a From field."""
    content = f"From: {author}\r\n\r\n"
    field = str(email.message_from_string(content)["From"])
    seen = {address for _, address in getaddresses([author, field])}
    seen |= {address for _, address in getaddresses([field], *_LENIENT)}
    try:
        parsed = email.message_from_string(content, policy=email.policy.default)["From"]
        seen |= {address.addr_spec for address in parsed.addresses}
    except (HeaderParseError, IndexError, AttributeError, ValueError, TypeError):
        pass  # it is known to stumble; a reader that shows nothing misleads nobody
    return {str(Address.parse(address) or address.lower()) for address in seen if "@" in address}


_LENIENT: tuple[bool, ...] = ()
if "strict" in getaddresses.__code__.co_varnames:
    _LENIENT = (False,)


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
@example(f'=?utf-8?q?"?= "<{KARIM}>" <{LEA}>')
@example(f'=?utf-8?q?(?= "x)<{KARIM}>" <{LEA}>')
@example(f"{LEA} <{LEA}>")
@example(f'"{KARIM}, x" <{LEA}> (<{KARIM}>)')
def test_what_is_accepted_python_reads_alike(author: str) -> None:
    found = read_header(b"From: " + author.encode() + b"\r\n\r\n")
    if not isinstance(found, Header) or check_author(found, found.authors, None) is not None:
        return
    assert seen_by_python(author) <= set(found.authors)
    named = named_domains(found)
    assert named is not None
    addresses = filter(None, map(Address.parse, found.authors))
    assert {address.domain for address in addresses} <= named
