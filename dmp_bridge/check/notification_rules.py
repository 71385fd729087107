"""What a disposition notification (RFC 8098) or a delivery report (RFC 3464) must hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dmp_bridge.check.letter import place_of
from dmp_bridge.check.message_rules_table import MESSAGE_RULES
from dmp_bridge.check.report import Checked, Weight
from dmp_bridge.codes import ErrorCode
from foundation.mime.bodies import decode_body
from foundation.mime.fields import split_fields, unfold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dmp_bridge.check.letter import Letter
    from dmp_bridge.check.report import Finding
    from foundation.mime.parts import Part

_REPORT: Final = MESSAGE_RULES["RFC6522"]
_MDN: Final = MESSAGE_RULES["RFC8098.3"]
_REFUSAL: Final = MESSAGE_RULES["ANS.KO"]
_DSN: Final = MESSAGE_RULES["RFC3464.2"]

MDN_PART: Final = "message/disposition-notification"
DSN_PARTS: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_RETURNED: Final = frozenset({"message/rfc822", "message/global", "text/rfc822-headers"})
_MAX_FIELDS_BYTES: Final = 256 * 1024
_MAX_RECIPIENTS: Final = 100
_ACTIONS: Final = frozenset({"failed", "delayed", "delivered", "relayed", "expanded"})
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)
_MODE: Final = re.compile(
    r"(?:manual-action|automatic-action)\s?/\s?(?:MDN-sent-manually|MDN-sent-automatically)", re.IGNORECASE
)
_FATES: Final = frozenset({"displayed", "deleted", "dispatched", "processed"})
_ERROR: Final = re.compile(r"Error:\s?(\d{3})\b", re.IGNORECASE)
_BLANK: Final = re.compile(rb"\r?\n[ \t]*\r?\n")
_ADDRESS_TYPE: Final = re.compile(r"[A-Za-z0-9-]{1,40}\s?;\s?\S")


def kind_of(letter: Letter) -> Checked:
    """Whether a message is a notification, a delivery report or a letter."""
    parts = {part.content_type for part in letter.own_parts()}
    said = letter.root.parameters.get("report-type", "").lower()
    if letter.root.content_type != "multipart/report":
        return Checked.MESSAGE
    if MDN_PART in parts or said == "disposition-notification":
        return Checked.DISPOSITION_NOTIFICATION
    if parts & DSN_PARTS or said == "delivery-status":
        return Checked.DELIVERY_NOTIFICATION
    return Checked.MESSAGE


def report(letter: Letter) -> Iterator[Finding]:
    """RFC 6522 §3: a text to read, the fields, and what they are about."""
    children = letter.root.children
    said = letter.root.parameters.get("report-type", "").lower()
    wanted = {MDN_PART: "disposition-notification"} | dict.fromkeys(DSN_PARTS, "delivery-status")
    second = children[1].content_type if len(children) > 1 else ""
    if len(children) < 2 or second not in wanted:
        yield _REPORT.fails(
            "message",
            "La deuxième partie n'est pas celle des champs du rapport.",
            "Écrire, dans l'ordre : le texte, les champs, le message d'origine.",
        )
        return
    if said != wanted[second]:
        yield _REPORT.fails(
            "Content-Type",
            f"Report-type n'est pas {wanted[second]}.",
            f"Écrire report-type={wanted[second]}.",
        )
    elif children[0].media_type not in ("text", "multipart"):
        yield _REPORT.fails(
            place_of(children[0]), "La première partie n'est pas un texte.", "Commencer par un texte à lire."
        )
    elif len(children) < 3 or children[2].content_type not in _RETURNED:
        yield _REPORT.fails(
            "message",
            "Ni le message d'origine ni son en-tête ne sont rendus.",
            "Joindre le message d'origine (message/rfc822) ou son en-tête.",
            Weight.RECOMMENDED,
        )
    else:
        yield _REPORT.holds("message", "Un texte, les champs, le message d'origine.")


def disposition(letter: Letter) -> Iterator[Finding]:
    """RFC 8098 §3: Final-Recipient and Disposition, each once and readable."""
    part = _part(letter, frozenset({MDN_PART}))
    if part is None:
        return
    place = place_of(part, MDN_PART)
    fields = _blocks(letter, part)[0]
    fine = True
    for name, shown in (("final-recipient", "Final-Recipient"), ("disposition", "Disposition")):
        if len(fields.get(name, [])) != 1:
            fine = False
            yield _MDN.fails(
                f"{place} {shown}", "Ce champ obligatoire n'y est pas une fois.", f"Écrire {shown}, une fois."
            )
    if fine and _ADDRESS_TYPE.match(fields["final-recipient"][0]) is None:
        fine = False
        yield _MDN.fails(
            f"{place} Final-Recipient", "Pas de la forme rfc822;adresse.", "Écrire rfc822;adresse."
        )
    if fine and not _is_disposition(fields["disposition"][0]):
        fine = False
        yield _MDN.fails(
            f"{place} Disposition",
            "Pas de la forme mode ; sort.",
            "Écrire par exemple automatic-action/MDN-sent-automatically; processed.",
        )
    if not fields.get("original-message-id"):
        yield _MDN.fails(
            f"{place} Original-Message-ID",
            "Absent : l'expéditeur ne peut pas rattacher l'avis à son message.",
            "Reprendre le Message-ID d'origine.",
            Weight.RECOMMENDED,
        )
    if fine:
        yield _MDN.holds(place, "Final-Recipient et Disposition présents et bien formés.")


def refusal(letter: Letter) -> Iterator[Finding]:
    """ANS, PFI: what was not integrated says so in its subject, by a code of the table in both places."""
    part = _part(letter, frozenset({MDN_PART}))
    fields = _blocks(letter, part)[0] if part is not None else {}
    said = " ".join([*fields.get("disposition", []), *(f"Error: {each}" for each in fields.get("error", []))])
    match = _ERROR.search(said)
    subject = letter.subject
    if match is None and not subject.refused:
        yield _REFUSAL.not_applicable("L'avis ne dit pas d'échec d'intégration.")
    elif match is None:
        yield _REFUSAL.fails(
            "Disposition",
            "L'objet dit un échec, les champs n'en disent pas le code.",
            "Écrire Error: <code>^<libellé>.",
        )
    elif match[1] not in {code.value for code in ErrorCode}:
        yield _REFUSAL.fails(
            "Disposition", f"Code d'erreur {match[1]} inconnu.", "Employer un code de 900 à 906."
        )
    elif not subject.refused or (subject.refused_code is not None and subject.refused_code != match[1]):
        yield _REFUSAL.fails(
            "Subject",
            "L'objet ne porte pas [KO Intégration système !] et le même code.",
            f"Commencer l'objet par [KO Intégration système !][{match[1]}].",
        )
    else:
        yield _REFUSAL.holds(
            "Subject, Disposition", f"Échec {match[1]}, dit dans l'objet et dans les champs."
        )


def delivery(letter: Letter) -> Iterator[Finding]:
    """RFC 3464 §2: Reporting-MTA, then Final-Recipient, Action and Status for each recipient."""
    part = _part(letter, DSN_PARTS)
    if part is None:
        return
    place = place_of(part, part.content_type)
    message, *recipients = _blocks(letter, part)
    fine = True
    if not message.get("reporting-mta"):
        fine = False
        yield _DSN.fails(
            f"{place} Reporting-MTA", "Champ obligatoire absent.", "Nommer le serveur qui fait le rapport."
        )
    if not recipients:
        fine = False
        yield _DSN.fails(place, "Aucun destinataire.", "Écrire un bloc de champs par destinataire.")
    for number, fields in enumerate(recipients[:_MAX_RECIPIENTS], 1):
        where = f"{place} destinataire {number}"
        action = fields.get("action", [""])[0].strip().lower()
        status = fields.get("status", [""])[0].partition("(")[0].strip()
        if not fields.get("final-recipient"):
            fine = False
            yield _DSN.fails(
                f"{where} Final-Recipient", "Champ obligatoire absent.", "Écrire rfc822;adresse."
            )
        if action not in _ACTIONS:
            fine = False
            yield _DSN.fails(
                f"{where} Action",
                "Absente ou inconnue.",
                "Écrire failed, delayed, delivered, relayed ou expanded.",
            )
        if _STATUS.fullmatch(status) is None:
            fine = False
            yield _DSN.fails(
                f"{where} Status", "Absent ou mal formé.", "Écrire classe.sujet.détail, par exemple 5.1.1."
            )
    if fine:
        yield _DSN.holds(place, f"{len(recipients)} destinataire(s), champs obligatoires présents.")


def _is_disposition(value: str) -> bool:
    mode, semicolon, fate = value.partition(";")
    return (
        bool(semicolon)
        and _MODE.fullmatch(mode.strip()) is not None
        and fate.partition("/")[0].strip().lower() in _FATES
    )


def _part(letter: Letter, types: frozenset[str]) -> Part | None:
    return next((part for part in letter.own_parts() if part.content_type in types), None)


def _blocks(letter: Letter, part: Part) -> list[dict[str, list[str]]]:
    """The blocks of fields of a report, the first one for the whole message; never empty."""
    text = decode_body(letter.data, part, len(letter.data))[:_MAX_FIELDS_BYTES].strip(b"\r\n")
    found = []
    for block in _BLANK.split(text, _MAX_RECIPIENTS + 1):
        fields: dict[str, list[str]] = {}
        for name, value in split_fields(block):
            fields.setdefault(name.decode("ascii", "replace").lower(), []).append(
                unfold(value)[:2000].decode("utf-8", "replace")
            )
        found.append(fields)
    return [fields for fields in found if fields] or [{}]
