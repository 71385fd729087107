"""The published OpenAPI as a source of requests: none fails inside, every answer is one the specification knows."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn

from tests.directory.fhir.place import KEY, Place
from tests.shared_data import shared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance"


@contextlib.asynccontextmanager
async def served(place: Place) -> AsyncIterator[str]:
    """The interface on a free port, without TLS."""
    config = uvicorn.Config(place.app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/fhir/annuaire"
    finally:
        server.should_exit = True
        await serving


@pytest.mark.interop
async def test_schemathesis_finds_nothing(publishing: Place, tmp_path: Path) -> None:
    specification = shared("directory", "openapi-balmss.yaml")
    program = Path(sys.executable).with_name("schemathesis")
    async with served(publishing) as url:
        process = await asyncio.create_subprocess_exec(
            str(program), "run", str(specification), "--url", url, "-H", f"ESANTE-API-KEY: {KEY}",
            "--checks", _CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "10",
            "--seed", "1", "--no-color", "--generation-database", "none",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-4000:]
