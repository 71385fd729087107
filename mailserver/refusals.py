"""Every refusal the mail server can utter, in one table: reply, French sentence, what to do about it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PUNCTUATION = str.maketrans(
    {"’": "'", "‘": "'", "«": '"', "»": '"', "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "œ": "oe"}
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason to say no.

    `reply` is the SMTP reply code (RFC 5321 §4.2), `enhanced` the status code of RFC 3463; `sentence` says
    what happened and `advice` what the person can do, both in French.
    """

    code: str
    reply: int
    enhanced: str
    sentence: str
    advice: str

    @property
    def is_temporary(self) -> bool:
        """True when the very same attempt may succeed later (RFC 5321 §4.2.1, 4yz)."""
        return self.reply < 500

    @property
    def smtp_text(self) -> str:
        """The text after the reply code, in 7-bit characters because not every client speaks SMTPUTF8."""
        return f"{self.enhanced} {self.code} {_ascii(self.sentence)}"


def _ascii(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.translate(_PUNCTUATION))
    return decomposed.encode("ascii", "ignore").decode("ascii")


# Signing in -------------------------------------------------------------------------------------------------

NOT_SIGNED_IN = Refusal(
    "MSS-101",
    530,
    "5.7.0",
    "Authentification requise.",
    "Connectez-vous avec l'adresse et le mot de passe de votre boîte avant d'envoyer.",
)
WRONG_PASSWORD = Refusal(
    "MSS-102",
    535,
    "5.7.8",
    "Adresse ou mot de passe incorrect.",
    "Vérifiez l'adresse et le mot de passe enregistrés dans votre logiciel de messagerie.",
)
LOCKED_OUT = Refusal(
    "MSS-103",
    454,
    "4.7.0",
    "Trop d'essais de connexion manqués, connexion suspendue quelques minutes.",
    "Attendez un quart d'heure, puis vérifiez le mot de passe avant de réessayer.",
)
ACCOUNT_SUSPENDED = Refusal(
    "MSS-104",
    535,
    "5.7.13",
    "Cette boîte aux lettres est suspendue.",
    "Demandez à votre opérateur de messagerie de la rétablir.",
)
TLS_REQUIRED = Refusal(
    "MSS-105",
    530,
    "5.7.0",
    "Connexion chiffrée requise.",
    "Activez STARTTLS ou TLS dans votre logiciel de messagerie.",
)
TOO_MANY_CONNECTIONS = Refusal(
    "MSS-106",
    421,
    "4.7.0",
    "Trop de connexions ouvertes.",
    "Réessayez dans quelques minutes.",
)

# Recipients -------------------------------------------------------------------------------------------------

UNKNOWN_MAILBOX = Refusal(
    "MSS-110",
    550,
    "5.1.1",
    "Aucune boîte aux lettres ne porte cette adresse.",
    "Vérifiez l'adresse du destinataire dans l'Annuaire Santé.",
)
MAILBOX_SUSPENDED = Refusal(
    "MSS-111",
    550,
    "5.2.1",
    "La boîte aux lettres du destinataire est suspendue.",
    "Joignez le destinataire par un autre moyen ou cherchez son autre adresse dans l'Annuaire Santé.",
)
MAILBOX_CLOSED = Refusal(
    "MSS-112",
    550,
    "5.2.1",
    "La boîte aux lettres du destinataire est fermée.",
    "Cherchez l'adresse actuelle du destinataire dans l'Annuaire Santé.",
)
UNKNOWN_PATIENT = Refusal(
    "MSS-113",
    550,
    "5.1.1",
    "Patient non trouvé.",
    "Vérifiez le matricule INS qualifié du patient, puis remettez le document par un autre moyen.",
)
PATIENT_BOX_CLOSED = Refusal(
    "MSS-114",
    550,
    "5.1.1",
    "La messagerie de l'usager est fermée.",
    "L'usager s'est opposé à Mon espace santé ou l'a fermé : remettez le document par un autre moyen.",
)
INVALID_PATIENT_ADDRESS = Refusal(
    "MSS-115",
    553,
    "5.1.3",
    "Adresse d'usager invalide.",
    "L'adresse d'un usager est son matricule INS de 15 caractères suivi du domaine des usagers.",
)
INVALID_ADDRESS = Refusal(
    "MSS-116",
    553,
    "5.1.3",
    "Adresse invalide.",
    "Écrivez l'adresse sous la forme nom@domaine, sans commentaire ni route.",
)
RELAY_DENIED = Refusal(
    "MSS-117",
    550,
    "5.7.1",
    "Ce domaine n'est pas hébergé ici, relais refusé.",
    "Envoyez le message à l'opérateur du domaine destinataire.",
)
DOMAIN_NOT_REACHABLE = Refusal(
    "MSS-118",
    550,
    "5.1.2",
    "Le domaine du destinataire n'est pas joignable par la messagerie sécurisée de santé.",
    "Vérifiez l'adresse : seules les adresses de l'espace de confiance MSSanté peuvent être écrites.",
)
TOO_MANY_RECIPIENTS = Refusal(
    "MSS-119",
    452,
    "4.5.3",
    "Trop de destinataires pour un seul message.",
    "Partagez l'envoi en plusieurs messages.",
)

# Senders ----------------------------------------------------------------------------------------------------

SENDER_NOT_OWNED = Refusal(
    "MSS-120",
    550,
    "5.7.1",
    "L'adresse d'expédition n'est pas une boîte de la personne connectée.",
    "Choisissez dans votre logiciel l'adresse de la boîte avec laquelle vous êtes connecté.",
)
FROM_NOT_OWNED = Refusal(
    "MSS-121",
    550,
    "5.7.1",
    "Le champ From ou Sender nomme une boîte qui n'est pas celle de la personne connectée.",
    "Choisissez comme expéditeur l'adresse de la boîte avec laquelle vous êtes connecté.",
)
SEVERAL_FROM = Refusal(
    "MSS-122",
    550,
    "5.6.0",
    "Le message porte plusieurs champs From ou Sender.",
    "Signalez-le à l'éditeur de votre logiciel : un message a un seul champ From.",
)
NO_FROM = Refusal(
    "MSS-123",
    550,
    "5.6.0",
    "Le message ne porte pas d'expéditeur lisible dans le champ From.",
    "Signalez-le à l'éditeur de votre logiciel : un message doit avoir un champ From.",
)
FOREIGN_SENDER_EXPECTED = Refusal(
    "MSS-124",
    550,
    "5.7.1",
    "Un expéditeur hébergé ici doit se connecter pour envoyer.",
    "Envoyez par le service de soumission, après vous être authentifié.",
)

# The message itself -----------------------------------------------------------------------------------------

TOO_BIG = Refusal(
    "MSS-130",
    552,
    "5.3.4",
    "La taille du message dépasse la limite autorisée (vers un patient : 25 Mo en tout).",
    "Réduisez les pièces jointes ou partagez l'envoi en plusieurs messages.",
)
TOO_MANY_HOPS = Refusal(
    "MSS-131",
    554,
    "5.4.6",
    "Le message est passé par trop de serveurs, il tourne sans doute en rond.",
    "Vérifiez les transferts automatiques entre boîtes.",
)
MALFORMED_MESSAGE = Refusal(
    "MSS-132",
    550,
    "5.6.0",
    "Le message n'est pas écrit selon les normes (RFC 5322).",
    "Signalez-le à l'éditeur de votre logiciel.",
)
NO_RECIPIENT = Refusal(
    "MSS-133",
    554,
    "5.5.1",
    "Le message n'a aucun destinataire.",
    "Indiquez au moins un destinataire.",
)
BARE_LINE_END = Refusal(
    "MSS-134",
    550,
    "5.6.0",
    "Le message contient un retour chariot ou un saut de ligne isolé, qui pourrait cacher un autre message.",
    "Signalez-le à l'éditeur de votre logiciel : les lignes finissent par CR LF (RFC 5321 §2.3.8).",
)
NUL_IN_MESSAGE = Refusal(
    "MSS-135",
    550,
    "5.6.0",
    "Le message contient des octets nuls : ce n'est pas un courriel.",
    "Joignez les fichiers binaires en base64.",
)
LONG_LINE = Refusal(
    "MSS-136",
    550,
    "5.6.0",
    "Une ligne du message dépasse 8192 octets.",
    "Signalez-le à l'éditeur de votre logiciel : une ligne a 998 octets au plus (RFC 5322 §2.1.1).",
)

# Patients ---------------------------------------------------------------------------------------------------

PATIENT_MAY_NOT_BEGIN = Refusal(
    "MSS-140",
    550,
    "5.7.1",
    "Pour contacter ce professionnel, il doit d'abord vous écrire ; vous pourrez ensuite lui répondre.",
    "Demandez au professionnel de vous écrire, ou joignez-le par téléphone.",
)
PATIENT_TO_PATIENT = Refusal(
    "MSS-141",
    550,
    "5.7.1",
    "Un usager ne peut pas écrire à un autre usager.",
    "Cette messagerie sert aux échanges avec les professionnels de santé.",
)
EXCHANGE_ENDED = Refusal(
    "MSS-142",
    550,
    "5.7.1",
    "Le professionnel a mis fin à vos échanges.",
    "Vous pourrez de nouveau lui répondre s'il vous écrit ; sinon joignez-le par téléphone.",
)
REPLY_NOT_ALLOWED = Refusal(
    "MSS-143",
    550,
    "5.7.1",
    "Ce message n'autorise pas la réponse.",
    "Joignez le professionnel par un autre moyen.",
)
UNKNOWN_CONVERSATION = Refusal(
    "MSS-144",
    550,
    "5.1.1",
    "Cette conversation n'existe pas.",
    "Revenez à la liste de vos conversations.",
)
FORBIDDEN_ATTACHMENT = Refusal(
    "MSS-145",
    550,
    "5.7.1",
    "Ce type de pièce jointe n'est pas accepté.",
    "Joignez des fichiers jpg, jpeg, tiff, png, txt, pdf, rtf ou doc.",
)
ATTACHMENTS_TOO_BIG = Refusal(
    "MSS-146",
    552,
    "5.3.4",
    "La taille du ou des documents dépasse la limite autorisée.",
    "Retirez des documents : l'envoi complet ne doit pas dépasser 25 Mo.",
)
EMPTY_ANSWER = Refusal(
    "MSS-147",
    550,
    "5.6.0",
    "Votre réponse est vide.",
    "Écrivez un texte ou joignez un document.",
)

# The server -------------------------------------------------------------------------------------------------

INTERNAL = Refusal(
    "MSS-190",
    451,
    "4.3.0",
    "Incident technique, le message n'a pas été pris.",
    "Réessayez dans quelques minutes ; si l'incident dure, prévenez votre opérateur de messagerie.",
)

REFUSALS: Mapping[str, Refusal] = MappingProxyType(
    {value.code: value for value in tuple(globals().values()) if isinstance(value, Refusal)}
)
"""Every refusal by its code, in the order of the codes."""
