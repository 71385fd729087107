"""Exports a whole record: an IHE_XDM package of all its documents, the rows that make it come back the same, and who
did what with it, to be read alone."""

from __future__ import annotations

import asyncio
import json
import zipfile
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from dmp_bridge import codes
from dmp_bridge.codes import Place
from dmp_bridge.dossier import traces
from dmp_bridge.dossier.tables import submission_set
from dmp_bridge.dossier.traces import Audience, TraceQuery
from dmp_bridge.entry import Identifier, SubmissionSet, confidentiality_codes, from_json
from dmp_bridge.rights.vocabulary import OwnAct
from dmp_bridge.visibility import Visibility
from dmp_bridge.writing.document import Written
from dmp_bridge.writing.draft_file import new_oid
from dmp_bridge.writing.package import Lot, Sender, index_page, metadata_of, names_of, readme
from dmp_bridge.writing.record_rows import ROWS_FILE, Kept, RecordRows, gather, write_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
    from typing import IO

    from sqlalchemy import Connection

    from directory.patients import Patient
    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.entry import DocumentEntry
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.vault import Vault

TRACES_FILE = "RECORD/TRACES.CSV"
_TRACES_AT_ONCE = 1000
_IN_ONE_FOLDER = 100
_CONSULTATION = "07"
_FLAGS = {
    "masked_to_professionals": Visibility.MASKED.value,
    "invisible_to_patient": Visibility.UNSEEN.value,
    "invisible_to_representatives": Visibility.UNSEEN_BY_REPRESENTATIVES.value,
}


@dataclass(frozen=True, slots=True)
class Exported:
    """How much an export holds."""

    documents: int
    size: int


def everything(_row: Mapping[str, Any]) -> bool:
    """What an operator exports: all of it, for another operator."""
    return True


def seen_by_patient(row: Mapping[str, Any]) -> bool:
    """What a patient takes along: neither what is yet to be announced nor what is deleted."""
    return not row["invisible_to_patient"] and row["status"] != "deleted"


def seen_by_representative(row: Mapping[str, Any]) -> bool:
    """What is taken along in the name of somebody: nothing that the minor keeps to oneself (CSP R1111-50)."""
    return seen_by_patient(row) and not row["invisible_to_representatives"]


# ref: DMP-F41
class Exporter:
    """Writes records out, one document in memory at a time."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def export(
        self,
        caller: Caller,
        patient: Patient,
        out: IO[bytes],
        *,
        is_kept: Callable[[Mapping[str, Any]], bool] = everything,
    ) -> Exported:
        """Writes the record of ``patient`` to ``out`` as a zip, and traces it.

        One folder per submission set under IHE_XDM, INDEX.HTM, README.TXT, RECORD/ROWS.JSL with versions,
        visibilities, associations, consents and relations (schema of our own, see docs/bridge-and-record.md), and
        RECORD/TRACES.CSV, which no import reads.
        """
        rows, kept = await self._database.read(lambda c: gather(c, patient.owner_id, is_kept))
        size = 0
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as package:
            async for written in self._members(package, patient, rows, kept):
                size += written
            async for _ in self._traces(package, patient, kept, Audience.ALL):
                pass
        detail = {"documents": len(kept)}
        await self._database.write(
            lambda uow: traces.append(
                uow, caller, OwnAct.EXPORT, owner_id=patient.owner_id, clock=self._clock, detail=detail
            )
        )
        return Exported(len(kept), size)

    # ref: DMP-F27
    async def pieces(
        self, patient: Patient, *, is_kept: Callable[[Mapping[str, Any]], bool], audience: Audience
    ) -> AsyncIterator[bytes]:
        """The zip of the documents and of the traces that `audience` reads, without what the patient said.

        In pieces: one document in memory at a time and nothing on a disk. Not traced: who lets it go out does that
        before the first piece.
        """
        rows, kept = await self._database.read(lambda c: gather(c, patient.owner_id, is_kept, will=()))
        spool = _Spool()
        # A file that cannot be rewound: each member bears its length behind it (APPNOTE 4.4.4, bit 3).
        with zipfile.ZipFile(cast("IO[bytes]", spool), "w", zipfile.ZIP_DEFLATED, allowZip64=True) as package:
            async for _ in self._members(package, patient, rows, kept):
                yield spool.taken()
            async for _ in self._traces(package, patient, kept, audience):
                yield spool.taken()
        yield spool.taken()

    async def _members(
        self, package: zipfile.ZipFile, patient: Patient, rows: RecordRows, kept: Sequence[Kept]
    ) -> AsyncIterator[int]:
        """Writes member after member; the octets of each document, 0 for what is none."""
        placed: list[tuple[str, str]] = []
        for folder, lot, members in _lots(patient, rows, kept, self._clock.millis()):
            names = names_of(lot.documents)
            await asyncio.to_thread(package.writestr, f"{folder}/METADATA.XML", metadata_of(lot, names))
            yield 0
            for name, member in zip(names, members, strict=True):
                data = await self._vault.read(patient.owner_id, member.blob_id)
                member.row["file"] = f"{folder}/{name}"
                await asyncio.to_thread(package.writestr, member.row["file"], data)
                placed.append((member.row["file"], member.row["title"]))
                yield len(data)
        sender = Sender("Dossier de santé", patient.name)
        package.writestr("INDEX.HTM", index_page(sender, placed))
        package.writestr("README.TXT", readme(sender, [name for name, _ in placed]))
        await asyncio.to_thread(_write_rows, package, _head(patient, self._clock.millis()), rows)
        yield 0

    async def _traces(
        self, package: zipfile.ZipFile, patient: Patient, kept: Sequence[Kept], audience: Audience
    ) -> AsyncIterator[None]:
        """Writes who did what with the record and when, the newest first, page after page (CSP R1111-43, RGPD 15)."""
        documents = {each.number: each.row["unique_id"] for each in kept}

        def page(connection: Connection, before: int | None) -> tuple[int | None, bytes]:
            query = TraceQuery(before_id=before, limit=_TRACES_AT_ONCE)
            found = traces.traces_of(connection, patient.owner_id, query, audience=audience)
            told = traces.csv_lines(traces.told_outside(each, documents) for each in found)
            return found[-1].id if len(found) == _TRACES_AT_ONCE else None, told.encode()

        with package.open(TRACES_FILE, "w", force_zip64=True) as file:
            file.write(traces.csv_lines([traces.CSV_HEAD]).encode())
            before: int | None = None
            while True:
                before, told = await self._database.read(partial(page, before=before))
                await asyncio.to_thread(file.write, told)
                yield
                if before is None:
                    return


class _Spool:
    """What was written and not taken yet; it has no way back, so that a zip is written straight on."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        """All of it, once."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _write_rows(package: zipfile.ZipFile, head: Mapping[str, Any], rows: RecordRows) -> None:
    with package.open(ROWS_FILE, "w", force_zip64=True) as file:
        for line in write_lines(head, rows):
            file.write(line)


def _head(patient: Patient, at: int) -> dict[str, Any]:
    return {
        "exported_at": at,
        "ins": patient.ins,
        "ins_oid": patient.ins_oid,
        "birth_name": patient.birth_name,
        "first_names": patient.first_names,
        "used_name": patient.used_name,
        "birth_date": patient.birth_date,
        "sex": patient.sex,
        "state": patient.state.value,
    }


def _lots(
    patient: Patient, rows: RecordRows, kept: Iterable[Kept], now: int
) -> Iterator[tuple[str, Lot, list[Kept]]]:
    """The documents by their submission sets; those that came without one are put into sets of the export's own."""
    submissions = {row["unique_id"]: row for row in rows.of(submission_set)}
    entry_uuids = {each.row["unique_id"]: each.row["entry_uuid"] for each in kept}
    source_id, seconds = new_oid(), set[int]()
    ordered = sorted(kept, key=lambda each: each.row["submission_id"] or "")
    number = 0
    for name, group in groupby(ordered, key=lambda each: each.row["submission_id"]):
        members = list(group)
        for start in range(0, len(members), _IN_ONE_FOLDER):
            some = members[start : start + _IN_ONE_FOLDER]
            number += 1
            documents = [Written(_entry(each.row), b"") for each in some]
            submission = _submission(patient, submissions.get(name), documents, source_id, now)
            # Times are told in seconds, and those of the sets of a package differ (IHE ITI-32 §3.32.4.1.2.2).
            second = submission.submission_time // 1000
            while second in seconds:
                second += 1
            seconds.add(second)
            told = replace(submission, submission_time=second * 1000)
            yield f"IHE_XDM/SUB{number:05}", Lot(told, documents, entry_uuids), some


def _entry(row: Mapping[str, Any]) -> DocumentEntry:
    """The entry of a row, under the visibility it has now."""
    flags = [code for column, code in _FLAGS.items() if row[column]]
    return replace(
        from_json(json.loads(row["entry"])),
        unique_id=row["unique_id"],
        mime_type=row["mime_type"],
        size=row["size"],
        hash=row["sha1"],
        confidentiality_codes=confidentiality_codes(row["confidentiality"], *flags),
    )


def _submission(
    patient: Patient, row: Mapping[str, Any] | None, documents: list[Written], source_id: str, now: int
) -> SubmissionSet:
    told = row or {}
    return SubmissionSet(
        unique_id=told.get("unique_id") or new_oid(),
        source_id=told.get("source_id") or source_id,
        submission_time=told.get("submitted_at", now),
        patient_id=Identifier(patient.ins, patient.ins_oid, "NH"),
        title=told.get("title") or documents[0].entry.title,
        content_type_code=codes.place(Place.CONTENT_TYPE, told.get("content_type") or _CONSULTATION),
        authors=documents[0].entry.authors[:1],
    )
