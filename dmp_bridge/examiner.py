"""Examines attachments in a confined process, and believes its answer only where it is made of findings."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

from dmp_bridge import cda, codes, entry, findings, worker
from dmp_bridge.antivirus import Clamd, ScanVerdict
from dmp_bridge.codes import ErrorCode
from dmp_bridge.confined import Confined, GaveUp, Unbelievable
from dmp_bridge.findings import Finding, Kind, refused
from foundation.mime.mss_headers import AttachedCda

if TYPE_CHECKING:
    from foundation.settings import BridgeSettings

_ALLOWED: dict[tuple[str, str], type] = {
    (found.__module__, found.__qualname__): found
    for found in (
        findings.Finding,
        findings.Kind,
        findings.Clinical,
        cda.Attached,
        cda.PatientIdentity,
        codes.Coded,
        codes.ErrorCode,
        entry.Author,
        entry.DocumentEntry,
        entry.Identifier,
        entry.Organization,
        entry.PatientName,
        entry.Person,
        entry.Relation,
        entry.SourcePatient,
        entry.SubmissionSet,
        AttachedCda,
    )
}

_REFUSALS = {
    ScanVerdict.INFECTED: "Un logiciel malveillant a été trouvé : rien n'en est ajouté au dossier.",
    ScanVerdict.TOO_LARGE: "Les pièces jointes de ce message sont trop volumineuses pour être contrôlées.",
}
UNEXAMINED = "Les pièces jointes de ce message n'ont pas pu être examinées."


# ref: DMP-F42
class Examiner(Confined):
    """Examines one message at a time in a process of its own; a message that kills it is refused with 906.

    Where the settings name a clamd, what it finds infected is refused with 906, and what it cannot be asked about
    raises ScannerUnavailable.
    """

    def __init__(self, settings: BridgeSettings, *, idle_seconds: float = 60.0) -> None:
        limits = (settings.memory_bytes, settings.timeout_seconds, settings.unzipped_bytes)
        super().__init__(
            worker.__name__,
            [*(str(limit) for limit in limits), str(codes.file_in_use() or "")],
            timeout_seconds=settings.timeout_seconds,
            idle_seconds=idle_seconds,
        )
        self._clamd = Clamd(settings.clamd, seconds=settings.timeout_seconds) if settings.clamd else None

    async def examine_message(self, message: bytes) -> tuple[Finding, ...]:
        """The findings of an RFC 5322 message."""
        return await self._examine("message", "", message)

    async def examine_file(self, name: str, data: bytes) -> tuple[Finding, ...]:
        """The findings of one file that came without a message."""
        return await self._examine("file", name, data)

    async def _examine(self, kind: str, name: str, data: bytes) -> tuple[Finding, ...]:
        try:
            found = await self.ask({"kind": kind, "name": name[:500]}, data, _read)
        except GaveUp:
            return (Finding("", 0, name, "", len(data), Kind.REFUSED, UNEXAMINED, code=ErrorCode.OTHER),)
        return found if self._clamd is None else await self._scanned(self._clamd, data, found)

    # ref: DMP-F39
    async def _scanned(self, clamd: Clamd, data: bytes, found: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """The findings, or all of them refused: who sends malware beside a document is not believed about either.

        clamd opens messages and archives itself; the file inside a CDA it is given apart.
        """
        if not any(each.data or each.display is not None for each in found):
            return found
        for stream in (data, *(each.display.data for each in found if each.display is not None)):
            verdict = await clamd.scan(stream)
            if verdict is not ScanVerdict.CLEAN:
                return tuple(refused(each, _REFUSALS[verdict]) for each in found)
        return found


class _FindingUnpickler(pickle.Unpickler):
    """Builds findings and nothing else: a worker that was taken over can send no code."""

    def find_class(self, module: str, name: str) -> Any:
        found = _ALLOWED.get((module, name))
        if found is None:
            raise pickle.UnpicklingError("not a finding")
        return found


def _read(packed: bytes) -> tuple[Finding, ...]:
    try:
        return _unpack(packed)
    except pickle.UnpicklingError as error:
        raise Unbelievable from error


def _unpack(packed: bytes) -> tuple[Finding, ...]:
    try:
        answer = _FindingUnpickler(io.BytesIO(packed)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as fault:
        raise pickle.UnpicklingError("not findings") from fault
    if not isinstance(answer, tuple) or not all(isinstance(each, Finding) for each in answer):
        raise pickle.UnpicklingError("not findings")
    return answer
