"""Makes the PDF/A-1 that goes beside a CDA (Réf#2 ECO.2.1.5): the file it wraps or copies, or its narrative on paper."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dmp_bridge.cda import read_cda
from dmp_bridge.confined import Confined, GaveUp, Unbelievable
from dmp_bridge.sniff import FileType, sniff

if TYPE_CHECKING:
    from foundation.settings import BridgeSettings

VARIANT = "pdf/a-1b"
MAX_HTML = 3_000_000
NO_DOCUMENT, NOTHING_TO_SHOW, TOO_LONG, NOT_INSTALLED = b"0", b"1", b"2", b"3"
_WORKER = "dmp_bridge.writing.pdf_worker"
_SENTENCES = {
    NO_DOCUMENT: "this is not a CDA document",
    NOTHING_TO_SHOW: "this document has no narrative, and the file it wraps is not made of text",
    TOO_LONG: "the narrative of this document is too long",
    NOT_INSTALLED: "WeasyPrint or its library Pango is not installed: pip install 'vaguemestre[pdf]'",
}


class PdfUnmade(Exception):
    """There is no PDF of this document; the message says why."""


# ref: ECO.2.1.5, DMP-F15
class PdfMaker(Confined):
    """Makes one PDF at a time in a process of its own, within the time and the memory of the bridge."""

    def __init__(self, settings: BridgeSettings, *, idle_seconds: float = 60.0) -> None:
        super().__init__(
            _WORKER,
            [str(settings.memory_bytes), str(settings.timeout_seconds)],
            timeout_seconds=settings.timeout_seconds,
            idle_seconds=idle_seconds,
        )

    async def pdf_of(self, document: bytes) -> bytes:
        """The PDF that shows a CDA: the one in it where there is one, else a PDF/A-1b of its narrative.

        Raises CdaRefused for what is no CDA, PdfUnmade where nothing can be made of it.
        """
        display = (await asyncio.to_thread(read_cda, document)).display
        if display is not None and sniff(display.data) is FileType.PDF:
            return display.data
        try:
            answer = await self.ask({}, document, _read)
        except GaveUp:
            raise PdfUnmade("this document asks for more time or memory than a page may take") from None
        if answer in _SENTENCES:
            raise PdfUnmade(_SENTENCES[answer])
        return answer


def _read(answer: bytes) -> bytes:
    if answer in _SENTENCES or answer.startswith(b"%PDF-"):
        return answer
    raise Unbelievable
