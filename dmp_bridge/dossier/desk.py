"""The one desk at which every way in asks for a record: it decides, acts, traces and leaves notices.

Each call is one unit of work; what is refused is traced like what is done, and raises Denied.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self, TypeVar

from dmp_bridge.dossier import notices, registry, traces
from dmp_bridge.dossier.case import case_of, case_of_owner, said_of, seen_by
from dmp_bridge.dossier.feeding import Reception
from dmp_bridge.dossier.forms import (
    Content,
    Denied,
    Deposit,
    DocumentQuery,
    Existence,
    Filed,
    FoundDocuments,
    Submission,
    SubmissionQuery,
)
from dmp_bridge.dossier.life import Change, Impossible, NotFromThisStatus, NotTogether, after
from dmp_bridge.dossier.notices import NoticeEvent
from dmp_bridge.dossier.relations import attending_of
from dmp_bridge.dossier.search import find
from dmp_bridge.dossier.surroundings import Surroundings, surroundings_of
from dmp_bridge.examiner import Examiner
from dmp_bridge.rights.professions import professions_of
from dmp_bridge.rights.states import RecordAct, Who, allows
from dmp_bridge.rights.vocabulary import Action, Mode, OwnAct, Reason, Role
from foundation.vault import BlobNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.case import Case
    from dmp_bridge.dossier.registry import Linked, Revision, SubmissionSet
    from dmp_bridge.dossier.traces import Trace, TraceQuery
    from dmp_bridge.record import Document
    from dmp_bridge.rights.professions import Professions
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.settings import Settings
    from foundation.vault import Vault

__all__ = [
    "Change",
    "Content",
    "Denied",
    "Deposit",
    "Desk",
    "DocumentQuery",
    "Existence",
    "Filed",
    "FoundDocuments",
    "Submission",
    "SubmissionQuery",
]

_T = TypeVar("_T")

_ACTIONS: Mapping[Change, tuple[Action, OwnAct | None]] = {
    Change.MASK: (Action.MASK, OwnAct.MASK),
    Change.UNMASK: (Action.UNMASK, OwnAct.UNMASK),
    Change.SHOW_TO_PATIENT: (Action.SHOW_TO_PATIENT, None),
    Change.REVEAL_TO_REPRESENTATIVES: (Action.SHOW_TO_PATIENT, OwnAct.REVEAL_TO_REPRESENTATIVES),
    Change.ARCHIVE: (Action.ARCHIVE, OwnAct.DELETE),
    Change.UNARCHIVE: (Action.UNARCHIVE, OwnAct.DELETE),
    Change.DELETE: (Action.DELETE, OwnAct.DELETE),
}
"""What each change is to a professional, and to a patient: who may delete an own document may put it away."""
_FEWEST_LOTS, _MOST_LOTS = 50, 200
"""Submission sets that are looked at together: 200 hold at most the 10 000 documents that one search finds."""


class Desk:
    """Opened once per process; every method may raise Denied. `close` ends its worker process.

    The patient is named by INS; a caller who is a patient may leave it out and means the own record.
    """

    def __init__(
        self, database: Database, vault: Vault, clock: Clock, settings: Settings, examiner: Examiner
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._examiner = examiner
        self._reception = Reception(vault, clock, examiner, settings)
        self._professions = professions_of(settings)

    @classmethod
    def open(cls, database: Database, vault: Vault, clock: Clock, settings: Settings) -> Self:
        """A desk with an examiner of its own."""
        return cls(database, vault, clock, settings, Examiner(settings.bridge))

    @property
    def professions(self) -> Professions:
        """Which profession may consult which type of document, as the operator's settings say."""
        return self._professions

    async def close(self) -> None:
        """Ends the worker process."""
        await self._examiner.close()

    # ref: DMP-F34
    async def existence(self, caller: Caller, ins: str) -> Existence:
        """TD0.2 and, for whom it is allowed, TD1.3a. A record that is not there raises Denied(NO_RECORD).

        Of a closed one nothing is told but that it is closed.
        """

        def unit(uow: UnitOfWork) -> Existence:
            case = self._case(uow.connection, caller, ins)
            case.demand(Action.TEST_EXISTENCE, OwnAct.READ)
            patient, standing = case.patient, case.standing
            is_active = patient.record_is_open
            attending = attending_of(uow.connection, patient.owner_id, self._clock.millis())
            may_know = case.is_own or case.refusal(Action.READ_ADMINISTRATIVE) is None
            self._trace(uow, case, Action.TEST_EXISTENCE)
            traits = (patient.birth_name, patient.first_names, patient.birth_date, patient.sex)
            return Existence(
                ins=patient.ins,
                is_active=is_active,
                is_activated=patient.box_is_open,
                is_authorised=is_active and standing.is_authorised,
                is_attending=is_active and standing.is_attending,
                has_attending=is_active and attending is not None,
                is_minor=is_active and standing.is_minor,
                traits=traits if may_know else None,
            )

        return await self._write(caller, Action.TEST_EXISTENCE, unit)

    # ref: DMP-F32
    async def search(self, caller: Caller, ins: str, query: DocumentQuery) -> FoundDocuments:
        """TD3.1: the metadata of the documents this caller may know of.

        Where documents are named by an identifier, the INS may be left out: it is that of the first of them. Those
        the caller may not know of are then as if they were not there: Denied(NO_DOCUMENT).
        """

        def unit(uow: UnitOfWork) -> FoundDocuments:
            case = self._case_of_query(uow.connection, caller, ins, query)
            case.demand(Action.SEARCH, OwnAct.READ)
            found = find(uow.connection, case.patient.owner_id, query, case.own, seen_by(case))
            if not ins and not found.total and not case.is_own:
                raise case.denied(Reason.NO_DOCUMENT)
            self._trace(uow, case, said_of(caller, Action.SEARCH), detail={"documents": len(found.documents)})
            self._tell_of_access(uow, case)
            return found

        return await self._write(caller, said_of(caller, Action.SEARCH), unit)

    async def reference(self, caller: Caller, ins: str, name: str) -> Document:
        """TD3.1-reference: one document by its uniqueId, entryUUID or number, to replace or delete it.

        Without an INS it is looked for in whichever record has it.
        """

        def unit(uow: UnitOfWork) -> Document:
            is_number = name.isascii() and name.isdecimal() and len(name) < 19
            names = DocumentQuery(
                ids=(int(name),) if is_number else (),
                unique_ids=(name,) if not is_number and not name.startswith("urn:uuid:") else (),
                entry_uuids=(name,) if name.startswith("urn:uuid:") else (),
            )
            case = self._case_of_query(uow.connection, caller, ins, names)
            case.demand(Action.FIND_REFERENCE, OwnAct.READ)
            owner_id = case.patient.owner_id
            if is_number:
                found = registry.document_by_id(uow.connection, int(name))
            else:
                found = registry.resolve(uow.connection, owner_id, name)
            if found is None or found.owner_id != owner_id:
                raise case.denied(Reason.NO_DOCUMENT)
            case.demand(Action.FIND_REFERENCE, OwnAct.READ, document=found)
            self._trace(uow, case, said_of(caller, Action.FIND_REFERENCE), found.id)
            return found

        return await self._write(caller, said_of(caller, Action.FIND_REFERENCE), unit)

    async def describe(self, caller: Caller, document_id: int) -> Document:
        """TD3.1 for one document by its number: the metadata, without the bytes."""

        def unit(uow: UnitOfWork) -> Document:
            case, found = self._document(uow.connection, caller, document_id)
            case.demand(Action.SEARCH, OwnAct.READ, document=found)
            self._trace(uow, case, said_of(caller, Action.SEARCH), found.id)
            self._tell_of_access(uow, case)
            return found

        return await self._write(caller, said_of(caller, Action.SEARCH), unit)

    async def read(
        self, caller: Caller, document_id: int, *, display: bool = False, ins: str = ""
    ) -> Content:
        """TD3.2: the bytes; `display` for what a person looks at. Traced, and told to the patient.

        With an INS it is a document of that record and no other's.
        """

        def unit(uow: UnitOfWork) -> Document:
            case, found = self._document(uow.connection, caller, document_id, ins)
            case.demand(Action.READ, OwnAct.READ, document=found)
            self._trace(uow, case, said_of(caller, Action.READ), found.id)
            self._tell_of_access(uow, case)
            return found

        found = await self._write(caller, said_of(caller, Action.READ), unit)
        is_shown = display and found.display_blob_id is not None
        blob_id = found.display_blob_id if display and found.display_blob_id is not None else found.blob_id
        try:
            data = await self._vault.read(found.owner_id, blob_id)
        except BlobNotFound:
            raise Denied(Reason.NO_DOCUMENT) from None
        return Content(found, data, found.media_type if is_shown else found.mime_type)

    # ref: DMP-F11
    async def feed(self, caller: Caller, submission: Submission) -> Sequence[Filed]:
        """TD2.1, TD2.2: all of a submission or nothing of it; one that is there already is filed once."""
        act = Action.FEED_AS_EMPLOYEE if caller.role is Role.EMPLOYEE else Action.FEED
        said = said_of(caller, act)

        def look(connection: Connection) -> Denied | None:
            try:
                self._case(connection, caller, submission.ins).demand(act, OwnAct.FEED)
            except Denied as denied:
                return denied
            return None

        refused = await self._database.read(look)
        if refused is not None:
            await self._trace_refusal(caller, said, refused)
            raise refused
        try:
            prepared = await self._reception.prepare(caller, submission)
        except Denied as denied:
            await self._trace_refusal(caller, said, denied)
            raise

        def unit(uow: UnitOfWork) -> list[Filed]:
            case = self._case(uow.connection, caller, submission.ins)
            case.demand(act, OwnAct.FEED)
            filed = self._reception.file(uow, case, submission, prepared, act)
            for each in filed:
                self._trace(uow, case, said, each.document_id, detail={"is_new": each.is_new})
                if each.is_new:
                    self._tell(uow, case, NoticeEvent.DOCUMENT_ADDED, each.document_id)
            uow.publish(f"owner:{case.patient.owner_id}")
            return filed

        try:
            filed = await self._write(caller, said, unit)
        except Denied:
            # Anything else may come after the commit (a client that went away): the sweep looks after orphans.
            await self._reception.discard(prepared)
            raise
        await self._reception.discard_unused(prepared, filed)
        return filed

    # ref: DMP-F36
    async def change(
        self, caller: Caller, document_id: int, change: Change, *, version: int | None = None
    ) -> Document:
        """TD3.3: one step in the life of a document; `version` is the metadata version the caller has seen.

        A step that was made already changes nothing, and is traced all the same.
        """
        action, own_act = _ACTIONS[change]
        is_of_patient = caller.role in (Role.PATIENT, Role.REPRESENTATIVE)
        said = own_act if is_of_patient and own_act is not None else action

        def unit(uow: UnitOfWork) -> Document:
            case, found = self._document(uow.connection, caller, document_id)
            if case.is_own and own_act is None:
                raise case.denied(Reason.ROLE, document=found)
            case.demand(action, own_act, document=found)
            try:
                status, visibilities = after(found.status, found.visibilities, change)
            except NotFromThisStatus:
                raise case.denied(Reason.STATE, document=found) from None
            except NotTogether:
                raise case.denied(Reason.COMBINATION, document=found) from None
            is_changed = (status, visibilities) != (found.status, found.visibilities)
            if is_changed and version is not None and version != found.metadata_version:
                raise case.denied(Reason.STALE, document=found)
            changed = registry.revise(
                uow, found, status, visibilities, actor=caller.id, at=self._clock.millis()
            )
            told = {"change": change.value, "version": changed.metadata_version}
            self._trace(uow, case, said, found.id, detail=told)
            if is_changed:
                self._tell(uow, case, NoticeEvent.DOCUMENT_CHANGED, found.id)
                uow.publish(f"owner:{found.owner_id}")
            return changed

        return await self._write(caller, said, unit)

    async def surroundings(self, caller: Caller, ins: str, document_id: int) -> Surroundings:
        """TD3.1 for one document of this record, with what a page shows around it; one trace tells of all."""

        def unit(uow: UnitOfWork) -> Surroundings:
            case, found = self._document(uow.connection, caller, document_id, ins)
            case.demand(Action.SEARCH, OwnAct.READ, document=found)
            changes = frozenset(each for each in Change if _leads_on(case, found, each))
            self._trace(uow, case, said_of(caller, Action.SEARCH), found.id)
            self._tell_of_access(uow, case)
            return surroundings_of(uow.connection, case, found, changes)

        return await self._write(caller, said_of(caller, Action.SEARCH), unit)

    async def changes(self, caller: Caller, document_id: int) -> frozenset[Change]:
        """Which steps the caller might make now, for a page that offers them: nothing is done, hence no trace."""

        def look(connection: Connection) -> frozenset[Change]:
            case, found = self._document(connection, caller, document_id)
            return frozenset(each for each in Change if _leads_on(case, found, each))

        return await self._database.read(look)

    async def associations(self, caller: Caller, ins: str, document_ids: Sequence[int]) -> list[Linked]:
        """The associations of documents; those with one that the caller may not know of are left out."""

        def unit(uow: UnitOfWork) -> list[Linked]:
            case = self._case(uow.connection, caller, ins)
            case.demand(Action.SEARCH, OwnAct.READ)
            act, owner_id = said_of(caller, Action.SEARCH), case.patient.owner_id
            found = registry.associations_of(uow.connection, owner_id, document_ids)
            ends = {
                number for each in found for number in (each.source_id, each.target_id) if number is not None
            }
            known = {
                number
                for number in ends
                if (end := registry.document_by_id(uow.connection, number)) is not None
                and case.refusal(act, case.facts(end)) is None
            }
            self._trace(uow, case, act, detail={"associations": len(found)})
            return [
                each
                for each in found
                if each.source_id in known and (each.target_id is None or each.target_id in known)
            ]

        return await self._write(caller, said_of(caller, Action.SEARCH), unit)

    async def history(self, caller: Caller, document_id: int) -> list[Revision]:
        """Every version of the metadata of a document, the first one first."""

        def unit(uow: UnitOfWork) -> list[Revision]:
            case, found = self._document(uow.connection, caller, document_id)
            case.demand(Action.SEARCH, OwnAct.READ, document=found)
            self._trace(uow, case, said_of(caller, Action.SEARCH), found.id)
            return registry.revisions_of(uow.connection, found.id)

        return await self._write(caller, said_of(caller, Action.SEARCH), unit)

    async def submissions(
        self, caller: Caller, ins: str, query: SubmissionQuery
    ) -> list[tuple[SubmissionSet, tuple[Document, ...]]]:
        """The submission sets of a record, the newest first, with those of their documents the caller may know of.

        One of which the caller may know no document is left out.
        """

        def unit(uow: UnitOfWork) -> list[tuple[SubmissionSet, tuple[Document, ...]]]:
            case = self._case(uow.connection, caller, ins)
            case.demand(Action.SEARCH, OwnAct.READ)
            found: list[tuple[SubmissionSet, tuple[Document, ...]]] = []
            step = replace(query, limit=min(max(query.limit, _FEWEST_LOTS), _MOST_LOTS))
            while len(found) < query.limit:
                lots = registry.submissions_of(uow.connection, case.patient.owner_id, step)
                found += _known(uow.connection, case, lots)
                if len(lots) < step.limit:
                    break
                step = replace(step, after=(lots[-1].submitted_at, lots[-1].id))
            self._trace(uow, case, said_of(caller, Action.SEARCH), detail={"submissions": len(found)})
            return found[: query.limit]

        return await self._write(caller, said_of(caller, Action.SEARCH), unit)

    # ref: DMP-F32
    async def submission(self, caller: Caller, number: int) -> tuple[SubmissionSet, tuple[Document, ...]]:
        """One submission set by its number, as `submissions` tells it.

        One that the caller may not know of, in whosever record, is as if it were not there: Denied(NO_DOCUMENT). The
        trace has why.
        """

        def unit(uow: UnitOfWork) -> tuple[SubmissionSet, tuple[Document, ...]]:
            found = registry.submission(uow.connection, number)
            if found is None:
                raise Denied(Reason.NO_DOCUMENT)
            now = self._clock.millis()
            case = case_of_owner(uow.connection, caller, found.owner_id, now, self._professions)
            case.demand(Action.SEARCH, OwnAct.READ)
            known = _known(uow.connection, case, [found])
            if not known:
                raise case.denied(Reason.NO_DOCUMENT)
            self._trace(uow, case, said_of(caller, Action.SEARCH), detail={"submissions": 1})
            return known[0]

        try:
            return await self._write(caller, said_of(caller, Action.SEARCH), unit)
        except Denied:
            raise Denied(Reason.NO_DOCUMENT) from None

    # ref: DMP-F27
    async def traces(self, caller: Caller, ins: str, query: TraceQuery) -> list[Trace]:
        """The traces of a record, the newest first: all for the patient and the attending doctor, else one's own.

        Professionals see those of one year, or the last hundred (dmp.md §4.5).
        """

        def unit(uow: UnitOfWork) -> list[Trace]:
            case = self._case(uow.connection, caller, ins)
            owner_id, now = case.patient.owner_id, self._clock.millis()
            if case.is_own:
                case.demand(OwnAct.READ_TRACES)
                audience = (
                    traces.Audience.PATIENT if caller.role is Role.PATIENT else traces.Audience.REPRESENTATIVE
                )
                found = traces.traces_of(uow.connection, owner_id, query, audience=audience)
            else:
                if not allows(case.standing.state, Who.PROFESSIONAL, RecordAct.READ_TRACES):
                    raise case.denied(Reason.NO_RECORD)
                if caller.role is not Role.PROFESSIONAL or not caller.id:
                    raise case.denied(Reason.ROLE)
                if case.standing.is_blocked:
                    raise case.denied(Reason.BLOCKED)
                own = None if case.standing.is_attending and caller.mode is Mode.NORMAL else caller.id
                since = traces.online_since(uow.connection, owner_id, now, caller_id=own)
                bounded = replace(query, since=max(since, query.since or 0))
                found = traces.traces_of(uow.connection, owner_id, bounded, caller_id=own)
            self._trace(uow, case, OwnAct.READ_TRACES, detail={"traces": len(found)})
            return found

        return await self._write(caller, OwnAct.READ_TRACES, unit)

    async def _write(self, caller: Caller, action: str, unit: Callable[[UnitOfWork], _T]) -> _T:
        try:
            return await self._database.write(unit)
        except Denied as denied:
            await self._trace_refusal(caller, action, denied)
            raise

    async def _trace_refusal(self, caller: Caller, action: str, denied: Denied) -> None:
        # What was refused was undone: its trace is a unit of its own.
        await self._database.write(
            lambda uow: traces.append(
                uow,
                caller,
                action,
                owner_id=denied.owner_id,
                document_id=denied.document_id,
                reason=denied.reason,
                clock=self._clock,
            )
        )

    def _case(self, connection: Connection, caller: Caller, ins: str) -> Case:
        return case_of(connection, caller, ins, self._clock.millis(), self._professions)

    def _case_of_query(self, connection: Connection, caller: Caller, ins: str, query: DocumentQuery) -> Case:
        if ins or caller.role is Role.PATIENT:
            return self._case(connection, caller, ins)
        owner_id = registry.owner_of(connection, query)
        if owner_id is None:
            raise Denied(Reason.NO_DOCUMENT)
        return case_of_owner(connection, caller, owner_id, self._clock.millis(), self._professions)

    def _document(
        self, connection: Connection, caller: Caller, document_id: int, ins: str = ""
    ) -> tuple[Case, Document]:
        found = registry.document_by_id(connection, document_id)
        if found is None:
            raise Denied(Reason.NO_DOCUMENT)
        case = case_of_owner(connection, caller, found.owner_id, self._clock.millis(), self._professions)
        if case.is_own and not case.standing.is_theirs:
            # Who guesses numbers must not learn that there is a document.
            raise case.denied(Reason.NO_DOCUMENT, document=found)
        if ins and case.patient.ins != ins:
            raise Denied(Reason.NO_DOCUMENT)
        return case, found

    def _trace(
        self,
        uow: UnitOfWork,
        case: Case,
        action: str,
        document_id: int | None = None,
        *,
        detail: Mapping[str, str | int | bool | None] | None = None,
    ) -> None:
        traces.append(
            uow,
            case.caller,
            action,
            owner_id=case.patient.owner_id,
            document_id=document_id,
            clock=self._clock,
            detail=detail,
        )

    def _tell(self, uow: UnitOfWork, case: Case, event: NoticeEvent, document_id: int | None = None) -> None:
        notices.leave(
            uow,
            case.patient.owner_id,
            event,
            now=self._clock.millis(),
            document_id=document_id,
            caller=case.caller,
        )

    # ref: DMP-F28
    def _tell_of_access(self, uow: UnitOfWork, case: Case) -> None:
        if case.is_own:
            return
        is_normal = case.caller.mode is Mode.NORMAL
        self._tell(uow, case, NoticeEvent.ACCESS if is_normal else NoticeEvent.EMERGENCY_ACCESS)


def _known(
    connection: Connection, case: Case, lots: Sequence[SubmissionSet]
) -> list[tuple[SubmissionSet, tuple[Document, ...]]]:
    """Those of which the caller may know a document, with these documents."""
    if not lots:
        return []
    numbers = tuple(each.id for each in lots)
    wanted = DocumentQuery(lots=numbers, statuses=(), limit=10_000)
    referred = registry.references_of(connection, numbers)
    documents: dict[int | None, list[Document]] = {}
    for each in find(connection, case.patient.owner_id, wanted, case.own, seen_by(case)).documents:
        for number in {each.submission_id, *referred.get(each.id, ())}:
            documents.setdefault(number, []).append(each)
    return [(each, tuple(documents[each.id])) for each in lots if each.id in documents]


def _leads_on(case: Case, found: Document, change: Change) -> bool:
    """Whether the rules allow a step, and it changes something."""
    action, own_act = _ACTIONS[change]
    act = own_act if case.is_own else action
    if act is None or case.refusal(act, case.facts(found)) is not None:
        return False
    try:
        return after(found.status, found.visibilities, change) != (found.status, found.visibilities)
    except Impossible:
        return False
