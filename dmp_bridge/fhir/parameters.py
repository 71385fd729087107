"""The search parameters of each resource: a table that the reading of searches and the CapabilityStatement share."""

from __future__ import annotations

from types import MappingProxyType

from foundation.fhir.capability import Kind, SearchParameter

_HL7 = "http://hl7.org/fhir/SearchParameter/"
_PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/SearchParameter/"


_PATIENT = (
    SearchParameter(
        "patient.identifier",
        Kind.CODED,
        "INS du patient : urn:oid:1.2.250.1.213.1.4.8|matricule ; obligatoire, sauf avec _id ou identifier.",
    ),
    SearchParameter(
        "patient", Kind.REFERENCE, "Le patient par Patient?identifier=système|INS, ou son id dans ce service."
    ),
)
_ARCHIVED = SearchParameter(
    "isArchived",
    Kind.CODED,
    "true : seulement ce qui est archivé ; false : sauf cela.",
    _PDSM + "PDSm-isArchived",
)
_UPDATED = SearchParameter(
    "_lastUpdated",
    Kind.DATE,
    "Dernier changement du document ou de ce qui en est dit ; toutes les versions sont alors données.",
    _HL7 + "Resource-lastUpdated",
)
_ID = SearchParameter("_id", Kind.CODED, "Identifiant logique de la ressource.", _HL7 + "Resource-id")

TABLE = MappingProxyType(
    {
        "Patient": (
            SearchParameter(
                "identifier",
                Kind.CODED,
                "INS : urn:oid:1.2.250.1.213.1.4.8|matricule ; obligatoire.",
                _HL7 + "Patient-identifier",
            ),
        ),
        "DocumentReference": (
            _ID,
            _UPDATED,
            *_PATIENT,
            SearchParameter(
                "identifier",
                Kind.CODED,
                "uniqueId (urn:ietf:rfc:3986|urn:oid:…), entryUUID ou logicalId (urn:uuid:…).",
                _HL7 + "clinical-identifier",
            ),
            SearchParameter(
                "status",
                Kind.CODED,
                "current (par défaut), superseded, ou entered-in-error pour ce qui est supprimé.",
                _HL7 + "DocumentReference-status",
            ),
            _ARCHIVED,
            SearchParameter(
                "category", Kind.CODED, "Classe du document (TRE_A03).", _HL7 + "DocumentReference-category"
            ),
            SearchParameter("type", Kind.CODED, "Type du document (LOINC, TRE_A05).", _HL7 + "clinical-type"),
            SearchParameter(
                "format", Kind.CODED, "Format du contenu (TRE_A06, IHE).", _HL7 + "DocumentReference-format"
            ),
            SearchParameter(
                "facility",
                Kind.CODED,
                "Secteur d'activité de la structure (TRE_R02).",
                _HL7 + "DocumentReference-facility",
            ),
            SearchParameter(
                "setting", Kind.CODED, "Cadre d'exercice (TRE_A01).", _HL7 + "DocumentReference-setting"
            ),
            SearchParameter("event", Kind.CODED, "Acte documenté.", _HL7 + "DocumentReference-event"),
            SearchParameter(
                "security-label",
                Kind.CODED,
                "MASQUE_PS, INVISIBLE_PATIENT, INVISIBLE_REPRESENTANTS_LEGAUX, ou N, R, V.",
                _HL7 + "DocumentReference-security-label",
            ),
            SearchParameter(
                "author.identifier", Kind.CODED, "Identifiant national de l'auteur : IDNPS, IDNST, INS."
            ),
            SearchParameter("author.family", Kind.STRING, "Nom de l'auteur, ou une partie."),
            SearchParameter("author.given", Kind.STRING, "Prénom de l'auteur, ou une partie."),
            SearchParameter(
                "date",
                Kind.DATE,
                "Date de création du document ; préfixes eq, gt, ge, lt, le, sa, eb.",
                _HL7 + "DocumentReference-date",
            ),
            SearchParameter(
                "creation",
                Kind.DATE,
                "Comme date.",
                "https://profiles.ihe.net/ITI/MHD/SearchParameter/DocumentReference-Creation",
            ),
            SearchParameter(
                "period", Kind.DATE, "Début de l'acte ; mêmes préfixes.", _HL7 + "DocumentReference-period"
            ),
            SearchParameter(
                "related",
                Kind.REFERENCE,
                "Document lié, par related:identifier=système|valeur (referenceIdList).",
                _HL7 + "DocumentReference-related",
            ),
        ),
        "List": (
            _ID,
            *_PATIENT,
            SearchParameter(
                "code", Kind.CODED, "submissionset : les seules List servies.", _HL7 + "clinical-code"
            ),
            SearchParameter(
                "identifier", Kind.CODED, "uniqueId du lot de soumission.", _HL7 + "List-identifier"
            ),
            SearchParameter(
                "sourceId",
                Kind.CODED,
                "OID du système qui a publié le lot.",
                "https://profiles.ihe.net/ITI/MHD/SearchParameter/List-SourceId",
            ),
            SearchParameter("status", Kind.CODED, "current.", _HL7 + "List-status"),
            SearchParameter(
                "date",
                Kind.DATE,
                "Date du dépôt ; préfixes eq, gt, ge, lt, le, sa, eb.",
                _HL7 + "clinical-date",
            ),
        ),
        "AuditEvent": (
            *_PATIENT,
            SearchParameter("date", Kind.DATE, "Date de l'accès ; mêmes préfixes.", _HL7 + "AuditEvent-date"),
            SearchParameter("entity", Kind.REFERENCE, "DocumentReference/id.", _HL7 + "AuditEvent-entity"),
        ),
        "Consent": _PATIENT,
    }
)

PARAMETERS = MappingProxyType(
    {kind: MappingProxyType({each.name: each for each in row}) for kind, row in TABLE.items()}
)
"""By resource, by name."""
