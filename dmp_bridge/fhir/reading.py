"""What is read over FHIR: searches page by page, single documents, and the bytes behind them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from directory.patients import find_patient, patient_of
from dmp_bridge import record
from dmp_bridge.dossier.forms import Denied, SubmissionQuery
from dmp_bridge.dossier.traces import TraceQuery
from dmp_bridge.entry import Identifier
from dmp_bridge.fhir.audit_events import audit_event
from dmp_bridge.fhir.bundles import searchset
from dmp_bridge.fhir.consents import consent_resource
from dmp_bridge.fhir.document_query import document_query, number_of
from dmp_bridge.fhir.document_references import document_reference
from dmp_bridge.fhir.lists import submission_list
from dmp_bridge.fhir.patients import patient_resource
from dmp_bridge.fhir.query import parse
from dmp_bridge.rights.vocabulary import Reason
from foundation.fhir.outcome import Refused
from foundation.fhir.paging import NEXT_PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from directory.patients import Patient
    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.care_desk import CareDesk
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.forms import Content, DocumentQuery, FoundDocuments
    from dmp_bridge.fhir.patient_ids import PatientIds
    from dmp_bridge.fhir.query import Search
    from dmp_bridge.record import Document
    from foundation.database import Database
    from foundation.fhir.paging import SealedTokens
    from foundation.fhir.resources import Resource

_PLACES = {"DocumentReference": 2, "List": 2, "AuditEvent": 1}
"""How many numbers say where a page begins."""


class Reading:
    """`base` is the address of the service, `custodian` the name of who keeps the records."""

    def __init__(
        self,
        desk: Desk,
        care: CareDesk,
        database: Database,
        tokens: SealedTokens,
        ids: PatientIds,
        base: str,
        custodian: str,
    ) -> None:
        self._desk = desk
        self._care = care
        self._database = database
        self._tokens = tokens
        self._ids = ids
        self._base = base
        self._custodian = custodian

    async def search(self, caller: Caller, kind: str, pairs: Sequence[tuple[str, str]]) -> Iterator[bytes]:
        """One page of a search; raises Refused and Denied."""
        pairs, after = self._continued(caller, kind, pairs)
        search = parse(kind, pairs)
        if search.patient_id:
            search = replace(search, ins=self._ins_of(search.patient_id))
        match kind:
            case "Patient":
                return await self._patients(caller, search)
            case "DocumentReference":
                return await self._documents(caller, search, after)
            case "List":
                return await self._submissions(caller, search, after)
            case "AuditEvent":
                return await self._traces(caller, search, after)
            case _:
                return await self._consents(caller, search)

    async def document(self, caller: Caller, identity: str) -> Resource:
        """One DocumentReference by its id."""
        number = number_of(identity)
        return await self.told(caller, await self._desk.describe(caller, number))

    # ref: DMP-F31
    async def submission(self, caller: Caller, identity: str) -> Resource:
        """One List by its id."""
        found, documents = await self._desk.submission(caller, number_of(identity))
        patient = self._patient(found.owner_id)
        return submission_list(found, documents, Identifier(patient.ins, patient.ins_oid))

    async def content(self, caller: Caller, identity: str) -> Content:
        """The bytes of a document as they were deposited (ITI-68)."""
        return await self._desk.read(caller, number_of(identity))

    async def told(self, caller: Caller, document: Document) -> Resource:
        """A document as a resource."""
        patient = self._patient(document.owner_id)
        targets = await self._targets(caller, patient.ins, [document])
        return self._resource(document, patient, targets)

    def bare(self, document: Document) -> Resource:
        """The same without looking for the documents it replaces."""
        return self._resource(document, self._patient(document.owner_id), {})

    # ref: DMP-F34
    async def _patients(self, caller: Caller, search: Search) -> Iterator[bytes]:
        if not search.ins:
            raise _required("identifier")
        try:
            existence = await self._desk.existence(caller, search.ins)
        except Denied as denied:
            if denied.reason is not Reason.NO_RECORD:
                raise
            return searchset([], self._base, "Patient", search.pairs, total=0)
        patient = self._database.read_now(lambda connection: find_patient(connection, search.ins))
        found = (
            [patient_resource(existence, patient, self._ids.identity(patient.owner_id))]
            if patient is not None
            else []
        )
        return searchset(found, self._base, "Patient", search.pairs, total=len(found))

    # ref: DMP-F32
    async def _documents(
        self, caller: Caller, search: Search, after: tuple[int, ...] | None
    ) -> Iterator[bytes]:
        query = document_query(search, (after[0], after[1]) if after is not None else None)
        if not search.ins and not (query.ids or query.unique_ids or query.entry_uuids):
            raise _required("patient.identifier")
        found = await self._found(caller, search.ins, query)
        if not found.documents:
            return searchset([], self._base, "DocumentReference", search.pairs, total=found.total)
        patient = self._patient(found.documents[0].owner_id)
        targets = await self._targets(caller, patient.ins, found.documents)
        last = found.documents[-1]
        return searchset(
            (self._resource(each, patient, targets) for each in found.documents),
            self._base,
            "DocumentReference",
            search.pairs,
            total=found.total,
            next_token=self._next(caller, "DocumentReference", search, last.act_at, last.id)
            if found.are_more
            else "",
        )

    async def _found(self, caller: Caller, ins: str, query: DocumentQuery) -> FoundDocuments:
        """A UUID is that of an entry, or the logicalId."""
        if not query.entry_uuids:
            return await self._desk.search(caller, ins, query)
        try:
            found = await self._desk.search(caller, ins, query)
            if found.documents:
                return found
        except Denied as denied:
            if denied.reason is not Reason.NO_DOCUMENT:
                raise
        logical = replace(query, entry_uuids=(), logical_ids=query.entry_uuids)
        return await self._desk.search(caller, ins, logical)

    async def _submissions(
        self, caller: Caller, search: Search, after: tuple[int, ...] | None
    ) -> Iterator[bytes]:
        if not search.ins:
            raise _required("patient.identifier")
        codes, statuses = search.codes("code"), search.codes("status")
        if (codes and "submissionset" not in codes) or (statuses and "current" not in statuses):
            return searchset([], self._base, "List", search.pairs, total=0)
        names = [each.removeprefix("urn:oid:") for each in search.codes("identifier")]
        query = SubmissionQuery(
            unique_ids=tuple(each for each in names if not each.startswith("urn:uuid:")),
            entry_uuids=tuple(each for each in names if each.startswith("urn:uuid:")),
            source_ids=tuple(each.removeprefix("urn:oid:") for each in search.codes("sourceId")),
            submitted=search.range("date"),
            after=(after[0], after[1]) if after is not None else None,
            limit=search.count + 1,
        )
        found = await self._desk.submissions(caller, search.ins, query)
        page = found[: search.count]
        token = ""
        if len(found) > len(page):
            last = page[-1][0]
            token = self._next(caller, "List", search, last.submitted_at, last.id)
        patient = self._patient_named(search.ins)
        return searchset(
            [submission_list(each, documents, patient) for each, documents in page],
            self._base,
            "List",
            search.pairs,
            next_token=token,
        )

    # ref: DMP-F27
    async def _traces(self, caller: Caller, search: Search, after: tuple[int, ...] | None) -> Iterator[bytes]:
        if not search.ins:
            raise _required("patient.identifier")
        since, until = search.range("date")
        entity = search.code("entity").rpartition("DocumentReference/")[2]
        query = TraceQuery(
            since=since,
            until=until,
            document_id=number_of(entity) if entity else None,
            before_id=after[0] if after is not None else None,
            limit=search.count + 1,
        )
        found = await self._desk.traces(caller, search.ins, query)
        page = found[: search.count]
        token = self._next(caller, "AuditEvent", search, page[-1].id) if len(found) > len(page) else ""
        patient = self._patient_named(search.ins)
        return searchset(
            [audit_event(each, patient, self._custodian) for each in page],
            self._base,
            "AuditEvent",
            search.pairs,
            next_token=token,
        )

    async def _consents(self, caller: Caller, search: Search) -> Iterator[bytes]:
        if not search.ins:
            raise _required("patient.identifier")
        found = await self._care.professionals(caller, search.ins)
        patient = self._patient_named(search.ins)
        told = [consent_resource(each, patient) for each in found]
        return searchset(told, self._base, "Consent", search.pairs, total=len(told))

    def _continued(
        self, caller: Caller, kind: str, pairs: Sequence[tuple[str, str]]
    ) -> tuple[Sequence[tuple[str, str]], tuple[int, ...] | None]:
        """The search a token stands for and where it goes on; the search itself where there is no token."""
        tokens = [value for name, value in pairs if name == NEXT_PAGE]
        if not tokens:
            return pairs, None
        if len(tokens) > 1 or {name for name, _ in pairs} - {NEXT_PAGE, "_format"}:
            raise Refused(
                400, "value", "Un jeton de page va seul : il contient la recherche.", expression=NEXT_PAGE
            )
        told, known, after = self._tokens.open(_holder(caller), tokens[0])
        if told != kind or len(after) != _PLACES.get(kind):
            raise Refused(400, "value", "Ce jeton de page est d'une autre recherche.", expression=NEXT_PAGE)
        return [(name, value) for name, value in known], tuple(after)

    def _next(self, caller: Caller, kind: str, search: Search, *after: int) -> str:
        return self._tokens.seal(_holder(caller), [kind, search.pairs, after])

    async def _targets(
        self, caller: Caller, ins: str, documents: Sequence[Document]
    ) -> Mapping[tuple[int, str], int]:
        """Which document here each one names as replaced, transformed, completed or signed."""
        relating = [each.id for each in documents if '"relations"' in each.entry]
        if not relating:
            return {}
        found = await self._desk.associations(caller, ins, relating)
        return {(each.source_id, each.target): each.target_id for each in found if each.target_id is not None}

    def _resource(
        self, document: Document, patient: Patient, targets: Mapping[tuple[int, str], int]
    ) -> Resource:
        number = Identifier(patient.ins, patient.ins_oid)
        entry = record.described(document)
        return document_reference(document, entry, number, targets, self._base, self._custodian)

    def _patient(self, owner_id: int) -> Patient:
        patient = self._database.read_now(lambda connection: patient_of(connection, owner_id))
        if patient is None:
            raise Denied(Reason.NO_DOCUMENT)
        return patient

    def _patient_named(self, ins: str) -> Identifier:
        patient = self._database.read_now(lambda connection: find_patient(connection, ins))
        return Identifier(patient.ins, patient.ins_oid) if patient is not None else Identifier(ins)

    def _ins_of(self, identity: str) -> str:
        owner_id = self._ids.owner_id(identity)
        patient: Any = self._database.read_now(lambda connection: patient_of(connection, owner_id))
        if patient is None:
            raise Denied(Reason.NO_RECORD)
        return str(patient.ins)


def _holder(caller: Caller) -> str:
    """For whom a page token is: another person, structure or purpose begins anew."""
    return f"{caller.role}|{caller.id}|{caller.structure_id}|{caller.mode}"


def _required(name: str) -> Refused:
    return Refused(400, "required", f"Une recherche a un paramètre {name}.", expression=name)
