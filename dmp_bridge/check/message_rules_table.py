"""The rules that can be seen on a message, on a notification and on a transcript, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.check.report import Rule, Weight

if TYPE_CHECKING:
    from collections.abc import Mapping

_REF2 = "Référentiel #2 socle"
_MES = "Mon espace santé, intégration de la messagerie v1.3"

_MESSAGE = (
    Rule("ECO.2.1.1", "Un seul usager par message ; IHE_XDM.zip et copies PDF", f"{_REF2} §3.1.1"),
    Rule("ECO.2.1.3", "Objet XDM/1.0/DDM+<libellé> <NOM> <prénom>, date de naissance facultative", f"{_REF2} §3.1.3"),
    Rule("ECO.2.2.1", "Identifiant unique du message (Message-ID)", f"{_REF2}, MSS/va1.12"),
    Rule("ECO.2.2.2", "Fil de discussion (In-Reply-To, References)", f"{_REF2}, MSS/va1.08"),
    Rule("ECO.2.2.3", "Textes en UTF-8", _REF2),
    Rule("ECO.2.2.4", "Corps en text/plain ou multipart/alternative", f"{_REF2}, MSS/va1.11"),
    Rule("ECO.2.2.5", "Reply-To d'une boîte applicative (APP)", _REF2),
    Rule("ECO.2.2.6", "Adresse de l'usager faite de son INS qualifiée", f"{_REF2} §3.4.2"),
    Rule("ECO.2.2.7", "Libellé de l'expéditeur", f"{_REF2} §3.5, MSS/va1.16"),
    Rule("ECO.2.2.8", "X-MSS-MES: FIN, vers un usager seulement", f"{_REF2} §3.4.2.3"),
    Rule("ECO.2.3.1", "Demande d'accusés de réception et de lecture", f"{_REF2}, MSS/va1.15"),
    Rule("ECO.2.4.1", "X-MSS-CODECDA : le code de chaque CDA de l'archive", _REF2),
    Rule("ECO.2.4.2", "X-MSS-INS : O ou N, selon les documents", _REF2),
    Rule("ECO.2.4.3", "X-MSS-NIL : référence du logiciel, sur tous les messages", _REF2),
    Rule("ECO.3.1.5", "Clé du matricule INS de l'usager", f"{_REF2} §3.4.2.2, UX.32", Weight.RECOMMENDED),
    Rule("ECO.3.1.6", "Demande d'avis de lecture ou de traitement (MDN)", f"{_REF2}, MSS/va1.14, RFC 8098 §2.1"),
    Rule("MSS/va1.13", "Taille du message", f"REM MSS/va1.13 ; {_MES} §6"),
    Rule("AMBU.MSS/va1.02", "Annule et remplace, rattaché au message remplacé", "REM AMBU.MSS/va1.02"),
    Rule("MES.FIN", "Objet [FIN] exact pour clore un échange", f"{_MES} §7"),
    Rule("MES.INITIATIVE", "Un usager répond ; il n'écrit ni en premier, ni à un usager", _MES),
    Rule("MES.DESTINATAIRES", "Usager et professionnels dans des messages séparés", _MES, Weight.RECOMMENDED),
    Rule("REF1.DOMAINE", "Adresses de l'espace de confiance MSSanté", "Référentiel #1, liste blanche"),
    Rule("PJ.TYPE", "Pièces jointes lisibles, de type connu et bien nommées", _MES, Weight.RECOMMENDED),
    Rule("RFC5322.3.6", "En-têtes obligatoires, chacun une fois", "RFC 5322 §3.6"),
    Rule("RFC5322.3.6.2", "From, et Sender s'il y a plusieurs auteurs", "RFC 5322 §3.6.2"),
    Rule("RFC5322.2", "Lignes d'au plus 998 octets en CRLF, aucun octet nul, en-tête en ASCII", "RFC 5322 §2.1.1, §2.2, §2.3"),
    Rule("RFC2045", "Structure MIME bien formée", "RFC 2045, RFC 2046"),
)  # fmt: skip

_NOTIFICATION = (
    Rule("RFC6522", "Un rapport est un multipart/report complet", "RFC 6522 §3"),
    Rule("RFC8098.3", "Champs de l'avis (MDN)", "RFC 8098 §3"),
    Rule("ANS.KO", "Objet et code d'erreur d'un avis d'échec d'intégration", "ANS, intégration d'un document, PFI"),
    Rule("RFC3464.2", "Champs du rapport de remise (DSN)", "RFC 3464 §2"),
)  # fmt: skip

_TRANSCRIPT = (
    Rule("ECO.1.0.1", "SMTP (RFC 5321) et STARTTLS", f"{_REF2}, SC.MSS/CONF.05"),
    Rule("ECO.1.0.2", "IMAP4 (RFC 3501, RFC 9051) et STARTTLS", f"{_REF2}, SC.MSS/CONF.06"),
    Rule("ECO.1.2.1", "TLS, puis SASL XOAUTH2 avec un jeton Pro Santé Connect", f"{_REF2}, SC.MSS/CONF.07"),
    Rule("ECO.1.2.7", "Après le refus d'un jeton : un nouvel essai, jamais un mot de passe", f"{_REF2}, SC.MSS/CONF.11"),
    Rule("RFC1870", "Taille annoncée (SIZE)", "RFC 1870 §5", Weight.RECOMMENDED),
    Rule("RFC2177", "IDLE terminé par DONE", "RFC 2177 §3"),
)  # fmt: skip

MESSAGE_RULES: Mapping[str, Rule] = {rule.id: rule for rule in (*_MESSAGE, *_NOTIFICATION, *_TRANSCRIPT)}
