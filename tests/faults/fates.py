"""What is in store for each process of the crew: chosen by hashes of the seed, before it starts."""

import time
from dataclasses import dataclass, field
from enum import StrEnum

from shared.crash_points import CrashPoint
from tests.faults.delivery import Plan
from tests.faults.scale import share
from tests.faults.table_queue import DueTask

_FIRST_SPAN = 0.08
_WEIGHT = 0.1
_TICK_ONLY = frozenset(
    {
        CrashPoint.TICK_BEGUN,
        CrashPoint.RESCUED,
        CrashPoint.PAGE_PLANNED,
        CrashPoint.PLANNED,
        CrashPoint.ADMITTED,
        CrashPoint.TICK_DONE,
    }
)
_EVERYWHERE = frozenset({CrashPoint.TASKS_MADE, CrashPoint.ENQUEUED})


class Kind(StrEnum):
    """What a process is for."""

    WORKER = "worker"
    TICK = "tick"
    REQUEST = "request"
    PERSON = "person"

    def comes_to(self, point: CrashPoint) -> bool:
        """Tell whether such a process may come to a crash point."""
        if point in _EVERYWHERE:
            return True
        match self:
            case Kind.WORKER:
                return point not in _TICK_ONLY and point is not CrashPoint.TRIGGERED
            case Kind.TICK:
                return point in _TICK_ONLY
            case Kind.REQUEST:
                return point is CrashPoint.TRIGGERED
            case Kind.PERSON:
                return False


@dataclass(slots=True)
class Child:
    """A process that was forked."""

    kind: Kind
    task: DueTask | None = None
    started: float = field(default_factory=time.monotonic)
    point: CrashPoint | None = None
    """Where it ends itself, or with `is_halted` freezes itself."""
    is_halted: bool = False
    kill_at: float | None = None
    freeze_at: float | None = None
    thaw_at: float | None = None
    """Set while it is frozen."""
    look_at: float = 0.0
    """When to look again whether it is a zombie."""
    epoch: int | None = None
    """The lease that it held when it was frozen."""
    is_zombie: bool = False
    """A later lease of its run was taken while it was frozen, or others have ended the run."""
    is_disturbed: bool = False

    @property
    def may_freeze(self) -> bool:
        """Tell whether it is frozen, or is to be."""
        return self.is_halted or self.freeze_at is not None or self.thaw_at is not None


class Span:
    """How long a worker takes that is left alone; so the instants of kills cover all of a run."""

    def __init__(self) -> None:
        self.seconds = _FIRST_SPAN

    def note(self, seconds: float) -> None:
        """Take one more into account."""
        self.seconds += (seconds - self.seconds) * _WEIGHT


class Fates:
    """Decides over processes, one after the other."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._wanted = {
            **{(point, False): count for point, count in plan.deaths.items()},
            **{(point, True): count for point, count in plan.halts.items()},
        }

    @property
    def left(self) -> int:
        """How many are still to die or halt at crash points."""
        return sum(max(0, count) for count in self._wanted.values())

    def decide(self, child: Child, number: int, span: float, *, may_freeze: bool) -> None:
        """Set what happens to the process with this number, when workers take about `span`.

        Without `may_freeze` it is not frozen.
        """
        choices = self._choices(child.kind, may_freeze=may_freeze)
        if choices:
            child.point, child.is_halted = choices[number % len(choices)]
            child.is_disturbed = True
            return
        seed, plan = self._plan.seed, self._plan
        instant = child.started + share(seed, "when", number) * span
        kills = plan.tick_kills if child.kind is Kind.TICK else plan.kills
        if share(seed, "kill", number) < kills:
            child.kill_at = instant
        elif child.kind is Kind.WORKER and may_freeze:
            is_frozen = share(seed, "freeze", number) < plan.freezes
            child.freeze_at = instant if is_frozen else None
        child.is_disturbed = child.kill_at is not None or child.freeze_at is not None

    def note_planned(self) -> None:
        """Expect no more deaths while periods are planned: a tick has planned them all."""
        for choice in self._wanted:
            if choice[0] is CrashPoint.PAGE_PLANNED:
                self._wanted[choice] = 0

    def _choices(self, kind: Kind, *, may_freeze: bool) -> list[tuple[CrashPoint, bool]]:
        open_ = [
            (point, is_halted)
            for (point, is_halted), left in self._wanted.items()
            if left > 0 and kind.comes_to(point) and (may_freeze or not is_halted)
        ]
        # Planning is soon over, so that its point comes before those that come again and again.
        return [choice for choice in open_ if choice[0] is CrashPoint.PAGE_PLANNED] or open_

    def note_reached(self, child: Child) -> None:
        """Count off a crash point that a process came to."""
        if child.point is not None:
            self._wanted[child.point, child.is_halted] -= 1
