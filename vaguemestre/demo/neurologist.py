"""The neurologist: one mail for three readers, and a result that the patient is not to see before it is announced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.visibility import Visibility
from vaguemestre import fictive
from vaguemestre.demo.letters import (
    Attachment,
    files_of,
    health_letter,
    label_of,
    printed,
    read,
    sha1,
    structured,
)
from vaguemestre.demo.mail_program import cipher_of, submit
from vaguemestre.demo.pdf import scanned_page
from vaguemestre.demo.stage import ATTENDING_DOCTOR, IME_DOCTOR, NEUROLOGIST, THOMAS
from vaguemestre.demo.telling import must

if TYPE_CHECKING:
    from vaguemestre.demo.sandbox import Sandbox
    from vaguemestre.demo.stage import Stage

_UNSEEN_TOO = "?aussi=non-visibles"


def the_neurologist_writes(stage: Stage) -> None:
    """One mail for the patient, the attending doctor and the doctor of the IME."""
    tell = stage.telling
    tell.step("La neurologue écrit à Thomas, à son médecin traitant et à l'IME")
    author = fictive.NEUROLOGIST
    report = printed(
        THOMAS,
        author,
        "11488-4",
        "Compte rendu de consultation de neurologie",
        {"Conclusion": ("Première crise, tracé évocateur. Traitement débuté, contrôle à un mois.",)},
    )
    prescription = printed(
        THOMAS,
        author,
        "57833-6",
        "Ordonnance d'antiépileptique",
        {"Prescription": ("Un comprimé matin et soir, trente jours.", "Ne jamais arrêter brutalement.")},
    )
    advice = structured(
        THOMAS,
        author,
        "18776-5",
        "Recommandations : conduite à tenir en cas de crise",
        {
            "Conduite à tenir": (
                "Protéger la tête, ne rien mettre dans la bouche.",
                "Appeler le 15 après cinq minutes.",
            )
        },
    )
    scan = Attachment(
        "Fac-simile_signe.pdf", "application/pdf", scanned_page(400, prescription.written.entry.unique_id)
    )
    letter = health_letter(
        NEUROLOGIST,
        [
            stage.to_thomas,
            (label_of(ATTENDING_DOCTOR), ATTENDING_DOCTOR.address),
            (label_of(IME_DOCTOR), IME_DOCTOR.address),
        ],
        (report, prescription, advice),
        "Bonjour,\n\nCompte rendu, ordonnance et recommandations de ce jour.\n\nDr Camille Roussel, neurologue\n",
        label="Consultation de neurologie",
        others=(scan,),
    )
    stage.letters["neurology"] = letter
    stage.papers |= {"report": report, "prescription": prescription, "advice": advice}
    tell.say(
        "Le Dr Camille ROUSSEL, neurologue de l'hôpital, envoie un seul message à trois destinataires : "
        "compte rendu de consultation, ordonnance et recommandations en CDA, copies PDF, fac-similé signé."
    )
    before, files = stage.space.documents(), _vault_files(stage.sandbox)
    with stage.program(NEUROLOGIST).implicit_tls() as smtp:
        recipients = [stage.thomas.address, ATTENDING_DOCTOR.address, IME_DOCTOR.address]
        reply = submit(smtp, NEUROLOGIST.address, recipients, letter.data)
        must(reply.code == 250, f"le message du neurologue est refusé : {reply}")
        tell.proved(f"TLS dès la connexion, {cipher_of(smtp)}, trois RCPT acceptés ; réponse « {reply} »")
    xdm = next(iter(files_of(read(letter.data)).items()))
    for bal in (ATTENDING_DOCTOR, IME_DOCTOR):
        with stage.program(bal).inbox() as inbox:
            found = inbox.find("Message-ID", letter.message_id)
            must(len(found) == 1, f"{len(found)} exemplaires dans la boîte {bal.address} au lieu d'un.")
            got = files_of(read(inbox.fetch(found[0])))
        must(got.get(xdm[0]) == xdm[1], f"l'archive lue par {bal.address} n'est pas celle envoyée.")
        tell.proved(f"IMAP FETCH chez {bal.name} : {xdm[0]}, SHA-1 {sha1(got[xdm[0]])}")
    stage.appeared(
        before,
        {
            report: "Comptes rendus",
            prescription: "Ordonnances et soins",
            advice: "Ordonnances et soins",
        },
        "Dr Camille ROUSSEL",
    )
    added = {path: size for path, size in _vault_files(stage.sandbox).items() if path not in files}
    must(len(added) == 1, f"le coffre a gagné {len(added)} fichiers au lieu d'un pour trois boîtes.")
    tell.proved(
        f"trois boîtes, un seul corps : le coffre a gagné un fichier chiffré de {sum(added.values())} "
        f"octets pour un message de {len(letter.data)} octets"
    )


def the_result_is_announced(stage: Stage) -> None:
    """A document that is invisible to the patient until the doctor shows it."""
    tell = stage.telling
    tell.step("Un résultat sensible attend la consultation d'annonce")
    result = printed(
        THOMAS,
        fictive.NEUROLOGIST,
        "51969-4",
        "Résultat de génétique moléculaire",
        {"Résultat": ("Variant probablement pathogène d'un canal sodique.",)},
    )
    tell.say(
        "Le Dr ROUSSEL se déclare autorisée, avec le consentement de la famille, et dépose dans son navigateur un "
        "résultat non visible par le patient (INVISIBLE_PATIENT). Elle l'annonce le jour même, puis le rend visible."
    )
    with stage.site(fictive.NEUROLOGIST) as site:
        site.declare("/autorisation", ground="consent")
        before, family = stage.space.documents(), stage.family.documents()
        site.deposit(result, Visibility.UNSEEN)
        must(stage.space.documents() == before, "Thomas voit un document avant son annonce.")
        must(stage.family.documents() == family, "sa mère voit un document avant son annonce.")
        tell.proved("ni Thomas ni sa mère ne le voient")
        with stage.software(fictive.ATTENDING_DOCTOR) as software:
            must(software.find(THOMAS.ins, result), "le médecin traitant ne voit pas le résultat.")
        tell.proved("le médecin traitant le voit (FHIR)")
        site.act(result.title, "rendre-visible", _UNSEEN_TOO)
    stage.appeared(before, {result: "Résultats de biologie"}, "Dr Camille ROUSSEL")
    stage.papers["result"] = result


def _vault_files(sandbox: Sandbox) -> dict[str, int]:
    folder = sandbox.home / "vault"
    return {
        str(file): file.stat().st_size
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(".")
    }
