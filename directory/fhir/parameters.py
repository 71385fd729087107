"""The search parameters each resource has: a table that the parser, the search and the CapabilityStatement read."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from directory.fhir.systems import ResourceType
from foundation.fhir.capability import Kind
from foundation.fhir.capability import SearchParameter as Named

_HL7 = "http://hl7.org/fhir/SearchParameter/"
_AS = "https://interop.esante.gouv.fr/ig/fhir/annuaire/SearchParameter/as-sp-"


@dataclass(frozen=True, slots=True)
class SearchParameter(Named):
    """One parameter of one resource. `stored` is False where the public extracts hold no such data."""

    stored: bool = True

    @property
    def modifiers(self) -> frozenset[str]:
        return _MODIFIERS.get(self.name, _BY_KIND[self.kind])


_BY_KIND = MappingProxyType(
    {
        Kind.STRING: frozenset({"contains", "exact", "text"}),
        Kind.CODED: frozenset[str](),
        Kind.DATE: frozenset[str](),
        Kind.REFERENCE: frozenset({kind.value for kind in ResourceType}),
    }
)
_MODIFIERS = MappingProxyType({"mailbox-mss": frozenset({"contains", "exact"}), "_text": frozenset[str]()})

_ID = SearchParameter("_id", Kind.CODED, "Identifiant logique de la ressource.", _HL7 + "Resource-id")
_UPDATED = SearchParameter(
    "_lastUpdated",
    Kind.DATE,
    "Date de dernière mise à jour ; préfixes eq, ne, gt, lt, ge, le, sa, eb, ap.",
    _HL7 + "Resource-lastUpdated",
)
_TEXT = SearchParameter(
    "_text",
    Kind.STRING,
    "Mots dans un ordre quelconque : nom, profession, savoir-faire, structure, service, ville, identifiant, adresse.",
)
_MAILBOX = SearchParameter(
    "mailbox-mss",
    Kind.STRING,
    "Adresse d'une BAL MSSanté portée par la ressource ; modificateurs contains et exact.",
    _AS + "mailbox-mss",
)
_MAILBOX_TYPE = SearchParameter(
    "mailbox-mss-type",
    Kind.CODED,
    "Type d'une BAL MSSanté portée par la ressource : PER, ORG, APP, CAB (TRE_R257, TRE_R256 accepté).",
    _AS + "mailbox-mss-type",
)
_SYSTEM = SearchParameter(
    "data-information-system",
    Kind.CODED,
    "Système d'information d'origine ; absent des extractions publiques.",
    _AS + "data-information-system",
    stored=False,
)
_AUTHORITY = SearchParameter(
    "data-registration-authority",
    Kind.CODED,
    "Autorité d'enregistrement ; absente des données conservées.",
    _AS + "data-registration-authority",
    stored=False,
)
_EVERYWHERE = (_ID, _UPDATED, _TEXT)
_TRACED = (_SYSTEM, _AUTHORITY, _MAILBOX, _MAILBOX_TYPE)


def _active(kind: ResourceType) -> SearchParameter:
    return SearchParameter(
        "active", Kind.CODED, "Ressources actives (true) ou non (false).", f"{_HL7}{kind}-active"
    )


_TABLE = MappingProxyType(
    {
        ResourceType.PRACTITIONER: (
            *_EVERYWHERE,
            _active(ResourceType.PRACTITIONER),
            *_TRACED,
            SearchParameter(
                "family", Kind.STRING, "Nom d'exercice du professionnel.", _HL7 + "individual-family"
            ),
            SearchParameter(
                "given", Kind.STRING, "Prénom d'exercice du professionnel.", _HL7 + "individual-given"
            ),
            SearchParameter(
                "identifier",
                Kind.CODED,
                "RPPS, IdNat_PS ou identifiant interne du professionnel.",
                _HL7 + "Practitioner-identifier",
            ),
            SearchParameter("identifier-type", Kind.CODED, "Type d'identifiant : IDNPS, RPPS."),
            SearchParameter(
                "name", Kind.STRING, "Nom, prénom, ou les deux à la suite.", _HL7 + "Practitioner-name"
            ),
            SearchParameter(
                "number-smartcard",
                Kind.STRING,
                "Numéro de carte ; absent des extractions publiques.",
                _AS + "number-smartcard",
                stored=False,
            ),
            SearchParameter(
                "qualification-code",
                Kind.CODED,
                "Diplôme, profession, catégorie professionnelle ou savoir-faire.",
                _AS + "qualification-code",
            ),
            SearchParameter(
                "type-smartcard",
                Kind.CODED,
                "Type de carte ; absent des extractions publiques.",
                _AS + "type-smartcard",
                stored=False,
            ),
        ),
        ResourceType.PRACTITIONER_ROLE: (
            *_EVERYWHERE,
            _active(ResourceType.PRACTITIONER_ROLE),
            *_TRACED,
            SearchParameter(
                "identifier",
                Kind.CODED,
                "Identifiant de la situation d'exercice.",
                _HL7 + "PractitionerRole-identifier",
            ),
            SearchParameter(
                "organization",
                Kind.REFERENCE,
                "Structure de la situation d'exercice.",
                _HL7 + "PractitionerRole-organization",
            ),
            SearchParameter(
                "organization.identifier", Kind.CODED, "Identifiant de la structure : FINESS, SIRET, IdNat."
            ),
            SearchParameter(
                "practitioner",
                Kind.REFERENCE,
                "Professionnel de la situation d'exercice.",
                _HL7 + "PractitionerRole-practitioner",
            ),
            SearchParameter(
                "practitioner.identifier", Kind.CODED, "Identifiant du professionnel : RPPS, IdNat_PS."
            ),
            SearchParameter(
                "role",
                Kind.CODED,
                "Fonction, genre d'activité, mode d'exercice ou section du tableau des pharmaciens.",
                _HL7 + "PractitionerRole-role",
            ),
        ),
        ResourceType.ORGANIZATION: (
            *_EVERYWHERE,
            _active(ResourceType.ORGANIZATION),
            *_TRACED,
            SearchParameter(
                "address",
                Kind.STRING,
                "Voie, commune, code postal, département ou pays.",
                _HL7 + "Organization-address",
            ),
            SearchParameter(
                "address-city", Kind.STRING, "Commune de la structure.", _HL7 + "Organization-address-city"
            ),
            SearchParameter("address-line", Kind.STRING, "Voie de la structure.", _AS + "address-line"),
            SearchParameter(
                "address-postalcode",
                Kind.STRING,
                "Code postal de la structure, ou son début.",
                _HL7 + "Organization-address-postalcode",
            ),
            SearchParameter(
                "identifier",
                Kind.CODED,
                "FINESS, SIRET, SIREN, IdNat_Struct ou identifiant technique.",
                _HL7 + "Organization-identifier",
            ),
            SearchParameter(
                "identifier-type", Kind.CODED, "Type d'identifiant : IDNST, FINEG, SIRET, SIREN, INTRN."
            ),
            SearchParameter(
                "name",
                Kind.STRING,
                "Raison sociale ou enseigne commerciale.",
                _HL7 + "Organization-name",
            ),
            SearchParameter(
                "partof",
                Kind.REFERENCE,
                "Entité juridique ; elle est nommée par son identifiant, jamais par une ressource.",
                _HL7 + "Organization-partof",
                stored=False,
            ),
            SearchParameter(
                "pharmacy-licence",
                Kind.STRING,
                "Numéro de licence d'officine ; absent des extractions publiques.",
                _AS + "pharmacy-licence",
                stored=False,
            ),
            SearchParameter("type", Kind.CODED, "Secteur d'activité (TRE_R02).", _HL7 + "Organization-type"),
        ),
    }
)

PARAMETERS = MappingProxyType(
    {kind: MappingProxyType({each.name: each for each in row}) for kind, row in _TABLE.items()}
)
"""By resource, by name."""

INCLUDES = MappingProxyType(
    {
        ResourceType.PRACTITIONER: (),
        ResourceType.PRACTITIONER_ROLE: ("PractitionerRole:organization", "PractitionerRole:practitioner"),
        ResourceType.ORGANIZATION: (),
    }
)
"""`_include` of each resource; "*" stands for all."""
REVERSE_INCLUDES = MappingProxyType(
    {
        ResourceType.PRACTITIONER: ("PractitionerRole:practitioner",),
        ResourceType.PRACTITIONER_ROLE: (),
        ResourceType.ORGANIZATION: ("PractitionerRole:organization",),
    }
)
KNOWN_INCLUDES = frozenset({"Organization:partof"})
"""Accepted and without effect: no resource is referred to."""
KNOWN_REVERSE_INCLUDES = frozenset({"Device:organization", "HealthcareService:organization"})
"""Accepted and without effect: no such resource is served."""
