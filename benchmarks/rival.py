"""Starts Debian's Postfix and Dovecot from private folders: SMTP, LMTP, maildir, fsync as they do by default."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import tree
from benchmarks.target import HOST, Target, Unavailable, answers, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "Postfix + Dovecot (LMTP, maildir)"
_DOMAIN = "banc.example"
_USER = "banc"
_PASSWORD = "banc"
_START_SECONDS = 30

# Only what makes it private differs from a fresh installation: folders, ports, one virtual domain, no chroot
# (the chroot holds files of /etc that are not ours to write).
_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = banc.example
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = static:any
virtual_transport = lmtp:unix:{home}/run/lmtp
message_size_limit = 30000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
"""

_MASTER = """\
127.0.0.1:{smtp} inet n - n - - smtpd
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
"""

_DOVECOT = """\
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:~/Maildir
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%n allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
protocol lmtp {{
  auth_username_format = %n
}}
"""


def missing() -> str | None:
    """Why the rival cannot run here, or None."""
    if os.geteuid() != 0:
        return "Postfix and Dovecot need root to start their processes"
    for program in ("postfix", "dovecot"):
        if _program(program) is None:
            return f"{program} is not installed"
    return None


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@contextmanager
def running() -> Iterator[Target]:
    """Both servers on free ports, stopped and wiped on the way out; raises `Unavailable`."""
    if (reason := missing()) is not None:
        raise Unavailable(reason)
    home = Path(tempfile.mkdtemp(prefix="rival-"))
    started: list[subprocess.Popen[bytes]] = []
    try:
        smtp, imap = free_ports(2)
        _lay_out(home, smtp, imap)
        with (home / "output.log").open("wb") as output:
            for command in (
                [_program("dovecot"), "-F", "-c", f"{home}/dovecot.conf"],
                [_program("postfix"), "-c", f"{home}/postfix", "start-fg"],
            ):
                started.append(
                    subprocess.Popen(
                        [str(word) for word in command],
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        start_new_session=True,
                    )
                )
        _wait(home, started, smtp, imap)
        address = f"{_USER}@{_DOMAIN}"
        yield Target(
            name=NAME,
            smtp_port=smtp,
            imap_port=imap,
            sender="banc@expediteur.example",
            recipient=address,
            login=_USER,
            password=_PASSWORD,
            pids=tuple(process.pid for process in started),
        )
    finally:
        for process in reversed(started):
            _stop(process)
        shutil.rmtree(home, ignore_errors=True)


def _lay_out(home: Path, smtp: int, imap: int) -> None:
    home.chmod(0o755)
    owner = pwd.getpwnam("nobody")
    postfix = pwd.getpwnam("postfix")
    for name in ("postfix", "spool", "data", "run", "state", "mail"):
        (home / name).mkdir()
    os.chown(home / "data", postfix.pw_uid, postfix.pw_gid)
    os.chown(home / "mail", owner.pw_uid, owner.pw_gid)
    (home / "postfix" / "main.cf").write_text(_MAIN.format(home=home, domain=_DOMAIN))
    (home / "postfix" / "master.cf").write_text(_MASTER.format(smtp=smtp))
    (home / "dovecot.conf").write_text(
        _DOVECOT.format(home=home, password=_PASSWORD, imap=imap, uid=owner.pw_uid, gid=owner.pw_gid)
    )


def _wait(home: Path, started: list[subprocess.Popen[bytes]], smtp: int, imap: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not (answers(smtp) and answers(imap)):
        if time.monotonic() > deadline or any(process.poll() is not None for process in started):
            said = (home / "output.log").read_text(errors="replace").strip().splitlines()
            raise Unavailable(f"Postfix or Dovecot did not start on {HOST}: {' / '.join(said[-3:])}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
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
