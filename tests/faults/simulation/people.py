"""People who change things while they run: edits, pauses, blackout windows, requests, cancels."""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from shared.domain.run import Reason, TriggerType
from shared.domain.schedule import UNTIL_RESUMED, BlackoutPolicy, OverlapPolicy
from tests.faults.simulation.agenda import Agenda
from tests.faults.simulation.attempts import cancel_runs
from tests.faults.simulation.dispatcher import enqueue_workspace
from tests.faults.simulation.drawn import (
    draw_catch_up,
    draw_fields,
    draw_missed_run_policy,
    draw_spread,
    draw_window,
    draw_zone,
)
from tests.faults.simulation.planning import plan_ahead, replan, settle
from tests.faults.simulation.rows import Run, ScheduleRow, Span
from tests.faults.simulation.store import Store
from tests.faults.simulation.task_queue import TaskQueue

_MOST_WINDOWS = 2


class People:
    """Everybody who may change the schedules of a world."""

    def __init__(self, store: Store, queue: TaskQueue, agenda: Agenda, chance: Random) -> None:
        self._store = store
        self._queue = queue
        self._agenda = agenda
        self._chance = chance
        self._acts: tuple[tuple[int, Callable[[ScheduleRow], None]], ...] = (
            (4, self._edit_timing),
            (2, self._edit_policies),
            (2, self._edit_what_planning_ignores),
            (1, self._disable),
            (4, self._enable),
            (2, self._pause),
            (4, self._resume),
            (2, self._open_window),
            (3, self._close_window),
            (1, self._break_connector),
            (4, self._mend_connector),
            (1, self._disable_connector),
            (4, self._enable_connector),
            (2, self._change_limit),
            (4, self._request_run),
            (4, self._cancel_run),
        )

    def act(self) -> None:
        """Change something, unless a tick holds the workspace's rows."""
        row = self._chance.choice(self._store.schedules)
        if any(other.is_locked for other in self._store.schedules):
            return
        [act] = self._chance.choices(
            [act for _, act in self._acts], [weight for weight, _ in self._acts]
        )
        self._note(act.__name__.strip("_"), row.id)
        act(row)
        enqueue_workspace(self._store, self._queue, row.workspace, self._agenda.now)

    def begin(self, row: ScheduleRow) -> None:
        """Let a new schedule count from now on."""
        self._count_from_now(row)
        self._replan(row, Reason.SCHEDULE_CHANGED, lambda: None)

    def mend(self) -> None:
        """Let every connector be usable again."""
        for row in self._store.schedules:
            self._mend_connector(row)
            self._enable_connector(row)

    def _edit_timing(self, row: ScheduleRow) -> None:
        chance = self._chance
        zone = draw_zone(chance) if chance.random() < 0.5 else row.fields.timezone
        fields = draw_fields(chance, zone, self._agenda.now)

        def change() -> None:
            row.fields = fields
            row.catch_up_window = draw_catch_up(chance, fields)
            self._count_from_now(row)

        self._replan(row, Reason.SCHEDULE_CHANGED, change)

    def _edit_policies(self, row: ScheduleRow) -> None:
        def change() -> None:
            row.missed_run_policy = draw_missed_run_policy(self._chance)
            row.blackout_policy = self._chance.choice(tuple(BlackoutPolicy))
            row.spread = draw_spread(self._chance)

        self._replan(row, Reason.SCHEDULE_CHANGED, change)

    def _edit_what_planning_ignores(self, row: ScheduleRow) -> None:
        row.overlap_policy = self._chance.choice(tuple(OverlapPolicy))
        row.catch_up_window = draw_catch_up(self._chance, row.fields)

    def _disable(self, row: ScheduleRow) -> None:
        if not row.is_enabled:
            return
        store, now = self._store, self._agenda.now
        settle(store, self._chance, row, now)
        runs = [run for run in self._store.unfinished_of(row.id) if not run.trigger.is_personal]
        cancel_runs(store, runs, Reason.SCHEDULE_DISABLED, now)
        row.is_enabled = False
        self._count_from_now(row)

    def _enable(self, row: ScheduleRow) -> None:
        if row.is_enabled:
            return

        def change() -> None:
            row.is_enabled = True
            self._count_from_now(row)

        self._replan(row, Reason.SCHEDULE_CHANGED, change)

    def _pause(self, row: ScheduleRow) -> None:
        minutes = self._chance.choice((1, 2, 10, 90, 600, 3_000, None))
        now = self._agenda.now
        until = UNTIL_RESUMED if minutes is None else now + timedelta(minutes=minutes)

        def change() -> None:
            row.paused_until = until

        self._replan(row, Reason.PAUSED, change, halted_until=until)

    def _resume(self, row: ScheduleRow) -> None:
        if row.paused_until is None:
            return

        def change() -> None:
            row.paused_until = None

        self._replan(row, Reason.SCHEDULE_CHANGED, change)

    def _open_window(self, row: ScheduleRow) -> None:
        workspace = row.workspace
        if workspace.windows:
            gone = self._chance.choice(workspace.windows)
            workspace.windows = tuple(one for one in workspace.windows if one is not gone)
            self._replan_workspace(row)

    def _close_window(self, row: ScheduleRow) -> None:
        workspace = row.workspace
        if len(workspace.windows) < _MOST_WINDOWS:
            workspace.windows += (draw_window(self._chance, self._agenda.now),)
            self._replan_workspace(row)

    def _break_connector(self, row: ScheduleRow) -> None:
        """Let an authorization run out: a worker or the next planning finds out."""
        row.has_authorization = False

    def _mend_connector(self, row: ScheduleRow) -> None:
        row.has_authorization = True

    def _disable_connector(self, row: ScheduleRow) -> None:
        if row.is_usable:
            store, now = self._store, self._agenda.now
            settle(store, self._chance, row, now)
            cancel_runs(store, self._store.unfinished_of(row.id), Reason.CONNECTOR_DISABLED, now)
            row.has_connector_enabled = False

    def _enable_connector(self, row: ScheduleRow) -> None:
        if not row.has_connector_enabled:
            store, now = self._store, self._agenda.now
            settle(store, self._chance, row, now)
            row.has_connector_enabled = True
            plan_ahead(store, self._chance, row, now)

    def _change_limit(self, row: ScheduleRow) -> None:
        row.workspace.max_concurrent_syncs = self._chance.randint(1, 4)

    def _request_run(self, row: ScheduleRow) -> None:
        store, now = self._store, self._agenda.now
        asked = (one for one in store.waiting_of(row.id) if one.trigger.is_interactive)
        number = len(store.runs)
        run = Run(
            id=-1,
            workspace_id=row.workspace.id,
            schedule_id=row.id,
            trigger=TriggerType.MANUAL,
            key=f"{row.connector}:manual:{number}",
            period_at=None,
            not_before_at=now,
            max_attempts=row.max_attempts,
        )
        if row.is_usable and next(asked, None) is None and store.active(run) is None:
            store.insert(run, now)

    def _cancel_run(self, row: ScheduleRow) -> None:
        if runs := self._store.unfinished_of(row.id):
            chosen = [self._chance.choice(runs)]
            cancel_runs(self._store, chosen, Reason.CANCELLED_BY_USER, self._agenda.now)

    def _count_from_now(self, row: ScheduleRow) -> None:
        """Set the marks of a schedule whose timing begins or ceases to count."""
        now, recurrence = self._agenda.now, row.recurrence
        if row.spans and row.spans[-1].end is None:
            row.spans[-1].end = now
        if row.is_enabled and recurrence is not None:
            row.planned_through = now
            row.next_scheduled_at = recurrence.next_after(now)
            row.spans.append(Span(now, recurrence))
        else:
            row.planned_through = row.next_scheduled_at = None

    def _replan(
        self,
        row: ScheduleRow,
        reason: Reason,
        change: Callable[[], None],
        halted_until: datetime | None = None,
    ) -> None:
        replan(
            self._store,
            self._chance,
            row,
            self._agenda.now,
            reason=reason,
            halted_until=halted_until,
            change=change,
        )

    def _replan_workspace(self, row: ScheduleRow) -> None:
        """Plan anew what the workspace's schedules had planned ahead."""
        now = self._agenda.now
        for other in self._store.schedules:
            is_ahead = other.planned_through is not None and (
                other.planned_through > now
                or other.next_scheduled_at <= now + self._store.look_ahead
            )
            if other.workspace is row.workspace and is_ahead:
                self._replan(other, Reason.BLACKOUT_CHANGED, lambda: None)

    def _note(self, what: str, *facts: object) -> None:
        self._store.journal.note(self._agenda.now, what, *facts)
