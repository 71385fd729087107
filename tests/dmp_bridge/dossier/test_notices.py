from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from directory.bals import BalType, add_bal
from directory.patients import add_representative
from dmp_bridge.dossier import relations
from dmp_bridge.dossier.notices import (
    NOTICE_JOB,
    Addressee,
    NoticeEvent,
    NoticeState,
    leave,
    notices_for,
    notices_of,
)
from dmp_bridge.dossier.preferences import PreferenceRefused, Preferences, preferences_of, set_preferences
from dmp_bridge.dossier.telling import NoticeMail, SmtpCarrier
from foundation import jobs
from foundation.events import Events
from foundation.jobs import Worker
from foundation.settings import from_values
from tests.dmp_bridge.dossier.people import DOCTOR, NURSE, add, as_patient, as_representative, file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from directory.patients import Patient
    from dmp_bridge.dossier.caller import Caller
    from foundation.clock import FixedClock
    from foundation.database import Database, UnitOfWork
    from foundation.jobs import Job
    from foundation.vault import Vault

HOME_ADDRESS = "dominique@exemple.fr"


@pytest.fixture
async def patient(database: Database, vault: Vault, clock: FixedClock) -> Patient:
    return await add(database, vault, clock)


class Post:
    """What was carried, and what MSSanté delivered."""

    def __init__(self, database: Database, clock: FixedClock, home: Path) -> None:
        self.database, self.clock = database, clock
        self.folder = home / "avis"
        self.delivered: list[tuple[str, bytes]] = []
        settings = from_values(home, {"record": {"notice_folder": "avis"}, "hostname": "ici.fr"})
        mail = NoticeMail(database, clock, settings, self._deliver)
        self.worker = Worker(database, Events(), clock, {NOTICE_JOB: mail.send})

    async def _deliver(self, job: Job, to: str, content: bytes) -> Callable[[UnitOfWork], None]:
        del job
        self.delivered.append((to, content))
        return lambda _uow: None

    async def tell(self, patient: Patient, event: NoticeEvent, **more: Any) -> None:
        await self.database.write(
            lambda uow: leave(uow, patient.owner_id, event, now=self.clock.millis(), **more)
        )

    async def mails(self) -> list[str]:
        """The texts of the mails in the folder once all jobs are done; the folder is empty then."""
        await self.worker.drain()
        found = []
        for path in sorted(self.folder.glob("*.eml")):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            found.append(f"{message['To']}: {message.get_content()}")
            path.unlink()
        return found

    async def wish(self, patient: Patient, **wished: Any) -> None:
        preferences = Preferences(**{"email": HOME_ADDRESS, **wished})
        await self.database.write(lambda uow: set_preferences(uow, patient.owner_id, preferences))

    def shown(self, patient: Patient) -> list[NoticeEvent]:
        found = self.database.read_now(lambda c: notices_of(c, patient.owner_id))
        return [each.event for each in found][::-1]


@pytest.fixture
def post(database: Database, clock: FixedClock, tmp_path: Path) -> Post:
    return Post(database, clock, tmp_path)


# ref: DMP-F28
async def test_a_mail_says_that_there_is_something_and_nothing_of_what(post: Post, patient: Patient) -> None:
    await post.wish(patient)
    await post.tell(patient, NoticeEvent.DOCUMENT_ADDED, caller=DOCTOR)
    await post.tell(patient, NoticeEvent.DOCUMENT_ADDED, caller=NURSE)
    await post.tell(patient, NoticeEvent.ACCESS, caller=DOCTOR)
    (mail,) = await post.mails()
    assert mail.startswith(f"{HOME_ADDRESS}: Il y a du nouveau dans votre espace santé :")
    assert mail.count("Un document a été ajouté.") == 1
    assert "Un professionnel a consulté le dossier." in mail
    for secret in (patient.ins, patient.birth_name, "Roy", "Petit", DOCTOR.id):
        assert secret.lower() not in mail.lower()
    assert await post.mails() == []
    assert {each.state for each in post.database.read_now(lambda c: notices_of(c, patient.owner_id))} == {
        NoticeState.SENT
    }


async def test_without_an_address_the_page_alone_tells(post: Post, patient: Patient) -> None:
    await post.tell(patient, NoticeEvent.ACCESS, caller=DOCTOR)
    assert post.database.read_now(jobs.waiting) == 0
    assert post.shown(patient) == [NoticeEvent.ACCESS]


@pytest.mark.parametrize(
    ("event", "wish"),
    [
        (NoticeEvent.DOCUMENT_ADDED, "told_of_documents"),
        (NoticeEvent.DOCUMENT_CHANGED, "told_of_documents"),
        (NoticeEvent.ACCESS, "told_of_access"),
        (NoticeEvent.CONSENT_CHANGED, "told_of_consents"),
    ],
)
async def test_each_wish_stops_its_mails_and_not_the_page(
    post: Post, patient: Patient, event: NoticeEvent, wish: str
) -> None:
    await post.wish(patient, **{wish: False})
    await post.tell(patient, event, caller=DOCTOR)
    assert await post.mails() == []
    assert post.shown(patient) == [event]
    await post.wish(patient, **{wish: True})
    post.clock.advance(timedelta(hours=2))
    await post.tell(patient, event, caller=DOCTOR)
    assert len(await post.mails()) == 1


# ref: DMP-F25
async def test_an_emergency_is_told_whatever_is_wished_and_to_the_attending_doctor(
    post: Post, patient: Patient, vault: Vault
) -> None:
    await post.wish(patient, told_of_access=False, told_of_documents=False, told_of_consents=False)
    attending = replace(DOCTOR, id="899900000037")
    now = post.clock.millis()

    def settle(uow: UnitOfWork) -> None:
        relations.set_attending(uow, patient.owner_id, attending.id, "patient:1", now)
        add_bal(
            uow,
            vault,
            address="mt@medecin.mssante.fr",
            type=BalType.PER,
            name="Dr MT",
            idnat=attending.id,
            password_hash=None,
            now=now,
        )

    await post.database.write(settle)
    await post.tell(patient, NoticeEvent.EMERGENCY_ACCESS, caller=DOCTOR)
    (mail,) = await post.mails()
    assert "en urgence" in mail
    ((to, content),) = post.delivered
    message = message_from_bytes(content, policy=policy.default)
    assert to == message["To"] == "mt@medecin.mssante.fr"
    assert patient.name in message.get_content()
    assert DOCTOR.id in message.get_content()
    assert message["Auto-Submitted"] == "auto-generated"


async def test_an_attending_doctor_without_a_box_here_leaves_the_notice_failed(
    post: Post, patient: Patient
) -> None:
    now = post.clock.millis()
    await post.database.write(
        lambda uow: relations.set_attending(uow, patient.owner_id, "899900000037", "patient:1", now)
    )
    await post.tell(patient, NoticeEvent.EMERGENCY_ACCESS, caller=DOCTOR)
    await post.worker.drain()
    (notice,) = post.database.read_now(
        lambda c: notices_for(c, patient.owner_id, Addressee.ATTENDING, "899900000037")
    )
    assert notice.state is NoticeState.FAILED


async def test_the_attending_doctor_is_not_told_of_the_own_emergency(post: Post, patient: Patient) -> None:
    now = post.clock.millis()
    await post.database.write(
        lambda uow: relations.set_attending(uow, patient.owner_id, DOCTOR.id, "patient:1", now)
    )
    await post.tell(patient, NoticeEvent.EMERGENCY_ACCESS, caller=DOCTOR)
    assert post.database.read_now(jobs.waiting) == 0


async def test_many_reads_of_one_visit_are_one_access(post: Post, patient: Patient) -> None:
    for minutes in (0, 10, 40, 20):
        post.clock.advance(timedelta(minutes=minutes))
        await post.tell(patient, NoticeEvent.ACCESS, caller=DOCTOR)
    await post.tell(patient, NoticeEvent.ACCESS, caller=NURSE)
    assert len(post.shown(patient)) == 3


async def test_the_holder_is_not_told_of_the_own_acts(post: Post, patient: Patient) -> None:
    await post.tell(patient, NoticeEvent.CONSENT_CHANGED, caller=as_patient(patient))
    assert post.shown(patient) == []


# ref: DMP-F18
async def test_a_document_to_be_announced_leaves_no_word(post: Post, patient: Patient, vault: Vault) -> None:
    document_id = await file(post.database, vault, patient, post.clock.millis(), unseen=True)
    await post.tell(patient, NoticeEvent.DOCUMENT_ADDED, caller=DOCTOR, document_id=document_id)
    assert post.shown(patient) == []
    await post.tell(patient, NoticeEvent.ACCESS, caller=DOCTOR, document_id=document_id)
    (notice,) = post.database.read_now(lambda c: notices_of(c, patient.owner_id))
    assert notice.document_id is None


# ref: DMP-F20
@pytest.mark.parametrize("secret", ["document", "connection", "nothing"])
async def test_what_parents_may_not_know_is_told_on_the_page_of_the_minor_alone(
    post: Post, patient: Patient, vault: Vault, clock: FixedClock, secret: str
) -> None:
    child = await add(post.database, vault, clock, "1120599999001", birth_date="2012-05-14")
    await post.database.write(lambda uow: add_representative(uow, child.owner_id, patient.owner_id))
    await post.wish(patient)
    await post.wish(child, email="enfant@exemple.fr")
    caller: Caller = replace(DOCTOR, is_secret=secret == "connection")
    document_id = await file(
        post.database, vault, child, clock.millis(), by_representatives=secret == "document"
    )
    await post.tell(child, NoticeEvent.DOCUMENT_ADDED, caller=caller, document_id=document_id)
    assert post.shown(child) == [NoticeEvent.DOCUMENT_ADDED]
    told = post.database.read_now(
        lambda c: notices_for(c, child.owner_id, Addressee.REPRESENTATIVE, str(patient.owner_id))
    )
    mails = await post.mails()
    if secret == "nothing":
        assert [each.event for each in told] == [NoticeEvent.DOCUMENT_ADDED]
        assert sorted(mail.split(":")[0] for mail in mails) == [HOME_ADDRESS, "enfant@exemple.fr"]
        assert "que vous représentez" in " ".join(mails)
    else:
        assert told == []
        assert mails == []


async def test_a_parent_is_not_told_of_the_own_acts(
    post: Post, patient: Patient, vault: Vault, clock: FixedClock
) -> None:
    child = await add(post.database, vault, clock, "1120599999001", birth_date="2012-05-14")
    await post.database.write(lambda uow: add_representative(uow, child.owner_id, patient.owner_id))
    await post.tell(child, NoticeEvent.CONSENT_CHANGED, caller=as_representative(patient))
    assert post.shown(child) == [NoticeEvent.CONSENT_CHANGED]
    told = notices_for, child.owner_id, Addressee.REPRESENTATIVE, str(patient.owner_id)
    assert post.database.read_now(lambda c: told[0](c, *told[1:])) == []


async def test_wishes_are_kept_and_an_address_that_is_none_is_refused(
    database: Database, patient: Patient
) -> None:
    wished = Preferences(email="A.B@Exemple.FR", told_of_access=False, masks_new_documents=True)
    await database.write(lambda uow: set_preferences(uow, patient.owner_id, wished))
    kept = database.read_now(lambda c: preferences_of(c, patient.owner_id))
    assert kept == replace(wished, email="a.b@exemple.fr")
    assert "exemple" not in repr(kept)
    for wrong in ("no address", "a@b\r\nBcc: x@y.fr", f"{'a' * 60}@{'b.' * 100}fr"):
        with pytest.raises(PreferenceRefused):
            await database.write(
                partial(set_preferences, owner_id=patient.owner_id, wished=Preferences(email=wrong))
            )


def test_a_relay_that_is_not_there_is_tried_again() -> None:
    with pytest.raises(ConnectionRefusedError):
        SmtpCarrier("127.0.0.1:1", "a@b.fr", "ici.fr").carry("c@d.fr", b"", "1")
