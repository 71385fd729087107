"""The process that makes a PDF/A-1 of a CDA's narrative: confined like the one that opens attachments, without network.

Run as ``python -m dmp_bridge.writing.pdf_worker MEMORY SECONDS``; see `dmp_bridge.worker.serve`. The answer is the
PDF, or one byte that says why there is none.
"""

from __future__ import annotations

import sys
from html import escape
from typing import TYPE_CHECKING, Any, NoReturn

from dmp_bridge.cda import CdaDocument, CdaRefused, Level, find_document, read_document
from dmp_bridge.hl7_time import paris_date
from dmp_bridge.render import render_narrative
from dmp_bridge.sniff import FileType, sniff
from dmp_bridge.worker import serve
from dmp_bridge.writing.pdf import MAX_HTML, NO_DOCUMENT, NOT_INSTALLED, NOTHING_TO_SHOW, TOO_LONG, VARIANT

if TYPE_CHECKING:
    from collections.abc import Mapping

_STYLE = """
@page { size: A4; margin: 18mm 16mm; @bottom-right { content: counter(page) " / " counter(pages); font-size: 8pt } }
html { font: 10pt "DejaVu Sans", "Liberation Sans", sans-serif; color: #000 }
h1 { font-size: 15pt; margin: 0 0 3mm } h2 { font-size: 12pt } h3, h4, h5, h6 { font-size: 10.5pt }
dl { border: 0.3mm solid #000; padding: 2mm; margin: 0 0 5mm } dt { font-weight: bold; float: left; width: 32mm }
dd { margin: 0 0 1mm 34mm } table { border-collapse: collapse; width: 100%; margin: 2mm 0 }
th, td { border: 0.2mm solid #444; padding: 1mm; text-align: left; vertical-align: top } pre { white-space: pre-wrap }
"""


def main(arguments: list[str]) -> int:
    """Serves requests until the end of input; the limits come as arguments, in bytes and seconds."""
    memory, seconds = (int(argument) for argument in arguments)
    try:
        # The libraries are opened before the process is confined; without Pango the import is an OSError.
        from weasyprint import HTML
        from weasyprint.text.fonts import FontConfiguration
    except (ImportError, OSError):
        return serve(lambda _request, _data: NOT_INSTALLED, memory=memory, seconds=seconds)

    def answer(_request: Mapping[str, Any], data: bytes) -> bytes:
        try:
            page = _page(data)
        except CdaRefused:
            return NO_DOCUMENT
        if page is None:
            return NOTHING_TO_SHOW
        if len(page) > MAX_HTML:
            return TOO_LONG
        made: bytes = HTML(string=page, url_fetcher=_fetch_nothing).write_pdf(
            pdf_variant=VARIANT, font_config=FontConfiguration()
        )
        return made

    return serve(answer, memory=memory, seconds=seconds)


def _fetch_nothing(url: str, *_arguments: Any, **_named: Any) -> NoReturn:
    # The narrative holds no address; the style sheet above neither.
    raise ValueError("nothing is fetched")


def _page(data: bytes) -> str | None:
    document = read_document(*find_document(data))
    if document.level is Level.N3:
        body = render_narrative(data)
    elif document.display is not None and sniff(document.display.data) is FileType.TEXT:
        body = f"<pre>{escape(document.display.data.decode('utf-8', 'replace'))}</pre>"
    else:
        return None
    return (
        f'<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"><title>{escape(document.title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(document.title)}</h1>{_header(document)}{body}</body></html>"
    )


def _header(document: CdaDocument) -> str:
    patient = document.patient
    author = document.authors[0] if document.authors else None
    when = document.service_start_at if document.service_start_at is not None else document.effective_at
    lines = (
        ("Patient", f"{patient.birth_name} {patient.first_names}".strip()),
        ("Naissance", patient.birth_date or ""),
        ("Sexe", patient.sex or ""),
        ("INS", patient.ins or ""),
        ("Date", paris_date(when) if when is not None else ""),
        ("Auteur", author.name if author is not None else ""),
        ("Établissement", (author.institution if author is not None else "") or document.custodian),
    )
    return (
        "<dl>"
        + "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in lines if value)
        + "</dl>"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
