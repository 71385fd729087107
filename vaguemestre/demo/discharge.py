"""Discharge: the hospital's letter, the prescription at the pharmacy, the attending doctor who reads it all, and who stays out."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from vaguemestre import fictive
from vaguemestre.demo.letters import (
    XDM_NAME,
    files_of,
    health_letter,
    label_of,
    printed,
    read,
    sha1,
    text_of,
    write,
)
from vaguemestre.demo.mail_program import submit
from vaguemestre.demo.stage import (
    ATTENDING_DOCTOR,
    HOSPITAL_SOFTWARE,
    IME_DOCTOR,
    PHARMACY,
    THOMAS,
)
from vaguemestre.demo.telling import NotProved, must

if TYPE_CHECKING:
    from vaguemestre.demo.browser import Page
    from vaguemestre.demo.letters import Paper
    from vaguemestre.demo.record_software import RecordSoftware
    from vaguemestre.demo.stage import Stage

_SOFTWARE_OID = "1.2.250.1.999.1"
"""Who submits, in the hospital's lots: fictive."""


def the_hospital_discharges(stage: Stage) -> None:
    """The hospital's software deposits a lot over FHIR; it feeds, and does not read."""
    tell = stage.telling
    tell.step("Sortie de l'hôpital : compte rendu des urgences et lettre de liaison")
    author = fictive.EMERGENCY_DOCTOR
    visit = printed(
        THOMAS, author, "15507-7", "Compte rendu de passage aux urgences", {"Motif": ("Première crise.",)}
    )
    letter = printed(
        THOMAS,
        author,
        "11490-0",
        "Lettre de liaison à la sortie",
        {"Suites": ("Retour à l'IME. Traitement débuté, neurologue dans un mois.",)},
    )
    tell.say(
        "Le logiciel de l'hôpital, reconnu par son certificat de structure, dépose les deux documents du Dr BENALI en "
        "un lot (FHIR, ITI-65)."
    )
    before = stage.space.documents()
    with stage.structure(HOSPITAL_SOFTWARE) as software:
        software.publish_lot(THOMAS.ins, "Sortie", _SOFTWARE_OID, (visit, letter))
        status = software.status(THOMAS.ins)
    must(status == 403, f"le certificat de structure consulte le dossier : {status}, non 403.")
    stage.appeared(before, {visit: "Comptes rendus", letter: "Comptes rendus"}, "Dr Karim BENALI")
    tell.proved("le même certificat ne consulte pas : la recherche de documents répond 403")
    stage.papers |= {"visit": visit, "discharge": letter}
    stage.family_sees("report", "prescription", "advice", "result", "visit", "discharge")


def the_pharmacy_receives(stage: Stage) -> None:
    """The IME takes the prescription out of the record and mails it; the pharmacist looks for the others."""
    tell = stage.telling
    tell.step("L'IME envoie l'ordonnance à la pharmacie par MSSanté")
    prescription = stage.papers["prescription"]
    with stage.software(fictive.IME_DOCTOR) as software:
        got = _read(software, prescription, "le Dr Girard")
    must(got == prescription.written.data, "l'ordonnance lue à l'IME n'est pas celle de la neurologue.")
    letter = health_letter(
        IME_DOCTOR,
        [(PHARMACY.name, PHARMACY.address)],
        (prescription,),
        "Bonjour,\n\nL'ordonnance de la neurologue. Les parents passeront ce soir.\n\nDr Paul Girard\n",
        label="Ordonnance",
    )
    tell.say("Le Dr GIRARD lit l'ordonnance dans le dossier (FHIR) et l'envoie à la pharmacie des Halles.")
    with stage.program(IME_DOCTOR).starttls() as smtp:
        reply = submit(smtp, IME_DOCTOR.address, [PHARMACY.address], letter.data)
    must(reply.code == 250, f"le message à la pharmacie est refusé : {reply}")
    with stage.program(PHARMACY).inbox() as inbox:
        found = inbox.find("Message-ID", letter.message_id)
        must(len(found) == 1, f"{len(found)} messages à la pharmacie au lieu d'un.")
        files = files_of(read(inbox.fetch(found[0])))
    with zipfile.ZipFile(io.BytesIO(files[XDM_NAME])) as package:
        held = [package.read(each) for each in package.namelist()]
    must(prescription.written.data in held, "l'archive reçue ne contient pas l'ordonnance.")
    tell.proved(
        f"IMAP FETCH à la pharmacie : l'ordonnance dans {XDM_NAME}, SHA-1 {sha1(prescription.written.data)}"
    )
    tell.say(
        "La pharmacienne Sophie MARCHAND, avec l'accord des parents, cherche les autres ordonnances du dossier."
    )
    kind = prescription.written.entry.type_code
    assert kind is not None
    with stage.software(fictive.PHARMACIST) as software:
        software.note(THOMAS.ins, "authorisation-consent")
        listed = software.search(THOMAS.ins, type=kind.code)
        must(software.find(THOMAS.ins, prescription), "la pharmacienne ne trouve pas l'ordonnance.")
        for name in ("plan", "masked"):
            must(
                software.find(THOMAS.ins, stage.papers[name]) is None,
                f"la pharmacienne voit « {stage.papers[name].title} ».",
            )
    tell.proved(
        f"FHIR : {len(listed)} ordonnance(s) au dossier ; ni le PPA ni la synthèse psychiatrique, que sa profession ou "
        "le masquage excluent"
    )


def the_attending_doctor_reads(stage: Stage) -> None:
    """Word by MSSanté, then every document of the story, byte for byte."""
    tell = stage.telling
    tell.step("L'IME prévient le médecin traitant, qui lit tout dans le dossier")
    letter = write(
        IME_DOCTOR,
        [(label_of(ATTENDING_DOCTOR), ATTENDING_DOCTOR.address)],
        "Retour de Thomas à l'IME",
        "Chère consœur,\n\nThomas est revenu. Tout est dans son dossier.\n\nDr Paul Girard\n",
    )
    with stage.program(IME_DOCTOR).starttls() as smtp:
        reply = submit(smtp, IME_DOCTOR.address, [ATTENDING_DOCTOR.address], letter.data)
    must(reply.code == 250, f"le message au médecin traitant est refusé : {reply}")
    with stage.program(ATTENDING_DOCTOR).inbox() as inbox:
        found = inbox.find("Message-ID", letter.message_id)
        must(len(found) == 1, "le médecin traitant n'a pas reçu le message.")
        must(
            "Tout est dans son dossier." in text_of(read(inbox.fetch(found[0]))), "le message est incomplet."
        )
    tell.proved("IMAP : le message de l'IME est dans la boîte du Dr Lefèvre")
    with stage.software(fictive.ATTENDING_DOCTOR) as software:
        for paper in stage.papers.values():
            got = _read(software, paper, "le Dr Lefèvre")
            must(got == paper.written.data, f"« {paper.title} » lu par le Dr Lefèvre a changé.")
    tell.proved(
        f"FHIR : les {len(stage.papers)} documents du récit, SHA-1 égales, avec la synthèse masquée aux autres : "
        f"{_listed(stage)}"
    )


def a_blocked_doctor_stays_out(stage: Stage) -> None:
    """Whom the family blocks does not enter, not even in an emergency; the attempt is traced."""
    tell = stage.telling
    tell.step("Un professionnel bloqué n'entre pas")
    radiologist = fictive.RADIOLOGIST
    tell.say(
        "Valérie ne veut pas que le Dr Isabelle FAURE, une voisine, lise le dossier de son fils : elle la bloque. Le "
        "Dr FAURE essaie quand même, en bris de glace."
    )
    forms = [
        form
        for form in radiologist_on_page(stage).forms
        if form.action.endswith("/bloquer") and form.fields.get("id") == radiologist.idnat
    ]
    if forms:
        must(stage.family.send(forms[-1], {}).status_code == 303, "le blocage est refusé.")
    must("Déjà bloqué" in radiologist_on_page(stage).text, "la page ne dit pas que le Dr Faure est bloquée.")
    with stage.software(radiologist) as software:
        software.enter_in_emergency("Je passais par là.")
        status = software.status(THOMAS.ins)
    must(status == 403, f"le Dr Faure entre : la recherche répond {status}, non 403.")
    tell.proved("bris de glace du Dr Faure par FHIR : 403")
    words = stage.family.of_record("/activite?qui=professionnels").text
    for said in ("Recherche de documents refusé urgence", "Motif : Je passais par là."):
        must(said in words, f"l'essai du Dr Faure n'est pas dans l'historique : « {said} » manque.")
    tell.proved("l'essai est dans l'historique que lit la famille, refusé, avec son motif")


def radiologist_on_page(stage: Stage) -> Page:
    """« Qui a accès », where the family looks for the radiologist in the directory."""
    return stage.family.of_record(f"/professionnels?q={fictive.RADIOLOGIST.last_name}")


def _read(software: RecordSoftware, paper: Paper, who: str) -> bytes:
    document = software.find(THOMAS.ins, paper)
    if document is None:
        raise NotProved(f"{who} ne trouve pas « {paper.title} ».")
    return software.read(document)


def _listed(stage: Stage) -> str:
    return " ; ".join(paper.title for paper in stage.papers.values())
