"""The repository: ITI-41 hands a submission over the desk, ITI-43 gives documents back byte for byte."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dmp_bridge.dossier.forms import Denied
from dmp_bridge.rights.vocabulary import Reason
from dmp_bridge.xds.answers import Retrieved, registry_response, retrieve_response
from dmp_bridge.xds.mtom import attachment
from dmp_bridge.xds.provide import XDS, read_provided
from dmp_bridge.xds.registry_errors import ErrorCode, Failed, Problem, problem_of
from dmp_bridge.xml import local_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lxml import etree

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.ebrim import Cx
    from dmp_bridge.xds.mtom import Attachment, Received

RETRIEVE = f"{{{XDS}}}RetrieveDocumentSetRequest"
_MOST_DOCUMENTS = 100
_OF_REFERENCES: Mapping[Reason, ErrorCode] = {
    Reason.NO_DOCUMENT: ErrorCode.UNRESOLVED,
    Reason.STATE: ErrorCode.DEPRECATED,
}
"""What is wrong with a document that a lot refers to (IHE ITI TF-3 table 4.2.4.1-2)."""


class Repository:
    """`largest` bounds the bytes of the documents in one answer, `identifier` is the OID of this repository."""

    def __init__(self, desk: Desk, identifier: str, largest: int) -> None:
        self._desk = desk
        self._identifier = identifier
        self._largest = largest

    # ref: DMP-F33
    async def provide(self, caller: Caller, patient: Cx, request: etree._Element, received: Received) -> str:
        """ITI-41: all of a submission is filed, its references too, or nothing of it."""
        try:
            provided = await asyncio.to_thread(read_provided, request, received, patient)
            await self._desk.feed(caller, provided.submission)
        except Failed as failed:
            return registry_response([failed.problem])
        except Denied as denied:
            return registry_response([problem_of(denied, code=_OF_REFERENCES.get(denied.reason, ""))])
        return registry_response(provided.warnings)

    # ref: DMP-F33
    async def retrieve(
        self, caller: Caller, patient: Cx, request: etree._Element
    ) -> tuple[str, Sequence[Attachment]]:
        """ITI-43: the documents that may be given, and why the others are not."""
        wanted = [each for each in request if local_name(each) == "DocumentRequest"]
        if not 1 <= len(wanted) <= _MOST_DOCUMENTS:
            sentence = f"Une demande porte sur 1 à {_MOST_DOCUMENTS} documents."
            return retrieve_response(self._identifier, [], [Problem(ErrorCode.REPOSITORY, sentence)]), []
        documents: list[Retrieved] = []
        problems: list[Problem] = []
        left = self._largest
        for unique_id in dict.fromkeys(self._named(each, problems) for each in wanted):
            if not unique_id:
                continue
            try:
                found = await self._desk.reference(caller, patient.value, unique_id)
                if found.size > left and documents:
                    sentence = "L'envoi est complet : demandez ce document à part."
                    raise Failed(ErrorCode.REPOSITORY, sentence, unique_id)
                content = await self._desk.read(caller, found.id)
            except Denied as denied:
                problems.append(problem_of(denied, unique_id))
            except Failed as failed:
                problems.append(failed.problem)
            else:
                left -= len(content.data)
                documents.append(Retrieved(unique_id, attachment(content.data, content.media_type)))
        body = retrieve_response(self._identifier, documents, problems)
        return body, [each.attachment for each in documents]

    def _named(self, request: etree._Element, problems: list[Problem]) -> str:
        """The uniqueId a DocumentRequest names, "" where it is not one of this repository."""
        parts = {local_name(each): (each.text or "").strip()[:256] for each in request}
        unique_id = parts.get("DocumentUniqueId", "")
        if parts.get("RepositoryUniqueId") != self._identifier:
            sentence = "Cet entrepôt (repositoryUniqueId) n'est pas servi ici."
            problems.append(Problem(ErrorCode.UNKNOWN_REPOSITORY, sentence, unique_id))
            return ""
        if not unique_id:
            problems.append(Problem(ErrorCode.UNKNOWN_DOCUMENT, "L'identifiant d'un document manque."))
        return unique_id
