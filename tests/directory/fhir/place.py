"""A small fictive directory behind the FHIR interface, its published rows taken up at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import httpx2
from fhir.resources.R4B import get_fhir_model_class
from starlette.applications import Starlette

from directory.annuaire.model import Mailbox, Person, Role, Skill, Structure
from directory.annuaire.published import Standing, published_after
from directory.annuaire.view import GenerationGone
from directory.bals import BalType
from directory.fhir.access import Caller, Keys
from directory.fhir.paging import PageTokens
from directory.fhir.routes import FhirDirectory
from foundation.settings import ApiKey
from tests.directory.memory import MemoryView

if TYPE_CHECKING:
    from foundation.clock import Clock
    from foundation.database import Database

ORIGIN = "https://annuaire.test"
BASE = f"{ORIGIN}/fhir/annuaire"
KEY = "cle-de-l-operateur-demo"
OTHER_KEY = "cle-d-un-autre-operateur"
WRITTEN_AT = 1_700_000_000_000

MEDECIN, CH = "anne.exemple@medecin.mssante.fr", "anne.exemple@ch-des-essais.mssante.fr"
CARDIO, ROBOT = "cardiologie@ch-des-essais.mssante.fr", "labo.resultats@ch-des-essais.mssante.fr"
LOIC = "l.specimen@infirmier.mssante.fr"

_CH = {"structure_id_type": "1", "structure_id": "1990780017", "structure": "CH DES ESSAIS"}
_ANNE = {
    "idnat": "899900000011",
    "person_id_type": "8",
    "person_id": "99900000011",
    "last_name": "EXEMPLE",
    "first_name": "ANNE",
    "updated_at": WRITTEN_AT,
}
BOXES = [
    Mailbox(MEDECIN, BalType.PER, rank=1, **_ANNE),
    Mailbox(CH, BalType.PER, service="URGENCES", **_ANNE, **_CH),
    Mailbox(CARDIO, BalType.ORG, service="CARDIOLOGIE", updated_at=WRITTEN_AT, **_CH),
    Mailbox(ROBOT, BalType.APP, description="Résultats", updated_at=WRITTEN_AT, **_CH),
    Mailbox(
        LOIC,
        BalType.PER,
        idnat="899900000029",
        person_id_type="8",
        person_id="99900000029",
        last_name="SPÉCIMEN",
        first_name="LOÏC",
        updated_at=WRITTEN_AT,
    ),
]
PEOPLE = [
    Person(
        "899900000011",
        "8",
        "99900000011",
        title="DR",
        civility="MME",
        last_name="EXEMPLE",
        first_name="ANNE",
        category_code="C",
        category="Civil",
        profession_code="10",
        profession="Médecin",
        updated_at=WRITTEN_AT,
        skills=(Skill("SM54", "Médecine générale", "S", "Spécialité ordinale"),),
        diplomas=(Skill("DE09", "DE Docteur en médecine", "DE", "Diplôme d'Etat français"),),
    ),
    Person(
        "899900000029",
        "8",
        "99900000029",
        civility="M",
        last_name="SPÉCIMEN",
        first_name="LOÏC",
        profession_code="60",
        profession="Infirmier",
        updated_at=WRITTEN_AT + 86_400_000,
    ),
    Person("3990780017/4711", "3", "990780017/4711", last_name="INTERNE", first_name="ZOÉ"),
]
ROLES = [
    Role(
        "00000000000000a1",
        "899900000011",
        "F990780017",
        practice_code="S",
        practice="Salarié",
        function_code="FON-AU",
        function="Autre",
        kind_code="GENR01",
        updated_at=WRITTEN_AT,
    ),
    Role("00000000000000a2", "899900000011", "R99900001", practice_code="L", updated_at=WRITTEN_AT),
    Role("00000000000000a3", "899900000029", None, practice_code="L", updated_at=WRITTEN_AT),
]
PLACES = [
    Structure(
        "F990780017",
        idnat="1990780017",
        finess="990780017",
        finess_legal="990780025",
        name="CH DES ESSAIS",
        sign="HÔPITAL D'ESSAI",
        street_number="1",
        street_type="R",
        street_name="DES ESSAIS",
        postal_code="75015",
        city_code="75115",
        city="PARIS",
        phone="0100000001",
        sector_code="SA01",
        sector="Etablissement Public de santé",
        updated_at=WRITTEN_AT,
    ),
    Structure("R99900001", name="CABINET DU DR EXEMPLE", routing="29200 BREST", updated_at=WRITTEN_AT),
]


@dataclass
class MemoryAnnuaire:
    """As Annuaire: a view of now, with what is published in the database, and one of a generation kept."""

    database: Database | None
    base: MemoryView
    kept: set[str] = field(default_factory=set)

    def view(self, generation: str | None = None) -> MemoryView:
        if generation is not None and generation not in self.kept | {self.base.generation}:
            raise GenerationGone("The generation is gone.")
        if self.database is None:
            return self.base
        rows = self.database.read_now(lambda connection: published_after(connection, 0, 10_000))
        boxes = {box.address: box for box in self.base.boxes}
        for each in rows:
            boxes.pop(each.mailbox.address, None)
            if each.standing is Standing.SHOWN:
                boxes[each.mailbox.address] = each.mailbox
        version = max((each.version for each in rows), default=0)
        return replace(self.base, boxes=list(boxes.values()), version=version)


@dataclass
class Place:
    """The interface and those who speak to it."""

    annuaire: MemoryAnnuaire
    app: Starlette

    def client(self, key: str | None = KEY, **headers: str) -> httpx2.AsyncClient:
        told = dict(headers) if key is None else {"ESANTE-API-KEY": key, **headers}
        transport = httpx2.ASGITransport(self.app, client=("192.0.2.7", 50000), raise_app_exceptions=True)
        return httpx2.AsyncClient(transport=transport, base_url=BASE, headers=told)


def api_key(name: str, key: str, *domains: str) -> ApiKey:
    return ApiKey(name=name, sha256=hashlib.sha256(key.encode()).hexdigest(), domains=list(domains))


def place(
    database: Database, clock: Clock, *, view: MemoryView | None = None, nobody: Caller | None = None
) -> Place:
    """Without a database it can only be read, and is there at once."""
    base = view or MemoryView(BOXES, PEOPLE, ROLES, PLACES, generation="g1", generated_at=WRITTEN_AT)
    keys = Keys(
        [
            api_key("demo", KEY, "medecin.mssante.fr", "ch-des-essais.mssante.fr", "domain.mssante.fr"),
            api_key("autre", OTHER_KEY, "autre.mssante.fr"),
        ],
        nobody,
    )
    annuaire = MemoryAnnuaire(database, base)
    served = FhirDirectory(annuaire, database, clock, keys, PageTokens(b"k" * 32), BASE)  # type: ignore[arg-type]
    return Place(annuaire, Starlette(routes=served.routes()))


def valid(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource, judged by a FHIR library; R4B has the same shapes as R4 for all of these."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return resource


def found(bundle: dict[str, Any], mode: str = "match") -> list[str]:
    """The ids of the matches of a valid Bundle."""
    valid(bundle)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
    return [each["resource"]["id"] for each in bundle.get("entry", []) if each["search"]["mode"] == mode]


def refusal(answer: httpx2.Response, status: int) -> str:
    """The code of the OperationOutcome an answer of this status is."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    told = valid(answer.json())
    assert told["resourceType"] == "OperationOutcome"
    assert "Traceback" not in answer.text
    return str(told["issue"][0]["code"])
