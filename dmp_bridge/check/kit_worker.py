"""The process that puts documents to the validation kit: it compiles each schema once and keeps it.

Run as ``python -m dmp_bridge.check.kit_worker FOLDER SECONDS``. A request on standard input is a line of JSON
(``number``, ``length``, ``templates``, ``named``, ``saxon``) and the bytes of a ClinicalDocument; an answer is a line of JSON:
``{"number": …, "schema": [[line, words], …], "schematrons": [[file, role, location, words], …], "unusable": [[file, why], …]}``.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxml import etree

from dmp_bridge.check.kit_files import KitFiles, list_files
from dmp_bridge.check.schematron import (
    SVRL,
    SchematronFault,
    read_schematron,
    translate,
)

if TYPE_CHECKING:
    from dmp_bridge.check.schematron import Schematron

# Saxon reserves far more addresses than it uses: what it may write to is limited instead.
_DATA_BYTES = 2 * 1024 * 1024 * 1024
_MOST = 200
# Compiling a whole kit takes longer than a caller waits: it goes on for the next document.
_PATIENCE = 6
_WORDS = 600
_V = f"{{{SVRL}}}"
_PROFILES = "profils"
_ONE_MODEL = "ci-sis_"


class _Schematrons:
    """The schematrons of the kit, read, translated and compiled when the first document needs them."""

    def __init__(self, files: KitFiles) -> None:
        self._files = files
        self._read: dict[Path, Schematron | str] = {}
        self._compiled: dict[Path, Any] = {}
        self._saxon: Any = None

    def judge(self, document: str, templates: set[tuple[str, str]], named: set[str]) -> dict[str, Any]:
        """Every failed assertion of the schematrons that are for this document."""
        from saxonche import PySaxonApiError, PySaxonProcessor

        if self._saxon is None:
            self._saxon = PySaxonProcessor(license=False)
        node = self._saxon.parse_xml(xml_text=document)
        failed: list[list[str]] = []
        unusable: list[list[str]] = []
        used = []
        for path in (*self._files.schematrons, *self._files.compiled):
            try:
                if not self._is_for(path, templates, named):
                    continue
                used.append(path.name)
                result = self._executable(path).transform_to_string(xdm_node=node)
            except SchematronFault as fault:
                unusable.append([path.name, str(fault)])
            except PySaxonApiError as fault:
                unusable.append([path.name, " ".join(str(fault).split())[:_WORDS]])
            else:
                failed.extend([path.name, *each] for each in _failures(result))
        return {"schematrons": failed[:_MOST], "unusable": unusable[:_MOST], "used": used}

    def _is_for(self, path: Path, templates: set[tuple[str, str]], named: set[str]) -> bool:
        """Profiles are for every document; the schematron of a model for the documents that declare or name it."""
        if path.name in named or f"{path.stem}.sch" in named:
            return True
        if _PROFILES in (part.lower() for part in path.relative_to(self._files.folder).parts):
            return True
        models = self._models(path)
        if models:
            return any(
                root == known and (not extension or extension == version)
                for root, extension in models
                for known, version in templates
            )
        return not path.name.lower().startswith(_ONE_MODEL)

    def _models(self, path: Path) -> frozenset[tuple[str, str]]:
        return frozenset() if path in self._files.compiled else self._source(path).models

    def _source(self, path: Path) -> Schematron:
        if path not in self._read:
            try:
                self._read[path] = read_schematron(path, self._files.folder)
            except SchematronFault as fault:
                self._read[path] = str(fault)
        found = self._read[path]
        if isinstance(found, str):
            raise SchematronFault(found)
        return found

    def _executable(self, path: Path) -> Any:
        if path not in self._compiled:
            compiler = self._saxon.new_xslt30_processor()
            if path in self._files.compiled:
                self._compiled[path] = compiler.compile_stylesheet(stylesheet_file=str(path))
            else:
                text = translate(self._source(path)).decode("utf-8")
                self._compiled[path] = compiler.compile_stylesheet(stylesheet_text=text)
        return self._compiled[path]


def _failures(result: str | None) -> list[list[str]]:
    if not result:
        return []
    found = []
    root = etree.fromstring(result.encode("utf-8"), etree.XMLParser(resolve_entities=False, huge_tree=True))
    for each in root.iter(f"{_V}failed-assert", f"{_V}successful-report"):
        words = " ".join("".join(each.itertext()).split())[:_WORDS]
        found.append([each.get("role", ""), each.get("location", ""), words])
        if len(found) >= _MOST:
            break
    return found


def _schema(files: KitFiles) -> etree.XMLSchema | None:
    """The XML schema; what it includes is read from the disk and never from the network."""
    if files.schema is None:
        return None
    parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
    return etree.XMLSchema(etree.parse(str(files.schema), parser))


def _judge_schema(schema: etree.XMLSchema, document: etree._Element) -> list[list[str]]:
    if schema.validate(document):
        return []
    return [
        [str(each.line), " ".join(each.message.split())[:_WORDS]] for each in list(schema.error_log)[:_MOST]
    ]


def main(arguments: list[str]) -> int:
    """Answers requests until the end of input."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not end up between two answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_DATA, (_DATA_BYTES, _DATA_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    files = list_files(Path(arguments[0]))
    schematrons = _Schematrons(files)
    schema: etree.XMLSchema | None = None
    while line := requests.readline(1_000_000):
        request = json.loads(line)
        _allow_time(int(arguments[1]))
        data = requests.read(request["length"])
        answer: dict[str, Any] = {
            "number": request["number"],
            "schema": [],
            "schematrons": [],
            "unusable": [],
            "used": [],
        }
        document = etree.fromstring(data, etree.XMLParser(resolve_entities=False, huge_tree=True))
        try:
            schema = schema or _schema(files)
            if schema is not None:
                answer["schema"] = _judge_schema(schema, document)
        except (etree.XMLSchemaParseError, etree.XMLSyntaxError, OSError) as fault:
            answer["unusable"].append([files.schema.name if files.schema else "", str(fault)[:_WORDS]])
        if request["saxon"] and (files.schematrons or files.compiled):
            templates = {(root, extension) for root, extension in request["templates"]}
            judged = schematrons.judge(data.decode("utf-8"), templates, set(request["named"]))
            judged["unusable"] = [*answer["unusable"], *judged["unusable"]]
            answer.update(judged)
        answers.write(json.dumps(answer).encode("utf-8") + b"\n")
        answers.flush()
    return 0


def _allow_time(seconds: int) -> None:
    """Ends this process when one document takes too long, even if nobody waits for its answer any more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + _PATIENCE * seconds, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
