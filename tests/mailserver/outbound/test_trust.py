"""Nobody but the operator whom the liste blanche names for a domain is given its mail."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from certs.pki import Case
from certs.profiles import Purpose
from certs.publisher import withdraw
from certs.trust import PeerFault
from mailserver.outbound.outcome import Failure, Unreached
from mailserver.refusals import (
    CERTIFICATE_EXPIRED,
    CERTIFICATE_NOT_LISTED,
    CERTIFICATE_REVOKED,
    CERTIFICATE_UNTRUSTED,
    CERTIFICATE_USAGE,
    DOMAIN_NOT_OF_PEER,
    DOMAIN_NOT_REACHABLE,
    PEER_DEFERRED,
    PEER_WITHOUT_TLS,
    REVOCATION_UNKNOWN,
    UNREACHABLE,
)
from mailserver.tls import TlsLayer
from tests.mailserver.outbound.house import PEER, PEER_NAME, House, letter
from tests.mailserver.outbound.peer import Peer
from tests.mailserver.smtp.trusted import name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.mailserver.outbound.peer import Session
    from tests.mailserver.smtp.trusted import Papers

BOB = f"bob@{PEER}"
COUSIN = name(f"mail.{PEER}", "UNE AUTRE ORGANISATION")
OTHER = name("mail.autre.mssante.fr", "AUTRE CLINIQUE")


async def verdict_on(house: House, context: ssl.SSLContext, **answers: Any) -> Failure:
    """Why a server with these papers is given nothing; it must not even hear MAIL."""
    async with house.peer(context=context, **answers) as peer:
        with pytest.raises(Unreached) as caught:
            await house.connector().open(PEER)
    assert not peer.lines("MAIL")
    return caught.value.failure


async def test_the_listed_server_is_given_the_mail_and_sees_our_certificate(house: House) -> None:
    async with house.peer() as peer:
        link = await house.connector().open(PEER)
        assert link.peer.name == PEER_NAME
        assert (await link.conversation.send(letter(BOB))).results == {BOB: None}
    assert all(heard.is_tls for heard in peer.heard if heard.line.startswith(("MAIL", "RCPT", "DATA")))


# ref: F12
@pytest.mark.parametrize(
    ("case", "refusal"),
    [
        (Case.EXPIRED, CERTIFICATE_EXPIRED),
        (Case.REVOKED, CERTIFICATE_REVOKED),
        (Case.FOREIGN_CA, CERTIFICATE_UNTRUSTED),
    ],
)
async def test_a_certificate_that_does_not_hold_opens_nothing(house: House, case: Case, refusal: Any) -> None:
    context = house.papers_of(case=case)
    await house.trust.fetch_revocations()
    failure = await verdict_on(house, context)
    assert failure.refusal is refusal


async def test_a_certificate_of_a_client_alone_opens_nothing(house: House) -> None:
    failure = await verdict_on(house, house.papers_of(purpose=Purpose.ORGANISATION))
    assert failure.refusal is CERTIFICATE_USAGE


# ref: F08
async def test_an_equal_host_name_under_another_dn_opens_nothing(house: House) -> None:
    failure = await verdict_on(house, house.papers_of(COUSIN))
    assert failure.refusal is CERTIFICATE_NOT_LISTED


# ref: F09
async def test_a_listed_operator_is_not_given_the_mail_of_another(house: House) -> None:
    house.enlist("autre.mssante.fr", OTHER)
    failure = await verdict_on(house, house.papers_of(OTHER))
    assert failure.refusal is DOMAIN_NOT_OF_PEER


# ref: F49
async def test_an_operator_with_several_certificates_may_use_each(house: House) -> None:
    house.enlist(PEER, COUSIN)
    async with house.peer(context=house.papers_of(COUSIN)):
        assert (await house.connector().open(PEER)).peer.name == COUSIN


async def test_out_of_date_revocation_lists_put_every_server_off(house: House) -> None:
    # OpenSSL looks at the machine's clock for the chain, we at ours for the list.
    house.clock.advance(house.papers.pki._crl().next_update_utc - house.papers.now)  # type: ignore[operator]
    house.later(days=4)
    assert (await verdict_on(house, house.papers_of())).refusal is REVOCATION_UNKNOWN


def shaking_hands(context: ssl.SSLContext) -> Any:
    """STARTTLS as servers do it that say what they have against us; asyncio's layer drops the alert."""

    async def start(session: Session, _: str) -> None:
        await session.say("220 go")
        layer = TlsLayer(context)
        with contextlib.suppress(ssl.SSLError):
            while not layer.shake_hands(await session.reader.read(65_536)):
                await session.say(layer.pending())
        await session.say(layer.pending())
        await session.reader.read()

    return start


async def test_old_tls_is_no_tls(house: House) -> None:
    context = house.papers_of()
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    assert (await verdict_on(house, context, STARTTLS=shaking_hands(context))).refusal is PEER_WITHOUT_TLS


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_does_not_believe_us_is_asked_again_later(
    house: House, version: ssl.TLSVersion
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key, _ = house.papers.of()
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(house.papers.pki.directory / "etrangere.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = version
    failure = await verdict_on(house, context, STARTTLS=shaking_hands(context))
    assert failure == Failure(PEER_DEFERRED, "TLS: tlsv1 alert unknown ca")
    assert (await verdict_on(house, context)).refusal is PEER_DEFERRED  # without a word


# In the queue


@contextlib.asynccontextmanager
async def operator(papers: Papers, home: Path, **outbound: Any) -> AsyncIterator[House]:
    async with House.open(papers, home, **outbound) as house:
        yield house


async def test_an_untrusted_destination_is_returned_at_once_for_all_that_waits(house: House) -> None:
    async with house.peer(context=house.papers_of(COUSIN)) as peer:
        for _ in range(5):
            await house.queue(BOB)
        async with house.dispatching():
            await house.tally.reaches("bounced", 5, CERTIFICATE_NOT_LISTED.code)
    assert peer.connections == 1
    assert await house.is_empty()
    assert [notice.recipients[0].refusal for notice in house.notes.put_in] == [CERTIFICATE_NOT_LISTED] * 5


async def test_the_operator_may_have_an_untrusted_destination_tried_again(
    papers: Papers, tmp_path: Path
) -> None:
    async with House.open(papers, tmp_path, untrusted="retry") as house:
        async with house.peer(context=house.papers_of(COUSIN)), house.dispatching():
            await house.queue(BOB)
            await house.tally.reaches("deferred", 1, CERTIFICATE_NOT_LISTED.code)
        assert await house.waiting() == [BOB]
        assert not house.notes.put_in
        async with house.peer(), house.dispatching():
            house.later(minutes=2)
            await house.tally.reaches("sent", 1)


async def test_unknown_revocation_is_tried_again_in_any_case(house: House) -> None:
    house.clock.advance(house.papers.pki._crl().next_update_utc - house.papers.now)  # type: ignore[operator]
    house.later(days=4)
    async with house.peer(), house.dispatching():
        await house.queue(BOB)
        await house.tally.reaches("deferred", 1, REVOCATION_UNKNOWN.code)


async def test_a_domain_that_left_the_list_is_returned_without_a_connection(house: House) -> None:
    async with house.peer("parti.mssante.fr") as peer:
        await house.queue("x@parti.mssante.fr")
        async with house.dispatching():
            await house.tally.reaches("bounced", 1, DOMAIN_NOT_REACHABLE.code)
    assert not peer.connections
    assert await house.is_empty()


async def test_the_list_is_asked_again_for_each_message_of_a_connection(house: House) -> None:
    house.enlist(PEER, COUSIN)
    async with house.peer() as peer, house.dispatching():
        await house.queue(BOB)
        await house.tally.reaches("sent", 1)
        withdraw(house.settings.home, house.papers.pki, PEER, PEER_NAME, house.papers.now)
        await house.queue(BOB)
        await house.tally.reaches("bounced", 1, CERTIFICATE_NOT_LISTED.code)
    assert len(peer.received) == 1
    assert peer.lines("MAIL") == [peer.received[0].mail]


async def revoked_in_between(house: House, renew: Callable[[Peer], None]) -> Peer:
    """One message arrives, then the certificate of that very connection is revoked and another message comes."""
    certificate, key, issued = house.papers.of(copy=str(house.settings.home))
    context = house.papers_of()
    context.load_cert_chain(certificate, key)
    async with house.peer(context=context) as peer, house.dispatching():
        await house.queue(BOB)
        await house.tally.reaches("sent", 1)
        house.papers.pki.revoke(issued.certificate, house.papers.now)
        renew(peer)
        await house.queue(BOB)
        await house.tally.until(lambda: house.tally.counts.total() == 2)
    return peer


async def test_a_server_that_was_revoked_gets_nothing_more_over_the_connection_it_has(house: House) -> None:
    peer = await revoked_in_between(house, lambda _: None)
    assert house.tally.counts["bounced", CERTIFICATE_REVOKED.code] == 1
    assert len(peer.received) == len(peer.lines("MAIL")) == 1
    assert peer.connections == 2


async def test_a_server_with_a_new_certificate_after_a_revocation_is_given_the_rest(house: House) -> None:
    def renew(peer: Peer) -> None:
        peer.context = house.papers_of()

    peer = await revoked_in_between(house, renew)
    assert [received.connection for received in peer.received] == [1, 2]
    assert house.tally.counts["sent", ""] == 2


async def test_a_server_whose_certificate_ran_out_gets_nothing_more_over_the_connection_it_has(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.peer() as peer, house.dispatching():
        await house.queue(BOB)
        await house.tally.reaches("sent", 1)
        monkeypatch.setattr(house.trust, "judge_server", lambda _: PeerFault.EXPIRED)
        await house.queue(BOB)
        await house.tally.reaches("bounced", 1, CERTIFICATE_EXPIRED.code)
    assert len(peer.received) == len(peer.lines("MAIL")) == 1


async def test_a_server_that_is_revoked_while_a_lane_waits_for_its_turn_gets_nothing(
    papers: Papers, tmp_path: Path
) -> None:
    async with House.open(papers, tmp_path, connections=1) as house:
        house.enlist("autre.mssante.fr", OTHER)
        asked, may_end = asyncio.Event(), asyncio.Event()

        async def wait(_: Session, __: str) -> str:
            asked.set()
            await may_end.wait()
            return "250 2.0.0 queued"

        certificate, key, issued = papers.of(copy=str(tmp_path))
        context = house.papers_of()
        context.load_cert_chain(certificate, key)
        other = house.peer("autre.mssante.fr", context=house.papers_of(OTHER), END=wait)
        async with other, house.peer(context=context) as peer, house.dispatching() as dispatcher:
            await house.queue("x@autre.mssante.fr")
            await asked.wait()
            await house.queue(BOB)
            async with asyncio.timeout(30):
                while not dispatcher._tools.slots.are_wanted:
                    await asyncio.sleep(0)
            papers.pki.revoke(issued.certificate, papers.now)
            may_end.set()
            await house.tally.reaches("bounced", 1, CERTIFICATE_REVOKED.code)
        assert not peer.lines("MAIL")


async def test_the_second_server_is_tried_when_the_first_is_the_wrong_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailserver.outbound.resolver import Host

    async with Peer.open(house.papers_of(COUSIN)) as wrong, Peer.open(house.papers_of()) as right:
        hosts = [Host("a.example", "127.0.0.1", wrong.port), Host("b.example", "127.0.0.1", right.port)]

        async def find(*_: object) -> tuple[Host, ...]:
            return tuple(hosts)

        monkeypatch.setattr(house.resolver, "find", find)
        link = await house.connector().open(PEER)
        assert link.conversation.server == "b.example"
        link.conversation.close()
        for verb in ("GREETING", "EHLO", "STARTTLS"):
            busy = "454 4.7.0 not now" if verb == "STARTTLS" else "554 5.3.2 not here"
            wrong.answers.clear()
            wrong.answers[verb] = busy
            link = await house.connector().open(PEER)
            assert link.conversation.server == "b.example"
            link.conversation.close()
        hosts[1] = Host("c.example", "127.0.0.1", 1)
        wrong.answers.clear()
        with pytest.raises(Unreached) as caught:
            await house.connector().open(PEER)
        # One of the two may be right later, so nothing is final.
        assert caught.value.failure.refusal is UNREACHABLE
