"""Reads the objects of a METADATA.XML as they are written, faults and all, for the rules that judge them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dmp_bridge.check.metadata_table import HAS_MEMBER, REGISTRY, SUBMISSION_SET_NODE, Attribute, Kept
from dmp_bridge.codes import Coded
from dmp_bridge.ebrim import parse_cx
from dmp_bridge.xml import local_name, namespace, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxml import etree

    from dmp_bridge.ebrim import Cx

MAX_OBJECTS = 1000
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Described:
    """One DocumentEntry or SubmissionSet: its symbolic id and its attributes by their keys."""

    id: str
    attributes: dict[str, str] = field(repr=False)
    slots: dict[str, tuple[str, ...]] = field(repr=False)
    identifiers: dict[str, str] = field(repr=False)
    classifications: dict[str, tuple[Coded, ...]] = field(repr=False)
    authors: frozenset[str]
    name: str = field(repr=False)

    def values(self, attribute: Attribute) -> tuple[str, ...]:
        """What is written for an attribute; nothing when it is absent or empty."""
        match attribute.kept:
            case Kept.ATTRIBUTE:
                found: Iterable[str] = (self.attributes.get(attribute.key, ""),)
            case Kept.SLOT:
                found = self.slots.get(attribute.key, ())
            case Kept.NAME:
                found = (self.name,)
            case Kept.IDENTIFIER:
                found = (self.identifiers.get(attribute.key, ""),)
            case Kept.CLASSIFICATION:
                found = (coded.code for coded in self.classifications.get(attribute.key, ()))
            case Kept.AUTHOR:
                found = ("author",) if attribute.key in self.authors else ()
        return tuple(filter(None, found))

    def cx(self, attribute: Attribute) -> Cx | None:
        """The first value read as an HL7 CX."""
        return parse_cx(next(iter(self.values(attribute)), None))


@dataclass(frozen=True, slots=True)
class Description:
    """What one METADATA.XML holds; ``members`` are the pairs that HasMember ties."""

    namespaces: frozenset[str]
    documents: tuple[Described, ...]
    submission_sets: tuple[Described, ...]
    members: frozenset[tuple[str, str]]
    bare_members: bool


def describe(data: bytes) -> Description:
    """The objects in the bytes of a METADATA.XML; ``XmlFault`` when they are no XML."""
    root = parse(data)
    packages: list[etree._Element] = []
    objects: list[etree._Element] = []
    members: set[tuple[str, str]] = set()
    nodes: set[str] = set()
    beside: dict[str, list[etree._Element]] = {}
    spaces = {namespace(root)}
    bare = False
    for element in root.iter():
        name, space = local_name(element), namespace(element)
        if not space.startswith(REGISTRY):
            continue
        spaces.add(space)
        if name == "ExtrinsicObject" and len(objects) < MAX_OBJECTS:
            objects.append(element)
        elif name == "RegistryPackage" and len(packages) < MAX_OBJECTS:
            packages.append(element)
        elif name == "Classification":
            classified = element.get("classifiedObject", "")
            if element.get("classificationNode") == SUBMISSION_SET_NODE:
                above = element.getparent()
                nodes.add(classified or ("" if above is None else above.get("id", "")))
            elif not _is_inside(element):
                beside.setdefault(classified, []).append(element)
        elif name == "Association" and len(members) < MAX_OBJECTS:
            kind = element.get("associationType", "")
            if kind.rpartition(":")[2] == "HasMember":
                members.add((element.get("sourceObject", ""), element.get("targetObject", "")))
                bare = bare or kind != HAS_MEMBER
    documents = tuple(_described(each, beside.get(each.get("id", ""), ())) for each in objects)
    sets = tuple(
        _described(each, beside.get(each.get("id", ""), ()))
        for each in packages
        if each.get("id", "") in nodes
    )
    return Description(frozenset(spaces), documents, sets, frozenset(members), bare)


def _described(element: etree._Element, beside: Iterable[etree._Element]) -> Described:
    """The object with the classifications that old senders put beside it."""
    slots: dict[str, tuple[str, ...]] = {}
    identifiers: dict[str, str] = {}
    name = ""
    classifications: dict[str, list[Coded]] = {}
    authors = set()
    for child in (*element, *beside):
        match local_name(child):
            case "Slot":
                slots.setdefault(child.get("name", ""), _values(child))
            case "ExternalIdentifier":
                value = child.get("value", "").strip()[:_LONGEST]
                identifiers.setdefault(_scheme(child, "identificationScheme"), value)
            case "Name":
                name = name or _localized(child)
            case "Classification":
                scheme = _scheme(child, "classificationScheme")
                own = {each.get("name", ""): _values(each) for each in child if local_name(each) == "Slot"}
                if any(own.get("authorPerson", ())):
                    authors.add(scheme)
                label = next((_localized(each) for each in child if local_name(each) == "Name"), "")
                system = next(iter(own.get("codingScheme", ())), "")
                coded = Coded(child.get("nodeRepresentation", "").strip()[:_LONGEST], system, label)
                classifications.setdefault(scheme, []).append(coded)
            case _:
                continue
    return Described(
        element.get("id", "")[:200],
        {str(key): str(value) for key, value in element.attrib.items()},
        slots,
        identifiers,
        {scheme: tuple(found) for scheme, found in classifications.items()},
        frozenset(authors),
        name,
    )


def _is_inside(classification: etree._Element) -> bool:
    above = classification.getparent()
    return above is not None and local_name(above) in ("ExtrinsicObject", "RegistryPackage")


def _scheme(element: etree._Element, name: str) -> str:
    return element.get(name, "").strip().lower()


def _values(slot: etree._Element) -> tuple[str, ...]:
    return tuple((each.text or "").strip()[:_LONGEST] for each in slot.iter() if local_name(each) == "Value")


def _localized(holder: etree._Element) -> str:
    return next(
        (
            each.get("value", "").strip()[:_LONGEST]
            for each in holder
            if local_name(each) == "LocalizedString"
        ),
        "",
    )
