"""Shapes of what is done to many schedules."""

from uuid import UUID

from pydantic import with_config
from typing_extensions import TypedDict

from shared.domain.bulk import BulkAction, BulkResult
from shared.web.shapes.base import WHOLE


@with_config(WHOLE)
class BulkProblem(TypedDict):
    """Why one schedule was refused."""

    code: str
    detail: str
    retry_after_seconds: int | None


@with_config(WHOLE)
class BulkItem(TypedDict):
    """What became of one schedule, or would."""

    schedule_id: UUID
    result: BulkResult
    run_id: UUID | None
    problem: BulkProblem | None


@with_config(WHOLE)
class BulkCounts(TypedDict):
    """How many schedules came to each end."""

    done: int
    unchanged: int
    refused: int
    not_tried: int


@with_config(WHOLE)
class BulkAnswer(TypedDict):
    """What became of each schedule, in the order of the ids."""

    action: BulkAction
    dry_run: bool
    counts: BulkCounts
    items: list[BulkItem]
