"""Life at the IME: what its professionals deposit, by three ways in, and what they read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.visibility import Visibility
from vaguemestre import fictive
from vaguemestre.demo.letters import first_text, health_letter, printed, sha1, structured
from vaguemestre.demo.mail_program import submit
from vaguemestre.demo.stage import IME_NURSE, IME_SOFTWARE, IN_A_MASKED_DOCUMENT, THOMAS
from vaguemestre.demo.telling import NotProved, must

if TYPE_CHECKING:
    from vaguemestre.demo.stage import Stage


def the_ime_deposits(stage: Stage) -> None:
    """Observations and an evaluation by the deposit box, the personalised plan by FHIR."""
    tell = stage.telling
    tell.step("À l'IME : observations, grille d'évaluation et projet personnalisé (PPA) entrent au dossier")
    before = stage.space.documents()
    observations = printed(
        THOMAS,
        fictive.IME_NURSE,
        "11506-3",
        "Observations de l'équipe, premier mois",
        {"Observations": ("Sommeil calme. Deux absences brèves en atelier.",)},
    )
    evaluation = printed(
        THOMAS,
        fictive.IME_NURSE,
        "34842-5",
        "Grille d'évaluation de l'autonomie",
        {"Autonomie": ("Mange seul. Aide partielle à l'habillage.",)},
    )
    letter = health_letter(
        IME_NURSE,
        [(IME_SOFTWARE.name, IME_SOFTWARE.address)],
        (observations, evaluation),
        "Dépôt au dossier de l'usager.\n",
        label="Observations",
        receipt_to=IME_NURSE.address,
    )
    tell.say(
        f"L'infirmière Nadia PETIT envoie les observations et la grille à la boîte applicative de l'IME, "
        f"{IME_SOFTWARE.address} : ce qui y arrive est déposé au dossier du patient que nomment les documents."
    )
    with stage.program(IME_NURSE).starttls() as smtp:
        reply = submit(smtp, IME_NURSE.address, [IME_SOFTWARE.address], letter.data)
    must(reply.code == 250, f"le message à la boîte applicative est refusé : {reply}")
    answer = stage.answer_to(IME_NURSE, letter, "l'infirmière n'a pas reçu de MDN de la boîte applicative.")
    must(
        "automatic-action/MDN-sent-automatically; processed\r\n" in answer.as_string(),
        "la boîte applicative ne répond pas « processed ».",
    )
    said = first_text(answer).strip()
    must(said == "Les 2 documents ont été intégrés.", f"le MDN dit : « {said} »")
    tell.proved(f"MDN de {answer['From']} : « processed », « {said} »")
    stage.appeared(
        before,
        {observations: "Comptes rendus", evaluation: "Ma santé en résumé"},
        "Nadia PETIT",
    )
    plan = structured(
        THOMAS,
        fictive.IME_DOCTOR,
        "80788-3",
        "Projet personnalisé d'accompagnement",
        {
            "Objectifs": (
                "Gagner en autonomie dans les transports.",
                "Poursuivre la communication par images.",
            )
        },
    )
    masked = structured(
        THOMAS,
        fictive.IME_DOCTOR,
        "68599-0",
        "Synthèse psychiatrique",
        {"Entretien": (IN_A_MASKED_DOCUMENT,)},
    )
    tell.say(
        "Le Dr GIRARD dépose le PPA par FHIR (ITI-105). À la demande de Thomas et de ses parents, il dépose la synthèse "
        "psychiatrique masquée aux professionnels (MASQUE_PS)."
    )
    with stage.software(fictive.IME_DOCTOR) as software:
        software.publish(THOMAS.ins, plan)
        software.publish(THOMAS.ins, masked, Visibility.MASKED)
    stage.appeared(before, {plan: "Ordonnances et soins", masked: "Ma santé en résumé"}, "Dr Paul GIRARD")
    stage.papers |= {
        "observations": observations,
        "evaluation": evaluation,
        "plan": plan,
        "masked": masked,
    }
    stage.family_sees("vsm", "summary", "liaison", "observations", "evaluation", "plan", "masked")


def the_ime_reads(stage: Stage) -> None:
    """The nurse over FHIR and the doctor in a browser read what the attending doctor wrote."""
    tell = stage.telling
    tell.step("Les professionnels de l'IME lisent le VSM du médecin traitant")
    vsm, masked = stage.papers["vsm"], stage.papers["masked"]
    tell.say(
        "Nadia PETIT se déclare membre de l'équipe de soins et cherche les synthèses du dossier dans son logiciel ; le "
        "Dr GIRARD, déjà autorisé, l'ouvre dans son navigateur."
    )
    with stage.software(fictive.IME_NURSE) as software:
        software.note(THOMAS.ins, "authorisation-team")
        found = software.find(THOMAS.ins, vsm)
        if found is None:
            raise NotProved("l'infirmière ne trouve pas le VSM du médecin traitant.")
        got = software.read(found)
        must(got == vsm.written.data, "le VSM lu par l'infirmière n'est pas celui du médecin traitant.")
        must(software.find(THOMAS.ins, masked) is None, "l'infirmière voit la synthèse masquée.")
    tell.proved(
        f"infirmière, FHIR (ITI-67, ITI-68) : VSM de {len(got)} octets, SHA-1 égale à l'original : {sha1(got)}"
    )
    tell.proved("la synthèse psychiatrique masquée n'est pas dans ce qu'elle trouve")
    with stage.site(fictive.IME_DOCTOR) as site:
        got = site.read(vsm.title)
    must(got == vsm.written.data, "le VSM lu par le Dr Girard n'est pas celui du médecin traitant.")
    tell.proved("Dr Girard, pages des professionnels : le même document, à l'octet près")


def the_ime_adapts(stage: Stage) -> None:
    """Back at the IME the plan gets a second version; the first one stays in the record."""
    tell = stage.telling
    tell.step("De retour à l'IME : le projet personnalisé est adapté")
    former = stage.papers["plan"]
    plan = structured(
        THOMAS,
        fictive.IME_DOCTOR,
        "80788-3",
        former.title,
        {
            "Objectifs": ("Gagner en autonomie dans les transports, accompagné.",),
            "Épilepsie": ("Conduite à tenir affichée à l'infirmerie. Piscine avec un adulte dans l'eau.",),
        },
        former=former,
    )
    tell.say(
        "Le Dr GIRARD, qui a lu les recommandations de la neurologue, remplace le PPA dans son navigateur."
    )
    with stage.site(fictive.IME_DOCTOR) as site:
        site.read(stage.papers["advice"].title)
        site.replace(former.title, plan)
    page = stage.space.document(plan.title).text
    must("Version 2" in page and "Version 1" in page, "la page ne montre pas les deux versions du PPA.")
    got = stage.space.download(plan.title)
    must(got == plan.written.data, "le PPA lu par Thomas n'est pas la nouvelle version.")
    tell.proved(
        f"Thomas lit la version 2, SHA-1 {sha1(got)} ; la version 1 reste au dossier, ancienne version"
    )
    stage.papers["plan"] = plan
