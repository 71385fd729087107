"""Who stands how towards a record, what was done with it, and what the patient said to the structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from dmp_bridge.dossier.care_desk import Said
from dmp_bridge.dossier.consents import Consent, ConsentKind, ConsentRefused
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.dossier.traces import TraceQuery
from dmp_bridge.rights.vocabulary import Mode, Reason, Role
from portal import downloads
from portal.forms import read_own_form
from portal.record_words import MODES, ROLES, act_of, refusal_of
from portal.webps.reception import RECORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.dossier.care_desk import CareDesk
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.traces import Trace
    from portal.webps.reception import Inside, Reception

_PAGE: Final = 50
_LONGEST_REASON: Final = 500
_NO_ANSWER: Final = "Choisissez ce que le patient a dit."
ANSWERS: Final[Mapping[str, tuple[ConsentKind, Consent, str]]] = {
    "INO": (
        ConsentKind.FEEDING,
        Consent.NOT_OPPOSED,
        "Informé de l’alimentation de son dossier, il ne s’y oppose pas.",
    ),
    "IO": (
        ConsentKind.FEEDING,
        Consent.OPPOSED,
        "Il s’oppose, pour un motif légitime, à ce que la structure alimente son dossier.",
    ),
    "IC": (
        ConsentKind.CONSULTATION,
        Consent.CONSENTS,
        "Il consent à ce que l’équipe de soins de la structure consulte son dossier.",
    ),
    "INC": (
        ConsentKind.CONSULTATION,
        Consent.CONSENTS_NOT,
        "Il ne consent pas à ce que l’équipe de soins de la structure consulte son dossier.",
    ),
}
"""By the words of the segment ZFA, as hospitals send them."""


class PeoplePages:
    """`/pro/dossier/{access}/acces`, `…/professionnels` and `…/volonte`."""

    def __init__(self, reception: Reception, desk: Desk, care: CareDesk) -> None:
        self._reception = reception
        self._desk = desk
        self._care = care

    def routes(self) -> list[Route]:
        inside = self._reception.inside
        record = f"{RECORDS}/{{access}}"
        return [
            Route(f"{record}/acces", inside(self.traces), methods=["GET"]),
            Route(f"{record}/professionnels", inside(self.professionals), methods=["GET"]),
            Route(f"{record}/volonte", inside(self.will), methods=["GET"]),
            Route(f"{record}/volonte", inside(self.note), methods=["POST"]),
        ]

    # ref: DMP-F27
    async def traces(self, request: Request, inside: Inside) -> Response:
        """One's own traces; all of them for the attending doctor."""
        before = downloads.number_of_query(request, "avant")
        found = await self._desk.traces(
            inside.caller, inside.ins, TraceQuery(before_id=before, limit=_PAGE + 1)
        )
        values = {
            "lines": [_told(each) for each in found[:_PAGE]],
            "next": found[_PAGE - 1].id if len(found) > _PAGE else None,
        }
        return await self._reception.page(inside, "webps/traces.html", values)

    async def professionals(self, request: Request, inside: Inside) -> Response:
        """TD1.6: who is attending, authorised or blocked."""
        found = await self._care.professionals(inside.caller, inside.ins)
        return await self._reception.page(inside, "webps/professionals.html", {"found": found})

    # ref: DMP-F22
    async def will(self, request: Request, inside: Inside) -> Response:
        """The form for what the patient said."""
        return await self._will(inside, {})

    async def note(self, request: Request, inside: Inside) -> Response:
        """Keeps what the patient said to the structure, with who noted it and when."""
        form = await read_own_form(request, inside)
        answer = ANSWERS.get(form.get("answer"))
        if answer is None:
            return await self._will(inside, form.fields, refusal=_NO_ANSWER, status=422)
        kind, value, _ = answer
        reason = form.get("reason").strip()
        if value is Consent.OPPOSED and not reason:
            sentence = "Écrivez le motif légitime de l’opposition."
            return await self._will(inside, form.fields, refusal=sentence, status=422)
        try:
            said = Said(kind, value, reason=reason if value is Consent.OPPOSED else "")
            await self._care.note(inside.caller, inside.ins, (said,))
        except ConsentRefused as refused:
            return await self._will(inside, form.fields, refusal=str(refused), status=422)
        except Denied as denied:
            denial = DENIALS[denied.reason]
            return await self._will(inside, form.fields, refusal=denial.sentence, status=denial.http)
        return await self._reception.done(
            inside, "Ce que le patient a dit est enregistré.", f"{inside.access.path}/volonte"
        )

    async def _will(
        self, inside: Inside, typed: Mapping[str, str], *, refusal: str | None = None, status: int = 200
    ) -> Response:
        values = {"answers": ANSWERS, "typed": typed, "refusal": refusal, "longest": _LONGEST_REASON}
        return await self._reception.page(inside, "webps/will.html", values, status=status)


def _told(trace: Trace) -> dict[str, object]:
    """One trace in words."""
    mode = Mode(trace.mode)
    return {
        "at": trace.at,
        "act": act_of(trace),
        "who": trace.caller_name or trace.caller_id,
        "as_what": ROLES[Role(trace.role)],
        "structure": trace.structure_name or trace.structure_id,
        "mode": MODES[mode] if mode is not Mode.NORMAL else "",
        "motive": trace.motive,
        "refusal": refusal_of(trace),
        "document": trace.document_id if trace.outcome not in set(Reason) else None,
    }
