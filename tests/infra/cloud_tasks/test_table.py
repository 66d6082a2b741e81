import time
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from infra.local.cloud_tasks.messages import Task
from infra.local.cloud_tasks.table import TaskTable
from tests.infra.cloud_tasks.hand import NOW, after


def filled(count: int) -> TaskTable:
    table = TaskTable()
    for number in range(count):
        table.wait(table.add(str(number), Task()), after(number % 97))
    return table


def test_the_task_that_is_due_longest_comes_first() -> None:
    table = TaskTable()
    for task_id, seconds in (("late", 3), ("early", 1), ("middle", 2)):
        table.wait(table.add(task_id, Task()), after(seconds))
    taken = [table.take_due(after(10)) for _ in range(4)]
    assert [task and task.task_id for task in taken] == ["early", "middle", "late", None]


def test_tasks_due_at_once_come_in_the_order_in_which_they_began_to_wait() -> None:
    table = TaskTable()
    for task_id in "cab":
        table.wait(table.add(task_id, Task()), NOW)
    assert [task.task_id for _ in "cab" if (task := table.take_due(NOW))] == ["c", "a", "b"]


def test_nothing_is_taken_before_it_is_due() -> None:
    table = TaskTable()
    table.wait(table.add("a", Task()), after(1))
    assert table.take_due(after(0.9)) is None
    assert table.first_due_at() == after(1)


def test_a_removed_task_is_never_taken() -> None:
    table = TaskTable()
    task = table.add("a", Task())
    table.wait(task, NOW)
    table.remove(task)
    assert table.take_due(after(1)) is None
    assert table.get("a") is None


def test_a_second_wait_replaces_the_first() -> None:
    table = TaskTable()
    task = table.add("a", Task())
    table.wait(task, NOW)
    table.wait(task, after(5))
    assert table.take_due(after(1)) is None
    assert table.take_due(after(5)) is task
    assert table.take_due(after(9)) is None


@given(st.lists(st.tuples(st.sampled_from("awrt"), st.integers(0, 20)), max_size=200))
def test_any_history_leaves_what_a_plain_dictionary_would_hold(
    history: list[tuple[str, int]],
) -> None:
    table, plain = TaskTable(), dict[str, float | None]()
    for verb, number in history:
        task_id = str(number)
        task = table.get(task_id)
        if verb == "a" and task is None:
            table.wait(table.add(task_id, Task()), after(number))
            plain[task_id] = number
        elif verb == "w" and task is not None:
            table.wait(task, after(number / 2))
            plain[task_id] = number / 2
        elif verb == "r" and task is not None:
            table.remove(task)
            del plain[task_id]
        elif verb == "t" and (taken := table.take_due(after(number))) is not None:
            waiting = [due for due in plain.values() if due is not None]
            assert plain[taken.task_id] == min(waiting)
            plain[taken.task_id] = None
    assert [task.task_id for task in table.after(0)] == list(plain)
    waiting = [due for due in plain.values() if due is not None]
    assert table.first_due_at() == (after(min(waiting)) if waiting else None)


def test_removing_far_tasks_leaves_no_growing_remains() -> None:
    table = TaskTable()
    for number in range(10_000):
        task = table.add(str(number), Task())
        table.wait(task, after(3600))
        table.remove(task)
    assert len(table._heap) < 200
    assert len(table._order) < 200


def test_adding_taking_and_removing_cost_the_same_with_100_times_the_tasks() -> None:
    def cost(table: TaskTable) -> float:
        def work() -> None:
            for number in range(500):
                table.wait(table.add(f"new-{number}", Task()), after(200))
            for _ in range(500):
                taken = table.take_due(after(1_000))
                assert taken is not None
                table.remove(taken)
            for number in range(500):
                new = table.get(f"new-{number}")
                if new is not None:
                    table.remove(new)

        return fastest(work)

    assert cost(filled(100_000)) < 20 * cost(filled(1_000))


def test_a_page_costs_the_same_anywhere_in_100_times_the_tasks() -> None:
    def cost(table: TaskTable, count: int) -> float:
        def work() -> None:
            for start in range(0, count, count // 50):
                next(table.after(start))

        return fastest(work)

    assert cost(filled(100_000), 100_000) < 20 * cost(filled(1_000), 1_000)


def fastest(work: Callable[[], None]) -> float:
    times: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
