"""`python -m directory.annuaire FOLDER LARGEST_LOSS_PERCENT FILE`: one import, in a process that yields to all others.

Prints one JSON object for each extract; exits 1 when one was refused.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from directory.annuaire.build import Importer, ImportPolicy, Refused, told
from foundation.clock import SystemClock

_NICENESS = 10


def main(folder: str, largest_loss_percent: str, file: str) -> int:
    os.nice(_NICENESS)
    policy = ImportPolicy(int(largest_loss_percent))
    outcomes = Importer(Path(folder), SystemClock(), policy).load(Path(file))
    for outcome in outcomes:
        sys.stdout.write(json.dumps(told(outcome)) + "\n")
    return int(any(isinstance(outcome, Refused) for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
