"""Thomas and his mother read, file what is theirs, and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaguemestre.demo.letters import Attachment, files_of, read, sha1, text_of
from vaguemestre.demo.pdf import text_page
from vaguemestre.demo.stage import IME_DOCTOR, IN_A_MAIL, IN_AN_ANSWER
from vaguemestre.demo.telling import must

if TYPE_CHECKING:
    from vaguemestre.demo.stage import Stage


def the_family_reads(stage: Stage) -> None:
    """His mother opens his pages with him, reads, downloads, files a plain PDF."""
    tell = stage.telling
    tell.step("Thomas et sa mère ouvrent son espace")
    tell.say(
        "Thomas est mineur : le message porte sa propre adresse, et sa mère, Valérie, ouvre l'espace "
        "avec lui, avec les codes de Thomas."
    )
    page = stage.space.conversation("Admission à l'IME")
    must(IN_A_MAIL in page.text, "la conversation ne montre pas le texte de l'IME.")
    must("XDM/1.0" not in page.text, "la conversation montre le préfixe XDM/1.0/DDM+.")
    must("Paul GIRARD" in page.text, "la conversation ne nomme pas le Dr Girard.")
    must("Répondre à" in page.text, "la conversation ne propose pas de répondre.")
    tell.proved(
        "la conversation affiche le Dr Paul GIRARD, son établissement et son texte, sans le préfixe "
        "XDM/1.0/DDM+, et une zone de réponse"
    )
    got = stage.space.download(stage.papers["summary"].title)
    must(
        sha1(got) == sha1(stage.papers["summary"].shown),
        "la synthèse téléchargée n'est pas celle qui a été envoyée.",
    )
    tell.proved(f"synthèse téléchargée, {len(got)} octets, SHA-1 égale à l'original : {sha1(got)}")

    tell.say("Le planning n'est pas un document de santé structuré : ils le classent d'un clic.")
    before = stage.space.documents()
    form = stage.space.form("Admission à l'IME", "/accept", "le bouton de classement")
    answer = stage.space.send(form, {})
    must(answer.status_code == 303, f"le classement du planning répond {answer.status_code}.")
    title = "Planning de la semaine"
    must(stage.space.documents()[title] == before[title] + 1, "le planning n'est pas dans les documents.")
    page = stage.space.document(title)
    must("Ajouté par vous" in page.text, "le planning n'est pas marqué comme ajouté par le patient.")
    tell.proved(f"« {title} » figure dans les documents, « Ajouté par vous »")


def the_family_answers(stage: Stage) -> None:
    """The answer reaches the IME's mail program while it waits."""
    tell = stage.telling
    tell.step("La famille répond, le médecin de l'IME reçoit dans son logiciel de messagerie")
    ime = stage.program(IME_DOCTOR)
    permission = Attachment(
        "Autorisation_signee.pdf",
        "application/pdf",
        text_page("Autorisation de sortie", ("Signée par Mme Valérie MERCIER.",)),
    )
    form = stage.space.form("Admission à l'IME", "/messages", "la zone de réponse")
    with ime.inbox() as desk, desk.idling() as idle:
        answer = stage.space.send(
            form,
            {"text": f"Bonjour docteur,\n\nMerci. {IN_AN_ANSWER}\n"},
            [(permission.name, permission.data, permission.media_type)],
        )
        must(
            answer.status_code == 303,
            f"la réponse n'est pas partie, la page répond {answer.status_code}.",
        )
        pushed = idle.until("EXISTS")
    page = stage.space.page(answer.headers["Location"])
    must("Votre message est envoyé." in page.text, "la page ne confirme pas l'envoi.")
    must(IN_AN_ANSWER in page.text, "la conversation ne montre pas la réponse.")
    tell.say("Valérie écrit deux phrases et joint l'autorisation signée ; la page confirme l'envoi.")
    tell.proved(f"le logiciel du Dr Girard, en veille IDLE, est prévenu par le serveur : « {pushed} »")
    with ime.inbox() as desk:
        found = desk.find("In-Reply-To", stage.letters["admission"].message_id)
        must(len(found) == 1, f"{len(found)} réponses de Thomas dans la boîte de l'IME au lieu d'une.")
        message = read(desk.fetch(found[0]))
    stage.answer_id = str(message["Message-ID"])
    must(IN_AN_ANSWER in text_of(message), "la réponse reçue n'a pas le texte écrit par la famille.")
    must(
        files_of(message).get(permission.name) == permission.data,
        "la pièce jointe reçue n'est pas celle de la famille.",
    )
    must(
        stage.thomas.address in str(message["From"]).lower(),
        "la réponse ne vient pas de l'adresse de Thomas.",
    )
    must(
        not [name for name in message if name.lower().startswith("x-mss-")],
        "un en-tête X-MSS a été ajouté.",
    )
    tell.proved(
        f"IMAP FETCH : From « {message['From']} », In-Reply-To égal au Message-ID de l'IME, "
        f"{permission.name} avec SHA-1 {sha1(permission.data)}"
    )
    with ime.inbox() as phone, phone.idling() as idle, ime.inbox() as desk:
        desk.flag(found[0], r"(\Seen \Flagged)")
        pushed = idle.until("FLAGS")
    must(r"\Seen" in pushed and r"\Flagged" in pushed, f"le drapeau poussé n'est pas le bon : {pushed}")
    tell.proved(f"marqué lu et suivi au bureau, son téléphone le sait aussitôt : « {pushed} »")
