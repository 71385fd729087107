"""Whether a box is named as its bearer is: the directory shows the bearer's own name, whatever the box is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from directory.bals import BalRefused, BalType
from directory.correspondents import person_name
from directory.folding import fold

if TYPE_CHECKING:
    from directory.annuaire.view import View

_PARTICLES: Final = frozenset(
    {"d", "da", "de", "del", "des", "di", "du", "el", "l", "la", "le", "les", "van", "von"}
)


class OtherBearer(BalRefused):
    """The directory knows the identifier as somebody of another name; it may be confirmed."""


# ref: F36
def check_bearer(view: View, type: BalType, name: str, idnat: str | None) -> None:
    """Raises OtherBearer where no word of a box's name is in the last or first name that the directory has.

    One word is enough: a practice bears its doctor's last name, and names of birth and of use differ. What the directory
    does not know cannot be compared. Particles do not count.
    """
    if idnat is None or type not in (BalType.PER, BalType.CAB):
        return
    person = view.person(idnat)
    if person is None:
        return
    known = _words(f"{person.last_name or ''} {person.first_name or ''}")
    if not known or known & _words(name):
        return
    shown = person_name(person.title, person.first_name, person.last_name)
    raise OtherBearer(
        f"The directory knows {idnat} as {shown} and would show that name, not {name}:"
        " correct the identifier or the name, or confirm it with --force.",
        f"Pour l’annuaire, {idnat} est {shown} : c’est ce nom qu’il montrerait, et non {name}."
        " Corrigez l’identifiant ou le nom, ou cochez la case qui confirme.",
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(fold(text).split()) - _PARTICLES
