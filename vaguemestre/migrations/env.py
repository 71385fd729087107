"""Runs migrations on the connection that `vaguemestre.migrate` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from vaguemestre.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
