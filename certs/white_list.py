"""The liste blanche: which certificate names may speak for which domains, read from the official XML."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import idna
from lxml import etree

from certs.list_faults import ListFault, ListRefused
from certs.names import DistinguishedName, NameMalformed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Entry",
    "ListFault",
    "ListRefused",
    "WhiteList",
    "canonical_domain",
    "parse_white_list",
]

NAMESPACE = "https://listeblanche.mssante.fr/schema"
SIGNATURE_NAMESPACE = "http://www.w3.org/2000/09/xmldsig#"
LARGEST = 32 * 1024 * 1024
"""Octets of a list: nine times the real one, which has 3.6 MB for 6 500 entries."""
MOST_ENTRIES = 50_000
LONGEST_FIELD = 16_384
LARGEST_NAMELESS_SHARE = 0.01
"""Entries whose DN cannot be read are left out; past this share (and past three) the list is refused."""

_MOST_ATTRIBUTES = 32  # canonicalisation sorts them one by one
_MOST_MARKUP = 2_000_000  # a node takes 100 to 200 octets of memory, whatever the file's size
_SIGNATURE = f"{{{SIGNATURE_NAMESPACE}}}Signature"
_TRUNCATED = re.compile(rb"<(?:[\w.-]+:)?ListeBlancheMSSante[\s>]")
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)"
)  # xs:dateTime with its zone
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One `Domaine`: a certificate name that is allowed for a domain.

    `domain` is the lower-case A-label form, empty when what is `written` is no domain name: no lookup
    finds such an entry (the real list has a name with an @ in it).
    """

    domain: str
    written: str
    name: DistinguishedName
    description: str
    updated_at: datetime | None


@dataclass(frozen=True)
class WhiteList:
    """A whole list, immutable: lookups are prebuilt and may run in any thread.

    `unreadable` counts the entries left out because their DN is no name.
    """

    generated_at: datetime
    entries: tuple[Entry, ...] = field(repr=False)
    unreadable: int = 0
    _names: Mapping[str, frozenset[DistinguishedName]] = field(init=False, repr=False, compare=False)
    _domains: Mapping[DistinguishedName, frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names: defaultdict[str, set[DistinguishedName]] = defaultdict(set)
        domains: defaultdict[DistinguishedName, set[str]] = defaultdict(set)
        for entry in self.entries:
            if entry.domain:
                names[entry.domain].add(entry.name)
                domains[entry.name].add(entry.domain)
        object.__setattr__(self, "_names", {key: frozenset(value) for key, value in names.items()})
        object.__setattr__(self, "_domains", {key: frozenset(value) for key, value in domains.items()})

    def __contains__(self, domain: object) -> bool:
        return isinstance(domain, str) and bool(self.names_of(domain))

    # ref: F49
    def names_of(self, domain: str) -> frozenset[DistinguishedName]:
        """The certificate names allowed for a domain, in any case, in A-labels or in Unicode; empty for another."""
        found = self._names.get(domain)
        if found is None:
            found = self._names.get(canonical_domain(domain) or "")
        return found if found is not None else frozenset()

    # ref: F08
    def lists(self, domain: str, name: DistinguishedName) -> bool:
        """Whether a certificate of this name may speak for the domain."""
        return name in self.names_of(domain)

    def lists_name(self, name: DistinguishedName) -> bool:
        """Whether a certificate of this name may speak for any domain at all."""
        return name in self._domains

    def domains_of(self, name: DistinguishedName) -> frozenset[str]:
        """The domains for which a certificate name is listed."""
        return self._domains.get(name, frozenset())

    @property
    def domains(self) -> frozenset[str]:
        """Every domain of the list."""
        return frozenset(self._names)

    @property
    def names(self) -> frozenset[DistinguishedName]:
        """Every certificate name of the list."""
        return frozenset(self._domains)

    @property
    def misnamed(self) -> int:
        """How many entries name no domain."""
        return sum(not entry.domain for entry in self.entries)


def canonical_domain(text: str) -> str | None:
    """A domain in lower-case A-labels (UTS 46, RFC 5891); None when the text is no domain name."""
    text = text.strip()
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True, std3_rules=False).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    text = text.lower()
    if not text or len(text) > 253 or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        return None
    return text


def parse_white_list(content: bytes) -> WhiteList:
    """Reads a list, signed or not, without a look at its signature. Raises ListRefused.

    `list_signature.read_signed` is what an operator wants: there the entries come from the signed octets.
    """
    return read_entries(parse_document(content))


def parse_document(content: bytes) -> etree._Element:
    """The root of a list's XML, parsed without DTD, entities, network or huge nodes. Raises ListRefused.

    No comment and no processing instruction is left in the tree.
    """
    if len(content) > LARGEST:
        raise ListRefused(ListFault.TOO_LARGE, f"more than {LARGEST // 1024 // 1024} MB")
    if b"<!DOCTYPE" in content:
        raise ListRefused(ListFault.DOCTYPE)
    if content.count(b"<") + content.count(b"=") > _MOST_MARKUP:
        raise ListRefused(ListFault.TOO_MANY, "too much markup")
    # The declared encoding is overridden: the octets in which the DOCTYPE was looked for are those that count.
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise ListRefused(_syntax_fault(content), f"line {error.lineno or 1}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise ListRefused(ListFault.DOCTYPE)
    if root.tag != f"{{{NAMESPACE}}}ListeBlancheMSSante":
        raise ListRefused(ListFault.WRONG_ROOT)
    if root.getprevious() is not None or root.getnext() is not None:
        raise ListRefused(ListFault.GRAMMAR, "a processing instruction")
    for each in root.iter():
        if not isinstance(each.tag, str):
            raise ListRefused(ListFault.GRAMMAR, "a processing instruction")
        if len(each.attrib) > _MOST_ATTRIBUTES:
            raise ListRefused(ListFault.GRAMMAR, f"more than {_MOST_ATTRIBUTES} attributes")
    return root


# ref: F01
def read_entries(root: etree._Element) -> WhiteList:
    """The entries of a parsed list. Raises ListRefused where the grammar is not kept."""
    generated_at = instant(_text(_only(root, "DateDeGeneration", ListFault.NO_DATE)))
    if generated_at is None:
        raise ListRefused(ListFault.NO_DATE)
    domains = _only(root, "ListeDomaines", ListFault.GRAMMAR)
    entries: list[Entry] = []
    known: dict[str, DistinguishedName | None] = {}
    unreadable = 0
    for number, each in enumerate(domains, 1):
        if number > MOST_ENTRIES:
            raise ListRefused(ListFault.TOO_MANY, f"more than {MOST_ENTRIES}")
        if each.tag != _tag("Domaine"):
            raise ListRefused(ListFault.GRAMMAR, f"line {each.sourceline}: not a Domaine")
        fields = _fields(each)
        written = fields["Nom"].strip()
        distinguished = fields["DNCertificatOperateur"]
        if distinguished not in known:
            known[distinguished] = _name(distinguished)
        name = known[distinguished]
        if name is None:
            unreadable += 1
            continue
        entries.append(
            Entry(
                domain=canonical_domain(written) or "",
                written=written,
                name=name,
                description=fields.get("Description", "").strip(),
                updated_at=instant(fields.get("DateMAJ", "")),
            )
        )
    if unreadable > 3 and unreadable > LARGEST_NAMELESS_SHARE * (unreadable + len(entries)):
        raise ListRefused(ListFault.UNREADABLE_NAMES, f"{unreadable} of {unreadable + len(entries)}")
    if not any(entry.domain for entry in entries):
        raise ListRefused(ListFault.EMPTY)
    return WhiteList(generated_at, tuple(entries), unreadable)


def signatures(root: etree._Element) -> list[etree._Element]:
    """Every signature of a document, wherever it stands."""
    return list(root.iter(_SIGNATURE))


def instant(text: str) -> datetime | None:
    """An xs:dateTime that states its zone, in UTC; None for anything else."""
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        return None
    fraction = (found[7] or "").ljust(6, "0")[:6]
    zone = "+00:00" if found[8] == "Z" else found[8]
    try:
        return datetime.fromisoformat(f"{found[0][:19]}.{fraction}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _syntax_fault(content: bytes) -> ListFault:
    ends = content.rstrip().endswith(b"ListeBlancheMSSante>")
    return ListFault.TRUNCATED if not ends and _TRUNCATED.search(content) else ListFault.NOT_XML


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _only(parent: etree._Element, name: str, fault: ListFault) -> etree._Element:
    found = parent.findall(_tag(name))
    if len(found) != 1:
        raise ListRefused(fault, f"{name}: {len(found)} of 1")
    return found[0]


_KNOWN: Mapping[object, str] = {
    _tag(name): name for name in ("Nom", "Description", "DNCertificatOperateur", "DateMAJ")
}  # the contacts are people's names and telephone numbers: never read


def _fields(domain: etree._Element) -> dict[str, str]:
    fields: dict[str, str] = {}
    for child in domain:
        name = _KNOWN.get(child.tag)
        if name is None:
            continue
        if name in fields:
            raise ListRefused(ListFault.GRAMMAR, f"line {child.sourceline}: {name} twice")
        fields[name] = _text(child)
    if "Nom" not in fields or "DNCertificatOperateur" not in fields:
        raise ListRefused(
            ListFault.GRAMMAR, f"line {domain.sourceline}: a Domaine without name or certificate"
        )
    return fields


def _text(element: etree._Element) -> str:
    if len(element):
        raise ListRefused(ListFault.GRAMMAR, f"line {element.sourceline}: elements where text is expected")
    text = element.text or ""
    if len(text) > LONGEST_FIELD:
        raise ListRefused(
            ListFault.GRAMMAR, f"line {element.sourceline}: more than {LONGEST_FIELD} characters"
        )
    return text


def _name(text: str) -> DistinguishedName | None:
    try:
        return DistinguishedName.parse(text)
    except NameMalformed:
        return None
