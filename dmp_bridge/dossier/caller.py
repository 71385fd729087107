"""Who stands before the desk of the records."""

from __future__ import annotations

from dataclasses import dataclass, field

from dmp_bridge.rights.vocabulary import Mode, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody whom a way in has signed in, as what, and for what purpose.

    `id` is the PS_IdNat of a person ("8" and the RPPS), the Struct_IdNat of a structure ("1" and the FINESS,
    "3" and the SIRET), "patient:<owner>" of a patient or representative, "operator" of the operator.
    `profession` is a code of TRE_G15 (10 is a doctor), `skill` of TRE_R38 ("SM26"). `motive` is what a professional
    wrote on entering in an emergency. `channel` is the way in: mail, fhir, xds, portal, cli.
    """

    role: Role
    id: str
    name: str = field(default="", repr=False)
    profession: str = ""
    skill: str = ""
    structure_id: str = ""
    structure_name: str = ""
    mode: Mode = Mode.NORMAL
    motive: str = field(default="", repr=False)
    is_secret: bool = False
    """A "connexion secrète": a minor who does not want the representatives to know."""
    is_vouched_for: bool = False
    """The structure, not an own card or token, says who it is (authentification indirecte renforcée)."""
    channel: str = ""
    owner_id: int | None = None
    """The vault owner of a patient or representative."""
