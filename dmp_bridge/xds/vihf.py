"""VIHF, the SAML 2.0 assertion of the DMP: who asks, as what, for which patient, in which mode (CI-SIS, DMP kit).

Nothing is read from an assertion before its signature held and its signer was believed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from dmp_bridge.ebrim import Cx, parse_cx
from dmp_bridge.rights.vocabulary import Mode
from dmp_bridge.visibility import Visibility
from dmp_bridge.xds.signature import SignatureRefused, certificate_of, verify
from dmp_bridge.xds.soap import Fault, SubCode
from dmp_bridge.xml import local_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml import etree

    from certs.names import DistinguishedName
    from dmp_bridge.xds.certificates import Certificates
    from foundation.settings import RecordSettings

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"

_SKEW = timedelta(minutes=2)
_MOST_ELEMENTS = 500
_LONGEST = 512
_CONDITIONS = ("AudienceRestriction", "OneTimeUse", "ProxyRestriction")

# The attributes, by what their names end with; the older and the newer name of the mode (VIHF 3.0, 4.0).
_MODE = ("Authentification_mode", "Authentification_Mode", "Mode")
_STRUCTURE = ("Identifiant_Structure",)
_RESOURCE = ("Ressource_URN",)
_PATIENT = ("urn:oasis:names:tc:xacml:2.0:resource:resource-id",)
_ROLE = ("urn:oasis:names:tc:xacml:2.0:subject:role",)
_NAME = ("urn:oasis:names:tc:xspa:1.0:subject:subject-id",)
_PURPOSE = ("urn:oasis:names:tc:xspa:1.0:subject:purposeofuse",)
_CONFIDENTIALITY = "confidentiality-code"

_PURPOSES = {
    "normal": Mode.NORMAL,
    "bris_de_glace": Mode.BRIS_DE_GLACE,
    "centre_15": Mode.CENTRE_15,
}


class Authentication(StrEnum):
    """Who signed: the professional's card, the structure, or the structure after a strong sign-in (AIR)."""

    DIRECT = "DIRECTE"
    INDIRECT = "INDIRECTE"
    REINFORCED = "INDIRECTE_RENFORCEE"


@dataclass(frozen=True, slots=True)
class RoleCode:
    """A value of the role attribute: a profession (TRE_G15), a skill (TRE_R38) or another role."""

    code: str
    system: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vihf:
    """What a believed assertion says. `signer` names its certificate, `expires_at` its last instant."""

    id: str
    expires_at: datetime
    is_for_once: bool
    authentication: Authentication
    signer: DistinguishedName
    subject: str
    name: str = field(repr=False)
    structure_id: str
    roles: tuple[RoleCode, ...]
    patient: Cx = field(repr=False)
    mode: Mode
    motive: str = field(repr=False)
    is_secret: bool


# ref: DMP-F33
def read_vihf(
    assertion: etree._Element | None, certificates: Certificates, now: datetime, settings: RecordSettings
) -> Vihf:
    """The assertion of a request, verified. Holds the processor for some milliseconds. Raises Fault."""
    if assertion is None or assertion.tag != f"{{{SAML}}}Assertion":
        raise Fault("Le message ne porte pas d'assertion VIHF.", subcode=SubCode.INVALID_SECURITY)
    if sum(1 for _ in assertion.iter()) > _MOST_ELEMENTS or assertion.get("Version") != "2.0":
        raise _invalid("Le VIHF n'est pas une assertion SAML 2.0 lisible.")
    try:
        der = certificate_of(assertion)
        signed = verify(assertion, der, now, sha1=settings.vihf_sha1)
    except SignatureRefused as error:
        raise Fault("La signature du VIHF n'est pas valable.", subcode=SubCode.FAILED_CHECK) from error
    expires_at = _expiry(signed, now, settings)
    attributes = _attributes(signed)
    authentication = _authentication(attributes)
    is_direct = authentication is Authentication.DIRECT
    signer = certificates.person(der) if is_direct else certificates.signing_organisation(der)
    if signer is None:
        raise Fault("Le certificat qui signe le VIHF n'est pas admis.", subcode=SubCode.INVALID_CERTIFICATE)
    if _text(attributes, _RESOURCE, "Ressource_URN") not in settings.vihf_audience:
        raise _invalid("Le VIHF est destiné à une autre ressource.")
    patient = parse_cx(_text(attributes, _PATIENT, "resource-id"))
    if patient is None:
        raise _invalid("Le VIHF ne nomme pas de patient.")
    mode, motive = _purpose(attributes)
    return Vihf(
        id=str(signed.get("ID"))[:_LONGEST],
        expires_at=expires_at,
        is_for_once=any(local_name(each) == "OneTimeUse" for each in _conditions(signed)),
        authentication=authentication,
        signer=signer,
        subject=_subject(signed),
        name=_optional(attributes, _NAME),
        structure_id=_text(attributes, _STRUCTURE, "Identifiant_Structure"),
        roles=_roles(attributes),
        patient=patient,
        mode=mode,
        motive=motive,
        is_secret=_is_secret(attributes),
    )


def _expiry(assertion: etree._Element, now: datetime, settings: RecordSettings) -> datetime:
    """Until when it holds; raises Fault where it does not hold now or is for somebody else (SAML Core §2.5)."""
    issued = _instant(assertion.get("IssueInstant"))
    if issued is None:
        raise _invalid("Le VIHF n'a pas de date d'émission.")
    ends = [issued + timedelta(minutes=settings.vihf_minutes)]
    begins = [issued]
    conditions = _children(assertion, "Conditions")
    bounded = [
        *conditions,
        *(
            data
            for subject in _children(assertion, "Subject")
            for confirmation in _children(subject, "SubjectConfirmation")
            for data in _children(confirmation, "SubjectConfirmationData")
        ),
    ]
    for each in bounded:
        begins += _bound(each, "NotBefore")
        ends += _bound(each, "NotOnOrAfter")
    if now + _SKEW < max(begins):
        raise _expired("Le VIHF n'est pas encore valable : vérifiez l'heure du poste.")
    if now - _SKEW >= min(ends):
        raise _expired("Le VIHF n'est plus valable.")
    for condition in _conditions(assertion):
        if local_name(condition) not in _CONDITIONS:
            raise _invalid("Le VIHF porte une condition inconnue.")
        if local_name(condition) == "AudienceRestriction":
            audiences = {(each.text or "").strip() for each in _children(condition, "Audience")}
            if audiences.isdisjoint(settings.vihf_audience):
                raise _invalid("Le VIHF est destiné à un autre service.")
    return min(ends) + _SKEW


def _bound(element: etree._Element, name: str) -> list[datetime]:
    text = element.get(name)
    if text is None:
        return []
    instant = _instant(text)
    if instant is None:
        raise _invalid("Le VIHF porte une date qui n'est pas lisible.")
    return [instant]


def _instant(text: str | None) -> datetime | None:
    """An xs:dateTime in UTC (SAML Core §1.3.3)."""
    try:
        instant = datetime.fromisoformat((text or "")[:40])
        instant + timedelta(days=2), instant - timedelta(days=2)  # the ends of the calendar are no dates
    except (ValueError, OverflowError):
        return None
    return instant if instant.tzinfo is not None else None


def _conditions(assertion: etree._Element) -> list[etree._Element]:
    return [each for conditions in _children(assertion, "Conditions") for each in conditions]


def _subject(assertion: etree._Element) -> str:
    names = [
        (name.text or "").strip()
        for subject in _children(assertion, "Subject")
        for name in _children(subject, "NameID")
    ]
    if len(names) != 1 or not names[0] or len(names[0]) > 64:
        raise _invalid("Le VIHF ne nomme pas son sujet.")
    return names[0]


def _attributes(assertion: etree._Element) -> Mapping[str, list[etree._Element]]:
    """The values by the name of their attribute; a name that stands twice is refused."""
    found: dict[str, list[etree._Element]] = {}
    for statement in _children(assertion, "AttributeStatement"):
        for attribute in _children(statement, "Attribute"):
            name = attribute.get("Name", "")
            if name in found:
                raise _invalid("Le VIHF porte deux fois le même attribut.")
            found[name] = _children(attribute, "AttributeValue")
    return found


def _values(attributes: Mapping[str, list[etree._Element]], names: tuple[str, ...]) -> list[etree._Element]:
    known = [attributes[name] for name in names if name in attributes]
    if len(known) > 1:
        raise _invalid("Le VIHF porte deux fois le même attribut.")
    return known[0] if known else []


def _optional(attributes: Mapping[str, list[etree._Element]], names: tuple[str, ...]) -> str:
    values = _values(attributes, names)
    return (values[0].text or "").strip()[:_LONGEST] if len(values) == 1 else ""


def _text(attributes: Mapping[str, list[etree._Element]], names: tuple[str, ...], label: str) -> str:
    text = _optional(attributes, names)
    if not text:
        raise _invalid(f"L'attribut {label} manque dans le VIHF.")
    return text


def _authentication(attributes: Mapping[str, list[etree._Element]]) -> Authentication:
    try:
        return Authentication(_text(attributes, _MODE, "Authentification_mode").upper())
    except ValueError as error:
        raise _invalid("Le mode d'authentification du VIHF n'est pas connu.") from error


def _roles(attributes: Mapping[str, list[etree._Element]]) -> tuple[RoleCode, ...]:
    elements = [each for value in _values(attributes, _ROLE)[:5] for each in value if each.get("code")]
    return tuple(RoleCode(each.get("code", "")[:64], each.get("codeSystem", "")[:64]) for each in elements)


def _purpose(attributes: Mapping[str, list[etree._Element]]) -> tuple[Mode, str]:
    """The mode of access, and why where it is told (the originalText of the coded value)."""
    elements = [each for value in _values(attributes, _PURPOSE) for each in value if each.get("code")]
    mode = _PURPOSES.get(elements[0].get("code", "").strip().lower()) if len(elements) == 1 else None
    if mode is None:
        raise _invalid("Le mode d'accès (purposeofuse) du VIHF manque ou n'est pas connu.")
    texts = [each for each in elements[0] if local_name(each) == "originalText"]
    return mode, (texts[0].text or "").strip()[:_LONGEST] if texts else ""


def _is_secret(attributes: Mapping[str, list[etree._Element]]) -> bool:
    """Whether the confidentiality-code says "connexion secrète", as a text or as a coded value."""
    for name, values in attributes.items():
        if not name.endswith(_CONFIDENTIALITY):
            continue
        codes = {(value.text or "").strip().partition("^")[0] for value in values}
        codes |= {each.get("code", "") for value in values for each in value}
        if Visibility.UNSEEN_BY_REPRESENTATIVES in codes:
            return True
    return False


def _children(element: etree._Element, name: str) -> list[etree._Element]:
    return [child for child in element if child.tag == f"{{{SAML}}}{name}"]


def _invalid(sentence: str) -> Fault:
    return Fault(sentence, subcode=SubCode.INVALID_TOKEN)


def _expired(sentence: str) -> Fault:
    return Fault(sentence, subcode=SubCode.MESSAGE_EXPIRED)
