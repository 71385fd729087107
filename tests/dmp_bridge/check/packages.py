"""Whole packages and documents of the French profile, with one thing changed in them."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dmp_bridge.check.report import ALONE, Verdict, Weight
from dmp_bridge.check.xdm_rules import examine_archive
from dmp_bridge.writing.document import Author, Draft, Patient, Section, write_n1, write_n3
from dmp_bridge.writing.package import write_package
from foundation.identifiers import OID_TEST, ins_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dmp_bridge.check.report import Finding, Surroundings
    from dmp_bridge.writing.document import Written

NUMBER = "2790351215189"
INS = NUMBER + ins_key(NUMBER)
AT = datetime(2026, 3, 13, 13, 54, 10, tzinfo=UTC)
PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\ntrailer<</Root 1 0 R>>\n%%EOF\n"
PATIENT = Patient(INS, OID_TEST, "PAT-TROIS", "DOMINIQUE MARIE-LOUISE", "19790328", "F", "51215")
AUTHOR = Author(
    "801234534765", "CAMPARINI", "Marcel", "G15_10/SM03", "Médecin", "1120459876", "Laboratoire des charmes"
)
DRAFT = Draft(
    "1.2.250.1.999.1.1.1", "1.2.250.1.999.1.1", 1, "11502-2", "Résultats de biologie", AT, AT, PATIENT, AUTHOR
)
FOLDER = "IHE_XDM/SUBSET01/"
METADATA = FOLDER + "METADATA.XML"
DOCUMENT = FOLDER + "DOC00001.XML"


def n1(draft: Draft = DRAFT, body: bytes = PDF) -> Written:
    return write_n1(draft, body)


def n3(draft: Draft = DRAFT) -> Written:
    return write_n3(draft, [Section("Motif", ("Tout va bien.",))])


def files(*documents: Written) -> dict[str, bytes]:
    """The files of a package that keeps every rule."""
    data = write_package(
        documents or (n1(),), submission_id="1.2.250.1.999.7.1", source_id="1.2.250.1.999.7", at=AT
    )
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in content.items():
            opened.writestr(name, data)
    return buffer.getvalue()


def with_document(content: dict[str, bytes], data: bytes) -> dict[str, bytes]:
    """The package with another document, its size and hash announced rightly."""
    metadata = re.sub(
        rb'(name="size"><rim:ValueList><rim:Value>)\d+', rb"\g<1>%d" % len(data), content[METADATA]
    )
    digest = hashlib.sha1(data, usedforsecurity=False).hexdigest().encode()
    metadata = re.sub(rb'(name="hash"><rim:ValueList><rim:Value>)\w+', rb"\g<1>" + digest, metadata)
    return {**content, METADATA: metadata, DOCUMENT: data}


def swap(old: str, new: str) -> Callable[[bytes], bytes]:
    """A change of the first occurrence; a test whose change changes nothing is wrong."""

    def changed(data: bytes) -> bytes:
        assert old.encode() in data, old
        return data.replace(old.encode(), new.encode(), 1)

    return changed


def examine(content: dict[str, bytes], around: Surroundings = ALONE) -> list[Finding]:
    return examine_archive("IHE_XDM.zip", zipped(content), around)


def faults(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Rule and place of everything that fails and is more than a note."""
    return [
        (each.rule, each.place)
        for each in findings
        if each.verdict is Verdict.FAILS and each.weight is not Weight.NOTE
    ]


def broken(findings: Iterable[Finding]) -> list[str]:
    """The rules that are broken, each once."""
    return sorted({rule for rule, _ in faults(findings)})
