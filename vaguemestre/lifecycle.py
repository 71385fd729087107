"""What the calendar does to boxes that nobody signs in to: a warning, then the suspension, where it is so set the end.

Each box is looked at and changed in one transaction of its own: cut short at any point, the next look goes on there.
"""

from __future__ import annotations

import asyncio
from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from directory.bals import Bal, BalState, bal, bal_of, list_bals, note_warning
from directory.lifecycle import INACTIVE, Next, Stage, Step, next_step, stage_of
from foundation import jobs, trail
from foundation.clock import from_millis, to_paris
from foundation.log import get_logger
from foundation.mime.folding import fold
from mailserver.delivery.house import deliver_once
from mailserver.signin.last import used_at
from portal.operators.acts import change_bal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.jobs import Job
    from foundation.metrics import Metrics
    from foundation.settings import LifecycleSettings, Settings
    from mailserver.delivery.router import Router

WARNING_JOB: Final = "bal-warning"
"""Payload: `owner_id`, and `at`, when the box was warned (epoch ms)."""

_EVERY_SECONDS: Final = 3600.0
_PAGE: Final = 1000
_SYSTEM: Final = "system"
_log = get_logger(__name__)


class LifeCycle:
    """Keeps the calendar of one operator; several processes may do it at once."""

    def __init__(
        self, database: Database, clock: Clock, settings: Settings, metrics: Metrics | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._rules = settings.lifecycle
        if metrics is not None:
            metrics.set_gauge(
                "warned_mailboxes",
                "Mailboxes that will be suspended because nobody signs in.",
                lambda: database.read_now(_warned),
            )

    async def run(self) -> None:
        """Looks each hour until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:
                _log.error("life cycle: not looked at", error=type(error).__name__)
            await asyncio.sleep(_EVERY_SECONDS)

    async def look(self) -> int:
        """Takes the steps that are due; returns how many. A box that fails does not keep the others waiting."""
        taken = 0
        for owner_id in await self._database.read(self._due):
            try:
                taken += await self._database.write(partial(self._step, owner_id=owner_id))
            except Exception as error:
                _log.error("mailbox: step not taken", box=owner_id, error=type(error).__name__)
        return taken

    def _due(self, connection: Connection) -> list[int]:
        now, used = self._clock.millis(), used_at(connection)
        due: list[int] = []
        after = ""
        while boxes := list_bals(connection, after=after, limit=_PAGE):
            after = boxes[-1].address
            for each in boxes:
                step = next_step(each, used.get(each.owner_id), self._rules)
                if step is not None and step.at <= now:
                    due.append(each.owner_id)
        return due

    # ref: F39
    def _step(self, uow: UnitOfWork, owner_id: int) -> int:
        """Takes the step of one box, if it is still due."""
        box, now = bal_of(uow.connection, owner_id), self._clock.millis()
        used = used_at(uow.connection, [owner_id]).get(owner_id)
        step = next_step(box, used, self._rules) if box is not None else None
        if box is None or step is None or step.at > now:
            return 0
        match step.step:
            case Step.WARN:
                note_warning(uow, box, now)
                jobs.enqueue(uow, WARNING_JOB, {"owner_id": owner_id, "at": now})
                trail.append(
                    uow,
                    "bal.warned",
                    actor=_SYSTEM,
                    subject=f"bal:{owner_id}",
                    outcome=INACTIVE,
                    clock=self._clock,
                )
            case Step.SUSPEND:
                change_bal(uow, self._clock, box.address, BalState.SUSPENDED, reason=INACTIVE, actor=_SYSTEM)
            case Step.CLOSE:
                change_bal(uow, self._clock, box.address, BalState.CLOSED, reason=INACTIVE, actor=_SYSTEM)
        uow.after_commit(lambda: _log.info("mailbox: nobody signs in", box=owner_id, step=step.step.value))
        return 1


def where_it_stands(box: Bal, used: int | None, rules: LifecycleSettings) -> tuple[Stage, Next | None]:
    """The stage of a box, and what comes next by itself."""
    return stage_of(box, used), next_step(box, used, rules)


class WarningMail:
    """The handler of WARNING_JOB."""

    def __init__(self, router: Router, database: Database, settings: Settings) -> None:
        self._router = router
        self._database = database
        self._settings = settings

    async def send(self, job: Job) -> Callable[[UnitOfWork], None]:
        """Tells the bearer of a box that it will be suspended; nothing where somebody was there meanwhile."""
        owner_id, at = job.payload["owner_id"], job.payload["at"]
        box = await self._database.read(lambda connection: bal_of(connection, owner_id))
        if box is None or box.warned_at != at or box.state is not BalState.ACTIVE:
            return lambda _uow: None
        content = render_warning(box, at, self._settings)
        return await deliver_once(self._router, job, box.address, content, protocol="LMTP")


def render_warning(box: Bal, at: int, settings: Settings) -> bytes:
    """The whole mail, the same for the same arguments. `at` is epoch ms."""
    rules = settings.lifecycle
    day = to_paris(from_millis(at + rules.notice_days * 24 * 3600 * 1000))
    header = (
        fold("From", f"Mail Delivery System <MAILER-DAEMON@{box.address.rpartition('@')[2]}>")
        + fold("To", box.address)
        + fold("Subject", "Votre boîte aux lettres va être suspendue")
        + fold("Date", format_datetime(to_paris(from_millis(at))))
        + fold("Message-ID", f"<inactivite.{box.owner_id}.{at}@{settings.hostname}>")
        + b"Auto-Submitted: auto-generated\r\n"
        + b"MIME-Version: 1.0\r\n"
        + b"Content-Type: text/plain; charset=utf-8\r\n"
        + b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    )
    lines = [
        f"Personne ne s’est identifié dans la boîte {box.address} depuis {rules.inactive_days} jours.",
        f"Sans nouvelle de vous, elle sera suspendue le {day:%d/%m/%Y} : elle ne recevra plus de messages",
        "et ne paraîtra plus dans l’annuaire.",
        "",
        "Pour vous y opposer : identifiez-vous une fois d’ici là, dans votre logiciel ou sur les pages de",
        "votre opérateur, ou demandez-lui de garder la boîte.",
        "",
        "Ce message est automatique, une réponse ne serait lue par personne.",
        "",
    ]
    return header + "\r\n".join(lines).encode()


def _warned(connection: Connection) -> float:
    waiting = select(func.count()).where(bal.c.warned_at.is_not(None), bal.c.state == BalState.ACTIVE.value)
    return float(connection.execute(waiting).scalar_one())
