"""The token of a next page of the directory: the whole search, the generation it runs on and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from directory.fhir.systems import ResourceType
from foundation.fhir.paging import SealedTokens

if TYPE_CHECKING:
    from directory.fhir.query import Query

_INFO = b"vaguemestre fhir page 1"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: which of the resource types, and behind which key of it."""

    kind: int = 0
    after: str = ""


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a token says."""

    generation: str
    kinds: tuple[ResourceType, ...]
    pairs: tuple[tuple[str, str], ...] = field(repr=False)
    position: Position
    total: int | None = None


class PageTokens:
    """Seals and opens the tokens of one directory."""

    def __init__(self, master_key: bytes) -> None:
        self._tokens = SealedTokens(master_key, _INFO)

    def seal(self, caller: str, generation: str, query: Query, position: Position, total: int | None) -> str:
        """The token of the page of `query` that begins at `position`, for this caller alone."""
        told = [
            generation,
            [kind.value for kind in query.kinds],
            query.pairs,
            [position.kind, position.after],
            total,
        ]
        return self._tokens.seal(caller, told)

    def open(self, caller: str, token: str) -> Continuation:
        """What a token says; raises Refused for one that is not ours, or not this caller's."""
        generation, kinds, pairs, (kind, after), total = self._tokens.open(caller, token)
        return Continuation(
            generation,
            tuple(ResourceType(each) for each in kinds),
            tuple((name, value) for name, value in pairs),
            Position(kind, after),
            total,
        )
