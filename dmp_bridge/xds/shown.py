"""Remembers which assertions were shown, and by which certificate: what was overheard opens no door."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from sqlalchemy import delete, insert, select

from dmp_bridge.xds.soap import Fault, SubCode
from dmp_bridge.xds.tables import vihf_shown

if TYPE_CHECKING:
    from datetime import datetime

    from dmp_bridge.xds.vihf import Vihf
    from foundation.database import UnitOfWork

Again = Literal["same-certificate", "never"]


def show(uow: UnitOfWork, vihf: Vihf, connected: bytes, now: datetime, again: Again) -> None:
    """Notes that an assertion was shown by the holder of the certificate `connected` (DER).

    Raises Fault where another one showed it before, or where it is for once and was shown.
    """
    digest = hashlib.sha256(f"{vihf.signer}\0{vihf.id}".encode()).digest()
    certificate = hashlib.sha256(connected).digest()
    uow.execute(delete(vihf_shown).where(vihf_shown.c.expires_at < _millis(now)))
    first = uow.execute(select(vihf_shown.c.certificate).where(vihf_shown.c.digest == digest)).scalar()
    if first is None:
        uow.execute(
            insert(vihf_shown).values(
                digest=digest, certificate=certificate, expires_at=_millis(vihf.expires_at)
            )
        )
    elif again == "never" or vihf.is_for_once or bytes(first) != certificate:
        raise Fault("Ce VIHF a déjà été présenté.", subcode=SubCode.FAILED_AUTHENTICATION)


def _millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)
