"""Admission to the IME: what the attending doctor left, what the family agreed to, and what the IME deposits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaguemestre import fictive
from vaguemestre.demo.letters import XDM_NAME, Attachment, health_letter, label_of, printed, structured
from vaguemestre.demo.mail_program import cipher_of, submit
from vaguemestre.demo.pdf import text_page
from vaguemestre.demo.stage import (
    IME_DOCTOR,
    IN_A_DOCUMENT,
    IN_A_MAIL,
    THOMAS,
)
from vaguemestre.demo.telling import must

if TYPE_CHECKING:
    from vaguemestre.demo.stage import Stage


def the_attending_doctor_deposits(stage: Stage) -> None:
    """The summary that the IME will read, by the professionals' pages."""
    tell = stage.telling
    tell.step("Avant l'admission : le médecin traitant dépose le volet de synthèse médicale (VSM)")
    tell.say(
        "Le Dr Hélène LEFÈVRE ouvre le dossier de Thomas dans son navigateur. Elle s'identifie par Pro Santé Connect, "
        "se déclare médecin traitant puisque la famille l'a choisie, et dépose son VSM."
    )
    vsm = structured(
        THOMAS,
        fictive.ATTENDING_DOCTOR,
        "60591-5",
        "Volet de synthèse médicale du médecin traitant",
        {
            "Antécédents": ("Prématurité à 34 semaines. Pas d'allergie connue.",),
            "Traitement": ("Mélatonine le soir.",),
        },
    )
    stage.papers["vsm"] = vsm
    before = stage.space.documents()
    with stage.site(fictive.ATTENDING_DOCTOR) as site:
        site.declare("/medecin-traitant", chosen="1")
        words = site.page().text
        must("Votre autorisation Médecin traitant" in words, "le Dr Lefèvre n'est pas médecin traitant.")
        tell.proved("page du dossier : « Votre autorisation : Médecin traitant »")
        site.deposit(vsm)
    stage.appeared(before, {vsm: "Ma santé en résumé"}, "Dr Hélène LEFÈVRE")


def the_family_agrees(stage: Stage) -> None:
    """Information and consent are noted where the parents can read them."""
    tell = stage.telling
    tell.step("Admission à l'IME : information et consentement")
    tell.say(
        "Les parents de Thomas sont informés de l'alimentation de son dossier, ne s'y opposent pas, et consentent à ce "
        "que l'équipe de l'IME le consulte. Le Dr Paul GIRARD le note dans son logiciel (FHIR, Consent), puis se "
        "déclare autorisé."
    )
    with stage.software(fictive.IME_DOCTOR) as software:
        must(software.exists(THOMAS.ins), "le dossier de Thomas n'est pas trouvé par FHIR.")
        for category in ("information", "feeding", "consultation", "authorisation-consent"):
            software.note(THOMAS.ins, category)
    words = stage.family.of_record("/choix").text
    for said in (
        "Information avant l’alimentation : informé",
        "Alimentation : pas d’opposition",
        "Consultation : consentement",
    ):
        must(said in words, f"la page des choix ne dit pas « {said} ».")
    must(fictive.IME.name in words, "la page des choix ne nomme pas l'IME.")
    tell.proved(
        f"la page « Choix » que lit sa mère : informé, pas d'opposition, consentement à la consultation ({fictive.IME.name})"
    )
    words = stage.family.of_record("/professionnels").text
    must("GIRARD" in words, "le Dr Girard n'est pas parmi ceux qui ont accès.")
    tell.proved(
        "« Qui a accès » nomme le Dr Girard parmi les autorisés, et le Dr Lefèvre comme médecin traitant"
    )


def the_ime_writes(stage: Stage) -> None:
    """The IME sends a summary and a liaison document; they file themselves."""
    tell = stage.telling
    tell.step("L'IME écrit à Thomas : la synthèse médicale et le document de liaison d'urgence (DLU)")
    tell.say(
        f"Le Dr Paul GIRARD, médecin de l'IME Les Tilleuls, écrit depuis sa boîte à l'adresse de Thomas, "
        f"{stage.thomas.address}. Il joint {XDM_NAME} (une synthèse médicale CDA N3, un document de liaison "
        "d'urgence CDA N1), leurs copies PDF, et le planning de la semaine en simple PDF."
    )
    author = fictive.IME_DOCTOR
    summary = structured(
        THOMAS,
        author,
        "60591-5",
        "Synthèse médicale à l'admission",
        {
            "Pathologies": ("Trouble du développement intellectuel.", IN_A_DOCUMENT),
            "Traitement": ("Aucun traitement de fond.",),
        },
    )
    liaison = printed(
        THOMAS,
        author,
        "74207-2",
        "Document de liaison d'urgence",
        {"À savoir": ("Communique par pictogrammes. Personne à prévenir : sa mère.",)},
    )
    planning = Attachment(
        "Planning_de_la_semaine.pdf",
        "application/pdf",
        text_page("Planning de la semaine", ("Lundi : atelier cuisine.", "Jeudi : piscine.")),
    )
    letter = health_letter(
        IME_DOCTOR,
        [stage.to_thomas],
        (summary, liaison),
        f"Bonjour,\n\nVoici les documents de l'admission de Thomas. {IN_A_MAIL}\n\nDr Paul Girard\n",
        label="Admission à l'IME",
        others=(planning,),
    )
    stage.letters["admission"] = letter
    stage.papers |= {"summary": summary, "liaison": liaison}
    before = stage.space.documents()
    with stage.program(IME_DOCTOR).starttls() as smtp:
        reply = submit(smtp, IME_DOCTOR.address, [stage.thomas.address], letter.data)
        must(reply.code == 250, f"le message de l'IME est refusé : {reply}")
        tell.proved(f"STARTTLS, certificat vérifié, {cipher_of(smtp)} ; réponse « {reply} »")
    tell.proved(
        f"objet « {letter.subject} », From « {label_of(IME_DOCTOR)} », "
        "X-MSS-CODECDA 60591-5,74207-2, X-MSS-INS O, X-MSS-NIL"
    )
    stage.appeared(before, {summary: "Ma santé en résumé", liaison: "Ma santé en résumé"}, "Dr Paul GIRARD")
