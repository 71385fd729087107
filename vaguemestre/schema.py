"""Every table of the house, in one import: what migrations compare with and create."""

from __future__ import annotations

import importlib

from foundation.database import metadata

_MODULES_WITH_TABLES = (
    "foundation.jobs",
    "foundation.trail",
    "foundation.vault",
    "directory.annuaire.published",
    "directory.bals",
    "directory.integration",
    "directory.listing",
    "directory.patients",
    "directory.publication",
    "mailserver.store.tables",
    "mailserver.store.mail_keys",
    "mailserver.store.search_index",
    "mailserver.store.subscriptions",
    "mailserver.store.acl",
    "mailserver.store.annotations",
    "mailserver.store.quota",
    "mailserver.store.seen",
    "mailserver.address_book",
    "mailserver.answers",
    "mailserver.conversations",
    "mailserver.delivery.absence",
    "mailserver.delivery.receipts",
    "mailserver.outbound.tables",
    "mailserver.reading_receipt",
    "mailserver.signin.application",
    "mailserver.signin.certificates",
    "mailserver.signin.brake",
    "mailserver.signin.scram",
    "mailserver.signin.second_factor",
    "mailserver.tracking.tables",
    "dmp_bridge.tables",
    "dmp_bridge.dossier.tables",
    "dmp_bridge.dossier.consent_tables",
    "dmp_bridge.xds.tables",
    "dmp_bridge.hl7.outbox",
    "portal.operators.accounts",
    "portal.tables",
)

for _name in _MODULES_WITH_TABLES:
    importlib.import_module(_name)

__all__ = ["metadata"]
