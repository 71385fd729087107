"""The conformity check: a page for professionals, `POST /check` for their software. Nothing that is checked is kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from directory.bals import BalType
from dmp_bridge.check.checker import Checker, CheckRefused
from dmp_bridge.check.report import Verdict
from dmp_bridge.check.telling import CHECKED, size, source_of, summary, title_of, values, verdict_of
from portal import sessions
from portal.callers import Caller, Callers
from portal.devices import peer_of
from portal.door import UploadDoor
from portal.forms import read_form
from portal.pages import check_origin
from portal.professional.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.check.report import Finding, Report
    from portal.context import PortalContext
    from portal.pages import Pages
    from portal.professional.visit import Visit

PAGE: Final = "/verification"
CHECK: Final = "/check"
OVER_BYTES: Final = 15 * 1024 * 1024
"""How much more than the largest message is taken: one that is too large is told so by its report (MSS/va1.13)."""
ENVELOPE_BYTES: Final = 512 * 1024
"""The borders and other fields of a form, beside its file."""
_MOST_WAITING: Final = 16
_MOST_OF_ONE: Final = 4
"""Files one caller has checked at a time: slow ones of one caller must not keep everybody else out."""
_NO_FILE: Final = "Choisissez un fichier."
_SENTENCES: Final[Mapping[int, str]] = {
    400: "Cette demande est illisible : envoyez le fichier comme corps, ou dans le champ « file » d'un formulaire.",
    403: "Cette demande vient d'un autre site ou d'une page périmée : rechargez la page de vérification.",
    405: "Cette adresse ne vérifie que ce qui lui est envoyé par POST.",
    408: "L'envoi du fichier s'est interrompu : recommencez.",
    413: "Ce fichier est plus gros que tout message : il n'a pas été vérifié.",
    429: f"{_MOST_OF_ONE} de vos fichiers sont déjà en cours de vérification : réessayez dans quelques secondes.",
    500: "Un incident technique empêche la vérification : réessayez dans quelques minutes.",
    503: "Trop de fichiers sont en cours de vérification : réessayez dans une minute.",
}
"""What `/check` says where a page of the portal would speak of letters and documents."""
_TYPES: Final = sorted(kind.value for kind in BalType)
_NO_TYPE: Final = f"Ce type de boîte n'existe pas : {', '.join(_TYPES)}."


@dataclass(frozen=True, slots=True)
class _Asked:
    """One file to check."""

    name: str
    data: bytes
    box_type: str


class CheckPages:
    """`/verification` and `/check`: for everybody in a sandbox, else for who has a box here."""

    def __init__(self, context: PortalContext, pages: Pages) -> None:
        settings = context.settings
        largest = settings.limits.message_bytes
        self.largest = largest + OVER_BYTES + ENVELOPE_BYTES
        self._context = context
        self._pages = pages
        self._frame = Frame(context, pages)
        self._callers = Callers(context)
        # Files are checked one after the other: two of the largest fill the room.
        self._door = UploadDoor(2 * self.largest, largest=self.largest)
        self._waiting: Counter[str] = Counter()
        self.checker = Checker(settings.bridge, patient_domain=settings.patient_domain, largest=largest)

    def routes(self) -> list[Route]:
        """The routes of the check."""
        return [
            Route(PAGE, self.show, methods=["GET"]),
            Route(CHECK, self.check, methods=["POST"]),
        ]

    def failure(self, request: Request, status: int) -> Response:
        """The answer to a request for `/check` that came to no report, as a page or as JSON."""
        if _wants_page(request):
            return self._pages.error(status, _SENTENCES)
        status = status if status in _SENTENCES else HTTPStatus.INTERNAL_SERVER_ERROR
        return JSONResponse({"refused": _SENTENCES[status]}, status)

    async def show(self, request: Request) -> Response:
        """The form."""
        visit = self._visit(request)
        if visit is None and not self._context.settings.sandbox:
            return self._pages.turned_away(request.cookies.get(sessions.COOKIE))
        return await self._page(visit, {})

    async def check(self, request: Request) -> Response:
        """The report on the body, or on the file of a form: as a page where the client accepts HTML, else as JSON."""
        visit = self._visit(request)
        key = peer_of(request)
        if visit is not None or not self._context.settings.sandbox or "authorization" in request.headers:
            caller = await self._callers.identify(request)
            if not isinstance(caller, Caller):
                token = request.cookies.get(sessions.COOKIE)
                return self._pages.turned_away(token) if _wants_page(request) else caller
            key = str(caller.owner_id)
        if self._waiting[key] >= _MOST_OF_ONE:
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, headers={"retry-after": "5"})
        if self._waiting.total() >= _MOST_WAITING:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, headers={"retry-after": "30"})
        self._waiting[key] += 1
        try:
            async with self._door.entered(request, key):
                return await self._answer(request, visit)
        finally:
            self._waiting -= Counter([key])  # forgets who has none left

    async def _answer(self, request: Request, visit: Visit | None) -> Response:
        asked = await self._read(request, visit)
        if asked is None:
            return await self._refused(request, visit, _NO_FILE, HTTPStatus.BAD_REQUEST)
        if asked.box_type and asked.box_type not in _TYPES:
            return await self._refused(request, visit, _NO_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY)
        try:
            report = await self.checker.check(asked.name, asked.data, box_type=asked.box_type)
        except CheckRefused as refused:
            return await self._refused(request, visit, str(refused), HTTPStatus.UNPROCESSABLE_ENTITY)
        if not _wants_page(request):
            return await asyncio.to_thread(lambda: JSONResponse(values(report)))
        shown = await asyncio.to_thread(self._findings, report, asked.name)
        return await self._page(visit, {"report": shown})

    def _findings(self, report: Report, filename: str) -> str:
        """The report as HTML, a part of the page. Hundreds of findings take long: to be called in a thread."""
        return self._pages.render("check_findings.html", {"report": _shown(report), "filename": filename})

    def _visit(self, request: Request) -> Visit | None:
        return self._context.professional(request.cookies.get(sessions.COOKIE))

    async def _read(self, request: Request, visit: Visit | None) -> _Asked | None:
        """The file that was sent; None for a form without one."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "multipart/form-data":
            return _Asked("fichier", await request.body(), request.query_params.get("box_type", ""))
        check_origin(request)
        form = await read_form(request)
        if (
            visit is not None
            and "authorization" not in request.headers
            and not visit.session.owns_form(form.get("csrf"))
        ):
            raise HTTPException(HTTPStatus.FORBIDDEN)
        if not form.files:
            return None
        return _Asked(form.files[0].filename, form.files[0].data, form.get("box_type"))

    async def _refused(
        self, request: Request, visit: Visit | None, sentence: str, status: HTTPStatus
    ) -> Response:
        if _wants_page(request):
            return await self._page(visit, {"refusal": sentence}, status)
        return JSONResponse({"refused": sentence}, status)

    async def _page(self, visit: Visit | None, told: dict[str, Any], status: int = HTTPStatus.OK) -> Response:
        shown = {
            "report": "",
            "refusal": "",
            "types": _TYPES,
            "limit": size(self._context.settings.limits.message_bytes),
            **told,
        }
        if visit is None:
            return self._pages.anonymous("check.html", shown, status=status)
        return await self._frame.page(visit, "professional/check.html", shown, status=status)


def _shown(report: Report) -> dict[str, Any]:
    """What the page shows: what fails first, each group under its heading."""
    broken = [finding for finding in report.findings if finding.breaks]
    advised = [each for each in report.findings if each.verdict is Verdict.FAILS and not each.breaks]
    held = [each for each in report.findings if each.verdict is Verdict.HOLDS]
    aside = [each for each in report.findings if each.verdict is Verdict.NOT_APPLICABLE]
    groups = (
        ("Échoue", broken),
        ("Échoue, sans obligation", advised),
        ("Tient", held),
        ("Sans objet", aside),
    )
    return {
        "checked": CHECKED[report.checked],
        "conforms": report.conforms,
        "summary": summary(report),
        "rules": report.rules_source,
        "groups": [(title, _lines(findings)) for title, findings in groups if findings],
    }


def _lines(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [
        {
            "rule": each.rule,
            "title": title_of(each.rule),
            "source": source_of(each.rule),
            "verdict": verdict_of(each),
            "place": each.place,
            "says": each.says,
            "advice": each.advice,
        }
        for each in findings
    ]


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
