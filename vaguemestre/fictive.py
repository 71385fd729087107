"""The sandbox's people, as data: professionals, structures, mailboxes and patients that do not exist.

They play the story of Thomas: a home (IME) that cares for him, an emergency doctor, a neurologist, a pharmacy
and his attending doctor. RPPS begin with 999, FINESS with 9907, SIRET with 999; the keys are right. INS are test
ones (OID 1.2.250.1.213.1.4.10) of a place of birth that is none (99999), but for the two that the example
documents of the ANS bear.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from directory import own
from directory.bals import BalType
from directory.listing import Listing
from directory.patients import PatientState, add_representative
from directory.publication import entry_of, note_published
from foundation.identifiers import OID_TEST
from portal.operators.acts import make_bal
from vaguemestre.accounts import open_patient

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault
    from mailserver.signin.choosing import Choosing, Chosen

HOSPITAL_DOMAIN = "hopital-demo.mssante.fr"
IME_DOMAIN = "ime-les-tilleuls.mssante.fr"
LIBERAL_DOMAIN = "liberal-demo.mssante.fr"
DOMAINS = (HOSPITAL_DOMAIN, IME_DOMAIN, LIBERAL_DOMAIN)
"""The professional domains the sandbox hosts."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A place of work; a practice has no FINESS and is known by a technical identifier."""

    name: str
    technical_id: str
    finess: str
    finess_legal: str
    siret: str
    sector_code: str
    sector: str
    street_number: str
    street_type_code: str
    street_type: str
    street_name: str
    postal_code: str
    city: str
    commune_code: str
    phone: str

    @property
    def idnat(self) -> str:
        """IdNat_Struct (TRE_G07): 1 + FINESS, or 3 + SIRET."""
        return "1" + self.finess if self.finess else "3" + self.siret


@dataclass(frozen=True, slots=True)
class Professional:
    """A person with one activity."""

    rpps: str
    title: str
    civility: str
    first_name: str
    last_name: str
    profession_code: str
    profession: str
    skill_code: str
    skill: str
    practice_code: str
    practice: str
    structure: Structure

    @property
    def idnat(self) -> str:
        """IdNat_PS (TRE_G08): 8 + RPPS."""
        return "8" + self.rpps


@dataclass(frozen=True, slots=True)
class FictiveBal:
    """A mailbox of the sandbox. A personal or practice box has a `professional`, any other its structure."""

    address: str
    type: BalType
    name: str
    structure: Structure = field(repr=False)
    professional: Professional | None = field(default=None, repr=False)
    service: str = ""
    red_list: bool = False
    has_second_factor: bool = False

    @property
    def idnat(self) -> str:
        return self.professional.idnat if self.professional else self.structure.idnat

    @property
    def listing(self) -> Listing:
        """What it shows of itself in the directory."""
        if self.type is BalType.PER:
            return Listing(structure=self.structure.idnat)
        return Listing(service=self.service or None)

    @property
    def is_in_extract(self) -> bool:
        """Whether the fictive extract has it; the real file of 2026 holds no other types."""
        return self.type in (BalType.PER, BalType.ORG) and not self.red_list


@dataclass(frozen=True, slots=True)
class Cast:
    """Who has a place in one sandbox: the domains it hosts, its boxes, its patients (none without their domain)."""

    domains: tuple[str, ...]
    bals: tuple[FictiveBal, ...]
    patients: tuple[FictivePatient, ...]


@dataclass(frozen=True, slots=True)
class FictivePatient:
    """A patient of the sandbox; `representative` is the INS of the person who acts for a child."""

    ins: str
    birth_name: str
    first_names: str
    birth_date: str
    sex: str
    state: PatientState
    minor: bool = False
    representative: str | None = None
    used_name: str | None = None


@dataclass(frozen=True, slots=True)
class MadeBal:
    """A mailbox that was made, with the password that opens it."""

    bal: FictiveBal
    owner_id: int
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MadePatient:
    """A patient that was made, with the password that opens the pages."""

    patient: FictivePatient
    owner_id: int
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who was made, in the order of the data."""

    bals: tuple[MadeBal, ...]
    patients: tuple[MadePatient, ...]


HOSPITAL = Structure(
    name="CENTRE HOSPITALIER DE DEMONSTRATION",
    technical_id="F990700106",
    finess="990700106",
    finess_legal="990700205",
    siret="99900001100018",
    sector_code="SA01",
    sector="Etablissement public de santé",
    street_number="1",
    street_type_code="AV",
    street_type="Avenue",
    street_name="DES ESSAIS",
    postal_code="72000",
    city="LE MANS",
    commune_code="72181",
    phone="0100000010",
)
IME = Structure(
    name="IME LES TILLEULS",
    technical_id="F990700304",
    finess="990700304",
    finess_legal="990700403",
    siret="99900002900010",
    sector_code="SA16",
    sector="Etablissement pour personnes handicapées",
    street_number="24",
    street_type_code="R",
    street_type="Rue",
    street_name="DES TILLEULS",
    postal_code="72100",
    city="LE MANS",
    commune_code="72181",
    phone="0100000020",
)
PRACTICE = Structure(
    name="CABINET DU DR LEFEVRE",
    technical_id="R99900003",
    finess="",
    finess_legal="",
    siret="99900003700013",
    sector_code="SA07",
    sector="Cabinet individuel",
    street_number="8",
    street_type_code="PL",
    street_type="Place",
    street_name="DU MARCHE",
    postal_code="72000",
    city="LE MANS",
    commune_code="72181",
    phone="0100000030",
)
PHARMACY = Structure(
    name="PHARMACIE DES HALLES",
    technical_id="F990700502",
    finess="990700502",
    finess_legal="990700601",
    siret="99900004500016",
    sector_code="SA33",
    sector="Pharmacie d'officine",
    street_number="3",
    street_type_code="R",
    street_type="Rue",
    street_name="DES HALLES",
    postal_code="72000",
    city="LE MANS",
    commune_code="72181",
    phone="0100000040",
)
NURSING = Structure(
    name="CABINET INFIRMIER GARNIER",
    technical_id="R99900005",
    finess="",
    finess_legal="",
    siret="99900005200012",
    sector_code="SA07",
    sector="Cabinet individuel",
    street_number="11",
    street_type_code="R",
    street_type="Rue",
    street_name="DE L'EXEMPLE",
    postal_code="72000",
    city="LE MANS",
    commune_code="72181",
    phone="0100000050",
)


def _doctor(
    rpps: str, civility: str, first_name: str, last_name: str, skill: tuple[str, str], structure: Structure
) -> Professional:
    practice = ("L", "Libéral") if structure is PRACTICE else ("S", "Salarié")
    return Professional(
        rpps, "DR", civility, first_name, last_name, "10", "Médecin", *skill, *practice, structure
    )


NEUROLOGIST = _doctor("99900000102", "MME", "CAMILLE", "ROUSSEL", ("SM32", "Neurologie"), HOSPITAL)
EMERGENCY_DOCTOR = _doctor("99900000110", "M", "KARIM", "BENALI", ("SM59", "Médecine d'urgence"), HOSPITAL)
RADIOLOGIST = _doctor("99900000128", "MME", "ISABELLE", "FAURE", ("SM44", "Radio-diagnostic"), HOSPITAL)
IME_DOCTOR = _doctor("99900000136", "M", "PAUL", "GIRARD", ("SM42", "Psychiatrie"), IME)
ATTENDING_DOCTOR = _doctor("99900000144", "MME", "HÉLÈNE", "LEFÈVRE", ("SM54", "Médecine générale"), PRACTICE)
IME_NURSE = Professional(
    "99900000151", "", "MME", "NADIA", "PETIT", "60", "Infirmier", "", "", "S", "Salarié", IME
)
SPEECH_THERAPIST = Professional(
    "99900000169", "", "MME", "CLAIRE", "DUVAL", "91", "Orthophoniste", "", "", "S", "Salarié", IME
)
PSYCHOLOGIST = Professional(
    "99900000177", "", "M", "JULIEN", "MOREAU", "93", "Psychologue", "", "", "S", "Salarié", IME
)
PHARMACIST = Professional(
    "99900000185", "", "MME", "SOPHIE", "MARCHAND", "21", "Pharmacien", "", "", "L", "Libéral", PHARMACY
)
NURSE = Professional(
    "99900000193", "", "M", "LUCAS", "GARNIER", "60", "Infirmier", "", "", "L", "Libéral", NURSING
)
MIDWIFE = Professional(
    "99900000201", "", "MME", "INÈS", "CARPENTIER", "50", "Sage-Femme", "", "", "S", "Salarié", HOSPITAL
)
PROFESSIONALS = (
    NEUROLOGIST,
    EMERGENCY_DOCTOR,
    RADIOLOGIST,
    IME_DOCTOR,
    ATTENDING_DOCTOR,
    IME_NURSE,
    SPEECH_THERAPIST,
    PSYCHOLOGIST,
    PHARMACIST,
    NURSE,
    MIDWIFE,
)


def _personal(address: str, professional: Professional, service: str = "") -> FictiveBal:
    title = "Dr " if professional.title else ""
    name = f"{title}{professional.first_name.capitalize()} {professional.last_name}"
    return FictiveBal(address, BalType.PER, name, professional.structure, professional, service)


BALS = (
    _personal(f"camille.roussel@{HOSPITAL_DOMAIN}", NEUROLOGIST, "NEUROLOGIE"),
    _personal(f"karim.benali@{HOSPITAL_DOMAIN}", EMERGENCY_DOCTOR, "URGENCES"),
    _personal(f"isabelle.faure@{HOSPITAL_DOMAIN}", RADIOLOGIST, "IMAGERIE"),
    FictiveBal(
        f"neurologie@{HOSPITAL_DOMAIN}", BalType.ORG, "Service de neurologie", HOSPITAL, service="NEUROLOGIE"
    ),
    FictiveBal(
        f"urgences@{HOSPITAL_DOMAIN}", BalType.ORG, "Service des urgences", HOSPITAL, service="URGENCES"
    ),
    FictiveBal(f"dpi@{HOSPITAL_DOMAIN}", BalType.APP, "Dossier patient de l'hôpital", HOSPITAL),
    _personal(f"paul.girard@{IME_DOMAIN}", IME_DOCTOR),
    _personal(f"nadia.petit@{IME_DOMAIN}", IME_NURSE),
    _personal(f"claire.duval@{IME_DOMAIN}", SPEECH_THERAPIST),
    _personal(f"julien.moreau@{IME_DOMAIN}", PSYCHOLOGIST),
    FictiveBal(
        f"secretariat@{IME_DOMAIN}",
        BalType.ORG,
        "Secrétariat de l'IME Les Tilleuls",
        IME,
        service="SECRETARIAT",
    ),
    FictiveBal(
        f"direction@{IME_DOMAIN}",
        BalType.ORG,
        "Direction de l'IME Les Tilleuls",
        IME,
        service="DIRECTION",
        red_list=True,
    ),
    FictiveBal(f"dui@{IME_DOMAIN}", BalType.APP, "Dossier usager de l'IME", IME),
    _personal(f"helene.lefevre@{LIBERAL_DOMAIN}", ATTENDING_DOCTOR),
    FictiveBal(
        f"cabinet.lefevre@{LIBERAL_DOMAIN}", BalType.CAB, "Cabinet du Dr Lefèvre", PRACTICE, ATTENDING_DOCTOR
    ),
    FictiveBal(
        f"pharmacie.des-halles@{LIBERAL_DOMAIN}",
        BalType.ORG,
        "Pharmacie des Halles",
        PHARMACY,
        service="OFFICINE",
    ),
    _personal(f"sophie.marchand@{LIBERAL_DOMAIN}", PHARMACIST),
    _personal(f"lucas.garnier@{LIBERAL_DOMAIN}", NURSE),
    replace(_personal(f"ines.carpentier@{HOSPITAL_DOMAIN}", MIDWIFE, "MATERNITE"), has_second_factor=True),
)

_VALERIE = "284039999900247"
_MARIE = "289059999900723"
PATIENTS = (
    FictivePatient(
        "112059999900169",
        "MERCIER",
        "THOMAS LOUIS",
        "2012-05-14",
        "M",
        PatientState.ACTIVATED,
        minor=True,
        representative=_VALERIE,
    ),
    FictivePatient(
        _VALERIE, "BONNET", "VALERIE ANNE", "1984-03-02", "F", PatientState.ACTIVATED, used_name="MERCIER"
    ),
    FictivePatient("151119999900395", "LAMBERT", "BERNARD", "1951-11-20", "M", PatientState.ACTIVATED),
    FictivePatient(
        "279035121518989", "PAT-TROIS", "DOMINIQUE MARIE-LOUISE", "1979-03-28", "F", PatientState.ACTIVATED
    ),
    FictivePatient(
        "221042545611404",
        "DECOURCY",
        "RUTH ISABELLE",
        "2021-04-25",
        "F",
        PatientState.ACTIVATED,
        minor=True,
        representative=_MARIE,
    ),
    FictivePatient(_MARIE, "DECOURCY", "MARIE", "1989-05-31", "F", PatientState.ACTIVATED),
    FictivePatient("138029999900405", "FONTAINE", "GEORGES", "1938-02-09", "M", PatientState.NOT_ACTIVATED),
    FictivePatient("265079999900569", "CHEVALIER", "MARTINE", "1965-07-17", "F", PatientState.OPPOSED),
    FictivePatient("190099999900689", "LE GALL", "YANN", "1990-09-30", "M", PatientState.CLOSED),
)

PROFESSIONS = """profession,type_code,consultation
21,57828-6,oui
21,57833-6,oui
21,75468-9,oui
"""
"""What an operator adds to the known rows of the arrêté (`record.professions_file`): pharmacists read prescriptions."""

CAST = Cast(DOMAINS, BALS, PATIENTS)
"""The people of a sandbox that stands alone."""


def colleagues(suffix: str) -> Cast:
    """The same people at a second operator, whose domains are told apart by a suffix; the patients stay with the first.

    `b` makes hopital-demo-b.mssante.fr of hopital-demo.mssante.fr.
    """

    def renamed(domain: str) -> str:
        label, _, rest = domain.partition(".")
        return f"{label}-{suffix}.{rest}"

    def moved(bal: FictiveBal) -> FictiveBal:
        local, _, domain = bal.address.partition("@")
        return replace(bal, address=f"{local}@{renamed(domain)}")

    return Cast(tuple(map(renamed, DOMAINS)), tuple(map(moved, BALS)), ())


async def create_people(
    database: Database,
    vault: Vault,
    clock: Clock,
    cast: Cast,
    choosing: Choosing,
    new_password: Callable[[], str],
) -> People:
    """Makes every mailbox and patient with its folders, all or none; takes a second or two.

    `new_password` gives each its own password. Raises BalRefused or PatientRefused where one exists already.
    """
    passwords = [new_password() for _ in range(len(cast.bals) + len(cast.patients))]
    chosen = await asyncio.gather(*(choosing.take(password) for password in passwords))

    def unit(uow: UnitOfWork) -> People:
        secrets = list(zip(passwords, chosen, strict=True))
        bals = tuple(
            MadeBal(bal, _make_bal(uow, vault, clock, bal, stored), password)
            for bal, (password, stored) in zip(cast.bals, secrets[: len(cast.bals)], strict=True)
        )
        patients = tuple(
            MadePatient(patient, _make_patient(uow, vault, clock, patient, stored.password_hash), password)
            for patient, (password, stored) in zip(cast.patients, secrets[len(cast.bals) :], strict=True)
        )
        owners = {made.patient.ins: made.owner_id for made in patients}
        for made in patients:
            if made.patient.representative is not None:
                add_representative(uow, made.owner_id, owners[made.patient.representative])
        return People(bals, patients)

    return await database.write(unit)


def _make_bal(uow: UnitOfWork, vault: Vault, clock: Clock, bal: FictiveBal, password: Chosen) -> int:
    made = make_bal(
        uow,
        vault,
        clock,
        address=bal.address,
        type=bal.type,
        name=bal.name,
        idnat=bal.idnat,
        password=password,
        listing=bal.listing,
        red_list=bal.red_list,
    )
    entry = entry_of(made, bal.listing)
    if bal.is_in_extract and entry is not None:
        note_published(uow, made.owner_id, entry, clock.millis())
    else:
        own.added(uow, made)
    return made.owner_id


def _make_patient(
    uow: UnitOfWork, vault: Vault, clock: Clock, patient: FictivePatient, password_hash: str
) -> int:
    made = open_patient(
        uow,
        vault,
        clock,
        ins=patient.ins,
        ins_oid=OID_TEST,
        birth_name=patient.birth_name,
        first_names=patient.first_names,
        used_name=patient.used_name,
        birth_date=patient.birth_date,
        sex=patient.sex,
        state=patient.state,
        password_hash=password_hash,
    )
    return made.owner_id
