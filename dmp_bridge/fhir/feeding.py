"""What is written over FHIR: lots (ITI-65), single documents (ITI-105), and patches of what is said of a document."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dmp_bridge import record
from dmp_bridge.dossier.forms import Denied, Submission
from dmp_bridge.entry import Identifier
from dmp_bridge.fhir import systems
from dmp_bridge.fhir.bundles import transaction_response
from dmp_bridge.fhir.deposits import described
from dmp_bridge.fhir.document_query import number_of
from dmp_bridge.fhir.elements import ins_of, resource
from dmp_bridge.fhir.patches import changes_of
from dmp_bridge.fhir.transactions import inline, transaction_of
from dmp_bridge.rights.vocabulary import Reason
from foundation.fhir.outcome import Refused
from foundation.fhir.search import token_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.forms import Deposit, Filed
    from dmp_bridge.fhir.reading import Reading
    from dmp_bridge.record import Document
    from foundation.clock import Clock
    from foundation.fhir.resources import Resource


class Feeding:
    """`base` is the address of the service."""

    def __init__(self, desk: Desk, reading: Reading, clock: Clock, base: str) -> None:
        self._desk = desk
        self._reading = reading
        self._clock = clock
        self._base = base

    # ref: DMP-F31
    async def transaction(self, caller: Caller, body: Mapping[str, Any]) -> Resource:
        """ITI-65: all of a lot or nothing of it."""
        found = await transaction_of(body, self._base)
        filed = await self._feed(caller, found.submission)
        return transaction_response(found, filed, self._clock.millis())

    # ref: DMP-F31
    async def publish(self, caller: Caller, body: Mapping[str, Any]) -> Filed:
        """ITI-105: one document with its bytes inside."""
        found = described(resource(body, "DocumentReference"))
        deposit = found.deposit(await inline(found.attachment))
        filed = await self._feed(caller, Submission(ins=found.ins, deposits=(deposit,)))
        return filed[0]

    # ref: DMP-F31, DMP-F36
    async def patch(
        self, caller: Caller, identity: str, patch: Any, *, ins: str = "", version: int | None = None
    ) -> Document:
        """One step in the life of the document that `identity` names: its id, uniqueId or entryUUID.

        `version` is the one the client has seen, None where it does not say. Raises Refused, Denied.
        """
        found = await self._desk.reference(caller, ins, identity)
        if version is not None and version != found.metadata_version:
            raise Denied(Reason.STALE)
        if found.status is record.Status.DELETED:
            raise Denied(Reason.NO_DOCUMENT)
        changes = changes_of(patch, self._reading.bare(found))
        if len(changes) > 1:
            raise Refused(
                422, "business-rule", "Un PATCH fait un seul changement : envoyez-les l'un après l'autre."
            )
        for change in changes:
            found = await self._desk.change(caller, found.id, change, version=found.metadata_version)
        return found

    async def _feed(self, caller: Caller, submission: Submission) -> Sequence[Filed]:
        deposits = [await self._named(caller, submission.ins, each) for each in submission.deposits]
        references = [await self._unique_id(caller, submission.ins, each) for each in submission.references]
        told = replace(submission, deposits=tuple(deposits), references=tuple(references))
        return await self._desk.feed(caller, told)

    async def _named(self, caller: Caller, ins: str, deposit: Deposit) -> Deposit:
        """With what it replaces and relates to by uniqueId, where the client told the id of a DocumentReference."""
        return replace(
            deposit,
            replaces=tuple([await self._unique_id(caller, ins, each) for each in deposit.replaces]),
            relations=tuple(
                [
                    replace(each, target=await self._unique_id(caller, ins, each.target))
                    for each in deposit.relations
                ]
            ),
        )

    async def _unique_id(self, caller: Caller, ins: str, name: str) -> str:
        _, kind, identity = name.rpartition("DocumentReference/")
        if not kind:
            return name
        if not number_of(identity):
            raise Denied(Reason.NO_DOCUMENT)
        return (await self._desk.reference(caller, ins, identity)).unique_id


def condition_of(pairs: Sequence[tuple[str, str]]) -> str:
    """The document that a conditional PATCH names; raises Refused (400)."""
    names = [value for name, value in pairs if name == "identifier"]
    if len(names) != 1 or {name for name, _ in pairs} - {"identifier", "patient.identifier", "_format"}:
        raise Refused(
            400,
            "required",
            "Un PATCH conditionnel nomme le document par identifier=urn:ietf:rfc:3986|urn:oid:….",
            expression="identifier",
        )
    name = systems.identifier_of(token_of(names[0], "identifier").code)
    if name.isdecimal():
        raise Refused(400, "value", "identifier est un OID ou un UUID.", expression="identifier")
    return name


def version_of(header: str | None) -> int | None:
    """The version an If-Match names; None where it names none. Raises Refused (400)."""
    if header is None or header.strip() == "*":
        return None
    tag = header.strip().removeprefix("W/").strip('"')
    if not tag.isascii() or not tag.isdecimal() or len(tag) > 9:
        raise Refused(400, "value", 'If-Match est de la forme W/"3".')
    return int(tag)


def ins_in(pairs: Sequence[tuple[str, str]]) -> str:
    """The INS beside the identifier, where it is told; raises Refused (400)."""
    named = next((value for name, value in pairs if name == "patient.identifier"), None)
    if named is None:
        return ""
    token = token_of(named, "patient.identifier")
    return ins_of(Identifier(token.code, systems.oid_of(token.system or "")), "patient.identifier")
