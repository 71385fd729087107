"""The process that checks what strangers sent: little memory, little time, no file to write, no secret to tell.

Run as ``python -m dmp_bridge.check.worker MEMORY SECONDS UNZIPPED [KIT]``, KIT the folder of a validation kit; see
`dmp_bridge.worker.serve`. A request's line holds ``kind`` (``file`` or ``transcript``), ``name``, ``patient_domain``,
``largest`` and ``box_type``; an answer is JSON: `checker.written` reads it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmp_bridge.archive import ArchiveLimits
from dmp_bridge.check.examine import Unrecognised, examine, examine_transcript
from dmp_bridge.check.kit import Kit
from dmp_bridge.check.letter import Question
from dmp_bridge.check.report import shortened
from dmp_bridge.worker import serve

if TYPE_CHECKING:
    from collections.abc import Mapping


def main(arguments: list[str]) -> int:
    """Serves requests until the end of input; the limits come as arguments, in bytes and seconds."""
    memory, seconds, unzipped = (int(argument) for argument in arguments[:3])
    limits = ArchiveLimits(total_bytes=unzipped)
    kit = Kit.open(Path(arguments[3])) if len(arguments) > 3 else None

    def answer(request: Mapping[str, Any], data: bytes) -> bytes:
        question = Question(request["patient_domain"], request["largest"], request["box_type"], limits)
        try:
            if request["kind"] == "transcript":
                report = examine_transcript(data)
            else:
                report = examine(request["name"], data, question, kit)
        except Unrecognised as error:
            return json.dumps({"refused": str(error)}).encode()
        return json.dumps(asdict(shortened(report))).encode()

    return serve(answer, memory=memory, seconds=seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
