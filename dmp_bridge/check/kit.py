"""The official validation kit, if the operator has it: XML schema and schematrons, run in a process of their own.

The kit of the ANS (TestContenuCDA) cannot be shipped; a folder that holds it is pointed at. The schema needs lxml
only; the schematrons are in the XSLT 2 binding and need ``saxonche`` (extra ``kit``).
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import re
import select
import subprocess
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Any, Self

from lxml import etree

from dmp_bridge.cda_elements import NAMESPACE
from dmp_bridge.check.kit_files import KitFiles, list_files
from dmp_bridge.check.report import Weight

if TYPE_CHECKING:
    from pathlib import Path

    from dmp_bridge.check.ledger import Ledger

_Q = f"{{{NAMESPACE}}}"
# Less than a confined check has in all, so that the built-in rules are told even when the kit is slow.
_SECONDS = 25.0
_MAX_ANSWER = 4 * 1024 * 1024
# The worker never needs the secrets that an operator may have put into the environment.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "VIRTUAL_ENV")
_NAMED = re.compile(rb"""<\?(?:oxygen|xml-model)\b[^>]{0,400}?([A-Za-z0-9_.\-]{1,100}\.sch)["']""")
_PROLOG = 8192
_STEP = re.compile(r"Q\{[^}]{0,200}\}")
_RECOMMENDED = frozenset({"warning", "warn"})
_NOTED = frozenset({"information", "info", "hint", "notice"})


# libxml2 knows English only; what it does not say in these words stays as it is.
_WORDS_OF_LIBXML2 = (
    (f"{{{NAMESPACE}}}", ""),
    ("This element is not expected.", "Cet élément n'est pas attendu ici."),
    (
        "No matching global declaration available for the validation root.",
        "Le schéma ne connaît pas cette racine.",
    ),
    ("Missing child element(s).", "Il manque des éléments fils."),
    ("Expected is one of", "Attendu, l'un de"),
    ("Expected is", "Attendu :"),
    ("is required but missing", "est obligatoire et absent"),
    ("is not allowed", "n'est pas admis"),
    ("is not a valid value of the atomic type", "n'est pas une valeur du type"),
    ("is not a valid value of the union type", "n'est pas une valeur du type"),
    ("is not an element of the set", "n'est pas dans la liste"),
    ("is not accepted by the pattern", "ne suit pas le motif"),
    ("The attribute", "L'attribut"),
    ("The value", "La valeur"),
    ("Element '", "Élément '"),
    (", attribute '", ", attribut '"),
)


class KitUnusable(Exception):
    """The folder holds no kit; the message is a French sentence."""


class _Ended(Exception):
    """The worker ended, or did not take the document."""


class _Late(Exception):
    """The worker is still at work: what it compiles now will serve the next document."""


class Kit:
    """One kit and its worker, which ``close`` ends. Safe to use from threads."""

    def __init__(self, files: KitFiles, *, seconds: float = _SECONDS) -> None:
        self._files = files
        self._seconds = seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._read = bytearray()
        self._number = 0
        self._saxon = importlib.util.find_spec("saxonche") is not None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The kit in ``folder``, its worker started; ``KitUnusable`` when there is none.

        A process that confines itself opens the kit before: Saxon reserves more addresses than it would be given.
        """
        if not folder.is_dir():
            raise KitUnusable(f"Le dossier du kit de validation n'existe pas : {folder}.")
        files = list_files(folder)
        if files.schema is None and not files.schematrons and not files.compiled:
            raise KitUnusable(f"Aucun schéma CDA.xsd ni schématron dans le dossier {folder}.")
        kit = cls(files)
        kit._running()
        return kit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def label(self) -> str:
        """Which rules these are, in French: what the folder holds, what tells it from another, what runs it."""
        files = self._files
        count = len(files.schematrons) + len(files.compiled)
        parts = [files.schema.name if files.schema is not None else "aucun schéma"]
        if count and self._saxon:
            version = importlib.metadata.version("saxonche")
            parts.append(f"{count} schématron{'s' if count > 1 else ''} par SaxonC-HE {version}")
        elif count:
            parts.append("schématrons non exécutés, saxonche n'étant pas installé")
        return f"kit « {files.folder.name} » (empreinte {files.digest}) : {', '.join(parts)} ; et règles internes"

    # ref: DMP-F7
    def check(self, ledger: Ledger, data: bytes, element: etree._Element) -> None:
        """Puts the ClinicalDocument ``element`` of the file ``data`` to the schema and to its schematrons."""
        templates = [
            [each.get("root", ""), each.get("extension", "")]
            for each in element.findall(f"{_Q}templateId")[:50]
        ]
        named = [match.decode("ascii") for match in _NAMED.findall(data[:_PROLOG])[:50]]
        document = etree.tostring(element, encoding="UTF-8", with_tail=False)
        with self._lock:
            try:
                answer = self._ask({"templates": templates, "named": named, "saxon": self._saxon}, document)
            except _Late:
                answer = None
            except (_Ended, OSError, ValueError):
                self._stop()
                answer = None
        if answer is None:
            says = "Le kit n'a pas répondu : ce document n'a pas été jugé par lui."
            advice = (
                "Réessayer, car la première fois les schématrons sont compilés ; sinon contrôler sans le kit."
            )
            ledger.fault("KIT-XSD", "", says, advice, Weight.RECOMMENDED)
            return
        self._tell(ledger, answer)

    def close(self) -> None:
        """Ends the worker."""
        with self._lock:
            self._stop()

    def _tell(self, ledger: Ledger, answer: dict[str, Any]) -> None:
        files = self._files
        if files.schema is not None:
            ledger.open("KIT-XSD", f"Le document est valide selon {files.schema.name}.")
            for line, words in answer["schema"]:
                ledger.fault(
                    "KIT-XSD", f"ligne {line}", in_french(words), "Corriger la structure du document."
                )
        if answer["used"]:
            ledger.open("KIT-SCHEMATRON", f"Aucun écart selon {', '.join(answer['used'][:10])}.")
        elif (files.schematrons or files.compiled) and not self._saxon:
            ledger.aside(
                "KIT-SCHEMATRON", "saxonche n'est pas installé : les schématrons ne sont pas exécutés."
            )
        for name, role, location, words in answer["schematrons"]:
            weight = Weight.RECOMMENDED if role in _RECOMMENDED else Weight.NOTE if role in _NOTED else None
            place = f"{name} {_STEP.sub('', location).replace('[1]', '')}"
            ledger.fault("KIT-SCHEMATRON", place, words, "Corriger selon le schématron.", weight)
        for name, why in answer["unusable"]:
            says = f"{name} n'a pas pu être exécuté : {why}"
            ledger.fault("KIT-SCHEMATRON", name, says, "Vérifier le kit.", Weight.RECOMMENDED)

    def _ask(self, request: dict[str, Any], document: bytes) -> dict[str, Any]:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        deadline = time.monotonic() + self._seconds
        self._number += 1
        line = json.dumps({**request, "length": len(document), "number": self._number}).encode("utf-8")
        _write(process.stdin, line + b"\n" + document, deadline)
        while True:
            answer: dict[str, Any] = json.loads(self._line(process.stdout, deadline))
            # An answer that came too late is about a document that was told without it.
            if answer["number"] == self._number:
                return answer

    def _line(self, stream: IO[bytes], deadline: float) -> bytes:
        while b"\n" not in self._read:
            if not _ready(stream, select.POLLIN, deadline):
                raise _Late
            chunk = os.read(stream.fileno(), 65_536)
            if not chunk or len(self._read) > _MAX_ANSWER:
                raise _Ended
            self._read += chunk
        line, _, rest = bytes(self._read).partition(b"\n")
        self._read = bytearray(rest)
        return line

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            self._process = subprocess.Popen(  # noqa: S603 - our own module, under our own interpreter
                [
                    sys.executable,
                    "-m",
                    "dmp_bridge.check.kit_worker",
                    str(self._files.folder),
                    str(int(self._seconds)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            )
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        self._read.clear()
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        process.wait()


def in_french(words: str) -> str:
    """What libxml2 says of a document against its schema, as far as its words are known."""
    for english, french in _WORDS_OF_LIBXML2:
        words = words.replace(english, french)
    return words


def _write(stream: IO[bytes], data: bytes, deadline: float) -> None:
    view = memoryview(data)
    os.set_blocking(stream.fileno(), False)
    while view:
        if not _ready(stream, select.POLLOUT, deadline):
            raise _Ended
        try:
            view = view[os.write(stream.fileno(), view) :]
        except BlockingIOError:
            continue


def _ready(stream: IO[bytes], event: int, deadline: float) -> bool:
    waiting = select.poll()
    waiting.register(stream, event)
    return bool(waiting.poll(max(0.0, deadline - time.monotonic()) * 1000))
