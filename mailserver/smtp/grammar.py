"""The argument of MAIL and RCPT: strict RFC 5321 paths, RFC 6531 Unicode, and the parameters we know.

Every pattern is linear: no alternative of a repeated group can match what another one matches. A path is
taken as written or refused; nothing is decoded, dropped or repaired, since what is repaired here is read
otherwise by the next server.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

import idna

MAXIMUM_LOCAL = 64  # octets, RFC 5321 §4.5.3.1.1
MAXIMUM_DOMAIN = 255  # octets, RFC 5321 §4.5.3.1.2
MAXIMUM_ENVID = 100  # octets, RFC 3461 §4.4
MAXIMUM_ORCPT = 500  # octets, RFC 3461 §4.2


class Fault(StrEnum):
    """Why an argument is not taken."""

    SYNTAX = "syntax"  # not of the form FROM:<…> or TO:<…>
    ADDRESS = "address"  # a path that no mailbox can have
    PARAMETER = "parameter"  # a known parameter with a wrong value, or given twice
    UNKNOWN_PARAMETER = "unknown parameter"
    NEEDS_SMTPUTF8 = "needs SMTPUTF8"  # a Unicode path in an ASCII transaction


class BodyType(StrEnum):
    """RFC 6152 §3."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"


@dataclass(frozen=True, slots=True)
class MailCommand:
    """`MAIL FROM:<sender>` with what its parameters declare; `sender` is "" for the null reverse-path."""

    sender: str
    size: int | None = None
    body: BodyType = BodyType.SEVEN_BIT
    utf8: bool = False
    ret: str | None = None
    envid: str | None = None


@dataclass(frozen=True, slots=True)
class RcptCommand:
    """`RCPT TO:<recipient>`; `recipient` is "postmaster" alone for RFC 5321 §4.5.1."""

    recipient: str
    notify: frozenset[str] = frozenset()
    orcpt: str | None = None


@dataclass(frozen=True, slots=True)
class BdatCommand:
    """`BDAT size [LAST]` (RFC 3030 §2); `size` in octets."""

    size: int
    is_last: bool


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]+"
_QUOTED = r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"'
_PATH = re.compile(rf"<(?:(?P<local>{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@(?P<domain>[^<>@\s\"\\(),;:\[\]]+))?>")
_BRACKETED = re.compile(r'<(?:[^<>"\\]|"(?:[^"\\]|\\.)*"|\\.)*>')
_DOT_STRING = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED_PAIR = re.compile(r"\\(.)")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LDH_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
# As above where what is encoded is printable ASCII, which RFC 3461 §4.2 and §4.4 ask for: it ends up in a report.
_PRINTABLE_XTEXT = r"(?:[!-*,-<>-~]|\+(?:[2-6][0-9A-F]|7[0-9A-E]))+"
_ENVID = re.compile(_PRINTABLE_XTEXT)
_ORCPT = re.compile(rf"(?!utf-8;)[a-z0-9-]+;{_PRINTABLE_XTEXT}", re.IGNORECASE | re.ASCII)
_UTF8_ORCPT = re.compile(  # RFC 6533 §3, without controls
    r"utf-8;(?:[!-*,-<>-\[\]-~\u00a0-\U0010ffff]|\\x\{(?!0*[01]?[0-9A-F]\}|0*7F\})[0-9A-F]{2,6}\})+",
    re.IGNORECASE,
)
_BDAT = re.compile(r"([0-9]{1,20})( +LAST)? *", re.IGNORECASE | re.ASCII)
_HELO = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:\-\]]{0,254}")

_BODY_TYPES = frozenset(BodyType)
_NOTIFY_WORDS = frozenset({"SUCCESS", "FAILURE", "DELAY"})
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})


def parse_mail(argument: str) -> MailCommand | Fault:
    """Read what stands behind `MAIL ` (RFC 5321 §4.1.1.2, RFC 1870, 6152, 6531, 3461, 4954 §5)."""
    found = _split(argument, "FROM:")
    if isinstance(found, Fault):
        return found
    path, parameters = found
    if not parameters and path.isascii():
        sender = _address(path)
        return sender if isinstance(sender, Fault) else MailCommand(sender)

    size: int | None = None
    body = BodyType.SEVEN_BIT
    utf8 = False
    ret: str | None = None
    envid: str | None = None
    for keyword, value in parameters.items():
        match keyword:
            case "SIZE" if value.isascii() and value.isdigit() and len(value) <= 20:
                size = int(value)
            case "BODY" if value.upper() in _BODY_TYPES:
                body = BodyType(value.upper())
            case "SMTPUTF8" if not value:
                utf8 = True
            case "RET" if value.upper() in {"FULL", "HDRS"}:
                ret = value.upper()
            case "ENVID" if len(value) <= MAXIMUM_ENVID and _ENVID.fullmatch(value):
                envid = value
            case "AUTH" if value == "<>" or _XTEXT.fullmatch(value):
                pass  # RFC 4954 §5: we trust no such claim, which is to treat it as <>
            case "SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH":
                return Fault.PARAMETER
            case _:
                return Fault.UNKNOWN_PARAMETER
    if not utf8 and not path.isascii():
        return Fault.NEEDS_SMTPUTF8
    sender = _address(path)
    if isinstance(sender, Fault):
        return sender
    return MailCommand(sender, size, body, utf8, ret, envid)


def parse_rcpt(argument: str, *, utf8: bool) -> RcptCommand | Fault:
    """Read what stands behind `RCPT ` (RFC 5321 §4.1.1.3, RFC 3461 §4.1).

    A recipient that asks to be routed on (`%`, `!`, a quoted `@`) is refused: whoever relays such a mailbox
    may read a second domain in it.
    """
    found = _split(argument, "TO:")
    if isinstance(found, Fault):
        return found
    path, parameters = found
    if not utf8 and not path.isascii():
        return Fault.NEEDS_SMTPUTF8
    if path[1:-1].lower() == "postmaster":
        recipient: str | Fault = "postmaster"
    else:
        recipient = _address(path)
    if isinstance(recipient, Fault):
        return recipient
    local = recipient.rpartition("@")[0]
    if not recipient or "%" in local or "!" in local or "@" in local:
        return Fault.ADDRESS

    notify: frozenset[str] = frozenset()
    orcpt: str | None = None
    for keyword, value in parameters.items():
        match keyword:
            case "NOTIFY":
                words = value.upper().split(",")
                notify = frozenset(words)
                if words != ["NEVER"] and not notify <= _NOTIFY_WORDS:
                    return Fault.PARAMETER
            case "ORCPT" if len(value) <= MAXIMUM_ORCPT and _is_original(value, utf8=utf8):
                orcpt = value
            case "ORCPT":
                return Fault.PARAMETER
            case _:
                return Fault.UNKNOWN_PARAMETER
    return RcptCommand(recipient, notify, orcpt)


def parse_bdat(argument: str) -> BdatCommand | None:
    """Read what stands behind `BDAT `."""
    found = _BDAT.fullmatch(argument)
    return BdatCommand(int(found[1]), found[2] is not None) if found is not None else None


def parse_helo(argument: str) -> str | None:
    """The name a client gives itself: a domain or an address literal, fit to be written into Received."""
    name = argument.strip(" ")
    return name if _HELO.fullmatch(name) else None


def domain_to_ascii(domain: str) -> str | None:
    """The lower-case A-label form of a domain (IDNA 2008), None when it has none."""
    if not domain.isascii():
        if not _is_plain_unicode(domain):
            return None
        try:
            # strict: only U+002E separates labels, an ideographic full stop does not.
            domain = idna.encode(unicodedata.normalize("NFC", domain).lower(), strict=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    domain = domain.lower()
    if len(domain) > MAXIMUM_DOMAIN or not _LDH_DOMAIN.fullmatch(domain):
        return None
    if "xn--" in domain:
        try:
            idna.decode(domain, strict=True)
        except (idna.IDNAError, UnicodeError):
            return None
    return domain


def _split(argument: str, prefix: str) -> tuple[str, dict[str, str]] | Fault:
    if argument[: len(prefix)].upper() != prefix:
        return Fault.SYNTAX
    # Many clients put a space behind the colon; no reading of it is ambiguous.
    rest = argument[len(prefix) :].lstrip(" ")
    bracketed = _BRACKETED.match(rest)
    if bracketed is None:
        return Fault.SYNTAX
    parameters: dict[str, str] = {}
    tail = rest[bracketed.end() :]
    if tail:
        if tail[0] != " ":
            return Fault.SYNTAX
        for word in tail.split(" "):
            if not word:
                continue
            keyword, equals, value = word.partition("=")
            keyword = keyword.upper()
            if not _KEYWORD.fullmatch(keyword) or (equals and not value):
                return Fault.SYNTAX
            if keyword in parameters:
                return Fault.PARAMETER
            parameters[keyword] = value
    return bracketed.group(), parameters


def _address(path: str) -> str | Fault:
    """`<local@domain>` as `local@domain`: case of the local part kept, domain as lower-case A-labels."""
    found = _PATH.fullmatch(path)
    if found is None:
        return Fault.ADDRESS
    local, domain = found["local"], found["domain"]
    if local is None:
        return ""
    if not local.isascii():
        if not _is_plain_unicode(local):
            return Fault.ADDRESS
        local = unicodedata.normalize("NFC", local)
    if local[0] == '"':
        content = _QUOTED_PAIR.sub(r"\1", local[1:-1])
        # RFC 5321 §4.1.2: the quotes are not part of the name, so equal mailboxes are written alike.
        if _DOT_STRING.fullmatch(content):
            local = content
        elif not content:
            return Fault.ADDRESS
    # An encoded word has no meaning in a path; the libraries that decode one find line ends in it.
    if "=?" in local or len(local.encode()) > MAXIMUM_LOCAL:
        return Fault.ADDRESS
    ascii_domain = domain_to_ascii(domain)
    if ascii_domain is None:
        return Fault.ADDRESS
    return f"{local}@{ascii_domain}"


def _is_original(value: str, *, utf8: bool) -> bool:
    """Whether this is an original recipient: a kind of address, and the address as xtext."""
    if _ORCPT.fullmatch(value):
        return True
    if not _UTF8_ORCPT.fullmatch(value):
        return False
    return value.isascii() or (utf8 and _is_plain_unicode(value))


def _is_plain_unicode(text: str) -> bool:
    """No control, invisible, unassigned or direction character, and no compatibility form of another one."""
    if any(ord(char) > 127 and unicodedata.category(char) in _FORBIDDEN_CATEGORIES for char in text):
        return False
    return unicodedata.normalize("NFKC", text) == unicodedata.normalize("NFC", text)
