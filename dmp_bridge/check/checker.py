"""Has files checked in a confined process, and puts into words a file that the process did not live through."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dmp_bridge.check import worker
from dmp_bridge.check.report import Checked, Finding, Report, Verdict, Weight
from dmp_bridge.confined import Confined, GaveUp, Unbelievable

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.settings import BridgeSettings

GAVE_UP = "La vérification de ce fichier demande trop de temps ou de mémoire : il n'a pas été vérifié."


class CheckRefused(Exception):
    """There is no report; the text is one French sentence that names no person."""


class Checker(Confined):
    """Checks one file at a time in a process of its own. What is checked is neither stored nor logged."""

    def __init__(
        self,
        settings: BridgeSettings,
        *,
        patient_domain: str,
        largest: int,
        kit: Path | None = None,
        idle_seconds: float = 60.0,
    ) -> None:
        arguments = [
            str(limit) for limit in (settings.memory_bytes, settings.timeout_seconds, settings.unzipped_bytes)
        ]
        super().__init__(
            worker.__name__,
            arguments if kit is None else [*arguments, str(kit)],
            timeout_seconds=settings.timeout_seconds,
            idle_seconds=idle_seconds,
        )
        self._question = {"patient_domain": patient_domain, "largest": largest}

    async def check(self, name: str, data: bytes, *, box_type: str = "") -> Report:
        """The report on one file, recognised by its content. Raises CheckRefused."""
        return await self._check("file", name, data, box_type)

    async def check_transcript(self, data: bytes) -> Report:
        """The report on a conversation of a mail client with its server. Raises CheckRefused."""
        return await self._check("transcript", "", data, "")

    async def _check(self, kind: str, name: str, data: bytes, box_type: str) -> Report:
        request = {**self._question, "kind": kind, "name": name[:500], "box_type": box_type}
        try:
            found = await self.ask(request, data, written)
        except GaveUp:
            raise CheckRefused(GAVE_UP) from None
        if isinstance(found, str):
            raise CheckRefused(found)
        return found


def written(answer: bytes) -> Report | str:
    """The report in a worker's answer, or the sentence that refuses one. Raises Unbelievable."""
    try:
        said: dict[str, Any] = json.loads(answer)
        if "refused" in said:
            return str(said["refused"])
        return Report(
            Checked(said["checked"]),
            tuple(_finding(each) for each in said["findings"]),
            str(said["rules_source"]),
            int(said["left_out"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Unbelievable from error


def _finding(said: dict[str, Any]) -> Finding:
    return Finding(
        str(said["rule"]),
        Verdict(said["verdict"]),
        str(said["place"]),
        str(said["says"]),
        str(said["advice"]),
        Weight(said["weight"]),
    )
