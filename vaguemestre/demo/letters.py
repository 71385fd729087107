"""What professionals write in the demonstration: clinical documents, and the structured mails that carry them."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field, replace
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, formataddr
from typing import TYPE_CHECKING

from dmp_bridge.writing.document import Author, Draft, Patient, Section, Written, write_n1, write_n3
from dmp_bridge.writing.mail_words import mss_headers, pdf_name, subject
from dmp_bridge.writing.package import write_package
from foundation.clock import SystemClock, to_paris
from foundation.identifiers import OID_TEST
from vaguemestre.demo.pdf import text_page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from vaguemestre.fictive import FictiveBal, FictivePatient, Professional

XDM_NAME = "IHE_XDM.zip"
PRODUCT = "DEV999999"
"""The reference of the writing software in `X-MSS-NIL`: fictive."""
_SUMMARY_TEMPLATE = "1.2.250.1.213.1.1.1.13"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a mail."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Paper:
    """A clinical document with the PDF that goes beside it; `shown` is what its reader downloads."""

    draft: Draft = field(repr=False)
    written: Written
    pdf: Attachment
    shown: bytes = field(repr=False)

    @property
    def title(self) -> str:
        return self.written.entry.title


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it is submitted."""

    message_id: str
    subject: str = field(repr=False)
    data: bytes = field(repr=False)


def now() -> datetime:
    """The time in Paris, to the second."""
    return to_paris(SystemClock().now()).replace(microsecond=0)


def sha1(data: bytes) -> str:
    """The hash by which XDS names a document."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def structured(
    patient: FictivePatient,
    author: Professional,
    type_code: str,
    title: str,
    sections: Mapping[str, Sequence[str]],
    *,
    former: Paper | None = None,
) -> Paper:
    """A level 3 document, the next version of `former` where there is one; the PDF beside it says the same."""
    draft = _draft(patient, author, type_code, title)
    if former is not None:
        draft = replace(
            draft,
            set_id=former.draft.set_id,
            version_number=former.draft.version_number + 1,
            replaces=former.draft.unique_id,
        )
    written = write_n3(
        draft, [Section(name, tuple(words)) for name, words in sections.items()], _SUMMARY_TEMPLATE
    )
    return Paper(draft, written, _pdf(written, _page(draft, sections)), written.data)


def printed(
    patient: FictivePatient,
    author: Professional,
    type_code: str,
    title: str,
    sections: Mapping[str, Sequence[str]],
) -> Paper:
    """A level 1 document around a PDF; the PDF beside it is the same file."""
    draft = _draft(patient, author, type_code, title)
    page = _page(draft, sections)
    written = write_n1(draft, page)
    return Paper(draft, written, _pdf(written, page), page)


def package(papers: Sequence[Paper]) -> Attachment:
    """The IHE_XDM.zip of these documents."""
    data = write_package(
        [paper.written for paper in papers], submission_id=_new_oid(), source_id=_new_oid(), at=now()
    )
    return Attachment(XDM_NAME, "application/zip", data)


def health_letter(
    sender: FictiveBal,
    to: Sequence[tuple[str, str]],
    papers: Sequence[Paper],
    text: str,
    *,
    label: str,
    others: Sequence[Attachment] = (),
    receipt_to: str = "",
) -> Letter:
    """A structured mail (Réf#2 §3.1): `to` are names and addresses, `label` names the act in the subject.

    `receipt_to` asks for an MDN (RFC 8098 §2.1).
    """
    entries = [paper.written.entry for paper in papers]
    headers = mss_headers(entries, product=PRODUCT)
    if receipt_to:
        headers["Disposition-Notification-To"] = receipt_to
    attachments = (package(papers), *(paper.pdf for paper in papers), *others)
    return write(sender, to, subject(entries[0], label), text, attachments, headers)


def write(
    sender: FictiveBal,
    to: Sequence[tuple[str, str]],
    subject: str,
    text: str,
    attachments: Sequence[Attachment] = (),
    headers: Mapping[str, str] | None = None,
) -> Letter:
    """A mail with the headers every product of the sector adds."""
    message_id = f"<{uuid.uuid4().hex}@{sender.address.partition('@')[2]}>"
    message = EmailMessage(policy.SMTP)
    message["From"] = formataddr((label_of(sender), sender.address))
    message["To"] = ", ".join(formataddr(each) for each in to)
    message["Subject"] = subject
    message["Date"] = format_datetime(now())
    message["Message-ID"] = message_id
    for name, value in {**mss_headers((), product=PRODUCT), **(headers or {})}.items():
        message[name] = value
    message.set_content(text, cte="quoted-printable")
    for each in attachments:
        main, _, sub = each.media_type.partition("/")
        message.add_attachment(each.data, maintype=main, subtype=sub, filename=each.name)
    return Letter(message_id, subject, message.as_bytes())


def label_of(sender: FictiveBal) -> str:
    """The name in From (ECO.2.2.7): title, first name, NAME and place of a person; the service of a structure."""
    person = sender.professional
    if person is None:
        return sender.name
    given = person.first_name.capitalize()
    words = (person.title.capitalize(), given, person.last_name, sender.structure.name)
    return "_".join(word for word in words if word)


def read(data: bytes) -> EmailMessage:
    """A received mail."""
    message = BytesParser(policy=policy.SMTP).parsebytes(data)
    assert isinstance(message, EmailMessage)
    return message


def files_of(message: EmailMessage) -> dict[str, bytes]:
    """The attachments of a received mail by name."""
    found: dict[str, bytes] = {}
    for part in message.iter_attachments():
        content = part.get_payload(decode=True)
        found[part.get_filename() or ""] = content if isinstance(content, bytes) else b""
    return found


def text_of(message: EmailMessage) -> str:
    """What a person reads of a received mail."""
    body = message.get_body(("plain",))
    return str(body.get_content()) if body is not None else ""


def first_text(report: EmailMessage) -> str:
    """What a person reads of an MDN (RFC 8098): its first part of text."""
    found = next(part for part in report.walk() if part.get_content_type() == "text/plain")
    assert isinstance(found, EmailMessage)
    return str(found.get_content())


def _draft(patient: FictivePatient, author: Professional, type_code: str, title: str) -> Draft:
    at, structure = now(), author.structure
    skill = f"G15_{author.profession_code}"
    speciality = author.profession
    if author.skill_code:
        skill, speciality = f"{skill}/{author.skill_code}", f"{author.profession} - {author.skill} (SM)"
    return Draft(
        unique_id=_new_oid(),
        set_id=_new_oid(),
        version_number=1,
        type_code=type_code,
        title=title,
        created_at=at,
        service_at=at,
        patient=Patient(
            patient.ins,
            OID_TEST,
            patient.birth_name,
            patient.first_names,
            patient.birth_date.replace("-", ""),
            patient.sex,
        ),
        author=Author(
            author.idnat,
            author.last_name,
            author.first_name.capitalize(),
            skill,
            speciality,
            structure.idnat,
            structure.name,
        ),
        facility=structure.sector_code,
    )


def _new_oid() -> str:
    return f"2.25.{uuid.uuid4().int}"


def _page(draft: Draft, sections: Mapping[str, Sequence[str]]) -> bytes:
    about = (
        f"Patient : {draft.patient.birth_name} {draft.patient.first_names}, INS {draft.patient.ins}",
        f"Auteur : {draft.author.given} {draft.author.family}, {draft.author.institution}",
        f"Date : {draft.created_at:%d/%m/%Y}. Document fictif, sans valeur médicale.",
    )
    words = [line for name, lines in sections.items() for line in (name.upper(), *lines)]
    return text_page(draft.title, (*about, *words))


def _pdf(written: Written, data: bytes) -> Attachment:
    return Attachment(pdf_name(written.entry), "application/pdf", data)
