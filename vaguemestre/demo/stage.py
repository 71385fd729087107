"""Where the scenes play: the sandbox, the cast with its programs, and what was written so far."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dmp_bridge.hl7_time import paris_date
from vaguemestre import fictive
from vaguemestre.demo.letters import read
from vaguemestre.demo.mail_program import MailProgram
from vaguemestre.demo.patient_space import PatientSpace
from vaguemestre.demo.record_site import RecordSite
from vaguemestre.demo.record_software import RecordSoftware
from vaguemestre.demo.telling import NotProved, eventually, must

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping
    from email.message import EmailMessage

    from vaguemestre.demo.letters import Letter, Paper
    from vaguemestre.demo.sandbox import Sandbox
    from vaguemestre.demo.telling import Telling

_BALS = {bal.address: bal for bal in fictive.BALS}
IME_DOCTOR = _BALS[f"paul.girard@{fictive.IME_DOMAIN}"]
IME_NURSE = _BALS[f"nadia.petit@{fictive.IME_DOMAIN}"]
IME_SOFTWARE = _BALS[f"dui@{fictive.IME_DOMAIN}"]
SECRETARIAT = _BALS[f"secretariat@{fictive.IME_DOMAIN}"]
EMERGENCY_DOCTOR = _BALS[f"karim.benali@{fictive.HOSPITAL_DOMAIN}"]
NEUROLOGIST = _BALS[f"camille.roussel@{fictive.HOSPITAL_DOMAIN}"]
HOSPITAL_SOFTWARE = _BALS[f"dpi@{fictive.HOSPITAL_DOMAIN}"]
PHARMACY = _BALS[f"pharmacie.des-halles@{fictive.LIBERAL_DOMAIN}"]
ATTENDING_DOCTOR = _BALS[f"helene.lefevre@{fictive.LIBERAL_DOMAIN}"]
THOMAS = fictive.PATIENTS[0]
VALERIE = fictive.PATIENTS[1]
LAMBERT = fictive.PATIENTS[2]
OPPOSED = fictive.PATIENTS[7]
NOBODY = "199129999999967"

IN_A_MAIL = "Il range ses trésors dans une boîte à biscuits bleue, sous le grand tilleul."
IN_A_DOCUMENT = "Absences brèves signalées par l'équipe depuis la rentrée, sans chute ni convulsion."
IN_AN_ANSWER = "Nous passerons vendredi avec le carnet bleu et la peluche renard."
IN_A_MASKED_DOCUMENT = "Il confie au psychiatre qu'il se sent à l'étroit depuis le départ de son frère."
MOTIVE = "Crise convulsive à l'arrivée, enfant inconscient, parents non joignables."
SECRETS = (IN_A_MAIL, IN_A_DOCUMENT, IN_AN_ANSWER, IN_A_MASKED_DOCUMENT, MOTIVE)
"""Sentences that no file on disk may show."""

_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip


class Stage:
    """What one scene leaves to the next: the papers by what they are, and the letters that are looked for later."""

    def __init__(self, sandbox: Sandbox, telling: Telling) -> None:
        self.sandbox = sandbox
        self.telling = telling
        self.thomas = sandbox.person(THOMAS.ins)
        self.to_thomas = (self.thomas.name, self.thomas.address)
        self.papers: dict[str, Paper] = {}
        self.letters: dict[str, Letter] = {}
        self.answer_id = ""
        self._open_spaces()

    def _open_spaces(self) -> None:
        self.space = PatientSpace(self.sandbox, self.thomas)
        self.family = PatientSpace(self.sandbox, self.sandbox.person(VALERIE.ins), child=self.thomas.name)

    def close(self) -> None:
        """Closes the browsers."""
        self.space.close()
        self.family.close()

    def reopen(self) -> None:
        """New browsers, after a restart."""
        self.close()
        self._open_spaces()

    def program(self, bal: fictive.FictiveBal) -> MailProgram:
        """The mail program of a box."""
        return MailProgram(self.sandbox, self.sandbox.box(bal.address))

    @contextmanager
    def software(self, professional: fictive.Professional) -> Iterator[RecordSoftware]:
        """The business software of a professional, with a fresh token."""
        software = RecordSoftware.of_professional(self.sandbox, professional)
        try:
            yield software
        finally:
            software.close()

    @contextmanager
    def structure(self, bal: fictive.FictiveBal) -> Iterator[RecordSoftware]:
        """The software of a structure, with its certificate."""
        software = RecordSoftware.of_structure(self.sandbox, bal.address)
        try:
            yield software
        finally:
            software.close()

    @contextmanager
    def site(self, professional: fictive.Professional) -> Iterator[RecordSite]:
        """The record of Thomas in the browser of a professional."""
        site = RecordSite(self.sandbox, professional, THOMAS.ins)
        try:
            yield site
        finally:
            site.close()

    def answer_to(self, bal: fictive.FictiveBal, letter: Letter, otherwise: str) -> EmailMessage:
        """What a box receives in answer to a letter. Raises NotProved with `otherwise` when nothing comes."""
        program = self.program(bal)

        def look() -> EmailMessage | None:
            with program.inbox() as inbox:
                found = inbox.find("In-Reply-To", letter.message_id)
                return read(inbox.fetch(found[0])) if found else None

        return eventually(look, otherwise)

    def appeared(self, before: Counter[str], papers: Mapping[Paper, str], author: str) -> None:
        """Each document stands in the record under its category, with title, date and author."""
        for paper, category in papers.items():

            def stands(title: str = paper.title) -> bool | None:
                return self.space.documents()[title] > before[title] or None

            eventually(stands, f"« {paper.title} » n'apparaît pas dans le dossier de Thomas.")
            page, entry = self.space.document(paper.title), paper.written.entry
            about = re.search(r"Type (.+?) Catégorie (.+?) Date (.+?) Auteur (.+?) Établissement", page.text)
            if about is None:
                raise NotProved(f"la page de « {paper.title} » ne dit pas son type, sa date et son auteur.")
            year, month, number = paris_date(entry.service_start_time or 0).split("-")
            day = f"{int(number)} {_MONTHS[int(month) - 1]} {year}"
            for shown, expected in ((about[2], category), (about[3], day), (about[4], author)):
                must(
                    expected in shown, f"« {paper.title} » est classé avec « {shown} », sans « {expected} »."
                )
            structure = entry.authors[0].institutions[0].name
            must(structure in page.text, f"« {paper.title} » est classé sans établissement.")
            self.telling.proved(
                f"« {paper.title} » est dans le dossier, rubrique « {about[2]} », type « {about[1]} », {day}, {about[4]}"
            )

    def family_sees(self, *names: str) -> None:
        """Valérie, under her own name, sees these papers in the record of her son."""
        titles = [self.papers[name].title for name in names]
        seen = self.family.documents()
        for title in titles:
            must(seen[title], f"la mère de Thomas ne voit pas « {title} ».")
        self.telling.proved(
            f"Valérie, avec ses propres codes, voit dans le dossier de son fils : {' ; '.join(titles)}"
        )
