"""Each protection is switched off once, and a rule has to break: or the suite proves nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from tests.faults import hook_scenes, scenes
from tests.faults.conftest import MakeWorld
from tests.faults.patience import outlast_the_hour
from tests.faults.play import Play
from tests.faults.protections import Protection, take_away
from tests.faults.scenes import Scene
from tests.faults.stage import Stage, open_stage

LONGEST_SCENE = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A scene without some protections, and the rule that breaks then."""

    scene: Scene
    rule: str
    without: tuple[Protection, ...]

    def __str__(self) -> str:
        without = "_and_".join(protection.name.lower() for protection in self.without)
        return f"{without}-{self.scene.__name__}"


def mutant(scene: Scene, rule: str, *without: Protection) -> Mutant:
    return Mutant(scene, rule, without)


MUTANTS = (
    mutant(
        scenes.a_worker_is_frozen_before_it_loads,
        "nothing below the watermark is missing",
        Protection.FENCE_OF_HEARTBEATS,
    ),
    mutant(
        scenes.a_worker_is_frozen_before_it_loads,
        "nothing below the watermark is missing",
        Protection.CONFIRMATION,
    ),
    mutant(
        scenes.a_worker_is_frozen_before_it_loads,
        "each lease has a fence of its own",
        Protection.FENCE_THAT_GROWS,
    ),
    mutant(
        scenes.a_worker_is_frozen_in_its_turn_to_load,
        "nothing below the watermark is missing",
        Protection.TURN,
        Protection.CONFIRMATION_OF_MERGES,
    ),
    mutant(
        scenes.a_worker_is_frozen_before_it_records,
        "a watermark never goes back",
        Protection.FENCE_OF_RECORDS,
    ),
    mutant(
        scenes.a_worker_is_frozen_before_it_records,
        "a watermark never goes back",
        Protection.WATERMARK_WITH_RECORD,
    ),
    mutant(
        scenes.a_worker_is_frozen_before_it_records,
        "a position never goes back",
        Protection.POSITIONS_WITH_RECORD,
    ),
    mutant(
        scenes.a_task_comes_to_two_workers,
        "nobody takes a lease that is held",
        Protection.LEASE_OF_WAITING_RUNS_ONLY,
    ),
    mutant(
        scenes.a_task_comes_that_was_replaced,
        "a run starts at a place that it was given",
        Protection.REFUSAL_OF_STALE_TASKS,
    ),
    mutant(
        scenes.a_worker_sends_a_run_back_too_late,
        "the newest task of a run starts it",
        Protection.PREMISE_OF_PUTTING_BACK,
    ),
    mutant(
        scenes.a_cancelled_worker_is_frozen_before_it_records,
        "transitions are legal",
        Protection.FENCE_THAT_GROWS_WITH_CANCELS,
        Protection.RECORDS_OF_RUNS_IN_PROGRESS,
    ),
    mutant(
        scenes.a_cancelled_worker_is_frozen_in_its_turn_to_load,
        "a cancelled run writes nothing more",
        Protection.CONFIRMATION_OF_MERGES,
    ),
    mutant(
        scenes.a_cancelled_period_is_taken_up_again,
        "a run that was taken up again has a task of its own",
        Protection.GENERATION_THAT_GROWS_WITH_CANCELS,
        Protection.GENERATION_THAT_GROWS_WITH_PLANS,
    ),
    mutant(
        scenes.two_runs_of_a_connector_have_tasks,
        "a connector has at most one run in progress",
        Protection.LEASE_OF_A_FREE_CONNECTOR,
        Protection.INDEX_OF_ONE_RUN_IN_PROGRESS,
    ),
    mutant(
        scenes.two_connectors_share_a_place,
        "a workspace has no more runs in progress than it may",
        Protection.PLACES_OF_A_WORKSPACE,
    ),
    mutant(
        scenes.a_worker_is_killed_before_it_loads,
        "no record is lost",
        Protection.WATERMARK_AFTER_DATA,
    ),
    mutant(
        scenes.a_slice_is_killed_before_it_loads,
        "no record is lost",
        Protection.POSITIONS_AFTER_DATA,
    ),
    mutant(
        scenes.a_loader_keeps_its_turn,
        "no record is lost",
        Protection.TAKING_THE_TURN_OVER,
    ),
    mutant(
        scenes.a_source_stands_still,
        "a run that does not get on ends",
        Protection.PROGRESS,
    ),
    mutant(
        scenes.a_source_asks_for_a_pause,
        "a source that asked for a pause is left alone",
        Protection.RETRY_AFTER,
    ),
    mutant(
        scenes.a_source_asks_for_a_pause_while_another_run_has_its_task,
        "a source that asked for a pause is left alone",
        Protection.PAUSE_OF_THE_CONNECTOR,
    ),
    mutant(
        scenes.a_worker_is_killed_between_two_merges,
        "a record lands once",
        Protection.UPSERT,
    ),
    mutant(
        scenes.a_worker_is_killed_with_its_lease,
        "no run is in progress long after its lease",
        Protection.RESCUE_OF_LEASES,
    ),
    mutant(
        scenes.a_worker_is_killed_in_the_last_attempt,
        "every run ends",
        Protection.LAST_ATTEMPT,
    ),
    mutant(
        scenes.a_worker_hangs,
        "every run ends",
        Protection.LONGEST_ATTEMPT,
    ),
    mutant(
        scenes.a_worker_takes_longer_than_a_lease,
        "no record is lost",
        Protection.HEARTBEAT,
    ),
    mutant(
        scenes.a_sibling_comes_late,
        "no record is lost",
        Protection.INCLUSIVE_WATERMARK,
    ),
    mutant(
        scenes.a_real_load_is_frozen_in_its_turn,
        "nothing below the watermark is missing",
        Protection.TURN,
        Protection.CONFIRMATION_OF_REAL_MERGES,
        Protection.CUT_OF_LOST_SYNCS,
    ),
    mutant(
        scenes.a_real_load_is_killed_after_its_merge,
        "a record lands once",
        Protection.UPSERT_OF_REAL_LOADS,
    ),
    mutant(
        scenes.a_sibling_comes_late_to_real_loads,
        "no record is lost",
        Protection.INCLUSIVE_WATERMARK_OF_REAL_LOADS,
    ),
    mutant(
        scenes.a_schedule_is_changed_whose_period_is_planned,
        "a period has one row",
        Protection.KEY_OF_PERIODS,
    ),
    mutant(
        scenes.two_dispatchers_plan_at_once,
        "a period has one row",
        Protection.LOCK_OF_DUE_SCHEDULES,
        Protection.KEY_OF_PERIODS,
    ),
    mutant(
        scenes.a_dispatcher_is_killed_after_a_page,
        "every period has its row",
        Protection.MARK_WITH_RUNS,
    ),
    mutant(
        scenes.a_dispatcher_is_killed_before_it_makes_tasks,
        "every run ends",
        Protection.REPEATED_ORDERS,
    ),
    mutant(
        scenes.a_queue_loses_a_task,
        "every run ends",
        Protection.RESCUE_OF_TASKS,
    ),
    mutant(
        scenes.a_queue_loses_a_task,
        "every run ends",
        Protection.GENERATION_IN_TASK_NAMES,
    ),
    mutant(
        scenes.a_schedule_shows_a_run_that_is_none,
        "no schedule shows a run that is none",
        Protection.RESCUE_OF_SCHEDULES,
    ),
    mutant(
        hook_scenes.a_run_that_covers_a_report_is_cancelled,
        "no record is lost",
        Protection.NOTE_OF_REPORTS,
    ),
    mutant(
        hook_scenes.a_worker_that_reads_a_report_is_killed_in_the_last_attempt,
        "no record is lost",
        Protection.RUNS_FOR_REPORTS,
    ),
    mutant(
        hook_scenes.a_change_is_reported_while_a_run_reads,
        "no record is lost",
        Protection.READING_AFTER_THE_REPORT,
    ),
    mutant(
        hook_scenes.a_change_is_reported_of_a_disabled_connector,
        "what was reported is read",
        Protection.LOOK_AT_WHAT_IS_ENABLED,
    ),
)

SCENES = tuple(dict.fromkeys(mutant.scene for mutant in MUTANTS))

STAND_INS = tuple(
    mutant_of_one
    for mutant_of_many in MUTANTS
    if len(mutant_of_many.without) > 1
    for mutant_of_one in (
        Mutant(mutant_of_many.scene, mutant_of_many.rule, (protection,))
        for protection in mutant_of_many.without
    )
)
"""Protections of which another one in the same scene does the work when they are off."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("stage") / "errors.log") as stage:
        yield stage


def play(scene: Scene, stage: Stage, new_world: MakeWorld, *without: Protection) -> Play:
    outlast_the_hour(LONGEST_SCENE)
    connectors = 2 if scene is scenes.two_connectors_share_a_place else 1
    world = new_world(workspaces=1, connectors=connectors, periods=1, records=30)
    take_away(world, without)
    mutants = [mutant for protection in without for mutant in protection.mutants]
    play = Play(stage, world, mutants)
    scene(play)
    play.drain()
    play.look_at_rest()
    print(*sorted(play.broken), stage.complaints(), sep="\n")
    return play


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_with_every_protection_no_rule_is_broken(
    stage: Stage, new_world: MakeWorld, scene: Scene
) -> None:
    played = play(scene, stage, new_world)

    assert played.broken == set()
    assert played.errors == 0


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_without_a_protection_its_rule_is_broken(
    stage: Stage, new_world: MakeWorld, mutant: Mutant
) -> None:
    played = play(mutant.scene, stage, new_world, *mutant.without)

    assert any(mutant.rule in broken for broken in played.broken)
    assert played.errors == 0


@pytest.mark.parametrize("mutant", STAND_INS, ids=str)
def test_a_protection_that_another_stands_in_for_is_not_missed_alone(
    stage: Stage, new_world: MakeWorld, mutant: Mutant
) -> None:
    assert play(mutant.scene, stage, new_world, *mutant.without).broken == set()


def test_every_protection_has_a_mutant() -> None:
    assert {protection for mutant in MUTANTS for protection in mutant.without} == set(Protection)
