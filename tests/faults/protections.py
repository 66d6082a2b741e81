"""What protects the ledger and the datasets, and how to do without each: the suite's mutants.

A mutant is a function that breaks the code of the process it is called in (`Plan.mutants`), SQL
that takes away what the database itself refuses, or both. A protection that is there twice, in a
real load and in that of the connector that keeps books, has one for each.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum

from tests.faults import hook_mutants, load_mutants, plan_mutants, run_mutants
from tests.faults.mutations import Patch, name_of
from tests.faults.world import World, open_world


@dataclass(frozen=True, slots=True)
class Off:
    """How to do without a protection."""

    mutate: Callable[[Patch], None] | None = None
    sql: str | None = None
    """For the database of the product or the datasets."""


class Protection(Enum):
    """Each is one thing; that another one stands in for it does not count."""

    FENCE_OF_HEARTBEATS = Off(run_mutants.beat_without_fence)
    FENCE_OF_RECORDS = Off(run_mutants.record_without_fence)
    FENCE_THAT_GROWS = Off(run_mutants.lease_without_new_fence)
    LEASE_OF_WAITING_RUNS_ONLY = Off(run_mutants.lease_what_is_in_progress)
    LEASE_OF_A_FREE_CONNECTOR = Off(run_mutants.lease_beside_another_run)
    REFUSAL_OF_STALE_TASKS = Off(run_mutants.lease_by_a_stale_task)
    PREMISE_OF_PUTTING_BACK = Off(run_mutants.put_back_by_a_stale_task)
    INDEX_OF_ONE_RUN_IN_PROGRESS = Off(sql="DROP INDEX one_run_in_progress_per_connector")
    RECORDS_OF_RUNS_IN_PROGRESS = Off(run_mutants.record_what_has_ended)
    FENCE_THAT_GROWS_WITH_CANCELS = Off(run_mutants.cancel_without_new_fence)
    GENERATION_THAT_GROWS_WITH_CANCELS = Off(run_mutants.cancel_without_new_generation)
    GENERATION_THAT_GROWS_WITH_PLANS = Off(plan_mutants.plan_again_without_new_generation)
    PLACES_OF_A_WORKSPACE = Off(run_mutants.lease_without_room)
    CONFIRMATION = Off(load_mutants.confirm_nothing)
    CONFIRMATION_OF_MERGES = Off(load_mutants.merge_unconfirmed)
    CONFIRMATION_OF_REAL_MERGES = Off(load_mutants.merge_unconfirmed_for_real)
    CUT_OF_LOST_SYNCS = Off(run_mutants.leave_lost_syncs_connected)
    TURN = Off(load_mutants.load_without_turn)
    TAKING_THE_TURN_OVER = Off(load_mutants.leave_the_turn_to_its_holder)
    UPSERT = Off(load_mutants.merge_by_insert, "DROP INDEX fault_dataset.record_key")
    UPSERT_OF_REAL_LOADS = Off(load_mutants.merge_by_insert_for_real)
    INCLUSIVE_WATERMARK = Off(load_mutants.start_behind_the_watermark)
    INCLUSIVE_WATERMARK_OF_REAL_LOADS = Off(load_mutants.start_behind_the_watermark_for_real)
    WATERMARK_AFTER_DATA = Off(load_mutants.move_the_watermark_first)
    WATERMARK_WITH_RECORD = Off(run_mutants.move_the_watermark_beside_the_record)
    POSITIONS_AFTER_DATA = Off(load_mutants.move_the_positions_first)
    POSITIONS_WITH_RECORD = Off(run_mutants.move_the_positions_beside_the_record)
    PROGRESS = Off(run_mutants.require_no_progress)
    RETRY_AFTER = Off(run_mutants.forget_the_pause)
    PAUSE_OF_THE_CONNECTOR = Off(run_mutants.lease_in_a_pause)
    KEY_OF_PERIODS = Off(
        plan_mutants.claim_without_key,
        "ALTER TABLE workspace_connector_sync_log DROP CONSTRAINT one_run_per_period",
    )
    LOCK_OF_DUE_SCHEDULES = Off(plan_mutants.plan_without_lock)
    MARK_WITH_RUNS = Off(plan_mutants.mark_before_the_runs)
    GENERATION_IN_TASK_NAMES = Off(plan_mutants.name_tasks_once)
    REPEATED_ORDERS = Off(plan_mutants.forget_orders)
    RESCUE_OF_LEASES = Off(plan_mutants.rescue_no_lease)
    RESCUE_OF_TASKS = Off(plan_mutants.rescue_no_task)
    RESCUE_OF_SCHEDULES = Off(plan_mutants.rescue_no_schedule)
    LAST_ATTEMPT = Off(plan_mutants.rescue_for_ever)
    HEARTBEAT = Off(run_mutants.beat_never)
    LONGEST_ATTEMPT = Off(run_mutants.beat_for_ever)
    NOTE_OF_REPORTS = Off(hook_mutants.note_no_report)
    RUNS_FOR_REPORTS = Off(hook_mutants.write_no_run_for_reports)
    READING_AFTER_THE_REPORT = Off(hook_mutants.take_later_reports_for_read)
    LOOK_AT_WHAT_IS_ENABLED = Off(sql="DROP TRIGGER look_at_unread_change ON workspace_connector")

    @property
    def mutants(self) -> tuple[str, ...]:
        """What `Plan.mutants` needs of it."""
        mutate = self.value.mutate
        return () if mutate is None else (name_of(mutate),)


def take_away(world: World, protections: Sequence[Protection]) -> None:
    """Take from the databases of a world what they refuse."""
    with closing(open_world(world.dataset_url)) as connection, connection.cursor() as cursor:
        for protection in protections:
            if protection.value.sql is not None:
                cursor.execute(protection.value.sql)
