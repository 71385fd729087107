"""The door for uploads: bounded memory, and one upload of a session at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from portal.door import LIGHT_BYTES, UploadDoor
from portal.pages import SENTENCES

if TYPE_CHECKING:
    from starlette.types import Message

MEGABYTE = 1_000_000
AT_ONCE = 0.001
LONG = 3600.0


class Sending:
    """A browser that sends a body in pieces of one megabyte."""

    def __init__(self, octets: int | None, pieces: int = 0) -> None:
        headers = [] if octets is None else [(b"content-length", str(octets).encode())]
        self.left = pieces
        self.request = Request({"type": "http", "method": "POST", "headers": headers}, self._receive)

    async def _receive(self) -> Message:
        self.left -= 1
        return {"type": "http.request", "body": b"x" * MEGABYTE, "more_body": self.left > 0}


async def test_uploads_share_a_bounded_memory() -> None:
    door = UploadDoor(40 * MEGABYTE, largest=25 * MEGABYTE, patience=AT_ONCE)
    late = Sending(18 * MEGABYTE, pieces=18)
    async with door.entered(Sending(18 * MEGABYTE).request, "a"):
        async with door.entered(Sending(18 * MEGABYTE).request, "b"):
            assert door.free == 4 * MEGABYTE
            with pytest.raises(HTTPException) as refused:
                async with door.entered(late.request, "c"):
                    raise AssertionError
            assert refused.value.status_code == 503
            assert late.left == 0  # read away, so that the browser shows the page
        async with door.entered(Sending(18 * MEGABYTE).request, "c"):
            assert door.free == 4 * MEGABYTE
    assert door.free == 40 * MEGABYTE


async def test_a_body_that_does_not_say_its_length_counts_as_the_largest() -> None:
    door = UploadDoor(40 * MEGABYTE, largest=25 * MEGABYTE)
    async with door.entered(Sending(None).request, "a"):
        assert door.free == 15 * MEGABYTE


async def test_words_alone_wait_for_nobody() -> None:
    door = UploadDoor(MEGABYTE, largest=MEGABYTE, patience=AT_ONCE)
    async with door.entered(Sending(MEGABYTE).request, "a"), door.entered(Sending(LIGHT_BYTES).request, "a"):
        assert door.free == 0


async def test_a_session_sends_one_upload_at_a_time() -> None:
    door = UploadDoor(100 * MEGABYTE, largest=MEGABYTE, patience=AT_ONCE)
    async with door.entered(Sending(MEGABYTE).request, "a"):
        with pytest.raises(HTTPException) as refused:
            async with door.entered(Sending(MEGABYTE, pieces=1).request, "a"):
                raise AssertionError
        assert refused.value.status_code == 503
    async with door.entered(Sending(MEGABYTE).request, "a"):
        assert door.free == 99 * MEGABYTE


async def test_the_second_click_waits_for_the_first() -> None:
    door = UploadDoor(100 * MEGABYTE, largest=MEGABYTE, patience=LONG)
    order: list[str] = []

    async def second() -> None:
        async with door.entered(Sending(MEGABYTE).request, "a"):
            order.append("second")

    async with door.entered(Sending(MEGABYTE).request, "a"):
        waiting = asyncio.ensure_future(second())
        await asyncio.sleep(0)
        order.append("first")
    await asyncio.wait_for(waiting, 5)
    assert order == ["first", "second"]


async def test_large_answers_are_written_one_after_the_other() -> None:
    door = UploadDoor(100 * MEGABYTE, largest=MEGABYTE)
    at_once = most = 0

    async def write() -> None:
        nonlocal at_once, most
        async with door.writing(MEGABYTE):
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1

    await asyncio.gather(*(write() for _ in range(4)))
    assert most == 1


def test_the_page_for_too_many_uploads_says_to_try_again() -> None:
    assert "réessayez" in SENTENCES[503][1]
