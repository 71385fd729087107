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

from dmp_bridge.cda import NAMESPACE
from dmp_bridge.check.kit_files import KitFiles, list_files
from dmp_bridge.check.report import Weight

if TYPE_CHECKING:
    from pathlib import Path

    from dmp_bridge.check.ledger import Ledger

_Q = f"{{{NAMESPACE}}}"
_SECONDS = 120.0
_MAX_ANSWER = 4 * 1024 * 1024
# The worker never needs the secrets that an operator may have put into the environment.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "VIRTUAL_ENV")
_NAMED = re.compile(rb"""<\?(?:oxygen|xml-model)\b[^>]{0,400}?([A-Za-z0-9_.\-]{1,100}\.sch)["']""")
_PROLOG = 8192
_STEP = re.compile(r"Q\{[^}]{0,200}\}")
_RECOMMENDED = frozenset({"warning", "warn"})
_NOTED = frozenset({"information", "info", "hint", "notice"})


class KitUnusable(Exception):
    """The folder holds no kit; the message is a French sentence."""


class _Silent(Exception):
    """The worker ended, or did not answer in time."""


class Kit:
    """One kit. Its worker starts with the first document and ends with ``close``. Safe to use from threads."""

    def __init__(self, files: KitFiles, *, seconds: float = _SECONDS) -> None:
        self._files = files
        self._seconds = seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._saxon = importlib.util.find_spec("saxonche") is not None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The kit in ``folder``; ``KitUnusable`` when there is none."""
        if not folder.is_dir():
            raise KitUnusable(f"Le dossier du kit de validation n'existe pas : {folder}.")
        files = list_files(folder)
        if files.schema is None and not files.schematrons and not files.compiled:
            raise KitUnusable(f"Aucun schéma CDA.xsd ni schématron dans le dossier {folder}.")
        return cls(files)

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
                request = {"templates": templates, "named": named, "saxon": self._saxon}
                answer = self._ask(request, document)
            except (_Silent, OSError, ValueError):
                self._stop()
                says = "Le kit n'a pas répondu : ce document n'a pas été jugé par lui."
                ledger.fault(
                    "KIT-XSD", "", says, "Vérifier le kit, ou contrôler sans lui.", Weight.RECOMMENDED
                )
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
                ledger.fault("KIT-XSD", f"ligne {line}", words, "Corriger la structure du document.")
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
        line = json.dumps({**request, "length": len(document)}).encode("utf-8")
        # The worker reads all of a request before it answers, so a write waits for its reading only.
        _write(process.stdin, line + b"\n" + document, deadline)
        answer: dict[str, Any] = json.loads(_read_line(process.stdout, deadline))
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            self._process = subprocess.Popen(  # noqa: S603 - our own module, under our own interpreter
                [sys.executable, "-m", "dmp_bridge.check.kit_worker", str(self._files.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            )
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        process.wait()


def _write(stream: IO[bytes], data: bytes, deadline: float) -> None:
    view = memoryview(data)
    os.set_blocking(stream.fileno(), False)
    while view:
        _wait(stream, select.POLLOUT, deadline)
        try:
            view = view[os.write(stream.fileno(), view) :]
        except BlockingIOError:
            continue


def _read_line(stream: IO[bytes], deadline: float) -> bytes:
    read = bytearray()
    while not read.endswith(b"\n"):
        _wait(stream, select.POLLIN, deadline)
        chunk = os.read(stream.fileno(), 65_536)
        if not chunk or len(read) > _MAX_ANSWER:
            raise _Silent
        read += chunk
    return bytes(read)


def _wait(stream: IO[bytes], event: int, deadline: float) -> None:
    ready = select.poll()
    ready.register(stream, event)
    if not ready.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise _Silent
