"""What everybody who searches the directory asks of it: one generation, ours on top, that does not change under them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from directory.annuaire.conditions import Condition
    from directory.annuaire.fields import Field
    from directory.annuaire.lookups import Lookup
    from directory.annuaire.model import Mailbox, Person, Role, Structure


class TooSlow(Exception):
    """A search was given up when its time was over; the text is one sentence."""


class GenerationGone(Exception):
    """The generation that was asked for is no longer kept; the text is one sentence."""


class HasView(Protocol):
    """The directory in use (directory.annuaire.annuaire.Annuaire)."""

    def view(self) -> View: ...


class View(Protocol):
    """The directory as it was at one moment. Red-listed mailboxes are not in it.

    Plain functions that may be called on the event loop and in threads; each raises TooSlow when its time
    budget is over. Lists in pages come in the order of their key (address, idnat, id); `after` is the key of
    the last one of the page before.
    """

    @property
    def generation(self) -> str:
        """Names the generation: letters, digits and "-", at most 40."""
        ...

    @property
    def version(self) -> int:
        """Counts what this operator has published, hidden or removed: with `generation` it names all that is found."""
        ...

    @property
    def generated_at(self) -> int:
        """When the extract of mailboxes was generated, epoch milliseconds; 0 when there is none yet."""
        ...

    def mailboxes(
        self,
        condition: Condition,
        limit: int,
        *,
        own_structure: str | None = None,
        recent: Collection[str] = frozenset(),
    ) -> list[Mailbox]:
        """The best `limit` mailboxes: recent correspondents (addresses), own structure (IdNat_Struct), those in
        which the searched text is a whole name, all others; each by name.
        """
        ...

    def page(self, condition: Condition, limit: int, *, after: str = "") -> list[Mailbox]:
        """The next `limit` mailboxes in the order of their addresses."""
        ...

    def count(self, condition: Condition, at_most: int) -> int:
        """How many mailboxes meet the condition; `at_most` when there are as many or more."""
        ...

    def mailbox(self, address: str) -> Mailbox | None:
        """The mailbox of an address in any case."""
        ...

    def mailboxes_of_person(self, idnat: str) -> list[Mailbox]: ...

    def mailboxes_of_structure(self, structure_id: str) -> list[Mailbox]:
        """Of an IdNat_Struct, as mailboxes name their structure; boxes of persons and of services."""
        ...

    def own_mailboxes(self, structure_id: str, limit: int) -> list[Mailbox]:
        """Those of an IdNat_Struct that are nobody's own, of services and of software, by address."""
        ...

    def expect(self, wanted: Mapping[Lookup, Collection[str]]) -> None:
        """Fetches together what is about to be asked of each of some people or structures."""
        ...

    def removed_at(self, field: Field, key: str) -> int | None:
        """When what was published under a key and is no more went away; None for any other key.

        `field` says what it is: ADDRESS a mailbox, IDNAT a person, ROLE_ID a role, STRUCTURE_ID a structure (its `id`).
        """
        ...

    def person(self, idnat: str) -> Person | None: ...

    def persons(self, condition: Condition, limit: int, *, after: str = "") -> list[Person]:
        """The next `limit` persons by idnat. Fields of mailboxes and roles count where one of theirs meets them."""
        ...

    def count_persons(self, condition: Condition, at_most: int) -> int: ...

    def role(self, role_id: str) -> Role | None: ...

    def roles_of_person(self, idnat: str) -> list[Role]: ...

    def roles_of_structure(self, structure_id: str, limit: int, *, after: str = "") -> list[Role]:
        """The next `limit` roles in a structure (its `id`), by id: a large hospital has tens of thousands."""
        ...

    def roles(self, condition: Condition, limit: int, *, after: str = "") -> list[Role]:
        """The next `limit` roles by id."""
        ...

    def count_roles(self, condition: Condition, at_most: int) -> int: ...

    def structure(self, structure_id: str) -> Structure | None:
        """By its `id` or its IdNat_Struct."""
        ...

    def names_of_structure(self, structure_id: str) -> Collection[str]:
        """What a structure that is named so is called by roles (`id`) and by mailboxes (IdNat_Struct)."""
        ...

    def structures(self, condition: Condition, limit: int, *, after: str = "") -> list[Structure]:
        """The next `limit` structures by id."""
        ...

    def count_structures(self, condition: Condition, at_most: int) -> int: ...

    def label(self, nomenclature: str, code: str) -> str | None:
        """The label of a code as the extracts state it; nomenclatures are named as the columns of the model
        ("profession", "skill", "category", "sector", "function", "kind", "practice", "diploma").
        """
        ...
