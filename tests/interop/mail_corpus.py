"""Messages for comparing servers: ordinary ones, and those that mail programs and bad luck produce.

All lines end in CRLF and none holds a NUL, so that every server must keep them octet for octet.
"""

from __future__ import annotations

_HEADER = (
    b"From: Marie Martin <marie@un.example>\r\nTo: Paul <paul@deux.example>, cabinet@deux.example\r\n"
    b"Date: Fri, 13 Mar 2026 14:54:10 +0100\r\n"
)
_INNER = (
    b"From: inner@trois.example\r\nSubject: dedans\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
    b"Message-ID: <inner@trois.example>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative; boundary="in"\r\n\r\n'
    b"--in\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nsimple\r\n"
    b"--in\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>riche =C3=A9t=C3=A9</p>\r\n"
    b"--in--\r\n"
)


def _typed(content_type: bytes, body: bytes, more: bytes = b"") -> bytes:
    return (
        _HEADER
        + b"Subject: typed\r\nMIME-Version: 1.0\r\nContent-Type: "
        + content_type
        + b"\r\n"
        + more
        + b"\r\n"
        + body
    )


MESSAGES: dict[str, bytes] = {
    "plain": _HEADER
    + b"Subject: Bonjour monde\r\nMessage-ID: <1@un.example>\r\n\r\nBonjour Paul,\r\nalpha beta\r\n",
    "reply": (
        b"From: Paul <paul@deux.example>\r\nTo: marie@un.example\r\nCc: tiers@quatre.example\r\n"
        b"Date: Sat, 14 Mar 2026 08:00:00 +0100\r\nSubject: Re: Bonjour monde\r\nMessage-ID: <2@deux.example>\r\n"
        b"In-Reply-To: <1@un.example>\r\nReferences: <1@un.example>\r\n\r\ngamma\r\n"
    ),
    "second reply": (
        b"From: tiers@quatre.example\r\nDate: Sun, 15 Mar 2026 08:00:00 -0500\r\nSubject: [liste] RE: Bonjour monde (fwd)\r\n"
        b"Message-ID: <3@quatre.example>\r\nReferences: <1@un.example> <2@deux.example>\r\n\r\ndelta\r\n"
    ),
    "encoded words": (
        b"From: =?utf-8?q?Zo=C3=A9_Dupr=C3=A9?= <zoe@cinq.example>\r\nTo: marie@un.example\r\n"
        b"Date: Mon, 16 Mar 2026 10:00:00 +0000 (UTC)\r\nSubject: =?iso-8859-1?Q?R=E9sultats?= =?utf-8?b?IGRlIFpvw6k=?=\r\n"
        b"Message-ID: <4@cinq.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nZXBzaWxvbiB6ZXRh\r\n"
    ),
    "group": (
        b"From: a@un.example\r\nSender: b@un.example\r\nReply-To: c@un.example\r\nTo: equipe: x@un.example, Y <y@un.example>;,\r\n"
        b" z@un.example\r\nCc: personne:;\r\nBcc: cache@un.example\r\nDate: 17 Mar 2026 10:00 +0100\r\nSubject: groupe\r\n\r\nx\r\n"
    ),
    "mixed": _typed(
        b'multipart/mixed; boundary="b 1"',
        b"preambule\r\n--b 1\r\n\r\nsans type\r\n--b 1\r\nContent-Type: application/pdf; name=a.pdf\r\n"
        b"Content-Disposition: attachment; filename=a.pdf; size=3\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-ID: <c1@x>\r\nContent-Description: un document\r\n\r\nAAEC\r\n--b 1--\r\nepilogue\r\n",
    ),
    "forwarded": _typed(
        b"multipart/mixed; boundary=out",
        b"--out\r\nContent-Type: text/plain\r\n\r\navant\r\n--out\r\nContent-Type: message/rfc822\r\n\r\n"
        + _INNER
        + b"\r\n--out--\r\n",
    ),
    "message only": _typed(b"message/rfc822", _INNER),
    "digest": _typed(
        b"multipart/digest; boundary=d",
        b"--d\r\n\r\n" + _INNER + b"\r\n--d\r\n\r\nSubject: b\r\n\r\nx\r\n--d--\r\n",
    ),
    "no closing boundary": _typed(b"multipart/mixed; boundary=n", b"--n\r\n\r\nun\r\n--n\r\n\r\ndeux\r\n"),
    "no boundary parameter": _typed(b"multipart/mixed", b"--n\r\n\r\nun\r\n--n--\r\n"),
    "boundary never used": _typed(b"multipart/mixed; boundary=zzz", b"rien\r\n"),
    "empty multipart": _typed(b"multipart/mixed; boundary=e", b"--e--\r\n"),
    "empty part": _typed(
        b"multipart/mixed; boundary=e", b"--e\r\n\r\n--e\r\nContent-Type: text/html\r\n\r\n\r\n--e--\r\n"
    ),
    "empty body": _HEADER + b"Subject: vide\r\n\r\n",
    "no body": b"Subject: seul\r\n",
    "only a line": b"\r\n",
    "no header": b"\r\njuste un corps\r\n",
    "eight bit": _HEADER + b"Subject: 8 bits\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\nd\xe9j\xe0 vu theta\r\n",
    "rfc 2231": _typed(
        b"application/octet-stream; name*0*=utf-8''%C3%A9t; name*1*=%C3%A9; name*2=.txt",
        b"eta\r\n",
        b"Content-Disposition: attachment; filename*=iso-8859-1'fr'%E9t%E9.txt\r\nContent-Language: fr, en\r\n"
        b"Content-Location: http://x.example/a\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\n",
    ),
    "quoted printable": _typed(
        b"text/plain; charset=utf-8; format=flowed",
        b"iota =\r\nkappa=3D=C3=A9\r\n",
        b"Content-Transfer-Encoding: QUOTED-PRINTABLE\r\n",
    ),
    "bad type": _typed(b"nimporte quoi; x", b"lambda\r\n"),
    "bad encoding": _typed(b"text/plain", b"mu\r\n", b"Content-Transfer-Encoding: x-inconnu\r\n"),
    "folded": (
        b'From: x@un.example\r\nDate: Wed, 18 Mar 2026 10:00:00 +0100\r\nTo: a@un.example,\r\n\tb@un.example,\r\n  "C, D" <c@un.example>\r\n'
        b"Subject: une ligne\r\n  pliee\r\n\tdeux fois\r\nReceived: from a\r\n by b\r\nReceived: from c\r\nX-Long: "
        + b"x" * 900
        + b"\r\n\r\nnu\r\n"
    ),
    "no final line end": _HEADER + b"Subject: coupe\r\n\r\nsans fin de ligne",
    "long": _HEADER
    + b"Subject: long\r\n\r\n"
    + b"".join(b"ligne %06d omicron\r\n" % each for each in range(4000)),
}
