"""What lasts: everything after a restart, the traces, and the secrecy of what lies on the disk."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from vaguemestre.demo.discharge import radiologist_on_page
from vaguemestre.demo.letters import sha1
from vaguemestre.demo.stage import IME_DOCTOR, IN_A_MAIL, IN_AN_ANSWER, SECRETS, THOMAS
from vaguemestre.demo.telling import must

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from vaguemestre.demo.stage import Stage


def everything_survives_a_restart(stage: Stage) -> None:
    """SIGTERM, exit 0, the same home again."""
    tell = stage.telling
    tell.step("Arrêt et redémarrage du serveur")
    documents = stage.space.documents()
    code = stage.sandbox.stop()
    must(code == 0, f"le serveur s'arrête avec le code {code} au lieu de 0.")
    tell.proved("SIGTERM : le serveur finit ce qu'il fait et s'arrête, code 0")
    seconds = stage.sandbox.start()
    stage.reopen()
    must(stage.space.documents() == documents, "des documents manquent après le redémarrage.")
    for paper in stage.papers.values():
        got = stage.space.download(paper.title)
        must(sha1(got) == sha1(paper.shown), f"« {paper.title} » a changé après le redémarrage.")
    must("Déjà bloqué" in radiologist_on_page(stage).text, "le blocage est perdu après le redémarrage.")
    page = stage.space.conversation("Admission à l'IME")
    must(IN_A_MAIL in page.text and IN_AN_ANSWER in page.text, "la conversation a perdu un message.")
    with stage.program(IME_DOCTOR).inbox() as desk:
        found = desk.find("Message-ID", stage.answer_id)
        must(len(found) == 1, "la réponse de la famille n'est plus dans la boîte de l'IME.")
    total = sum(documents.values())
    tell.proved(
        f"de nouveau prêt en {seconds:.1f} s : conversations, {total} documents, dont les "
        f"{len(stage.papers)} du récit (SHA-1 égales), blocage et boîtes IMAP sont là"
    )


def the_traces_hold(stage: Stage) -> None:
    """The audit trail verifies; nothing that was written can be read on disk."""
    tell = stage.telling
    tell.step("Traces et confidentialité")
    result = stage.sandbox.command("trail", "verify", "--json")
    must(result.returncode == 0, f"la trace ne se vérifie pas : {result.stderr.strip()}")
    verified = json.loads(result.stdout)
    tell.proved(
        f"trail verify : {verified['rows']} lignes chaînées, dernière empreinte {verified['last_hash'][:16]}…"
    )
    files = [file for file in stage.sandbox.home.rglob("*") if file.is_file()]
    _unreadable(
        files,
        *SECRETS,
        stage.letters["admission"].subject,
        stage.letters["neurology"].subject,
        *(paper.title for paper in stage.papers.values()),
    )
    tell.proved(
        f"aucun des {len(files)} fichiers du serveur ne laisse lire une phrase des messages ou des documents, "
        "un objet ou un titre"
    )
    # Other files name people on purpose: sandbox.json, the extracts of the directory.
    database = [file for file in files if file.name.startswith("vaguemestre.db")]
    must(len(database) >= 2, "la base et son journal ne sont pas là.")
    _unreadable(
        database,
        THOMAS.ins,
        THOMAS.birth_name,
        stage.thomas.address,
        IME_DOCTOR.address,
        "alembic_version",
    )
    tell.proved("la base est chiffrée : ni matricule, ni nom, ni adresse, ni nom de table")
    log = stage.sandbox.log.read_text(encoding="utf-8", errors="replace").lower()
    for word in (THOMAS.ins, THOMAS.birth_name.lower(), "girard", "synthèse"):
        must(word not in log, f"le journal contient « {word} ».")
    must('"level": "error"' not in log, "le journal rapporte une erreur du serveur.")
    tell.proved("le journal ne porte ni matricule, ni nom, ni objet, et aucune erreur")


def _unreadable(files: Iterable[Path], *sentences: str) -> None:
    """No file shows one of the sentences."""
    wanted = [spelling for sentence in sentences for spelling in _spellings(sentence)]
    for file in files:
        content = file.read_bytes()
        must(not any(spelling in content for spelling in wanted), f"{file.name} laisse lire un message.")


def _spellings(sentence: str) -> Iterator[bytes]:
    """The bytes that would give a sentence away: as text, and inside base64 at each of its three positions."""
    raw = sentence.encode()
    yield raw
    yield sentence.encode("utf-16-le")
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + raw)
        # What the neighbours before and after change is left out.
        yield encoded[4 : 4 + (len(raw) // 3 - 1) * 4]
