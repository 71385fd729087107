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

from vaguemestre.demo import (
    admission,
    discharge,
    family,
    ime,
    lasting,
    mail_rules,
    neurologist,
    peers,
    seizure,
    travelling,
)
from vaguemestre.demo.sandbox import Sandbox
from vaguemestre.demo.stage import Stage
from vaguemestre.demo.telling import NotProved, Telling, must

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


SCENES: tuple[Callable[[Stage], None], ...] = (
    admission.the_attending_doctor_deposits,
    admission.the_family_agrees,
    admission.the_ime_writes,
    ime.the_ime_deposits,
    family.the_family_reads,
    family.the_family_answers,
    ime.the_ime_reads,
    seizure.the_emergency_doctor_enters,
    seizure.the_access_is_told,
    seizure.the_neurologist_is_found,
    neurologist.the_neurologist_writes,
    neurologist.the_result_is_announced,
    discharge.the_hospital_discharges,
    discharge.the_pharmacy_receives,
    discharge.the_attending_doctor_reads,
    ime.the_ime_adapts,
    discharge.a_blocked_doctor_stays_out,
    mail_rules.mistakes_are_refused,
    mail_rules.the_exchange_ends,
    peers.other_operators,
    travelling.the_record_travels,
    lasting.everything_survives_a_restart,
    lasting.the_traces_hold,
)
"""One step each, in their order."""


def _tell(sandbox: Sandbox, telling: Telling) -> None:
    telling.paragraph("Vaguemestre : l'histoire de Thomas")
    telling.paragraph("")
    telling.paragraph(
        "Toutes les personnes, les structures, les matricules INS et les numéros RPPS et FINESS de ce récit sont "
        "fictifs. Les échanges sont réels : SMTP, IMAP, LDAP et HTTPS sur cette machine, certificats vérifiés."
    )
    seconds = sandbox.start()
    telling.paragraph("")
    telling.paragraph(f"Un opérateur complet a démarré en {seconds:.1f} s : {sandbox.url}")
    stage = Stage(sandbox, telling)
    try:
        for scene in SCENES:
            scene(stage)
    finally:
        stage.close()
