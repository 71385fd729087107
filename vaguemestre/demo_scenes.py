"""The first scenes of the story of Thomas: an admission to an IME, an answer, a seizure, an end of exchange."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

from dmp_bridge.hl7_time import paris_date
from vaguemestre import fictive
from vaguemestre.demo_clients import MailProgram, mail_from, rcpt_to, submit
from vaguemestre.demo_letters import (
    XDM_NAME,
    Attachment,
    files_of,
    health_letter,
    label_of,
    printed,
    read,
    sha1,
    structured,
    text_of,
    write,
)
from vaguemestre.demo_pages import PatientSpace
from vaguemestre.demo_pdf import scanned_page, text_page
from vaguemestre.demo_telling import NotProved, eventually, must

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from vaguemestre.demo_clients import Reply
    from vaguemestre.demo_letters import Letter, Paper
    from vaguemestre.demo_sandbox import Sandbox
    from vaguemestre.demo_telling import Telling

_BALS = {bal.address: bal for bal in fictive.BALS}
IME_DOCTOR = _BALS[f"paul.girard@{fictive.IME_DOMAIN}"]
SECRETARIAT = _BALS[f"secretariat@{fictive.IME_DOMAIN}"]
NEUROLOGIST = _BALS[f"camille.roussel@{fictive.HOSPITAL_DOMAIN}"]
PHARMACY = _BALS[f"pharmacie.des-halles@{fictive.LIBERAL_DOMAIN}"]
ATTENDING_DOCTOR = _BALS[f"helene.lefevre@{fictive.LIBERAL_DOMAIN}"]
THOMAS = fictive.PATIENTS[0]
LAMBERT = fictive.PATIENTS[2]
OPPOSED = fictive.PATIENTS[7]
NOBODY = "199129999999967"

IN_A_MAIL = "Il range ses trésors dans une boîte à biscuits bleue, sous le grand tilleul."
IN_A_DOCUMENT = "Absences brèves signalées par l'équipe depuis la rentrée, sans chute ni convulsion."
IN_AN_ANSWER = "Nous passerons vendredi avec le carnet bleu et la peluche renard."
SECRETS = (IN_A_MAIL, IN_A_DOCUMENT, IN_AN_ANSWER)
"""Sentences that no file on disk may show."""

_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip
_ENDED_MESSAGE = "Ce message n'autorise pas la réponse."


class Story:
    """Plays the scenes in their order; each raises NotProved at the first thing that does not hold."""

    def __init__(self, sandbox: Sandbox, telling: Telling) -> None:
        self._sandbox = sandbox
        self._telling = telling
        self._thomas = sandbox.person(THOMAS.ins)
        self._to_thomas = (self._thomas.name, self._thomas.address)
        self._space = PatientSpace(sandbox, self._thomas)
        self._ime = self._program(IME_DOCTOR)
        self._neurologist = self._program(NEUROLOGIST)
        self._first: Letter
        self._second: Letter
        self._summary: Paper
        self._answer_id = ""

    def close(self) -> None:
        """Closes the browser."""
        self._space.close()

    def _program(self, bal: fictive.FictiveBal) -> MailProgram:
        return MailProgram(self._sandbox, self._sandbox.box(bal.address))

    # 1 ------------------------------------------------------------------------------------------------------

    def the_ime_writes(self) -> None:
        """The IME sends a summary and a liaison document; they file themselves."""
        tell = self._telling
        tell.step("Admission à l'IME : la synthèse médicale et le document de liaison partent vers Thomas")
        tell.say(
            f"Le Dr Paul GIRARD, médecin de l'IME Les Tilleuls, écrit depuis sa boîte à l'adresse de Thomas, "
            f"{self._thomas.address}. Il joint {XDM_NAME} (une synthèse médicale CDA N3, un document de liaison "
            "d'urgence CDA N1), leurs copies PDF, et le planning de la semaine en simple PDF."
        )
        author = fictive.IME_DOCTOR
        self._summary = structured(
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
            [self._to_thomas],
            (self._summary, liaison),
            f"Bonjour,\n\nVoici les documents de l'admission de Thomas. {IN_A_MAIL}\n\nDr Paul Girard\n",
            label="Admission à l'IME",
            others=(planning,),
        )
        self._first = letter
        before = self._space.documents()
        with self._ime.starttls() as smtp:
            reply = submit(smtp, IME_DOCTOR.address, [self._thomas.address], letter.data)
            must(reply.code == 250, f"le message de l'IME est refusé : {reply}")
            tell.proved(f"STARTTLS, certificat vérifié, {_tls(smtp)} ; réponse « {reply} »")
        tell.proved(
            f"objet « {letter.subject} », From « {label_of(IME_DOCTOR)} », "
            "X-MSS-CODECDA 60591-5,74207-2, X-MSS-INS O, X-MSS-NIL"
        )
        self._sees_documents(
            before, {self._summary: "Ma santé en résumé", liaison: "Ma santé en résumé"}, "Dr Paul GIRARD"
        )

    def _sees_documents(self, before: Counter[str], papers: Mapping[Paper, str], author: str) -> None:
        """Each document stands in the record under its category, with title, date and author."""
        for paper, category in papers.items():

            def appeared(title: str = paper.title) -> bool | None:
                return self._space.documents()[title] > before[title] or None

            eventually(appeared, f"« {paper.title} » n'apparaît pas dans le dossier de Thomas.")
            page, entry = self._space.document(paper.title), paper.written.entry
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
            self._telling.proved(
                f"« {paper.title} » est apparu de lui-même dans le dossier, rubrique « {about[2]} », "
                f"type « {about[1]} », {about[3]}, {about[4]}"
            )

    # 2 ------------------------------------------------------------------------------------------------------

    def the_family_reads(self) -> None:
        """His mother opens his pages with him, reads, downloads, files a plain PDF."""
        tell = self._telling
        tell.step("Thomas et sa mère ouvrent son espace")
        tell.say(
            "Thomas est mineur : le message porte sa propre adresse, et sa mère, Valérie, ouvre l'espace "
            "avec lui, avec les codes de Thomas."
        )
        page = self._space.conversation("Admission à l'IME")
        must(IN_A_MAIL in page.text, "la conversation ne montre pas le texte de l'IME.")
        must("XDM/1.0" not in page.text, "la conversation montre le préfixe XDM/1.0/DDM+.")
        must("Paul GIRARD" in page.text, "la conversation ne nomme pas le Dr Girard.")
        must("Répondre à" in page.text, "la conversation ne propose pas de répondre.")
        tell.proved(
            "la conversation affiche le Dr Paul GIRARD, son établissement et son texte, sans le préfixe "
            "XDM/1.0/DDM+, et une zone de réponse"
        )
        got = self._space.download(self._summary.title)
        must(
            sha1(got) == sha1(self._summary.shown),
            "la synthèse téléchargée n'est pas celle qui a été envoyée.",
        )
        tell.proved(f"synthèse téléchargée, {len(got)} octets, SHA-1 égale à l'original : {sha1(got)}")

        tell.say("Le planning n'est pas un document de santé structuré : ils le classent d'un clic.")
        before = self._space.documents()
        form = self._space.form("Admission à l'IME", "/accept", "le bouton de classement")
        answer = self._space.send(form, {})
        must(answer.status_code == 303, f"le classement du planning répond {answer.status_code}.")
        title = "Planning de la semaine"
        must(self._space.documents()[title] == before[title] + 1, "le planning n'est pas dans les documents.")
        page = self._space.document(title)
        must("Ajouté par vous" in page.text, "le planning n'est pas marqué comme ajouté par le patient.")
        tell.proved(f"« {title} » figure dans les documents, « Ajouté par vous »")

    # 3 ------------------------------------------------------------------------------------------------------

    def the_family_answers(self) -> None:
        """The answer reaches the IME's mail program while it waits."""
        tell = self._telling
        tell.step("La famille répond, le médecin de l'IME reçoit dans son logiciel de messagerie")
        drawing = Attachment(
            "Autorisation_signee.pdf",
            "application/pdf",
            text_page("Autorisation de sortie", ("Signée par Mme Valérie MERCIER.",)),
        )
        form = self._space.form("Admission à l'IME", "/messages", "la zone de réponse")
        with self._ime.inbox() as desk, desk.idling() as idle:
            answer = self._space.send(
                form,
                {"text": f"Bonjour docteur,\n\nMerci. {IN_AN_ANSWER}\n"},
                [(drawing.name, drawing.data, drawing.media_type)],
            )
            must(
                answer.status_code == 303,
                f"la réponse n'est pas partie, la page répond {answer.status_code}.",
            )
            pushed = idle.until("EXISTS")
        page = self._space.page(answer.headers["Location"])
        must("Votre message est envoyé." in page.text, "la page ne confirme pas l'envoi.")
        must(IN_AN_ANSWER in page.text, "la conversation ne montre pas la réponse.")
        tell.say("Valérie écrit deux phrases et joint l'autorisation signée ; la page confirme l'envoi.")
        tell.proved(f"le logiciel du Dr Girard, en veille IDLE, est prévenu par le serveur : « {pushed} »")
        with self._ime.inbox() as desk:
            found = desk.find("In-Reply-To", self._first.message_id)
            must(len(found) == 1, f"{len(found)} réponses de Thomas dans la boîte de l'IME au lieu d'une.")
            message = read(desk.fetch(found[0]))
        self._answer_id = str(message["Message-ID"])
        must(IN_AN_ANSWER in text_of(message), "la réponse reçue n'a pas le texte écrit par la famille.")
        must(
            files_of(message).get(drawing.name) == drawing.data,
            "la pièce jointe reçue n'est pas celle de la famille.",
        )
        must(
            self._thomas.address in str(message["From"]).lower(),
            "la réponse ne vient pas de l'adresse de Thomas.",
        )
        must(
            not [name for name in message if name.lower().startswith("x-mss-")],
            "un en-tête X-MSS a été ajouté.",
        )
        tell.proved(
            f"IMAP FETCH : From « {message['From']} », In-Reply-To égal au Message-ID de l'IME, "
            f"{drawing.name} avec SHA-1 {sha1(drawing.data)}"
        )
        with self._ime.inbox() as phone, phone.idling() as idle, self._ime.inbox() as desk:
            desk.flag(found[0], r"(\Seen \Flagged)")
            pushed = idle.until("FLAGS")
        must(r"\Seen" in pushed and r"\Flagged" in pushed, f"le drapeau poussé n'est pas le bon : {pushed}")
        tell.proved(f"marqué lu et suivi au bureau, son téléphone le sait aussitôt : « {pushed} »")

    # 4 ------------------------------------------------------------------------------------------------------

    def the_neurologist_writes(self) -> None:
        """One mail for the patient, the pharmacy and the attending doctor."""
        tell = self._telling
        tell.step("Après une crise : le neurologue écrit à Thomas, à la pharmacie et au médecin traitant")
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
        scan = Attachment(
            "Fac-simile_signe.pdf", "application/pdf", scanned_page(400, prescription.written.entry.unique_id)
        )
        letter = health_letter(
            NEUROLOGIST,
            [
                self._to_thomas,
                (PHARMACY.name, PHARMACY.address),
                (label_of(ATTENDING_DOCTOR), ATTENDING_DOCTOR.address),
            ],
            (report, prescription),
            "Bonjour,\n\nCompte rendu et ordonnance de ce jour.\n\nDr Camille Roussel, neurologue\n",
            label="Consultation de neurologie",
            others=(scan,),
        )
        self._second = letter
        tell.say(
            "Le Dr Camille ROUSSEL, neurologue de l'hôpital, envoie un seul message à trois destinataires : "
            "compte rendu de consultation et ordonnance en CDA, copies PDF, fac-similé signé."
        )
        before, files = self._space.documents(), self._vault_files()
        with self._neurologist.implicit_tls() as smtp:
            recipients = [self._thomas.address, PHARMACY.address, ATTENDING_DOCTOR.address]
            reply = submit(smtp, NEUROLOGIST.address, recipients, letter.data)
            must(reply.code == 250, f"le message du neurologue est refusé : {reply}")
            tell.proved(f"TLS dès la connexion, {_tls(smtp)}, trois RCPT acceptés ; réponse « {reply} »")
        xdm = next(iter(files_of(read(letter.data)).items()))
        for bal in (PHARMACY, ATTENDING_DOCTOR):
            with self._program(bal).inbox() as inbox:
                found = inbox.find("Message-ID", letter.message_id)
                must(len(found) == 1, f"{len(found)} exemplaires dans la boîte {bal.address} au lieu d'un.")
                got = files_of(read(inbox.fetch(found[0])))
            must(got.get(xdm[0]) == xdm[1], f"l'archive lue par {bal.address} n'est pas celle envoyée.")
            tell.proved(f"IMAP FETCH chez {bal.name} : {xdm[0]}, SHA-1 {sha1(got[xdm[0]])}")
        self._sees_documents(
            before,
            {report: "Comptes rendus", prescription: "Ordonnances et soins"},
            "Dr Camille ROUSSEL",
        )
        added = {path: size for path, size in self._vault_files().items() if path not in files}
        must(len(added) == 1, f"le coffre a gagné {len(added)} fichiers au lieu d'un pour trois boîtes.")
        tell.proved(
            f"trois boîtes, un seul corps : le coffre a gagné un fichier chiffré de {sum(added.values())} "
            f"octets pour un message de {len(letter.data)} octets"
        )

    def _vault_files(self) -> dict[str, int]:
        folder = self._sandbox.home / "vault"
        return {
            str(file): file.stat().st_size
            for file in folder.rglob("*")
            if file.is_file() and not file.name.startswith(".")
        }

    # 5 ------------------------------------------------------------------------------------------------------

    def mistakes_are_refused(self) -> None:
        """Another patient's document, an unknown patient, an opposed one, a sender that is not one's own."""
        tell = self._telling
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
            [self._to_thomas],
            (wrong,),
            "Bonjour,\n\nCi-joint le compte rendu.\n\nLe secrétariat\n",
            label="Compte rendu",
        )
        tell.say(
            "Le secrétariat de l'IME envoie à Thomas le compte rendu d'un autre patient, Bernard LAMBERT. "
            "Puis il se trompe de matricule, écrit à une personne opposée, et emprunte une adresse."
        )
        documents = self._space.documents()
        secretariat = self._program(SECRETARIAT)
        with secretariat.starttls() as smtp:
            reply = submit(smtp, SECRETARIAT.address, [self._thomas.address], letter.data)
        must(reply.code == 250, f"le message au mauvais patient devait être remis, pas refusé : {reply}")
        report = eventually(
            lambda: self._report_of(secretariat, letter), "le secrétariat n'a pas reçu de rapport KO."
        )
        must("[904]" in report[0], f"le rapport n'est pas une erreur 904 : {report[0]}")
        must("L'INS" in report[1], "le rapport ne dit pas le motif en clair.")
        must(
            self._space.documents() == documents,
            "un document d'un autre patient est entré au dossier de Thomas.",
        )
        page = self._space.conversation("Compte rendu LAMBERT")
        must("Document refusé" in page.text, "la page de Thomas ne dit pas que le document est refusé.")
        tell.proved(f"le secrétariat reçoit « {report[0]} »")
        tell.proved("rien n'est classé ; la conversation dit « Document refusé » et pourquoi")
        with secretariat.starttls() as smtp:
            for recipient, code, who in (
                (f"{NOBODY}@{self._sandbox.patient_domain}", "MSS-113", "matricule inconnu"),
                (f"{OPPOSED.ins}@{self._sandbox.patient_domain}", "MSS-114", "personne opposée"),
            ):
                must(mail_from(smtp, SECRETARIAT.address).code == 250, "l'expéditeur légitime est refusé.")
                tell.proved(f"{who} : « {_refused(rcpt_to(smtp, recipient), code)} »")
                smtp.rset()
            reply = mail_from(smtp, NEUROLOGIST.address)
            if reply.code == 250:
                reply = rcpt_to(smtp, self._thomas.address)
            tell.proved(f"adresse d'un autre : « {_refused(reply, 'MSS-120')} »")

    def _report_of(self, program: MailProgram, letter: Letter) -> tuple[str, str] | None:
        with program.inbox() as inbox:
            found = inbox.find("In-Reply-To", letter.message_id)
            if not found:
                return None
            message = read(inbox.fetch(found[0]))
        return str(message["Subject"]), text_of(message)

    # 6 ------------------------------------------------------------------------------------------------------

    def the_exchange_ends(self) -> None:
        """`X-MSS-MES: FIN` closes one message, `[FIN]` everything."""
        tell = self._telling
        tell.step("Le neurologue met fin à l'échange")
        subject = "Consultation de neurologie"
        open_form = self._space.form(subject, "/messages", "la zone de réponse")
        tell.say(
            "Le Dr Roussel écrit que la suite se fera avec le médecin traitant, avec l'en-tête X-MSS-MES: FIN ; "
            "puis un message d'objet [FIN], qui ferme tout l'échange."
        )
        text = "Bonjour,\n\nLa suite se fera avec votre médecin traitant.\n\nDr Camille Roussel\n"
        for title, headers, sentence in (
            (
                self._second.subject,
                {"X-MSS-MES": "FIN", "In-Reply-To": self._second.message_id},
                _ENDED_MESSAGE,
            ),
            ("[FIN]", {}, "Camille ROUSSEL a mis fin à vos échanges."),
        ):
            letter = write(NEUROLOGIST, [self._to_thomas], title, text, headers=headers)
            with self._neurologist.starttls() as smtp:
                reply = submit(smtp, NEUROLOGIST.address, [self._thomas.address], letter.data)
            must(reply.code == 250, f"le message de fin est refusé : {reply}")
            page = self._space.conversation(subject)
            must(sentence in page.text, f"la page de Thomas ne dit pas « {sentence} »")
            must(page.form("/messages") is None, "la page propose encore de répondre.")
            how = "X-MSS-MES: FIN" if headers else "objet [FIN]"
            tell.proved(f"{how} : la page dit « {sentence} » et n'offre plus de zone de réponse")
        answer = self._space.send(open_form, {"text": "Merci docteur."})
        must(answer.status_code == 422, f"une réponse forcée devait être refusée : {answer.status_code}.")
        with self._neurologist.inbox() as inbox:
            must(
                not inbox.find("In-Reply-To", self._second.message_id),
                "une réponse est passée malgré la fin.",
            )
        tell.proved("le formulaire d'avant, renvoyé de force, est refusé (422) et rien n'arrive à l'hôpital")

    # 7 ------------------------------------------------------------------------------------------------------

    def everything_survives_a_restart(self) -> None:
        """SIGTERM, exit 0, the same home again."""
        tell = self._telling
        tell.step("Arrêt et redémarrage du serveur")
        documents = self._space.documents()
        self._space.close()
        code = self._sandbox.stop()
        must(code == 0, f"le serveur s'arrête avec le code {code} au lieu de 0.")
        tell.proved("SIGTERM : le serveur finit ce qu'il fait et s'arrête, code 0")
        seconds = self._sandbox.start()
        self._space = PatientSpace(self._sandbox, self._thomas)
        must(self._space.documents() == documents, "des documents manquent après le redémarrage.")
        got = self._space.download(self._summary.title)
        must(sha1(got) == sha1(self._summary.shown), "la synthèse a changé après le redémarrage.")
        page = self._space.conversation("Admission à l'IME")
        must(IN_A_MAIL in page.text and IN_AN_ANSWER in page.text, "la conversation a perdu un message.")
        with self._ime.inbox() as desk:
            found = desk.find("Message-ID", self._answer_id)
            must(len(found) == 1, "la réponse de la famille n'est plus dans la boîte de l'IME.")
        total = sum(documents.values())
        tell.proved(
            f"de nouveau prêt en {seconds:.1f} s : conversations, {total} documents (SHA-1 égale) et boîtes IMAP "
            "sont là"
        )

    # 8 ------------------------------------------------------------------------------------------------------

    def the_traces_hold(self) -> None:
        """The audit trail verifies; nothing that was written can be read on disk."""
        tell = self._telling
        tell.step("Traces et confidentialité")
        result = self._sandbox.command("trail", "verify", "--json")
        must(result.returncode == 0, f"la trace ne se vérifie pas : {result.stderr.strip()}")
        verified = json.loads(result.stdout)
        tell.proved(
            f"trail verify : {verified['rows']} lignes chaînées, dernière empreinte {verified['last_hash'][:16]}…"
        )
        files = [file for file in self._sandbox.home.rglob("*") if file.is_file()]
        _unreadable(files, *SECRETS, self._first.subject, self._second.subject, self._summary.title)
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
            self._thomas.address,
            IME_DOCTOR.address,
            "alembic_version",
        )
        tell.proved("la base est chiffrée : ni matricule, ni nom, ni adresse, ni nom de table")
        log = self._sandbox.log.read_text(encoding="utf-8", errors="replace").lower()
        for word in (THOMAS.ins, THOMAS.birth_name.lower(), "girard", "synthèse"):
            must(word not in log, f"le journal contient « {word} ».")
        must('"level": "error"' not in log, "le journal rapporte une erreur du serveur.")
        tell.proved("le journal ne porte ni matricule, ni nom, ni objet, et aucune erreur")


def _refused(reply: Reply, code: str) -> Reply:
    must(reply.code >= 500 and code in reply.text, f"un refus {code} était attendu, pas « {reply} ».")
    return reply


def _tls(smtp: object) -> str:
    sock = getattr(smtp, "sock", None)
    cipher = sock.cipher() if sock is not None else None
    return f"{cipher[1]} {cipher[0]}" if cipher else "sans TLS"


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
