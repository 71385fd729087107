"""What the header of a message shows: its subject, its threading, its dates and the fields a request is made by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dmp_bridge.check.message_rules_table import MESSAGE_RULES
from dmp_bridge.check.report import Weight
from dmp_bridge.check.subject import FIN, has_capital_name, is_almost_fin, names
from foundation.identifiers import Address
from foundation.mime.dates import parse_date
from foundation.mime.fields import unfold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dmp_bridge.check.letter import Letter
    from dmp_bridge.check.report import Finding

_SUBJECT: Final = MESSAGE_RULES["ECO.2.1.3"]  # ref: ECO.2.1.3
_MESSAGE_ID: Final = MESSAGE_RULES["ECO.2.2.1"]  # ref: ECO.2.2.1
_THREAD: Final = MESSAGE_RULES["ECO.2.2.2"]  # ref: ECO.2.2.2
_REPLACES: Final = MESSAGE_RULES["AMBU.MSS/va1.02"]  # ref: AMBU.MSS/va1.02
_FIN: Final = MESSAGE_RULES["MES.FIN"]
_FIELDS: Final = MESSAGE_RULES["RFC5322.3.6"]
_RECEIPTS: Final = MESSAGE_RULES["ECO.2.3.1"]  # ref: ECO.2.3.1
_MDN: Final = MESSAGE_RULES["ECO.3.1.6"]  # ref: ECO.3.1.6

_ONCE: Final = (
    "date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject",
    "mime-version", "content-type", "content-transfer-encoding", "disposition-notification-to",
)  # fmt: skip
_CAPITALS: Final = {"id": "ID", "mime": "MIME"}
_MSG_ID: Final = re.compile(rb"<[^\s<>@]{1,250}@[^\s<>@]{1,250}>")
_CONVENTION: Final = (
    "XDM/1.0/DDM+<libellé> <NOM> <prénom>, la date de naissance JJ/MM/AAAA derrière si on le veut"
)


# ref: ECO.2.1.3
def subject(letter: Letter) -> Iterator[Finding]:
    """ECO.2.1.3: the convention, and the person of the documents in it."""
    said = letter.subject
    place = "Subject"
    if not said.is_structured:
        if letter.packages and not letter.is_from_patient:
            yield _SUBJECT.fails(
                place,
                "Le message porte une archive IHE_XDM et son objet ne commence pas par « XDM/1.0/DDM+ ».",
                f"Écrire l'objet sous la forme {_CONVENTION}.",
            )
        else:
            yield _SUBJECT.not_applicable("Message sans document structuré.")
        return
    if not said.has_plus:
        yield _SUBJECT.fails(
            place, "« XDM/1.0/DDM » n'est pas suivi de « + ».", f"Écrire l'objet sous la forme {_CONVENTION}."
        )
        return
    yield from _named(letter, place)
    if said.date_written and said.birth_date is None:
        yield _SUBJECT.fails(
            place,
            "La date de naissance n'est pas une date.",
            "Écrire la date de naissance JJ/MM/AAAA, ou l'omettre.",
        )
    elif said.birth_date is not None:
        known = {each.birth_date for each in letter.traits if each.birth_date}
        if known and said.birth_date.isoformat() not in known:
            yield _SUBJECT.fails(
                place,
                "La date de naissance n'est celle d'aucun document joint.",
                "Reprendre la date de naissance de l'usager des documents, ou l'omettre.",
            )


def _named(letter: Letter, place: str) -> Iterator[Finding]:
    said = letter.subject
    people = [each for each in letter.traits if each.family and each.given]
    if len(said.words) < 3:
        yield _SUBJECT.fails(
            place,
            "Il manque le libellé, le nom ou le prénom.",
            f"Écrire l'objet sous la forme {_CONVENTION}.",
        )
    elif people and not any(names(said, each) for each in people):
        yield _SUBJECT.fails(
            place,
            "Le nom et le prénom ne sont ceux de l'usager d'aucun document joint.",
            "Finir l'objet par le nom de naissance et le prénom de l'usager ; sa date de naissance derrière est facultative.",
        )
    elif not has_capital_name(said.words):
        yield _SUBJECT.fails(
            place, "Le nom n'est pas en capitales.", "Écrire le NOM en capitales.", Weight.RECOMMENDED
        )
    else:
        yield _SUBJECT.holds(place, "Libellé, nom et prénom présents.")


def end_of_exchange(letter: Letter) -> Iterator[Finding]:
    """Mon espace santé, messagerie v1.3 §7: a subject that is exactly `[FIN]`."""
    text = letter.subject_as_written
    if text != FIN and not is_almost_fin(text):
        yield _FIN.not_applicable("L'objet ne clôt pas un échange.")
    elif not letter.patients:
        yield _FIN.not_applicable("Aucun usager parmi les destinataires.")
    elif not letter.closes_exchange:
        yield _FIN.fails(
            "Subject",
            "L'objet ressemble à [FIN] sans l'être : l'échange ne sera pas clos.",
            "Écrire exactement [FIN] : trois capitales entre crochets, sans espace ni « Re: » devant.",
        )
    else:
        yield _FIN.holds("Subject", "Exactement [FIN].")


# ref: ECO.2.2.1
def message_id(letter: Letter) -> Iterator[Finding]:
    """ECO.2.2.1."""
    values = letter.raw("message-id")
    if not values:
        yield _MESSAGE_ID.fails(
            "en-tête", "Pas de Message-ID.", "Donner à chaque message un Message-ID unique au monde."
        )
    elif len(values) > 1 or _MSG_ID.fullmatch(unfold(values[0])) is None:
        yield _MESSAGE_ID.fails(
            "Message-ID",
            "Le Message-ID n'a pas la forme <gauche@droite>.",
            "Écrire un seul <gauche@domaine>.",
        )
    else:
        yield _MESSAGE_ID.holds("Message-ID", "Présent et bien formé.")


# ref: ECO.2.2.2
def thread(letter: Letter) -> Iterator[Finding]:
    """ECO.2.2.2."""
    said = letter.subject
    present = [name for name in ("in-reply-to", "references") if letter.raw(name)]
    broken = [name for name in present if not _are_ids(unfold(letter.raw(name)[0]))]
    for name in broken:
        yield _THREAD.fails(
            _shown(name),
            "Ce champ ne contient pas que des <identifiants>.",
            "Reprendre les Message-ID tels quels.",
        )
    if said.is_answer or said.replaces:
        what = "Un message qui en remplace un autre" if said.replaces else "Une réponse"
        missing = [_shown(name) for name in ("in-reply-to", "references") if name not in present]
        if missing:
            yield _THREAD.fails(
                "en-tête",
                f"{what} sans {' ni '.join(missing)}.",
                "Reprendre le Message-ID du message d'origine dans In-Reply-To et References.",
                None if len(missing) == 2 else Weight.RECOMMENDED,
            )
        elif not broken:
            yield _THREAD.holds("In-Reply-To, References", f"{what}, avec le lien vers son message.")
    elif not present:
        yield _THREAD.not_applicable("Le message n'est pas une réponse.")
    elif not broken:
        yield _THREAD.holds(", ".join(map(_shown, present)), "Bien formé.")


def _are_ids(value: bytes) -> bool:
    ids = value.split()
    return bool(ids) and all(_MSG_ID.fullmatch(each) for each in ids)


# ref: AMBU.MSS/va1.02
def replacement(letter: Letter) -> Iterator[Finding]:
    """AMBU.MSS/va1.02: a replacement is tied to what it replaces by the threading fields alone."""
    if not letter.subject.replaces:
        yield _REPLACES.not_applicable("L'objet n'annonce pas de remplacement.")
    elif not letter.raw("in-reply-to") and not letter.raw("references"):
        yield _REPLACES.fails(
            "en-tête",
            "« [Annule et remplace] » sans lien vers le message remplacé.",
            "Mettre le Message-ID du message remplacé dans In-Reply-To et References.",
        )
    else:
        yield _REPLACES.holds("Subject, In-Reply-To", "Le message remplacé est désigné.")


def required(letter: Letter) -> Iterator[Finding]:
    """RFC 5322 §3.6: Date and a recipient, and no field twice."""
    fine = True
    dates = letter.raw("date")
    if not dates or parse_date(unfold(dates[0])) is None:
        fine = False
        yield _FIELDS.fails(
            "Date",
            "Pas de date lisible." if dates else "Pas de champ Date.",
            "Écrire la date comme RFC 5322 §3.3.",
        )
    for name in _ONCE:
        count = len(letter.raw(name))
        if count > 1:
            fine = False
            yield _FIELDS.fails(_shown(name), f"Ce champ est écrit {count} fois.", "Ne l'écrire qu'une fois.")
    if not any(letter.raw(name) for name in ("to", "cc", "bcc")):
        fine = False
        yield _FIELDS.fails(
            "en-tête", "Aucun destinataire (To, Cc).", "Nommer le destinataire dans To.", Weight.RECOMMENDED
        )
    if not letter.raw("subject"):
        fine = False
        yield _FIELDS.fails("en-tête", "Pas d'objet (Subject).", "Écrire un objet.", Weight.RECOMMENDED)
    if fine:
        yield _FIELDS.holds("en-tête", "Date, destinataire et objet présents, chaque champ une fois.")


# ref: ECO.2.3.1, ECO.3.1.6
def receipts(letter: Letter) -> Iterator[Finding]:
    """ECO.2.3.1, ECO.3.1.6: what is asked for, and how (RFC 8098 §2.1)."""
    asked = letter.raw("disposition-notification-to")
    if not asked:
        yield _RECEIPTS.not_applicable(
            "Aucun avis demandé ; la demande d'accusé de remise (DSN) est dans l'enveloppe, pas dans le message."
        )
        yield _MDN.not_applicable("Pas de Disposition-Notification-To.")
        return
    place = "Disposition-Notification-To"
    yield _RECEIPTS.holds(place, "Un avis de lecture ou de traitement est demandé.")
    addresses = [Address.parse(each.address) for each in letter.mailboxes("disposition-notification-to")]
    if len(asked) > 1 or len(addresses) != 1 or addresses[0] is None:
        yield _MDN.fails(
            place, "Ce champ ne nomme pas une seule adresse.", "Y mettre l'adresse de l'expéditeur, seule."
        )
        return
    path = letter.raw("return-path")
    if path:
        origin, expected = (
            "Return-Path",
            Address.parse(unfold(path[0]).decode("utf-8", "replace").strip(" <>")),
        )
    else:
        origin, expected = (
            "From",
            Address.parse(letter.sender.address) if letter.sender is not None else None,
        )
    if expected is None or str(expected) != str(addresses[0]):
        yield _MDN.fails(
            place,
            f"L'adresse n'est pas celle de {origin} : aucun avis ne partira sans l'accord du destinataire.",
            "Demander l'avis à l'adresse qui envoie.",
            Weight.RECOMMENDED,
        )
    else:
        yield _MDN.holds(place, f"Une adresse, celle de {origin}.")


def _shown(name: str) -> str:
    return "-".join(_CAPITALS.get(word, word.capitalize()) for word in name.split("-"))
