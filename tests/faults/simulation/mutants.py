"""Bugs to let into the product and into the simulated tables: each has the rule that finds it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain import lease, next_run, plan, retry, run
from shared.domain.lease import RefusedLease, Wait
from shared.domain.plan import Plan
from shared.domain.recurrence import Recurrence
from shared.domain.retry import Retry
from shared.domain.run import Reason, RunStatus
from tests.faults.simulation import attempts, dispatcher, planning, worker
from tests.faults.simulation.rows import Run

Mutate = Callable[[pytest.MonkeyPatch], None]


def let_a_mark_pass_a_period(patch: pytest.MonkeyPatch) -> None:
    whole = plan.plan

    def mutant(*values: object, **options: object) -> Plan:
        decided = whole(*values, **options)
        further = decided.planned_through + timedelta(minutes=10)
        return replace(decided, planned_through=further)

    patch.setattr(plan, "plan", mutant)


def forget_a_period_at_the_horizon(patch: pytest.MonkeyPatch) -> None:
    between = Recurrence.between

    def mutant(self: Recurrence, start: datetime, end: datetime, limit: int) -> list[datetime]:
        return [at for at in between(self, start, end, limit) if at < end]

    whole = plan._decide_all.__wrapped__

    def decide(*values: object) -> object:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(Recurrence, "between", mutant)
            return whole(*values)

    patch.setattr(plan, "_decide_all", decide)


def lose_a_count_in_a_fold(patch: pytest.MonkeyPatch) -> None:
    fold = plan._fold

    def mutant(*values: object) -> Iterator[plan._Fate]:
        return (replace(fate, count=max(1, fate.count - 1)) for fate in fold(*values))

    patch.setattr(plan, "_fold", mutant)


def fold_periods_to_come(patch: pytest.MonkeyPatch) -> None:
    fold = plan._fold

    def mutant(fates: Sequence[plan._Fate], single_skips: int, now: datetime) -> object:
        return fold(fates, single_skips, now + timedelta(days=1))

    patch.setattr(plan, "_fold", mutant)


def take_a_halted_period_for_the_newest(patch: pytest.MonkeyPatch) -> None:
    def mutant(
        rules: object, recurrence: Recurrence, first: datetime, now: datetime
    ) -> datetime | None:
        newest = recurrence.previous_before(now + timedelta(microseconds=1))
        return newest if newest is not None and newest >= first else None

    patch.setattr(plan, "_newest_due", mutant)


def run_whatever_was_missed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "_miss", lambda *_values, **_options: None)


def heed_no_pause(patch: pytest.MonkeyPatch) -> None:
    halt = plan._halt

    def mutant(rules: plan._Rules, instant: datetime) -> Reason | None:
        return halt(replace(rules, paused_until=None), instant)

    patch.setattr(plan, "_halt", mutant)


def run_each_period_that_a_window_moves(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "_is_followed", lambda *_: False)


def start_in_a_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "free_start", lambda _windows, start, _now: start)


def spread_backwards(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "spread_offset", lambda _connector, spread: -spread)


def give_an_hour_one_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "scheduled_key", lambda connector, at: f"{connector}:{at:%Y-%m-%dT%H}")


def show_no_overdue_run(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(next_run, "_find_overdue", lambda *_: None)


def let_overlapping_runs_wait(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lease, "_decide_overlap", lambda _facts: Wait.OVERLAP)


def skip_what_was_asked_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lease, "_decide_overlap", lambda _facts: Reason.OVERLAP)


def let_a_stale_task_move_its_run(patch: pytest.MonkeyPatch) -> None:
    decide = lease.decide_refused

    def mutant(facts: RefusedLease) -> Reason | Wait | None:
        return decide(replace(facts, is_stale=False))

    patch.setattr(lease, "decide_refused", mutant)


def retry_for_ever(patch: pytest.MonkeyPatch) -> None:
    decide = retry.decide_retry
    patch.setattr(
        retry, "decide_retry", lambda *values: decide(*values) or Retry(timedelta(minutes=1), True)
    )


def retry_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retry, "backoff", lambda *_: timedelta(0))


def spend_no_attempt(patch: pytest.MonkeyPatch) -> None:
    decide = retry.decide_retry

    def mutant(*values: object) -> Retry | None:
        decided = decide(*values)
        return decided and replace(decided, spends_attempt=False)

    patch.setattr(retry, "decide_retry", mutant)


def know_no_cancelling(patch: pytest.MonkeyPatch) -> None:
    known = {
        before: followers - {RunStatus.CANCELLED} for before, followers in run.TRANSITIONS.items()
    }
    patch.setattr(run, "TRANSITIONS", known)


def lease_in_spite_of_an_overlap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(attempts, "_overlaps", lambda *_: False)


def let_a_pause_bind_its_run_alone(patch: pytest.MonkeyPatch) -> None:
    def keeps(self: Run, other: Run, _now: datetime) -> bool:
        goes_first = self.is_between_slices and (other.slices == 0 or self.id < other.id)
        return self.id != other.id and goes_first

    patch.setattr(Run, "keeps_connector_from", keeps)


def record_without_the_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(attempts, "_holds", lambda *_: True)


def rescue_no_lease(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dispatcher, "rescue_expired_leases", lambda *_: None)


def rescue_no_task(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dispatcher, "rescue_lost_tasks", lambda *_: None)


def put_back_under_the_same_name(patch: pytest.MonkeyPatch) -> None:
    put_back = attempts.put_back

    def mutant(waiting: Run) -> Run:
        return replace(put_back(waiting), generation=waiting.generation)

    for module in (attempts, worker):
        patch.setattr(module, "put_back", mutant)


def cancel_nothing_ahead(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planning, "cancel_ahead", lambda *_: None)


MUTANTS: dict[Mutate, tuple[str, ...]] = {
    let_a_mark_pass_a_period: ("the mark moves to the end of what was decided",),
    forget_a_period_at_the_horizon: (
        "a plan decides each period once",
        "the next run is the one that is planned",
    ),
    lose_a_count_in_a_fold: ("a row counts its periods",),
    fold_periods_to_come: (
        "a period has one row",
        "a row counts its periods",
        "a folded row stands for periods of one recurrence",
    ),
    take_a_halted_period_for_the_newest: ("the policy says how many runs",),
    run_whatever_was_missed: ("the policy says how many runs",),
    heed_no_pause: ("the policy says how many runs", "a skip says what halted its period"),
    run_each_period_that_a_window_moves: ("the policy says how many runs",),
    start_in_a_window: ("no start is planned into a blackout window",),
    spread_backwards: ("spread only delays a start",),
    give_an_hour_one_key: ("every period has a row", "a run keeps its identity"),
    show_no_overdue_run: ("the next run is the one that is planned",),
    let_overlapping_runs_wait: ("its policy says what becomes of a run that may not start",),
    skip_what_was_asked_for: ("its policy says what becomes of a run that may not start",),
    let_a_stale_task_move_its_run: ("its policy says what becomes of a run that may not start",),
    retry_for_ever: ("attempts end with the last one",),
    retry_at_once: ("a wait is bounded",),
    spend_no_attempt: ("a wait that the source asks for spends no attempt",),
    know_no_cancelling: ("every transition is in the table",),
    lease_in_spite_of_an_overlap: (
        "one run of a connector is in progress",
        "who asks to be left alone is left alone",
    ),
    let_a_pause_bind_its_run_alone: ("who asks to be left alone is left alone",),
    record_without_the_fence: ("a worker that lost its lease writes nothing",),
    rescue_no_lease: ("everything comes to an end when faults stop",),
    rescue_no_task: ("everything comes to an end when faults stop",),
    put_back_under_the_same_name: ("everything comes to an end when faults stop",),
    cancel_nothing_ahead: ("what the schedule did not name is not run",),
}
"""Bugs that are let in, and the rules any of which may be the first that finds each."""
