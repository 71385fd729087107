"""The requirements that this program is held to, as `docs/requirements.toml` lists them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Weight(StrEnum):
    """How much a requirement binds, and whom."""

    MANDATORY = "mandatory"
    INFERRED = "inferred"
    """Mandatory by inference: the text of Référentiel #1 is not public."""
    RECOMMENDED = "recommended"
    OPTIONAL = "optional"
    CLIENT = "client"
    """Mandatory for the client program, not for the operator."""


class Status(StrEnum):
    """What is true of a requirement in this version."""

    MET = "met"
    PARTLY = "partly"
    CLIENT = "client"
    """The client's duty; the note says how it is allowed or checked here."""
    LATER = "later"
    """Planned."""
    NOT_DONE = "not_done"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement. `also` are other ids of the same one; `code` and `tests` are `path` or `path::name`.

    `note` says what is missing, how a client's duty is allowed or checked, or where words of the source are unknown.
    """

    id: str
    also: tuple[str, ...]
    sentence: str
    source: str
    weight: Weight
    status: Status
    note: str
    code: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id it is known by."""
        return (self.id, *self.also)


def parse(text: str) -> tuple[Requirement, ...]:
    """The requirements of a TOML text, in its order. Raises KeyError and ValueError on a member that is wrong."""
    return tuple(
        Requirement(
            id=row["id"],
            also=tuple(row.get("also", ())),
            sentence=row["sentence"],
            source=row["source"],
            weight=Weight(row["weight"]),
            status=Status(row["status"]),
            note=row.get("note", ""),
            code=tuple(row["code"]),
            tests=tuple(row["tests"]),
        )
        for row in tomllib.loads(text)["requirement"]
    )


def load() -> tuple[Requirement, ...]:
    """The requirements of this version."""
    packaged = Path(__file__).with_name("requirements.toml")
    source = Path(__file__).resolve().parent.parent / "docs" / "requirements.toml"
    return parse((packaged if packaged.is_file() else source).read_text(encoding="utf-8"))
