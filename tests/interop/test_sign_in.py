"""Real clients sign in with tokens and certificates; guesses get nowhere; keys change while many sign in."""

from __future__ import annotations

import imaplib
import re
import smtplib
import ssl
import threading
from base64 import b64encode
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import LoginError

from tests.interop.letters import letter, new_id
from tests.interop.service import program, run
from tests.shared_data import shared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.service import Service

pytestmark = pytest.mark.interop

REFUSAL = "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJtYWlsIn0="


def token(service: Service, username: str, *options: str) -> str:
    done = service.command("token", "--user", username, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def user(service: Service, number: int = 0) -> dict[str, str]:
    found: dict[str, str] = service.described["psc"]["users"][number]
    return found


def application_box(service: Service) -> dict[str, Any]:
    return next(row for row in service.described["bals"] if row["type"] == "APP")


def xoauth2(address: str, token: str) -> str:
    return b64encode(f"user={address}\x01auth=Bearer {token}\x01\x01".encode()).decode()


def imap(service: Service) -> IMAPClient:
    return IMAPClient("127.0.0.1", service.port("imaps"), ssl=True, ssl_context=service.tls())


# ref: ECO.1.2.1
def test_imapclient_reads_with_a_token_by_oauthbearer_and_xoauth2(service: Service) -> None:
    who = user(service)
    fresh = token(service, who["username"])
    for sign_in in (IMAPClient.oauthbearer_login, IMAPClient.oauth2_login):
        with imap(service) as client:
            sign_in(client, who["bal"], fresh)
            assert client.select_folder("INBOX")[b"UIDNEXT"] >= 1


# ref: ECO.1.2.7
def test_a_token_of_somebody_else_opens_nothing_and_leaves_the_connection_usable(service: Service) -> None:
    who, other = user(service), user(service, 1)
    fresh = token(service, who["username"])
    with imap(service) as client:
        for box, shown in ((other["bal"], fresh), (who["bal"], "expired"), (who["bal"], fresh[:-4] + "AAAA")):
            with pytest.raises(LoginError):
                client.oauth2_login(box, shown)
        client.oauth2_login(who["bal"], fresh)


def test_a_delegate_reads_a_services_box_with_their_own_token_and_writes_in_its_name(
    service: Service,
) -> None:
    who = user(service, 1)
    box = next(row["address"] for row in service.described["bals"] if row["address"].startswith("urgences@"))
    granted = service.command("bal", "delegate", box, "--to", who["bal"])
    assert granted.returncode == 0, granted.stderr
    fresh = token(service, who["username"])
    with imap(service) as client:
        client.oauthbearer_login(box, fresh)
        client.select_folder("INBOX")
        with pytest.raises(imaplib.IMAP4.error):
            client.create_folder("Urgences/Rien")  # a writer makes no folders
    message = letter(
        box, user(service)["bal"], message_id=new_id(), subject="Au nom du service", text="Bonjour.\n"
    )
    with smtplib.SMTP("127.0.0.1", service.port("submission"), timeout=60) as smtp:
        smtp.starttls(context=service.tls())
        smtp.ehlo()
        code, text = smtp.docmd("AUTH", f"XOAUTH2 {xoauth2(box, fresh)}")
        assert code == 235, text
        assert smtp.sendmail(box, [user(service)["bal"]], message) == {}
    with smtplib.SMTP("127.0.0.1", service.port("submission"), timeout=60) as smtp:
        smtp.starttls(context=service.tls())
        own = next(row for row in service.described["bals"] if row["address"] == who["bal"])
        smtp.login(own["address"], own["password"])
        again = letter(box, user(service)["bal"], message_id=new_id(), subject="Encore", text="Bonjour.\n")
        assert smtp.sendmail(box, [user(service)["bal"]], again) == {}
    service.command("bal", "delegate", box, "--to", who["bal"], "--revoke")


def test_external_is_announced_to_who_has_shown_a_certificate(service: Service) -> None:
    with imap(service) as client:
        assert b"AUTH=EXTERNAL" not in client.capabilities()
        assert b"AUTH=XOAUTH2" in client.capabilities()


def test_curl_reads_an_application_box_by_its_certificate(service: Service) -> None:
    box = application_box(service)
    done = run(
        program("curl"),
        *("--silent", "--show-error", "--max-time", "30", "--cacert", service.ca_file),
        *("--cert", box["certificate"], "--key", box["key"], "--login-options", "AUTH=EXTERNAL"),
        *(
            "--user",
            f"{box['address']}:",
            f"imaps://127.0.0.1:{service.port('imaps')}/",
            "-X",
            "STATUS INBOX (UIDNEXT)",
        ),
    )
    assert done.returncode == 0, done.stderr
    assert "STATUS INBOX" in done.stdout


# ref: F20
def test_an_application_box_sends_by_its_certificate_and_opens_no_other(service: Service) -> None:
    box = application_box(service)
    tls = service.tls()
    tls.load_cert_chain(box["certificate"], box["key"])
    with smtplib.SMTP_SSL("127.0.0.1", service.port("submissions"), context=tls) as smtp:
        smtp.ehlo()
        other = b64encode(user(service)["bal"].encode()).decode()
        assert smtp.docmd("AUTH", f"EXTERNAL {other}")[0] == 535
        assert smtp.docmd("AUTH", "EXTERNAL =")[0] == 235
        message = letter(
            box["address"], user(service)["bal"], message_id=new_id(), subject="Envoi", text="Bonjour.\n"
        )
        assert smtp.sendmail(box["address"], [user(service)["bal"]], message) == {}


@contextmanager
def with_certificate(service: Service, case: str) -> Iterator[imaplib.IMAP4_SSL]:
    """An IMAP connection that shows a peer's certificate; raises where the handshake fails."""
    peer = next(row for row in service.described["peers"] if row["case"] == case)
    tls = service.tls()
    tls.load_cert_chain(peer["certificate"], peer["key"])
    client = imaplib.IMAP4_SSL("127.0.0.1", service.port("imaps"), ssl_context=tls)
    try:
        yield client
    finally:
        client.shutdown()


@pytest.mark.parametrize("case", ["expired", "foreign-ca"])
def test_a_certificate_outside_the_chain_or_its_dates_fails_the_handshake(
    service: Service, case: str
) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError, imaplib.IMAP4.abort)), with_certificate(service, case):
        pass


@pytest.mark.parametrize("case", ["revoked", "valid"])
def test_a_revoked_certificate_and_one_without_a_box_open_nothing(service: Service, case: str) -> None:
    with (
        with_certificate(service, case) as client,
        pytest.raises(imaplib.IMAP4.error, match="MSS-182"),
    ):
        client.authenticate("EXTERNAL", lambda _: b"")


def test_ten_thousand_guesses_get_nowhere_and_the_bearer_signs_in_from_elsewhere(service: Service) -> None:
    bal = service.bal(3)
    answers: Counter[str] = Counter()
    counting = threading.Lock()

    def guess(connection: int) -> None:
        tried = 0
        while tried < 500:
            client = smtplib.SMTP(
                "127.0.0.1", service.port("submission_plain"), timeout=60, source_address=("127.0.0.66", 0)
            )
            with suppress(smtplib.SMTPServerDisconnected, ConnectionError):
                client.ehlo()
                while tried < 500:
                    secret = b64encode(f"\0{bal.address}\0guess-{connection}-{tried}".encode()).decode()
                    code, text = client.docmd("AUTH", f"PLAIN {secret}")
                    if code == 421:  # after a few failures: on with the next connection
                        break
                    tried += 1
                    with counting:
                        answers[f"{code} {text.split()[1].decode()}"] += 1
            client.close()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(guess, range(20)))
    assert answers == {"535 MSS-102": 5, "454 MSS-103": 9_995}
    with smtplib.SMTP("127.0.0.1", service.port("submission"), source_address=("127.0.0.67", 0)) as smtp:
        smtp.starttls(context=service.tls())
        assert smtp.login(bal.address, bal.password)[0] == 235


# ref: F50
def test_keys_that_change_in_the_middle_of_a_load_of_sign_ins_lose_none(service: Service) -> None:
    who = user(service, 2)
    rotated = threading.Event()

    def sign_in(number: int) -> bool:
        if number == 7:
            done = service.command("psc", "rotate")
            assert done.returncode == 0, done.stderr
            rotated.set()
        fresh = token(service, who["username"])
        for _ in range(4):
            with imap(service) as client:
                client.oauthbearer_login(who["bal"], fresh)
        return rotated.is_set()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(sign_in, range(16)))
    assert any(answers)


# The dialogues of ../shared/data/transcripts: their clients have shown a certificate, for EXTERNAL is announced


def with_any_certificate(service: Service) -> ssl.SSLContext:
    box, tls = application_box(service), service.tls()
    tls.load_cert_chain(box["certificate"], box["key"])
    return tls


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line[:2] in {"C:", "S:"}:
            yield line[0], re.sub(r"\s+\(.*\)$", "", line[2:].strip())


# ref: F18, F19
def test_the_submission_dialogue_goes_as_written(service: Service) -> None:
    path = shared("transcripts", "smtp-xoauth2.txt")
    who = user(service)
    patient = service.patients()[0]
    known = {
        "<fresh>": xoauth2(who["bal"], token(service, who["username"])),
        "marie.martin@medecin.mssante.fr": who["bal"],
        "279035121518989@patient.mssante.fr": patient.address,
    }
    lines = list(_lines(path))
    with smtplib.SMTP("127.0.0.1", service.port("submission"), timeout=60) as smtp:
        heard: list[str] = []
        for side, text in lines[1:]:
            if text == "DATA":
                break
            if side == "C":
                if text == "STARTTLS":
                    code, reply = smtp.starttls(context=with_any_certificate(service))
                else:
                    for shown, real in known.items():
                        text = text.replace(shown, real)
                    code, reply = smtp.docmd(text)
                heard = [f"{code} {line}" for line in reply.decode().splitlines()]
                continue
            code, _, rest = (
                text.replace("-", " ", 1).partition(" ") if text[3] == "-" else text.partition(" ")
            )
            assert all(line.startswith(code) for line in heard), (text, heard)
            if code == "250" and rest.split(" ")[0].isupper():
                offered = " ".join(heard).upper().split()
                assert set(rest.upper().split()) <= set(offered), (text, heard)
            if code == "334":
                assert heard == [f"334 {REFUSAL}"]


def test_the_imap_dialogue_goes_as_written(service: Service) -> None:
    path = shared("transcripts", "imap-xoauth2.txt")
    who = user(service)
    client = imaplib.IMAP4("127.0.0.1", service.port("imap"), timeout=60)
    assert "STARTTLS" in client.capabilities
    assert "LOGINDISABLED" in client.capabilities
    client.starttls(with_any_certificate(service))
    expected = next(text for side, text in _lines(path) if side == "S" and text.startswith("* CAPABILITY"))
    words = {"IMAP4REV1" if word == "IMAP4rev1" else word for word in expected.split()[2:]}
    assert words <= set(client.capabilities)
    challenges: list[bytes] = []

    def answer(challenge: bytes) -> bytes:
        challenges.append(challenge)
        expired = f"user={who['bal']}\x01auth=Bearer expired\x01\x01".encode()
        return expired if len(challenges) == 1 else b""

    with pytest.raises(imaplib.IMAP4.error, match=r"AUTHENTICATIONFAILED"):
        client.authenticate("XOAUTH2", answer)
    client.shutdown()
    assert b64encode(challenges[1]).decode() == REFUSAL
