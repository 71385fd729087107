"""Depositing a document, replacing one, and finding again by its reference what one deposited."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.routing import Route

from dmp_bridge.dossier.care_desk import Said
from dmp_bridge.dossier.consents import Consent, ConsentKind
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied, Deposit, Submission
from dmp_bridge.rights.vocabulary import Reason
from dmp_bridge.visibility import Visibility
from foundation.clock import from_millis, to_paris
from portal.days import day_of, midnight
from portal.forms import read_own_answer
from portal.threads import document_date
from portal.webps.document import by_class, document_of, line
from portal.webps.reception import RECORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.dossier.care_desk import CareDesk
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.record import Document
    from foundation.clock import Clock
    from portal.forms import Form
    from portal.webps.reception import Inside, Reception

DEPOSIT: Final = "depot"
REPLACEMENT: Final = "remplacement"
LONGEST_TITLE: Final = 128
_PDF: Final = b"%PDF-"
_NO_FILE: Final = "Choisissez un fichier PDF ou CDA."
_UNREADABLE: Final = "Le fichier n’a pas pu être lu : envoyez un seul fichier PDF ou CDA."
_NO_TYPE: Final = "Choisissez le type du document."
_NO_DATE: Final = "Donnez la date de l’acte, sans dépasser aujourd’hui."
_NOT_INFORMED: Final = (
    "Informez le patient avant de déposer un document dans son dossier, puis cochez la case."
)
_NO_VISIBILITY: Final = "Choisissez à qui le document est visible."
EVERYBODY: Final = "tous"
VISIBLE: Final[Mapping[str, tuple[str, str]]] = {
    EVERYBODY: ("Au patient et aux professionnels autorisés", ""),
    Visibility.MASKED.value: (
        "Au patient, masqué aux professionnels de santé",
        "L’auteur et le médecin traitant le voient.",
    ),
    Visibility.UNSEEN.value: (
        "Aux professionnels autorisés, non visible par le patient",
        "D’ici la consultation d’annonce. Le patient le verra de lui-même après un mois.",
    ),
}
"""The value of the form, what it means, and a word more."""


def takes_file(path: str) -> bool:
    """Whether a form with a document is posted to this path."""
    return path.startswith(f"{RECORDS}/") and path.endswith((f"/{DEPOSIT}", f"/{REPLACEMENT}"))


class _Refused(Exception):
    """What was typed cannot be deposited; the text is a French sentence."""


@dataclass(frozen=True, slots=True)
class _Typed:
    """What a form says of the document beside its bytes."""

    data: bytes = field(repr=False)
    media_type: str
    title: str = field(repr=False)
    type_code: str
    service_at: int | None
    visibilities: frozenset[str]
    is_secret: bool


class DepositPages:
    """`/pro/dossier/{access}/depot`, `…/documents/{document}/remplacement` and `…/reference`."""

    def __init__(self, reception: Reception, desk: Desk, care: CareDesk, clock: Clock) -> None:
        self._reception = reception
        self._desk = desk
        self._care = care
        self._clock = clock

    def routes(self) -> list[Route]:
        inside = self._reception.inside
        record = f"{RECORDS}/{{access}}"
        replacement = f"{record}/documents/{{document}}/{REPLACEMENT}"
        return [
            Route(f"{record}/{DEPOSIT}", inside(self.ask), methods=["GET"]),
            Route(f"{record}/{DEPOSIT}", inside(self.deposit), methods=["POST"]),
            Route(replacement, inside(self.ask_replacement), methods=["GET"]),
            Route(replacement, inside(self.replace), methods=["POST"]),
            Route(f"{record}/reference", inside(self.reference), methods=["GET"]),
        ]

    async def ask(self, request: Request, inside: Inside) -> Response:
        """The form for a new document."""
        return await self._form(inside, {}, None)

    async def deposit(self, request: Request, inside: Inside) -> Response:
        """Files a document: 303 to what is told of it; else the form with the reason."""
        return await self._feed(await read_own_answer(request, inside), inside, None)

    async def ask_replacement(self, request: Request, inside: Inside) -> Response:
        """The form for the document that takes the place of another."""
        former = await document_of(request, inside, self._desk)
        day = to_paris(from_millis(document_date(former))).date().isoformat()
        typed = {"title": former.title, "type": former.type_code, "date": day}
        return await self._form(inside, typed, former)

    async def replace(self, request: Request, inside: Inside) -> Response:
        """Files a document in the place of another (RPLC)."""
        form = await read_own_answer(request, inside)
        return await self._feed(form, inside, await document_of(request, inside, self._desk))

    async def reference(self, request: Request, inside: Inside) -> Response:
        """TD3.1 by reference: what who fed it needs in order to replace or delete it, authorised or not."""
        wanted = request.query_params.get("id", "").strip()[:256]
        found = await self._desk.reference(inside.caller, inside.ins, wanted) if wanted else None
        values = {
            "wanted": wanted,
            "document": found,
            "line": line(found) if found is not None else None,
        }
        return await self._reception.page(inside, "webps/reference.html", values)

    # ref: DMP-F12, DMP-F20
    async def _feed(self, form: Form, inside: Inside, former: Document | None) -> Response:
        try:
            typed = self._read(form)
        except _Refused as refused:
            return await self._form(inside, form.fields, former, refusal=str(refused), status=422)
        deposit = Deposit(
            data=typed.data,
            media_type=typed.media_type,
            title=typed.title,
            type_code=typed.type_code,
            service_at=typed.service_at,
            visibilities=typed.visibilities,
            replaces=(former.entry_uuid,) if former is not None else (),
        )
        caller = replace(inside.caller, is_secret=typed.is_secret)
        try:
            await self._care.note(caller, inside.ins, (Said(ConsentKind.INFORMATION, Consent.TOLD),))
            (filed,) = await self._desk.feed(caller, Submission(ins=inside.ins, deposits=(deposit,)))
        except Denied as denied:
            denial = DENIALS[denied.reason]
            sentence = denied.detail or denial.sentence
            return await self._form(
                inside, form.fields, former, refusal=sentence, advice=denial.advice, status=denial.http
            )
        sentence = "Le document est déposé." if filed.is_new else "Ce document était déjà dans le dossier."
        to = f"{inside.access.path}/reference?id={quote(filed.unique_id, safe='')}"
        return await self._reception.done(inside, sentence, to)

    def _read(self, form: Form) -> _Typed:
        """Raises _Refused."""
        if form.problem is not None or len(form.files) > 1:
            raise _Refused(_UNREADABLE)
        if not form.files or not form.files[0].data:
            raise _Refused(_NO_FILE)
        (file,) = form.files
        day = day_of(form.get("date"))
        is_pdf = file.data.startswith(_PDF)
        if is_pdf and not form.get("type"):
            raise _Refused(_NO_TYPE)
        if (is_pdf or form.get("date")) and (day is None or midnight(day) > self._clock.millis()):
            raise _Refused(_NO_DATE)
        visible = form.get("visible")
        if visible not in VISIBLE:
            raise _Refused(_NO_VISIBILITY)
        if form.get("informed") != "1":
            raise _Refused(_NOT_INFORMED)
        is_secret = form.get("secret") == "1"
        chosen = frozenset() if visible == EVERYBODY else frozenset({visible})
        return _Typed(
            file.data,
            file.media_type,
            form.get("title").strip(),
            form.get("type"),
            midnight(day) if day is not None else None,
            chosen | ({Visibility.UNSEEN_BY_REPRESENTATIVES.value} if is_secret else frozenset()),
            is_secret,
        )

    async def _form(
        self,
        inside: Inside,
        typed: Mapping[str, str],
        former: Document | None,
        *,
        refusal: str | None = None,
        advice: str = "",
        status: int = 200,
    ) -> Response:
        existence = await self._desk.existence(inside.caller, inside.ins)
        if not existence.is_active:
            raise Denied(Reason.NO_RECORD)
        values: dict[str, Any] = {
            "typed": typed,
            "former": former,
            "refusal": refusal,
            "advice": advice,
            "types": by_class(),
            "visible": VISIBLE,
            "is_minor": existence.is_minor,
            "longest": LONGEST_TITLE,
            "today": to_paris(self._clock.now()).date().isoformat(),
        }
        return await self._reception.page(inside, "webps/deposit.html", values, status=status)
