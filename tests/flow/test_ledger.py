"""The ledger under random edits, pauses, outages and repeated ticks: no period without its row."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text

from shared.domain.blackout_rules import WantedHours, WantedWindow
from shared.domain.presets import WEEKDAYS
from shared.domain.recurrence import Recurrence
from shared.domain.schedule import build_recurrence
from shared.flow.attempt import attempt_run
from shared.flow.blackouts import create_blackout_window, delete_blackout_window
from shared.flow.pause import pause_schedule, resume_schedule
from shared.flow.schedules import change_schedule
from shared.store.rows import Row
from shared.store.schedules import to_recurrence_fields
from tests.factories import make_planner, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import call_of, make_workshop, schedule_row, tick

# An hour before Oslo's clock goes forward, so that outages and edits meet the gap.
START = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)
AHEAD = ("skipped", "cancelled")
"""What becomes of rows that were written ahead and that the schedule does not name any more."""

RECURRENCES = (
    {"frequency": "custom", "cron_expression": "* * * * *"},
    {"frequency": "custom", "cron_expression": "*/7 * * * *"},
    {"frequency": "custom", "cron_expression": "30 2,3 * * *"},
    {"frequency": "hourly", "preferred_time": "00:15"},
    {"frequency": "daily", "preferred_time": "02:30"},
    {"frequency": "manual"},
)
ZONES = ("UTC", "Europe/Oslo", "Australia/Lord_Howe")
TIMING = ("cron_expression", "preferred_time", "preferred_day_of_week", "preferred_day_of_month")
STEPS = st.one_of(st.integers(0, 200), st.integers(3_000, 10_000), st.integers(86_000, 900_000))


@dataclass
class Span:
    """While it was the schedule's, this recurrence named its periods."""

    start: datetime
    recurrence: Recurrence
    end: datetime | None = None


class Ledger(RuleBasedStateMachine):
    """One schedule, people who change it, and a dispatcher that is sometimes away."""

    def __init__(self, engine: Engine, paused: PausedQueue) -> None:
        super().__init__()
        self.engine, self.paused = engine, paused
        self.planner = make_planner(engine, paused.queue)

    @initialize()
    def begin(self) -> None:
        self.now, self.spans = START, []
        self.tenant = make_tenant(self.engine)
        self.schedule = make_schedule(
            self.engine, self.tenant, from_instant=START, cron_expression="*/7 * * * *"
        )
        self.note_span(self.row())

    @rule(seconds=STEPS)
    def let_time_pass(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(times=st.integers(1, 2))
    def dispatch(self, times: int) -> None:
        for _ in range(times):
            tick(self.engine, self.paused, self.now)

    @rule(recurrence=st.sampled_from(RECURRENCES), zone=st.sampled_from(ZONES))
    def edit_timing(self, recurrence: dict[str, str], zone: str) -> None:
        self.change({**dict.fromkeys(TIMING), **recurrence, "timezone": zone})

    @rule(is_enabled=st.booleans())
    def switch(self, is_enabled: bool) -> None:
        self.change({"is_enabled": is_enabled})

    @rule(
        missed=st.sampled_from(["run_once", "run_all", "skip"]),
        blackout=st.sampled_from(["skip", "move"]),
        spread=st.sampled_from([0, 600, 7_200]),
    )
    def edit_policies(self, missed: str, blackout: str, spread: int) -> None:
        self.change(
            {"missed_run_policy": missed, "blackout_policy": blackout, "spread_seconds": spread}
        )

    @rule(seconds=st.one_of(st.none(), st.integers(1, 10_000)))
    def pause(self, seconds: int | None) -> None:
        until = None if seconds is None else self.now + timedelta(seconds=seconds)
        pause_schedule(
            self.planner,
            self.tenant.principal,
            self.schedule["public_id"],
            until=until,
            note=None,
            now=self.now,
        )

    @rule()
    def resume(self) -> None:
        resume_schedule(
            self.planner, self.tenant.principal, self.schedule["public_id"], now=self.now
        )

    @rule(most=st.integers(1, 4))
    def work(self, most: int) -> None:
        workshop = make_workshop(self.engine, self.paused)
        due = [
            run
            for run in self.runs()
            if run["status"] == "scheduled" and run["not_before_at"] <= self.now
        ]
        for run in due[:most]:
            attempt_run(workshop, call_of(run), now=self.now)

    @precondition(lambda self: len(self.windows()) < 2)
    @rule(hour=st.integers(0, 23), hours=st.integers(1, 10))
    def close_hours(self, hour: int, hours: int) -> None:
        create_blackout_window(
            self.planner,
            self.tenant.principal,
            WantedWindow(
                name=f"window {uuid4()}",
                timezone="Europe/Oslo",
                weekly=WantedHours(WEEKDAYS, f"{hour:02d}:00", f"{(hour + hours) % 24:02d}:00"),
                dated=None,
            ),
            now=self.now,
        )

    @precondition(lambda self: len(self.windows()) > 0)
    @rule()
    def open_hours(self) -> None:
        delete_blackout_window(
            self.planner, self.tenant.principal, self.windows()[0]["public_id"], now=self.now
        )

    @invariant()
    def every_period_up_to_the_mark_has_exactly_one_row(self) -> None:
        mark = self.row()["planned_through"]
        covered = self.covered()
        assert max(covered.values(), default=1) == 1, "a period has two rows"
        named = self.named(mark)
        assert named <= covered.keys(), f"without a row: {sorted(named - covered.keys())[:5]}"

    @invariant()
    def what_nobody_names_any_more_is_not_run(self) -> None:
        row = self.row()
        named = self.named(row["planned_through"])
        for run in self.runs():
            if run["period_at"] not in named:
                assert run["status"] in AHEAD, run["period_at"]

    @invariant()
    def what_is_named_and_not_reached_is_not_cancelled(self) -> None:
        row = self.row()
        if row["next_scheduled_at"] is not None:
            named = self.spans[-1].recurrence.between(self.now, row["planned_through"], 1_000_000)
            cancelled = [run["period_at"] for run in self.runs() if run["status"] == "cancelled"]
            assert not set(named) & set(cancelled)

    @invariant()
    def the_next_period_is_the_first_after_the_mark(self) -> None:
        row = self.row()
        recurrence = build_recurrence(to_recurrence_fields(row))
        if recurrence is None or not row["is_enabled"]:
            assert row["next_scheduled_at"] is None
        elif row["planned_through"] != START:
            assert row["next_scheduled_at"] == recurrence.next_after(row["planned_through"])

    @invariant()
    def a_halted_schedule_has_nothing_ahead(self) -> None:
        row = self.row()
        ahead = [
            run
            for run in self.runs()
            if run["status"] == "scheduled" and run["not_before_at"] > self.now
        ]
        if not row["is_enabled"]:
            assert ahead == []
        elif row["paused_until"] is not None:
            assert all(run["not_before_at"] >= row["paused_until"] for run in ahead)

    def teardown(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("TRUNCATE sync_schedule CASCADE"))

    def change(self, changes: dict[str, Any]) -> None:
        before = self.row()
        change_schedule(
            self.planner, self.tenant.principal, self.schedule["public_id"], changes, now=self.now
        )
        after = self.row()
        if to_recurrence_fields(before) != to_recurrence_fields(after) or (
            before["is_enabled"] != after["is_enabled"]
        ):
            if self.spans and self.spans[-1].end is None:
                self.spans[-1].end = self.now
            self.note_span(after)

    def note_span(self, row: dict[str, Any]) -> None:
        recurrence = build_recurrence(to_recurrence_fields(row))
        if recurrence is not None and row["is_enabled"]:
            self.spans.append(Span(self.now, recurrence))

    def named(self, mark: datetime | None) -> set[datetime]:
        """Return every period up to the mark, by the recurrence that held when it came."""
        return {
            instant
            for span in self.spans
            for instant in span.recurrence.between(span.start, span.end or mark, 1_000_000)
        }

    def covered(self) -> Counter[datetime]:
        """Return every period that the rows stand for, and how many rows each has."""
        periods: Counter[datetime] = Counter()
        for run in self.runs():
            if run["last_period_at"] is None:
                assert run["period_count"] == 1
                periods[run["period_at"]] += 1
                continue
            [folded] = [
                found
                for span in self.spans
                if run["period_at"]
                in (
                    found := span.recurrence.between(
                        max(span.start, run["period_at"] - timedelta(microseconds=1)),
                        run["last_period_at"],
                        1_000_000,
                    )
                )
                and (span.end is None or run["last_period_at"] <= span.end)
            ]
            assert len(folded) == run["period_count"]
            periods.update(folded)
        return periods

    def row(self) -> dict[str, Any]:
        return schedule_row(self.engine, self.schedule["id"])

    def runs(self) -> list[Row]:
        return runs_of(self.engine, self.schedule["id"])

    def windows(self) -> list[Row]:
        with self.engine.connect() as connection:
            query = text("SELECT * FROM blackout_window WHERE workspace_id = :id ORDER BY id")
            return list(
                connection.execute(query, {"id": self.tenant.workspace_id}).mappings().all()
            )


@pytest.mark.usefixtures("script")
def test_the_ledger_stays_whole(engine: Engine, paused: PausedQueue) -> None:
    run_state_machine_as_test(
        lambda: Ledger(engine, paused),
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
