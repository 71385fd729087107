"""Reports as programs write them: notifications and delivery reports."""

from __future__ import annotations


def mdn(
    author: str,
    to: str,
    *,
    about: str | None = "<m1@example.fr>",
    final: str | None = None,
    disposition: str = "manual-action/MDN-sent-manually; displayed",
    fields: tuple[str, ...] = (),
    part: str = "message/disposition-notification",
) -> bytes:
    """A disposition notification of `author` about the message of that id."""
    original = [f"Original-Message-ID: {about}"] if about is not None else []
    return _report(
        author,
        to,
        "disposition-notification",
        part,
        [
            "Reporting-UA: mail.example; a program",
            f"Final-Recipient: rfc822; {final if final is not None else author}",
            *original,
            f"Disposition: {disposition}",
            *fields,
        ],
    )


def dsn(
    author: str,
    to: str,
    *recipients: tuple[str, str],
    about: str | None = "<m1@example.fr>",
    envid: str | None = None,
    diagnostic: str = "smtp; 550 5.1.1 inconnu",
) -> bytes:
    """A delivery report on recipients, each with its action; `about` stands in the returned header."""
    lines = ["Reporting-MTA: dns; mail.example", *([f"Original-Envelope-Id: {envid}"] if envid else [])]
    for address, action in recipients:
        lines += [
            "",
            f"Final-Recipient: rfc822; {address}",
            f"Action: {action}",
            "Status: 5.1.1" if action == "failed" else "Status: 2.0.0",
            *([f"Diagnostic-Code: {diagnostic}"] if action == "failed" else []),
        ]
    returned = f"Subject: Bonjour\r\nMessage-ID: {about}\r\n" if about is not None else None
    return _report(author, to, "delivery-status", "message/delivery-status", lines, returned)


def _report(
    author: str, to: str, kind: str, part: str, lines: list[str], returned: str | None = None
) -> bytes:
    text = "\r\n".join(lines)
    third = f"--B1\r\nContent-Type: text/rfc822-headers\r\n\r\n{returned}\r\n" if returned is not None else ""
    return (
        f"From: <{author}>\r\nTo: {to}\r\nSubject: rapport\r\nMessage-ID: <r1@example.fr>\r\n"
        "Date: Thu, 13 Mar 2025 15:00:00 +0100\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: multipart/report; report-type={kind}; boundary=B1\r\n\r\n"
        "--B1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nVoici.\r\n"
        f"--B1\r\nContent-Type: {part}\r\n\r\n{text}\r\n\r\n{third}--B1--\r\n"
    ).encode()
