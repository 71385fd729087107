"""Structured logs on standard error: events and ids, never an INS, a name, an address, a subject or a body."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def get_logger(name: str) -> Any:
    """The logger of a module."""
    return structlog.get_logger(name)


def _to_standard_error(*_names: Any) -> structlog.PrintLogger:
    # Looked up at each use: who replaces sys.stderr (a test, a daemon) gets the lines from then on.
    return structlog.PrintLogger(sys.stderr)


def configure(*, level: str = "INFO") -> None:
    """Sets up the process: one JSON object per line, and quiet libraries."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    # aiosmtpd logs each command with its addresses at INFO: those name patients.
    for noisy in ("mail.log", "mail.error", "mail.debug", "asyncio", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=_to_standard_error,
    )
