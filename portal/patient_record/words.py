"""What the pages of patients say: acts on a document, why one is refused, choices, and what is told of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dmp_bridge.dossier.consents import Consent, ConsentKind
from dmp_bridge.dossier.life import Change
from dmp_bridge.dossier.notices import NoticeEvent
from dmp_bridge.dossier.telling import SENTENCES
from dmp_bridge.rights.vocabulary import Reason
from portal.record_acts import Act

if TYPE_CHECKING:
    from collections.abc import Mapping

REFUSALS: Final[Mapping[Reason, str]] = {
    Reason.NO_RECORD: "Ce dossier n’est pas ouvert, ou vous ne le représentez plus.",
    Reason.ROLE: "Cela n’est possible qu’au titulaire du dossier.",
    Reason.NOT_OWN: "Ce document n’est pas de vous : vous pouvez le masquer, mais pas le supprimer.",
    Reason.COMBINATION: "Ce document n’est pas encore annoncé : il ne peut pas être masqué.",
    Reason.STATE: "Ce document a été remplacé, archivé ou supprimé entre-temps.",
    Reason.STALE: "Ce document a changé entre-temps : relisez-le, puis recommencez.",
    Reason.DUPLICATE: "Ce document a déjà été ajouté.",
    Reason.INVALID: "Ce qui a été envoyé n’est pas recevable.",
}
"""To whom it concerns; what is not here is said to everybody alike (`denials.py`)."""

# ref: DMP-F36, DMP-F38
ACTS: Final[Mapping[str, Act]] = {
    "masquer": Act(
        change=Change.MASK,
        name="Masquer aux professionnels",
        effect=(
            "Les professionnels de santé ne verront plus ce document, hormis son auteur et votre médecin traitant, "
            "et en urgence si vous l’avez permis. Vous le voyez toujours, et vous pourrez le démasquer."
        ),
        done="Le document est masqué aux professionnels de santé.",
    ),
    "demasquer": Act(
        change=Change.UNMASK,
        name="Montrer aux professionnels",
        effect="Les professionnels autorisés à consulter le dossier verront de nouveau ce document.",
        done="Le document n’est plus masqué.",
    ),
    "montrer-aux-representants": Act(
        change=Change.REVEAL_TO_REPRESENTATIVES,
        name="Montrer à mes représentants légaux",
        effect=(
            "Vos représentants légaux verront ce document. C’est définitif : il ne pourra plus leur être caché."
        ),
        done="Le document est visible par vos représentants légaux.",
        is_final=True,
    ),
    "archiver": Act(
        change=Change.ARCHIVE,
        name="Archiver",
        effect="Le document ne sera plus affiché que sur demande. Vous pourrez le désarchiver.",
        done="Le document est archivé.",
    ),
    "desarchiver": Act(
        change=Change.UNARCHIVE,
        name="Désarchiver",
        effect="Le document sera de nouveau affiché dans la liste.",
        done="Le document n’est plus archivé.",
    ),
    "supprimer": Act(
        change=Change.DELETE,
        name="Supprimer",
        effect="Le document ne sera plus affiché, ni pour vous ni pour les professionnels. C’est définitif.",
        done="Le document est supprimé.",
        is_final=True,
    ),
}
"""By the last word of the address."""

EVENTS: Final[Mapping[NoticeEvent, str]] = {
    **SENTENCES,
    NoticeEvent.RECORD_CLOSED: "Le dossier a été fermé.",
}
KINDS: Final[Mapping[ConsentKind, str]] = {
    ConsentKind.INFORMATION: "Information avant l’alimentation",
    ConsentKind.FEEDING: "Alimentation",
    ConsentKind.CONSULTATION: "Consultation",
    ConsentKind.CENTRE_15: "Accès du centre 15 (SAMU)",
    ConsentKind.BRIS_DE_GLACE: "Accès d’un autre professionnel en urgence (bris de glace)",
    ConsentKind.MASKED_IN_EMERGENCY: "Documents masqués, en urgence",
}
VALUES: Final[Mapping[Consent, str]] = {
    Consent.TOLD: "informé",
    Consent.NOT_OPPOSED: "pas d’opposition",
    Consent.OPPOSED: "opposition",
    Consent.CONSENTS: "consentement",
    Consent.CONSENTS_NOT: "refus",
    Consent.NOT_ASKED: "non demandé",
    Consent.PERMIT: "autorisé",
    Consent.DENY: "refusé",
}
