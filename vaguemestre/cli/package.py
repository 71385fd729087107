"""`vaguemestre package …`: writes IHE_XDM packages, and the PDF that goes beside a document."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmp_bridge.cda import SENTENCES, CdaRefused
from dmp_bridge.mapping import read_with_entry
from dmp_bridge.sniff import FileType, sniff
from dmp_bridge.writing.document import N1_TYPES, Written, write_n1
from dmp_bridge.writing.draft_file import MAX_BYTES, DraftRefused, is_oid, new_oid, read_draft
from dmp_bridge.writing.mail_words import mss_headers, pdf_name, subject
from dmp_bridge.writing.package import FILE_NAME, PackageUnwritable, names_of, write_package
from dmp_bridge.writing.pdf import PdfMaker, PdfUnmade
from foundation.clock import SystemClock
from foundation.files import PUBLIC, write_atomically
from foundation.settings import BridgeSettings
from vaguemestre.cli.output import Failed, Json, show

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

app = typer.Typer(
    no_args_is_help=True, help="Packages for other software: IHE_XDM.ZIP, and PDF/A-1 of a CDA."
)

_MAX_FILE = 100 * 1024 * 1024
_PRODUCT = "DEV999999"


@app.command(
    "write", epilog="Example: vaguemestre package write scan.pdf --metadata letter.toml --out IHE_XDM.ZIP"
)
def write(
    files: Annotated[
        list[Path], typer.Argument(help="CDA documents, or one file to wrap in a CDA.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The package to write.")] = Path(FILE_NAME),
    metadata: Annotated[
        Path | None,
        typer.Option(help="TOML that tells the act, the patient and the author of a file to wrap."),
    ] = None,
    content_type: Annotated[
        str, typer.Option(help="contentTypeCode of the submission (JDV_J59): 03, 04, 07, 19, 97 …")
    ] = "07",
    source: Annotated[str, typer.Option(help="OID of the sending software; made where absent.")] = "",
    product: Annotated[str, typer.Option(help="The number of the software for X-MSS-NIL.")] = _PRODUCT,
    as_json: Json = False,
) -> None:
    """Writes an IHE_XDM.ZIP of CDA documents, and prints the subject, the X-MSS fields and the PDF names of its mail.

    A PDF, text, RTF, JPEG or TIFF is wrapped in a CDA of level 1 first, from what --metadata tells.
    """
    if source and not is_oid(source):
        raise typer.BadParameter("--source is an OID")
    now = SystemClock().now()
    documents = [_document(file, metadata, now) for file in files]
    try:
        data = write_package(
            documents,
            submission_id=new_oid(),
            source_id=source or new_oid(),
            at=now,
            content_type=content_type,
        )
    except PackageUnwritable as error:
        raise Failed(str(error)) from error
    _keep(out, data)
    entries = [each.entry for each in documents]
    told: dict[str, Any] = {
        "package": str(out),
        "subject": subject(entries[0]),
        "headers": mss_headers(entries, product=product),
        "documents": [
            {
                "file": file.name,
                "name": name,
                "unique_id": entry.unique_id,
                "type": entry.type_code.code if entry.type_code is not None else None,
                "title": entry.title,
                "pdf": pdf_name(entry),
            }
            for file, name, entry in zip(files, names_of(documents), entries, strict=True)
        ],
    }
    if as_json:
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return
    print(f"Subject: {told['subject']}")
    for name, value in told["headers"].items():
        print(f"{name}: {value}")
    show(told["documents"], ("name", "type", "title", "pdf"), as_json=False)


@app.command("pdf", epilog="Example: vaguemestre package pdf lettre.xml --folder .")
def pdf(
    files: Annotated[list[Path], typer.Argument(help="CDA documents.", show_default=False)],
    folder: Annotated[Path, typer.Option(help="Where to write the PDF files.")] = Path(),
    as_json: Json = False,
) -> None:
    """Writes the PDF that goes beside each CDA, under the name of ECO.2.1.6.

    The PDF that a document wraps or holds a copy of, else its narrative as PDF/A-1 (needs the extra `pdf`).
    """
    show(asyncio.run(_pdfs(files, folder)), ("file", "pdf", "size"), as_json=as_json)


async def _pdfs(files: Sequence[Path], folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    maker = PdfMaker(BridgeSettings())
    try:
        for file in files:
            data = _read(file)
            try:
                entry = read_with_entry(data)[1]
                made = await maker.pdf_of(data)
            except CdaRefused as error:
                raise Failed(f"{file}: {SENTENCES[error.fault]}") from error
            except PdfUnmade as error:
                raise Failed(f"{file}: {error}") from error
            name = pdf_name(entry)
            _keep(folder / name, made)
            rows.append({"file": file.name, "pdf": name, "size": len(made)})
    finally:
        await maker.close()
    return rows


def _document(file: Path, metadata: Path | None, now: datetime) -> Written:
    data = _read(file)
    kind = sniff(data)
    try:
        if kind is FileType.XML:
            return Written(read_with_entry(data)[1], data)
        if kind not in N1_TYPES:
            raise Failed(
                f"{file} is neither a CDA nor a file that a CDA can wrap (PDF, text, RTF, JPEG, TIFF)"
            )
        if metadata is None:
            raise Failed(f"{file} is no CDA: --metadata tells its act, patient and author")
        return write_n1(read_draft(_read(metadata, MAX_BYTES + 1), now), data, kind.value)
    except CdaRefused as error:
        raise Failed(f"{file}: {SENTENCES[error.fault]}") from error
    except DraftRefused as error:
        raise Failed(f"{metadata}: {error}") from error


def _read(file: Path, limit: int = _MAX_FILE) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(limit + 1)
    except OSError as error:
        raise Failed(f"{file} cannot be read ({error.strerror})") from error
    if len(data) > limit:
        raise Failed(f"{file} is too large")
    return data


def _keep(file: Path, data: bytes) -> None:
    try:
        write_atomically(file, data, PUBLIC)
    except OSError as error:
        raise Failed(f"{file} cannot be written ({error.strerror})") from error
