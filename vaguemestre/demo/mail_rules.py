"""What the messaging refuses, and how a professional ends an exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaguemestre import fictive
from vaguemestre.demo.letters import health_letter, printed, text_of, write
from vaguemestre.demo.mail_program import mail_from, rcpt_to, submit
from vaguemestre.demo.stage import LAMBERT, NEUROLOGIST, NOBODY, OPPOSED, SECRETARIAT
from vaguemestre.demo.telling import must

if TYPE_CHECKING:
    from vaguemestre.demo.mail_program import Reply
    from vaguemestre.demo.stage import Stage

_ENDED_MESSAGE = "Ce message n'autorise pas la réponse."


def mistakes_are_refused(stage: Stage) -> None:
    """Another patient's document, an unknown patient, an opposed one, a sender that is not one's own."""
    tell = stage.telling
    tell.step("Les erreurs sont arrêtées, et dites à qui les fait")
    wrong = printed(
        LAMBERT,
        fictive.IME_DOCTOR,
        "11488-4",
        "Compte rendu adressé par erreur",
        {"Conclusion": ("Ce compte rendu concerne un autre patient.",)},
    )
    letter = health_letter(
        SECRETARIAT,
        [stage.to_thomas],
        (wrong,),
        "Bonjour,\n\nCi-joint le compte rendu.\n\nLe secrétariat\n",
        label="Compte rendu",
    )
    tell.say(
        "Le secrétariat de l'IME envoie à Thomas le compte rendu d'un autre patient, Bernard LAMBERT. "
        "Puis il se trompe de matricule, écrit à une personne opposée, et emprunte une adresse."
    )
    documents = stage.space.documents()
    secretariat = stage.program(SECRETARIAT)
    with secretariat.starttls() as smtp:
        reply = submit(smtp, SECRETARIAT.address, [stage.thomas.address], letter.data)
    must(reply.code == 250, f"le message au mauvais patient devait être remis, pas refusé : {reply}")
    report = stage.answer_to(SECRETARIAT, letter, "le secrétariat n'a pas reçu de rapport KO.")
    must("[904]" in report["Subject"], f"le rapport n'est pas une erreur 904 : {report['Subject']}")
    must("L'INS" in text_of(report), "le rapport ne dit pas le motif en clair.")
    must(
        stage.space.documents() == documents,
        "un document d'un autre patient est entré au dossier de Thomas.",
    )
    page = stage.space.conversation("Compte rendu LAMBERT")
    must("Document refusé" in page.text, "la page de Thomas ne dit pas que le document est refusé.")
    tell.proved(f"le secrétariat reçoit « {report['Subject']} »")
    tell.proved("rien n'est classé ; la conversation dit « Document refusé » et pourquoi")
    with secretariat.starttls() as smtp:
        for recipient, code, who in (
            (f"{NOBODY}@{stage.sandbox.patient_domain}", "MSS-113", "matricule inconnu"),
            (f"{OPPOSED.ins}@{stage.sandbox.patient_domain}", "MSS-114", "personne opposée"),
        ):
            must(mail_from(smtp, SECRETARIAT.address).code == 250, "l'expéditeur légitime est refusé.")
            tell.proved(f"{who} : « {_refused(rcpt_to(smtp, recipient), code)} »")
            smtp.rset()
        reply = mail_from(smtp, NEUROLOGIST.address)
        if reply.code == 250:
            reply = rcpt_to(smtp, stage.thomas.address)
        tell.proved(f"adresse d'un autre : « {_refused(reply, 'MSS-120')} »")


def the_exchange_ends(stage: Stage) -> None:
    """`X-MSS-MES: FIN` closes one message, `[FIN]` everything."""
    tell = stage.telling
    tell.step("La neurologue met fin à l'échange")
    subject = "Consultation de neurologie"
    open_form = stage.space.form(subject, "/messages", "la zone de réponse")
    tell.say(
        "Le Dr Roussel écrit que la suite se fera avec le médecin traitant, avec l'en-tête X-MSS-MES: FIN ; "
        "puis un message d'objet [FIN], qui ferme tout l'échange."
    )
    text = "Bonjour,\n\nLa suite se fera avec votre médecin traitant.\n\nDr Camille Roussel\n"
    for title, headers, sentence in (
        (
            stage.letters["neurology"].subject,
            {"X-MSS-MES": "FIN", "In-Reply-To": stage.letters["neurology"].message_id},
            _ENDED_MESSAGE,
        ),
        ("[FIN]", {}, "Camille ROUSSEL a mis fin à vos échanges."),
    ):
        letter = write(NEUROLOGIST, [stage.to_thomas], title, text, headers=headers)
        with stage.program(NEUROLOGIST).starttls() as smtp:
            reply = submit(smtp, NEUROLOGIST.address, [stage.thomas.address], letter.data)
        must(reply.code == 250, f"le message de fin est refusé : {reply}")
        page = stage.space.conversation(subject)
        must(sentence in page.text, f"la page de Thomas ne dit pas « {sentence} »")
        must(page.form("/messages") is None, "la page propose encore de répondre.")
        how = "X-MSS-MES: FIN" if headers else "objet [FIN]"
        tell.proved(f"{how} : la page dit « {sentence} » et n'offre plus de zone de réponse")
    answer = stage.space.send(open_form, {"text": "Merci docteur."})
    must(answer.status_code == 422, f"une réponse forcée devait être refusée : {answer.status_code}.")
    with stage.program(NEUROLOGIST).inbox() as inbox:
        must(
            not inbox.find("In-Reply-To", stage.letters["neurology"].message_id),
            "une réponse est passée malgré la fin.",
        )
    tell.proved("le formulaire d'avant, renvoyé de force, est refusé (422) et rien n'arrive à l'hôpital")


def _refused(reply: Reply, code: str) -> Reply:
    must(reply.code >= 500 and code in reply.text, f"un refus {code} était attendu, pas « {reply} ».")
    return reply
