"""Brings a database to the schema of this version."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from foundation.database_file import make_ready
from foundation.sqlite import engine_for

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.cipher import DatabaseKey


class SchemaTooNew(Exception):
    """The database was migrated by a newer version; the text is one sentence for the operator."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@functools.cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def upgrade(url: str, key: DatabaseKey | None) -> tuple[str | None, str | None]:
    """Runs the migrations that are missing; returns the revision before and after.

    Raises SchemaTooNew, and DatabaseUnavailable for a file that does not open.
    """
    make_ready(url, key)
    engine = engine_for(url, key=key, begin="BEGIN IMMEDIATE")
    try:
        with engine.connect() as connection, connection.begin():
            before = current(connection)
            scripts = _scripts()
            if before == scripts.get_current_head():
                return before, before
            if before is not None and before not in {script.revision for script in scripts.walk_revisions()}:
                raise SchemaTooNew(f"the database is at revision {before}, which this version does not know")
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            after = current(connection)
    finally:
        engine.dispose()
    return before, after


def current(connection: Connection) -> str | None:
    """The revision a database is at; None when it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()
