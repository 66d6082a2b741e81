"""Ways to break what protects dispatch; each must be noticed, or the tests of it prove nothing."""

from collections.abc import Callable
from uuid import UUID, uuid4

from sqlalchemy import TextClause, text

from shared.domain import plan
from shared.flow import enqueue
from shared.store import schedules
from shared.store.sql import load_sql

Patch = Callable[[object, str, object], None]


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
    """Let several dispatchers plan a schedule at once, and nothing tell that a period has a run.

    The lock and the key stand in for one another: without one of them all still goes well.
    """

    def load_without_lock(name: str) -> TextClause:
        return text(load_sql(name).text.replace("FOR NO KEY UPDATE OF s SKIP LOCKED", ""))

    def key_by_chance(connector: UUID, _period: object) -> str:
        return f"{connector}:{uuid4()}"

    patch(schedules, "load_sql", load_without_lock)
    patch(plan, "scheduled_key", key_by_chance)
