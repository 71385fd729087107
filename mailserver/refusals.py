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

TOO_MANY_MESSAGES = Refusal(
    "MSS-107",
    450,
    "4.7.1",
    "Trop de messages envoyés en peu de temps.",
    "Réessayez dans une minute ; pour un envoi régulier en nombre, voyez votre opérateur de messagerie.",
)

APPLICATION_NEEDED = Refusal(
    "MSS-108",
    534,
    "5.7.9",
    "Le mot de passe de cette boîte n'ouvre pas la messagerie dans un logiciel.",
    "Créez un mot de passe d'application dans votre espace professionnel, ou connectez-vous par Pro Santé Connect.",
)
APPLICATION_OUT_OF_SCOPE = Refusal(
    "MSS-109",
    535,
    "5.7.8",
    "Ce mot de passe d'application n'ouvre pas ce service.",
    "Créez un mot de passe d'application pour ce service dans votre espace professionnel.",
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

# Between operators ------------------------------------------------------------------------------------------
# Of a peer that comes to us, and of the server we bring mail to: the sentences hold for both. The advice is for who
# wrote the message, then for the operator whose certificate it is, on whichever side that one is.

NO_CERTIFICATE = Refusal(
    "MSS-150",
    530,
    "5.7.0",
    "L'autre opérateur n'a présenté aucun certificat.",
    "Joignez le destinataire par un autre moyen et prévenez votre opérateur ; "
    "l'opérateur en cause doit présenter son certificat IGC-Santé inscrit en liste blanche.",
)
CERTIFICATE_UNTRUSTED = Refusal(
    "MSS-151",
    554,
    "5.7.5",
    "Le certificat de l'autre opérateur ne vient pas d'une autorité reconnue.",
    "Joignez le destinataire par un autre moyen et prévenez votre opérateur ; "
    "l'opérateur en cause doit présenter un certificat IGC-Santé Élémentaire Organisations avec sa chaîne complète.",
)
CERTIFICATE_EXPIRED = Refusal(
    "MSS-152",
    554,
    "5.7.5",
    "Le certificat de l'autre opérateur a expiré ou n'est pas encore valable.",
    "Joignez le destinataire par un autre moyen et prévenez votre opérateur ; "
    "l'opérateur en cause doit renouveler son certificat IGC-Santé.",
)
CERTIFICATE_REVOKED = Refusal(
    "MSS-153",
    554,
    "5.7.5",
    "Le certificat de l'autre opérateur est révoqué.",
    "Joignez le destinataire par un autre moyen et prévenez votre opérateur ; "
    "l'opérateur en cause doit obtenir un nouveau certificat IGC-Santé.",
)
REVOCATION_UNKNOWN = Refusal(
    "MSS-154",
    454,
    "4.7.5",
    "La révocation des certificats ne peut pas être vérifiée, la liste de révocation est trop ancienne.",
    "L'envoi sera réessayé ; en cas d'urgence, joignez le destinataire par un autre moyen. "
    "L'opérateur qui vérifie doit rétablir la récupération de la liste de révocation (CRL).",
)
CERTIFICATE_USAGE = Refusal(
    "MSS-155",
    554,
    "5.7.5",
    "Le certificat de l'autre opérateur n'est pas fait pour cet usage.",
    "Joignez le destinataire par un autre moyen et prévenez votre opérateur ; "
    "l'opérateur en cause doit présenter un certificat IGC-Santé de serveur, valable aussi comme client TLS.",
)
CERTIFICATE_NOT_LISTED = Refusal(
    "MSS-156",
    554,
    "5.7.1",
    "Le nom (DN) du certificat de l'autre opérateur n'est pas en liste blanche.",
    "Joignez le destinataire par un autre moyen et prévenez votre opérateur ; "
    "l'opérateur en cause doit faire inscrire son certificat en liste blanche, à l'identique.",
)
DOMAIN_NOT_OF_PEER = Refusal(
    "MSS-157",
    550,
    "5.7.1",
    "Le certificat de l'autre opérateur n'est pas inscrit en liste blanche pour ce domaine.",
    "Joignez le destinataire par un autre moyen et prévenez votre opérateur ; "
    "l'opérateur en cause doit faire inscrire son certificat pour ce domaine, ou présenter le bon.",
)
SENDER_DOMAIN_NOT_LISTED = Refusal(
    "MSS-158",
    550,
    "5.7.1",
    "Le domaine de l'expéditeur n'est pas en liste blanche.",
    "Seuls les domaines de l'espace de confiance MSSanté peuvent écrire ici.",
)
AUTHOR_NOT_OF_PEER = Refusal(
    "MSS-159",
    550,
    "5.7.1",
    "Le champ From nomme un domaine pour lequel le certificat présenté n'est pas inscrit.",
    "L'auteur du message doit appartenir à un domaine de l'opérateur qui l'envoie.",
)
NO_MAIL_SERVER = Refusal(
    "MSS-160",
    550,
    "5.4.4",
    "Aucun serveur de messagerie n'est déclaré pour le domaine du destinataire.",
    "Vérifiez l'adresse dans l'Annuaire Santé ; sinon prévenez l'opérateur du destinataire.",
)
UNREACHABLE = Refusal(
    "MSS-161",
    450,
    "4.4.1",
    "Le serveur du destinataire ne répond pas.",
    "L'envoi sera réessayé ; en cas d'urgence, joignez le destinataire par un autre moyen.",
)
PEER_WITHOUT_TLS = Refusal(
    "MSS-162",
    554,
    "5.7.10",
    "Le serveur du destinataire ne propose pas de connexion chiffrée, rien ne lui a été envoyé.",
    "Joignez le destinataire par un autre moyen et signalez-le à son opérateur.",
)
PEER_REFUSED = Refusal(
    "MSS-163",
    550,
    "5.0.0",
    "Le serveur du destinataire a refusé le message.",
    "Vérifiez l'adresse et le message ; s'ils sont justes, joignez le destinataire par un autre moyen "
    "et montrez la réponse de ce serveur à votre opérateur.",
)
PEER_DEFERRED = Refusal(
    "MSS-164",
    450,
    "4.0.0",
    "Le serveur du destinataire ne prend pas le message pour l'instant.",
    "L'envoi sera réessayé ; en cas d'urgence, joignez le destinataire par un autre moyen.",
)
QUEUE_EXPIRED = Refusal(
    "MSS-165",
    550,
    "5.4.7",
    "Le message n'a pas pu être remis dans le délai, il n'est plus réessayé.",
    "Joignez le destinataire par un autre moyen, ou renvoyez le message plus tard.",
)
PEER_GARBLED = Refusal(
    "MSS-166",
    451,
    "4.5.0",
    "Le serveur du destinataire ne suit pas le protocole SMTP.",
    "L'envoi sera réessayé ; signalez-le à l'opérateur du destinataire si cela dure.",
)
DROPPED_BY_OPERATOR = Refusal(
    "MSS-167",
    550,
    "5.7.0",
    "L'opérateur a retiré ce message de la file d'envoi.",
    "Demandez-en la raison à votre opérateur de messagerie.",
)
PEER_LACKS_UTF8 = Refusal(
    "MSS-168",
    550,
    "5.6.7",
    "Le serveur du destinataire n'accepte pas les adresses écrites hors de l'ASCII.",
    "Écrivez à une adresse sans lettre accentuée.",
)
TRUST_UNAVAILABLE = Refusal(
    "MSS-169",
    451,
    "4.7.0",
    "La liste blanche n'est pas disponible, aucun échange entre opérateurs n'est possible.",
    "Réessayez plus tard ; votre opérateur doit rétablir la liste blanche.",
)

# Room -------------------------------------------------------------------------------------------------------

MAILBOX_FULL = Refusal(
    "MSS-170",
    552,
    "5.2.2",
    "La boîte aux lettres du destinataire est pleine.",
    "Joignez le destinataire par un autre moyen ; "
    "il doit supprimer des messages ou demander plus de place à son opérateur.",
)

# Tokens and certificates ------------------------------------------------------------------------------------

TOKEN_REFUSED = Refusal(
    "MSS-180",
    535,
    "5.7.8",
    "Jeton Pro Santé Connect refusé ou expiré.",
    "Renouvelez le jeton une fois, puis vérifiez que la boîte demandée est la vôtre ou vous est déléguée.",
)
TOKEN_UNVERIFIABLE = Refusal(
    "MSS-181",
    454,
    "4.7.0",
    "Pro Santé Connect ne répond pas, le jeton ne peut pas être vérifié.",
    "Réessayez dans quelques minutes.",
)
CERTIFICATE_REFUSED = Refusal(
    "MSS-182",
    535,
    "5.7.8",
    "Ce certificat n'ouvre pas cette boîte aux lettres.",
    "Présentez le certificat IGC Santé que votre opérateur a rattaché à la boîte.",
)

NO_BOX_OF_YOURS = Refusal(
    "MSS-183",
    535,
    "5.7.8",
    "Aucune boîte aux lettres de cet opérateur n'est à votre nom ni ne vous est déléguée.",
    "Demandez une boîte à votre opérateur, ou une délégation au responsable de la boîte de votre service.",
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
