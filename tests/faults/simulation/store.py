"""The simulated tables: whatever changes a run passes one gate, where the rules watch."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.run import RunStatus
from tests.faults.simulation.journal import Journal
from tests.faults.simulation.rows import Run, ScheduleRow, Workspace
from tests.faults.simulation.rules import (
    Surroundings,
    check_new_run,
    check_transition,
    check_write,
)


class Store:
    """Schedules and runs of one world. Statements on them are in the modules beside this one."""

    def __init__(self, journal: Journal, look_ahead: timedelta) -> None:
        self.journal = journal
        self.look_ahead = look_ahead
        """How far ahead of now this deployment plans."""
        self.workspaces: list[Workspace] = []
        self.schedules: list[ScheduleRow] = []
        self.runs: list[Run] = []
        self.by_key: dict[str, int] = {}
        self.unfinished: dict[int, Run] = {}
        self._unfinished_of: defaultdict[int, dict[int, Run]] = defaultdict(dict)
        self._keepers_of: defaultdict[int, dict[int, Run]] = defaultdict(dict)
        self.being_admitted: set[int] = set()
        """Runs that a tick holds while it gives them a place."""
        self._in_progress: dict[int, int] = {}

    def insert(self, run: Run, now: datetime) -> Run:
        """Write a run under the next id; raises `KeyError` if its key is there already."""
        if run.key in self.by_key:
            raise KeyError(run.key)
        added = replace(run, id=len(self.runs))
        check_new_run(added)
        self.by_key[run.key] = added.id
        self.runs.append(added)
        self._keep(added)
        self._note(added, "new", now)
        return added

    def write(self, after: Run, now: datetime, *, fence: int | None = None) -> Run:
        """Change a run; `fence` is what the worker holds that writes it."""
        before = self.runs[after.id]
        if before.status is not after.status:
            self._note(after, before.status, now)
            check_transition(self._around(after, now), before, after, now)
        check_write(before, after, fence=fence)
        self.runs[after.id] = after
        self._keep(after)
        return after

    def active(self, run: Run) -> Run | None:
        """Return the run of the same connector that is in progress."""
        found = self._in_progress.get(run.schedule_id)
        return None if found is None else self.runs[found]

    def waiting(self, workspace: int) -> Iterator[Run]:
        """Yield the runs of a workspace that did not start, or wait for another attempt."""
        for run in self.unfinished.values():
            if run.workspace_id == workspace and run.status is RunStatus.SCHEDULED:
                yield run

    def waiting_of(self, schedule: int) -> Sequence[Run]:
        """Return the runs of a schedule that did not start, or wait for another attempt."""
        return [
            run
            for run in self._unfinished_of[schedule].values()
            if run.status is RunStatus.SCHEDULED
        ]

    def keepers_of(self, schedule: int) -> Sequence[Run]:
        """Return the waiting runs of a schedule that may keep its connector from the others.

        There are few, while thousands may wait for their place.
        """
        return list(self._keepers_of[schedule].values())

    def keepers(self) -> Sequence[Run]:
        """Return the waiting runs that may keep their connectors from others."""
        return [run for runs in self._keepers_of.values() for run in runs.values()]

    def unfinished_of(self, schedule: int) -> Sequence[Run]:
        """Return the runs of a schedule that wait or are in progress."""
        return list(self._unfinished_of[schedule].values())

    def number_in_progress(self, workspace: int) -> int:
        """Return how many runs of a workspace are in progress."""
        runs = self._in_progress.values()
        return sum(self.runs[run].workspace_id == workspace for run in runs)

    def in_progress(self) -> Sequence[Run]:
        """Return the runs in progress."""
        return [self.runs[run] for run in self._in_progress.values()]

    def _around(self, run: Run, now: datetime) -> Surroundings:
        others = [other for other in self.keepers_of(run.schedule_id) if other.id != run.id]
        is_put_off = any(other.is_put_off(now) for other in others)
        return Surroundings(
            is_usable=self.schedules[run.schedule_id].is_usable,
            active=self.active(run),
            is_kept=is_put_off or any(other.is_between_slices for other in others),
            is_put_off=is_put_off,
        )

    def _note(self, run: Run, before: str, now: datetime) -> None:
        because = f"because {run.reason}" if run.reason else ""
        self.journal.note(now, f"{before}->{run.status}", run, because, f"attempt {run.attempt}")
        if because:
            self.journal.counts[f"{run.status} {because}"] += 1

    def _keep(self, run: Run) -> None:
        if run.status.is_final:
            self.unfinished.pop(run.id, None)
            self._unfinished_of[run.schedule_id].pop(run.id, None)
        else:
            self.unfinished[run.id] = self._unfinished_of[run.schedule_id][run.id] = run
        is_held = run.status is RunStatus.SCHEDULED and run.connector_held_until is not None
        if run.is_between_slices or is_held:
            self._keepers_of[run.schedule_id][run.id] = run
        else:
            self._keepers_of[run.schedule_id].pop(run.id, None)
        if run.status is RunStatus.IN_PROGRESS:
            self._in_progress[run.schedule_id] = run.id
        elif self._in_progress.get(run.schedule_id) == run.id:
            del self._in_progress[run.schedule_id]
