"""What the directory knows of the professionals whose assertions name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.xds.callers import Known

if TYPE_CHECKING:
    from directory.annuaire.annuaire import Annuaire


class DirectoryProfessionals:
    """The professionals of a directory; asked on the event loop, some microseconds each."""

    def __init__(self, annuaire: Annuaire) -> None:
        self._annuaire = annuaire

    def known(self, idnat: str) -> Known | None:
        """Professions, skills and structures of a PS_IdNat; None where the directory has no such person."""
        view = self._annuaire.view()
        person = view.person(idnat)
        if person is None:
            return None
        roles = view.roles_of_person(idnat)
        structures = (view.structure(role.structure_id) for role in roles if role.structure_id)
        professions = {person.profession_code, *(role.profession_code for role in roles)}
        skills = {*(skill.code for skill in person.skills), *(role.skill_code for role in roles)}
        return Known(
            frozenset(each for each in professions if each),
            frozenset(each for each in skills if each),
            frozenset(each.idnat for each in structures if each is not None and each.idnat),
        )
