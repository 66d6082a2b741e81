import pytest

from shared.domain.lease import RefusedLease, Wait, decide_refused
from shared.domain.run import Reason, RunStatus, TriggerType
from shared.domain.schedule import OverlapPolicy


def refused(**values: object) -> RefusedLease:
    wanted = {
        "status": RunStatus.SCHEDULED,
        "is_stale": False,
        "has_slices": False,
        "trigger_type": TriggerType.CLOUD_TASK,
        "overlap_policy": OverlapPolicy.SKIP,
        "connector_is_usable": True,
        "is_too_early": False,
        "is_halted": False,
        "overlaps": False,
        "another_waits": False,
        **values,
    }
    return RefusedLease(**wanted)


@pytest.mark.parametrize(
    "status", [status for status in RunStatus if status is not RunStatus.SCHEDULED]
)
def test_a_run_that_does_not_wait_is_left_alone(status: RunStatus) -> None:
    assert decide_refused(refused(status=status, overlaps=True)) is None


QUEUE = OverlapPolicy.QUEUE_ONE
MANUAL = TriggerType.MANUAL


@pytest.mark.parametrize(
    ("facts", "fate"),
    [
        ({"connector_is_usable": False}, Reason.CONNECTOR_UNAVAILABLE),
        ({"is_halted": True}, Reason.PAUSED),
        ({"is_too_early": True}, Wait.TOO_EARLY),
        ({"overlaps": True}, Reason.OVERLAP),
        ({"overlaps": True, "overlap_policy": QUEUE}, Wait.OVERLAP),
        ({"overlaps": True, "overlap_policy": QUEUE, "another_waits": True}, Reason.OVERLAP),
        ({"overlaps": True, "trigger_type": MANUAL}, Wait.OVERLAP),
        ({"overlaps": True, "has_slices": True}, Wait.OVERLAP),
        ({"is_stale": True}, None),
        ({"is_stale": True, "connector_is_usable": False}, None),
        ({}, Wait.NO_ROOM),
    ],
)
def test_what_becomes_of_a_run_that_may_not_start(facts: dict, fate: object) -> None:
    assert decide_refused(refused(**facts)) is fate
