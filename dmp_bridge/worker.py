"""The process that opens what strangers sent: little memory, little time, no file to write, no secret to tell.

Run as ``python -m dmp_bridge.worker MEMORY SECONDS UNZIPPED LISTS``; it reads requests on standard input and answers
on standard output until its input ends. A request is a line of JSON (``kind``, ``name``, ``length``) and the
bytes; an answer is a length of 8 bytes, big-endian, and a pickle of findings.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pickle
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmp_bridge import codes
from dmp_bridge.archive import ArchiveLimits
from dmp_bridge.examine import Attachment, examine_attachments
from dmp_bridge.message import examine_message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dmp_bridge.findings import Finding

_PIPE_BYTES = 1024 * 1024

FAILED = 3
"""Exit status after a request that could not be examined: to try it again would end in the same way."""


def main(arguments: list[str]) -> int:
    """Serves requests until the end of input; the limits come as arguments, in bytes and seconds, and the imported code lists."""
    memory, seconds, unzipped = (int(argument) for argument in arguments[:3])
    if arguments[3]:
        codes.use(Path(arguments[3]))
    limits = ArchiveLimits(total_bytes=unzipped)

    def answer(request: Mapping[str, Any], data: bytes) -> bytes:
        return pickle.dumps(_examine(request["kind"], request["name"], data, limits), protocol=5)

    return serve(answer, memory=memory, seconds=seconds)


def serve(answer: Callable[[Mapping[str, Any], bytes], bytes], *, memory: int, seconds: int) -> int:
    """Confines this process to ``memory`` bytes and answers requests, each within ``seconds`` of processor time."""
    for pipe in (0, 1):
        # A whole mail at once, without a change of process for each 64 KB; where the system allows it.
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not end up between two answers.
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _confine(memory)
    try:
        while line := requests.readline(65_536):
            request = json.loads(line)
            data = requests.read(request["length"])
            if len(data) != request["length"]:
                return 0
            _allow_time(seconds)
            packed = answer(request, data)
            answers.write(len(packed).to_bytes(8, "big"))
            answers.write(packed)
            answers.flush()
    except (Exception, MemoryError):
        # The traceback could quote what it was reading: nothing is printed.
        return FAILED
    return 0


def _examine(kind: str, name: str, data: bytes, limits: ArchiveLimits) -> tuple[Finding, ...]:
    if kind == "message":
        return examine_message(data, limits)
    return examine_attachments([Attachment("", name, data)], limits)


def _confine(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def _allow_time(seconds: int) -> None:
    """Processor time counts from the start of the process, so each request moves the limit."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
