"""Who stands before the desk: from a believed VIHF and the certificate of the connection to a Caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from certs.names import DistinguishedName, NameMalformed
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.rights.vocabulary import Role
from dmp_bridge.xds.soap import Fault, SubCode
from dmp_bridge.xds.vihf import Authentication

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dmp_bridge.xds.certificates import Certificates
    from dmp_bridge.xds.vihf import RoleCode, Vihf

CHANNEL = "xds"
_PROFESSIONS = ("1.2.250.1.71.1.2.7", "1.2.250.1.213.1.1.5.5")
"""TRE_G15, by the OID of the kit and by that of the NOS."""
_SKILLS = ("1.2.250.1.71.4.2.5",)
_SKILLED = ("10", "21")
"""Doctors and pharmacists tell a skill beside their profession (TRE_R38)."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the directory knows of a professional: codes of TRE_G15 and TRE_R38, Struct_IdNat."""

    professions: frozenset[str]
    skills: frozenset[str]
    structures: frozenset[str]


class Professionals(Protocol):
    """The directory of professionals."""

    def known(self, idnat: str) -> Known | None: ...


class StructuresMalformed(NameMalformed):
    """A name in record.structures is no distinguished name; the text is one sentence for the operator."""


def structures_of(names: Mapping[str, str]) -> Mapping[DistinguishedName, str]:
    """The setting `record.structures` by parsed names. Raises StructuresMalformed."""
    try:
        return {DistinguishedName.parse(name): structure for name, structure in names.items()}
    except NameMalformed as error:
        raise StructuresMalformed(f"record.structures: {error}.") from error


class Callers:
    """Makes a Caller of an assertion; every doubt is a Fault.

    A card vouches for its bearer, a structure for its own people; what the directory knows of a professional
    outweighs what the software of a card wrote into the assertion.
    """

    def __init__(
        self,
        certificates: Certificates,
        structures: Mapping[DistinguishedName, str],
        professionals: Professionals,
    ) -> None:
        self._certificates = certificates
        self._structures = structures
        self._professionals = professionals

    def knows(self, connected: bytes) -> bool:
        """Whether a TLS certificate (DER) is of a structure that is known, or of a card."""
        return (
            self._connected_structure(connected) is not None
            or self._certificates.person(connected) is not None
        )

    # ref: DMP-F33
    def caller(self, vihf: Vihf, connected: bytes) -> Caller:
        """Who asks; `connected` is the certificate (DER) of the TLS connection. Raises Fault."""
        structure = self._connected_structure(connected)
        if vihf.authentication is Authentication.DIRECT:
            return self._card(vihf, connected, structure)
        if structure is None or structure != vihf.structure_id:
            raise _certificate("Le certificat de la connexion n'est pas celui de la structure du VIHF.")
        if self._structures.get(vihf.signer) != structure:
            raise _certificate("Le certificat qui signe le VIHF n'est pas celui de sa structure.")
        if vihf.authentication is Authentication.INDIRECT:
            return self._caller(vihf, Role.STRUCTURE, structure, structure)
        return self._person(vihf, structure)

    def _connected_structure(self, der: bytes) -> str | None:
        name = self._certificates.connected_organisation(der)
        return self._structures.get(name) if name is not None else None

    def _card(self, vihf: Vihf, connected: bytes, structure: str | None) -> Caller:
        """A card signed: of the person the assertion is about."""
        if vihf.signer.common_name != vihf.subject:
            raise _certificate("Le VIHF n'est pas signé par la carte de la personne qu'il nomme.")
        if structure is None:
            bearer = self._certificates.person(connected)
            if bearer is None or bearer.common_name != vihf.subject:
                raise _certificate(
                    "Le certificat de la connexion n'est ni celui du porteur, ni d'une structure connue."
                )
        elif structure != vihf.structure_id:
            raise _certificate("Le certificat de la connexion n'est pas celui de la structure du VIHF.")
        return self._person(vihf, structure)

    def _person(self, vihf: Vihf, confirmed: str | None) -> Caller:
        """A professional or an employee; `confirmed` is the structure that its own certificate named."""
        profession = _first(vihf.roles, _PROFESSIONS)
        if not profession:
            if confirmed is None:
                raise _authentication("La structure du VIHF n'est pas confirmée par son certificat.")
            return self._caller(vihf, Role.EMPLOYEE, vihf.subject, confirmed)
        known = self._professionals.known(vihf.subject)
        if known is None and confirmed is None:
            raise _authentication("Ce professionnel n'est pas connu de l'annuaire.")
        if known is not None and profession not in known.professions:
            raise _authentication("La profession du VIHF n'est pas celle que connaît l'annuaire.")
        if confirmed is None and known is not None and vihf.structure_id not in known.structures:
            raise _authentication("L'annuaire ne connaît pas ce professionnel dans la structure du VIHF.")
        skill = _first(vihf.roles, _SKILLS)
        # An occupational doctor who told no skill would pass for any other doctor.
        if profession in _SKILLED and known is not None and skill not in known.skills:
            raise _authentication("Le savoir-faire du VIHF n'est pas celui que connaît l'annuaire.")
        return self._caller(
            vihf,
            Role.PROFESSIONAL,
            vihf.subject,
            vihf.structure_id,
            profession=profession,
            skill=skill,
        )

    def _caller(
        self,
        vihf: Vihf,
        role: Role,
        identifier: str,
        structure: str,
        *,
        profession: str = "",
        skill: str = "",
    ) -> Caller:
        return Caller(
            role=role,
            id=identifier,
            name=vihf.name,
            profession=profession,
            skill=skill,
            structure_id=structure,
            mode=vihf.mode,
            motive=vihf.motive,
            is_secret=vihf.is_secret,
            is_vouched_for=vihf.authentication is Authentication.REINFORCED,
            channel=CHANNEL,
        )


def _first(roles: tuple[RoleCode, ...], systems: tuple[str, ...]) -> str:
    return next((role.code for role in roles if role.system in systems), "")


def _certificate(sentence: str) -> Fault:
    return Fault(sentence, subcode=SubCode.INVALID_CERTIFICATE)


def _authentication(sentence: str) -> Fault:
    return Fault(sentence, subcode=SubCode.FAILED_AUTHENTICATION)
