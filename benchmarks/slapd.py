"""Starts Debian's slapd on a private folder with our schema and our LDIF: the rival of a benchmark, and an oracle of tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.target import HOST, Unavailable, free_ports
from directory.ldap import schema
from directory.ldap.names import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAME = "slapd (mdb, index eq,sub)"
_START_SECONDS = 30
_SYSTEM = Path("/etc/ldap/schema")
_MODULES = Path("/usr/lib/ldap")

_CONFIGURATION = """\
include {system}/core.schema
include {system}/cosine.schema
include {system}/inetorgperson.schema
include {folder}/mssante.schema
pidfile {folder}/slapd.pid
modulepath {modules}
moduleload back_mdb
sizelimit unlimited
threads 16
database mdb
suffix "{suffix}"
rootdn "cn=admin,{suffix}"
directory {folder}/data
maxsize 17179869184
index objectClass eq
index cn,sn,givenName,mail,o,ou,l,postalCode,IdentifiantPP eq,sub
index TypeBAL,IdentifiantPM eq
"""


@dataclass(frozen=True, slots=True)
class Slapd:
    """A running slapd."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"ldap://{HOST}:{self.port}"


def program(name: str) -> str | None:
    return shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")


def missing() -> str | None:
    """Why slapd cannot run here, or None."""
    return None if program("slapd") and _SYSTEM.is_dir() else "slapd is not installed"


@contextmanager
def running(folder: Path, ldif: Iterable[str]) -> Iterator[Slapd]:
    """slapd with the entries of `ldif` on a free port; `folder` is new and the caller's to wipe. Raises Unavailable."""
    if (reason := missing()) is not None:
        raise Unavailable(reason)
    (folder / "data").mkdir(parents=True)
    (folder / "mssante.schema").write_text(schema.slapd_schema())
    configuration = folder / "slapd.conf"
    configuration.write_text(
        _CONFIGURATION.format(system=_SYSTEM, folder=folder, modules=_MODULES, suffix=SUFFIX)
    )
    with (folder / "entries.ldif").open("w", encoding="ascii") as file:
        file.writelines(ldif)
    loaded = subprocess.run(
        [str(program("slapadd")), "-q", "-f", str(configuration), "-l", str(folder / "entries.ldif")],
        capture_output=True,
        text=True,
        check=False,
    )
    if loaded.returncode:
        raise Unavailable(f"slapd does not load the LDIF: {loaded.stderr.strip()[-500:]}")
    (port,) = free_ports(1)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [str(program("slapd")), "-d", "0", "-f", str(configuration), "-h", f"ldap://{HOST}:{port}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait(process, port)
        yield Slapd(port, process.pid)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection((HOST, port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise Unavailable("slapd did not start")
