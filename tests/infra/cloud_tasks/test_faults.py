from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from infra.local.cloud_tasks.faults import FAULTS, Fault, FaultKind, FaultPlan
from tests.infra.cloud_tasks.hand import QUEUE

DROP = FaultKind.DROP


def plan(*faults: Fault) -> FaultPlan:
    made = FaultPlan()
    made.switches.replace(faults)
    return made


def answers(fault: Fault, count: int) -> list[bool]:
    asked = plan(fault)
    return [asked.hits(fault.kind, QUEUE) for _ in range(count)]


def test_without_faults_nothing_happens() -> None:
    assert not any(plan().hits(kind, QUEUE) for kind in FaultKind)
    assert plan().hold(QUEUE) == timedelta(0)


def test_a_fault_happens_so_many_times_and_no_more() -> None:
    assert answers(Fault(DROP, times=2), 4) == [True, True, False, False]


def test_a_fault_is_for_its_kind_and_queue_only() -> None:
    one = plan(Fault(DROP, queue=QUEUE))
    assert not one.hits(FaultKind.UNAVAILABLE, QUEUE)
    assert not one.hits(DROP, f"{QUEUE}-other")
    assert one.hits(DROP, QUEUE)


def test_chance_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    first = answers(Fault(DROP, probability=0.5, seed=1), 200)
    assert first == answers(Fault(DROP, probability=0.5, seed=1), 200)
    assert first != answers(Fault(DROP, probability=0.5, seed=2), 200)
    assert 60 < sum(first) < 140


def test_no_chance_is_never_and_certainty_always() -> None:
    assert not any(answers(Fault(DROP, probability=0), 100))
    assert all(answers(Fault(DROP, probability=1), 100))


def test_a_delay_holds_a_task_for_its_seconds() -> None:
    assert plan(Fault(FaultKind.DELAY, seconds=7)).hold(QUEUE) == timedelta(seconds=7)


def test_reordering_holds_tasks_for_differing_shares_of_its_seconds() -> None:
    reorder = plan(Fault(FaultKind.REORDER, seconds=10))
    holds = [reorder.hold(QUEUE) for _ in range(20)]
    assert holds != sorted(holds)
    assert all(timedelta(0) <= hold < timedelta(seconds=10) for hold in holds)


def test_faults_are_read_from_json() -> None:
    read = FAULTS.validate_python([{"kind": "delay", "seconds": 2, "queue": QUEUE, "times": None}])
    assert read == [Fault(FaultKind.DELAY, queue=QUEUE, seconds=2)]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "explode"},
        {"kind": "drop", "probability": 1.1},
        {"kind": "drop", "probability": -0.1},
        {"kind": "drop", "times": -1},
        {"kind": "drop", "seconds": -1},
        {"kind": "drop", "colour": "red"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FAULTS.validate_python([wrong])
