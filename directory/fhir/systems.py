"""Names the resources use: systems of identifiers and codes, profiles, extensions (IG-fhir-annuaire, TRE of the NOS)."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class ResourceType(StrEnum):
    """What is served."""

    PRACTITIONER = "Practitioner"
    PRACTITIONER_ROLE = "PractitionerRole"
    ORGANIZATION = "Organization"


def _nos(name: str) -> str:
    return f"https://mos.esante.gouv.fr/NOS/{name}/FHIR/{name.replace('_', '-')}"


_AS = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/"
_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition/"

IDNAT_PS = "urn:oid:1.2.250.1.71.4.2.1"
IDNAT_STRUCT = "urn:oid:1.2.250.1.71.4.2.2"
RPPS = "https://rpps.esante.gouv.fr"
FINESS = "https://finess.esante.gouv.fr"
SIRENE = "http://sirene.fr"
RPPS_RANK = "https://rppsrang.esante.gouv.fr"
ROLE = RPPS
"""Of an identifiant de situation d'exercice."""
SYNONYMS = MappingProxyType(
    {
        "http://rpps.fr": RPPS,
        "http://rpps.esante.gouv.fr": RPPS,
        "http://finess.sante.gouv.fr": FINESS,
        "https://sirene.fr": SIRENE,
        "http://sirene.insee.fr": SIRENE,
    }
)
"""Older spellings, accepted in searches."""

IDENTIFIER_TYPES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"

PERSON_ID_TYPES = _nos("TRE_G08-TypeIdentifiantPersonne")
PROFESSION = _nos("TRE_G15-ProfessionSante")
CATEGORY = _nos("TRE_R09-CategorieProfessionnelle")
SKILL_TYPE = _nos("TRE_R04-TypeSavoirFaire")
SKILLS = MappingProxyType(
    {
        "S": _nos("TRE_R38-SpecialiteOrdinale"),
        "C": _nos("TRE_R39-Competence"),
        "CEX": _nos("TRE_R40-CompetenceExclusive"),
        "DNQ": _nos("TRE_R42-DESCnonQualifiant"),
        "CAPA": _nos("TRE_R43-CapaciteSavoirFaire"),
        "PAC": _nos("TRE_R44-QualificationPAC"),
        "FQ": _nos("TRE_R45-FonctionQualifiee"),
        "DEC": _nos("TRE_R97-DroitExerciceCompl"),
        "OP": _nos("TRE_G13-OrientationParticuliere"),
    }
)
"""By the type of the savoir-faire (TRE_R04)."""
DIPLOMA_TYPE = _nos("TRE_R14-TypeDiplome")
DIPLOMAS = MappingProxyType(
    {"DE": _nos("TRE_R48-DiplomeEtatFrancais"), "CES": _nos("TRE_R55-CertificatEtudeSpeciale")}
)
"""By the type of the diploma (TRE_R14), where it is known."""
KIND = _nos("TRE_R22-GenreActivite")
PRACTICE = _nos("TRE_R23-ModeExercice")
FUNCTION = _nos("TRE_R21-Fonction")
PHARMACIST_SECTION = _nos("TRE_R06-SectionTableauCNOP")
SECTOR = _nos("TRE_R02-SecteurActivite")
MUNICIPALITY = _nos("TRE_R13-Commune")
MAIL_KIND = _nos("TRE_R256-TypeMessagerie")
BOX_TYPE = _nos("TRE_R257-TypeBAL")
"""What is told; searches and patches of the guide name MAIL_KIND for the same codes, which is accepted."""

EMAIL_TYPE = _CORE + "fr-core-contact-point-email-type"
MAILBOX = _AS + "as-ext-mailbox-mss-metadata"
ORGANIZATION_TYPES = _AS + "as-ext-organization-types"
INSEE_CODE = _CORE + "fr-core-address-insee-code"
ADDRESS_PART = "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-"

SOURCE = "https://annuaire.esante.gouv.fr"
PROFILES = MappingProxyType(
    {
        ResourceType.PRACTITIONER: (_AS + "as-dp-practitioner", _CORE + "fr-core-practitioner"),
        ResourceType.PRACTITIONER_ROLE: (
            _AS + "as-dp-practitionerrole",
            _CORE + "fr-core-practitioner-role",
        ),
        ResourceType.ORGANIZATION: (_AS + "as-dp-organization", _CORE + "fr-core-organization"),
    }
)
