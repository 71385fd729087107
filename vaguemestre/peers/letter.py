"""The message of the audit: small, harmless, and plainly a test."""

from __future__ import annotations

import uuid
from email.utils import format_datetime

from foundation.clock import SystemClock, to_paris


def audit_letter(author: str, recipient: str) -> str:
    """The content with CRLF between its lines and after the last; no line begins with a dot."""
    domain = author.rpartition("@")[2]
    lines = (
        f"From: <{author}>",
        f"To: <{recipient}>",
        f"Date: {format_datetime(to_paris(SystemClock().now()))}",
        f"Message-ID: <{uuid.uuid4().hex}@{domain}>",
        "Subject: Essai de l'espace de confiance",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        "Message d'essai de check-peers, sans contenu de sante.",
        "",
    )
    return "\r\n".join(lines)
