"""The provider where it is served: by a running sandbox over TLS, to outside scripts and to the operator itself."""

from __future__ import annotations

import asyncio
import imaplib
import json
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from directory.psc.faults import TokenFault
from directory.psc.https import Https
from directory.psc.provider import PscProvider
from directory.psc.relying_party import Begun, RelyingParty, SignedIn
from directory.psc.tokens import Access, TokenCheck
from foundation.clock import SystemClock
from foundation.settings import load
from tests.vaguemestre.psc.provider import CAMILLE, KARIM, RETURN, VERIFIER
from vaguemestre.app import Operator
from vaguemestre.psc.clients import PORTAL_RETURN
from vaguemestre.psc.keys import rotate
from vaguemestre.psc.tokens import challenge_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.vaguemestre.conftest import Said
    from tests.vaguemestre.programs import Serving


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **others: Any) -> None:
        return None


def fetch(
    sandbox: Serving, url: str, form: dict[str, str] | None = None, **headers: str
) -> tuple[int, Any, bytes]:
    """What an outside script gets, with nothing but the standard library: status, headers, body."""
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=sandbox.tls()))
    data = None if form is None else urlencode(form).encode()
    try:
        with opener.open(urllib.request.Request(url, data, headers), timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers, answer.read()


def test_sandbox_json_tells_all_that_a_script_needs(sandbox: Serving) -> None:
    told = sandbox.told["psc"]
    assert told["issuer"] == f"{sandbox.told['http']}/psc"
    personal = [bal for bal in sandbox.told["bals"] if bal["type"] == "PER"]
    assert [(user["username"], user["idnat"], user["bal"]) for user in told["users"]] == [
        (bal["idnat"], bal["idnat"], bal["address"]) for bal in personal
    ]
    status, _, body = fetch(sandbox, told["discovery"])
    assert status == 200
    assert json.loads(body)["issuer"] == told["issuer"]


def test_a_script_signs_in_by_code_with_the_standard_library(sandbox: Serving) -> None:
    told = sandbox.told["psc"]
    known = json.loads(fetch(sandbox, told["discovery"])[2])
    asked = {
        "client_id": told["client_id"],
        "redirect_uri": RETURN,
        "response_type": "code",
        "scope": "openid scope_all",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        "username": told["users"][0]["username"],
    }
    status, headers, _ = fetch(sandbox, known["authorization_endpoint"], asked)
    assert status == 303
    code = dict(parse_qsl(urlsplit(headers["location"]).query))["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": RETURN,
        "code_verifier": VERIFIER,
    }
    proof = b64encode(f"{told['client_id']}:{told['client_secret']}".encode()).decode()
    status, headers, body = fetch(sandbox, known["token_endpoint"], form, Authorization=f"Basic {proof}")
    assert status == 200
    assert headers["cache-control"] == "no-store"
    token = json.loads(body)["access_token"]
    status, _, body = fetch(sandbox, known["userinfo_endpoint"], Authorization=f"Bearer {token}")
    assert json.loads(body)["SubjectNameID"] == told["users"][0]["idnat"]


def test_the_pages_have_the_policy_of_the_portal(sandbox: Serving) -> None:
    for path in ("/psc/", "/psc/ciba"):
        status, headers, body = fetch(sandbox, sandbox.told["http"] + path)
        assert status == 200
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert "Bac à sable".encode() in body


def test_a_token_of_the_command_line_opens_mail(sandbox: Serving, vaguemestre: Callable[..., Said]) -> None:
    box = sandbox.told["psc"]["users"][0]
    token = vaguemestre("token", "--home", str(sandbox.home), "--user", box["username"]).out.strip()
    client = imaplib.IMAP4_SSL(
        sandbox.told["host"], sandbox.told["ports"]["imaps"], ssl_context=sandbox.tls(), timeout=30
    )
    try:
        answer = f"user={box['bal']}\x01auth=Bearer {token}\x01\x01".encode()
        assert client.authenticate("XOAUTH2", lambda _: answer)[0] == "OK"
        assert client.select("INBOX")[0] == "OK"
    finally:
        client.logout()


# The relying side -------------------------------------------------------------------------------------------


class Relying:
    """This operator's own client and its check of tokens, and browsers whose people choose at once."""

    def __init__(self, sandbox: Serving, provider: PscProvider, browser: httpx2.AsyncClient) -> None:
        settings, clock = load(sandbox.home), SystemClock()
        self.home = sandbox.home
        self.party = RelyingParty(provider, settings.psc, clock)
        self.tokens = TokenCheck(provider, settings.psc, clock)
        self.back = sandbox.told["http"] + PORTAL_RETURN
        self._software = sandbox.told["psc"]
        self._browser = browser

    async def signed_in(self, username: str) -> SignedIn:
        begun = await self.party.begin(self.back)
        assert isinstance(begun, Begun)
        asked = dict(parse_qsl(urlsplit(begun.url).query))
        values = await self._chosen({**asked, "username": username})
        assert values["state"] == begun.state
        finished = await self.party.finish(begun, values["code"], self.back, issuer=values["iss"])
        assert isinstance(finished, SignedIn), finished
        return finished

    async def access_token(self, username: str) -> str:
        """As business software gets one."""
        asked = {
            "client_id": self._software["client_id"],
            "redirect_uri": RETURN,
            "response_type": "code",
            "scope": "openid scope_all",
        }
        code = (await self._chosen({**asked, "username": username}))["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": RETURN}
        proof = (self._software["client_id"], self._software["client_secret"])
        url = f"{self._software['issuer']}/protocol/openid-connect/token"
        answer = await self._browser.post(url, data=form, auth=proof)
        return str(answer.json()["access_token"])

    async def _chosen(self, form: dict[str, str]) -> dict[str, str]:
        url = f"{self._software['issuer']}/protocol/openid-connect/auth"
        answer = await self._browser.post(url, data=form)
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


@asynccontextmanager
async def relying(sandbox: Serving) -> AsyncIterator[Relying]:
    provider = PscProvider(load(sandbox.home), SystemClock(), Https(sandbox.tls()))
    async with httpx2.AsyncClient(verify=sandbox.tls(), timeout=30) as browser:
        try:
            yield Relying(sandbox, provider, browser)
        finally:
            await provider.aclose()


async def test_the_operator_signs_a_professional_in_and_out(sandbox: Serving) -> None:
    async with relying(sandbox) as here:
        signed_in = await here.signed_in(KARIM)
        assert signed_in.professional.idnat == KARIM
        assert signed_in.professional.family_name == "BENALI"
        assert signed_in.professional.exercises[0].skill == "SM59"
        url = await here.party.logout_url(sandbox.told["http"] + "/pro", id_token=signed_in.id_token)
        assert url is not None
        status, headers, _ = fetch(sandbox, url)
        assert status == 303
        assert headers["location"] == sandbox.told["http"] + "/pro"


async def test_the_operator_takes_tokens_of_the_software_and_of_the_command_line(
    sandbox: Serving, vaguemestre: Callable[..., Said]
) -> None:
    words = ("token", "--home", str(sandbox.home), "--user", CAMILLE)
    certificate = sandbox.home / "pki" / "server.pem"
    made = {
        "software": "",
        "command": vaguemestre(*words).out.strip(),
        "other algorithm": vaguemestre(*words, "--algorithm", "ES256").out.strip(),
    }
    expired = vaguemestre(*words, "--lifetime", "-600").out.strip()
    bound = vaguemestre(*words, "--certificate", str(certificate)).out.strip()
    async with relying(sandbox) as here:
        made["software"] = await here.access_token(CAMILLE)
        for name, token in made.items():
            found = await here.tokens.check(token)
            assert isinstance(found, Access), (name, found)
            assert found.idnat == CAMILLE
        assert await here.tokens.check(expired) is TokenFault.EXPIRED
        assert await here.tokens.check(bound) is TokenFault.NOT_BOUND


async def test_keys_that_change_in_the_middle_of_a_load_lose_no_sign_in(sandbox: Serving) -> None:
    async with relying(sandbox) as here:

        async def one(number: int) -> None:
            if number == 20:
                await asyncio.to_thread(rotate, here.home, keep_old=True)
            username = (CAMILLE, KARIM)[number % 2]
            if number % 3 == 0:
                assert (await here.signed_in(username)).professional.idnat == username
                return
            found = await here.tokens.check(await here.access_token(username))
            assert isinstance(found, Access), found
            assert found.idnat == username

        waiting = asyncio.Semaphore(8)

        async def in_turn(number: int) -> None:
            async with waiting:
                await one(number)

        await asyncio.gather(*(in_turn(number) for number in range(60)))


# A real operator --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_sandbox", [True, False])
async def test_a_real_operator_never_serves_the_provider(empty_home: Path, is_sandbox: bool) -> None:
    nowhere = {"mx": "", "submission": "", "submissions": ""}
    settings = load(empty_home).model_copy(update={"sandbox": is_sandbox, "http": "127.0.0.1:0"})
    settings = settings.model_copy(
        update={
            "smtp": settings.smtp.model_copy(update=nowhere),
            "imap": settings.imap.model_copy(update={"starttls": "", "tls": ""}),
            "ldap": settings.ldap.model_copy(update={"starttls": "", "tls": ""}),
        }
    )
    operator = await Operator.start(settings)
    try:
        async with httpx2.AsyncClient(verify=False) as client:
            for path in (
                "/psc/",
                "/psc/ciba",
                "/psc/.well-known/wallet-openid-configuration",
                "/psc/protocol/openid-connect/certs",
            ):
                answer = await client.get(f"https://127.0.0.1:{operator.ports['https']}{path}")
                assert answer.status_code == (200 if is_sandbox else 404), path
    finally:
        await operator.stop()
