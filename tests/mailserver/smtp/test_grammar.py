from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.smtp.grammar import (
    BodyType,
    Fault,
    MailCommand,
    RcptCommand,
    domain_to_ascii,
    parse_helo,
    parse_mail,
    parse_rcpt,
)


def sender(path: str, *, utf8: bool = True) -> str | Fault:
    command = parse_mail(f"FROM:{path}" + (" SMTPUTF8" if utf8 else ""))
    return command if isinstance(command, Fault) else command.sender


def recipient(path: str) -> str | Fault:
    command = parse_rcpt(f"TO:{path}", utf8=True)
    return command if isinstance(command, Fault) else command.recipient


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("<>", ""),
        ("<anne@hopital.mssante.fr>", "anne@hopital.mssante.fr"),
        ("<Anne.Martin@HOPITAL.MSSante.FR>", "Anne.Martin@hopital.mssante.fr"),
        (" <a@b.fr>", "a@b.fr"),
        ("<a+b=c/d@b.fr>", "a+b=c/d@b.fr"),
        ('<"anne martin"@b.fr>', '"anne martin"@b.fr'),
        ('<"anne"@b.fr>', "anne@b.fr"),
        ('<"an\\ne"@b.fr>', "anne@b.fr"),
        ("<élise@hôpital.fr>", "élise@xn--hpital-ixa.fr"),
        ("<élise@HÔPITAL.fr>", "élise@xn--hpital-ixa.fr"),
        ("<e\u0301lise@b.fr>", "élise@b.fr"),
        ("<a@xn--hpital-ixa.fr>", "a@xn--hpital-ixa.fr"),
    ],
)
def test_it_reads_a_path(path: str, address: str) -> None:
    assert sender(path) == address


@pytest.mark.parametrize(
    "path",
    [
        "<=?utf-8?q?a=0d=0aRCPT=20TO:_x?=@c.fr>",
        "<=?utf-8?q?abc?=@c.fr>",
        "<u@=?utf-8?q?hopital.mssante.fr?=>",
        "<@relay.fr:u@c.fr>",
        "<@relay.fr,@other.fr:u@c.fr>",
        "<u(comment)@c.fr>",
        "<u@c.fr(comment)>",
        "<u@[127.0.0.1]>",
        "<u@[IPv6:::1]>",
        "<u>",
        "<u@>",
        "<@c.fr>",
        "<u@c..fr>",
        "<u@-c.fr>",
        "<u@c-.fr>",
        "<u@c_d.fr>",
        "<u@c.fr.>",
        "<.u@c.fr>",
        "<u.@c.fr>",
        "<u..v@c.fr>",
        '<""@c.fr>',
        '<"a"b@c.fr>',
        '<"a\\\r"@c.fr>',
        "<a b@c.fr>",
        "<a,b@c.fr>",
        "<u@xn--zzzzzzz--9.fr>",
        f"<{'u' * 65}@c.fr>",
        f"<{'é' * 33}@c.fr>",
        f"<u@{'c' * 64}.fr>",
        f"<u@{'.'.join(['c' * 60] * 5)}>",
    ],
)
def test_it_refuses_a_path_that_no_mailbox_has(path: str) -> None:
    assert sender(path) is Fault.ADDRESS


@pytest.mark.parametrize(
    "path",
    [
        "<u\u202ev@c.fr>",  # right-to-left override
        "<u\u200bv@c.fr>",  # zero width space
        "<u\u2066@c.fr>",  # left-to-right isolate
        "<u\ufeff@c.fr>",
        "<u\u0085@c.fr>",
        "<u\u00a0v@c.fr>",
        "<u\uff20c@c.fr>",  # fullwidth @
        "<\uff55@c.fr>",  # fullwidth u
        "<u\ufb01@c.fr>",  # ligature fi
        "<u@c\u3002fr>",  # ideographic full stop
        "<u@c\uff0efr>",  # fullwidth full stop
        "<u@\u202ec.fr>",
        "<u@c\u200d.fr>",
        "<u@☃.fr>",
        "<u\U000e0001@c.fr>",  # language tag
        "<u\ue000@c.fr>",  # private use
    ],
)
def test_it_refuses_unicode_that_looks_like_something_else(path: str) -> None:
    assert sender(path) is Fault.ADDRESS


def test_a_cyrillic_homograph_of_a_domain_is_another_domain() -> None:
    assert sender("<u@hopitа\u043b.mssante.fr>") != "u@hopital.mssante.fr"
    assert domain_to_ascii("m\u0455\u0455ante.fr") == "xn--mante-h2ea.fr"


def test_unicode_needs_smtputf8() -> None:
    assert sender("<élise@b.fr>", utf8=False) is Fault.NEEDS_SMTPUTF8
    assert parse_rcpt("TO:<élise@b.fr>", utf8=False) is Fault.NEEDS_SMTPUTF8


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "FROM",
        "FROM:",
        "FROM:a@b.fr",
        "FROM:<a@b.fr",
        "FROM:<a@b.fr>SIZE=1",
        "TO:<a@b.fr>",
        "FROM:<a@b.fr>>",
    ],
)
def test_it_refuses_what_is_no_mail_argument(argument: str) -> None:
    assert parse_mail(argument) is Fault.SYNTAX


def test_it_reads_every_parameter_of_mail_and_keeps_the_case_of_values() -> None:
    assert parse_mail("from:<a@b.fr> size=100 body=8bitmime SMTPUTF8 Ret=hdrs ENVID=AbC+2B1 AUTH=<>") == (
        MailCommand("a@b.fr", 100, BodyType.EIGHT_BIT, utf8=True, ret="HDRS", envid="AbC+2B1")
    )


@pytest.mark.parametrize(
    "parameter",
    [
        "SIZE=x",
        "SIZE=-1",
        "SIZE=١",
        "SIZE=" + "9" * 21,
        "SIZE",
        "BODY=BINARYMIME",
        "SMTPUTF8=1",
        "RET=SOME",
        "ENVID=a+2b",
        "ENVID=a+0D+0Ab",
        "ENVID=a+7F",
        "ENVID=a+E9",
        "ENVID=" + "a" * 101,
        "SIZE=1 SIZE=2",
    ],
)
def test_it_refuses_a_wrong_parameter(parameter: str) -> None:
    assert parse_mail(f"FROM:<a@b.fr> {parameter}") is Fault.PARAMETER


def test_it_refuses_an_unknown_parameter() -> None:
    assert parse_mail("FROM:<a@b.fr> XFOO=1") is Fault.UNKNOWN_PARAMETER
    assert parse_rcpt("TO:<a@b.fr> SIZE=1", utf8=False) is Fault.UNKNOWN_PARAMETER


def test_it_reads_notification_parameters_of_a_recipient() -> None:
    command = parse_rcpt("TO:<c@b.fr> NOTIFY=success,FAILURE ORCPT=rfc822;Bob+2Bx@B.fr", utf8=False)
    assert command == RcptCommand("c@b.fr", frozenset({"SUCCESS", "FAILURE"}), "rfc822;Bob+2Bx@B.fr")


@pytest.mark.parametrize(
    "original",
    [
        "rfc822;bob@b.fr",
        "RFC822;a+20b@c.fr",
        "x400;/C+3Dfr/O+3Dx/",
        "utf-8;bob@b.fr",
        "utf-8;\\x{E9}lise@b.fr",
        "UTF-8;élise@b.fr",
    ],
)
def test_the_original_recipient_is_kept_as_written(original: str) -> None:
    command = parse_rcpt(f"TO:<c@b.fr> ORCPT={original}", utf8=True)
    assert isinstance(command, RcptCommand)
    assert command.orcpt == original


def test_a_unicode_original_recipient_needs_smtputf8() -> None:
    assert parse_rcpt("TO:<c@b.fr> ORCPT=utf-8;élise@b.fr", utf8=False) is Fault.PARAMETER


@pytest.mark.parametrize(
    "parameter",
    [
        "NOTIFY=NEVER,SUCCESS",
        "NOTIFY=LATER",
        "NOTIFY=",
        "ORCPT=nothing",
        "ORCPT=rfc822;",
        "ORCPT=rfc822;a+0D+0AX:@b.fr",
        "ORCPT=rfc822;a+0a@b.fr",
        "ORCPT=rfc822;a+b@c.fr",
        "ORCPT=rfc822;élise@b.fr",
        "ORCPT=utf-8;a\u202eb@c.fr",
        "ORCPT=utf-8;a+2B@c.fr",
        "ORCPT=utf-8;a\\x{0D}\\x{0a}@c.fr",
        "ORCPT=utf-8;a\\x{7F}@c.fr",
        "ORCPT=rfc822;" + "a" * 500,
    ],
)
def test_it_refuses_wrong_notification_parameters(parameter: str) -> None:
    assert parse_rcpt(f"TO:<c@b.fr> {parameter}", utf8=False) in {Fault.PARAMETER, Fault.SYNTAX}


@pytest.mark.parametrize(
    "path", ["<>", "<u%other.fr@c.fr>", "<other.fr!u@c.fr>", '<"u@other.fr"@c.fr>', "<@r.fr:u@c.fr>"]
)
def test_it_refuses_a_recipient_that_asks_to_be_routed_on(path: str) -> None:
    assert recipient(path) is Fault.ADDRESS


def test_postmaster_needs_no_domain() -> None:
    assert recipient("<Postmaster>") == "postmaster"


@pytest.mark.parametrize("name", ["client.example", "[127.0.0.1]", "[IPv6:2001:db8::1]", "PC-12"])
def test_it_takes_the_name_of_a_client(name: str) -> None:
    assert parse_helo(name) == name


@pytest.mark.parametrize("name", ["", "a b", "x\r\ny", "(comment)", "é.fr", "a" * 256, "<script>"])
def test_it_refuses_a_name_that_is_not_fit_for_received(name: str) -> None:
    assert parse_helo(name) is None


@given(st.text(max_size=60))
def test_no_text_makes_a_path_with_a_control_or_a_space_outside_quotes(text: str) -> None:
    address = sender(f"<{text}@b.fr>")
    if not isinstance(address, Fault) and not address.startswith('"'):
        assert address.isprintable()
        assert not set(address) & set(' <>()[],;:\\"')


@pytest.mark.parametrize(
    "path",
    [
        "<" + "a." * 4000,
        '<"' + "\\a" * 4000,
        "<" + "a" * 8000 + "@",
        '<"' + '"' * 8000,
        "<" * 8000,
        "<a@" + "b-" * 4000,
    ],
)
def test_a_hostile_path_takes_linear_time(path: str) -> None:
    began = time.process_time()
    assert isinstance(parse_mail(f"FROM:{path}"), Fault)
    assert time.process_time() - began < 0.1
