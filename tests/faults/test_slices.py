"""A source goes on while a run reads it in slices: what comes between two of them is not lost."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.faults import ledger_connector, real_loads
from tests.faults.conftest import MakeWorld
from tests.faults.patience import outlast_the_hour
from tests.faults.play import Play
from tests.faults.stage import Stage, open_stage
from tests.faults.world import SIBLINGS

LONGEST = timedelta(seconds=30)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("stage") / "errors.log") as stage:
        yield stage


@pytest.mark.parametrize(
    ("page_rows", "is_real"),
    [(ledger_connector.PAGE_ROWS, False), (real_loads.PAGE_ROWS, True)],
    ids=["books", "database"],
)
def test_a_late_sibling_of_the_value_within_which_a_slice_ended_is_not_lost(
    stage: Stage, new_world: MakeWorld, page_rows: int, is_real: bool
) -> None:
    outlast_the_hour(LONGEST)
    # The first page ends between the two records that have the greatest value of all.
    world = new_world(workspaces=1, connectors=1, periods=1, records=page_rows + 1)
    play = Play(stage, world, ())
    play.plan = replace(play.plan, slice=timedelta(0))
    if is_real:
        play.use_real_loads(real_loads.read_small_pages)

    play.tick()
    play.deliver(play.task())
    play.grow(0, step=0, again=[1])
    play.grow(SIBLINGS, step=1)
    play.drain()
    play.request()
    play.drain()

    play.look_at_rest()
    assert sorted(play.broken) == []
    assert play.errors == 0, stage.complaints()
