"""Two sandboxes, two operators: mail both ways over mutual TLS, patients of the first, reports and robots across."""

from __future__ import annotations

import email
import json
import time
import urllib.request
from email import policy
from typing import TYPE_CHECKING

import pytest

from tests.interop.letters import eventually, fetch, find, letter, new_id, received, signed_in
from tests.interop.service import Service
from vaguemestre.demo.patient_space import PatientSpace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

    from tests.interop.service import Bal

pytestmark = pytest.mark.interop

MESSAGES = 100


class Joined(Service):
    """The second sandbox, which takes the authority and the list of the first."""

    def __init__(self, home: Path, first: Path) -> None:
        super().__init__(home)
        self._options += ("--join", str(first))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("two") / "a") as started:
        yield started


@pytest.fixture(scope="module")
def second(first: Service) -> Iterator[Service]:
    with Joined(first.home.with_name("b"), first.home) as started:
        yield started


def reports(service: Service, bal: Bal, address: str) -> list[EmailMessage]:
    """The reports in a box that name this address."""
    with signed_in(service, bal) as client:
        client.select("INBOX", readonly=True)
        _, data = client.search(None, "HEADER", "Content-Type", "multipart/report")
        found = [client.fetch(number.decode(), "(BODY.PEEK[])")[1][0][1] for number in data[0].split()]
    parsed = [email.message_from_bytes(each, policy=policy.default) for each in found]
    return [each for each in parsed if address in each.as_string()]


def status(report: EmailMessage) -> str:
    part = next(each for each in report.walk() if each.get_content_type() == "message/delivery-status")
    return str(part.get_payload()[1]["Status"])


def test_the_second_has_its_own_domains_and_no_patients(first: Service, second: Service) -> None:
    ours, theirs = first.described, second.described
    assert "hopital-demo-b.mssante.fr" in theirs["domains"]
    assert not set(ours["domains"]) & set(theirs["domains"])
    assert theirs["patient_domain"] == ours["patient_domain"]
    assert theirs["patients"] == []
    assert theirs["ca_file"] == ours["ca_file"]
    assert {bal["address"].partition("@")[2] for bal in theirs["bals"]} <= set(theirs["domains"])


def test_a_conversation_goes_both_ways(first: Service, second: Service) -> None:
    here, there = first.bal(0), second.bal(1)
    question, answer = new_id(), new_id()
    first.send(here, there.address, letter(here.address, there.address, message_id=question))
    eventually(lambda: len(received(second, there, question)) == 1, "the question is at the second")
    (copy,) = received(second, there, question)
    header = copy.partition(b"\r\n\r\n")[0]
    assert f"Return-Path: <{here.address}>".encode() in header
    assert b"with ESMTPS id" in header
    assert b"with ESMTPSA id" in header

    reply = letter(there.address, here.address, message_id=answer)
    second.send(there, here.address, f"In-Reply-To: {question}\r\n".encode() + reply)
    eventually(lambda: len(received(first, here, answer)) == 1, "the answer is at the first")


def test_one_message_reaches_boxes_of_both(first: Service, second: Service) -> None:
    sender, near, far, message_id = first.bal(0), first.bal(2), second.bal(2), new_id()
    with first.submission(sender) as smtp:
        content = letter(sender.address, near.address, message_id=message_id)
        assert smtp.sendmail(sender.address, [near.address, far.address], content) == {}
    assert len(received(first, near, message_id)) == 1
    eventually(lambda: len(received(second, far, message_id)) == 1, "the copy is at the second")


def test_a_professional_of_the_second_writes_to_a_patient_who_answers_on_the_page(
    first: Service, second: Service
) -> None:
    doctor, patient = second.bals("PER")[0], first.patients()[0]
    message_id, subject = new_id(), f"Ordonnance {new_id()[1:9]}"
    second.send(
        doctor,
        patient.address,
        letter(doctor.address, patient.address, message_id=message_id, subject=subject),
    )
    space = PatientSpace(first, patient)  # type: ignore[arg-type]
    try:
        eventually(
            lambda: space.page("/patient/conversations").link(subject) is not None,
            "the patient sees the message",
        )
        form = space.form(subject, "/messages", "la zone de réponse")
        assert space.send(form, {"text": "Merci docteur.\n"}).status_code == 303
    finally:
        space.close()

    def answers() -> list[str]:
        with signed_in(second, doctor) as client:
            client.select("INBOX", readonly=True)
            _, data = client.uid("SEARCH", "HEADER", "In-Reply-To", f'"{message_id}"')
            return (data[0] or b"").decode().split()

    eventually(lambda: len(answers()) == 1, "the patient's answer is at the second")
    with signed_in(second, doctor) as client:
        client.select("INBOX", readonly=True)
        answer = email.message_from_bytes(fetch(client, answers()[0]), policy=policy.default)
    assert patient.address in str(answer["From"])
    assert "Merci docteur." in answer.get_body(("plain",)).get_content()


def test_who_is_unknown_at_the_other_is_told_in_french(first: Service, second: Service) -> None:
    sender = second.bal(0)
    for unknown in (
        f"personne@{first.described['domains'][0]}",
        f"199129999999934@{first.described['patient_domain']}",
    ):
        second.send(sender, unknown, letter(sender.address, unknown, message_id=new_id()))
        eventually(lambda it=unknown: len(reports(second, sender, it)) == 1, "the report is in the box")
        (report,) = reports(second, sender, unknown)
        assert status(report) == "5.1.1"
        assert str(report["Return-Path"]).strip() == "<>"
        told = report.get_body(("plain",)).get_content()
        assert "Aucune boîte" in told or "Patient non trouvé" in told or "a refusé" in told, told


def test_a_success_is_reported_across(first: Service, second: Service) -> None:
    sender, recipient = second.bal(1), first.bal(1)
    with second.submission(sender) as smtp:
        content = letter(sender.address, recipient.address, message_id=new_id())
        smtp.sendmail(
            sender.address, [recipient.address], content, ["ENVID=deux-1", "RET=HDRS"], ["NOTIFY=SUCCESS"]
        )
    eventually(lambda: len(reports(second, sender, "deux-1")) == 1, "the report of success has come back")
    (report,) = reports(second, sender, "deux-1")
    part = next(each for each in report.walk() if each.get_content_type() == "message/delivery-status")
    assert part.get_payload()[0]["Original-Envelope-Id"] == "deux-1"
    assert part.get_payload()[1]["Action"] == "delivered"


def test_the_robot_of_the_other_answers_once(first: Service, second: Service) -> None:
    sender = second.bal(2)
    for number, domain in enumerate((first.described["domains"][0], first.described["patient_domain"])):
        message_id = new_id()
        robot = f"reponse.automatique-test@{domain}"
        second.send(sender, robot, letter(sender.address, robot, message_id=message_id))

        def answers(to: str = message_id) -> int:
            with signed_in(second, sender) as client:
                client.select("INBOX", readonly=True)
                _, data = client.uid("SEARCH", "HEADER", "In-Reply-To", f'"{to}"')
                return len((data[0] or b"").split())

        eventually(lambda: answers() >= 1, f"the answer of robot {number} has come")
        assert answers() == 1


def test_a_domain_of_nobody_is_refused_at_once(second: Service) -> None:
    sender = second.bal(0)
    with second.submission(sender) as smtp:
        smtp.mail(sender.address)
        code, text = smtp.rcpt("docteur@cabinet-inconnu.mssante.fr")
    assert code == 550
    assert b"MSS-1" in text


def test_they_still_know_each_other_after_both_started_again(first: Service, second: Service) -> None:
    here, there, message_id = first.bal(0), second.bal(0), new_id()
    assert second.stop() == 0
    # While the second is away, its mail waits.
    first.send(here, there.address, letter(here.address, there.address, message_id=message_id))
    assert first.stop() == 0
    first.start()
    second.start()
    eventually(lambda: len(received(second, there, message_id)) == 1, "what waited has arrived", 60)


def metric(service: Service, name: str) -> float:
    with urllib.request.urlopen(f"{service.url}/metrics", context=service.tls(), timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def test_a_hundred_messages_cross_in_seconds_and_are_counted(first: Service, second: Service) -> None:
    sender, recipient = second.bal(0), first.bal(3)
    before = metric(second, "vaguemestre_outbound_recipients_total")
    ids = [new_id() for _ in range(MESSAGES)]
    began = time.monotonic()
    with second.submission(sender) as smtp:
        for message_id in ids:
            content = letter(sender.address, recipient.address, message_id=message_id)
            smtp.sendmail(sender.address, [recipient.address], content)

    def crossed() -> int:
        with signed_in(first, recipient) as client:
            return len(find(client, ids[-1])) and int(client.select("INBOX", readonly=True)[1][0])

    eventually(lambda: crossed() >= MESSAGES, "all have crossed")
    print(f"{MESSAGES} messages from one operator to the other in {time.monotonic() - began:.1f} s")
    with signed_in(first, recipient) as client:
        assert all(len(find(client, message_id)) == 1 for message_id in ids[:: MESSAGES // 10])
    assert metric(second, "vaguemestre_outbound_recipients_total") - before >= MESSAGES


def test_the_matrix_holds_at_both(first: Service, second: Service) -> None:
    for service in (first, second):
        done = service.command("check-peers", "--json")
        verdicts = json.loads(done.stdout)
        assert [each for each in verdicts if not each["holds"]] == [], done.stderr
