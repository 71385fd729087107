"""The ward of the tests of the desk, for those of its export."""

from __future__ import annotations

from tests.dmp_bridge.dossier.conftest import ward

__all__ = ["ward"]
