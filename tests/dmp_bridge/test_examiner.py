from __future__ import annotations

import os
import pickle
import signal
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.codes import ErrorCode
from dmp_bridge.examiner import UNEXAMINED, Examiner, _unpack
from dmp_bridge.files import examine_path
from dmp_bridge.findings import Kind
from foundation.settings import BridgeSettings
from tests.dmp_bridge.builders import PDF, cda, mail, xdm, zipped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def examiner() -> AsyncIterator[Examiner]:
    made = Examiner(BridgeSettings())
    yield made
    await made.close()


async def test_it_examines_in_a_process_of_its_own_and_keeps_it(examiner: Examiner) -> None:
    message = mail(("IHE_XDM.zip", "application/zip", xdm(cda())), ("l.pdf", "application/pdf", PDF))
    found = await examiner.examine_message(message)
    assert [(each.part, each.kind) for each in found] == [("2", Kind.XDM_DOCUMENT), ("3", Kind.COPY)]
    assert found[0].data == cda()
    process = examiner._process
    assert await examiner.examine_message(message) == found
    assert examiner._process is process


async def test_no_process_runs_before_the_first_message() -> None:
    assert Examiner(BridgeSettings())._process is None


async def test_a_message_without_attachments_has_no_findings(examiner: Examiner) -> None:
    assert await examiner.examine_message(mail()) == ()
    assert await examiner.examine_message(b"") == ()


# ref: DMP-F42
async def test_a_worker_killed_from_outside_is_replaced(examiner: Examiner) -> None:
    message = mail(("l.pdf", "application/pdf", PDF))
    await examiner.examine_message(message)
    assert examiner._process is not None
    examiner._process.send_signal(signal.SIGKILL)
    assert [each.kind for each in await examiner.examine_message(message)] == [Kind.PLAIN]


# ref: DMP-F42
async def test_what_needs_more_memory_than_the_worker_has_is_refused_and_the_next_is_read() -> None:
    examiner = Examiner(BridgeSettings(memory_bytes=256 * 1024**2))
    blank = bytes(7000)
    swollen = zipped({"a.bin": b"".join(os.urandom(100) + blank for _ in range(27_000))})
    try:
        (found,) = await examiner.examine_file("IHE_XDM.zip", swollen)
        assert (found.kind, found.code, found.sentence) == (Kind.REFUSED, ErrorCode.OTHER, UNEXAMINED)
        assert [each.kind for each in await examiner.examine_file("l.pdf", PDF)] == [Kind.PLAIN]
    finally:
        await examiner.close()


async def test_an_idle_worker_ends() -> None:
    examiner = Examiner(BridgeSettings(), idle_seconds=0)
    try:
        await examiner.examine_file("l.pdf", PDF)
        process = examiner._process
        assert process is not None
        assert await process.wait() == 0
    finally:
        await examiner.close()


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


@pytest.mark.parametrize(
    "answer", [pickle.dumps(Hostile()), pickle.dumps([1]), b"", b"\x80\x05garbage", pickle.dumps((1,))]
)
def test_an_answer_that_is_no_finding_is_not_believed(answer: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        _unpack(answer)


async def test_a_file_on_disk_is_examined_by_its_kind(tmp_path: Path) -> None:
    for name, data, kind in (
        ("m.eml", mail(("l.pdf", "application/pdf", PDF)), Kind.PLAIN),
        ("IHE_XDM.zip", xdm(cda()), Kind.XDM_DOCUMENT),
        ("c.xml", cda(), Kind.CDA),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        assert [each.kind for each in await examine_path(path, BridgeSettings())] == [kind]
