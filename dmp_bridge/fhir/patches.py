"""Reads a patch of a DocumentReference, JSON Patch or FHIRPath Patch, as one step in the life of a document.

Only status, securityLabel and the two extensions archived and deleted can be patched (PDSm 3.1.1, mise à jour de la
fiche): anything else is a 405. The patch is done on what the resource says now, then both are compared: the way in
which a program says it does not count. N stands first whatever is said (dmp.md §5.2).
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from dmp_bridge.dossier.desk import Change
from dmp_bridge.fhir import systems
from dmp_bridge.fhir.deposits import visibilities_of
from dmp_bridge.fhir.elements import Element, resource
from dmp_bridge.visibility import VISIBILITIES, Visibility
from foundation.fhir.outcome import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from foundation.fhir.resources import Resource

MOST_OPERATIONS = 20
_MOST_STEPS = 6
_PATCHED = ("status", "securityLabel", "extension")
_EXTENSIONS = frozenset({systems.IS_ARCHIVED, systems.IS_DELETED})
_GONE = frozenset({"entered-in-error", "superseded"})
_SET = MappingProxyType({Visibility.MASKED.value: Change.MASK})
_UNSET = MappingProxyType(
    {
        Visibility.MASKED.value: Change.UNMASK,
        Visibility.UNSEEN.value: Change.SHOW_TO_PATIENT,
        Visibility.UNSEEN_BY_REPRESENTATIVES.value: Change.REVEAL_TO_REPRESENTATIVES,
    }
)
_BY_URL = re.compile(r"/extension\[url:'([^']{1,200})'\](/valueBoolean)?")
_STATUS_PATH = "DocumentReference.status"
_EXTENSION_PATH = re.compile(
    r"DocumentReference\.extension(?:\('([^']{1,200})'\)|\.where\(url ?= ?'([^']{1,200})'\))(\.value)?"
)
_LABEL_PATH = re.compile(
    r"DocumentReference\.securityLabel"
    r"(?:\[([0-9]{1,2})\]|\.where\(coding\.code ?= ?'([A-Z_]{1,40})'\)|\.coding\.where\(code ?= ?'([A-Z_]{1,40})'\))?"
)


# ref: DMP-F31, DMP-F36
def changes_of(patch: Any, told: Resource) -> tuple[Change, ...]:
    """What a patch does to the document that is told as `told`; raises Refused (400, 405, 422).

    None where it leaves everything as it is. `patch` is the array of RFC 6902 or a Parameters resource.
    """
    before = {name: copy.deepcopy(told.get(name, [])) for name in _PATCHED}
    after = copy.deepcopy(before)
    if isinstance(patch, list):
        for operation in _bounded(patch):
            _json_patch(after, operation)
    else:
        for part in _operations(patch):
            _fhir_patch(after, part)
    return tuple(_steps(_State.of(before), _State.of(after)))


def says_superseded(patch: Mapping[str, Any]) -> bool:
    """Whether a Parameters resource sets the status to superseded and nothing else (ITI-65, replacement)."""
    parts = list(_operations(patch))
    return (
        len(parts) == 1
        and _text(parts[0], "type") == "replace"
        and _text(parts[0], "path") == _STATUS_PATH
        and _text(parts[0], "value") == "superseded"
    )


def _steps(before: _State, after: _State) -> Iterator[Change]:
    if before.is_deleted:
        raise Refused(422, "business-rule", "Ce document est supprimé : rien ne peut plus y être changé.")
    if after.is_deleted or (after.status in _GONE and after.status != before.status):
        yield Change.DELETE
        return
    if after.status != before.status:
        raise Refused(
            422,
            "business-rule",
            "Un document remplacé ou supprimé ne redevient pas current.",
            expression=_STATUS_PATH,
        )
    if after.level not in ("N", before.level):
        raise Refused(
            422,
            "business-rule",
            "Le niveau de confidentialité N, R ou V est celui du document et ne change pas.",
            expression="DocumentReference.securityLabel",
        )
    for code in sorted(after.visibilities - before.visibilities):
        if code not in _SET:
            raise Refused(
                422,
                "business-rule",
                f"{code} se dit à la publication : un document visible n'est plus caché ensuite.",
                expression="DocumentReference.securityLabel",
            )
        yield _SET[code]
    for code in sorted(before.visibilities - after.visibilities):
        yield _UNSET[code]
    if after.is_archived is not before.is_archived:
        yield Change.ARCHIVE if after.is_archived else Change.UNARCHIVE


@dataclass(frozen=True, slots=True)
class _State:
    """What of a resource a patch may change."""

    status: str
    level: str
    visibilities: frozenset[str]
    is_archived: bool
    is_deleted: bool

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        element = Element(members, "DocumentReference")
        flags = {each.text("url"): each.flag("valueBoolean") for each in element.elements("extension")}
        if not flags.keys() <= _EXTENSIONS:
            _elsewhere()
        levels = {code.code for code in element.concepts("securityLabel")} - VISIBILITIES
        return cls(
            status=element.text("status"),
            level=min(levels, default="N"),
            visibilities=visibilities_of(element),
            is_archived=flags.get(systems.IS_ARCHIVED, False),
            is_deleted=flags.get(systems.IS_DELETED, False),
        )


# JSON Patch (RFC 6902)


def _bounded(operations: Sequence[Any]) -> Sequence[Any]:
    if not 0 < len(operations) <= MOST_OPERATIONS:
        raise Refused(400, "too-costly", f"Un PATCH a de 1 à {MOST_OPERATIONS} opérations.")
    return operations


def _json_patch(members: Resource, operation: Any) -> None:
    if not isinstance(operation, dict) or not isinstance(path := operation.get("path"), str):
        raise Refused(400, "structure", "Une opération a op et path.")
    kind = operation.get("op")
    if kind not in ("add", "replace", "remove", "test"):
        raise Refused(422, "not-supported", "Une opération est add, replace, remove ou test.")
    if kind != "remove" and "value" not in operation:
        raise Refused(400, "required", "Cette opération a une valeur.", expression=path[:100])
    value = copy.deepcopy(operation.get("value"))
    steps = _steps_of(members, path)
    parent: Any = members
    for step in steps[:-1]:
        parent = _child(parent, step, path)
    _apply(kind, parent, steps[-1], value, path)


def _steps_of(members: Resource, path: str) -> list[str]:
    """The steps of a JSON Pointer; an extension may be named by its url, and is there from then on."""
    named = _BY_URL.fullmatch(path)
    if named is not None:
        urls = [each.get("url") for each in members["extension"]]
        if named[1] not in _EXTENSIONS:
            _elsewhere()
        if named[1] not in urls:
            members["extension"].append({"url": named[1], "valueBoolean": False})
            urls.append(named[1])
        return ["extension", str(urls.index(named[1])), *(["valueBoolean"] if named[2] else [])]
    empty, *steps = path.split("/")
    steps = [each.replace("~1", "/").replace("~0", "~") for each in steps]
    if empty or not steps or steps[0] not in _PATCHED or len(steps) > _MOST_STEPS:
        _elsewhere()
    return steps


def _child(parent: Any, step: str, path: str) -> Any:
    if isinstance(parent, list) and step.isdecimal() and len(step) < 4 and int(step) < len(parent):
        return parent[int(step)]
    if not isinstance(parent, dict) or step not in parent:
        _unapplied(path)
    return parent[step]


def _apply(kind: str, parent: Any, step: str, value: Any, path: str) -> None:
    if kind == "add" and isinstance(parent, list):
        before = len(parent) if step == "-" else int(step) if step.isdecimal() and len(step) < 4 else -1
        if not 0 <= before <= len(parent):
            _unapplied(path)
        parent.insert(before, value)
        return
    if kind == "add" and isinstance(parent, dict):
        parent[step] = value
        return
    found = _child(parent, step, path)
    if kind == "test":
        if found != value:
            raise Refused(
                422, "conflict", "Le document ne dit pas ce que test attend.", expression=path[:100]
            )
        return
    place: Any = int(step) if isinstance(parent, list) else step
    if kind == "replace":
        parent[place] = value
    else:
        del parent[place]


# FHIRPath Patch (FHIR R4, fhirpatch)


def _operations(patch: Any) -> Iterator[Element]:
    for each in _bounded(resource(patch, "Parameters").elements("parameter")):
        if each.text("name") != "operation":
            each.refuse("name", "Chaque paramètre est une opération.")
        yield each


def _fhir_patch(members: Resource, operation: Element) -> None:
    kind, path = _text(operation, "type"), _text(operation, "path")
    if kind == "add" and path == "DocumentReference" and _text(operation, "name") == "extension":
        value = _part(operation, "value")
        told = value.element("valueExtension") if value is not None else None
        if value is None:
            _unapplied(path)
        url = told.required("url") if told is not None else _text(value, "url")
        flag = told.flag("valueBoolean") if told is not None else _flag(value, "valueBoolean")
        members["extension"].append({"url": url, "valueBoolean": flag})
    elif kind == "replace" and path == _STATUS_PATH:
        members["status"] = _text(operation, "value")
    elif (found := _EXTENSION_PATH.fullmatch(path)) is not None:
        _patch_extension(members["extension"], kind, found, operation)
    elif (found := _LABEL_PATH.fullmatch(path)) is not None:
        _patch_label(members["securityLabel"], kind, found, operation)
    else:
        _elsewhere()


def _patch_extension(extensions: list[Resource], kind: str, path: re.Match[str], operation: Element) -> None:
    url = path[1] or path[2]
    place = next((at for at, each in enumerate(extensions) if each["url"] == url), None)
    if place is None:
        _unapplied(path[0])
    if kind == "replace" and path[3]:
        extensions[place]["valueBoolean"] = _flag(operation, "value")
    elif kind == "delete" and not path[3]:
        del extensions[place]
    else:
        _unapplied(path[0])


def _patch_label(labels: list[Resource], kind: str, path: re.Match[str], operation: Element) -> None:
    value = _part(operation, "value")
    concept = value.element("valueCodeableConcept") if value is not None else None
    label = (
        {"coding": [{"code": code.code} for code in [concept.first_coding()] if code]} if concept else None
    )
    if kind in ("add", "insert") and path[0].endswith("securityLabel") and label is not None:
        labels.append(label)
        return
    code = path[2] or path[3]
    place = (
        int(path[1])
        if path[1]
        else next(
            (at for at, each in enumerate(labels) if each["coding"][0].get("code") == code), len(labels)
        )
    )
    if place >= len(labels):
        _unapplied(path[0])
    if kind == "replace" and label is not None:
        labels[place] = label
    elif kind == "delete":
        del labels[place]
    else:
        _unapplied(path[0])


def _part(operation: Element, name: str) -> Element | None:
    return next((each for each in operation.elements("part") if each.text("name") == name), None)


def _text(operation: Element, name: str) -> str:
    """The code, string or URI of a part; "" where there is none."""
    part = _part(operation, name)
    if part is None:
        return ""
    return part.text("valueCode") or part.text("valueString") or part.text("valueUri")


def _flag(operation: Element, name: str) -> bool:
    part = _part(operation, name)
    return part is not None and part.flag("valueBoolean")


def _unapplied(path: str) -> NoReturn:
    raise Refused(
        422, "business-rule", "Ce PATCH ne s'applique pas au document tel qu'il est.", expression=path[:100]
    )


def _elsewhere() -> NoReturn:
    raise Refused(
        405,
        "not-supported",
        "Seuls status, securityLabel et les extensions isArchived et isDeleted d'un document se modifient.",
    )
