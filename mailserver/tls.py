"""TLS of the mail servers: the layer that all servers of the house share."""

from __future__ import annotations

from foundation.tls import TlsLayer

__all__ = ["TlsLayer"]
