"""The part of a report that programs read: message/delivery-status (RFC 3464, RFC 6533)."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from email.utils import format_datetime
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from foundation.clock import from_millis, to_paris
from foundation.mime.folding import fold
from mailserver.refusals import (
    INVALID_PATIENT_ADDRESS,
    MAILBOX_CLOSED,
    MAILBOX_SUSPENDED,
    PATIENT_BOX_CLOSED,
    TOO_BIG,
    UNKNOWN_MAILBOX,
    UNKNOWN_PATIENT,
)

if TYPE_CHECKING:
    from mailserver.delivery.report import Report
    from mailserver.refusals import Refusal


class Action(StrEnum):
    """What became of a message, in the words of RFC 3464 §2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class Reported:
    """One recipient of a report.

    `refusal` is None where nothing went wrong; `orcpt` as in RCPT; `reply` is what the other server said
    ("550 5.1.1 unknown"), `server` its name, `attempted_at` the last attempt in epoch ms.
    """

    address: str
    refusal: Refusal | None = None
    orcpt: str | None = None
    reply: str | None = None
    server: str | None = None
    attempted_at: int | None = None


_SAID_HERE = frozenset(
    {
        UNKNOWN_MAILBOX,
        MAILBOX_SUSPENDED,
        MAILBOX_CLOSED,
        UNKNOWN_PATIENT,
        PATIENT_BOX_CLOSED,
        INVALID_PATIENT_ADDRESS,
        TOO_BIG,
    }
)
"""What the server that holds the boxes answers at RCPT as well: its reports give the same reply (ENS v1.3 §6)."""
_ENHANCED = re.compile(r"[245][0-9]{2}[ -]([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]+")
_CLASSES = {Action.FAILED: "5", Action.DELAYED: "4", Action.DELIVERED: "2", Action.RELAYED: "2"}


def status_part(report: Report) -> tuple[str, bytes]:
    """The media subtype of the part and its body: fields of the message, then a block for each recipient."""
    subtype = "delivery-status"
    if not all(one.address.isascii() for one in report.recipients):
        subtype = "global-delivery-status"
    lines = []
    envid = xtext(report.envid) if report.envid is not None else None
    if envid is not None:
        lines.append(fold("Original-Envelope-Id", envid))
    lines += [fold("Reporting-MTA", f"dns; {report.hostname}"), _date("Arrival-Date", report.arrived_at)]
    for one in report.recipients:
        lines.append(b"\r\n")
        lines += _recipient(report, one)
    return subtype, b"".join(lines)


def xtext(encoded: str) -> str | None:
    """The text behind RFC 3461 §4 xtext; None unless it can stand in a header field."""
    text = _HEXCHAR.sub(lambda found: chr(int(found[1], 16)), encoded)
    return text if text.isascii() and text.isprintable() and text == text.strip() else None


def status_of(action: Action, one: Reported) -> str:
    """The status code of RFC 3463: what the other server said where that fits what happened, else ours."""
    wanted = _CLASSES[action]
    said = _ENHANCED.match(one.reply or "")
    ours = one.refusal.enhanced if one.refusal is not None else ""
    for code in (said[1] if said is not None else "", ours):
        if code.startswith(wanted):
            return code
    return f"{wanted}.{ours[2:]}" if ours else f"{wanted}.0.0"


def _recipient(report: Report, one: Reported) -> list[bytes]:
    lines = []
    original = _original(one.orcpt) if one.orcpt is not None else None
    if original is not None:
        lines.append(f"Original-Recipient: {original}\r\n".encode())
    kind = "rfc822" if one.address.isascii() else "utf-8"
    lines += [
        f"Final-Recipient: {kind}; {one.address}\r\n".encode(),
        f"Action: {report.action}\r\n".encode(),
        f"Status: {status_of(report.action, one)}\r\n".encode(),
    ]
    if one.server is not None:
        lines.append(fold("Remote-MTA", f"dns; {_host(plain(one.server))}"))
    if one.reply is not None or one.refusal is not None:
        lines.append(fold("Diagnostic-Code", _diagnostic(one)))
    if one.attempted_at is not None:
        lines.append(_date("Last-Attempt-Date", one.attempted_at))
    if report.action is Action.DELAYED and report.retried_until is not None:
        lines.append(_date("Will-Retry-Until", report.retried_until))
    return lines


def _diagnostic(one: Reported) -> str:
    """What a server said; "smtp" promises a reply (RFC 3464 §2.3.6), so what we found ourselves has a type of ours."""
    if one.reply is not None:
        return f"smtp; {plain(one.reply)}"
    assert one.refusal is not None
    if one.server is None and one.refusal in _SAID_HERE:
        return f"smtp; {one.refusal.reply} {one.refusal.smtp_text}"
    return f"x-vaguemestre; {one.refusal.smtp_text}"


def _host(server: str) -> str:
    """A host by its name, or as an address literal (RFC 5321 §4.1.3)."""
    with suppress(ValueError):
        address = ip_address(server)
        return f"[IPv6:{address}]" if isinstance(address, IPv6Address) else f"[{address}]"
    return server


def _original(orcpt: str) -> str | None:
    kind, _, encoded = orcpt.partition(";")
    # utf-8-addr-xtext may stand in an ASCII report as it came (RFC 6533 §3).
    address = xtext(encoded)
    return f"{kind}; {address}" if address and _ADDRESS_TYPE.fullmatch(kind) else None


def plain(text: str) -> str:
    """Words of another server on one line of printable ASCII."""
    words = "".join(each if " " <= each <= "~" else "?" if each.isprintable() else " " for each in text)
    return " ".join(words.split())[:512]


def _date(name: str, at: int) -> bytes:
    return f"{name}: {format_datetime(to_paris(from_millis(at)))}\r\n".encode()
