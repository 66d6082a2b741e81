"""A gate lets a bounded number through at once, and fewer of one workspace."""

from contextlib import ExitStack
from datetime import timedelta

import pytest

from shared.errors import BusyError
from shared.flow.gate import Gate

PAUSE = timedelta(seconds=10)


@pytest.fixture
def gate() -> Gate:
    return Gate(at_once=3, of_one=2, what="looks", pause=PAUSE)


def test_one_workspace_gets_its_share_and_others_still_get_in(gate: Gate) -> None:
    with gate.passed(1), gate.passed(1):
        with (
            pytest.raises(BusyError, match="of this workspace") as refused,
            gate.passed(1),
        ):
            pass
        assert refused.value.retry_after == PAUSE
        with gate.passed(2):
            pass


def test_an_instance_has_room_for_so_many_in_all(gate: Gate) -> None:
    with ExitStack() as inside:
        for workspace in (1, 2, 3):
            inside.enter_context(gate.passed(workspace))
        with pytest.raises(BusyError, match="As many looks are under way"), gate.passed(4):
            pass
    with gate.passed(4):
        pass


def test_a_place_is_free_again_after_a_failure(gate: Gate) -> None:
    for _ in range(5):
        with pytest.raises(ZeroDivisionError), gate.passed(1):
            raise ZeroDivisionError
    assert not gate._inside
