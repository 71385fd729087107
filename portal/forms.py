"""Posted forms, read within bounds and in memory: what a patient uploads never lies on a disk in the clear."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from portal.pages import check_origin

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request

    from portal.context import Visit

TEXT_BYTES = 256 * 1024
FILES = 10
_FIELDS = 20
_IN_MEMORY = 1 << 40


class _InMemoryParser(MultiPartParser):
    # The guard bounds the body; spooling would write health data to the temporary folder.
    spool_max_size = _IN_MEMORY


@dataclass(frozen=True, slots=True)
class PostedFile:
    """One file of a form, as its browser named it."""

    filename: str = field(repr=False)
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields and files of a form; of two fields with one name the first counts."""

    fields: dict[str, str] = field(repr=False)
    files: tuple[PostedFile, ...] = ()

    def get(self, name: str) -> str:
        """A field's value, empty when it is missing."""
        return self.fields.get(name, "")


async def read_form(request: Request) -> Form:
    """A form of either encoding; 400 for anything that is no form, 413 for one out of bounds."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "multipart/form-data":
            parser = _InMemoryParser(
                request.headers,
                request.stream(),
                max_files=FILES,
                max_fields=_FIELDS,
                max_part_size=TEXT_BYTES,
            )
            posted = await parser.parse()
        elif kind == "application/x-www-form-urlencoded":
            posted = await FormParser(
                request.headers, request.stream(), max_fields=_FIELDS, max_part_size=TEXT_BYTES
            ).parse()
        else:
            raise HTTPException(HTTPStatus.BAD_REQUEST)
    except MultiPartException as error:
        bounded = error.message.startswith(("Too many", "Part exceeded", "Field exceeded"))
        raise HTTPException(413 if bounded else 400) from error
    return await _read(posted)


async def read_own_form(request: Request, visit: Visit) -> Form:
    """A form that one of this visit's pages made; 403 for any other (a forged or outdated one)."""
    check_origin(request)
    form = await read_form(request)
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
    await posted.close()
    return Form(fields, tuple(files))
