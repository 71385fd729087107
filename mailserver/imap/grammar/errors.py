"""What a command line can be wrong about; the text of an error is safe to send back."""

from __future__ import annotations


class ParseError(Exception):
    """The command is not IMAP: answered by BAD (RFC 3501 §7.1.3)."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class NotSupported(ParseError):
    """The command is well formed and cannot be served: answered by NO with a response code (RFC 5530)."""

    def __init__(self, text: str, *, code: str) -> None:
        super().__init__(text)
        self.code = code
