"""Fault switches."""

import json
from dataclasses import asdict

import pytest
from pydantic import ValidationError

from infra.local.cloud_scheduler.faults import FAULTS, Fault, FaultKind, FaultPlan
from tests.infra.cloud_scheduler.jobs import MINUTE, START


def switched_on(*faults: Fault) -> FaultPlan:
    plan = FaultPlan()
    plan.switches.replace(faults)
    return plan


def test_a_fault_strikes_as_often_as_it_was_told() -> None:
    plan = switched_on(Fault(FaultKind.DROP, times=2))
    struck = [plan.take("tick", START + n * MINUTE) is not None for n in range(4)]
    assert struck == [True, True, False, False]
    assert [fault["hits"] for fault in plan.switches.report()] == [2]


def test_a_fault_without_a_count_always_strikes() -> None:
    plan = switched_on(Fault(FaultKind.DROP))
    assert all(plan.take("tick", START + n * MINUTE) for n in range(10))


def test_a_fault_of_one_job_spares_the_others() -> None:
    plan = switched_on(Fault(FaultKind.DROP, job="tick"))
    assert plan.take("other", START) is None
    assert plan.take("tick", START) is not None


def test_the_first_fault_that_strikes_counts() -> None:
    plan = switched_on(Fault(FaultKind.DROP, times=1), Fault(FaultKind.DELIVER_TWICE))
    faults = [plan.take("tick", START) for _ in range(2)]
    kinds = [fault.kind for fault in faults if fault is not None]
    assert kinds == [FaultKind.DROP, FaultKind.DELIVER_TWICE]


def test_chance_is_the_same_each_time_and_near_its_probability() -> None:
    fault = Fault(FaultKind.DROP, probability=0.3, seed=1)
    first, second = switched_on(fault), switched_on(fault)
    struck = [first.take("tick", START + n * MINUTE) is not None for n in range(1_000)]
    assert struck == [second.take("tick", START + n * MINUTE) is not None for n in range(1_000)]
    assert 250 < sum(struck) < 350


def test_a_fault_survives_the_way_through_json() -> None:
    faults = [
        Fault(FaultKind.DELAY, seconds=1.5),
        Fault(FaultKind.DELIVER_TWICE, job="tick", times=3, probability=0.5, seed=7),
    ]
    assert FAULTS.validate_json(json.dumps([asdict(fault) for fault in faults])) == faults


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"kind": "drop"}',
        '["drop"]',
        "[{}]",
        '[{"kind": "explode"}]',
        '[{"kind": "drop", "colour": "red"}]',
        '[{"kind": "drop", "times": 0}]',
        '[{"kind": "drop", "probability": 1.1}]',
        '[{"kind": "delay"}]',
        '[{"kind": "delay", "seconds": -1}]',
        '[{"kind": "delay", "seconds": 3601}]',
        '[{"kind": "delay", "seconds": NaN}]',
    ],
)
def test_what_is_not_a_list_of_faults_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        FAULTS.validate_json(text)
