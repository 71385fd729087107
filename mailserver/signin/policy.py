"""Which passwords nobody may choose: short ones, obvious ones, those of known lists (ANSSI, NIST SP 800-63B §3.1.1.2).

No mixture of kinds of characters is asked for and no password ends by its age: both make people choose worse ones.
"""

from __future__ import annotations

import hashlib
import unicodedata
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from foundation.settings import Settings

SHORTEST = 12
LONGEST = 128
MOST_REFUSED = 1_000_000
"""Lines of the operator's file: each is about 85 bytes of memory in a set."""
_LONGEST_LINE = 1024
_LONGEST_BLOCK = 8
_LEAST_UNFORESEEN = 5
_LEAST_OF_ONE_S_OWN = 6
_SHORTEST_NAME = 2
_SHA1_BYTES = 20

_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "&é\"'(-è_çà)=",
    "!@#$%^&*()_+",
)
_STEPS = frozenset(pair for row in _ROWS for a, b in pairwise(row) for pair in (a + b, b + a, a + a)) | {
    row[-1] * 2 for row in _ROWS
}

_WORDS = """
    abracadabra administrateur administrator anticonstitutionnellement assistancepublique azerty azertyuiop
    bienvenue bienvenuechezmoi bonjour bonjourtoutlemonde bonnejournee cabinet cabinetmedical centrehospitalier
    changeme changeit changezmoi chocolat clinique confidentiel correcthorsebatterystaple coucou default docteur
    doctolib dossiermedical egalite football fraternite hippocrate hopital iloveyou infirmier infirmiere internet
    jesuistropfort jetaime jetaimeplusquetout laboratoire letmein liberte libertegalitefraternite
    liberteegalitefraternite loulou marseille medecin messagerie messageriesecurisee monespacesante
    monmotdepasse monsupermotdepasse motdepasse motdepassesecret motdepasseoublie mssante nepasoublier
    olympiquedemarseille parissaintgermain pass passe passeport passwd password patient pharmacie princesse
    prosanteconnect qwerty qwertyuiop sapeurpompier secret secretariat secretmedical sesame soleil superman test
    thequickbrownfox toutlemonde trustno vaguemestre vivelafrance welcome whatever
"""
"""Words that people take for long passwords, folded, without the digits and signs they put around them."""
_USUAL = frozenset(_WORDS.split())
_WRITTEN_FOR = str.maketrans("@43015$7", "aaeoisst")


class Weakness(StrEnum):
    """Why a password is refused, as the command line says it."""

    SHORT = f"it is too short: {SHORTEST} characters at least"
    LONG = f"it is too long: {LONGEST} characters at most"
    CONTROL = "it holds a character that cannot be typed"
    REPEATED = "it repeats the same few characters"
    ROW = "it follows the keyboard, the alphabet or the digits"
    NAME = "it is made of the address or the name of the mailbox"
    USUAL = "it is one of the usual passwords"


FRENCH: Mapping[Weakness, str] = {
    Weakness.SHORT: f"Ce mot de passe est trop court : il faut au moins {SHORTEST} caractères.",
    Weakness.LONG: f"Ce mot de passe est trop long : {LONGEST} caractères au plus.",
    Weakness.CONTROL: "Ce mot de passe contient un caractère qui ne se tape pas au clavier.",
    Weakness.REPEATED: "Ce mot de passe répète les mêmes caractères : choisissez plusieurs mots sans lien entre eux.",
    Weakness.ROW: "Ce mot de passe suit le clavier, l'alphabet ou les chiffres : choisissez plusieurs mots sans lien entre eux.",
    Weakness.NAME: "Ce mot de passe reprend l'adresse ou le nom de la boîte : choisissez plusieurs mots sans lien avec elle.",
    Weakness.USUAL: "Ce mot de passe figure parmi les plus utilisés : choisissez plusieurs mots sans lien entre eux.",
}


class RefusedPasswordsUnreadable(Exception):
    """`accounts.refused_passwords_file` cannot be used; the text is one sentence for the operator."""


class RefusedPasswords:
    """The operator's own list, read when it is first asked; calling it tells whether a password is on it.

    One a line: plain, or SHA-1 in hexadecimal with or without the count behind it, as Have I Been Pwned exports.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._digests: frozenset[bytes] | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The list of an operator; empty where the settings name no file."""
        file = settings.accounts.refused_passwords_file
        return cls(settings.path(Path(file)) if file else None)

    def __call__(self, plain: str) -> bool:
        """Whether the list has this password. The first call reads the file: off the event loop.

        Raises RefusedPasswordsUnreadable.
        """
        if self._digests is None:
            self._digests = _read(self._file) if self._file is not None else frozenset()
        return _sha1(plain.encode(errors="surrogatepass")) in self._digests


def _read(file: Path) -> frozenset[bytes]:
    try:
        with file.open("rb") as stream:
            return frozenset(_digests(iter(lambda: stream.readline(_LONGEST_LINE), b"")))
    except OSError as error:
        raise RefusedPasswordsUnreadable(
            f"accounts.refused_passwords_file: {file} cannot be read ({error.strerror})"
        ) from error


def _digests(lines: Iterable[bytes]) -> Iterable[bytes]:
    for number, line in enumerate(lines):
        if number >= MOST_REFUSED:
            raise RefusedPasswordsUnreadable(
                f"accounts.refused_passwords_file: more than {MOST_REFUSED} lines (the most frequent suffice)"
            )
        word = line.rstrip(b"\r\n")
        if word:
            yield _listed(word)


def _listed(word: bytes) -> bytes:
    head = word.partition(b":")[0]
    if len(head) == 2 * _SHA1_BYTES:
        try:
            return bytes.fromhex(head.decode("ascii"))
        except ValueError:
            pass
    return _sha1(word)


def _sha1(word: bytes) -> bytes:
    # Not to hide anything: the published lists name passwords that way.
    return hashlib.sha1(word, usedforsecurity=False).digest()


def refusal_of(plain: str, *, address: str, name: str, refused: Callable[[str], bool]) -> str | None:
    """Why this password may not be chosen for a box, in one French sentence; None: it may."""
    weakness = weakness_of(plain, address=address, name=name, refused=refused)
    return FRENCH[weakness] if weakness is not None else None


def weakness_of(plain: str, *, address: str, name: str, refused: Callable[[str], bool]) -> Weakness | None:
    """What is wrong with a password for the box of this address and name; None: nothing is known against it."""
    length = wrong_length(plain)
    if length is not None:
        return length
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in plain):
        return Weakness.CONTROL
    folded = _folded(plain)
    if _is_repeated(folded):
        return Weakness.REPEATED
    if _unforeseen(plain.lower()) < _LEAST_UNFORESEEN:
        return Weakness.ROW
    if _is_named_after(folded, address, name):
        return Weakness.NAME
    if _is_usual(folded) or refused(plain):
        return Weakness.USUAL
    return None


def wrong_length(plain: str) -> Weakness | None:
    """Whether a password is too short or too long, whoever it is for."""
    if len(plain) < SHORTEST:
        return Weakness.SHORT
    return Weakness.LONG if len(plain) > LONGEST else None


def _folded(text: str) -> str:
    """Without case and accents."""
    return "".join(
        each for each in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(each)
    )


def _is_repeated(text: str) -> bool:
    """A short block over and over, the last one perhaps cut; or fewer than five different characters."""
    if len(set(text)) < _LEAST_UNFORESEEN:
        return True
    return any(text.startswith(text[length:]) for length in range(1, min(_LONGEST_BLOCK, len(text) // 2) + 1))


def _unforeseen(text: str) -> int:
    """Characters that do not follow the one before on a keyboard, in the alphabet or among the digits."""
    return 1 + sum(1 for a, b in pairwise(text) if a != b and a + b not in _STEPS)


def _is_named_after(folded: str, address: str, name: str) -> bool:
    """Whether little is left without the words of the address and of the name."""
    words = {word for word in _words(f"{address} {name}") if len(word) >= _SHORTEST_NAME}
    rest = folded
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    if rest == folded:
        return False
    return sum(1 for each in rest if each.isalnum()) < _LEAST_OF_ONE_S_OWN


def _words(text: str) -> list[str]:
    return "".join(each if each.isalnum() else " " for each in _folded(text)).split()


def _is_usual(folded: str) -> bool:
    """One usual word, or two, whatever stands at either end and in between; `P@ssw0rd` is `password`."""
    letters = _letters(_letters_inside(folded).translate(_WRITTEN_FOR))
    return letters in _USUAL or any(
        letters[:cut] in _USUAL and letters[cut:] in _USUAL for cut in range(1, len(letters))
    )


def _letters_inside(text: str) -> str:
    places = [place for place, each in enumerate(text) if each.isalpha()]
    return text[places[0] : places[-1] + 1] if places else ""


def _letters(text: str) -> str:
    return "".join(each for each in text if each.isalpha())
