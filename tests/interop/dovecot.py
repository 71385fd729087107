"""Debian's Dovecot from a private folder, the reference that the IMAP server is held against."""

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
from typing import Self

from benchmarks.target import answers, free_ports
from tests.interop.imap_wire import Wire
from tests.interop.service import program

USER = "banc"
PASSWORD = "banc"
_START_SECONDS = 30

# sdbox and not maildir: what a test wrote is there at once, without a scan of folders by their times.
_CONFIGURATION = """\
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = sdbox:~/mail
mail_fsync = never
imap_metadata = yes
mail_attribute_dict = file:%h/attributes
mail_max_keyword_length = 128
mail_max_userip_connections = 200
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%n allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Drafts {{
    auto = subscribe
    special_use = \\Drafts
  }}
  mailbox Trash {{
    auto = subscribe
    special_use = \\Trash
  }}
  mailbox Junk {{
    auto = subscribe
    special_use = \\Junk
  }}
  mailbox Archive {{
    auto = subscribe
    special_use = \\Archive
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
{more}
"""


class DovecotWire(Wire):
    """A connection that overlooks the one thing Dovecot does not write by the grammar: a space after THREAD and nothing."""

    def raw(self) -> bytes:
        data = super().raw()
        return b"* THREAD\r\n" if data == b"* THREAD \r\n" else data


class Dovecot:
    """Started on a free port of loopback; its folder is wiped at the end."""

    def __init__(self, more: str = "") -> None:
        self._more = more
        self.port = 0
        # Below the system's own folder: Dovecot's unprivileged processes must reach it.
        self.home = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def configuration(self) -> Path:
        return self.home / "dovecot.conf"

    def __enter__(self) -> Self:
        binary = program("dovecot")
        (self.port,) = free_ports(1)
        owner = pwd.getpwnam("nobody")
        self.home.chmod(0o755)
        for name in ("run", "state", "mail"):
            (self.home / name).mkdir()
        os.chown(self.home / "mail", owner.pw_uid, owner.pw_gid)
        self.configuration.write_text(
            _CONFIGURATION.format(
                home=self.home,
                password=PASSWORD,
                port=self.port,
                uid=owner.pw_uid,
                gid=owner.pw_gid,
                more=self._more,
            )
        )
        with (self.home / "output.log").open("wb") as output:
            self._process = subprocess.Popen(
                [binary, "-F", "-c", str(self.configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not answers(self.port):
            said = (self.home / "output.log").read_text(errors="replace")
            assert self._process.poll() is None, f"Dovecot ended: {said}"
            assert time.monotonic() < deadline, f"Dovecot did not start: {said}"
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)
