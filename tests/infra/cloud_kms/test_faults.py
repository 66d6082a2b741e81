"""Fault switches."""

import json
from dataclasses import asdict

import pytest
from grpc import StatusCode
from pydantic import ValidationError

from infra.local.cloud_kms.faults import FAULTS, Fault, FaultKind, FaultPlan


def switched_on(*faults: Fault) -> FaultPlan:
    plan = FaultPlan()
    plan.switches.replace(faults)
    return plan


def test_a_fault_strikes_as_often_as_it_was_told() -> None:
    plan = switched_on(Fault(FaultKind.DAMAGE_ANSWER, times=2))
    struck = [plan.take("Encrypt") is not None for _ in range(4)]
    assert struck == [True, True, False, False]


def test_a_fault_of_one_method_spares_the_other() -> None:
    plan = switched_on(Fault(FaultKind.DAMAGE_ANSWER, method="Decrypt"))
    assert plan.take("Encrypt") is None
    assert plan.take("Decrypt") is not None


def test_the_first_fault_that_strikes_counts() -> None:
    plan = switched_on(
        Fault(FaultKind.FAIL, code="ABORTED", times=1), Fault(FaultKind.LOSE_CHECKSUMS)
    )
    faults = [plan.take("Encrypt") for _ in range(2)]
    kinds = [fault.kind for fault in faults if fault is not None]
    assert kinds == [FaultKind.FAIL, FaultKind.LOSE_CHECKSUMS]


def test_chance_is_the_same_each_time_and_near_its_probability() -> None:
    fault = Fault(FaultKind.DAMAGE_ANSWER, probability=0.3, seed=1)
    first, second = switched_on(fault), switched_on(fault)
    struck = [first.take("Encrypt") is not None for _ in range(1_000)]
    assert struck == [second.take("Encrypt") is not None for _ in range(1_000)]
    assert 250 < sum(struck) < 350


def test_a_call_that_fails_has_the_status_that_was_asked_for() -> None:
    error = Fault(FaultKind.FAIL, code="UNAVAILABLE").error()
    assert error.status is StatusCode.UNAVAILABLE


def test_a_fault_survives_the_way_through_json() -> None:
    faults = [
        Fault(FaultKind.FAIL, code="UNAVAILABLE", method="Encrypt"),
        Fault(FaultKind.DAMAGE_ANSWER, times=3, probability=0.5, seed=7),
    ]
    assert FAULTS.validate_json(json.dumps([asdict(fault) for fault in faults])) == faults


@pytest.mark.parametrize(
    "text",
    [
        "",
        '["fail"]',
        '[{"kind": "explode"}]',
        '[{"kind": "damage_answer", "colour": "red"}]',
        '[{"kind": "damage_answer", "times": 0}]',
        '[{"kind": "damage_answer", "probability": 1.1}]',
        '[{"kind": "fail"}]',
        '[{"kind": "fail", "code": "TIRED"}]',
    ],
)
def test_what_is_not_a_list_of_faults_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        FAULTS.validate_json(text)
