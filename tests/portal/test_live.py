"""The stream of wake-ups behind a live page."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from portal import sessions
from portal.live import STREAMS_OF_A_SESSION, STREAMS_OF_AN_OWNER, Live
from portal.sessions import COOKIE
from tests.portal.house import SOMEBODY_ELSE, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.responses import Response
    from starlette.types import Message

    from directory.patients import Patient
    from foundation.events import Events
    from portal.context import Visit

NEVER = 3600.0
AT_ONCE = 0.001


async def visit(house: House, patient: Patient) -> Visit:
    browser = await house.signed_in(patient)
    found = house.context.visit(browser.cookies[COOKIE])
    assert found is not None
    return found


async def after(stream: AsyncIterator[bytes], *topics: str, events: Events) -> bytes:
    """What the stream says once these topics were published while it waits."""
    waiting = asyncio.ensure_future(anext(stream))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    for topic in topics:
        events.publish(topic)
    return await asyncio.wait_for(waiting, 5)


async def test_a_new_message_wakes_the_stream(house: House, events: Events) -> None:
    patient = await house.patient()
    doctor = await house.doctor()
    live = Live(house.context, heartbeat=NEVER)
    stream = live.stream(await visit(house, patient))
    assert (await anext(stream)).startswith(b"retry:")
    waiting = asyncio.ensure_future(anext(stream))
    await house.write(doctor, patient, subject="Sujet intime")
    said = await asyncio.wait_for(waiting, 5)
    assert said == b"event: change\ndata:\n\n"
    await stream.aclose()


async def test_silence_is_filled_with_comments(house: House) -> None:
    live = Live(house.context, heartbeat=AT_ONCE)
    stream = live.stream(await visit(house, await house.patient()))
    await anext(stream)
    assert (await anext(stream)).startswith(b":")
    await stream.aclose()


async def test_what_is_new_for_somebody_else_wakes_nobody(house: House, events: Events) -> None:
    patient, other = await house.patient(), await house.patient(SOMEBODY_ELSE)
    live = Live(house.context, heartbeat=NEVER)
    stream = live.stream(await visit(house, patient))
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    events.publish(f"owner:{other.owner_id}")
    await asyncio.sleep(0)
    assert not waiting.done()
    events.publish(f"owner:{patient.owner_id}")
    assert (await asyncio.wait_for(waiting, 5)).startswith(b"event: change")
    await stream.aclose()


@pytest.mark.parametrize("reason", ["idle", "signed out"])
async def test_the_stream_ends_with_the_session(house: House, events: Events, reason: str) -> None:
    patient = await house.patient()
    who = await visit(house, patient)
    live = Live(house.context, heartbeat=NEVER)
    stream = live.stream(who)
    await anext(stream)
    if reason == "idle":
        house.clock.advance(timedelta(minutes=30))
    else:
        await house.place.database.write(lambda uow: sessions.end(uow, who.session.token))
    assert await after(stream, f"owner:{patient.owner_id}", events=events) == b"event: end\ndata:\n\n"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_server_that_stops_is_not_held_up(house: House) -> None:
    live = Live(house.context, heartbeat=NEVER)
    stream = live.stream(await visit(house, await house.patient()))
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    live.close()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(waiting, 5)


class Gone(Exception):
    """The browser went away."""


async def run(answer: Response) -> None:
    """A connection that breaks at the first byte."""

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        raise Gone

    with contextlib.suppress(Gone, BaseExceptionGroup):
        await answer({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)


async def test_a_session_has_a_bounded_number_of_streams_before_any_of_them_starts(house: House) -> None:
    who = await visit(house, await house.patient())
    live = Live(house.context, heartbeat=NEVER)
    request = Request({"type": "http", "headers": []})
    answers = [await live.answer(request, who) for _ in range(STREAMS_OF_A_SESSION)]
    assert live.streams == STREAMS_OF_A_SESSION
    with pytest.raises(HTTPException) as refused:
        await live.answer(request, who)
    assert refused.value.status_code == 429
    await run(answers.pop())
    assert live.streams == STREAMS_OF_A_SESSION - 1
    answers.append(await live.answer(request, who))
    assert answers[-1].media_type == "text/event-stream"
    for answer in answers:
        await run(answer)
    assert live.streams == 0


async def test_an_owner_with_many_sessions_has_a_bounded_number_of_streams_too(house: House) -> None:
    patient = await house.patient()
    live = Live(house.context, heartbeat=NEVER)
    request = Request({"type": "http", "headers": []})
    sessions_needed = -(-STREAMS_OF_AN_OWNER // STREAMS_OF_A_SESSION)
    visits = [await visit(house, patient) for _ in range(sessions_needed + 1)]
    for number in range(STREAMS_OF_AN_OWNER):
        await live.answer(request, visits[number % sessions_needed])
    with pytest.raises(HTTPException) as refused:
        await live.answer(request, visits[-1])
    assert refused.value.status_code == 429
    other = await visit(house, await house.patient(SOMEBODY_ELSE))
    assert (await live.answer(request, other)).status_code == 200
