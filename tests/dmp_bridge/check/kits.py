"""Builds small validation kits in the shape of the official one: a schema that includes another, schematrons that
include patterns, abstract patterns, phases, value sets in files of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ISO = 'xmlns="http://purl.oclc.org/dsdl/schematron"'

SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:hl7-org:v3"
 targetNamespace="urn:hl7-org:v3" elementFormDefault="qualified">
<xs:include schemaLocation="parts/POCD.xsd"/><xs:element name="ClinicalDocument" type="Document"/></xs:schema>"""

PART = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:hl7-org:v3"
 targetNamespace="urn:hl7-org:v3" elementFormDefault="qualified">
<xs:complexType name="Document"><xs:sequence><xs:element name="realmCode"/>
<xs:any processContents="skip" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:schema>"""

# The paths of the value sets are variables of one pattern and used by others, as in CI-SIS_StructurationMinimale.
PROFILE = f"""<schema {ISO} defaultPhase="all" queryBinding="xslt2" schemaVersion="petit">
<title>Structuration minimale</title>
<ns prefix="cda" uri="urn:hl7-org:v3"/><ns prefix="svs" uri="urn:ihe:iti:svs:2008"/>
<include href="../abstract/dansJeuDeValeurs.sch"/>
<include href="../include/entete.sch"/>
<include href="../include/JDV_sexe.sch"/>
<phase id="all"><active pattern="variables"/><active pattern="entete"/><active pattern="JDV_sexe"/></phase>
<pattern id="variables">
<let name="jdv_sexe" value="'../../jeuxDeValeurs/JDV_sexe.xml'"/>
<rule context="cda:ClinicalDocument"><assert test="cda:title">[variables] Le titre manque.</assert></rule>
</pattern>
<pattern id="asleep"><rule context="cda:ClinicalDocument"><assert test="false()">Jamais.</assert></rule></pattern>
</schema>"""

ABSTRACT = f"""<pattern {ISO} id="dansJeuDeValeurs" abstract="true">
<rule context="$xpath_elt"><let name="code" value="@code"/>
<assert test="document($path_jdv)//svs:Concept[@code=$code]">[dansJeuDeValeurs] L'élément
<value-of select="$vue_elt"/> [<value-of select="$code"/>] doit faire partie de <value-of select="$path_jdv"/>.</assert>
</rule></pattern>"""

VALUE_SET = f"""<pattern {ISO} id="JDV_sexe" is-a="dansJeuDeValeurs">
<param name="path_jdv" value="$jdv_sexe"/><param name="vue_elt" value="'patient/administrativeGenderCode'"/>
<param name="xpath_elt" value="cda:patient/cda:administrativeGenderCode"/></pattern>"""

HEADER = f"""<pattern {ISO} id="entete">
<rule abstract="true" id="coded"><assert test="@code">[entete] <name/> doit avoir un code.</assert></rule>
<rule context="cda:ClinicalDocument/cda:languageCode"><extends rule="coded"/>
<assert test="matches(@code, '^fr-[A-Z]{{2}}$')" role="warning">[entete] La langue n'est pas le français.</assert></rule>
<rule context="cda:ClinicalDocument/*"><report test="@nullFlavor='OTH'">[entete] nullFlavor OTH.</report></rule>
</pattern>"""

CONCEPTS = """<svs:RetrieveValueSetResponse xmlns:svs="urn:ihe:iti:svs:2008"><svs:ValueSet><svs:ConceptList>
<svs:Concept code="F"/><svs:Concept code="M"/></svs:ConceptList></svs:ValueSet></svs:RetrieveValueSetResponse>"""

MODEL = f"""<schema {ISO} queryBinding="xslt2"><ns prefix="cda" uri="urn:hl7-org:v3"/><pattern id="modele">
<rule context="cda:ClinicalDocument">
<assert test="cda:templateId[@root='1.2.250.1.213.1.1.1.29' and @extension='2022.01']">[modele] templateId.</assert>
<assert test="cda:component/cda:structuredBody/cda:component[9]">[modele] Neuf sections sont exigées.</assert>
</rule></pattern></schema>"""


def write_kit(folder: Path) -> Path:
    """A kit as its publisher lays it out."""
    files = {
        "infrastructure/cda/CDA_extended.xsd": SCHEMA,
        "infrastructure/cda/parts/POCD.xsd": PART,
        "schematrons/profils/CI-SIS_StructurationMinimale.sch": PROFILE,
        "schematrons/abstract/dansJeuDeValeurs.sch": ABSTRACT,
        "schematrons/include/entete.sch": HEADER,
        "schematrons/include/JDV_sexe.sch": VALUE_SET,
        "schematrons/CI-SIS_LDL-SES_2022.01.sch": MODEL,
        "jeuxDeValeurs/JDV_sexe.xml": CONCEPTS,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
