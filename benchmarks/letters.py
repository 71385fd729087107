"""The messages of the IMAP rows: two thousand letters of a hospital, the same for every server and every run."""

from __future__ import annotations

import base64
import quopri
import random
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LETTERS = 2000
FIRST_DAY = datetime(2024, 9, 2, 8, tzinfo=UTC)
_DAYS = 730
_SEED = 4

RARE, COMMON, ABSENT = "pneumocystose", "scanner", "xylophone"
"""Words in about ten bodies, in about half of them, and in none."""

PEOPLE = (
    ("Camille Lefèvre", "camille.lefevre"),
    ("Dr Jean-François Müller", "jf.muller"),
    ("Dr Amélie Noël", "amelie.noel"),
    ("Secrétariat de cardiologie", "secretariat.cardiologie"),
    ("Laboratoire du Parc", "resultats.labo"),
    ("Paul Martin", "paul.martin"),
    ("Dr Sophie Bernard", "sophie.bernard"),
    ("Nadia Haddad, IDE", "nadia.haddad"),
    ("Imagerie Saint-Roch", "imagerie"),
    ("Dr Loïc Kervella", "loic.kervella"),
    ("Pharmacie de garde", "pharmacie.garde"),
    ("Dr Inès da Silva", "ines.dasilva"),
)
_DOMAINS = ("chu-nord.example", "clinique-du-lac.example", "labo-parc.example")
_SUBJECTS = (
    "Compte rendu d'hospitalisation de Mme {name}",
    "Résultats de biologie : {name}",
    "Demande d'avis cardiologique, M. {name}",
    "Lettre de sortie, {name}",
    "Ordonnance d'anticoagulant pour {name}",
    "Échographie du {day}",
    "Rendez-vous de contrôle du {day}",
    "Staff du {day}",
    "IRM cérébrale de Mme {name}, à relire",
    "Prise en charge à domicile : {name} (suite)",
)
_NAMES = ("Durand", "Lévêque", "Petit", "Garçon", "Moreau", "Benoît", "Roux", "Fournier", "Girard", "Bonnet")
_PHRASES = (
    "patient hospitalisé pour une douleur thoracique avec dyspnée d'effort sans fièvre tension artérielle "
    "régulière traitement par bêtabloquant poursuivi biologie normale hémoglobine créatinine surveillance "
    "échographie cœur fonction systolique conservée valve aortique calcifiée radiographie du thorax sans foyer "
    "évolution favorable sortie prévue domicile infirmière passage quotidien pansement cicatrice propre "
    "consultation dans trois semaines avec le médecin traitant ordonnance remise famille informée allergie "
    "pénicilline antécédents diabète équilibré sous metformine tabac sevré depuis dix ans examen neurologique "
    "normal marche possible avec aide kinésithérapie deux fois par semaine régime pauvre en sel merci de "
    "bien vouloir adapter la dose selon la clairance et nous tenir au courant confraternellement"
)
_WORDS = _PHRASES.split()
_KEYWORDS = ("$Label1", "$Label2", "$Important", "Urgent", "Classe")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message as APPEND takes it."""

    content: bytes
    flags: str
    received_at: datetime

    def append(self, folder: str) -> bytes:
        """The arguments of APPEND with a literal that waits for nobody (RFC 7888)."""
        date = self.received_at.strftime("%d-%b-%Y %H:%M:%S +0000")
        return b'APPEND %s (%s) "%s" {%d+}\r\n%s' % (
            folder.encode(),
            self.flags.encode(),
            date.encode(),
            len(self.content),
            self.content,
        )


def letters(count: int = LETTERS) -> Iterator[Letter]:
    """The corpus: threads of one to eight letters, spread over two years, in the order of their arrival."""
    chance = random.Random(_SEED)
    planned = sorted(_plan(chance, count), key=lambda plan: plan.sent_at)
    for plan in planned:
        yield _letter(chance, plan)


def message_id(number: int) -> str:
    """Of the letter of that number, in the order of planning."""
    return f"<{number:05d}.{zlib.crc32(b'%d' % number):08x}@chu-nord.example>"


def small(number: int) -> Letter:
    """A letter of about 2.8 KB."""
    chance = random.Random(number)
    head = (
        f"From: {_mailbox(*PEOPLE[number % len(PEOPLE)], _DOMAINS[0])}\r\n"
        f"To: {_mailbox(*PEOPLE[5], _DOMAINS[1])}\r\n"
        f"Subject: {_encoded(f'Résultats du jour, dossier {number}')}\r\n"
        f"Date: {format_datetime(FIRST_DAY)}\r\nMessage-ID: <{chance.getrandbits(64):x}@chu-nord.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return Letter((head + _prose(chance, 2350)).encode(), "", FIRST_DAY)


@dataclass(frozen=True, slots=True)
class _Plan:
    number: int
    subject: str
    sent_at: datetime
    ancestors: tuple[int, ...]


def _plan(chance: random.Random, count: int) -> Iterator[_Plan]:
    number = 0
    while number < count:
        day = FIRST_DAY + timedelta(days=chance.random() * _DAYS)
        subject = chance.choice(_SUBJECTS).format(name=chance.choice(_NAMES), day=day.strftime("%d/%m"))
        thread: list[int] = []
        for _ in range(min(chance.randint(1, 8), count - number)):
            yield _Plan(number, ("Re: " if thread else "") + subject, day, tuple(thread))
            thread.append(number)
            day += timedelta(hours=1 + chance.random() * 60)
            number += 1


def _letter(chance: random.Random, plan: _Plan) -> Letter:
    sender, other, third = chance.sample(PEOPLE, 3)
    domain = chance.choice(_DOMAINS)
    date = format_datetime(plan.sent_at)
    lines = [
        f"Received: from mx.{domain} ([192.0.2.{plan.number % 250}]) by mx.chu-sud.example;\r\n\t{date}",
        f"Date: {date}",
        f"From: {_mailbox(*sender, domain)}",
        f"To: {_mailbox(*other, _DOMAINS[0])}",
        f"Subject: {_encoded(plan.subject)}",
        f"Message-ID: {message_id(plan.number)}",
    ]
    if chance.random() < 0.3:
        lines.append(f"Cc: {_mailbox(*third, _DOMAINS[1])}")
    if plan.ancestors:
        lines.append(f"In-Reply-To: {message_id(plan.ancestors[-1])}")
        lines.append("References: " + "\r\n ".join(message_id(number) for number in plan.ancestors))
    lines.append("MIME-Version: 1.0")
    text = _prose(chance, chance.randint(1000, 6000))
    if chance.random() < 0.005:
        text += f"Suspicion de {RARE}.\r\n"
    if chance.random() < 0.5:
        text += f"Voir le {COMMON} joint.\r\n"
    content = "\r\n".join(lines).encode() + b"\r\n" + _body(chance, plan.number, text)
    late = timedelta(seconds=chance.randint(1, 7200))
    return Letter(content, _flags(chance), (plan.sent_at + late).replace(microsecond=0))


def _flags(chance: random.Random) -> str:
    flags = [
        flag
        for flag, share in (("\\Seen", 0.5), ("\\Answered", 0.1), ("\\Flagged", 0.05))
        if chance.random() < share
    ]
    if chance.random() < 0.2:
        flags.append(chance.choice(_KEYWORDS))
    return " ".join(flags)


def _body(chance: random.Random, number: int, text: str) -> bytes:
    inner = _text_part(chance, text, "plain")
    if chance.random() < 0.15:
        html = "<html><body>" + text.replace("\r\n", "<br>\r\n") + "</body></html>\r\n"
        inner = _multipart("alternative", f"alt{number}", inner, _text_part(chance, html, "html"))
    if chance.random() < 1 / 3:
        kind, name = chance.choice((("pdf", "compte-rendu.pdf"), ("zip", "IHE_XDM.zip")))
        attached = (
            f'Content-Type: application/{kind}; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
            f'Content-Disposition: attachment; filename="{name}"\r\n\r\n'
        ).encode() + _base64(chance.randbytes(chance.randint(2000, 12000)))
        inner = _multipart("mixed", f"mix{number}", inner, attached)
    return inner


def _multipart(kind: str, boundary: str, *parts: bytes) -> bytes:
    mark = b"--%s" % boundary.encode()
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
    return head + b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def _text_part(chance: random.Random, text: str, kind: str) -> bytes:
    data = text.encode()
    encoding, content = chance.choice(
        (
            ("quoted-printable", _quoted_printable(data)),
            ("quoted-printable", _quoted_printable(data)),
            ("8bit", data),
            ("base64", _base64(data)),
        )
    )
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + content


def _quoted_printable(data: bytes) -> bytes:
    return quopri.encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def _prose(chance: random.Random, octets: int) -> str:
    lines, length = ["Bonjour,\r\n\r\n"], 0
    while length < octets:
        line = " ".join(chance.choices(_WORDS, k=11)) + "\r\n"
        lines.append(line)
        length += len(line.encode())
    return "".join(lines)


def _mailbox(name: str, local: str, domain: str) -> str:
    shown = f'"{name}"' if name.isascii() else _encoded(name)
    return f"{shown} <{local}@{domain}>"


def _encoded(text: str) -> str:
    """Words of RFC 2047, in Q or in B as programs mix them, none longer than 75 octets."""
    if text.isascii():
        return text
    pieces = [text[start : start + 14] for start in range(0, len(text), 14)]
    if len(text) % 2:
        return "\r\n ".join(f"=?utf-8?B?{base64.b64encode(piece.encode()).decode()}?=" for piece in pieces)
    return "\r\n ".join(f"=?UTF-8?Q?{_q(piece)}?=" for piece in pieces)


def _q(text: str) -> str:
    return "".join(
        chr(octet) if chr(octet).isascii() and chr(octet).isalnum() else f"={octet:02X}"
        for octet in text.encode()
    ).replace("=20", "_")
