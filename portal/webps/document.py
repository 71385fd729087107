"""One document of the record that is open: found under its number or its reference, and told in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmp_bridge import codes
from dmp_bridge.record import Origin
from portal import downloads, shown
from portal.record_words import states_of
from portal.threads import author_line, document_date, type_label

if TYPE_CHECKING:
    from starlette.requests import Request

    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.record import Document
    from portal.webps.reception import Inside


async def document_of(request: Request, inside: Inside, desk: Desk) -> Document:
    """The document of the path, of the record that is open and no other's, for an act on it.

    Who fed it needs no authorisation for that (EX 115, EX 166). Raises Denied.
    """
    number = downloads.number(request, "document")
    return await desk.reference(inside.caller, inside.ins, str(number))


def line(document: Document) -> dict[str, Any]:
    """One document in a list."""
    return {
        "id": document.id,
        "title": document.title,
        "type": type_label(document),
        "at": document_date(document),
        "author": "" if document.origin is Origin.PATIENT else author_line(document),
        "version": document.version_number,
        "states": states_of(document),
    }


def by_class() -> dict[str, dict[str, str]]:
    """The types under the labels of their classes, as a form offers them."""
    labels = codes.classes()
    grouped: dict[str, dict[str, str]] = {}
    for each in codes.types().values():
        if each.class_code is not None:
            label = labels.get(each.class_code, each.class_code)
            grouped.setdefault(label, {})[each.code] = each.label
    return grouped


def about(document: Document) -> list[tuple[str, str]]:
    is_versioned = document.set_id is not None and document.version_number > 0
    written = document.creation_at
    rows = [
        ("Type", type_label(document)),
        ("Classe", codes.class_label(document.class_code) if document.class_code else ""),
        ("Date de l’acte", shown.date_of(document_date(document))),
        ("Établi le", shown.date_of(written) if written is not None else ""),
        ("Auteur", "" if document.origin is Origin.PATIENT else document.author_name),
        ("Spécialité", document.author_specialty),
        ("Structure", document.institution),
        ("Version", str(document.version_number) if is_versioned else ""),
        ("Déposé le", shown.full_moment(document.filed_at)),
        ("Taille", shown.size(document.size)),
    ]
    return [(label, value) for label, value in rows if value]
