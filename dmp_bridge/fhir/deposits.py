"""Reads a DocumentReference that somebody publishes, as what is deposited (PDSm; IHE MHD ITI-65, ITI-105)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from dataclasses import dataclass
from types import MappingProxyType

from dmp_bridge.dossier.forms import Deposit
from dmp_bridge.entry import DocumentEntry, Relation
from dmp_bridge.fhir import systems
from dmp_bridge.fhir.elements import Element
from dmp_bridge.fhir.people import Referred, patient_of
from dmp_bridge.visibility import VISIBILITIES
from foundation.fhir.outcome import Refused
from foundation.fhir.search import token_of

_KINDS = MappingProxyType({"replaces": "RPLC", "transforms": "XFRM", "appends": "APND", "signs": "signs"})
_LEVELS = frozenset({"N", "R", "V"})
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,48}/[a-z0-9][a-z0-9!#$&^_.+-]{0,48}")
_PIECE = 1024 * 1024
"""Characters of base64 that are decoded at once: the interpreter is let go in between."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a DocumentReference says: whose it is, its metadata, what it replaces, and where its bytes are."""

    ins: str
    entry: DocumentEntry
    visibilities: frozenset[str]
    replaces: tuple[str, ...]
    """Each ``DocumentReference/12``, a uniqueId or a urn:uuid."""
    relations: tuple[Relation, ...]
    attachment: Element

    def deposit(self, data: bytes) -> Deposit:
        """The document with its bytes."""
        return Deposit(
            data=data,
            media_type=self.entry.mime_type,
            unique_id=self.entry.unique_id,
            replaces=self.replaces,
            visibilities=self.visibilities,
            title=self.entry.title,
            type_code=self.entry.type_code.code if self.entry.type_code is not None else "",
            service_at=self.entry.service_start_time,
            relations=self.relations,
            entry=self.entry,
            sha1=self.entry.hash,
            size=self.attachment.number("size"),
        )


# ref: DMP-F8
def described(resource: Element) -> Described:
    """What a DocumentReference says; raises Refused (400, 422)."""
    if resource.text("status") not in ("", "current"):
        raise Refused(
            422,
            "business-rule",
            "Un document est publié au statut current.",
            expression=f"{resource.where}.status",
        )
    content = resource.only("content")
    attachment = content.element("attachment")
    if attachment is None:
        raise Refused(400, "required", "Le document n'a pas de contenu.", expression=content.where)
    context = resource.element("context") or Element({}, f"{resource.where}.context")
    period = context.element("period")
    referred = Referred(resource)
    source_id, source = referred.source_patient(context.element("sourcePatientInfo"))
    ins, identifier = patient_of(resource, "subject", referred)
    type_code = resource.concept("type")
    if type_code is None:
        raise Refused(400, "required", "Le document n'a pas de type.", expression=f"{resource.where}.type")
    content_format = content.element("format")
    size = attachment.number("size")
    created_at, dated_at = attachment.moment("creation"), resource.moment("date")
    entry = DocumentEntry(
        unique_id=_unique_id(resource),
        mime_type=_media_type(attachment),
        size=size or 0,
        hash=_sha1(attachment),
        title=attachment.text("title", 255),
        comments=resource.text("description"),
        language_code=attachment.text("language", 16),
        creation_time=created_at if created_at is not None else dated_at,
        service_start_time=period.moment("start") if period is not None else None,
        service_stop_time=period.moment("end") if period is not None else None,
        patient_id=identifier,
        source_patient_id=source_id,
        source_patient=source,
        authors=tuple(referred.author(each) for each in resource.elements("author")),
        legal_authenticator=referred.person(resource.element("authenticator")),
        class_code=next(iter(resource.concepts("category")), None),
        type_code=type_code,
        format_code=content_format.coding() if content_format is not None else None,
        healthcare_facility_type_code=context.concept("facilityType"),
        practice_setting_code=context.concept("practiceSetting"),
        confidentiality_codes=tuple(resource.concepts("securityLabel")),
        event_codes=tuple(context.concepts("event")),
        reference_ids=tuple(
            named.identifier()
            for each in context.elements("related")
            if (named := each.element("identifier")) is not None
        ),
    )
    relations = _relations(resource)
    return Described(
        ins=ins,
        entry=entry,
        visibilities=visibilities_of(resource),
        replaces=tuple(each.target for each in relations if each.kind == "RPLC"),
        relations=tuple(each for each in relations if each.kind != "RPLC"),
        attachment=attachment,
    )


# ref: DMP-F18
def visibilities_of(resource: Element) -> frozenset[str]:
    """The visibilities of the securityLabel; N is meant where it is not said. Raises Refused (422)."""
    found = set()
    for code in resource.concepts("securityLabel"):
        if code.code in VISIBILITIES:
            found.add(code.code)
        elif code.code not in _LEVELS:
            raise Refused(
                422,
                "code-invalid",
                f"securityLabel est N, {', '.join(sorted(VISIBILITIES))}.",
                expression=f"{resource.where}.securityLabel",
            )
    return frozenset(found)


def target_of(reference: Element) -> str:
    """Which document a reference names, as `named_by`; raises Refused (400)."""
    named = reference.element("identifier")
    if named is not None and not reference.has("reference"):
        return _name(systems.identifier_of(named.required("value")), reference.where)
    return named_by(reference.required("reference"), reference.where)


def named_by(url: str, where: str) -> str:
    """``DocumentReference/12`` of this service or of any address, a uniqueId, or a urn:uuid; raises Refused (400).

    ``DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2`` and ``urn:oid:1.2`` name the uniqueId 1.2.
    """
    path, _, query = url.partition("?identifier=")
    if query:
        return _name(systems.identifier_of(token_of(query, where).code), where)
    _, kind, identity = path.rpartition("DocumentReference/")
    return kind + identity.partition("/")[0] if kind else _name(systems.identifier_of(url), where)


def _name(name: str, where: str) -> str:
    if not systems.is_uuid(name) and not systems.is_oid(name.partition("^")[0]):
        raise Refused(400, "value", "Un document se nomme par un OID ou un UUID.", expression=where)
    return name


async def decoded(text: str, where: str) -> bytes:
    """The bytes of a base64Binary, made off the event loop; raises Refused (400)."""
    return (
        await asyncio.to_thread(_decoded, text, where) if len(text) > _PIECE // 8 else _decoded(text, where)
    )


def _decoded(text: str, where: str) -> bytes:
    pieces = []
    try:
        raw = text.encode("ascii").translate(None, b" \t\r\n")
        for start in range(0, len(raw), _PIECE):
            piece = raw[start : start + _PIECE]
            if start + _PIECE < len(raw) and piece.endswith(b"="):
                raise ValueError
            pieces.append(base64.b64decode(piece, validate=True))
    except (binascii.Error, ValueError) as error:
        raise Refused(400, "structure", "Ce contenu n'est pas en base64.", expression=where) from error
    return b"".join(pieces)


def _media_type(attachment: Element) -> str:
    written = attachment.required("contentType").partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(written):
        raise Refused(
            400, "value", "contentType est un type de contenu.", expression=f"{attachment.where}.contentType"
        )
    return written


def _unique_id(resource: Element) -> str:
    master = resource.element("masterIdentifier")
    return systems.identifier_of(master.required("value")) if master is not None else ""


def _relations(resource: Element) -> list[Relation]:
    found = []
    for each in resource.elements("relatesTo"):
        kind, target = _KINDS.get(each.text("code")), each.element("target")
        if kind is None or target is None:
            raise Refused(400, "structure", "relatesTo a un code et une cible.", expression=each.where)
        found.append(Relation(kind, target_of(target)))
    return found


def _sha1(attachment: Element) -> str:
    """The hash in hexadecimal, as XDS has it; "" where none is told."""
    text = attachment.text("hash", 100)
    digest = _decoded(text, f"{attachment.where}.hash")
    if text and len(digest) != 20:
        raise Refused(400, "value", "hash est un SHA-1 en base64.", expression=f"{attachment.where}.hash")
    return digest.hex()
