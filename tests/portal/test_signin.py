"""Signing in and out, and everything that must not open the door."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from directory.patients import PatientState, set_patient_state
from foundation.trail import trail
from mailserver.signin import brake
from portal.sessions import COOKIE
from portal.tables import portal_session
from tests.portal.house import ORIGIN, SOMEBODY_ELSE, House, address_of, form_token, sign_in

if TYPE_CHECKING:
    import httpx2


def trail_rows(house: House) -> list[tuple[str, str]]:
    return [
        (row.action, row.outcome)
        for row in house.place.database.read_now(
            lambda connection: connection.execute(select(trail).order_by(trail.c.seq)).all()
        )
        if row.action.startswith(("signin.", "patient."))
    ]


def cookie_of(answer: httpx2.Response) -> str:
    return answer.headers.get("set-cookie", "")


async def test_the_front_page_is_the_sign_in_form(house: House) -> None:
    page = await house.browser().get("/")
    assert page.status_code == 200
    assert 'action="/session"' in page.text
    assert 'name="username"' in page.text
    assert 'name="password"' in page.text
    assert '<html lang="fr">' in page.text


@pytest.mark.parametrize("spelling", ["ins", "lower", "address", "spaced", "upper address"])
async def test_a_patient_signs_in_by_ins_or_address_in_any_case(house: House, spelling: str) -> None:
    patient = await house.patient()
    username = {
        "ins": patient.ins,
        "lower": f"  {patient.ins.lower()} ",
        "address": address_of(patient),
        "upper address": address_of(patient).upper(),
        "spaced": f"{patient.ins[0]} {patient.ins[1:13]} {patient.ins[13:]}",
    }[spelling]
    answer = await sign_in(house.browser(), username)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/patient/conversations"
    cookie = cookie_of(answer)
    assert cookie.startswith("__Host-")
    for attribute in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie
    assert trail_rows(house) == [("signin.accepted", "accepted")]


async def test_only_a_hash_of_the_token_is_stored(house: House) -> None:
    browser = await house.signed_in(await house.patient())
    token = browser.cookies[COOKIE]
    stored = house.place.database.read_now(
        lambda connection: connection.execute(select(portal_session.c.token_hash)).scalars().all()
    )
    assert len(stored) == 1
    assert token not in stored[0]
    assert (await house.browser().get("/patient/conversations")).status_code == 303
    with_hash = await house.browser().get(
        "/patient/conversations", headers={"cookie": f"{COOKIE}={stored[0]}"}
    )
    assert with_hash.status_code == 303


async def test_a_wrong_password_and_an_unknown_account_get_the_same_answer(house: House) -> None:
    patient = await house.patient()
    wrong = await sign_in(house.browser(), patient.ins, "faux")
    unknown = await sign_in(house.browser("192.0.2.8"), "299999999999999", "faux")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace(patient.ins, "X") == unknown.text.replace("299999999999999", "X")
    assert "incorrect" in wrong.text
    assert not cookie_of(wrong)
    assert house.pauses.seconds == [0.5, 0.5]
    assert trail_rows(house) == [("signin.refused", "wrong_password")] * 2


@pytest.mark.parametrize(
    "fields", [{}, {"username": "x"}, {"password": "x"}, {"username": "", "password": ""}]
)
async def test_missing_fields_are_a_wrong_password(house: House, fields: dict[str, str]) -> None:
    assert (await house.browser().post("/session", data=fields)).status_code in (400, 401)


@pytest.mark.parametrize(
    "password", ["\x00", "é" * 2000, "\ud83d\ude00", "' OR 1=1 --"], ids=["nul", "long", "emoji", "sql"]
)
async def test_strange_passwords_are_only_wrong(house: House, password: str) -> None:
    patient = await house.patient()
    password = password.encode("utf-16", "surrogatepass").decode("utf-16")
    assert (await sign_in(house.browser(), patient.ins, password)).status_code == 401


async def test_what_was_typed_comes_back_escaped(house: House) -> None:
    page = await sign_in(house.browser(), '"><script>alert(1)</script>', "x")
    assert page.status_code == 401
    assert "<script>alert" not in page.text


async def test_five_wrong_passwords_lock_the_pair_of_account_and_address(house: House) -> None:
    patient = await house.patient()
    browser = house.browser()
    for _ in range(brake.FAILURES_OF_A_PAIR):
        assert (await sign_in(browser, patient.ins, "faux")).status_code == 401
    assert house.pauses.seconds == [0.5, 1.0, 2.0, 4.0, 4.0]
    locked = await sign_in(browser, address_of(patient))
    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) == 900
    assert "Trop d’essais" in locked.text
    # The person at home is not locked out by a guesser elsewhere.
    assert (await sign_in(house.browser("198.51.100.9"), patient.ins)).status_code == 303
    house.clock.advance(timedelta(minutes=15, seconds=1))
    assert (await sign_in(browser, patient.ins)).status_code == 303


async def test_an_unknown_account_locks_like_any_other(house: House) -> None:
    browser = house.browser()
    for _ in range(brake.FAILURES_OF_A_PAIR):
        assert (await sign_in(browser, "personne", "faux")).status_code == 401
    assert (await sign_in(browser, "personne", "faux")).status_code == 429


async def test_guesses_in_parallel_count_before_they_are_judged(house: House) -> None:
    patient = await house.patient()
    browser = house.browser()
    answers = await asyncio.gather(*(sign_in(browser, patient.ins, f"faux{number}") for number in range(12)))
    heard = [answer for answer in answers if answer.status_code == 401]
    assert len(heard) == brake.FAILURES_OF_A_PAIR


async def test_guesses_from_many_addresses_leave_each_further_one_a_single_guess(house: House) -> None:
    patient = await house.patient()
    for number in range(brake.FAILURES_OF_AN_ACCOUNT):
        assert (await sign_in(house.browser(f"198.51.100.{number}"), patient.ins, "x")).status_code == 401
    guesser = house.browser("203.0.113.1")
    assert (await sign_in(guesser, patient.ins, "x")).status_code == 401
    assert (await sign_in(guesser, patient.ins)).status_code == 429
    # The patient, elsewhere, is not kept out.
    assert (await sign_in(house.browser("203.0.113.2"), patient.ins)).status_code == 303


async def test_one_address_against_many_accounts_is_locked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brake, "FAILURES_OF_A_PEER", 8)
    patient = await house.patient()
    browser = house.browser()
    for number in range(8):
        # The right password of one account buys no more guesses at others.
        assert (await sign_in(browser, patient.ins)).status_code == 303
        assert (await sign_in(browser, f"compte{number}", "x")).status_code == 401
    assert (await sign_in(browser, "encore", "x")).status_code == 429
    assert (await sign_in(house.browser("203.0.113.1"), "encore", "x")).status_code == 401


async def test_the_right_password_forgets_the_slips(house: House) -> None:
    patient = await house.patient()
    browser = house.browser()
    for _ in range(3):
        for _ in range(brake.FAILURES_OF_A_PAIR - 1):
            await sign_in(browser, patient.ins, "faux")
        assert (await sign_in(browser, patient.ins)).status_code == 303


async def test_attempts_are_stored_without_names_and_swept(house: House) -> None:
    patient = await house.patient()
    await sign_in(house.browser(), patient.ins, "faux")

    def stored() -> list[str]:
        return house.place.database.read_now(
            lambda connection: list(connection.execute(select(brake.signin_failure.c.key)).scalars())
        )

    before = stored()
    assert len(before) == 3
    assert all(patient.ins not in key and "192.0.2.7" not in key for key in before)
    house.clock.advance(timedelta(minutes=16))
    await sign_in(house.browser("203.0.113.1"), "autre", "faux")
    assert not set(before) & set(stored())


@pytest.mark.parametrize(
    ("state", "word"), [(PatientState.OPPOSED, "opposé"), (PatientState.CLOSED, "fermé")]
)
async def test_who_opposed_or_closed_is_told_so_but_only_after_the_right_password(
    house: House, state: str, word: str
) -> None:
    patient = await house.patient(state=state)
    wrong = await sign_in(house.browser(), patient.ins, "faux")
    assert wrong.status_code == 401
    assert word not in wrong.text
    right = await sign_in(house.browser(), patient.ins)
    assert right.status_code == 403
    assert word in right.text
    assert not cookie_of(right)
    assert house.again(patient).state == state


async def test_the_first_sign_in_activates_and_the_mail_that_waited_is_there(house: House) -> None:
    patient = await house.patient(state=PatientState.NOT_ACTIVATED)
    await house.write(await house.doctor(), patient, subject="Votre rendez-vous")
    browser = await house.signed_in(patient)
    assert house.again(patient).state is PatientState.ACTIVATED
    assert trail_rows(house) == [("patient.activated", "activated"), ("signin.accepted", "accepted")]
    assert "Votre rendez-vous" in (await browser.get("/patient/conversations")).text
    await house.signed_in(patient)
    assert trail_rows(house).count(("patient.activated", "activated")) == 1


@pytest.mark.parametrize("origin", ["https://ailleurs.test", "null", "http://portail.test"])
async def test_another_site_cannot_sign_somebody_in(house: House, origin: str) -> None:
    patient = await house.patient()
    answer = await sign_in(house.browser(), patient.ins, origin=origin)
    assert answer.status_code == 403
    assert not cookie_of(answer)


async def test_a_script_without_origin_and_our_own_page_may_post(house: House) -> None:
    patient = await house.patient()
    assert (await sign_in(house.browser(), patient.ins)).status_code == 303
    assert (await sign_in(house.browser(), patient.ins, origin=ORIGIN)).status_code == 303
    foreign = {"sec-fetch-site": "cross-site"}
    assert (await sign_in(house.browser(), patient.ins, **foreign)).status_code == 403


async def test_signing_out_ends_the_session_on_the_server(house: House) -> None:
    browser = await house.signed_in(await house.patient())
    token = browser.cookies[COOKIE]
    answer = await browser.post("/session/end", data={"csrf": await form_token(browser)})
    assert answer.status_code == 303
    assert COOKIE not in browser.cookies
    again = await house.browser().get("/patient/conversations", headers={"cookie": f"{COOKIE}={token}"})
    assert again.status_code == 303


async def test_signing_out_needs_the_token_of_the_page(house: House) -> None:
    browser = await house.signed_in(await house.patient())
    assert (await browser.post("/session/end")).status_code == 400
    assert (await browser.post("/session/end", data={"csrf": ""})).status_code == 403
    assert (await browser.post("/session/end", data={"csrf": "é" * 64})).status_code == 403
    assert (await browser.get("/patient/conversations")).status_code == 200


async def test_the_token_of_another_session_opens_no_form(house: House) -> None:
    one = await house.signed_in(await house.patient())
    other = await house.signed_in(await house.patient(SOMEBODY_ELSE))
    answer = await one.post("/session/end", data={"csrf": await form_token(other)})
    assert answer.status_code == 403


# ref: IE.58
async def test_a_session_ends_after_half_an_hour_unused(house: House) -> None:
    browser = await house.signed_in(await house.patient())
    for _ in range(4):
        house.clock.advance(timedelta(minutes=29))
        assert (await browser.get("/patient/conversations")).status_code == 200
    house.clock.advance(timedelta(minutes=30))
    answer = await browser.get("/patient/conversations")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?motif=session")
    assert "session a pris fin" in (await browser.get("/?motif=session")).text


async def test_a_session_ends_after_twelve_hours_in_use(house: House) -> None:
    browser = await house.signed_in(await house.patient())
    for _ in range(35):
        house.clock.advance(timedelta(minutes=20))
        assert (await browser.get("/patient/conversations")).status_code == 200
    house.clock.advance(timedelta(minutes=20))
    assert (await browser.get("/patient/conversations")).status_code == 303


async def test_what_a_script_fetches_does_not_keep_a_session_alive(house: House) -> None:
    browser = await house.signed_in(await house.patient())
    house.clock.advance(timedelta(minutes=20))
    assert (await browser.get("/patient/conversations/fragment")).status_code == 200
    house.clock.advance(timedelta(minutes=10))
    assert (await browser.get("/patient/conversations/fragment")).status_code == 303


async def test_a_second_sign_in_gets_a_new_token_and_ends_the_old_one(house: House) -> None:
    patient = await house.patient()
    browser = await house.signed_in(patient)
    first = browser.cookies[COOKIE]
    await sign_in(browser, patient.ins)
    assert browser.cookies[COOKIE] != first
    old = await house.browser().get("/patient/conversations", headers={"cookie": f"{COOKIE}={first}"})
    assert old.status_code == 303


async def test_a_box_that_is_closed_closes_its_open_sessions(house: House) -> None:
    patient = await house.patient()
    browser = await house.signed_in(patient)
    await house.place.database.write(
        lambda uow: set_patient_state(uow, patient.ins, PatientState.CLOSED, house.clock.millis())
    )
    assert (await browser.get("/patient/conversations")).status_code == 303


@pytest.mark.parametrize(
    "token", ["", "x", "x" * 43, "é" * 43, "x" * 5000, "'; DROP TABLE portal_session; --"]
)
async def test_an_invented_cookie_opens_nothing(house: House, token: str) -> None:
    raw = f"{COOKIE}={token}".encode("latin-1", "replace")
    answer = await house.browser().get("/patient/conversations", headers={b"cookie": raw})
    assert answer.status_code == 303


@pytest.mark.parametrize("path", ["/patient", "/patient/", "/patient/documents", "/patient/conversations/1"])
async def test_every_page_of_a_patient_asks_to_sign_in(house: House, path: str) -> None:
    answer = await house.browser().get(path, follow_redirects=True)
    assert str(answer.url).startswith(f"{ORIGIN}/")
    assert 'action="/session"' in answer.text


async def test_who_is_signed_in_is_led_to_the_messages(house: House) -> None:
    browser = await house.signed_in(await house.patient())
    assert (await browser.get("/")).headers["location"] == "/patient/conversations"
    assert (await browser.get("/patient/")).headers["location"] == "/patient/conversations"
