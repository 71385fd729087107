"""Every rule of the check by its id: those on messages, and those on the documents they carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.check.document_rules_table import DOCUMENT_RULES
from dmp_bridge.check.message_rules_table import MESSAGE_RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dmp_bridge.check.report import Rule

RULES: Mapping[str, Rule] = {**MESSAGE_RULES, **DOCUMENT_RULES}
