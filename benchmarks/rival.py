"""Starts Debian's Postfix and Dovecot from private folders: SMTP, LMTP, maildir, fsync as they do by default."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import postfix
from benchmarks.postfix import Postfix
from benchmarks.target import HOST, Account, Between, Target, Unavailable, answers, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "Postfix + Dovecot (LMTP, maildir)"
_DOMAIN = "banc.example"
_USER = "banc"
_READER = "lecteur"
_PASSWORD = "banc"
_START_SECONDS = 30

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
# As for a large site: no limit of processes or connections holds it back, and processes for sign-in are shared
# ("high-performance mode" of Dovecot's documentation). Syncing to disk stays as it is by default.
default_process_limit = 5000
default_client_limit = 20000
mail_max_userip_connections = 10000
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%n allow_all_users=yes
}}
service imap-login {{
  service_count = 0
  process_min_avail = 2
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
    if (reason := postfix.missing()) is not None:
        return reason
    return None if postfix.program("dovecot") else "dovecot is not installed"


@contextmanager
def running(ours: Between) -> Iterator[Target]:
    """Both servers on free ports, with the certificates our own service has; stopped and wiped on the way out.

    What is written to our peer goes to the same sink. Raises `Unavailable`.
    """
    if (reason := missing()) is not None:
        raise Unavailable(reason)
    home = postfix.private_folder("rival-")
    dovecot: subprocess.Popen[bytes] | None = None
    try:
        smtp, mx, imap = free_ports(3)
        dovecot = _start_dovecot(home, imap)
        with Postfix(home, _main(home, ours), _services(smtp, mx), (smtp, mx)) as server:
            _wait(home, dovecot, imap)
            yield Target(
                name=NAME,
                smtp_port=smtp,
                imap_port=imap,
                sender="banc@expediteur.example",
                recipient=f"{_USER}@{_DOMAIN}",
                login=_USER,
                password=_PASSWORD,
                pids=(dovecot.pid, server.pid),
                reader=Account(_READER, _PASSWORD),
                again=partial(running, ours),
                between=replace(
                    ours,
                    mx_port=mx,
                    submission_port=smtp,
                    sign_in=False,
                    author=f"{_USER}@{_DOMAIN}",
                ),
            )
    finally:
        if dovecot is not None:
            postfix.end(dovecot)
        shutil.rmtree(home, ignore_errors=True)


def _main(home: Path, ours: Between) -> dict[str, str]:
    peer_domain = ours.peer_box.partition("@")[2]
    return {
        "myhostname": "banc.example",
        "mynetworks": "127.0.0.0/8",
        "virtual_mailbox_domains": _DOMAIN,
        "virtual_mailbox_maps": "static:any",
        "virtual_transport": f"lmtp:unix:{home}/run/lmtp",
        "transport_maps": f"inline:{{{peer_domain}=smtp:[{HOST}]:{ours.sink.port}}}",
        "smtpd_tls_cert_file": ours.own.certificate,
        "smtpd_tls_key_file": ours.own.key,
        "smtpd_tls_CAfile": ours.ca_file,
        "smtp_tls_security_level": "encrypt",
        "smtp_tls_cert_file": ours.own.certificate,
        "smtp_tls_key_file": ours.own.key,
        "smtp_tls_CAfile": ours.ca_file,
        # Without it, Postfix opens a new connection for each message over TLS.
        "smtp_tls_connection_reuse": "yes",
    }


def _services(smtp: int, mx: int) -> tuple[str, ...]:
    options = "smtpd_tls_security_level=encrypt smtpd_tls_ask_ccert=yes smtpd_tls_req_ccert=yes"
    return (
        f"{HOST}:{smtp} inet n - n - - smtpd",
        f"{HOST}:{mx} inet n - n - - smtpd {' '.join(f'-o {option}' for option in options.split())}",
    )


def _start_dovecot(home: Path, imap: int) -> subprocess.Popen[bytes]:
    owner = pwd.getpwnam("nobody")
    for name in ("run", "state", "mail"):
        (home / name).mkdir()
    os.chown(home / "mail", owner.pw_uid, owner.pw_gid)
    (home / "dovecot.conf").write_text(
        _DOVECOT.format(home=home, password=_PASSWORD, imap=imap, uid=owner.pw_uid, gid=owner.pw_gid)
    )
    with (home / "output.log").open("wb") as output:
        return subprocess.Popen(
            [str(postfix.program("dovecot")), "-F", "-c", f"{home}/dovecot.conf"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _wait(home: Path, dovecot: subprocess.Popen[bytes], imap: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not answers(imap):
        if time.monotonic() > deadline or dovecot.poll() is not None:
            said = (home / "output.log").read_text(errors="replace").strip().splitlines()
            raise Unavailable(f"Dovecot did not start on {HOST}: {' / '.join(said[-3:])}")
        time.sleep(0.1)
