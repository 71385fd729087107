"""From a condition to the ways its rows are found: the trigram index where it can, keys, and else a look at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, assert_never

from directory.annuaire.alphabets import BORDER, piece, trigrams
from directory.annuaire.conditions import (
    All,
    Any,
    Approximate,
    AtLeast,
    AtMost,
    Equal,
    Everything,
    Not,
    Nothing,
    Present,
    Substring,
    Words,
)
from directory.annuaire.fields import VERBATIM, Field, folded, folded_part
from directory.annuaire.matching import (
    ADDRESS_BORDERS,
    IDENTIFIERS,
    WORDS_LOOK_AT,
    may_be_identifier,
    words_of,
)
from directory.annuaire.plans import (
    NOTHING,
    Clause,
    Plan,
    all_of,
    any_of,
    everything,
    phrase,
    terms_or,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from directory.annuaire.conditions import Condition
    from directory.annuaire.plans import Terms, Way
    from directory.annuaire.shelves import Shelf

_MOST_TERMS = 64
"""Trigrams that may stand for a piece of one or two letters."""
_NAMES = (Field.LAST_NAME, Field.GIVEN_NAME)


_SIGNS: Mapping[type, str] = {Equal: "=", AtLeast: ">=", AtMost: "<="}
_OPPOSITE_SIGNS: Mapping[type, str] = {AtLeast: "<", AtMost: ">"}


class Known(Protocol):
    """What a compiler asks of the directory beside the trigrams."""

    def close_names(self, word: str) -> Sequence[str]:
        """Words of names that are one typing error away, or the word itself."""
        ...

    def codes(self, nomenclature: str, condition: Condition) -> Sequence[str]:
        """The codes whose label (a value of any field) meets a condition."""
        ...

    def bearers(self, table: str, condition: Condition) -> Sequence[str] | None:
        """The keys, in order, of the rows that bear a mailbox that meets a condition; None when they are too many."""
        ...

    def size_of(self, table: str, clause: Clause, at_most: int) -> int:
        """How many rows a clause finds by an index, up to a bound."""
        ...


class Compiler:
    """Works out conditions on one shelf of some thousand or million `rows`."""

    def __init__(self, shelf: Shelf, terms: Terms, known: Known, rows: int) -> None:
        self._shelf = shelf
        self._terms = terms
        self._known = known
        self._rows = rows
        self._alphabet = {field: number for number, field in enumerate(shelf.index)}

    def way(self, condition: Condition) -> Way:
        """How the rows that meet the condition are found."""
        match condition:
            case Everything():
                return everything(self._rows)
            case Nothing():
                return NOTHING
            case All(children):
                ways = [self.way(child) for child in children]
                return all_of(ways) if ways else everything(self._rows)
            case Any(children):
                return any_of([self.way(child) for child in children])
            case Not(child):
                return self._not(child)
            case Words(text):
                return self._words(text)
            case Present(field):
                return self._present(field)
            case Equal() | Substring() | AtLeast() | AtMost() | Approximate():
                return self._item(condition)
            case _:
                assert_never(condition)

    def _item(self, item: Equal | Substring | AtLeast | AtMost | Approximate) -> Way:
        field, shelf = item.field, self._shelf
        if isinstance(item, Equal) and not folded(field, item.value):
            return NOTHING
        if field in shelf.linked:
            keys = self._known.bearers(shelf.table, item)
            return self._unknown() if keys is None else Plan(len(keys), keyed=True, keys=keys)
        if field in shelf.labels:
            nomenclature, code = shelf.labels[field]
            codes = self._known.codes(nomenclature, item)
            return any_of([self._item(Equal(code, each)) for each in codes])
        if field is Field.UPDATED:
            return self._updated(item)
        if field is Field.DIGITAL and shelf.table == "mailbox":
            return self._digital(item)
        if field is Field.DIPLOMA_CODE and shelf.table == "person" and isinstance(item, Equal):
            return self._by_key(_qualified("diplomas", item.value))
        if field is Field.STRUCTURE_ID and shelf.table == "role":
            if not isinstance(item, Equal):
                return self._unknown()
            return self._by_key(
                Clause(
                    "m.structure_id IN (SELECT id FROM people.structure WHERE id = ? OR idnat = ?"
                    " UNION ALL SELECT id FROM boxes.structure WHERE id = ? OR idnat = ?)",
                    (item.value.strip(),) * 4,
                )
            )
        if isinstance(item, Approximate):
            return self._approximate(item)
        if isinstance(item, AtLeast | AtMost):
            return self._ordered(item)
        if field is Field.DOMAIN and Field.ADDRESS in self._alphabet:
            return self._domain(item)
        if field is Field.CN and _NAMES[0] in self._alphabet:
            return self._common_name(item)
        if isinstance(item, Equal) and field in shelf.keyed:
            way = self._column_equals(item)
            return any_of([way, *self._skills(item)])
        if field in self._alphabet:
            return any_of([self._indexed(item), *self._skills(item)])
        if field not in shelf.columns:
            return NOTHING
        return self._column_equals(item) if isinstance(item, Equal) else self._column_holds(item)

    # The trigram index

    def _indexed(self, item: Equal | Substring) -> Way:
        pieces = _pieces(item)
        found = [self._held((item.field,), each) for each in pieces]
        return self._pieced(found, exact=len(pieces) == 1)

    def _pieced(self, found: Sequence[Way | None], *, exact: bool) -> Way:
        """All pieces of a value, those that the index knows; None is one it cannot look up."""
        known = [way for way in found if way is not None]
        if not known:
            return self._unknown()
        way = all_of(known)
        return way if exact and len(known) == len(found) else _judged(way)

    def _held(self, fields: Sequence[Field], text: str) -> Way | None:
        """The rows in which a text stands in one of some fields; None where it is too short to be looked up.

        A space at either end is the border of a word: also that of the value.
        """
        begins = [" ", BORDER] if text.startswith(" ") else [""]
        ends = [" ", BORDER] if text.endswith(" ") else [""]
        found = [
            self._phrase(self._alphabet[field], begin + text.strip(" ") + end)
            for field in fields
            if field in self._alphabet
            for begin in begins
            for end in ends
        ]
        known = [way for way in found if way is not None]
        return any_of(known) if len(known) == len(found) else None

    def _phrase(self, number: int, text: str) -> Way | None:
        moved = piece(number, text)
        if len(moved) > 2:
            size = min([self._terms.documents(term) for term in trigrams(moved)])
            return Plan(size, match=phrase(moved)) if size else NOTHING
        terms = self._terms.starting(moved, _MOST_TERMS + 1)
        if len(terms) > _MOST_TERMS:
            return None
        if not terms:
            return NOTHING
        return Plan(sum(map(self._terms.documents, terms)), match=terms_or(terms))

    def _common_name(self, item: Equal | Substring) -> Way:
        """In either order of a person's names; of a mailbox that is nobody's own, in what it is called."""
        pieces = _pieces(item)
        fragments = [fragment for each in pieces for fragment in _fragments(each)]
        plain = len(fragments) == 1 and not (pieces[0].startswith(BORDER) and pieces[0].endswith(BORDER))
        found = self._pieced([self._held(_NAMES, each) for each in fragments], exact=plain)
        if Field.CN not in self._alphabet:
            return found
        of_nobody = self._pieced([self._held((Field.CN,), each) for each in pieces], exact=len(pieces) == 1)
        return any_of([found, of_nobody])

    def _domain(self, item: Equal | Substring) -> Way:
        if isinstance(item, Equal):
            return self._indexed(Substring(Field.ADDRESS, final=f"@{folded(Field.DOMAIN, item.value)}"))
        pieces = [each.replace(BORDER, "@") if each.startswith(BORDER) else each for each in _pieces(item)]
        return self._pieced([self._held((Field.ADDRESS,), each) for each in pieces], exact=False)

    def _words(self, text: str) -> Way:
        words = words_of(text)
        if not words:
            return NOTHING
        found = [self._word(word) for word in words]
        return self._pieced(found, exact=True)

    def _word(self, word: str) -> Way | None:
        if "@" in word:
            return self._held((Field.ADDRESS,), word)
        texts = [field for field in self._shelf.index if field in WORDS_LOOK_AT]
        if len(word) > 2:
            starts = [self._held([*texts, Field.ADDRESS], word)]
        else:
            starts = [self._held(texts, f" {word}")]
            starts += [self._held((Field.ADDRESS,), (border or BORDER) + word) for border in ADDRESS_BORDERS]
        ways = [way for way in starts if way is not None]
        if len(ways) < len(starts):
            return None
        ways += [
            self._item(Substring(label, parts=(word if len(word) > 2 else f" {word}",)))
            for label in self._shelf.labels
        ]
        if may_be_identifier(word):
            ways += [
                self._item(Equal(field, value))
                for field in IDENTIFIERS
                for value in (
                    (word, *(kind + word for kind in "123")) if field is Field.STRUCTURE_ID else (word,)
                )
            ]
        return any_of(ways)

    def _approximate(self, item: Approximate) -> Way:
        words = words_of(item.value)
        if not words:
            return NOTHING
        fields = (*_NAMES, Field.CN) if item.field is Field.CN else (item.field,)
        if not any(field in self._alphabet for field in fields):
            return self._unknown()
        found: list[Way | None] = []
        for word in words:
            close = self._known.close_names(word) if fields[0] in _NAMES else [word]
            ways = [self._held(fields, f" {each} ") for each in close]
            found.append(any_of([way for way in ways if way is not None]))
        return self._pieced(found, exact=False)

    # Columns

    def _column_equals(self, item: Equal) -> Way:
        columns = self._shelf.columns[item.field]
        if item.field is Field.ADDRESS and "@" not in item.value:
            return NOTHING
        # addresses are kept in lower case
        collation = "" if item.field is Field.ADDRESS else " COLLATE NOCASE"
        value = folded(item.field, item.value)
        clauses = [Clause(f"m.{column} = ?{collation}", (value,)) for column in columns]
        if item.field in self._shelf.keyed:
            return any_of([self._by_key(clause) for clause in clauses])
        return any_of([Plan(self._rows, where=(clause,)) for clause in clauses])

    def _column_holds(self, item: Substring) -> Way:
        columns = self._shelf.columns[item.field]
        only_initial = item.initial and not item.parts and item.final is None
        if only_initial and item.field in self._shelf.keyed:
            first = folded(item.field, item.initial or "")
            sql = " OR ".join(
                f"(m.{column} >= ? COLLATE NOCASE AND m.{column} < ? COLLATE NOCASE)" for column in columns
            )
            way = self._by_key(Clause(f"({sql})", (first, first + "\U0010ffff") * len(columns)))
            return way if first == (item.initial or "").casefold() else _judged(way)
        pieces = [text for text in (each.strip(f" {BORDER}") for each in _pieces(item)) if text]
        held = " OR ".join(
            "(" + " AND ".join(f"instr(lower(m.{column}), ?) > 0" for _ in pieces) + ")" for column in columns
        )
        if not pieces:
            return _judged(self._present(item.field))
        return Plan(self._rows, where=(Clause(f"({held})", tuple(pieces) * len(columns)),), exact=False)

    def _ordered(self, item: AtLeast | AtMost) -> Way:
        columns = self._shelf.columns.get(item.field, ())
        if item.field not in VERBATIM or not columns:
            return self._unknown()
        sign = ">=" if isinstance(item, AtLeast) else "<="
        sql = " OR ".join(f"lower(m.{column}) {sign} ?" for column in columns)
        # a value with accents is folded by Python's rules, not by those of SQLite
        return Plan(
            self._rows,
            where=(Clause(f"({sql})", (folded(item.field, item.value),) * len(columns)),),
            exact=item.value.isascii(),
        )

    def _present(self, field: Field) -> Way:
        if field is Field.UPDATED or (self._shelf.table == "mailbox" and field in _ALWAYS):
            return everything(self._rows)
        there = self._is_there(field)
        if there is None:
            return self._unknown()
        return self._few(there) if field in self._shelf.sparse else Plan(self._rows, where=(there,))

    def _is_there(self, field: Field) -> Clause | None:
        columns = _PRESENT.get(self._shelf.table, {}).get(field) or self._shelf.columns.get(field)
        if columns is None or field in self._shelf.linked:
            return None
        return Clause("(" + " OR ".join(f"m.{column} IS NOT NULL" for column in columns) + ")")

    def _not(self, child: Condition) -> Way:
        if isinstance(child, Present):
            there = self._is_there(child.field)
            if there is not None:
                return Plan(self._rows, where=(Clause(f"NOT {there.sql}"),))
        if isinstance(child, AtLeast | AtMost) and child.field is Field.UPDATED:
            return self._updated(child, _OPPOSITE_SIGNS)
        return self._unknown()

    def _updated(
        self, item: Equal | Substring | AtLeast | AtMost | Approximate, signs: Mapping[type, str] = _SIGNS
    ) -> Way:
        sign = signs.get(type(item))
        value = "" if isinstance(item, Substring) else item.value.strip()
        if sign is None:
            return self._unknown()
        if not (value.isascii() and value.isdecimal()) or len(value) > _LONGEST_NUMBER:
            return everything(self._rows) if "<" in sign else NOTHING
        return self._few(Clause(f"m.updated_at {sign} ?", (int(value),)))

    def _digital(self, item: Equal | Substring | AtLeast | AtMost | Approximate) -> Way:
        value = folded(Field.DIGITAL, item.value) if isinstance(item, Equal) else ""
        if value not in ("true", "false"):
            return self._unknown() if not isinstance(item, Equal) else NOTHING
        return Plan(self._rows, where=(Clause("m.digital = ?", (int(value == "true"),)),))

    def _few(self, clause: Clause) -> Way:
        """By the index, where it finds few; else it is as quick to look at the rows in their order."""
        few = self._known.size_of(self._shelf.table, clause, _COUNTED)
        if not few:
            return NOTHING
        return Plan(few if few < _COUNTED else self._rows, where=(clause,), keyed=few < _COUNTED)

    def _by_key(self, clause: Clause) -> Way:
        size = self._known.size_of(self._shelf.table, clause, _COUNTED)
        return Plan(size, where=(clause,), keyed=size < _COUNTED) if size else NOTHING

    def _skills(self, item: Equal | Substring) -> list[Way]:
        """Skills of persons that only their own extract names."""
        if item.field is not Field.SKILL_CODE or self._shelf.table != "person" or not isinstance(item, Equal):
            return []
        return [self._by_key(_qualified("skills", item.value))]

    def _unknown(self) -> Way:
        return everything(self._rows, exact=False)


_COUNTED = 20_000
_LONGEST_NUMBER = 18
_ALWAYS = frozenset({Field.ADDRESS, Field.CN, Field.DOMAIN, Field.TYPE, Field.DIGITAL})
_NAME_COLUMNS = {Field.LAST_NAME: ("last_name",), Field.GIVEN_NAME: ("first_name",)}
_CODED = {Field.PROFESSION: ("profession",), Field.SKILL: ("skill",)}
_STREET = ("street_number", "street_repeat", "street_type", "street_name")
_PRESENT: Mapping[str, Mapping[Field, tuple[str, ...]]] = {
    "mailbox": {
        **_NAME_COLUMNS,
        **_CODED,
        Field.STRUCTURE: ("structure", "structure_sign"),
        Field.SERVICE: ("service",),
        Field.DESCRIPTION: ("description",),
        Field.STREET: _STREET,
    },
    "person": {**_NAME_COLUMNS, Field.PROFESSION: ("profession",)},
    "structure": {Field.STRUCTURE: ("name", "sign"), Field.CITY: ("city",), Field.STREET: _STREET},
    "role": {**_CODED, Field.STRUCTURE_ID: ("structure_id",)},
}
"""The columns that tell whether there is a value, where they are not those that are compared."""


def _judged(way: Way) -> Way:
    """A way whose rows have to be judged."""
    if isinstance(way, Plan):
        return way if way == NOTHING else replace(way, exact=False)
    return replace(way, plans=tuple(replace(plan, exact=False) for plan in way.plans))


def _pieces(item: Equal | Substring) -> list[str]:
    """What stands in a value one behind the other, its borders being told."""
    if isinstance(item, Equal):
        return [f"{BORDER}{_without_border(folded(item.field, item.value))}{BORDER}"]
    field = item.field
    pieces = [_without_border(folded_part(field, part)) for part in item.parts]
    if item.initial is not None:
        pieces.insert(0, BORDER + _without_border(folded_part(field, item.initial).lstrip(" ")))
    if item.final is not None:
        pieces.append(_without_border(folded_part(field, item.final).rstrip(" ")) + BORDER)
    return [piece for piece in pieces if piece.strip(" ")] or [""]


def _without_border(text: str) -> str:
    """What somebody asks for, in which the border is no border but a sign that no value holds."""
    return text.replace(BORDER, "\x01")


def _fragments(text: str) -> list[str]:
    """What of a piece stands in one of the two names: "ne ber" → "ne ", " ber"."""
    words = text.strip(" ").split(" ")
    if len(words) == 1:
        return [text]
    first, *middle, last = words
    before = " " if text.startswith(" ") else ""
    after = " " if text.endswith(" ") else ""
    return [f"{before}{first} ", *(f" {word} " for word in middle), f" {last}{after}"]


def _qualified(schema: str, code: str) -> Clause:
    return Clause(f"m.idnat IN (SELECT idnat FROM {schema}.qualification WHERE code = ?)", (code.strip(),))
