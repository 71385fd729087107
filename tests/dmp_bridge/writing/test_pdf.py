from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pikepdf
import pytest

from dmp_bridge.cda import CdaRefused
from dmp_bridge.writing.pdf import PdfMaker, PdfUnmade
from foundation.settings import BridgeSettings
from tests.dmp_bridge.builders import PDF, PNG, cda, n1_body, n3_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

try:
    import weasyprint  # noqa: F401
except (ImportError, OSError):
    pytest.skip("WeasyPrint or Pango is not installed", allow_module_level=True)

LONG = "".join(f"<paragraph>Ligne {number}, où l'été a passé.</paragraph>" for number in range(200))


@pytest.fixture
async def maker() -> AsyncIterator[PdfMaker]:
    made = PdfMaker(BridgeSettings())
    yield made
    await made.close()


def opened(data: bytes) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(data))


# ref: ECO.2.1.5, DMP-F15
async def test_a_narrative_becomes_a_pdf_a_1(maker: PdfMaker) -> None:
    with opened(await maker.pdf_of(cda(body=n3_body(("Évolution", LONG))))) as pdf:
        assert (pdf.pdf_version, pdf.open_metadata().pdfa_status) == ("1.4", "1B")
        assert len(pdf.pages) > 2
        assert pikepdf.Name("/GTS_PDFA1") == pdf.Root.OutputIntents[0].S
        dictionaries = [
            each for each in pdf.objects if isinstance(each, (pikepdf.Dictionary, pikepdf.Stream))
        ]
        fonts = [each for each in dictionaries if each.get("/Type") == pikepdf.Name("/FontDescriptor")]
        assert fonts
        assert all("/FontFile2" in each or "/FontFile3" in each for each in fonts)
        forbidden = {"/SMask", "/JS", "/AA", "/OpenAction", "/Encrypt", "/EF"}
        assert not any(forbidden & set(each.keys()) for each in dictionaries)


async def test_the_pdf_in_a_document_is_its_pdf(maker: PdfMaker) -> None:
    for document in (cda(), cda(body=n3_body(pdf=PDF))):
        assert await maker.pdf_of(document) == PDF


async def test_a_wrapped_text_is_set_on_paper(maker: PdfMaker) -> None:
    made = await maker.pdf_of(cda(body=n1_body("Été <b>".encode(), "text/plain")))
    assert opened(made).open_metadata().pdfa_status == "1B"


async def test_what_has_nothing_to_show_is_refused_in_words(maker: PdfMaker) -> None:
    with pytest.raises(PdfUnmade, match="no narrative"):
        await maker.pdf_of(cda(body=n1_body(PNG, "image/png")))
    with pytest.raises(CdaRefused):
        await maker.pdf_of(b"<x/>")


async def test_nothing_is_fetched_from_elsewhere(maker: PdfMaker) -> None:
    text = (
        '<paragraph><linkHtml href="http://127.0.0.1:9/a">ici</linkHtml><renderMultiMedia referencedObject="a"/>'
        "&lt;img src='file:///etc/passwd'&gt;&lt;link rel=attachment href='file:///etc/passwd'&gt;</paragraph>"
    )
    with opened(await maker.pdf_of(cda(body=n3_body(("Lien", text))))) as pdf:
        assert "/Names" not in pdf.Root
        assert all("/Annots" not in page for page in pdf.pages)


async def test_a_document_that_is_too_much_ends_its_process_and_not_ours(maker: PdfMaker) -> None:
    deep = "<table><tr><td>" * 60 + "x" + "</td></tr></table>" * 60
    greedy = PdfMaker(BridgeSettings(timeout_seconds=1))
    try:
        with pytest.raises(PdfUnmade, match=r"time or memory|too long"):
            await greedy.pdf_of(cda(body=n3_body(("Un", deep), ("Deux", LONG * 100))))
        assert (await greedy.pdf_of(cda(body=n3_body()))).startswith(b"%PDF-")
    finally:
        await greedy.close()
