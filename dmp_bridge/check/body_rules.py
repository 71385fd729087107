"""The body of a CDA: structured, or one file of an admitted kind (CI-SIS Structuration minimale §3.7)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from dmp_bridge.cda_elements import NAMESPACE
from dmp_bridge.check.ledger import quote
from dmp_bridge.sniff import FileType, sniff

if TYPE_CHECKING:
    from lxml import etree

    from dmp_bridge.check.ledger import Ledger

_Q = f"{{{NAMESPACE}}}"
_TEXT = "/ClinicalDocument/component/nonXMLBody/text"
_KINDS = {
    "application/pdf": FileType.PDF,
    "text/plain": FileType.TEXT,
    "text/rtf": FileType.RTF,
    "image/jpeg": FileType.JPEG,
    "image/tiff": FileType.TIFF,
}


def check_body(ledger: Ledger, element: etree._Element) -> None:
    """The body of the ClinicalDocument ``element``."""
    body = element.find(f"{_Q}component")
    wrapped = None if body is None else body.find(f"{_Q}nonXMLBody/{_Q}text")
    if wrapped is not None:
        ledger.open("CDA-CORPS", "Le corps est un fichier d'un type admis.")
        _check_file(ledger, wrapped)
        return
    ledger.open("CDA-CORPS", "Le corps est structuré.")
    if body is None or body.find(f"{_Q}structuredBody/{_Q}component/{_Q}section") is None:
        ledger.fault(
            "CDA-CORPS",
            "/ClinicalDocument/component",
            "Le document n'a ni corps structuré ni fichier encapsulé.",
            "Ajouter structuredBody avec ses sections, ou nonXMLBody/text.",
        )


def _check_file(ledger: Ledger, element: etree._Element) -> None:
    media_type = element.get("mediaType", "")
    expected = _KINDS.get(media_type)
    if expected is None:
        ledger.fault(
            "CDA-CORPS",
            f"{_TEXT}/@mediaType",
            f"Le type {quote(media_type)} n'est pas admis.",
            f"Utiliser l'un de : {', '.join(_KINDS)}.",
        )
    if element.get("representation") != "B64":
        ledger.fault(
            "CDA-CORPS",
            f"{_TEXT}/@representation",
            "Le fichier encapsulé n'est pas annoncé en base64.",
            'Porter representation="B64" et le contenu en base64.',
        )
        return
    try:
        data = base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        ledger.fault(
            "CDA-CORPS", _TEXT, "Le contenu n'est pas du base64 lisible.", "Encoder le fichier en base64."
        )
        return
    if not data:
        ledger.fault("CDA-CORPS", _TEXT, "Le fichier encapsulé est vide.", "Encapsuler le document.")
    elif expected is not None and sniff(data) is not expected:
        ledger.fault(
            "CDA-CORPS",
            f"{_TEXT}/@mediaType",
            f"Le contenu n'est pas du type {quote(media_type)} annoncé.",
            "Annoncer le type réel du fichier.",
        )
