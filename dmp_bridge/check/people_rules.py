"""Who writes to whom: domains, the sender's label, Reply-To, and the addresses of patients."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dmp_bridge.check.letter import TRUST_DOMAINS
from dmp_bridge.check.message_rules_table import MESSAGE_RULES
from foundation.identifiers import Address, Ins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dmp_bridge.check.letter import Letter
    from dmp_bridge.check.report import Finding
    from foundation.mime.addresses import MailAddress

_ONE_PATIENT: Final = MESSAGE_RULES["ECO.2.1.1"]  # ref: ECO.2.1.1
_REPLY_TO: Final = MESSAGE_RULES["ECO.2.2.5"]  # ref: ECO.2.2.5
_PATIENT_ADDRESS: Final = MESSAGE_RULES["ECO.2.2.6"]  # ref: ECO.2.2.6
_LABEL: Final = MESSAGE_RULES["ECO.2.2.7"]  # ref: ECO.2.2.7
_KEY: Final = MESSAGE_RULES["ECO.3.1.5"]  # ref: ECO.3.1.5
_INITIATIVE: Final = MESSAGE_RULES["MES.INITIATIVE"]
_RECIPIENTS: Final = MESSAGE_RULES["MES.DESTINATAIRES"]
_DOMAIN: Final = MESSAGE_RULES["REF1.DOMAINE"]
_FROM: Final = MESSAGE_RULES["RFC5322.3.6.2"]

_MAX_TOLD: Final = 20
"""Patients of one message that are told one by one; more than one is a fault anyway."""
_PERSON: Final = "<Titre>_<Prénom>_<NOM>_<Entité>"
_TITLES: Final = re.compile(r"(?:dr|pr|m|mr|mme|mlle|me|docteur|professeur)\.?", re.IGNORECASE)


def author(letter: Letter) -> Iterator[Finding]:
    """RFC 5322 §3.6.2: From names somebody, and Sender one person where it names several."""
    authors = letter.mailboxes("from")
    if not authors:
        yield _FROM.fails(
            "From", "Pas d'expéditeur lisible.", "Écrire l'adresse de la boîte qui envoie dans From."
        )
        return
    wrong = [each for each in authors if Address.parse(each.address) is None]
    senders = letter.mailboxes("sender")
    if wrong:
        yield _FROM.fails("From", "L'adresse de l'expéditeur n'est pas une adresse.", "Écrire local@domaine.")
    elif len(authors) > 1 and len(senders) != 1:
        yield _FROM.fails(
            "Sender", "Plusieurs auteurs dans From et pas de Sender.", "Nommer l'expéditeur dans Sender."
        )
    else:
        yield _FROM.holds("From", "Un expéditeur lisible.")


def domains(letter: Letter) -> Iterator[Finding]:
    """Réf#1: mail stays inside the espace de confiance."""
    fields = (
        ("From", "from"),
        ("Sender", "sender"),
        ("Reply-To", "reply-to"),
        ("To", "to"),
        ("Cc", "cc"),
        ("Bcc", "bcc"),
    )
    fine = True
    for place, name in fields:
        for each in letter.mailboxes(name):
            if not _is_trusted(letter, each):
                fine = False
                yield _DOMAIN.fails(
                    place,
                    f"{each.address} n'est pas une adresse de l'espace de confiance.",
                    "N'écrire qu'entre boîtes MSSanté (domaines de la liste blanche).",
                )
                break
    if fine:
        yield _DOMAIN.holds(
            "From, To, Cc",
            "Domaines en mssante.fr ou d'Apicrypt ; la liste blanche n'a pas été consultée, et que le certificat de "
            "l'opérateur couvre le domaine de From ne se voit pas dans un message.",
        )


# ref: F27
def label(letter: Letter) -> Iterator[Finding]:
    """ref: ECO.2.2.7."""
    if letter.sender is None or letter.is_from_patient:
        yield _LABEL.not_applicable("L'expéditeur n'est pas une boîte de professionnel.")
        return
    text = " ".join(letter.sender.name.split())
    box = letter.question.box_type
    place = "From"
    if not text:
        yield _LABEL.fails(
            place,
            "L'adresse n'a pas de libellé.",
            f"Écrire {_PERSON} (boîte PER) ou l'entité (ORG, APP) devant l'adresse.",
        )
    elif box == "PER" or (not box and "_" in text):
        yield from _person_label(text, place)
    else:
        how = (
            "Libellé d'une entité."
            if box
            else "Libellé pris pour celui d'une entité (--box-type PER pour une personne)."
        )
        yield _LABEL.holds(place, how)


def _person_label(text: str, place: str) -> Iterator[Finding]:
    words = [word for word in text.split("_") if word]
    if words and _TITLES.fullmatch(words[0]):
        words = words[1:]
    if len(words) < 2:
        yield _LABEL.fails(
            place,
            "Il manque le prénom ou le nom.",
            f"Écrire {_PERSON} ; le titre et l'entité sont facultatifs.",
        )
    elif not _is_capital(words[1]):
        yield _LABEL.fails(
            place, "Le nom n'est pas en capitales après le prénom.", f"Écrire {_PERSON}, le NOM en capitales."
        )
    else:
        yield _LABEL.holds(place, "Prénom, NOM en capitales.")


def reply_to(letter: Letter) -> Iterator[Finding]:
    """ref: ECO.2.2.5."""
    box = letter.question.box_type
    asked = letter.raw("reply-to")
    addresses = letter.mailboxes("reply-to")
    if asked and (not addresses or any(Address.parse(each.address) is None for each in addresses)):
        yield _REPLY_TO.fails(
            "Reply-To",
            "Ce champ ne contient pas d'adresse.",
            "Y mettre une boîte MSSanté lue par une personne.",
        )
    elif asked:
        yield _REPLY_TO.holds("Reply-To", "Les réponses iront à la boîte indiquée.")
    elif box == "APP":
        yield _REPLY_TO.fails(
            "en-tête",
            "Boîte applicative (APP) sans Reply-To : la réponse reviendrait à un programme.",
            "Mettre dans Reply-To une boîte lue par une personne.",
        )
    elif box:
        yield _REPLY_TO.not_applicable(f"Boîte {box}.")
    else:
        yield _REPLY_TO.not_applicable("Le type de la boîte ne se voit pas dans un message (--box-type APP).")


def patient_addresses(letter: Letter) -> Iterator[Finding]:
    """ref: ECO.2.2.6, ECO.3.1.5."""
    found = {each.address.lower(): each for each in letter.recipients if letter.is_patient(each)}
    if not found:
        yield _PATIENT_ADDRESS.not_applicable("Aucun usager parmi les destinataires.")
        yield _KEY.not_applicable("Aucun usager parmi les destinataires.")
        return
    for each in list(found.values())[:_MAX_TOLD]:
        ins = Ins.parse(each.local)
        if ins is None:
            yield _PATIENT_ADDRESS.fails(
                "To, Cc",
                "La partie gauche n'est pas un matricule INS de 15 caractères.",
                "écrire à <matricule INS>@" + letter.question.patient_domain,
            )
            continue
        yield from _owner(letter, ins)
        if ins.key_is_right:
            yield _KEY.holds("To, Cc", "Clé juste.")
        else:
            yield _KEY.fails(
                "To, Cc",
                "La clé du matricule est fausse : l'usager ne sera sans doute pas trouvé.",
                "Alerter l'utilisateur et vérifier le matricule dans la base patients.",
            )


# ref: F33
def _owner(letter: Letter, ins: Ins) -> Iterator[Finding]:
    """The address is that of the person the documents are about, by a qualified INS."""
    if letter.mss.says_qualified is False:
        yield _PATIENT_ADDRESS.fails(
            "To, X-MSS-INS",
            "Message à un usager dont l'INS n'est pas qualifiée (X-MSS-INS: N).",
            "Ne composer l'adresse qu'avec une INS qualifiée.",
        )
        return
    named = {
        number[:13]
        for document in letter.documents
        for number in (
            document.entry.patient_id.value
            if document.entry is not None and document.entry.patient_id
            else "",
            document.cda.patient.ins or "" if document.cda is not None else "",
        )
        if number
    }
    # The key is judged by itself (ECO.3.1.5): here the person counts, whom 13 characters name.
    if named and ins.value[:13] not in {number.upper() for number in named}:
        yield _PATIENT_ADDRESS.fails(
            "To, documents",
            "L'adresse n'est pas celle de l'usager que les documents désignent.",
            "Écrire à l'usager des documents, un mineur à sa propre adresse.",
        )
    else:
        yield _PATIENT_ADDRESS.holds("To, Cc", "Matricule INS de 15 caractères.")


def one_patient(letter: Letter) -> Iterator[Finding]:
    """ref: ECO.2.1.1: one patient per mail, among the recipients and in the documents."""
    if len(letter.patients) > 1:
        yield _ONE_PATIENT.fails(
            "To, Cc",
            f"{len(letter.patients)} usagers parmi les destinataires.",
            "Envoyer un message à chaque usager.",
        )
    announced = {
        document.entry.patient_id.value.upper()
        for document in letter.documents
        if document.entry is not None and document.entry.patient_id is not None
    }
    written = {
        document.cda.patient.ins
        for document in letter.documents
        if document.cda is not None and document.cda.patient.ins is not None
    }
    mixed = any(
        document.cda is not None and document.cda.names_several_patients for document in letter.documents
    )
    if len(announced) > 1 or len(written) > 1 or mixed:
        yield _ONE_PATIENT.fails(
            "METADATA.XML, documents CDA",
            "Les documents joints désignent plusieurs usagers.",
            "Faire un message, et une archive IHE_XDM.zip, par usager.",
        )
    elif letter.documents and len(letter.patients) <= 1:
        yield _ONE_PATIENT.holds("documents", "Un seul usager.")


def initiative(letter: Letter) -> Iterator[Finding]:
    """Mon espace santé: a patient answers, may write first to a pharmacy, and never writes to a patient."""
    if not letter.is_from_patient:
        yield _INITIATIVE.not_applicable("L'expéditeur est un professionnel.")
        return
    if letter.patients:
        yield _INITIATIVE.fails(
            "To, Cc",
            "Un usager écrit à un usager : le message sera refusé.",
            "N'écrire qu'à des professionnels.",
        )
        return
    if letter.raw("in-reply-to") or letter.raw("references"):
        yield _INITIATIVE.holds("In-Reply-To, References", "Réponse à un professionnel.")
    elif letter.recipients and all(
        "pharma" in f"{each.name} {each.address}".lower() for each in letter.recipients
    ):
        yield _INITIATIVE.holds("To", "Premier message à une pharmacie, qui est permis.")
    else:
        yield _INITIATIVE.fails(
            "en-tête",
            "Un usager écrit en premier à un professionnel : refusé, sauf par une pharmacie.",
            "Répondre à un message du professionnel (In-Reply-To, References).",
        )


def recipients(letter: Letter) -> Iterator[Finding]:
    """Patients and professionals are written to apart: they see each other's address, and an INS is one."""
    professionals = [each for each in letter.recipients if not letter.is_patient(each)]
    if not letter.patients or letter.is_from_patient:
        yield _RECIPIENTS.not_applicable("Aucun usager parmi les destinataires.")
    elif professionals:
        yield _RECIPIENTS.fails(
            "To, Cc",
            "Un usager et des professionnels dans le même message : l'adresse de l'usager, donc son INS, leur est montrée.",
            "Envoyer deux messages, chacun avec son texte.",
        )
    else:
        yield _RECIPIENTS.holds("To, Cc", "L'usager seul.")


def _is_trusted(letter: Letter, each: MailAddress) -> bool:
    domain = each.domain.lower()
    return letter.is_patient(each) or domain == "mssante.fr" or domain.endswith(TRUST_DOMAINS)


def _is_capital(word: str) -> bool:
    return word == word.upper() and any(character.isalpha() for character in word)
