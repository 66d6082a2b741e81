"""Cloud Tasks as it may behave: twice, late, never, early, out of order, replies that get lost."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random

from shared.domain.run import task_id
from tests.faults.simulation.agenda import Agenda
from tests.faults.simulation.journal import Journal
from tests.faults.simulation.rows import Run

_FATES = (
    (80, (4,), True),
    (6, (4, 200), True),
    (4, (7_200,), True),
    (4, (), True),
    (2, (-3,), True),
    (2, (), False),
    (2, (4,), False),
)
"""How likely it is that a task comes after at most so many seconds each time, and is confirmed.

The clock of Cloud Tasks may be ahead of ours, by more than a worker accepts too.
"""
_WEIGHTS = [weight for weight, *_ in _FATES]


class TaskQueue:
    """Takes tasks by name; a used name is refused for good.

    Calls `deliver` with the run and the generation that a task names.
    """

    def __init__(self, agenda: Agenda, chance: Random, journal: Journal) -> None:
        self._agenda = agenda
        self._chance = chance
        self._journal = journal
        self._names: set[str] = set()
        self.deliver: Callable[[int, int], None] = lambda _run, _generation: None
        self.is_reliable = False

    def create(self, run: Run) -> bool:
        """Make the task of a run; False if no answer, or a bad one, came back."""
        name = task_id(run.key, run.generation)
        if name in self._names:
            self._journal.note(self._agenda.now, "name is taken", run)
            return True
        delays, is_told = ([timedelta(seconds=1)], True) if self.is_reliable else self._fate()
        if delays or is_told:
            self._names.add(name)
        if len(delays) != 1 or not is_told:
            self._journal.note(
                self._agenda.now, f"task comes {len(delays)} times", run, f"told: {is_told}"
            )
        for delay in delays:
            self._send(run, max(run.not_before_at, self._agenda.now) + delay)
        return is_told

    def send_again(self, run: Run) -> None:
        """Deliver once more what was not answered with success."""
        delay = timedelta(seconds=self._chance.randint(10, 600))
        self._journal.note(self._agenda.now, "comes again", run)
        self._send(run, self._agenda.now + delay)

    def _send(self, run: Run, when: datetime) -> None:
        self._agenda.at(when, lambda: self.deliver(run.id, run.generation))

    def _fate(self) -> tuple[Sequence[timedelta], bool]:
        """Return after which delays a task comes, and whether its making is confirmed."""
        [(_, longest, is_told)] = self._chance.choices(_FATES, _WEIGHTS)
        delays = [timedelta(seconds=self._chance.randint(-4, most)) for most in longest]
        return delays, is_told
