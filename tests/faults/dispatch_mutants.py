"""Ways to break what protects dispatch; each must be noticed, or the tests of it prove nothing."""

from contextlib import suppress
from multiprocessing import get_context
from threading import BrokenBarrierError
from typing import Any
from uuid import UUID, uuid4

from shared.domain import plan
from shared.flow import enqueue
from shared.flow import plan as plan_flow
from tests.faults.mutations import Patch
from tests.faults.plan_mutants import plan_without_lock

_MEETING_SECONDS = 10.0


def names_by_chance(patch: Patch) -> None:
    """Give each order of a task a name of its own."""

    def name_by_chance(_key: str, _generation: int) -> str:
        return uuid4().hex

    patch(enqueue, "task_id", name_by_chance)


def forgotten_orders(patch: Patch) -> None:
    """Never order a task again that was not confirmed."""

    def nothing_wanted(*_: object, **__: object) -> list[object]:
        return []

    patch(enqueue, "runs_wanting_a_task", nothing_wanted)


def keys_by_chance_without_locks(patch: Patch) -> None:
    """Let two dispatchers plan each page at once, and nothing tell that a period has a run.

    The lock and the key stand in for one another: without one of them all still goes well.
    """
    write = plan_flow.write_plans
    meeting = get_context("fork").Barrier(2, timeout=_MEETING_SECONDS)

    def write_when_both_have_decided(*values: Any) -> tuple[int, int]:
        with suppress(BrokenBarrierError):  # nobody else comes: it is the last page of one alone
            meeting.wait()
        return write(*values)

    def key_by_chance(connector: UUID, _period: object) -> str:
        return f"{connector}:{uuid4()}"

    plan_without_lock(patch)
    patch(plan_flow, "write_plans", write_when_both_have_decided)
    patch(plan, "scheduled_key", key_by_chance)
