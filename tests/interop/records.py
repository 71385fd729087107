"""Clinical documents for the patients of a sandbox, built apart from the product's own writer."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tests.dmp_bridge import builders

if TYPE_CHECKING:
    from tests.interop.service import Person


def new_oid() -> str:
    """A document identifier nobody used before (an OID under 2.25, ITU-T X.667)."""
    return f"2.25.{uuid.uuid4().int}"


def family_and_given(person: Person) -> tuple[str, str]:
    """The birth name is the part written in capitals, wherever it stands."""
    words = person.name.split()
    family = [word for word in words if word.isupper()]
    given = [word for word in words if not word.isupper()]
    if not given or not family:
        return words[-1], " ".join(words[:-1])
    return " ".join(family), " ".join(given)


def cda(
    person: Person, *, unique_id: str, title: str, text: str = "Tout va bien.", ins: str | None = None
) -> bytes:
    """A structured document about the person; `ins` names somebody else in their place."""
    family, given = family_and_given(person)
    return builders.cda(
        unique_id=unique_id,
        set_id=None,
        version=None,
        title=title,
        ins=ins or person.ins,
        family=family,
        given=given,
        birth=person.birth_date.replace("-", ""),
        sex="M" if person.ins[0] in "137" else "F",
        body=builders.n3_body(("Conclusion", f"<paragraph>{text}</paragraph>")),
    )


def package(person: Person, *, title: str, text: str = "Tout va bien.") -> bytes:
    """An IHE_XDM.zip with one document about the person."""
    unique_id = new_oid()
    document = cda(person, unique_id=unique_id, title=title, text=text)
    return builders.xdm(document, ins=person.ins, unique_id=unique_id)
