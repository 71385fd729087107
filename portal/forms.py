"""Posted forms, read within bounds and in memory: what a patient uploads never lies on a disk in the clear."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from portal.pages import check_origin

if TYPE_CHECKING:
    from starlette.requests import Request

    from portal.sessions import Session

TEXT_BYTES = 2 * 1024 * 1024
"""Far more than an answer may have: a text that is too long comes back to the person who wrote it."""
FILES = 10
_FIELDS = 20
_BOUNDS = ("Too many", "Part exceeded", "Field exceeded")
_IN_MEMORY = 1 << 40


class Visitor(Protocol):
    """Whoever has a session: a patient, a professional."""

    @property
    def session(self) -> Session: ...


class _InMemoryParser(MultiPartParser):
    # The guard bounds the body; spooling would write health data to the temporary folder.
    spool_max_size = _IN_MEMORY


@dataclass(frozen=True, slots=True)
class PostedFile:
    """One file of a form, as its browser named it."""

    filename: str = field(repr=False)
    media_type: str
    data: bytes = field(repr=False)


class Problem(StrEnum):
    """Why the files of a form were not taken, though its fields were read."""

    TOO_MANY_FILES = "too many files"
    UNREADABLE_FILE = "unreadable file"


@dataclass(frozen=True, slots=True)
class Form:
    """The fields and files of a form; of two fields with one name the first counts.

    With a `problem` there are no files, and the fields are those that came before it.
    """

    fields: dict[str, str] = field(repr=False)
    files: tuple[PostedFile, ...] = ()
    problem: Problem | None = None

    def get(self, name: str) -> str:
        """A field's value, empty when it is missing."""
        return self.fields.get(name, "")


async def read_form(request: Request) -> Form:
    """A form of either encoding; 400 for anything that is no form, 413 for one out of bounds."""
    form = await _parse(request)
    if form.problem is not None:
        raise HTTPException(413 if form.problem is Problem.TOO_MANY_FILES else 400)
    return form


async def _parse(request: Request) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "multipart/form-data":
            return await _parse_multipart(request)
        if kind == "application/x-www-form-urlencoded":
            posted = await FormParser(
                request.headers, request.stream(), max_fields=_FIELDS, max_part_size=TEXT_BYTES
            ).parse()
        else:
            raise HTTPException(HTTPStatus.BAD_REQUEST)
    except MultiPartException as error:
        raise HTTPException(413 if error.message.startswith(_BOUNDS) else 400) from error
    return await _read(posted)


async def _parse_multipart(request: Request) -> Form:
    stream = request.stream()
    parser = _InMemoryParser(
        request.headers, stream, max_files=FILES, max_fields=_FIELDS, max_part_size=TEXT_BYTES
    )
    try:
        posted = await parser.parse()
    except MultiPartException as error:
        # Only files are forgiven: the words that stood before them must not be lost with them.
        fields = [item for item in parser.items if isinstance(item[1], str)]
        if not fields or error.message.startswith(("Too many fields", "Part exceeded")):
            raise
        async for _ in stream:  # a browser that is cut off while it sends shows no page at all
            pass
        too_many = error.message.startswith("Too many files")
        problem = Problem.TOO_MANY_FILES if too_many else Problem.UNREADABLE_FILE
        return replace(await _read(FormData(fields)), problem=problem)
    return await _read(posted)


async def read_own_form(request: Request, visit: Visitor) -> Form:
    """A form that one of this visit's pages made; 403 for any other (a forged or outdated one)."""
    check_origin(request)
    return _own(await read_form(request), visit)


async def read_own_answer(request: Request, visit: Visitor) -> Form:
    """As `read_own_form`; a `problem` with the files is the caller's to tell, beside the fields."""
    check_origin(request)
    return _own(await _parse(request), visit)


def _own(form: Form, visit: Visitor) -> Form:
    if not visit.session.owns_form(form.get("csrf")):
        raise HTTPException(HTTPStatus.FORBIDDEN)
    return form


async def _read(posted: FormData) -> Form:
    fields: dict[str, str] = {}
    files: list[PostedFile] = []
    for name, value in posted.multi_items():
        if not isinstance(value, UploadFile):
            fields.setdefault(name, value)
        elif value.filename:  # a browser posts an empty nameless file for an input that was left alone
            kind = (value.content_type or "").partition(";")[0].strip().lower()
            files.append(PostedFile(value.filename, kind, await value.read()))
            await value.close()  # at once: the next file is not to be copied beside this one's original
    await posted.close()
    return Form(fields, tuple(files))
