"""What the directory holds: mailboxes, persons, their roles, structures.

Rows, not dataclasses: a search makes a hundred of them in a millisecond. Empty columns of the extracts are
None; times are epoch milliseconds.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from directory.bals import BalType  # noqa: TC001 - msgspec reads the types of the fields


class Mailbox(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A published mailbox: a line of Extraction_Correspondance_MSSante, and what only the FHIR resources say.

    Thousands are kept, and hold texts and numbers alone: the collector of cycles need not look at them.
    """

    address: str
    type: BalType
    digital: bool = False
    """ "Dématérialisation": the bearer wants no paper."""
    idnat: str | None = None
    person_id_type: str | None = None
    person_id: str | None = None
    civility: str | None = None
    last_name: str | None = None
    first_name: str | None = None
    category_code: str | None = None
    category: str | None = None
    profession_code: str | None = None
    profession: str | None = None
    skill_code: str | None = None
    skill: str | None = None
    structure_id_type: str | None = None
    structure_id: str | None = None
    structure: str | None = None
    """Raison sociale."""
    structure_sign: str | None = None
    """Enseigne commerciale."""
    service: str | None = None
    location: str | None = None
    """L2COMPLEMENTLOCALISATION; the lines of a postal address are those of NF Z10-011."""
    distribution: str | None = None
    """L3COMPLEMENTDISTRIBUTION."""
    street_number: str | None = None
    street_repeat: str | None = None
    street_type: str | None = None
    street_name: str | None = None
    locality: str | None = None
    """L5LIEUDITMENTION."""
    routing: str | None = None
    """L6LIGNEACHEMINEMENT: "75015 PARIS"."""
    postal_code: str | None = None
    department: str | None = None
    country: str | None = None
    updated_at: int = 0
    description: str | None = None
    responsible: str | None = None
    phone: str | None = None
    rank: int | None = None
    """1 is the mailbox its bearer prefers."""

    def __hash__(self) -> int:
        # entries are kept by mailbox: its other fields tell no more of where to look
        return hash(self.address)

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @property
    def city(self) -> str | None:
        """The place of `routing`, without its postal code."""
        if self.routing is None:
            return None
        first, _, rest = self.routing.partition(" ")
        return (rest.strip() if first.isdecimal() and len(first) == 5 else self.routing) or None

    @property
    def street(self) -> str | None:
        """ "1 R DES ESSAIS": the line L4."""
        parts = (self.street_number, self.street_repeat, self.street_type, self.street_name)
        return " ".join([part for part in parts if part]) or None

    @property
    def display_name(self) -> str:
        """The first of its common names."""
        if self.last_name and self.first_name:
            return f"{self.first_name} {self.last_name}"
        return self.common_names[0]

    @property
    def common_names(self) -> tuple[str, ...]:
        """ "Anne BERNARD" and "BERNARD Anne"; "CARDIOLOGIE, CH DES ESSAIS" of a box that is nobody's own."""
        if self.last_name:
            if not self.first_name:
                return (self.last_name,)
            return f"{self.first_name} {self.last_name}", f"{self.last_name} {self.first_name}"
        place = ", ".join(part for part in (self.service, self.structure or self.structure_sign) if part)
        return (place or self.address,)


class Skill(NamedTuple):
    """A savoir-faire of a person, or a diploma: TRE code and label."""

    code: str
    label: str | None
    type_code: str | None = None
    type_label: str | None = None


class Person(NamedTuple):
    """A professional: of PS_LibreAcces_Personne_activite, or a bearer that only a mailbox names."""

    idnat: str
    person_id_type: str | None = None
    person_id: str | None = None
    title: str | None = None
    """Civilité d'exercice: DR, PR."""
    civility: str | None = None
    last_name: str | None = None
    first_name: str | None = None
    category_code: str | None = None
    category: str | None = None
    profession_code: str | None = None
    profession: str | None = None
    updated_at: int = 0
    skills: tuple[Skill, ...] = ()
    """Of PS_LibreAcces_SavoirFaire and of the roles."""
    diplomas: tuple[Skill, ...] = ()


class Role(NamedTuple):
    """A situation d'exercice: one activity of one person, in a structure where one is named.

    Also of a person and a structure that only a mailbox names together.
    """

    id: str
    """Sixteen hexadecimal digits that stay the same from day to day."""
    idnat: str
    structure_id: str | None = None
    """The `id` of the structure."""
    category_code: str | None = None
    category: str | None = None
    profession_code: str | None = None
    profession: str | None = None
    skill_type_code: str | None = None
    skill_code: str | None = None
    skill: str | None = None
    practice_code: str | None = None
    """Mode d'exercice: L, S, B."""
    practice: str | None = None
    sector_code: str | None = None
    sector: str | None = None
    pharmacist_section_code: str | None = None
    pharmacist_section: str | None = None
    function_code: str | None = None
    function: str | None = None
    kind_code: str | None = None
    """Genre d'activité."""
    kind: str | None = None
    phone: str | None = None
    updated_at: int = 0


class Structure(NamedTuple):
    """An establishment or practice: of the roles, or one that only a mailbox names."""

    id: str
    """Identifiant technique de la structure; where the extract gives none, its IdNat_Struct."""
    idnat: str | None = None
    """IdNat_Struct: 1 + FINESS, 3 + SIRET, 4 + RPPS and rank."""
    finess: str | None = None
    finess_legal: str | None = None
    siret: str | None = None
    siren: str | None = None
    name: str | None = None
    """Raison sociale."""
    sign: str | None = None
    """Enseigne commerciale."""
    addressee: str | None = None
    """Complément destinataire."""
    location: str | None = None
    """Complément point géographique."""
    street_number: str | None = None
    street_repeat: str | None = None
    street_type: str | None = None
    street_name: str | None = None
    distribution: str | None = None
    routing: str | None = None
    """Bureau cedex: "75015 PARIS"."""
    postal_code: str | None = None
    city_code: str | None = None
    city: str | None = None
    department: str | None = None
    country_code: str | None = None
    country: str | None = None
    phone: str | None = None
    phone_2: str | None = None
    fax: str | None = None
    mail: str | None = None
    sector_code: str | None = None
    sector: str | None = None
    updated_at: int = 0
