"""Workers as they may behave: quick, sliced, failing, dying, hanging, frozen beyond their lease."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from shared.domain import lease
from shared.domain.lease import RefusedLease
from shared.domain.run import Reason
from tests.faults.simulation.agenda import Agenda
from tests.faults.simulation.attempts import (
    extend_lease,
    lease_run,
    put_back,
    record_outcome,
    skip_run,
)
from tests.faults.simulation.endings import End, draw_end, outcome_of
from tests.faults.simulation.places import admit_at_once, hand_over, mark_enqueued
from tests.faults.simulation.rows import Run
from tests.faults.simulation.rules import check_refused
from tests.faults.simulation.store import Store
from tests.faults.simulation.task_queue import TaskQueue

_BEAT = timedelta(seconds=30)
_LONGEST = timedelta(minutes=30)
"""After which a worker that hangs beats no more."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A worker's hold on a run, as it was leased, and what it will come to."""

    run: Run
    ends_at: datetime
    end: End


class Workers:
    """All workers of a world; each delivery is an attempt of its own."""

    def __init__(self, store: Store, queue: TaskQueue, agenda: Agenda, chance: Random) -> None:
        self._store = store
        self._queue = queue
        self._agenda = agenda
        self._chance = chance
        self.is_reliable = False
        queue.deliver = self.attempt

    def attempt(self, run_id: int, generation: int) -> None:
        """Do one slice of the run, if it is there to be done."""
        store, now = self._store, self._agenda.now
        run = store.runs[run_id]
        leased = lease_run(store, run, generation, now)
        if isinstance(leased, RefusedLease):
            self._refuse(run, leased, now)
            return
        end, seconds = (End.SUCCESS, 2) if self.is_reliable else draw_end(self._chance)
        if end is End.DEATH and self._chance.random() < 0.5:
            self._queue.send_again(leased)
        self._go_on(Attempt(leased, now + timedelta(seconds=seconds), end))

    def _refuse(self, run: Run, facts: RefusedLease, now: datetime) -> None:
        store = self._store
        answer = lease.decide_refused(facts)
        store.journal.note(now, f"refused:{answer}", run, facts.status)
        match answer:
            case None:
                pass
            case Reason():
                skip_run(store, run, answer, now)
                workspace = store.schedules[run.schedule_id].workspace
                self._enqueue(admit_at_once(store, now, now, 1, workspace), now)
            case _:
                store.write(put_back(run), now)
        check_refused(facts, store.runs[run.id])

    def _go_on(self, attempt: Attempt) -> None:
        """Wait for the next heartbeat or the end; a frozen worker does not beat meanwhile."""
        now = self._agenda.now
        if attempt.end is End.FREEZE:
            self._agenda.at(attempt.ends_at, lambda: self._finish(attempt))
        elif attempt.ends_at - now > _BEAT:
            self._agenda.at(now + _BEAT, lambda: self._beat(attempt))
        elif attempt.end is not End.DEATH:
            self._agenda.at(attempt.ends_at, lambda: self._finish(attempt))

    def _beat(self, attempt: Attempt) -> None:
        run, now = attempt.run, self._agenda.now
        has_time = now < run.leased_at + _LONGEST
        if has_time and extend_lease(self._store, run.id, run.fence, now):
            self._go_on(attempt)
        else:
            self._store.journal.note(now, "lease lost", run)

    def _finish(self, attempt: Attempt) -> None:
        store, run, now = self._store, attempt.run, self._agenda.now
        outcome = outcome_of(attempt.end, run, now, self._chance)
        recorded = record_outcome(store, run.id, run.fence, outcome, now)
        if recorded is None:
            store.journal.note(now, "record refused", run)
            return
        workspace = store.schedules[run.schedule_id].workspace
        following = recorded if outcome.goes_on else hand_over(store, workspace, now)
        if following is not None:
            self._enqueue([following], now)
        if not self.is_reliable and self._chance.random() < 0.05:
            self._queue.send_again(run)

    def _enqueue(self, runs: Sequence[Run], now: datetime) -> None:
        mark_enqueued(self._store, [run for run in runs if self._queue.create(run)], now)
