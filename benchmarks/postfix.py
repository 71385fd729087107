"""Debian's Postfix from a private folder: nothing of /etc is read or written, and several run side by side.

Needs root, since Postfix starts its processes under other users. Only what makes it private differs from a fresh
installation: folders, ports, no chroot (the chroot holds files of /etc that are not ours to write).
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from benchmarks.measure import tree
from benchmarks.target import HOST, Unavailable, answers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

_START_SECONDS = 30

_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
alias_maps =
alias_database =
maillog_file_prefixes = {home}
message_size_limit = 30000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
"""

_MASTER = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsproxy unix - - n - 0 tlsproxy
postlog unix-dgram n - n - 1 postlogd
"""


def program(name: str) -> str | None:
    """Where a system program is, also those that only root has on its path."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def missing() -> str | None:
    """Why Postfix cannot run here, or None."""
    if os.geteuid() != 0:
        return "Postfix needs root to start its processes"
    if program("postfix") is None:
        return "postfix is not installed"
    return None


def private_folder(prefix: str) -> Path:
    """A new folder that Postfix's own users may enter, which those of pytest and of people's homes are not."""
    home = Path(tempfile.mkdtemp(prefix=prefix))
    home.chmod(0o755)
    return home


class Postfix:
    """One instance: `main` are lines of main.cf, `services` lines of master.cf, `ports` what must answer."""

    def __init__(
        self, home: Path, main: Mapping[str, str], services: Iterable[str], ports: Iterable[int]
    ) -> None:
        self.home = home
        self._main = main
        self._services = tuple(services)
        self._ports = tuple(ports)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process above all others of this instance."""
        assert self._process is not None
        return self._process.pid

    @property
    def log_file(self) -> Path:
        """What `maillog_file` may name, for an instance whose log is read."""
        return self.home / "postfix.log"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def start(self) -> None:
        """Returns when every port greets. Raises Unavailable."""
        if (reason := missing()) is not None:
            raise Unavailable(reason)
        self._lay_out()
        with (self.home / "postfix.out").open("wb") as output:
            self._process = subprocess.Popen(
                [str(program("postfix")), "-c", f"{self.home}/postfix", "start-fg"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not all(map(answers, self._ports)):
            if time.monotonic() > deadline or self._process.poll() is not None:
                said = (self.home / "postfix.out").read_text(errors="replace") + self.log
                self.stop()
                raise Unavailable(f"Postfix did not start on {HOST}: {' / '.join(said.splitlines()[-3:])}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            end(self._process)
            self._process = None

    def command(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """One of Postfix's own commands (postqueue, postconf) on this instance."""
        return subprocess.run(
            [str(program(name)), "-c", f"{self.home}/postfix", *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def _lay_out(self) -> None:
        for name in ("postfix", "spool", "data"):
            (self.home / name).mkdir()
        postfix = pwd.getpwnam("postfix")
        os.chown(self.home / "data", postfix.pw_uid, postfix.pw_gid)
        lines = (f"{key} = {value}\n" for key, value in self._main.items())
        (self.home / "postfix" / "main.cf").write_text(_MAIN.format(home=self.home) + "".join(lines))
        (self.home / "postfix" / "master.cf").write_text(_MASTER + "\n".join(self._services) + "\n")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a master and whatever it started; Postfix's master leads a process group of its own."""
    groups = {group for pid in tree(process.pid) if (group := _group(pid)) is not None}
    for group in groups:
        _signal(group, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    for group in groups:
        _signal(group, signal.SIGKILL)
    process.kill()
    process.wait(timeout=10)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
