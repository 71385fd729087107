"""Who asks, as what and for what purpose: an access token of Pro Santé Connect, or the certificate of a structure.

Beside a token the certificate says for which structure its bearer works. The purpose of use goes in headers of our
own, since PDSm leaves it open: `X-Purpose-Of-Use` (normal, bris_de_glace, centre_15), `X-Access-Motive` (UTF-8,
percent-encoded) and `X-Confidentiality-Code` (INVISIBLE_REPRESENTANTS_LEGAUX: a "connexion secrète"). Patients and
their representatives read with the session of their pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote

from directory.psc.faults import TokenFault
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.rights.functional import OCCUPATIONAL_SKILLS
from dmp_bridge.rights.vocabulary import Mode, Role
from dmp_bridge.visibility import Visibility
from foundation.fhir.outcome import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request

    from certs.names import DistinguishedName
    from directory.annuaire.view import HasView
    from directory.psc.claims import Professional
    from directory.psc.tokens import Access
    from dmp_bridge.xds.certificates import Certificates

CHANNEL: Final = "fhir"
PURPOSE_HEADER: Final = "x-purpose-of-use"
MOTIVE_HEADER: Final = "x-access-motive"
CONFIDENTIALITY_HEADER: Final = "x-confidentiality-code"
CHALLENGE: Final = 'Bearer realm="Vaguemestre"'
INVALID: Final = 'Bearer realm="Vaguemestre", error="invalid_token"'
_LONGEST_TOKEN: Final = 8 * 1024
_LONGEST_MOTIVE: Final = 500
_FINESS, _SIRET = 9, 14


class ChecksTokens(Protocol):
    """Who verifies access tokens (directory.psc.tokens)."""

    async def check(self, token: str, *, certificate: bytes | None = None) -> Access | TokenFault: ...


class Unknown(Refused):
    """Nobody is signed in; `challenge` says how one does (RFC 6750 §3)."""

    def __init__(self, text: str, challenge: str = CHALLENGE) -> None:
        super().__init__(401, "login", text)
        self.challenge = challenge


@dataclass(frozen=True, slots=True)
class _Practice:
    profession: str
    skill: str
    structure_id: str
    structure_name: str


Visitor = Callable[["Request"], Caller | None]
"""Tells the patient or representative whose session a request bears."""
_SAFE: Final = frozenset({"GET", "HEAD"})


class Gate:
    """Makes a Caller of a request. `tokens`, `annuaire` and `visitor` are None where there are none."""

    def __init__(
        self,
        tokens: ChecksTokens | None,
        certificates: Certificates,
        structures: Mapping[DistinguishedName, str],
        annuaire: HasView | None = None,
        visitor: Visitor | None = None,
    ) -> None:
        self._tokens = tokens
        self._certificates = certificates
        self._structures = structures
        self._annuaire = annuaire
        self._visitor = visitor

    async def caller(self, request: Request) -> Caller:
        """Who asks; raises Refused (400 for an unknown purpose, 401, 403, 503)."""
        tls = request.scope.get("extensions", {}).get("tls", {})
        der: bytes | None = tls.get("client_certificate")
        structure = self._structure_of(der)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        mode, motive = _purpose(request)
        is_secret = _is_secret(request)
        if scheme:
            if scheme.lower() != "bearer" or self._tokens is None:
                raise Unknown("Un jeton Pro Santé Connect est attendu (Authorization: Bearer).")
            professional = await self._professional(self._tokens, token.strip(), der)
            practice = self._practice(professional, structure)
            role = Role.PROFESSIONAL if practice.profession else Role.EMPLOYEE
            if role is Role.EMPLOYEE and structure is None:
                raise Refused(
                    403,
                    "forbidden",
                    "Sans profession de santé, on appelle avec le certificat de sa structure.",
                )
            return Caller(
                role=role,
                id=professional.idnat,
                name=professional.name,
                profession=practice.profession,
                skill=practice.skill,
                structure_id=practice.structure_id,
                structure_name=practice.structure_name,
                mode=mode,
                motive=motive,
                is_secret=is_secret,
                channel=CHANNEL,
            )
        if structure is None:
            return self._visiting(request, is_secret=is_secret)
        return Caller(
            role=Role.STRUCTURE,
            id=structure[0],
            name=structure[1],
            structure_id=structure[0],
            structure_name=structure[1],
            mode=mode,
            motive=motive,
            is_secret=is_secret,
            channel=CHANNEL,
        )

    def _visiting(self, request: Request, *, is_secret: bool) -> Caller:
        """Who reads with a session. Another site can make a browser send a cookie: with it nothing is written."""
        found = self._visitor(request) if self._visitor is not None and request.method in _SAFE else None
        if found is None:
            raise Unknown("Un jeton Pro Santé Connect ou le certificat d'une structure connue est attendu.")
        return replace(found, is_secret=found.is_secret or is_secret, channel=CHANNEL)

    # ref: ECO.1.2.1
    async def _professional(self, tokens: ChecksTokens, token: str, der: bytes | None) -> Professional:
        found = await tokens.check(token, certificate=der) if len(token) <= _LONGEST_TOKEN else None
        if found is TokenFault.UNAVAILABLE:
            raise Refused(503, "transient", "Pro Santé Connect ne répond pas : réessayez dans un instant.")
        if found is None or isinstance(found, TokenFault):
            raise Unknown("Ce jeton n'est pas valable.", INVALID)
        return found.professional

    def _structure_of(self, der: bytes | None) -> tuple[str, str] | None:
        """Struct_IdNat and name of the structure whose certificate this is, where the settings know it."""
        name = self._certificates.connected_organisation(der) if der is not None else None
        structure = self._structures.get(name) if name is not None else None
        if name is None or structure is None:
            return None
        return structure, next((value for kind, value in name.attributes if kind == "O"), "")

    def _practice(self, professional: Professional, structure: tuple[str, str] | None) -> _Practice:
        """As what and where somebody works: by the token, by the directory where that says nothing."""
        exercise = next((each for each in professional.exercises if each.profession), None)
        profession = professional.profession
        skill = _skill(each.skill for each in professional.exercises if each.profession == profession)
        activity = next(iter(exercise.activities), None) if exercise is not None else None
        place = (_idnat(activity.identifier), activity.structure) if activity is not None else ("", "")
        view = self._annuaire.view() if self._annuaire is not None and not profession else None
        person = view.person(professional.idnat) if view is not None else None
        if view is not None and person is not None:
            profession = person.profession_code or ""
            skill = _skill(each.code or "" for each in person.skills)
            for role in view.roles_of_person(professional.idnat):
                known = view.structure(role.structure_id) if role.structure_id else None
                if known is not None and known.idnat:
                    place = (known.idnat, known.name or "")
                    break
        return _Practice(profession, skill, *(structure or place))


def _skill(skills: Iterable[str]) -> str:
    """Who is an occupational doctor in one exercise counts as one: a token does not say in which they act."""
    known = [each for each in skills if each]
    return next((each for each in known if each in OCCUPATIONAL_SKILLS), next(iter(known), ""))


def _idnat(number: str) -> str:
    """Struct_IdNat of a FINESS or SIRET; another number as it is."""
    if len(number) == _FINESS and number.isalnum():
        return f"1{number}"
    return f"3{number}" if len(number) == _SIRET and number.isdecimal() else number


# ref: DMP-F25
def _purpose(request: Request) -> tuple[Mode, str]:
    written = request.headers.get(PURPOSE_HEADER, Mode.NORMAL.value)
    if written not in set(Mode):
        raise Refused(
            400, "value", f"X-Purpose-Of-Use vaut {', '.join(Mode)}.", expression="X-Purpose-Of-Use"
        )
    motive = " ".join(unquote(request.headers.get(MOTIVE_HEADER, ""), errors="replace").split())
    if len(motive) > _LONGEST_MOTIVE or not motive.isprintable():
        raise Refused(
            400,
            "value",
            f"Le motif est une ligne d'au plus {_LONGEST_MOTIVE} caractères.",
            expression="X-Access-Motive",
        )
    return Mode(written), motive


# ref: DMP-F20
def _is_secret(request: Request) -> bool:
    written = request.headers.get(CONFIDENTIALITY_HEADER, "")
    if written not in ("", Visibility.UNSEEN_BY_REPRESENTATIVES):
        raise Refused(
            400,
            "value",
            f"X-Confidentiality-Code vaut {Visibility.UNSEEN_BY_REPRESENTATIVES}.",
            expression="X-Confidentiality-Code",
        )
    return bool(written)
