from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp_bridge.check.examine import NO_CONVERSATION, Unrecognised, examine_transcript
from dmp_bridge.check.report import Checked, Verdict, Weight
from dmp_bridge.check.transcript import MAX_LINES, is_transcript
from tests.shared_data import shared


def token(name: str = "jeton") -> str:
    return base64.b64encode(f"user=marie@medecin.mssante.fr\x01auth=Bearer {name}\x01\x01".encode()).decode()


CHALLENGE = base64.b64encode(b'{"status":"401"}').decode()
OPENING = """S: 220 smtp.operateur.example ESMTP
C: EHLO lps.local
S: 250-smtp.operateur.example
S: 250-STARTTLS
S: 250 8BITMIME
C: STARTTLS
S: 220 2.0.0 Ready
C: EHLO lps.local
S: 250-smtp.operateur.example
S: 250-AUTH XOAUTH2 OAUTHBEARER EXTERNAL PLAIN
S: 250-DSN
S: 250 SIZE 26214400
"""
IMAP = """S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready
C: a1 STARTTLS
S: a1 OK begin TLS
C: a2 CAPABILITY
S: * CAPABILITY IMAP4rev1 AUTH=XOAUTH2 AUTH=EXTERNAL SASL-IR IDLE
S: a2 OK done
"""


def told(text: str) -> dict[str, list[tuple[Verdict, Weight]]]:
    """The verdicts by rule, those that say « sans objet » left out."""
    found: dict[str, list[tuple[Verdict, Weight]]] = {}
    for each in examine_transcript(text.encode()).findings:
        if each.verdict is not Verdict.NOT_APPLICABLE:
            found.setdefault(each.rule, []).append((each.verdict, each.weight))
    return found


def faults(text: str) -> set[str]:
    return {
        rule for rule, found in told(text).items() if any(verdict is Verdict.FAILS for verdict, _ in found)
    }


def auth(mechanism: str, response: str, answer: str = "S: 235 2.7.0 Accepted\n") -> str:
    return f"C: AUTH {mechanism} {response}\n{answer}"


def test_a_submission_with_a_token_over_starttls_holds() -> None:
    text = OPENING + auth("XOAUTH2", token()) + "C: MAIL FROM:<a@b.mssante.fr> SIZE=100 RET=HDRS\nS: 250 ok\n"
    assert faults(text) == set()
    assert set(told(text)) == {"ECO.1.0.1", "ECO.1.2.1", "RFC1870", "ECO.2.3.1"}


# ref: ECO.1.0.1
def test_sign_in_before_tls_fails_where_starttls_is_offered() -> None:
    text = OPENING.partition("C: STARTTLS")[0] + auth("XOAUTH2", token())
    assert faults(text) == {"ECO.1.0.1", "ECO.1.2.1"}


def test_tls_from_the_first_byte_is_not_told_from_the_lines() -> None:
    text = "S: 220 x\nC: EHLO a\nS: 250-x\nS: 250 AUTH XOAUTH2\n" + auth("XOAUTH2", token())
    assert faults(text) == set()
    assert "ECO.1.0.1" not in told(text)


def test_ehlo_is_said_again_after_starttls() -> None:
    lines = OPENING.splitlines(keepends=True)
    assert faults("".join(lines[:7]) + auth("XOAUTH2", token())) == {"ECO.1.0.1"}
    assert faults("S: 220 x\nC: HELO a\nS: 250 x\n") == {"ECO.1.0.1"}


@pytest.mark.parametrize(
    ("mechanism", "response", "fails"),
    [
        ("XOAUTH2", token(), False),
        ("XOAUTH2", "<jeton>", False),
        ("XOAUTH2", base64.b64encode(b"user=a auth=Bearer b").decode(), True),
        ("XOAUTH2", "pas-du-base64!", True),
        (
            "OAUTHBEARER",
            base64.b64encode(b"n,a=marie@m.fr,\x01host=x\x01auth=Bearer b\x01\x01").decode(),
            False,
        ),
        ("OAUTHBEARER", token(), True),
        ("EXTERNAL", "=", False),
        ("PLAIN", "AGEAYg==", True),
        ("SCRAM-SHA-256", "biws", True),
        ("GSSAPI", "a", True),
    ],
)
def test_the_mechanisms_that_are_allowed(mechanism: str, response: str, fails: bool) -> None:
    assert ("ECO.1.2.1" in faults(OPENING + auth(mechanism, response))) is fails


def test_a_mechanism_that_is_not_offered_fails() -> None:
    assert faults(OPENING.replace(" OAUTHBEARER", "") + auth("OAUTHBEARER", "<jeton>")) == {"ECO.1.2.1"}


REFUSED = f"S: 334 {CHALLENGE}\nC:\nS: 535 5.7.8 no\n"


# ref: ECO.1.2.7
def test_one_retry_with_a_fresh_token_holds() -> None:
    text = OPENING + auth("XOAUTH2", token("vieux"), REFUSED) + auth("XOAUTH2", token("neuf"))
    assert faults(text) == set()
    assert told(text)["ECO.1.2.7"] == [(Verdict.HOLDS, Weight.MANDATORY)]


# ref: ECO.1.2.7
def test_a_password_after_a_refused_token_fails() -> None:
    text = OPENING + auth("XOAUTH2", token(), REFUSED) + auth("PLAIN", "AGEAYg==")
    assert faults(text) == {"ECO.1.2.1", "ECO.1.2.7"}


def test_the_same_token_twice_or_three_refusals_fail() -> None:
    again = auth("XOAUTH2", token("a"), REFUSED)
    assert faults(OPENING + again + again) == {"ECO.1.2.7"}
    three = "".join(auth("XOAUTH2", token(name), REFUSED) for name in "abc")
    assert faults(OPENING + three) == {"ECO.1.2.7"}


def test_the_coded_refusal_is_answered_by_an_empty_line() -> None:
    answer = f"S: 334 {CHALLENGE}\nC: QUIT\nS: 535 no\n"
    assert faults(OPENING + auth("XOAUTH2", token(), answer)) == {"ECO.1.2.7"}


def test_a_server_that_hangs_up_behind_the_challenge_has_refused() -> None:
    text = (
        OPENING + auth("XOAUTH2", token("a"), f"S: 334 {CHALLENGE}\n") + OPENING + auth("PLAIN", "AGEAYg==")
    )
    assert faults(text) == {"ECO.1.2.1", "ECO.1.2.7"}


# ref: ECO.2.3.1
@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("C: MAIL FROM:<a@b.fr>", "RFC1870"),
        ("C: MAIL FROM:<a@b.fr> SIZE=beaucoup", "RFC1870"),
        ("C: MAIL FROM:<a@b.fr> SIZE=99999999999", "RFC1870"),
        ("C: MAIL FROM:<a@b.fr> SIZE=1 RET=ALL", "ECO.2.3.1"),
        ("C: RCPT TO:<a@b.fr> NOTIFY=ALWAYS", "ECO.2.3.1"),
        ("C: RCPT TO:<a@b.fr> ORCPT=a@b.fr", "ECO.2.3.1"),
    ],
)
def test_the_parameters_of_an_envelope(line: str, rule: str) -> None:
    assert faults(f"{OPENING}{auth('XOAUTH2', token())}{line}\nS: 250 ok\n") == {rule}


# ref: ECO.2.3.1
def test_delivery_reports_are_asked_for_where_they_are_offered() -> None:
    text = OPENING.replace("S: 250-DSN\n", "") + "C: RCPT TO:<a@b.fr> NOTIFY=FAILURE\nS: 250 ok\n"
    assert faults(text) == {"ECO.2.3.1"}


def test_n12_a_sender_domain_that_the_certificate_does_not_cover() -> None:
    text = OPENING + "C: MAIL FROM:<a@autre.mssante.fr> SIZE=1\nS: 550 5.7.1 not authorised for certificate\n"
    assert faults(text) == {"REF1.DOMAINE"}


def test_the_lines_of_the_message_are_no_commands() -> None:
    text = (
        OPENING
        + auth("XOAUTH2", token())
        + "C: DATA\nS: 354 go\nC: AUTH PLAIN x\nC: HELO\nC: .\nS: 250 ok\nC: HELO a\n"
    )
    assert faults(text) == {"ECO.1.0.1"}


def test_an_imap_session_with_a_token_holds() -> None:
    text = (
        IMAP
        + f"C: a3 AUTHENTICATE XOAUTH2 {token()}\nS: a3 OK in\nC: a4 IDLE\nS: + idling\nC: DONE\nS: a4 OK\n"
    )
    assert faults(text) == set()
    assert set(told(text)) == {"ECO.1.0.2", "ECO.1.2.1", "RFC2177"}


def test_login_by_imap_is_a_password() -> None:
    assert faults(IMAP + "C: a3 LOGIN marie secret\nS: a3 OK in\n") == {"ECO.1.2.1"}
    clear = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] x\nC: a1 LOGIN marie secret\nS: a1 NO\n"
    assert faults(clear) == {"ECO.1.0.2", "ECO.1.2.1"}


def test_capabilities_are_asked_for_again_after_starttls() -> None:
    text = IMAP.partition("C: a2")[0] + f"C: a3 AUTHENTICATE XOAUTH2 {token()}\nS: a3 OK in\n"
    assert told(text)["ECO.1.0.2"] == [(Verdict.FAILS, Weight.RECOMMENDED)]


def test_a_refused_token_by_imap() -> None:
    refused = f"C: a3 AUTHENTICATE XOAUTH2 {token('a')}\nS: + {CHALLENGE}\nC:\nS: a3 NO\n"
    assert faults(IMAP + refused + f"C: a4 AUTHENTICATE XOAUTH2 {token('b')}\nS: a4 OK\n") == set()
    assert faults(IMAP + refused + "C: a4 LOGIN marie secret\nS: a4 OK\n") == {"ECO.1.2.1", "ECO.1.2.7"}


def test_a_command_during_idle_fails() -> None:
    assert faults(IMAP + "C: a3 IDLE\nS: + idling\nC: a4 NOOP\nS: a4 BAD\n") == {"RFC2177"}


# ref: ECO.1.2.5
def test_no_secret_is_in_what_is_told() -> None:
    plain = base64.b64encode(b"\0marie\0cheval agrafe pile").decode()
    text = OPENING + auth("XOAUTH2", token("jeton-secret"), REFUSED) + auth("PLAIN", plain)
    text += IMAP + "C: a3 LOGIN marie secret-imap\nS: a3 OK in\n"
    report = examine_transcript(text.encode())
    shown = " ".join(f"{each.place} {each.says} {each.advice}" for each in report.findings) + repr(report)
    for secret in (token("jeton-secret"), "jeton-secret", plain, "marie", "secret-imap"):
        assert secret not in shown


def test_the_given_transcripts_hold() -> None:
    for name in ("smtp-xoauth2.txt", "imap-xoauth2.txt"):
        data = shared("transcripts", name).read_bytes()
        assert is_transcript(data)
        report = examine_transcript(data)
        assert report.checked is Checked.TRANSCRIPT
        assert [each for each in report.findings if each.verdict is Verdict.FAILS] == []


def test_line_ends_of_any_system_are_read() -> None:
    text = OPENING + auth("XOAUTH2", token(), REFUSED) + auth("PLAIN", "AGEAYg==")
    assert told(text.replace("\n", "\r\n")) == told(text)


def test_text_that_is_no_conversation_is_refused() -> None:
    for text in ("", "bonjour", "C: bonjour\nS: au revoir\n"):
        with pytest.raises(Unrecognised, match=NO_CONVERSATION.partition("(")[0]):
            examine_transcript(text.encode())
    with pytest.raises(Unrecognised, match="trop long"):
        examine_transcript(OPENING.encode() + b"C: NOOP\n" * MAX_LINES)
    assert not is_transcript(b"From: a@b.fr\r\nSubject: C: D:\r\n\r\nbonjour")


@given(
    st.lists(
        st.sampled_from(
            OPENING.splitlines()
            + IMAP.splitlines()
            + [
                "C: DONE",
                "C:",
                "S: +",
                "C: a IDLE",
                "C: AUTH",
                "S: 334",
                "S: 334 x",
                "C: a AUTHENTICATE",
                "S: a OK",
                "C: DATA",
                "S: 354",
                "C: MAIL",
                "C: RCPT TO:<> =",
            ]
        ),
        max_size=40,
    )
)
def test_any_order_of_lines_can_be_judged(lines: list[str]) -> None:
    try:
        examine_transcript("\n".join(lines).encode())
    except Unrecognised:
        return
