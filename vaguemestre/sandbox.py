"""The sandbox: a complete fictive operator in one folder, made once, served in the foreground."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from foundation.files import PRIVATE, write_atomically
from vaguemestre import ports
from vaguemestre.app import PlainAddresses
from vaguemestre.companions import exchange_routes, join
from vaguemestre.errors import CannotListen
from vaguemestre.home import alone_in
from vaguemestre.memory import bound_allocator
from vaguemestre.running import serve_until_told
from vaguemestre.sandbox_file import FILE, describe, print_summary
from vaguemestre.sandbox_home import PATIENT_DOMAIN, populate, prepare, write_settings

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.settings import Settings
    from vaguemestre.app import Operator

_ATTEMPTS = 5


def run_sandbox(
    home: Path,
    *,
    port_base: int | None,
    empty: bool,
    plain: bool,
    first: Path | None = None,
    suffix: str = "b",
) -> None:
    """Makes what is missing in `home`, serves it until told to stop, then returns.

    `first` is another sandbox to join: its authority and list are shared, and the two know each other's routes.

    Raises HomeBusy, CannotListen, and the sentence-bearing errors of what an operator opens.
    """
    bound_allocator()  # before the first password is hashed
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone_in(home):
        (home / FILE).unlink(missing_ok=True)  # until every listener answers, nobody shall read old ports
        if first is not None:
            join(home, first, suffix)
        prepare(home)
        chosen = (
            ports.from_base(port_base) if port_base is not None else ports.kept_ports(home) or ports.free()
        )
        asyncio.run(populate(write_settings(home, chosen), empty=empty))
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                exchange_routes(home, chosen, PATIENT_DOMAIN)
                _serve(write_settings(home, chosen), chosen, plain=plain)
                return
            except CannotListen:
                # Somebody took a free port in the meantime; one that was asked for is not exchanged.
                if port_base is not None or attempt == _ATTEMPTS:
                    raise
                chosen = ports.free()


def _serve(settings: Settings, chosen: ports.Ports, *, plain: bool) -> None:
    addresses = None
    if plain:
        addresses = PlainAddresses(
            chosen.address("imap_plain"), chosen.address("submission_plain"), chosen.address("mx_plain")
        )
    file = settings.home / FILE

    async def ready(operator: Operator) -> None:
        description = await describe(operator)
        write_atomically(
            file, (json.dumps(description, ensure_ascii=False, indent=2) + "\n").encode(), PRIVATE
        )
        print_summary(description, sys.stdout)

    try:
        serve_until_told(settings, plain=addresses, ready=ready)
    finally:
        file.unlink(missing_ok=True)
