"""Reads the official code lists as the ANS publishes them in CSV, to be laid over ours (`dmp_bridge.codes.use`)."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_BYTES = 5_000_000
MAX_ROWS = 20_000
_LONGEST = 256
_NAME = re.compile(r"(?:JDV|ASS)[_-]?([JAX][0-9]{1,4})", re.IGNORECASE | re.ASCII)
_CODE = ("code", "typecode", "templateid", "mediatype", "codesource", "code1")
_TARGET = ("formatcode", "classcode", "codecible", "code2", "classcodex16")
_SYSTEM = ("codesystem", "oid", "oidterminologie", "codesystemoid", "system")
_LABEL = ("display", "libelle", "libelleadapte", "displayname", "label")

Overlay = dict[str, Any]
"""The tables of `dmp_bridge/code_lists` that a file changes, by their names; types as {code: [class, label]}."""


class ListRefused(Exception):
    """The file is none of the lists; one sentence for the operator."""


def read_list(name: str, data: bytes) -> tuple[str, int, Overlay]:
    """The list that a file is by its name (`JDV_J66…`), its rows, and what it changes. Raises ListRefused."""
    found = _NAME.search(name)
    read = _READERS.get(found[1].upper()) if found is not None else None
    if found is None or read is None:
        raise ListRefused(f"it bears the name of none of these lists: {', '.join(sorted(_READERS))}")
    if len(data) > MAX_BYTES:
        raise ListRefused("it is longer than any list")
    rows = list(_rows(data))
    if not rows:
        raise ListRefused("it holds no row")
    return found[1].upper(), len(rows), read(rows)


def merged(old: Overlay, new: Overlay) -> Overlay:
    """One overlay over another; where both know the class or the label of a type, the newer word counts."""
    result = {name: dict(table) for name, table in old.items()}
    for name, table in new.items():
        known = result.setdefault(name, {})
        for code, value in table.items():
            if name == "type":
                class_code, label = known.get(code, [None, None])
                known[code] = [value[0] or class_code, value[1] or label]
            elif isinstance(value, dict):
                known[code] = {**known.get(code, {}), **value}
            else:
                known[code] = value
    return result


_Row = dict[str, str]


def _rows(data: bytes) -> Iterator[_Row]:
    """The rows under plain column names; comma, semicolon or tab, in UTF-8 or the letters of Windows."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        names = [_plain(each) for each in next(reader, [])]
        for number, values in enumerate(reader):
            if number >= MAX_ROWS:
                raise ListRefused("it holds more rows than any list")
            if any(values):
                yield {name: value.strip() for name, value in zip(names, values, strict=False)}
    except csv.Error:
        raise ListRefused("it is no CSV") from None


def _plain(name: str) -> str:
    apart = unicodedata.normalize("NFKD", name).lower()
    return "".join(character for character in apart if character.isascii() and character.isalnum())


def _of(row: _Row, names: tuple[str, ...]) -> str:
    value = next((row[name] for name in names if row.get(name)), "")
    if len(value) > _LONGEST or any(ord(character) < 32 for character in value):
        raise ListRefused("a code or a label is not one")
    return value


def _pairs(rows: list[_Row], target: tuple[str, ...]) -> dict[str, str]:
    found = {code: value for row in rows if (code := _of(row, _CODE)) and (value := _of(row, target))}
    if not found:
        raise ListRefused("it has not the columns of its list")
    return found


def _labels(table: str) -> Callable[[list[_Row]], Overlay]:
    return lambda rows: {table: _pairs(rows, _LABEL)}


def _targets(table: str) -> Callable[[list[_Row]], Overlay]:
    return lambda rows: {table: _pairs(rows, _TARGET)}


def _types(rows: list[_Row]) -> Overlay:
    return {
        "type": {
            code: [_of(row, ("classcodex16", "classcode")) or None, label]
            for row in rows
            if (code := _of(row, _CODE)) and (label := _of(row, _LABEL))
        }
    }


def _classes(rows: list[_Row]) -> Overlay:
    return {"type": {code: [target, None] for code, target in _pairs(rows, _TARGET).items()}}


def _places(table: str) -> Callable[[list[_Row]], Overlay]:
    def read(rows: list[_Row]) -> Overlay:
        systems: dict[str, dict[str, str]] = {}
        for row in rows:
            code, system, label = _of(row, _CODE), _of(row, _SYSTEM), _of(row, _LABEL)
            if code and system and label:
                systems.setdefault(system, {})[code] = label
        if not systems:
            raise ListRefused("it has not the columns of its list")
        return {table: systems}

    return read


_READERS: Mapping[str, Callable[[list[_Row]], Overlay]] = {
    "A11": _targets("template"),
    "A12": _targets("media_type"),
    "X16": _classes,
    "J04": _places("practice_setting"),
    "J07": _types,
    "J57": _labels("class"),
    "J58": _labels("confidentiality"),
    "J59": _places("content_type"),
    "J60": _labels("label"),
    "J61": _places("facility"),
    "J66": _types,
}
