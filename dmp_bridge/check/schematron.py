"""Turns an ISO Schematron of the XSLT bindings into one stylesheet that writes SVRL (ISO/IEC 19757-3).

Only the part of the standard that the schematrons of the ANS use: inclusion, phases, abstract patterns and rules,
variables, functions and keys of XSLT. Variables of a pattern are visible everywhere, as with the ISO skeleton: the
schematrons of the ANS put the paths of their value sets into the variables of one pattern for all the others.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from dmp_bridge.xml import XmlFault, local_name, namespace, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ISO = "http://purl.oclc.org/dsdl/schematron"
SVRL = "http://purl.oclc.org/dsdl/svrl"
XSLT = "http://www.w3.org/1999/XSL/Transform"
_S, _X, _V = f"{{{ISO}}}", f"{{{XSLT}}}", f"{{{SVRL}}}"
_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_MAX_FILES = 3000
_MAX_BYTES = 64 * 1024 * 1024
_MAX_RULES = 20_000
_PASSES = 20
_TEMPLATE = re.compile(
    r"""templateId\s{0,9}\[\s{0,9}@root\s{0,9}=\s{0,9}['"]([0-9.]{3,64})['"]"""
    r"""(?:\s{1,9}and\s{1,9}@extension\s{0,9}=\s{0,9}['"]([^'"\]]{1,40})['"])?"""
)
# What any French document declares: by these no schematron is known to be for one model.
_GENERIC = frozenset({"2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1", "1.3.6.1.4.1.19376.1.2.20"})


class SchematronFault(Exception):
    """The schematron cannot be used; the message is a French sentence."""


@dataclass(frozen=True, slots=True)
class Schematron:
    """A schematron with its inclusions resolved. ``models`` are the templateId (root, extension) it is for."""

    path: Path
    root: etree._Element
    models: frozenset[tuple[str, str]]


class _Files:
    """Reads the files of one schematron, never outside ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._left = _MAX_BYTES
        self._count = 0

    def read(self, path: Path) -> etree._Element:
        resolved = path.resolve()
        self._count += 1
        if not resolved.is_relative_to(self._folder):
            raise SchematronFault(f"{path.name} est hors du dossier du kit.")
        try:
            size = resolved.stat().st_size
            if self._count > _MAX_FILES or size > self._left:
                raise SchematronFault("Le schématron est trop volumineux.")
            self._left -= size
            return parse(resolved.read_bytes())
        except OSError:
            raise SchematronFault(f"{path.name} est introuvable.") from None
        except XmlFault:
            raise SchematronFault(f"{path.name} n'est pas un XML lisible.") from None


def read_schematron(path: Path, folder: Path) -> Schematron:
    """The schematron at ``path`` with everything it includes from ``folder``; ``SchematronFault`` otherwise."""
    files = _Files(folder)
    root = files.read(path)
    if root.tag != f"{_S}schema":
        raise SchematronFault(f"{path.name} n'est pas un schématron.")
    _include(root, path, files)
    return Schematron(path, root, frozenset(_models(root)))


def _include(root: etree._Element, path: Path, files: _Files) -> None:
    """Replaces every include and every extends by a file, as long as what came in brings others."""
    homes: dict[etree._Element, Path] = {root: path}
    for _ in range(_PASSES):
        wanted = [
            each
            for each in root.iter(f"{_S}include", f"{_S}extends")
            if each.get("href") is not None and each.getparent() is not None
        ]
        if not wanted:
            return
        for each in wanted:
            href, _, fragment = each.get("href", "").partition("#")
            target = _home(each, homes).parent / href
            found = files.read(target)
            if fragment:
                found = next((node for node in found.iter() if node.get("id") == fragment), found)
            parent = each.getparent()
            assert parent is not None
            incoming = list(found) if each.tag == f"{_S}extends" else [found]
            at = parent.index(each)
            parent[at : at + 1] = incoming
            for node in incoming:
                homes[node] = target
    raise SchematronFault("Les inclusions du schématron ne finissent pas.")


def _home(element: etree._Element, homes: dict[etree._Element, Path]) -> Path:
    """The file an element came from."""
    node: etree._Element | None = element
    while node is not None:
        if node in homes:
            return homes[node]
        node = node.getparent()
    raise SchematronFault("Une inclusion n'a pas de fichier.")


def _models(root: etree._Element) -> Iterator[tuple[str, str]]:
    for rule in root.iter(f"{_S}rule"):
        if not rule.get("context", "").strip().endswith("ClinicalDocument"):
            continue
        for assertion in rule.iterchildren(f"{_S}assert"):
            for root_id, extension in _TEMPLATE.findall(assertion.get("test", "")):
                if root_id not in _GENERIC:
                    yield root_id, extension


def translate(schematron: Schematron) -> bytes:
    """The stylesheet: XSLT 3.0 text whose result is an SVRL ``schematron-output``."""
    root = schematron.root
    spaces = {each.get("prefix", ""): each.get("uri", "") for each in root.iterchildren(f"{_S}ns")}
    spaces.update({"xsl": XSLT, "svrl": SVRL})
    sheet = etree.Element(
        f"{_X}stylesheet", nsmap={prefix: uri for prefix, uri in spaces.items() if prefix and uri}
    )
    # Schematrons without an XSLT 2 binding are written in XPath 1.0.
    modern = root.get("queryBinding", "xslt").lower() != "xslt"
    sheet.set("version", "3.0" if modern else "1.0")
    sheet.set(_BASE, schematron.path.resolve().as_uri())
    sheet.extend(copy.deepcopy(each) for each in root if namespace(each) == XSLT)
    patterns = list(_active(root))
    variables = _Variables(sheet)
    for let in root.iterchildren(f"{_S}let"):
        variables.add(let)
    local = [
        [let for let in pattern.iterchildren(f"{_S}let") if not variables.add(let)] for pattern in patterns
    ]
    output = etree.SubElement(etree.SubElement(sheet, f"{_X}template", match="/"), f"{_V}schematron-output")
    abstract = {
        rule.get("id", ""): rule for rule in root.iter(f"{_S}rule") if rule.get("abstract", "") == "true"
    }
    count = 0
    for number, (pattern, lets) in enumerate(zip(patterns, local, strict=True)):
        mode = f"M{number}"
        etree.SubElement(output, f"{_X}apply-templates", select="/", mode=mode)
        walk = etree.SubElement(sheet, f"{_X}template", match="/ | node() | @*", mode=mode, priority="-1")
        etree.SubElement(walk, f"{_X}apply-templates", select="@* | node()", mode=mode)
        rules = [rule for rule in pattern.iterchildren(f"{_S}rule") if rule.get("abstract", "") != "true"]
        count += len(rules)
        if count > _MAX_RULES:
            raise SchematronFault("Le schématron a trop de règles.")
        # Within a pattern only the first rule that matches a node is fired.
        for rank, rule in enumerate(rules):
            template = etree.SubElement(
                sheet,
                f"{_X}template",
                match=rule.get("context", ""),
                mode=mode,
                priority=str(len(rules) - rank),
            )
            _write_rule(template, [*lets, *rule], abstract)
            etree.SubElement(template, f"{_X}apply-templates", select="@* | node()", mode=mode)
    return etree.tostring(sheet, xml_declaration=True, encoding="UTF-8")


class _Variables:
    """The global variables: the first of a name; one of the same name and value says nothing new."""

    def __init__(self, sheet: etree._Element) -> None:
        self._sheet = sheet
        self._values: dict[str, str] = {}

    def add(self, let: etree._Element) -> bool:
        """False when another value has the name: the variable then belongs to its pattern alone."""
        name, value = let.get("name", ""), let.get("value", "")
        if name in self._values:
            return self._values[name] == value
        self._values[name] = value
        etree.SubElement(self._sheet, f"{_X}variable", name=name, select=value)
        return True


def _active(root: etree._Element) -> Iterator[etree._Element]:
    """The patterns of the default phase, each abstract one written out where it is used."""
    phase = root.get("defaultPhase", "#ALL")
    chosen = next((each for each in root.iterchildren(f"{_S}phase") if each.get("id") == phase), None)
    names = None if chosen is None else {each.get("pattern") for each in chosen.iterchildren(f"{_S}active")}
    abstract = {
        each.get("id", ""): each
        for each in root.iterchildren(f"{_S}pattern")
        if each.get("abstract") == "true"
    }
    for pattern in root.iterchildren(f"{_S}pattern"):
        if pattern.get("abstract") == "true" or (names is not None and pattern.get("id") not in names):
            continue
        model = pattern.get("is-a")
        if model is None:
            yield pattern
        elif model in abstract:
            yield _instance(abstract[model], pattern)
        else:
            raise SchematronFault(f"Le motif abstrait {model} est introuvable.")


def _instance(model: etree._Element, pattern: etree._Element) -> etree._Element:
    parameters = {each.get("name", ""): each.get("value", "") for each in pattern.iterchildren(f"{_S}param")}
    made = copy.deepcopy(model)
    if not parameters:
        return made
    names = "|".join(re.escape(name) for name in sorted(parameters, key=len, reverse=True))
    reference = re.compile(rf"\$({names})(?![\w.-])")
    for element in made.iter():
        for name, value in element.attrib.items():
            if "$" in value:
                element.set(name, reference.sub(lambda match: parameters[match[1]], value))
    return made


def _write_rule(
    template: etree._Element, children: Iterable[etree._Element], abstract: dict[str, etree._Element]
) -> None:
    """What a rule says, in its order; ``extends`` brings in the words of an abstract rule."""
    waiting = list(reversed(list(children)))
    used: set[str] = set()
    while waiting:
        child = waiting.pop()
        match local_name(child):
            case "let":
                etree.SubElement(
                    template, f"{_X}variable", name=child.get("name", ""), select=child.get("value", "")
                )
            case "extends":
                name = child.get("rule", "")
                if name not in abstract:
                    raise SchematronFault(f"La règle abstraite {name} est introuvable.")
                if name not in used:
                    used.add(name)
                    waiting.extend(reversed(list(abstract[name])))
            case "assert":
                choose = etree.SubElement(template, f"{_X}choose")
                etree.SubElement(choose, f"{_X}when", test=child.get("test", ""))
                _write_finding(etree.SubElement(choose, f"{_X}otherwise"), "failed-assert", child)
            case "report":
                _write_finding(
                    etree.SubElement(template, f"{_X}if", test=child.get("test", "")),
                    "successful-report",
                    child,
                )
            case _:
                continue


def _write_finding(parent: etree._Element, kind: str, assertion: etree._Element) -> None:
    finding = etree.SubElement(parent, f"{_V}{kind}")
    role = assertion.get("role") or assertion.get("flag")
    if role:
        finding.set("role", role.replace("{", "").replace("}", ""))
    finding.set("location", "{path()}")
    text = etree.SubElement(finding, f"{_V}text")
    _write_text(text, assertion.text)
    for child in assertion:
        match local_name(child):
            case "value-of":
                etree.SubElement(text, f"{_X}value-of", select=child.get("select", ""))
            case "name":
                etree.SubElement(text, f"{_X}value-of", select=f"name({child.get('path', '')})")
            case _:
                _write_text(text, "".join(child.itertext()))
        _write_text(text, child.tail)


def _write_text(parent: etree._Element, words: str | None) -> None:
    if words:
        etree.SubElement(parent, f"{_X}text").text = words
