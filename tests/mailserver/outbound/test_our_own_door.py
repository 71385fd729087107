"""Mail that leaves here comes in at the door of another operator who runs the same program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.refusals import PEER_REFUSED
from tests.mailserver.outbound.house import OURSELVES, SENDER, House, recipient
from tests.mailserver.place import DOMAIN, letter
from tests.mailserver.smtp.trusted import OURS, Operator, Papers

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_message_arrives_in_the_box_of_the_other_operator(
    house: House, papers: Papers, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    async with Operator.open(papers, tmp_path / "other") as other:
        other.list(OURSELVES, OURS)
        house.enlist(DOMAIN, OURS)
        house.route(DOMAIN, other.port)
        box = await other.place.add("bruno")
        content = b"Return-Path: <x@y>\r\n" + letter(
            SENDER, box.address, body="Bonjour\r\n.\r\n..\r\nBien.\r\n"
        )
        async with house.dispatching():
            await house.queue(recipient(box.address, "SUCCESS", "FAILURE"), content=content, envid="E1")
            await house.tally.reaches("sent", 1)
            await house.queue(f"personne@{DOMAIN}", content=content)
            await house.tally.reaches("bounced", 1, PEER_REFUSED.code)
        (kept,) = await other.place.kept(box.owner_id)
    assert kept.content.endswith(content.partition(b"\r\n\r\n")[2])
    assert kept.content.startswith(f"Return-Path: <{SENDER}>\r\n".encode())
    assert b"x@y" not in kept.content
    assert (house.notes.put_in[0].recipients[0].reply or "").startswith("550 5.1.1 MSS-110")
    assert await house.is_empty()
