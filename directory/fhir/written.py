"""Resources as they go out: made for all of a page together, and kept for the next who asks for the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from directory.annuaire.kept import Kept
from directory.fhir.registers import REGISTERS
from foundation.fhir.resources import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from directory.annuaire.view import View
    from directory.fhir.systems import ResourceType
    from foundation.fhir.resources import Resource

    Rows = Mapping[str, tuple[ResourceType, Any]]
    """Rows of the directory by what their resource is called: `Practitioner/003-…`."""

_MOST_BYTES = 12 * 1024 * 1024
"""Kept, twice. A large hospital with its boxes is 100 KB."""


def resources_of(view: View, rows: Rows) -> Iterator[tuple[str, Resource]]:
    """The resources of rows, by their names."""
    for kind, register in REGISTERS.items():
        register.expect(view, [row for of, row in rows.values() if of is kind])
    for name, (kind, row) in rows.items():
        yield name, REGISTERS[kind].resource(view, row)


class Written:
    """The bytes of resources. Safe to use from any number of threads."""

    def __init__(self) -> None:
        self._kept: Kept[tuple[str, int, str], bytes] = Kept(_MOST_BYTES, len)

    def texts(self, view: View, rows: Rows, *, keep: bool) -> dict[str, bytes]:
        """The JSON of the resources of rows, by their names and in their order."""
        keys = {name: (view.generation, view.version, name) for name in rows}
        kept = self._kept.of(keys.values())
        missing = {name: rows[name] for name, key in keys.items() if key not in kept}
        made = {keys[name]: encoded(resource) for name, resource in resources_of(view, missing)}
        if keep:
            self._kept.keep(made)
        return {name: made[key] if key in made else kept[key] for name, key in keys.items()}
