"""Debian's Postfix as operators of the espace de confiance: it sends with a client certificate and takes with its own.

One instance plays several operators at once, since each has its own port, certificate and transport: what a test
sees of one is what a whole Postfix with that certificate would do.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import smtplib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from benchmarks import postfix
from benchmarks.postfix import Postfix
from benchmarks.target import HOST, Unavailable, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

LATE = "trop-tard"
"""A box whose mail Postfix takes and returns afterwards, with the null reverse-path."""
BOX = "audit"
"""A box that is there, at each operator."""


@dataclass(frozen=True, slots=True)
class PostfixOperator:
    """One operator: its domain, its certificate and key (none: it speaks in clear), its port."""

    name: str
    domain: str
    certificate: str | None
    key: str | None
    port: int = field(default_factory=lambda: free_ports(1)[0])

    @property
    def address(self) -> str:
        return f"{BOX}@{self.domain}"

    @property
    def mx(self) -> str:
        return f"{HOST}:{self.port}"


class PostfixPeer:
    """A running Postfix that is all these operators; its users' mail is read from its maildirs."""

    def __init__(self, folder: Path, server: Postfix, inject_port: int) -> None:
        self._mail = folder / "mail"
        self._server = server
        self._inject_port = inject_port

    def send(
        self,
        sender: str,
        recipient: str,
        message: bytes,
        *,
        mail_options: Sequence[str] = (),
        rcpt_options: Sequence[str] = (),
    ) -> None:
        """One of Postfix's own users sends; what becomes of it, Postfix tells that user by mail."""
        with smtplib.SMTP(HOST, self._inject_port, timeout=30) as smtp:
            smtp.sendmail(sender, [recipient], message, mail_options, rcpt_options)

    def inbox(self, address: str) -> list[bytes]:
        """What lies in a box."""
        return [file.read_bytes() for file in sorted((self._mail / address / "new").glob("*"))]

    def everything(self) -> list[bytes]:
        """What lies in all boxes."""
        return [file.read_bytes() for file in sorted(self._mail.glob("*/new/*"))]

    @property
    def log(self) -> str:
        return self._server.log

    @property
    def queue(self) -> str:
        """What waits, as `postqueue -j` tells it: empty when nothing does."""
        return self._server.command("postqueue", "-j").stdout


@contextlib.contextmanager
def postfix_peer(
    operators: Sequence[PostfixOperator], mx: str, ca_file: str, **main: str
) -> Iterator[PostfixPeer]:
    """Postfix as these operators; what it sends to others goes to `mx`. Skips where Postfix cannot run.

    `main` are further lines of main.cf.
    """
    if (reason := postfix.missing()) is not None:
        pytest.skip(reason)
    folder = postfix.private_folder("postfix-peer-")
    nobody = pwd.getpwnam("nobody")
    (folder / "mail").mkdir()
    os.chown(folder / "mail", nobody.pw_uid, nobody.pw_gid)
    (inject,) = free_ports(1)
    server = Postfix(
        folder,
        _main(folder, nobody, operators, mx, ca_file) | main,
        _services(operators, inject),
        (inject, *(each.port for each in operators)),
    )
    try:
        with server:
            yield PostfixPeer(folder, server, inject)
    except Unavailable as unavailable:
        pytest.fail(str(unavailable))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _main(
    folder: Path,
    nobody: pwd.struct_passwd,
    operators: Sequence[PostfixOperator],
    mx: str,
    ca_file: str,
) -> dict[str, str]:
    host, _, port = mx.rpartition(":")
    boxes = [f"{box}@{each.domain}" for each in operators for box in (BOX, LATE)]
    return {
        "myhostname": f"mail.{operators[0].domain}",
        "maillog_file": str(folder / "postfix.log"),
        "mynetworks": "127.0.0.0/8",
        "virtual_mailbox_domains": ", ".join(each.domain for each in operators),
        "virtual_mailbox_maps": _inline({box: f"{box}/" for box in boxes}),
        "virtual_mailbox_base": str(folder / "mail"),
        "virtual_uid_maps": f"static:{nobody.pw_uid}",
        "virtual_gid_maps": f"static:{nobody.pw_gid}",
        "virtual_minimum_uid": "1",
        # Relaying is for its own users alone; the ports of the operators know no such users.
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        "default_transport": f"{operators[0].name}:[{host}]:{port}",
        "sender_dependent_default_transport_maps": _inline(
            {f"@{each.domain}": f"{each.name}:[{host}]:{port}" for each in operators}
        ),
        "transport_maps": _inline({f"{LATE}@{each.domain}": "late:" for each in operators}),
        # What does not leave comes back to its sender within seconds, with the reason.
        "maximal_queue_lifetime": "2s",
        "bounce_queue_lifetime": "2s",
        "queue_run_delay": "1s",
        "minimal_backoff_time": "1s",
        "maximal_backoff_time": "1s",
        "smtpd_tls_CAfile": ca_file,
        "smtpd_tls_received_header": "yes",
        "smtpd_tls_mandatory_protocols": ">=TLSv1.2",
        "smtp_tls_CAfile": ca_file,
        "smtp_tls_mandatory_protocols": ">=TLSv1.2",
        "smtp_tls_security_level": "encrypt",
        "smtp_tls_loglevel": "1",
        "smtpd_tls_loglevel": "1",
    }


def _inline(pairs: Mapping[str, str]) -> str:
    """A lookup table in main.cf itself (postconf(5), DATABASE_README)."""
    return "inline:{" + ", ".join(f"{{ {key} = {value} }}" for key, value in pairs.items()) + "}"


def _services(operators: Sequence[PostfixOperator], inject: int) -> list[str]:
    services = [
        f"{HOST}:{inject} inet n - n - - smtpd",
        "late unix - n n - - pipe user=nobody argv=/bin/false",
    ]
    for each in operators:
        options = ["mynetworks=", "smtpd_relay_restrictions=reject_unauth_destination"]
        client = []
        if each.certificate is None:
            options.append("smtpd_tls_security_level=none")
            client.append("smtp_tls_security_level=none")
        else:
            options += [
                "smtpd_tls_security_level=encrypt",
                "smtpd_tls_ask_ccert=yes",
                "smtpd_tls_req_ccert=yes",
            ]
            options += [f"smtpd_tls_cert_file={each.certificate}", f"smtpd_tls_key_file={each.key}"]
            client += [f"smtp_tls_cert_file={each.certificate}", f"smtp_tls_key_file={each.key}"]
            # It checks our chain and our name too.
            client += ["smtp_tls_security_level=verify", "smtp_tls_verify_cert_match=localhost"]
        services.append(f"{each.mx} inet n - n - - smtpd" + "".join(f" -o {option}" for option in options))
        services.append(f"{each.name} unix - - n - - smtp" + "".join(f" -o {option}" for option in client))
    return services
