"""The product on one world and the local Cloud Tasks, which keeps its own time."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from time import monotonic, sleep

from infra.local.cloud_tasks.running import running_cloud_tasks
from shared.gcp.queues import ensure_queues
from shared.gcp.task_queue import CloudTasksQueue
from tests.faults.hands import ERROR, Hands, hands_on
from tests.faults.world import World
from tests.faults.wrong_clocks import WrongClock
from tests.infra.cloud_tasks.target import Received, running_target
from tests.settings import make_settings

_LOOK_AHEAD = timedelta(seconds=90)
_WORKER_PATH = "/worker"
_NAP_SECONDS = 0.1
_PATIENCE_SECONDS = 30.0


@dataclass(slots=True)
class Deployment:
    """Ticks are made here; what workers answer to the queue is noted."""

    hands: Hands
    answers: list[str] = field(default_factory=list[str])
    _turn: Lock = field(default_factory=Lock)

    def tick_until(self, condition: Callable[[], bool]) -> None:
        """Tick again and again, until a condition holds."""
        end = monotonic() + _PATIENCE_SECONDS
        while not condition():
            assert monotonic() < end, self.answers
            assert self.hands.tick() == "ticked"
            sleep(_NAP_SECONDS)

    def answer(self, request: Received) -> int:
        """Answer a delivery as a worker does."""
        if request.path != _WORKER_PATH:
            return 200  # a warm-up
        with self._turn:
            answer = self.hands.work(request.body)
            self.answers.append(answer)
        return 500 if answer == ERROR else 200


@contextmanager
def deployed(world: World, clock: WrongClock) -> Generator[Deployment, None, None]:
    """Run a queue with that clock for the length of the block; it delivers a world's tasks."""
    with ExitStack() as stack:
        with clock.worn():
            server = stack.enter_context(running_cloud_tasks())
        client = stack.enter_context(server.client())
        target = stack.enter_context(running_target())
        hands = stack.enter_context(hands_on(world))
        settings = make_settings(SYNCLINE_WORKER_URL=f"{target.url}{_WORKER_PATH}")
        ensure_queues(client, settings)
        hands.cloud, hands.look_ahead = CloudTasksQueue(client, settings), _LOOK_AHEAD
        deployment = Deployment(hands)
        target.answer = deployment.answer
        yield deployment
