"""The registry: ITI-18 asks the desk what a stored query asks, ITI-57 changes the visibility or status of a document."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dmp_bridge.dossier.forms import Denied, DocumentQuery, SubmissionQuery
from dmp_bridge.ebrim import submission_of
from dmp_bridge.rights.vocabulary import Role
from dmp_bridge.xds.answers import (
    CONTENT_TYPE_SYSTEM,
    RIM,
    Objects,
    depositor_of,
    membership,
    query_response,
    registry_response,
    relation,
)
from dmp_bridge.xds.like import Pattern
from dmp_bridge.xds.queries import (
    MOST_REFERENCES,
    FindDocuments,
    FindSubmissionSets,
    GetDocuments,
    GetSubmissionSets,
    ReturnType,
    most,
    read_query,
)
from dmp_bridge.xds.registry_errors import ErrorCode, Failed, problem_of
from dmp_bridge.xds.update import StatusUpdate, change_of, read_update
from dmp_bridge.xml import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lxml import etree

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.life import Change
    from dmp_bridge.dossier.registry import SubmissionSet
    from dmp_bridge.ebrim import Cx
    from dmp_bridge.record import Document
    from dmp_bridge.xds.queries import Asked
    from dmp_bridge.xds.update import MetadataUpdate

_REFERRING = (Role.STRUCTURE, Role.EMPLOYEE)
"""Who may only look up a reference, to replace or delete it (TD3.1-reference)."""


class Registry:
    """`repository` is the OID of the repository that holds the documents."""

    def __init__(self, desk: Desk, repository: str) -> None:
        self._desk = desk
        self._repository = repository

    # ref: DMP-F33
    async def query(self, caller: Caller, patient: Cx, request: etree._Element) -> str:
        """ITI-18."""
        try:
            asked = await asyncio.to_thread(read_query, request)
            objects = await self._found(caller, patient, asked)
        except Failed as failed:
            return query_response([], [failed.problem])
        except Denied as denied:
            return query_response([], [problem_of(denied)])
        return await asyncio.to_thread(query_response, objects)

    # ref: DMP-F33
    async def update(self, caller: Caller, patient: Cx, request: etree._Element) -> str:
        """ITI-57."""
        location = ""
        try:
            update = await asyncio.to_thread(read_update, request, patient)
            if isinstance(update, StatusUpdate):
                location = update.entry_uuid
                await self._update_status(caller, patient, update)
            else:
                location = update.logical_id
                await self._update_metadata(caller, patient, update)
        except Failed as failed:
            return registry_response([failed.problem])
        except Denied as denied:
            return registry_response([problem_of(denied, location)])
        return registry_response()

    async def _found(self, caller: Caller, patient: Cx, asked: Asked) -> Iterable[str]:
        """The objects that a query finds, as XML that is made while it is taken."""
        query = asked.query
        tell = Objects(patient, self._repository, asked.return_type)
        if isinstance(query, FindDocuments | FindSubmissionSets):
            _check_patient(query.patient, patient)
        if isinstance(query, FindDocuments):
            found = await self._desk.search(caller, patient.value, query.documents)
            meeting = await asyncio.to_thread(list, filter(query.meets, found.documents))
            if found.are_more:
                raise _too_many(most(asked.return_type))
            return map(tell.document, meeting)
        if isinstance(query, FindSubmissionSets):
            return map(
                tell.submission_set, await self._submission_sets(caller, patient, query, asked.return_type)
            )
        if isinstance(query, GetDocuments):
            documents = await self._documents(caller, patient, query)
            if not query.with_associations:
                return map(tell.document, documents)
            uuids = tuple(each.entry_uuid for each in documents)
            told = await self._associations(caller, patient, uuids, tell) if uuids else []
            return [*map(tell.document, documents), *told]
        if isinstance(query, GetSubmissionSets):
            wanted = DocumentQuery(entry_uuids=query.entry_uuids, statuses=())
            named = (await self._desk.search(caller, patient.value, wanted)).documents
            memberships = await self._memberships(caller, patient.value, named)
            sets = {each.id: each for each, _ in memberships}
            members = [tell.association(membership(each, document)) for each, document in memberships]
            return [*map(tell.submission_set, sets.values()), *members]
        return await self._associations(caller, patient, query.entry_uuids, tell)

    async def _memberships(
        self, caller: Caller, ins: str, named: Sequence[Document]
    ) -> list[tuple[SubmissionSet, Document]]:
        """These documents with each set that brought one of them or refers to it."""
        if not named:
            return []
        numbers = {each.id for each in named}
        around = SubmissionQuery(document_ids=tuple(numbers), limit=MOST_REFERENCES)
        found = await self._desk.submissions(caller, ins, around)
        return [
            (each, document) for each, documents in found for document in documents if document.id in numbers
        ]

    async def _documents(self, caller: Caller, patient: Cx, query: GetDocuments) -> Sequence[Document]:
        if caller.role in _REFERRING:
            names = query.entry_uuids or query.unique_ids
            return [await self._desk.reference(caller, patient.value, each) for each in dict.fromkeys(names)]
        wanted = DocumentQuery(entry_uuids=query.entry_uuids, unique_ids=query.unique_ids, statuses=())
        found = (await self._desk.search(caller, patient.value, wanted)).documents
        # An entryUUID names one version of the metadata, and what is told is the current one.
        return [each for each in found if not query.entry_uuids or each.entry_uuid in query.entry_uuids]

    async def _submission_sets(
        self, caller: Caller, patient: Cx, query: FindSubmissionSets, return_type: ReturnType
    ) -> list[SubmissionSet]:
        types = [each for each in query.content_types if each.scheme in ("", CONTENT_TYPE_SYSTEM)]
        if query.content_types and not types:
            return []
        limit = most(return_type)
        wanted = SubmissionQuery(
            source_ids=query.source_ids,
            content_types=tuple(each.code for each in types),
            submitted=query.submitted,
            limit=limit + 1,
        )
        found = await self._desk.submissions(caller, patient.value, wanted)
        if len(found) > limit:
            raise _too_many(limit)
        author = Pattern(query.author) if query.author else None
        return [each for each, _ in found if author is None or author.matches(depositor_of(each).person.xcn)]

    async def _associations(
        self, caller: Caller, patient: Cx, entry_uuids: tuple[str, ...], tell: Objects
    ) -> list[str]:
        """The associations from and to documents and submission sets, each once."""
        ins = patient.value
        wanted = DocumentQuery(entry_uuids=entry_uuids, statuses=())
        named = (await self._desk.search(caller, ins, wanted)).documents
        sets = await self._desk.submissions(caller, ins, SubmissionQuery(entry_uuids=entry_uuids, limit=1000))
        told = [membership(each, document) for each, documents in sets for document in documents]
        if named:
            numbers = {each.id for each in named}
            told += [membership(*each) for each in await self._memberships(caller, ins, named)]
            links = await self._desk.associations(caller, ins, sorted(numbers))
            ends = {
                number for each in links for number in (each.source_id, each.target_id) if number is not None
            }
            others = DocumentQuery(ids=tuple(ends - numbers), statuses=())
            known = {each.id: each for each in named}
            if ends - numbers:
                known |= {each.id: each for each in (await self._desk.search(caller, ins, others)).documents}
            told += [
                relation(each, known[each.source_id], known[each.target_id])
                for each in links
                if each.source_id in known and each.target_id is not None and each.target_id in known
            ]
        return [tell.association(each) for each in {each.entry_uuid: each for each in told}.values()]

    async def _update_status(self, caller: Caller, patient: Cx, update: StatusUpdate) -> None:
        found = await self._desk.reference(caller, patient.value, update.entry_uuid)
        if found.status is not update.original:
            sentence = "Le statut du document n'est plus celui que la mise à jour remplace."
            raise Failed(ErrorCode.UPDATE, sentence, update.entry_uuid)
        await self._desk.change(caller, found.id, update.change, version=found.metadata_version)

    async def _update_metadata(self, caller: Caller, patient: Cx, update: MetadataUpdate) -> None:
        wanted = DocumentQuery(logical_ids=(update.logical_id,), statuses=())
        found = (await self._desk.search(caller, patient.value, wanted)).documents
        if not found:
            raise Failed(ErrorCode.UNRESOLVED, "Ce document (lid) n'existe pas.", update.logical_id)
        change = await asyncio.to_thread(self._change, update, patient, found[0])
        await self._desk.change(caller, found[0].id, change, version=update.version)

    def _change(self, update: MetadataUpdate, patient: Cx, found: Document) -> Change:
        """The change between what this registry tells of a document and what the sender wants it to tell."""
        told = Objects(patient, self._repository, ReturnType.LEAF_CLASS).document(found)
        ours = submission_of(
            parse(f'<rim:RegistryObjectList xmlns:rim="{RIM}">{told}</rim:RegistryObjectList>'.encode())
        )
        return change_of(update, found.visibilities, ours.entries[0])


def _check_patient(told: Cx, patient: Cx) -> None:
    if told.value != patient.value or (told.oid and patient.oid and told.oid != patient.oid):
        raise Failed(ErrorCode.PATIENT_DIFFERS, "Le patient n'est pas celui du VIHF.")


def _too_many(most_found: int) -> Failed:
    return Failed(
        ErrorCode.TOO_MANY_RESULTS, f"La requête trouve plus de {most_found} objets : il faut la préciser."
    )
