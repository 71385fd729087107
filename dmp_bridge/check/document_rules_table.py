"""The rules on documents, as data."""

from __future__ import annotations

from dmp_bridge.check.report import Rule, Weight

_XDM = "IHE ITI-32 §3.32.4.1.2"
_IMPORT = "IHE ITI-32 §3.32.4.1.4"
_XDS = "IHE ITI TF-3 §4.2.3, §4.3.1"
_SM = "CI-SIS Structuration minimale V1.16.8"
_RECOMMENDED, _NOTE = Weight.RECOMMENDED, Weight.NOTE

_RULES = (
    # The archive.
    Rule("XDM-ZIP", "Archive ZIP lisible", _XDM),
    Rule("XDM-SUR", "Archive sans entrée dangereuse", _XDM),
    Rule("XDM-DOSSIER", "Dossier IHE_XDM à la racine de l'archive", _XDM),
    Rule("XDM-RACINE", "README.TXT et INDEX.HTM à la racine", _XDM),
    Rule("XDM-LOT", "Un répertoire et un METADATA.XML par lot de soumission", _XDM),
    Rule("XDM-NOMS", "Noms de fichiers en majuscules, au format 8.3", _XDM),
    Rule("XDM-RESTES", "Aucun fichier laissé par un système ou un éditeur", _XDM, _RECOMMENDED),
    Rule("XDM-UNIQUE", "Contenu présent une seule fois", _XDM),
    Rule("XDM-URI", "Chaque document annoncé est dans l'archive", _XDM),
    Rule("XDM-CASSE", "URI écrit comme le nom du fichier", _XDM),
    Rule("XDM-TAILLE", "Taille de chaque document", _IMPORT),
    Rule("XDM-HASH", "Empreinte SHA-1 de chaque document", _IMPORT),
    # METADATA.XML.
    Rule("META-LISIBLE", "METADATA.XML lisible", _XDS),
    Rule("META-EBRIM", "Espaces de noms ebRIM 3.0", _XDS),
    Rule("META-IHE", "Métadonnées exigées par IHE", _XDS),
    Rule("META-FR", "Métadonnées exigées par le profil français", "CI-SIS, lot et fiche DMP"),
    Rule("META-RE", "Métadonnées recommandées", "CI-SIS, lot et fiche DMP", _RECOMMENDED),
    Rule("META-LIEN", "Association HasMember du lot vers chaque document", _XDS),
    Rule("META-DATES", "Dates au format DTM, en UTC", "CI-SIS Structuration minimale §3.5.4"),
    Rule("META-CODES", "Codes et systèmes de codage", "JDV J04, J57, J58, J59, J60, J61, J66"),
    Rule("META-OID", "Identifiants sous forme d'OID", "CI-SIS Structuration minimale §3.5.7.4"),
    Rule("META-ECHAPPEMENT", "Aucun caractère échappé deux fois", _XDS),
    Rule("META-HASH", "Empreinte en hexadécimal minuscule", _XDS, _RECOMMENDED),
    Rule("META-CDA", "METADATA.XML en accord avec le document CDA", "CI-SIS, entête CDA et métadonnées XDS"),
    Rule("META-PROFIL", "METADATA.XML au profil français", "CI-SIS, lot et fiche DMP", _NOTE),
    # The CDA.
    Rule("CDA-LISIBLE", "Document XML lisible", f"{_SM} §3.2.1"),
    Rule("CDA-RACINE", "Élément racine ClinicalDocument", f"{_SM} §3.3"),
    Rule("CDA-SUR", "Ni script ni ressource externe", "DMP EX 50"),
    Rule("CDA-PROFIL", "CDA au profil français", f"{_SM} tableau 1", _NOTE),
    Rule("CDA-REALM", "realmCode FR", f"{_SM} tableau 1"),
    Rule("CDA-TYPEID", "typeId POCD_HD000040", f"{_SM} tableau 1"),
    Rule("CDA-MODELES", "templateId du CI-SIS", f"{_SM} tableau 1"),
    Rule("CDA-ID", "Identifiant du document", f"{_SM} §3.5.5.4"),
    Rule("CDA-TYPE", "Type du document", f"{_SM} tableau 1, JDV_J07"),
    Rule("CDA-TITRE", "Titre du document", f"{_SM} tableau 1"),
    Rule("CDA-DATE", "Date du document, à la seconde avec le décalage horaire", f"{_SM} §3.5.7.1"),
    Rule("CDA-CONF", "confidentialityCode", f"{_SM} §3.5.5.8"),
    Rule("CDA-LANGUE", "languageCode fr-FR", f"{_SM} tableau 1"),
    Rule("CDA-VERSION", "setId et versionNumber", f"{_SM} §3.5.5.10"),
    Rule("CDA-PATIENT", "Patient", f"{_SM} tableau 1"),
    Rule("CDA-AUTEUR", "Auteur", f"{_SM} tableau 1"),
    Rule("CDA-CONSERVATION", "Structure chargée de la conservation (custodian)", f"{_SM} tableau 1"),
    Rule("CDA-RESPONSABLE", "Responsable du document (legalAuthenticator)", f"{_SM} tableau 1"),
    Rule("CDA-ACTE", "Acte principal (documentationOf/serviceEvent)", f"{_SM} §3.5.5.19"),
    Rule("CDA-REMPLACE", "Document remplacé (relatedDocument)", f"{_SM} §3.5.5.23"),
    Rule("CDA-PRISE-EN-CHARGE", "Prise en charge (componentOf)", f"{_SM} tableau 1"),
    Rule("CDA-CORPS", "Corps du document", f"{_SM} §3.7.2"),
    Rule("CDA-NULL", "nullFlavor admis", f"{_SM} §3.5.3", _RECOMMENDED),
    Rule("CDA-DATES", "Autres dates de l'entête", f"{_SM} §3.5.7.1", _RECOMMENDED),
    # Who it is about.
    Rule("INS-CDA", "Matricule INS du patient dans le CDA", "ECO.2.4.2"),
    Rule("INS-CLE", "Clé du matricule INS", "ECO.3.1.5"),
    Rule("INS-TRAITS", "Traits d'identité du patient", "ECO.2.4.2"),
    Rule("INS-ACCORD", "Le même patient partout", "ECO.2.1.1, ECO.2.1.2"),
    # The PDF.
    Rule("PDF-LISIBLE", "PDF lisible", "ISO 32000-1 §7.5"),
    Rule("ECO.2.1.5", "PDF/A-1", "Réf#2 ECO.2.1.5", _RECOMMENDED),
    Rule("ECO.2.1.6", "Nom du PDF", "Réf#2 ECO.2.1.6"),
    Rule("PDF-COPIE", "PDF identique à celui du CDA de niveau 1", "Réf#2 ECO.2.1.5", _NOTE),
    # With the official validation kit.
    Rule("KIT-XSD", "Schéma XML du kit", "CI-SIS Structuration minimale §3.3.1"),
    Rule("KIT-SCHEMATRON", "Schématrons du kit", "CI-SIS Structuration minimale §3.3.1"),
)

DOCUMENT_RULES: dict[str, Rule] = {rule.id: rule for rule in _RULES}
