"""Adding a document of one's own to the record."""

from __future__ import annotations

import re
import secrets
import uuid
from typing import TYPE_CHECKING, Any, Final

from dmp_bridge import codes
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied, Submission
from dmp_bridge.dossier.own_deposit import EXTENSIONS, LARGEST, own_deposit
from dmp_bridge.rights.vocabulary import Reason
from dmp_bridge.visibility import Visibility
from foundation.clock import to_paris
from mailserver.uploads import safe_name
from portal.days import day_of
from portal.door import UploadDoor
from portal.forms import read_own_answer
from portal.patient_record.documents import DOCUMENTS
from portal.patient_record.words import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from dmp_bridge.dossier.desk import Desk
    from portal.context import PortalContext
    from portal.forms import Form
    from portal.patient_record.reception import Inside, Reception

ADDITION: Final = f"{DOCUMENTS}/ajout"
_ENVELOPE: Final = 64 * 1024
LARGEST_FORM: Final = LARGEST + _ENVELOPE
"""Octets of a form with a document, its borders included."""
_AT_ONCE: Final = 8
_LONGEST_TITLE: Final = 128
_PATH: Final = re.compile(r"/patient(?:/proches/[0-9]{1,15})?/documents/ajout")
_UNREADABLE: Final = "Le fichier n’a pas pu être lu : envoyez-en un seul, avec un nom plus court."


def takes_file(path: str) -> bool:
    """Whether a form with a document is posted to this path."""
    return _PATH.fullmatch(path) is not None


class DepositPages:
    """`…/documents/ajout`."""

    def __init__(self, context: PortalContext, reception: Reception, desk: Desk) -> None:
        self._clock = context.clock
        self._reception = reception
        self._desk = desk
        octets = min(context.settings.limits.message_memory_bytes, _AT_ONCE * LARGEST_FORM)
        self._door = UploadDoor(octets, largest=LARGEST_FORM)

    def routes(self) -> list[Route]:
        both = self._reception.both
        return [*both(ADDITION, self.ask), *both(ADDITION, self.deposit, ("POST",))]

    async def ask(self, request: Request, inside: Inside) -> Response:
        """The form."""
        return await self._form(inside, {})

    # ref: DMP-F29, DMP-F30
    async def deposit(self, request: Request, inside: Inside) -> Response:
        """Files it: 303 to the document; else the form with the reason. The same form sent twice makes one document."""
        async with self._door.entered(request, inside.session.token_hash):
            form = await read_own_answer(request, inside)
            try:
                submission = self._submission(inside, form)
                async with self._door.writing(len(submission.deposits[0].data)):
                    (filed,) = await self._desk.feed(inside.caller, submission)
            except Denied as denied:
                denial = DENIALS[denied.reason]
                sentence = denied.detail or REFUSALS.get(denied.reason, denial.sentence)
                return await self._form(inside, form.fields, refusal=sentence, status=denial.http)
        sentence = "Le document est ajouté." if filed.is_new else REFUSALS[Reason.DUPLICATE]
        return await self._reception.done(inside, sentence, f"{inside.base}{DOCUMENTS}/{filed.document_id}")

    def _submission(self, inside: Inside, form: Form) -> Submission:
        """Raises Denied."""
        file = form.files[0] if len(form.files) == 1 and form.problem is None else None
        if file is None and (form.files or form.problem is not None):
            raise Denied(Reason.INVALID, _UNREADABLE)
        chosen = {
            Visibility.MASKED: form.get("masked") == "1",
            Visibility.UNSEEN_BY_REPRESENTATIVES: form.get("secret") == "1",
        }
        deposit = own_deposit(
            safe_name(file.filename) if file is not None else "",
            file.data if file is not None else b"",
            title=form.get("title"),
            category=form.get("category"),
            day=day_of(form.get("date")),
            today=to_paris(self._clock.now()).date(),
            visibilities=frozenset(each for each, is_chosen in chosen.items() if is_chosen),
        )
        named = uuid.uuid5(uuid.NAMESPACE_OID, f"{inside.session.form_token}{form.get('nonce')[:64]}")
        return Submission(ins=inside.ins, deposits=(deposit,), unique_id=f"2.25.{named.int}")

    async def _form(
        self, inside: Inside, typed: Mapping[str, str], *, refusal: str | None = None, status: int = 200
    ) -> Response:
        values: dict[str, Any] = {
            "typed": typed,
            "refusal": refusal,
            "nonce": typed.get("nonce") or secrets.token_urlsafe(16),
            "categories": codes.patient_categories(),
            "extensions": EXTENSIONS,
            "largest": LARGEST,
            "longest_title": _LONGEST_TITLE,
            "today": to_paris(self._clock.now()).date().isoformat(),
        }
        return await self._reception.page(inside, "patient_record/deposit.html", values, status=status)
