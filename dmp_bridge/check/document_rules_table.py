"""The rules on documents, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmp_bridge.check.report import Rule

DOCUMENT_RULES: dict[str, Rule] = {}
