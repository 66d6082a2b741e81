"""One world from one seed: some schedules, some hours of faults, and a calm in which all ends."""

from collections.abc import Generator, Sequence
from datetime import datetime, timedelta
from random import Random

from shared.domain.local_time import load_zone
from shared.domain.run import RunStatus
from tests.faults.simulation.agenda import Agenda
from tests.faults.simulation.dispatcher import tick
from tests.faults.simulation.drawn import draw_schedule, draw_start, draw_window, draw_zone
from tests.faults.simulation.journal import Journal
from tests.faults.simulation.ledger import check_ledger
from tests.faults.simulation.people import People
from tests.faults.simulation.rows import Run, Workspace
from tests.faults.simulation.rules import require
from tests.faults.simulation.store import Store
from tests.faults.simulation.task_queue import TaskQueue
from tests.faults.simulation.worker import Workers

TICKS = 1_000
"""Of a world, while there are faults."""

_LOOK_AHEADS = (90, 90, 600, 3_600)
_MINUTE = timedelta(minutes=1)
_LONGEST_STALL = timedelta(minutes=5)
_PATIENCE = 900
"""In so many ticks of calm everything that is due comes to its end."""
_TIME_TO_END = timedelta(minutes=30)
"""After which a run that came due in the calm is late."""


class World:
    """A simulated deployment; everything that happens in it follows from its seed."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)  # noqa: S311 (chance that can be repeated is the point)
        self._home = draw_zone(self._chance)
        self._start = draw_start(self._chance, self._home)
        self._agenda = Agenda(self._start)
        self.journal = Journal()
        self.store = Store(self.journal, timedelta(seconds=self._chance.choice(_LOOK_AHEADS)))
        self._queue = TaskQueue(self._agenda, self._chance, self.journal)
        self._workers = Workers(self.store, self._queue, self._agenda, self._chance)
        self._people = People(self.store, self._queue, self._agenda, self._chance)
        self.ticks = 0

    def run(self) -> None:
        """Live through faults and calm; raises `ViolationError` at the first broken rule."""
        self._populate()
        while self.ticks < TICKS:
            self._live_a_minute()
        self._calm_down()
        for row in self.store.schedules:
            check_ledger(self.store, row, self._agenda.now)
            zone = load_zone(row.fields.timezone)
            offsets = {at.astimezone(zone).utcoffset() for at in (self._start, self._agenda.now)}
            if len(offsets) > 1:
                self._note("clock changed")

    def _populate(self) -> None:
        chance = self._chance
        for number in range(chance.randint(1, 2)):
            windows = (draw_window(chance, self._agenda.now),) if self._comes(0.8) else ()
            workspace = Workspace(number, chance.randint(1, 4), windows)
            self.store.workspaces.append(workspace)
        for key in range(chance.randint(3, 6)):
            workspace = chance.choice(self.store.workspaces)
            row = draw_schedule(chance, key, workspace, self._home, self._agenda.now)
            self.store.schedules.append(row)
            self._people.begin(row)

    def _live_a_minute(self) -> None:
        if self._comes(0.008):
            self._be_away()
        if self._comes(0.04):
            self._people.act()
        self._pass(_MINUTE)
        if not self._comes(0.03):
            self._tick()
        if self._comes(0.01):
            self._people.act()

    def _be_away(self) -> None:
        """Let no tick come for minutes, hours or days; workers and tasks go on."""
        chance = self._chance
        minutes = chance.choice((chance.randint(2, 60), chance.randint(60, 900), 60 * 24 * 2))
        self.journal.note(self._agenda.now, "outage", f"{minutes} minutes")
        self._pass(timedelta(minutes=chance.randint(1, minutes)))

    def _pass(self, duration: timedelta) -> None:
        """Move to the start of a minute, give or take what Cloud Scheduler is late."""
        wanted = self._agenda.now + duration
        late = timedelta(seconds=self._chance.choice((0, 0, 0, 1, 3, 20)))
        self._agenda.run_until(
            max(self._agenda.now, wanted.replace(second=0, microsecond=0) + late)
        )

    def _tick(self) -> None:
        luck = self._chance.random()
        if luck < 0.94:
            self._finish(self._new_tick())
        elif luck < 0.96:
            self._kill(self._new_tick())
        elif luck < 0.98:
            self._stall(self._new_tick())
        else:
            self._interleave(self._new_tick(), self._new_tick())

    def _new_tick(self) -> Generator[None]:
        self.ticks += 1
        return tick(self.store, self._queue, self._chance, self._agenda.now)

    def _finish(self, steps: Generator[None]) -> None:
        for _ in steps:
            pass

    def _kill(self, steps: Generator[None]) -> None:
        self._advance(steps, self._chance.randint(1, 8))
        self._note("tick killed")
        steps.close()

    def _stall(self, steps: Generator[None]) -> None:
        """Let a tick freeze somewhere, and go on with what it knew then."""
        self._advance(steps, self._chance.randint(1, 8))
        self._note("tick stalls")
        wakes_at = self._agenda.now + self._chance.random() * _LONGEST_STALL
        self._agenda.at(wakes_at, lambda: self._finish(steps))

    def _interleave(self, one: Generator[None], other: Generator[None]) -> None:
        self._note("two ticks")
        going = [one, other]
        while going:
            steps = self._chance.choice(going)
            if not self._advance(steps, 1):
                going.remove(steps)

    def _advance(self, steps: Generator[None], number: int) -> bool:
        """Let a tick go some steps; return whether it has more."""
        return all(next(steps, self) is None for _ in range(number))

    def _calm_down(self) -> None:
        """End the faults, and let time go on until all that was begun or waits has its end."""
        self._note("calm")
        self._pass(_LONGEST_STALL)
        self._people.mend()
        self._queue.is_reliable = self._workers.is_reliable = True
        first_new = len(self.store.runs)
        left = self._left(first_new)
        for _ in range(_PATIENCE):
            if not left:
                return
            now = self._agenda.now
            starts_at = min(self._starts_at(run) for run in left)
            self._pass(max(_MINUTE, starts_at - now))
            self._finish(self._new_tick())
            left = self._left(first_new)
        require(False, "everything comes to an end when faults stop", *left)

    def _left(self, first_new: int) -> Sequence[Run]:
        """Return the unfinished runs from before the calm, and newer ones that are late."""
        late = self._agenda.now - _TIME_TO_END
        return [
            run
            for run in self.store.unfinished.values()
            if run.id < first_new or self._starts_at(run) < late
        ]

    def _starts_at(self, run: Run) -> datetime:
        """Return when a run can start: not before those that its provider put off."""
        now = self._agenda.now
        if run.status is RunStatus.IN_PROGRESS:
            return now
        put_off = [
            other.connector_held_until or now
            for other in self.store.keepers_of(run.schedule_id)
            if other.id != run.id and other.is_put_off(now)
        ]
        return max([run.not_before_at, *put_off])

    def _comes(self, likelihood: float) -> bool:
        return self._chance.random() < likelihood

    def _note(self, what: str) -> None:
        self.journal.note(self._agenda.now, what)
