"""What opens a box besides its own password: application passwords, tokens, certificates, SCRAM; and how long."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from certs.names import DistinguishedName
from certs.peers import Peer, PeerFault
from directory.bals import Bal, BalState, BalType, set_state
from directory.psc.claims import Professional
from directory.psc.faults import TokenFault
from directory.psc.tokens import Access
from foundation import trail
from foundation.passwords import hash_password
from foundation.settings import AccountSettings, PscSettings, Settings
from mailserver.envelope import Means, Principal, Refused
from mailserver.refusals import (
    ACCOUNT_SUSPENDED,
    APPLICATION_NEEDED,
    APPLICATION_OUT_OF_SCOPE,
    CERTIFICATE_REFUSED,
    LOCKED_OUT,
    NO_BOX_OF_YOURS,
    NOT_SIGNED_IN,
    TOKEN_REFUSED,
    TOKEN_UNVERIFIABLE,
    WRONG_PASSWORD,
)
from mailserver.sasl.mechanisms import Mechanism
from mailserver.signin import application, certificates, scram
from mailserver.signin.application import Scope
from mailserver.signin.brake import FAILURES_OF_A_PAIR, second_factor_of
from mailserver.signin.desk import SignIn
from mailserver.signin.second_factor import code, new_secret
from mailserver.store import acl
from mailserver.store.rights import ALL_RIGHTS, Right
from tests.mailserver.place import DOMAIN, Place

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

PASSWORD = "correct horse battery staple"
PEER = "192.0.2.7"
IDNAT = "899900000102"
NAME = DistinguishedName.of(cn="dpi.hopital", ou="1990700106", o="HOPITAL", st="Sarthe (72)")


@dataclass
class Tokens:
    """Tokens that were verified, by their text."""

    known: dict[str, Access | TokenFault] = field(default_factory=dict)

    async def check(self, token: str, *, certificate: bytes | None = None) -> Access | TokenFault:
        return self.known.get(token, TokenFault.BAD_SIGNATURE)


@dataclass
class Trust:
    """Certificates that the handshake accepted, by their octets."""

    known: dict[bytes, Peer | PeerFault] = field(default_factory=dict)
    published: dict[bytes, Peer | PeerFault] = field(default_factory=dict)

    def judge_client(self, der: bytes | None) -> Peer | PeerFault:
        return self.known.get(der, PeerFault.UNTRUSTED) if der is not None else PeerFault.NO_CERTIFICATE

    async def refresh(self) -> None:
        self.known |= self.published


@dataclass
class Desk:
    """A desk, what stands behind it, and a way to open another with other settings."""

    place: Place
    tokens: Tokens = field(default_factory=Tokens)
    trust: Trust = field(default_factory=Trust)

    def open(self, accounts: AccountSettings | None = None, psc: PscSettings | None = None) -> SignIn:
        settings = self.place.settings.model_copy(
            update={
                "accounts": accounts or AccountSettings(),
                "psc": psc or PscSettings(issuer="https://psc.test"),
            }
        )
        assert isinstance(settings, Settings)

        async def pause(seconds: float) -> None:
            return None

        return SignIn(
            self.place.database,
            self.place.clock,
            settings,
            pause=pause,
            trust=self.trust,
            tokens=self.tokens,
            vault=self.place.vault,
            master_key=b"k" * 32,
        )

    def token(self, text: str, idnat: str = IDNAT, minutes: int = 4) -> str:
        ends = self.place.clock.millis() + minutes * 60_000
        self.tokens.known[text] = Access(idnat, ends, Professional(idnat))
        return text

    async def application(self, bal: Bal, *scopes: Scope, days: int = 10) -> str:
        now = self.place.clock.millis()
        _, plain = await self.place.database.write(
            lambda uow: application.make(
                uow,
                bal.owner_id,
                name="Thunderbird",
                scopes=scopes,
                now=now,
                expires_at=now + days * 86_400_000,
            )
        )
        return plain

    def outcomes(self) -> list[tuple[str, str]]:
        rows = self.place.database.read_now(lambda connection: list(trail.rows(connection)))
        return [(row.action, row.outcome) for row in rows if row.action.startswith("signin.")]


@pytest.fixture
def desk(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Desk:
    return Desk(Place(database, vault, clock, tmp_path))


@pytest.fixture
async def marie(desk: Desk) -> Bal:
    return await desk.place.add("marie", idnat=IDNAT, password_hash=await hash_password(PASSWORD))


@pytest.fixture
async def neurology(desk: Desk) -> Bal:
    return await desk.place.add("neurologie", type="ORG", idnat="1990700106")


async def with_factor(sign_in: SignIn, desk: Desk, bal: Bal) -> bytes:
    secret, now = new_secret(), desk.place.clock.millis()
    codes = await desk.place.database.write(
        lambda uow: sign_in.factors.enrol(uow, bal.owner_id, secret, code(secret, now), now)
    )
    assert codes
    return secret


async def delegate(desk: Desk, box: Bal, person: Bal, rights: frozenset[Right] = ALL_RIGHTS) -> None:
    await desk.place.database.write(
        lambda uow: acl.grant(uow, box.owner_id, person.owner_id, rights, now=desk.place.clock.millis())
    )


# Application passwords


async def test_an_application_password_opens_what_it_was_made_for(desk: Desk, marie: Bal) -> None:
    sign_in, plain = desk.open(), await desk.application(marie, Scope.IMAP)
    opened = await sign_in.password(marie.address, plain.upper(), peer=PEER, scope=Scope.IMAP)
    assert isinstance(opened, Principal)
    assert opened.means is Means.APPLICATION
    other = await sign_in.password(marie.address, plain, peer=PEER, scope=Scope.SMTP)
    assert other == Refused(APPLICATION_OUT_OF_SCOPE)


async def test_an_application_password_opens_no_other_box(desk: Desk, marie: Bal) -> None:
    sign_in, plain = desk.open(), await desk.application(marie, Scope.IMAP)
    paul = await desk.place.add("paul")
    assert await sign_in.password(paul.address, plain, peer=PEER, scope=Scope.IMAP) == Refused(WRONG_PASSWORD)


async def test_an_application_password_goes_on_working_while_others_guess(desk: Desk, marie: Bal) -> None:
    sign_in, plain = desk.open(), await desk.application(marie, Scope.IMAP)
    for number in range(FAILURES_OF_A_PAIR):
        await sign_in.password(marie.address, f"guess {number}", peer=PEER, scope=Scope.IMAP)
    locked = await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP)
    assert locked == Refused(LOCKED_OUT)
    assert isinstance(await sign_in.password(marie.address, plain, peer=PEER, scope=Scope.IMAP), Principal)


async def test_an_application_password_that_ended_or_was_revoked_opens_nothing_and_ends_sessions(
    desk: Desk, marie: Bal
) -> None:
    sign_in = desk.open()
    short, revoked = (
        await desk.application(marie, Scope.IMAP, days=1),
        await desk.application(marie, Scope.IMAP),
    )
    sessions = [
        await sign_in.password(marie.address, each, peer=PEER, scope=Scope.IMAP) for each in (short, revoked)
    ]
    first, second = sessions
    assert isinstance(first, Principal)
    assert isinstance(second, Principal)
    now = desk.place.clock.millis()
    await desk.place.database.write(lambda uow: application.revoke(uow, marie.owner_id, second.grant, now))
    assert sign_in.still_holds(first)
    assert not sign_in.still_holds(second)
    desk.place.clock.advance(timedelta(days=1))
    assert not sign_in.still_holds(first)
    for plain in (short, revoked):
        answer = await sign_in.password(marie.address, plain, peer=PEER, scope=Scope.IMAP)
        assert answer == Refused(WRONG_PASSWORD)


async def test_the_last_use_of_an_application_password_is_noted(desk: Desk, marie: Bal) -> None:
    sign_in, plain = desk.open(), await desk.application(marie, Scope.IMAP)
    await sign_in.password(marie.address, plain, peer=PEER, scope=Scope.IMAP)
    (noted,) = desk.place.database.read_now(
        lambda connection: application.list_of(connection, marie.owner_id)
    )
    assert (noted.last_used_at, noted.last_peer) == (desk.place.clock.millis(), PEER)


# Second factors


async def test_a_box_with_a_second_factor_opens_mail_by_application_password_only(
    desk: Desk, marie: Bal
) -> None:
    sign_in = desk.open()
    await with_factor(sign_in, desk, marie)
    refused = await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP)
    assert refused == Refused(APPLICATION_NEEDED)
    guessed = await sign_in.password(marie.address, "a wrong guess", peer=PEER, scope=Scope.IMAP)
    assert guessed == Refused(WRONG_PASSWORD)
    lax = desk.open(AccountSettings(mail_password="always"))
    assert isinstance(await lax.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP), Principal)


async def test_the_settings_may_keep_every_password_from_mail(desk: Desk, marie: Bal) -> None:
    strict = desk.open(AccountSettings(mail_password="never"))
    refused = await strict.password(marie.address, PASSWORD, peer=PEER, scope=Scope.SMTP)
    assert refused == Refused(APPLICATION_NEEDED)
    assert await strict.bearer_password(marie.address, PASSWORD, peer=PEER) == marie


async def test_guessing_a_code_is_braked_and_a_code_is_taken_once(desk: Desk, marie: Bal) -> None:
    sign_in = desk.open()
    secret = await with_factor(sign_in, desk, marie)
    desk.place.clock.advance(timedelta(minutes=1))
    right = code(secret, desk.place.clock.millis())
    assert await sign_in.second_factor(marie.owner_id, right, peer=PEER) is None
    assert await sign_in.second_factor(marie.owner_id, right, peer=PEER) == Refused(WRONG_PASSWORD)
    for _ in range(FAILURES_OF_A_PAIR - 1):
        await sign_in.second_factor(marie.owner_id, "000000", peer=PEER)
    desk.place.clock.advance(timedelta(minutes=1))
    later = code(secret, desk.place.clock.millis())
    assert await sign_in.second_factor(marie.owner_id, later, peer=PEER) == Refused(LOCKED_OUT)


async def test_no_login_names_what_guesses_at_a_code_count_against(desk: Desk, marie: Bal) -> None:
    sign_in = desk.open()
    secret = await with_factor(sign_in, desk, marie)
    for _ in range(FAILURES_OF_A_PAIR):
        typed = second_factor_of(marie.owner_id)
        assert await sign_in.bearer_password(typed, "x", peer=PEER) == Refused(WRONG_PASSWORD)
    desk.place.clock.advance(timedelta(minutes=1))
    right = code(secret, desk.place.clock.millis())
    assert await sign_in.second_factor(marie.owner_id, right, peer=PEER) is None


# Tokens


# ref: ECO.1.2.1
async def test_a_token_opens_the_personal_box_of_its_bearer(desk: Desk, marie: Bal) -> None:
    sign_in, token = desk.open(), desk.token("t1")
    opened = await sign_in.token(marie.address.upper(), token, peer=PEER, certificate=None, scope=Scope.IMAP)
    assert isinstance(opened, Principal)
    assert (opened.owner_id, opened.means, opened.person_id) == (marie.owner_id, Means.TOKEN, None)


async def test_a_token_without_a_login_opens_the_only_personal_box_of_its_bearer(
    desk: Desk, marie: Bal, neurology: Bal
) -> None:
    sign_in, token = desk.open(), desk.token("t1")
    await delegate(desk, neurology, marie)

    async def opened() -> Principal | Refused:
        return await sign_in.token("", token, peer=PEER, certificate=None, scope=Scope.IMAP)

    first = await opened()
    assert isinstance(first, Principal)
    assert first.owner_id == marie.owner_id
    second = await desk.place.add("marie.cabinet", idnat=marie.idnat)
    assert await opened() == Refused(TOKEN_REFUSED)
    await desk.place.shut(second)
    assert isinstance(await opened(), Principal)
    await desk.place.suspend(marie)
    assert await opened() == Refused(ACCOUNT_SUSPENDED)


# ref: F18
async def test_a_false_token_a_strangers_box_and_no_box_at_all_sound_the_same(desk: Desk, marie: Bal) -> None:
    sign_in = desk.open()
    token, foreign = desk.token("t1"), desk.token("t2", "899900000110")
    for login, shown in (
        (marie.address, "false"),
        (marie.address, foreign),
        (f"nobody@{DOMAIN}", token),
        ("", foreign),
        ("\ud800", token),
        ("x" * 5000, token),
    ):
        answer = await sign_in.token(login, shown, peer=PEER, certificate=None, scope=Scope.IMAP)
        assert answer == Refused(TOKEN_REFUSED)


async def test_false_tokens_lock_nobody_out(desk: Desk, marie: Bal) -> None:
    sign_in = desk.open()
    for _ in range(300):
        await sign_in.token(marie.address, "false", peer=PEER, certificate=None, scope=Scope.IMAP)
    assert isinstance(await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP), Principal)


# ref: ECO.1.2.3
async def test_a_provider_that_does_not_answer_is_a_temporary_refusal(desk: Desk, marie: Bal) -> None:
    desk.tokens.known["t1"] = TokenFault.UNAVAILABLE
    answer = await desk.open().token(marie.address, "t1", peer=PEER, certificate=None, scope=Scope.IMAP)
    assert answer == Refused(TOKEN_UNVERIFIABLE)
    assert TOKEN_UNVERIFIABLE.is_temporary


async def test_a_token_for_a_suspended_person_opens_nothing(desk: Desk, marie: Bal, neurology: Bal) -> None:
    sign_in, token = desk.open(), desk.token("t1")
    await delegate(desk, neurology, marie)
    opened = await sign_in.token(neurology.address, token, peer=PEER, certificate=None, scope=Scope.IMAP)
    assert isinstance(opened, Principal)
    await desk.place.database.write(lambda uow: set_state(uow, marie.address, BalState.SUSPENDED, 0))
    assert not sign_in.still_holds(opened)
    assert sign_in.ended(opened) is ACCOUNT_SUSPENDED
    own = await sign_in.token(marie.address, token, peer=PEER, certificate=None, scope=Scope.IMAP)
    assert own == Refused(ACCOUNT_SUSPENDED)
    delegated = await sign_in.token(neurology.address, token, peer=PEER, certificate=None, scope=Scope.IMAP)
    assert delegated == Refused(TOKEN_REFUSED)


async def test_a_delegate_opens_the_structures_box_with_the_rights_that_were_given(
    desk: Desk, marie: Bal, neurology: Bal
) -> None:
    sign_in, token = desk.open(), desk.token("t1")
    before = await sign_in.token(neurology.address, token, peer=PEER, certificate=None, scope=Scope.IMAP)
    assert before == Refused(TOKEN_REFUSED)
    rights = frozenset({Right.LOOKUP, Right.READ, Right.SEEN})
    await delegate(desk, neurology, marie, rights)
    opened = await sign_in.token(neurology.address, token, peer=PEER, certificate=None, scope=Scope.IMAP)
    assert isinstance(opened, Principal)
    assert (opened.rights, opened.person_id) == (rights, marie.owner_id)
    await delegate(desk, neurology, marie)
    assert not sign_in.still_holds(opened)  # other rights: the session begins anew with them
    again = await sign_in.token(neurology.address, token, peer=PEER, certificate=None, scope=Scope.IMAP)
    assert isinstance(again, Principal)
    await desk.place.database.write(lambda uow: acl.revoke(uow, neurology.owner_id, marie.owner_id))
    assert not sign_in.still_holds(again)
    assert sign_in.ended(again) is NOT_SIGNED_IN


async def test_the_identifier_of_a_structure_opens_none_of_its_boxes(desk: Desk, neurology: Bal) -> None:
    token = desk.token("t1", "1990700106")
    answer = await desk.open().token(neurology.address, token, peer=PEER, certificate=None, scope=Scope.IMAP)
    assert answer == Refused(TOKEN_REFUSED)


# ref: ECO.1.2.6, F21
@pytest.mark.parametrize(("mail_session", "holds"), [("keep", True), ("cut", False)])
async def test_a_session_outlives_its_token_where_the_settings_say_so(
    desk: Desk, marie: Bal, mail_session: str, holds: bool
) -> None:
    psc = PscSettings.model_validate({"mail_session": mail_session, "mail_session_hours": 2})
    sign_in = desk.open(psc=psc)
    opened = await sign_in.token(
        marie.address, desk.token("t1"), peer=PEER, certificate=None, scope=Scope.IMAP
    )
    assert isinstance(opened, Principal)
    assert sign_in.still_holds(opened)
    desk.place.clock.advance(timedelta(minutes=5))
    assert sign_in.still_holds(opened) is holds
    desk.place.clock.advance(timedelta(hours=2))
    assert not sign_in.still_holds(opened)


async def test_the_first_sign_in_of_a_professional_makes_a_box_where_the_settings_name_a_domain(
    desk: Desk,
) -> None:
    helene = Professional("899900000144", given_name="HÉLÈNE", family_name="LE FÈVRE")
    assert await desk.open().professional(helene, peer=PEER) == Refused(NO_BOX_OF_YOURS)
    sign_in = desk.open(psc=PscSettings(create_domain=DOMAIN))
    first = await sign_in.professional(helene, peer=PEER)
    assert not isinstance(first, Refused)
    assert [each.bal.address for each in first] == [f"helene.le-fevre@{DOMAIN}"]
    assert first[0].bal.type is BalType.PER
    again = await sign_in.professional(helene, peer=PEER)
    assert again == first
    namesake = Professional("899900000151", given_name="Helene", family_name="Le Fevre")
    second = await sign_in.professional(namesake, peer=PEER)
    assert not isinstance(second, Refused)
    assert second[0].bal.address == f"helene.le-fevre2@{DOMAIN}"


async def test_a_professional_finds_their_box_and_those_delegated_to_them(
    desk: Desk, marie: Bal, neurology: Bal
) -> None:
    await delegate(desk, neurology, marie)
    found = await desk.open().professional(Professional(IDNAT), peer=PEER)
    assert not isinstance(found, Refused)
    assert [each.bal.address for each in found] == [marie.address, neurology.address]
    await desk.place.suspend(marie)
    assert await desk.open().professional(Professional(IDNAT), peer=PEER) == Refused(ACCOUNT_SUSPENDED)


# Certificates


async def bind(desk: Desk, bal: Bal, name: DistinguishedName = NAME) -> None:
    await desk.place.database.write(
        lambda uow: certificates.add(uow, bal.owner_id, name, desk.place.clock.millis())
    )


# ref: F20
async def test_a_certificate_opens_the_box_it_was_bound_to_and_no_other(desk: Desk, marie: Bal) -> None:
    robot = await desk.place.add("robot", type="APP")
    desk.trust.known[b"der"] = Peer(NAME, "dpi.hopital", frozenset())
    sign_in = desk.open()
    assert await sign_in.certificate("", b"der", peer=PEER, scope=Scope.IMAP) == Refused(CERTIFICATE_REFUSED)
    await bind(desk, robot)
    for login in ("", robot.address):
        opened = await sign_in.certificate(login, b"der", peer=PEER, scope=Scope.IMAP)
        assert isinstance(opened, Principal)
        assert opened.owner_id == robot.owner_id
    for login in (marie.address, f"nobody@{DOMAIN}", "x" * 5000):
        other = await sign_in.certificate(login, b"der", peer=PEER, scope=Scope.IMAP)
        assert other == Refused(CERTIFICATE_REFUSED)


async def test_a_revocation_that_was_just_published_counts(desk: Desk) -> None:
    robot = await desk.place.add("robot", type="APP")
    desk.trust.known[b"der"] = Peer(NAME, "dpi.hopital", frozenset())
    await bind(desk, robot)
    desk.trust.published[b"der"] = PeerFault.REVOKED
    opened = await desk.open().certificate("", b"der", peer=PEER, scope=Scope.IMAP)
    assert opened == Refused(CERTIFICATE_REFUSED)


async def test_a_certificate_of_two_boxes_has_to_be_told_which(desk: Desk) -> None:
    desk.trust.known[b"der"] = Peer(NAME, "dpi.hopital", frozenset())
    boxes = [await desk.place.add(name, type="APP") for name in ("one", "two")]
    for box in boxes:
        await bind(desk, box)
    sign_in = desk.open()
    assert await sign_in.certificate("", b"der", peer=PEER, scope=Scope.IMAP) == Refused(CERTIFICATE_REFUSED)
    opened = await sign_in.certificate(boxes[1].address, b"der", peer=PEER, scope=Scope.IMAP)
    assert isinstance(opened, Principal)
    assert opened.owner_id == boxes[1].owner_id


async def test_a_session_by_certificate_ends_when_it_is_revoked_unbound_or_the_box_suspended(
    desk: Desk,
) -> None:
    sign_in = desk.open()
    robot = await desk.place.add("robot", type="APP")
    await bind(desk, robot)
    desk.trust.known[b"der"] = Peer(NAME, "dpi.hopital", frozenset())
    opened = await sign_in.certificate("", b"der", peer=PEER, scope=Scope.IMAP)
    assert isinstance(opened, Principal)
    assert sign_in.still_holds(opened)
    desk.trust.known[b"der"] = PeerFault.REVOKED
    assert not sign_in.still_holds(opened)
    desk.trust.known[b"der"] = Peer(NAME, "dpi.hopital", frozenset())
    await desk.place.suspend(robot)
    assert not sign_in.still_holds(opened)
    refused = await sign_in.certificate("", b"der", peer=PEER, scope=Scope.IMAP)
    assert refused == Refused(ACCOUNT_SUSPENDED)
    await desk.place.database.write(lambda uow: set_state(uow, robot.address, BalState.ACTIVE, 0))
    assert sign_in.still_holds(opened)
    await desk.place.database.write(lambda uow: certificates.remove(uow, robot.owner_id, NAME))
    assert not sign_in.still_holds(opened)


# SCRAM, and what is offered


async def test_scram_is_offered_only_where_passwords_are_stored_for_it(desk: Desk) -> None:
    assert Mechanism.SCRAM_SHA_256 not in desk.open().mechanisms()
    assert Mechanism.SCRAM_SHA_256_PLUS in desk.open(AccountSettings(scram=True)).mechanisms()
    closed = desk.open(AccountSettings(client_certificates=False))
    assert Mechanism.EXTERNAL not in closed.mechanisms()


async def test_scram_shows_the_salt_of_a_box_and_the_same_false_one_for_a_stranger(
    desk: Desk, marie: Bal
) -> None:
    sign_in = desk.open(AccountSettings(scram=True))
    verifier = scram.derive(PASSWORD)
    await desk.place.database.write(lambda uow: scram.store(uow, marie.owner_id, verifier))
    own = await sign_in.scram(marie.address, peer=PEER)
    assert not isinstance(own, Refused)
    assert own.verifier == verifier
    assert isinstance(await own.right(), Principal)
    salts = set()
    spelled = f"Nobody@{DOMAIN}", f"nobody@{DOMAIN}".replace(".", "\u3002")
    for desk_again, login in zip((sign_in, desk.open(AccountSettings(scram=True))), spelled, strict=True):
        stranger = await desk_again.scram(login, peer=PEER)
        assert not isinstance(stranger, Refused)
        salts.add((len(stranger.verifier.salt), stranger.verifier.salt, stranger.verifier.iterations))
        assert await stranger.right() == Refused(WRONG_PASSWORD)
    assert len(salts) == 1
    assert {(len(verifier.salt), verifier.iterations)} == {(size, count) for size, _, count in salts}


async def test_scram_is_braked_and_abandoning_it_is_no_failure(desk: Desk, marie: Bal) -> None:
    sign_in = desk.open(AccountSettings(scram=True))
    for _ in range(FAILURES_OF_A_PAIR + 3):
        attempt = await sign_in.scram(marie.address, peer=PEER)
        assert not isinstance(attempt, Refused)
        attempt.abandoned()
    for _ in range(FAILURES_OF_A_PAIR):
        attempt = await sign_in.scram(marie.address, peer=PEER)
        assert not isinstance(attempt, Refused)
        assert await attempt.wrong() == Refused(WRONG_PASSWORD)
    assert await sign_in.scram(marie.address, peer=PEER) == Refused(LOCKED_OUT)


async def test_a_refused_token_leaves_a_row_only_where_somebody_was_recognised(
    desk: Desk, marie: Bal
) -> None:
    sign_in = desk.open()
    await sign_in.token(marie.address, "false", peer=PEER, certificate=None, scope=Scope.IMAP)
    assert desk.outcomes() == []
    foreign = desk.token("t2", "899900000110")
    await sign_in.token(marie.address, foreign, peer=PEER, certificate=None, scope=Scope.IMAP)
    assert desk.outcomes() == [("signin.refused", TOKEN_REFUSED.code)]
