"""The sandbox as the demonstration knows it: where it fails, the story says so in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaguemestre.demo.telling import NotProved
from vaguemestre.sandbox_process import Box, DidNotStart, DidNotStop, Person, SandboxProcess

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LOG_NAME", "Box", "Person", "Sandbox"]

LOG_NAME = "demo.log"


class Sandbox(SandboxProcess):
    """Starts, asks, stops. Raises NotProved."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, log=home / LOG_NAME)

    def start(self) -> float:
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return super().start()
        except DidNotStart as error:
            raise NotProved(f"le bac à sable n'a pas démarré : {error}") from error

    def stop(self) -> int:
        try:
            return super().stop()
        except DidNotStop as error:
            raise NotProved("le bac à sable ne s'est pas arrêté à SIGTERM.") from error

    def end(self) -> None:
        try:
            super().end()
        except NotProved:
            super().end()

    def box(self, address: str) -> Box:
        """The mailbox with this address."""
        for box in self.boxes():
            if box.address == address:
                return box
        raise NotProved(f"ce bac à sable n'a pas la boîte {address}.")

    def person(self, ins: str) -> Person:
        """The patient with this INS."""
        for person in self.people():
            if person.ins == ins:
                return person
        raise NotProved(f"ce bac à sable n'a pas le patient {ins}.")

    def certificate(self, address: str) -> tuple[str, str]:
        """Files with the client certificate and the key of a software's box."""
        for row in self.described["bals"]:
            if row["address"] == address and "certificate" in row:
                return str(row["certificate"]), str(row["key"])
        raise NotProved(f"la boîte {address} n'a pas de certificat.")
