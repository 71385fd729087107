"""Alembic migrations, run by `vaguemestre migrate` and at every start."""
