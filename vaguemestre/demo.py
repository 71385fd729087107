"""The demonstration: a sandbox of its own, and the story of Thomas played on it by real protocols."""

from __future__ import annotations

import imaplib
import io
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from vaguemestre.demo_peers import other_operators
from vaguemestre.demo_sandbox import Sandbox
from vaguemestre.demo_scenes import Story
from vaguemestre.demo_telling import NotProved, Telling, must

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_BROKEN = (OSError, httpx2.HTTPError, imaplib.IMAP4.error, smtplib.SMTPException, subprocess.SubprocessError)


def play(home: Path | None) -> bool:
    """Plays the story in `home`, or in a temporary folder that is removed when all went well.

    True when every step was proved; else the last thing told is the sentence that did not hold.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without accents still gets the story
    telling = Telling(sys.stdout)
    folder = home.absolute() if home is not None else Path(tempfile.mkdtemp(prefix="vaguemestre-demo-"))
    temporary = home is None
    try:
        with _terminated_like_interrupted():
            held = _played(folder, telling)
    except BaseException:
        if temporary:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if held and temporary:
        shutil.rmtree(folder, ignore_errors=True)
    if not held:
        telling.paragraph(f"Le bac à sable et son journal restent dans {folder}.")
    return held


def _played(folder: Path, telling: Telling) -> bool:
    sandbox = Sandbox(folder)
    began = time.monotonic()
    try:
        _tell(sandbox, telling)
        code = sandbox.stop()
        must(code == 0, f"le serveur s'arrête avec le code {code} au lieu de 0.")
    except NotProved as error:
        telling.failed(str(error))
        return False
    except _BROKEN as error:
        telling.failed(f"un échange s'est interrompu ({type(error).__name__} : {error}).")
        return False
    finally:
        sandbox.end()
    telling.paragraph("")
    telling.paragraph(
        f"L'histoire a tenu : {telling.proofs} preuves en {time.monotonic() - began:.0f} secondes, serveur arrêté, code 0."
    )
    return True


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM unwinds as Ctrl-C does, so that no sandbox is left running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _tell(sandbox: Sandbox, telling: Telling) -> None:
    telling.paragraph("Vaguemestre : l'histoire de Thomas, première partie")
    telling.paragraph("")
    telling.paragraph(
        "Toutes les personnes, les structures, les matricules INS et les numéros RPPS et FINESS de ce récit sont "
        "fictifs. Les échanges sont réels : SMTP, IMAP et HTTPS sur cette machine, certificats vérifiés."
    )
    seconds = sandbox.start()
    telling.paragraph("")
    telling.paragraph(f"Un opérateur complet a démarré en {seconds:.1f} s : {sandbox.url}")
    story = Story(sandbox, telling)
    try:
        story.the_ime_writes()
        story.the_family_reads()
        story.the_family_answers()
        story.the_neurologist_writes()
        story.mistakes_are_refused()
        story.the_exchange_ends()
        other_operators(sandbox, telling)
        story.everything_survives_a_restart()
        story.the_traces_hold()
    finally:
        story.close()
