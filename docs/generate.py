"""Writes what comes from the code, tables and places of requirements: `.venv/bin/python -m docs.generate`."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic_core import PydanticUndefined

from certs.list_faults import ListFault
from directory.patients import OPENNESS
from dmp_bridge import codes
from dmp_bridge.check.report import Weight
from dmp_bridge.check.rules_table import RULES
from dmp_bridge.rights.functional import MATRIX, Column
from dmp_bridge.rights.states import STATES, RecordAct, RecordState, Who
from docs import references
from foundation.settings import explain
from mailserver.imap.capabilities import capabilities
from mailserver.refusals import REFUSALS
from mailserver.sasl.mechanisms import Mechanism

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dmp_bridge.rights.functional import Right

FOLDER = Path(__file__).resolve().parent
_WEIGHTS = MappingProxyType(
    {Weight.MANDATORY: "mandatory", Weight.RECOMMENDED: "recommended", Weight.NOTE: "a note"}
)
_BLOCK = re.compile(r"(?s)(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)")


def settings() -> str:
    """Every key with its default and its sentence, as `vaguemestre doctor` explains them."""
    return _table(
        ("Key", "Default", "What it is"),
        ((f"`{key}`", _default(value), sentence) for key, value, sentence in explain(None)),
    )


def refusals() -> str:
    """Everything the mail server can refuse."""
    return _table(
        ("Code", "Reply", "Status", "What the sender reads", "What to do"),
        (
            (each.code, str(each.reply), each.enhanced, each.sentence, each.advice)
            for each in REFUSALS.values()
        ),
    )


def list_faults() -> str:
    """Why a white list is refused."""
    return _table(
        ("Code", "The list is refused because", "En français"),
        ((fault.value, fault.english, fault.french) for fault in ListFault),
    )


def functional_matrix() -> str:
    """The 26 actions by the 12 columns."""
    return _table(
        ("Action", *(column.value for column in Column)),
        (
            (f"`{action.value}`", *(_cell(cells[column]) for column in Column))
            for action, cells in MATRIX.items()
        ),
    )


def record_states() -> str:
    """What each state of a record allows to whom."""
    return _table(
        ("Act", "Who", *(state.value for state in RecordState)),
        (
            (act.value, who.value, *(_yes(STATES[state, who, act].is_allowed) for state in RecordState))
            for act in RecordAct
            for who in Who
        ),
    )


def error_codes() -> str:
    """Why a document is not integrated."""
    return _table(("Code", "Official meaning"), ((code.value, code.label) for code in codes.ErrorCode))


def categories() -> str:
    """The categories of the documents page, and which of them a patient may choose."""
    chosen = codes.patient_categories()
    return _table(
        ("Code", "Category", "A patient may file under it"),
        ((f"`{code}`", label, _yes(code in chosen)) for code, label in codes.categories().items()),
    )


def patient_states() -> str:
    """What each state of a patient allows."""
    return _table(
        ("State", "Record takes documents", "Person reads messages", "Sign-in to the pages"),
        (
            (f"`{state.value}`", _yes(open_.record), _yes(open_.box), _yes(open_.sign_in))
            for state, open_ in OPENNESS.items()
        ),
    )


def conformity_rules() -> str:
    """Every rule of the conformity check."""
    return _table(
        ("Id", "Rule", "Where it is written", "A failure is"),
        (
            (f"`{rule.id}`", rule.title.replace("<", "\\<"), rule.source, _WEIGHTS[rule.weight])
            for rule in RULES.values()
        ),
    )


def imap_capabilities() -> str:
    """What CAPABILITY says, before and after sign-in."""
    size = 25 * 1024 * 1024
    every = tuple(Mechanism)
    before = capabilities(is_signed_in=False, mechanisms=(), may_start_tls=True, message_bytes=size)
    under_tls = capabilities(is_signed_in=False, mechanisms=every, may_start_tls=False, message_bytes=size)
    after = capabilities(is_signed_in=True, mechanisms=every, may_start_tls=False, message_bytes=size)
    return _table(
        ("When", "CAPABILITY"),
        (
            ("Before TLS", f"`{before}`"),
            ("Under TLS, before sign-in, with every mechanism", f"`{under_tls}`"),
            ("Signed in", f"`{after}`"),
        ),
    )


BLOCKS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "categories": categories,
        "conformity-rules": conformity_rules,
        "error-codes": error_codes,
        "imap-capabilities": imap_capabilities,
        "list-faults": list_faults,
        "patient-states": patient_states,
        "functional-matrix": functional_matrix,
        "record-states": record_states,
        "refusals": refusals,
        "settings": settings,
    }
)
"""Each block by the name that a page gives it."""


def current(page: str) -> str:
    """The page with every generated block as the code has it now."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n{found[3]}", page)


def names(page: str) -> list[str]:
    """The generated blocks of a page."""
    return [found[2] for found in _BLOCK.finditer(page)]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [_line(head), "|" + " --- |" * len(head), *(_line(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "given by `--home`"
    if value == "" or value == []:
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _cell(right: Right) -> str:
    if not right.is_given:
        return "–"
    return "oui" if right.note is None else str(right.note.value)


def _yes(holds: bool) -> str:  # noqa: FBT001 - a fact to print, not a switch
    return "yes" if holds else "no"


def main() -> None:
    """Brings every page up to date, and the places in the list of requirements."""
    references.write()
    for path in sorted(FOLDER.glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = current(before)
        if after != before:
            path.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
