"""Every refusal of the desk in one table: its HTTP status, its XDS error, what a person is told and can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmp_bridge.rights.vocabulary import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping


# ref: DMP-F35
@dataclass(frozen=True, slots=True)
class Denial:
    """How a refusal is told: `xds_error` is a code of IHE ITI TF-3 table 4.2.4.1-2, the sentences are French."""

    http: int
    xds_error: str
    sentence: str
    advice: str


_NO_DOCUMENT = Denial(
    404,
    "XDSDocumentUniqueIdError",
    "Ce document n'existe pas, ou vous n'y avez pas accès.",
    "Vérifiez l'identifiant du document, ou demandez au patient de vous y autoriser.",
)

DENIALS: Mapping[Reason, Denial] = {
    Reason.NO_RECORD: Denial(
        404,
        "XDSUnknownPatientId",
        "Aucun dossier n'est ouvert pour cet INS.",
        "Vérifiez l'INS ; adressez le document au patient par un autre moyen.",
    ),
    Reason.FEEDING_OPPOSED: Denial(
        403,
        "XDSRegistryError",
        "Le patient s'est opposé, pour un motif légitime, à l'alimentation de son dossier.",
        "Ne déposez pas ce document ; remettez-le au patient par un autre moyen.",
    ),
    Reason.BLOCKED: Denial(
        403,
        "XDSRegistryError",
        "Le patient vous a bloqué l'accès à son dossier.",
        "Parlez-en avec le patient : lui seul peut lever ce blocage.",
    ),
    Reason.NOT_AUTHORISED: Denial(
        403,
        "XDSRegistryError",
        "Vous n'êtes pas autorisé à consulter ce dossier.",
        "Recueillez le consentement du patient, puis déclarez-vous autorisé.",
    ),
    Reason.EMERGENCY_OPPOSED: Denial(
        403,
        "XDSRegistryError",
        "Le patient s'est opposé à l'accès à son dossier en urgence.",
        "Soignez le patient sans son dossier.",
    ),
    Reason.MOTIVE_MISSING: Denial(
        403,
        "XDSRegistryError",
        "L'accès en urgence demande un motif.",
        "Écrivez pourquoi vous accédez à ce dossier : le patient le lira.",
    ),
    Reason.ROLE: Denial(
        403,
        "XDSRegistryError",
        "Votre rôle ne permet pas cette action.",
        "Adressez-vous au médecin traitant ou à l'auteur du document.",
    ),
    Reason.PROFESSION: Denial(
        403,
        "XDSRegistryError",
        "Votre profession ne permet pas de consulter ce type de document.",
        "Adressez-vous à son auteur ou à un médecin qui suit le patient.",
    ),
    Reason.MASKED: _NO_DOCUMENT,
    Reason.UNSEEN: _NO_DOCUMENT,
    Reason.UNSEEN_BY_REPRESENTATIVES: _NO_DOCUMENT,
    Reason.NOT_OWN: Denial(
        403,
        "XDSRegistryError",
        "Ce document n'est ni de vous ni de votre structure.",
        "Adressez-vous à l'auteur du document.",
    ),
    Reason.IRREVERSIBLE: Denial(
        422,
        "XDSMetadataUpdateError",
        "Un document rendu visible ne peut plus être caché.",
        "Il n'y a rien à faire : ce choix est définitif.",
    ),
    Reason.COMBINATION: Denial(
        422,
        "XDSRegistryMetadataError",
        "Un document ne peut pas être à la fois masqué aux professionnels et invisible au patient.",
        "Choisissez l'une des deux visibilités.",
    ),
    Reason.UNSEEN_ONLY: Denial(
        422,
        "XDSRegistryMetadataError",
        "En connexion secrète, seuls des documents invisibles aux représentants légaux sont déposés.",
        "Déposez le document invisible aux représentants légaux.",
    ),
    Reason.STATE: Denial(
        409,
        "XDSMetadataUpdateError",
        "L'état du document ne permet pas cette action.",
        "Relisez le document : il a été remplacé, archivé ou supprimé.",
    ),
    Reason.STALE: Denial(
        412,
        "XDSMetadataVersionError",
        "Le document a changé entre-temps.",
        "Relisez le document, puis recommencez.",
    ),
    Reason.NO_DOCUMENT: _NO_DOCUMENT,
    Reason.DUPLICATE: Denial(
        409,
        "XDSDuplicateUniqueIdInRegistry",
        "Cette version du document, ou ce lot, a déjà été déposé avec un autre contenu.",
        "Déposez une nouvelle version, sous un nouvel identifiant.",
    ),
    Reason.OTHER_CONTENT: Denial(
        409,
        "XDSNonIdenticalHash",
        "Un autre document porte déjà cet identifiant.",
        "Donnez au document un identifiant qui lui soit propre.",
    ),
    Reason.INTEGRITY: Denial(
        422,
        "XDSRepositoryMetadataError",
        "La taille ou l'empreinte annoncée n'est pas celle du document reçu.",
        "Envoyez le document de nouveau.",
    ),
    Reason.OTHER_PATIENT: Denial(
        422,
        "XDSPatientIdDoesNotMatch",
        "L'identité portée par le document n'est pas celle du patient.",
        "Vérifiez l'identité du patient avant de déposer le document de nouveau.",
    ),
    Reason.INVALID: Denial(
        422,
        "XDSRegistryMetadataError",
        "Le document ou ce qui en est dit n'est pas recevable.",
        "Corrigez ce qui est indiqué, puis déposez le document de nouveau.",
    ),
}
"""One row for each Reason, and none besides (a test holds the two together)."""

UNTOLD = frozenset({Reason.MASKED, Reason.UNSEEN, Reason.UNSEEN_BY_REPRESENTATIVES})
"""Who is refused so must not know that there is such a document: it is told as one that is not there."""
