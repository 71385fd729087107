"""What keeps an operator or a sandbox from running; the text of each is one sentence for the person at the terminal."""

from __future__ import annotations


class CannotListen(Exception):
    """An address cannot be bound."""


class HomeBusy(Exception):
    """Another process serves this home."""


class SandboxBroken(Exception):
    """The sandbox cannot be made."""
