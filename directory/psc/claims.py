"""The professional whom verified claims of Pro Santé Connect describe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SUBJECT_NAME_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/-]{0,63}")
_LONGEST = 255
_MOST = 50


@dataclass(frozen=True, slots=True)
class OtherId:
    """Another identifier of the professional and the register it is from (`RPPS`, `ADELI`, `EDIT`)."""

    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Activity:
    """Where a profession is exercised. `identifier` is the structure's: FINESS, SIRET or the directory's own."""

    structure: str
    identifier: str
    sector: str


@dataclass(frozen=True, slots=True)
class Exercise:
    """One professional exercise: codes of TRE_G15 (profession), TRE_R09 (category) and of the skill."""

    profession: str
    category: str
    skill: str
    activities: tuple[Activity, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Professional:
    """Who signed in. `idnat` is SubjectNameID, the national identifier (`8` and the RPPS number); `subject` and
    `session` are the provider's `sub` and `sid`; every text but `idnat` may be empty.
    """

    idnat: str
    subject: str = ""
    session: str = ""
    given_name: str = ""
    family_name: str = ""
    acr: str = ""
    sector: str = ""
    organisation: str = ""
    organisation_id: str = ""
    roles: tuple[str, ...] = ()
    other_ids: tuple[OtherId, ...] = ()
    exercises: tuple[Exercise, ...] = ()

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any]) -> Self | None:
        """The professional of an ID token, a userinfo or an access token that was verified; None without a
        usable SubjectNameID.

        A member of another type, too long, or with control characters counts as absent. `preferred_username`
        never stands in for SubjectNameID: OpenID Connect Core §5.7 promises nothing about it.
        """
        idnat = claims.get("SubjectNameID")
        if not isinstance(idnat, str) or not _SUBJECT_NAME_ID.fullmatch(idnat):
            return None
        practice = claims.get("SubjectRefPro")
        return cls(
            idnat=idnat,
            subject=_text(claims, "sub"),
            session=_text(claims, "sid"),
            given_name=_text(claims, "given_name"),
            family_name=_text(claims, "family_name"),
            acr=_text(claims, "acr"),
            sector=_code(_text(claims, "Secteur_Activite")),
            organisation=_text(claims, "SubjectOrganization"),
            organisation_id=_text(claims, "SubjectOrganizationID"),
            roles=tuple(_code(role) for role in _texts(claims.get("SubjectRole"))),
            other_ids=tuple(
                OtherId(_text(each, "identifiant"), _text(each, "origine"))
                for each in _objects(claims.get("otherIds"))
            ),
            exercises=tuple(
                _exercise(each)
                for each in _objects(practice.get("exercices") if isinstance(practice, dict) else None)
            ),
        )

    @property
    def name(self) -> str:
        """Given name and family name, as a person reads them."""
        return f"{self.given_name} {self.family_name}".strip()

    @property
    def profession(self) -> str:
        """The code of the profession (TRE_G15: `10` is a physician); empty when nothing tells it."""
        return next((each.profession for each in self.exercises if each.profession), "") or next(
            iter(self.roles), ""
        )

    def __repr__(self) -> str:
        return "Professional(...)"


def _exercise(found: Mapping[str, Any]) -> Exercise:
    return Exercise(
        profession=_text(found, "codeProfession"),
        category=_text(found, "codeCategorieProfessionnelle"),
        skill=_text(found, "codeSavoirFaire"),
        activities=tuple(_activity(each) for each in _objects(found.get("activities"))),
    )


def _activity(found: Mapping[str, Any]) -> Activity:
    numbers = ("numeroFinessSite", "numeroSiretSite", "identifiantTechniqueDeLaStructure")
    return Activity(
        structure=_text(found, "raisonSocialeSite") or _text(found, "enseigneCommercialeSite"),
        identifier=next((number for name in numbers if (number := _text(found, name))), ""),
        sector=_text(found, "codeSecteurDactivite"),
    )


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects among the first members of an array; nothing for another value."""
    return (each for each in value[:_MOST] if isinstance(each, dict)) if isinstance(value, list) else iter(())


def _texts(value: Any) -> Iterator[str]:
    """The same for strings; one string alone counts as an array of one."""
    values = value[:_MOST] if isinstance(value, list) else [value]
    return (text for each in values if (text := _line(each)))


def _text(members: Mapping[str, Any], name: str) -> str:
    return _line(members.get(name))


def _line(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        return ""
    line = " ".join(value.split())
    return line if line.isprintable() else ""


def _code(coded: str) -> str:
    """The code of `code^system` (HL7 CX and the like)."""
    return coded.partition("^")[0]
