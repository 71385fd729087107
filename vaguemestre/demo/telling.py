"""How the demonstration is told: steps on a terminal, each sentence that was proved, and the one that was not."""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_WIDTH = 100
_PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.05


class NotProved(Exception):
    """Something did not hold; the text is one French sentence."""


class Telling:
    """Prints the story as it happens."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._step = 0
        self.proofs = 0

    def paragraph(self, text: str) -> None:
        """A paragraph at the margin."""
        self._print(text, "", "")

    def step(self, title: str) -> None:
        """A numbered step."""
        self._step += 1
        print(file=self._out)
        self._print(f"{self._step}. {title}", "", "   ")

    def say(self, text: str) -> None:
        """Who does what."""
        self._print(text, "   ", "   ")

    def proved(self, text: str) -> None:
        """What proved it."""
        self.proofs += 1
        self._print(f"preuve : {text}", "   ", "            ")

    def failed(self, sentence: str) -> None:
        """What did not hold."""
        print(file=self._out)
        self._print(f"Échec : {sentence}", "", "  ")

    def _print(self, text: str, first: str, following: str) -> None:
        wrapped = textwrap.fill(
            _typeset(text),
            _WIDTH,
            initial_indent=first,
            subsequent_indent=following,
            break_long_words=False,
            break_on_hyphens=False,
        )
        print(wrapped, file=self._out, flush=True)


def _typeset(text: str) -> str:
    """No line begins or ends with a lone French sign: the space that belongs to it does not break."""
    for loose, bound in (("« ", "«\u00a0"), (" »", "\u00a0»"), (" : ", "\u00a0: "), (" ; ", "\u00a0; ")):
        text = text.replace(loose, bound)
    return text


def must(holds: object, otherwise: str) -> None:
    """Raises NotProved with the sentence `otherwise` unless it holds."""
    if not holds:
        raise NotProved(otherwise)


def eventually(look: Callable[[], T | None], otherwise: str) -> T:
    """What `look` finds, asked again for a bounded time; NotProved when it never finds anything."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise NotProved(otherwise)
        time.sleep(_PAUSE_SECONDS)
