"""What the pages of the record say in French: states of documents, what was done and how, why it was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dmp_bridge.dossier.care_desk import DECLARE_ATTENDING
from dmp_bridge.dossier.consents import ConsentKind
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.life import Change, Status
from dmp_bridge.dossier.minority import GuardianshipKind
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.record import Origin
from dmp_bridge.rights.vocabulary import Action, Mode, OwnAct, Reason, Role
from dmp_bridge.visibility import Visibility

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dmp_bridge.dossier.traces import Trace
    from dmp_bridge.record import Document

STATUSES: Final[Mapping[Status, str]] = {
    Status.APPROVED: "version actuelle",
    Status.DEPRECATED: "ancienne version obsolète",
    Status.ARCHIVED: "archivé",
    Status.DELETED: "supprimé",
}
VISIBILITIES: Final[Mapping[Visibility, str]] = {
    Visibility.MASKED: "masqué aux professionnels de santé",
    Visibility.UNSEEN: "non visible par le patient",
    Visibility.UNSEEN_BY_REPRESENTATIVES: "non visible par les représentants légaux",
}
MODES: Final[Mapping[Mode, str]] = {
    Mode.NORMAL: "accès normal",
    Mode.BRIS_DE_GLACE: "bris de glace",
    Mode.CENTRE_15: "centre 15",
}
ROLES: Final[Mapping[Role, str]] = {
    Role.PATIENT: "patient",
    Role.REPRESENTATIVE: "représentant légal",
    Role.PROFESSIONAL: "professionnel de santé",
    Role.EMPLOYEE: "employé de la structure",
    Role.STRUCTURE: "structure",
    Role.OPERATOR: "opérateur",
}
RELATIONS: Final[Mapping[RelationKind, str]] = {
    RelationKind.ATTENDING: "médecin traitant",
    RelationKind.AUTHORISED: "autorisé",
    RelationKind.TEAM: "équipe de soins",
    RelationKind.BLOCKED: "bloqué",
}
ACTS: Final[Mapping[str, str]] = {
    Action.AUTHENTICATE: "Identification",
    Action.TEST_EXISTENCE: "Recherche du dossier",
    Action.DECLARE_AUTHORISED: "Autorisation déclarée",
    DECLARE_ATTENDING: "Médecin traitant déclaré",
    Action.WITHDRAW_AUTHORISATION: "Autorisation retirée",
    Action.CEASE_AS_ATTENDING: "Fin du suivi comme médecin traitant",
    Action.LIST_AUTHORISED_RECORDS: "Liste des dossiers autorisés",
    Action.FIND_WITHOUT_INS: "Recherche du dossier sans INS",
    Action.WEB_ACCESS: "Accès par le site",
    Action.READ_ADMINISTRATIVE: "Lecture de l’identité",
    Action.LIST_PROFESSIONALS: "Liste des professionnels autorisés ou bloqués",
    Action.FEED: "Dépôt d’un document",
    Action.FEED_AS_EMPLOYEE: "Dépôt d’un document pour la structure",
    Action.SEARCH: "Recherche de documents",
    Action.FIND_REFERENCE: "Recherche de la référence d’un document",
    Action.READ: "Lecture d’un document",
    Action.READ_MASKED: "Lecture d’un document masqué",
    Action.READ_UNSEEN_BY_PATIENT: "Lecture d’un document non visible par le patient",
    Action.READ_ARCHIVED: "Lecture d’un document archivé",
    Action.READ_FORMER: "Lecture d’une ancienne version",
    Action.READ_DELETED: "Lecture d’un document supprimé",
    Action.MASK: "Masquage d’un document",
    Action.UNMASK: "Démasquage d’un document",
    Action.SHOW_TO_PATIENT: "Document rendu visible au patient",
    Action.ARCHIVE: "Archivage d’un document",
    Action.UNARCHIVE: "Désarchivage d’un document",
    Action.DELETE: "Suppression d’un document",
    OwnAct.READ: "Lecture par le patient",
    OwnAct.FEED: "Dépôt par le patient",
    OwnAct.MASK: "Masquage d’un document",
    OwnAct.UNMASK: "Démasquage d’un document",
    OwnAct.REVEAL_TO_REPRESENTATIVES: "Document rendu visible aux représentants légaux",
    OwnAct.DELETE: "Suppression d’un document",
    OwnAct.BLOCK: "Blocage ou déblocage d’un professionnel",
    OwnAct.CONSENT: "Choix du patient",
    OwnAct.READ_TRACES: "Lecture des traces",
    OwnAct.EXPORT: "Export du dossier",
    f"note-{OwnAct.CONSENT}": "Volonté du patient notée",
    OwnAct.CLOSE: "Fermeture du dossier",
    OwnAct.REOPEN: "Réouverture du dossier",
    OwnAct.ASK_DELETION: "Demande de suppression du dossier",
    Change.SHOW_TO_PATIENT: "Document rendu visible au patient",
    Change.ARCHIVE: "Archivage d’un document",
    Change.UNARCHIVE: "Désarchivage d’un document",
    "list-consents": "Lecture des choix du patient",
    "list-professionals": "Liste des professionnels autorisés ou bloqués",
    "block": "Blocage d’un professionnel",
    "unblock": "Déblocage d’un professionnel",
    "set-attending": "Choix du médecin traitant",
    "authorise": "Professionnel autorisé par le patient",
    "read-preferences": "Lecture des préférences",
    "set-preferences": "Préférences du patient",
    "read-notices": "Lecture des notifications",
    "read-closing": "Lecture de l’état du dossier",
    "activate": "Activation du dossier",
    "end-representation": "Fin d’une représentation légale",
    **{f"consent-{kind}": "Choix du patient" for kind in ConsentKind},
    **{f"represent-{kind}": "Représentation légale déclarée" for kind in GuardianshipKind},
    **{f"withdraw-{kind}": "Autorisation retirée par le patient" for kind in RelationKind},
}
"""Every action of a trace: an Action, an OwnAct, a Change, or what the desks call a part of one."""


# ref: DMP-F18, DMP-F30
def states_of(document: Document) -> list[str]:
    """What must be told of a document beside its title; nothing of one that everybody reads."""
    told = [] if document.status is Status.APPROVED else [STATUSES[document.status]]
    told += [words for visibility, words in VISIBILITIES.items() if visibility in document.visibilities]
    if document.origin is Origin.PATIENT:
        told.append("déposé par le patient")
    return told


def act_of(trace: Trace) -> str:
    """What was done, or asked."""
    return ACTS.get(trace.action, trace.action)


def refusal_of(trace: Trace) -> str:
    """Why it was refused; empty where it was done."""
    found = next((each for each in Reason if each.value == trace.outcome), None)
    return DENIALS[found].sentence if found is not None else ""
