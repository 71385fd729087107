"""Reads the Bundle of ITI-65: one submission set with its documents, and the patches of what they replace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dmp_bridge.dossier.forms import Submission
from dmp_bridge.fhir import systems
from dmp_bridge.fhir.deposits import decoded, described, named_by
from dmp_bridge.fhir.elements import Element, resource
from dmp_bridge.fhir.patches import says_superseded
from dmp_bridge.fhir.people import Referred, patient_of
from foundation.fhir.outcome import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dmp_bridge.fhir.deposits import Described

MOST_ENTRIES = 200
_POSTED = frozenset({"List", "DocumentReference", "Binary"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: `kind` is the type of its resource, or "PATCH"."""

    kind: str
    full_url: str
    resource: Mapping[str, Any]
    target: str = ""
    """Which document a PATCH is about."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """The entries in their order, and the submission they make."""

    entries: tuple[Entry, ...]
    submission: Submission
    contents: Mapping[str, int]
    """By the url of a Binary, which of the documents it is the content of."""


# ref: DMP-F31
async def transaction_of(body: Mapping[str, Any], base: str) -> Transaction:
    """What a Bundle of type transaction asks for; `base` is the address of this service. Raises Refused (400, 422)."""
    bundle = resource(body, "Bundle")
    if bundle.text("type") != "transaction":
        raise Refused(
            400, "structure", "Le Bundle est de type transaction ou batch.", expression="Bundle.type"
        )
    entries = tuple(_entries(body.get("entry"), base))
    documents = [
        described(resource(entry.resource, "DocumentReference", f"Bundle.entry[{place}].resource"))
        for place, entry in enumerate(entries)
        if entry.kind == "DocumentReference"
    ]
    submission_set = _submission_set(entries)
    references = _references(submission_set, entries)
    if not documents and not references:
        raise Refused(400, "required", "Le lot n'a pas de DocumentReference.", expression="Bundle.entry")
    patients = {each.ins for each in documents}
    if not documents:
        patients.add(patient_of(submission_set, "subject", Referred(submission_set))[0])
    if len(patients) > 1:
        raise Refused(422, "business-rule", "Un lot concerne un seul patient.", expression="Bundle.entry")
    _check_patches(entries, documents)
    binaries = {each.full_url: each.resource for each in entries if each.kind == "Binary"}
    contents = {each.attachment.text("url"): place for place, each in enumerate(documents)}
    deposits = [each.deposit(await _content(each.attachment, binaries)) for each in documents]
    if not binaries.keys() <= contents.keys():
        raise Refused(
            422,
            "business-rule",
            "Un Binary n'est celui d'aucun DocumentReference.",
            expression="Bundle.entry",
        )
    return Transaction(
        entries,
        Submission(
            ins=patients.pop(),
            deposits=tuple(deposits),
            references=references,
            unique_id=_unique_id(submission_set),
            source_id=_source_id(submission_set),
            title=submission_set.text("title", 255),
            content_type=_content_type(submission_set),
        ),
        contents,
    )


def _entries(entries: Any, base: str) -> list[Entry]:
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_ENTRIES:
        raise Refused(400, "structure", f"Un lot a de 1 à {MOST_ENTRIES} entrées.", expression="Bundle.entry")
    found = []
    for place, entry in enumerate(entries):
        where = f"Bundle.entry[{place}]"
        if not isinstance(entry, dict):
            raise Refused(400, "structure", "Une entrée est un objet.", expression=where)
        element = Element(entry, where)
        request, content = element.element("request"), entry.get("resource")
        if request is None or not isinstance(content, dict):
            raise Refused(400, "structure", "Une entrée a une requête et une ressource.", expression=where)
        method, url = request.required("method"), request.required("url").removeprefix(f"{base}/")
        kind = content.get("resourceType")
        if method == "POST" and kind in _POSTED and url == kind:
            found.append(Entry(kind, element.text("fullUrl"), content))
        elif method == "PATCH" and url.startswith("DocumentReference"):
            found.append(Entry("PATCH", "", content, named_by(url, where)))
        else:
            raise Refused(
                405,
                "not-supported",
                "Un lot crée List, DocumentReference et Binary, et marque superseded ce qu'il remplace.",
                expression=where,
            )
    return found


def _check_patches(entries: Sequence[Entry], documents: Sequence[Described]) -> None:
    """A PATCH of the lot says only what the replacement does anyway: that the former version is superseded."""
    replaced = {name for each in documents for name in each.replaces}
    for place, entry in enumerate(entries):
        if entry.kind == "PATCH" and not (says_superseded(entry.resource) and entry.target in replaced):
            raise Refused(
                422,
                "business-rule",
                "Un PATCH dans un lot marque superseded un document que le lot remplace.",
                expression=f"Bundle.entry[{place}]",
            )


async def _content(attachment: Element, binaries: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The bytes of a document: inline, or those of the Binary its url names."""
    if attachment.has("data"):
        return await inline(attachment)
    found = binaries.get(attachment.text("url"))
    if found is None:
        raise Refused(
            400,
            "value",
            "L'adresse du contenu est celle d'un Binary du même lot.",
            expression=f"{attachment.where}.url",
        )
    return await decoded(_data(found), f"{attachment.where}.url")


async def inline(attachment: Element) -> bytes:
    """The bytes that stand in the attachment itself (ITI-105); raises Refused (400)."""
    data = attachment.text("data", _NO_LIMIT)
    if not data:
        raise Refused(
            400, "required", "Le contenu du document manque.", expression=f"{attachment.where}.data"
        )
    return await decoded(data, f"{attachment.where}.data")


_NO_LIMIT = 1 << 30
"""The body of the request is bounded already."""


def _data(binary: Mapping[str, Any]) -> str:
    return Element(binary, "Binary").text("data", _NO_LIMIT)


def _submission_set(entries: Sequence[Entry]) -> Element:
    lists = [each for each in entries if each.kind == "List"]
    if len(lists) != 1:
        raise Refused(422, "business-rule", "Un lot a une List et une seule : son lot de soumission.")
    found = resource(lists[0].resource, "List")
    code = found.concept("code")
    if code is None or code.code != "submissionset":
        raise Refused(422, "code-invalid", "La List du lot est un submissionset.", expression="List.code")
    return found


def _references(submission_set: Element, entries: Sequence[Entry]) -> tuple[str, ...]:
    """The documents that the List names and the lot does not bring: each ``DocumentReference/12`` of this service."""
    listed = [
        item.text("reference")
        for each in submission_set.elements("entry")
        if (item := each.element("item")) is not None
    ]
    given = [each.full_url for each in entries if each.kind == "DocumentReference"]
    others = [each for each in listed if each not in given]
    if sorted([*given, *others]) != sorted(listed) or not all(
        "DocumentReference/" in each for each in others
    ):
        raise Refused(
            422,
            "business-rule",
            "La List nomme une fois chaque DocumentReference du lot, et sinon des DocumentReference déjà là.",
            expression="List.entry",
        )
    return tuple(named_by(each, "List.entry") for each in dict.fromkeys(others))


def _unique_id(submission_set: Element) -> str:
    """The uniqueId (use usual in MHD); an entryUUID is given by the server."""
    for each in submission_set.elements("identifier"):
        value = each.required("value")
        if not systems.is_uuid(value) or each.text("use") == "usual":
            return systems.identifier_of(value)
    return ""


def _source_id(submission_set: Element) -> str:
    for each in submission_set.elements("extension"):
        named = each.element("valueIdentifier")
        if each.text("url") == systems.SOURCE_ID and named is not None:
            return systems.identifier_of(named.required("value"))
    return ""


def _content_type(submission_set: Element) -> str:
    for each in submission_set.elements("extension"):
        code = each.concept("valueCodeableConcept")
        if each.text("url") == systems.DESIGNATION_TYPE and code is not None:
            return code.code
    return ""
