"""The professionals who can sign in, and what Pro Santé Connect tells of each: the claims of its userinfo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from directory.bals import BalState, bal, bals_of
from mailserver.store.acl import delegation
from vaguemestre.companions import cast_of
from vaguemestre.psc.issuer import ALL_CLAIMS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from vaguemestre.fictive import Professional, Structure

_IDENTITY = ("sub", "preferred_username", "SubjectNameID", "given_name", "family_name")
_REALM = "7f1b3c52-9a0e-4d64-8b57-2c6a90f4e813"  # stands where the real one names the source of its people
_PROFESSIONS = "1.2.250.1.213.1.1.5.5"
_SECTORS = "1.2.250.1.71.4.2.4"
_DOCTOR = "10"


@dataclass(frozen=True, slots=True)
class Listed:
    """A professional with the boxes of this operator that are theirs, and those they were let into."""

    username: str
    professional: Professional
    own: tuple[str, ...]
    opened: tuple[str, ...]


def people_of(home: Path) -> Mapping[str, Professional]:
    """The fictive professionals of a sandbox by user name, which is their IdNat_PS."""
    return {each.professional.idnat: each.professional for each in cast_of(home).bals if each.professional}


def listed(connection: Connection, people: Mapping[str, Professional]) -> list[Listed]:
    """The professionals with the boxes they may open as the database has them now."""
    return [
        Listed(username, professional, *_boxes(connection, username))
        for username, professional in people.items()
    ]


def _boxes(connection: Connection, idnat: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    own = [each for each in bals_of(connection, idnat) if each.state is BalState.ACTIVE]
    opened = connection.scalars(
        select(bal.c.address)
        .distinct()
        .join(delegation, delegation.c.owner_id == bal.c.owner_id)
        .where(delegation.c.member_id.in_([each.owner_id for each in own]), bal.c.state == BalState.ACTIVE)
        .order_by(bal.c.address)
    )
    return tuple(each.address for each in own), tuple(opened)


def claims_of(professional: Professional, scope: str) -> dict[str, Any]:
    """What a client learns under a scope: everything with `scope_all`, otherwise who it is."""
    claims = _claims(professional)
    if ALL_CLAIMS in scope.split():
        return claims
    return {name: claims[name] for name in _IDENTITY}


def _claims(professional: Professional) -> dict[str, Any]:
    structure = professional.structure
    return {
        "sub": f"f:{_REALM}:{professional.idnat}",
        "preferred_username": professional.idnat,
        "SubjectNameID": professional.idnat,
        "given_name": professional.first_name.capitalize(),
        "family_name": professional.last_name,
        "email_verified": False,
        "codeCivilite": professional.civility,
        "UITVersion": "1.0",
        "PSI_Locale": "1.2.250.1.213.1.3.1.1",
        "Palier_Authentification": "APPPRIP3^1.2.250.1.213.1.5.1.1.1",
        "Secteur_Activite": f"{structure.sector_code}^{_SECTORS}",
        "SubjectOrganization": structure.name,
        "SubjectOrganizationID": structure.technical_id,
        "SubjectRole": [f"{professional.profession_code}^{_PROFESSIONS}"],
        "Mode_Acces_Raison": "",
        "Acces_Regulation_Medicale": "FAUX",
        "codeGenreActivite": "GENR01",
        "otherIds": [{"identifiant": professional.rpps, "origine": "RPPS", "qualite": 1}],
        "SubjectRefPro": {"codeCivilite": professional.civility, "exercices": [_exercise(professional)]},
    }


def _exercise(professional: Professional) -> dict[str, Any]:
    return {
        "codeProfession": professional.profession_code,
        "codeCategorieProfessionnelle": "C",
        "codeCiviliteDexercice": professional.title or professional.civility,
        "nomDexercice": professional.last_name,
        "prenomDexercice": professional.first_name.capitalize(),
        "codeTypeSavoirFaire": "S" if professional.skill_code else "",
        "codeSavoirFaire": professional.skill_code,
        "activities": [_activity(professional, professional.structure)],
    }


def _activity(professional: Professional, structure: Structure) -> dict[str, str]:
    return {
        "codeModeExercice": professional.practice_code,
        "codeSecteurDactivite": structure.sector_code,
        "codeSectionPharmacien": "",
        "codeRole": "",
        "codeGenreActivite": "GENR01",
        "numeroSiretSite": structure.siret,
        "numeroSirenSite": structure.siret[:9],
        "numeroFinessSite": structure.finess,
        "numeroFinessetablissementJuridique": structure.finess_legal,
        "identifiantTechniqueDeLaStructure": structure.technical_id,
        "raisonSocialeSite": structure.name,
        "enseigneCommercialeSite": "",
        "complementDestinataire": "",
        "complementPointGeographique": "",
        "numeroVoie": structure.street_number,
        "indiceRepetitionVoie": "",
        "codeTypeDeVoie": structure.street_type_code,
        "libelleVoie": structure.street_name,
        "mentionDistribution": "",
        "bureauCedex": f"{structure.postal_code} {structure.city}",
        "codePostal": structure.postal_code,
        "codeCommune": structure.commune_code,
        "codePays": "99000",
        "telephone": structure.phone,
        "telephone2": "",
        "telecopie": "",
        "adresseEMail": "",
        "codeDepartement": structure.postal_code[:2],
        "ancienIdentifiantDeLaStructure": structure.idnat,
        "autoriteDenregistrement": "CNOM/CNOM/CNOM" if professional.profession_code == _DOCTOR else "",
    }
