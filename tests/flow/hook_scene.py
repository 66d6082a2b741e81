"""A connector whose source reports changes, and all that a test does to it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, text

from shared.domain.access import Principal
from shared.flow.attempt import AttemptResult, attempt_run
from shared.flow.cancel import cancel_run
from shared.flow.hooks import HookDesk, HookResult
from shared.flow.retry_run import retry_run
from shared.flow.schedules import Planner
from shared.flow.trigger import trigger_schedule
from shared.flow.unread import start_unread
from shared.store.rows import Row
from tests.factories import Tenant, runs_of
from tests.flow.hooking import NOON, Source
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script, call_of, make_workshop


@dataclass(frozen=True)
class Scene:
    """A connector with a realtime schedule, its source, and the product's part in it.

    The dispatcher and the worker have their login, with its rights.
    """

    engine: Engine
    worker_engine: Engine
    paused: PausedQueue
    tenant: Tenant
    planner: Planner
    desk: HookDesk
    schedule: Row
    source: Source
    script: Script

    @property
    def whose(self) -> tuple[Planner, Principal, UUID]:
        """What a change of the schedule begins with."""
        return self.planner, self.tenant.principal, self.schedule["public_id"]

    @property
    def whose_connector(self) -> tuple[Planner, Principal, UUID]:
        """What a change of the connector begins with."""
        return self.planner, self.tenant.principal, self.schedule["connector_public_id"]

    def report(self, now: datetime = NOON) -> None:
        """Let the source report a change."""
        assert self.source.reports(self.desk, at=now, now=now) is HookResult.ACCEPTED

    def trigger(self) -> Row:
        """Ask for a run by hand."""
        _, *whose = self.whose
        return trigger_schedule(self.engine, lambda: self.paused.queue, *whose)

    def let_start(self, now: datetime) -> None:
        """Let what was asked for by hand start then, and not by the database's clock."""
        with self.engine.begin() as connection:
            query = text(
                "UPDATE workspace_connector_sync_log SET not_before_at = :at"
                " WHERE status = 'scheduled'"
            )
            connection.execute(query, {"at": now})

    def cancel(self, now: datetime) -> None:
        """Cancel the newest run."""
        run = self.runs()[-1]["workspace_connector_sync_log_id"]
        cancel_run(self.engine, lambda: self.paused.queue, self.tenant.principal, run, now=now)

    def look(self, now: datetime) -> int:
        """Do what a tick does; return how many runs it wrote."""
        return start_unread(self.worker_engine, now, lambda: True)

    def runs(self) -> list[Row]:
        """Return the runs, oldest first."""
        return runs_of(self.engine, self.schedule["id"])

    def fates(self) -> list[tuple[str, str | None]]:
        """Return status and reason of the runs, oldest first."""
        return [(run["status"], run["reason"]) for run in self.runs()]

    def work(self, now: datetime) -> AttemptResult:
        """Attempt the newest run."""
        workshop = make_workshop(self.worker_engine, self.paused)
        return attempt_run(workshop, call_of(self.runs()[-1]), now=now)

    def retry(self) -> Row:
        """Run the newest run again by hand."""
        run = self.runs()[-1]["workspace_connector_sync_log_id"]
        return retry_run(self.engine, lambda: self.paused.queue, self.tenant.principal, run)

    def looked_at_next(self) -> datetime:
        """Return when the dispatcher looks at what is unread."""
        with self.engine.connect() as connection:
            query = text("SELECT look_at FROM unread_change WHERE connector_id = :c")
            return connection.execute(query, {"c": self.schedule["connector_id"]}).scalar_one()

    def unread_since(self) -> datetime:
        """Return since when something is unread."""
        with self.engine.connect() as connection:
            query = text("SELECT unread_since FROM unread_change WHERE connector_id = :c")
            return connection.execute(query, {"c": self.schedule["connector_id"]}).scalar_one()

    def has_unread(self) -> bool:
        """Tell whether something that was reported is unread."""
        with self.engine.connect() as connection:
            query = text("SELECT count(*) FROM unread_change WHERE connector_id = :c")
            return connection.execute(query, {"c": self.schedule["connector_id"]}).scalar_one() == 1
