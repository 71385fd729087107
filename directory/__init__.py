"""The directory: mailboxes hosted here, patients, and the published professionals and structures."""

from __future__ import annotations

from directory import bals, patients  # declares the tables

__all__ = ["bals", "patients"]
