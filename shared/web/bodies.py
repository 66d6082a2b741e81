"""What the API accepts: one model a body; unknown fields are refused."""

import re
import uuid
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from shared.domain.recurrence import MAX_PREVIEW
from shared.web.queries import DEFAULT_PREVIEW, Instant

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _one_line(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("it holds a line break or another control character: write one line.")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_one_line),
]
Note = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_one_line)
]


class Body(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoBody(Body):
    """Nothing."""


class NewConnectorBody(Body):
    """A connector to create; `config` is checked by its type."""

    type: Annotated[str, StringConstraints(max_length=63)]
    name: Name
    config: dict[str, Any]


class ConnectorChangesBody(Body):
    """What to change of a connector; what is not set stays as it is."""

    name: Name | None = None
    config: dict[str, Any] | None = None


class TimingBody(Body):
    """When a connector is synced; the recurrence's own rules are the domain's."""

    frequency: Annotated[str, StringConstraints(max_length=50)]
    timezone: Annotated[str, StringConstraints(max_length=64)] | None = None
    preferred_time: Annotated[str, StringConstraints(max_length=20)] | None = None
    preferred_day_of_week: Annotated[str, StringConstraints(max_length=20)] | None = None
    preferred_day_of_month: Annotated[int, Field(strict=True)] | None = None
    cron_expression: Annotated[str, StringConstraints(max_length=1000)] | None = None
    missed_run_policy: Literal["run_once", "run_all", "skip"] = "run_once"
    spread_seconds: Annotated[int, Field(ge=0, le=86_400)] = 0
    blackout_policy: Literal["skip", "move"] = "skip"


class ScheduleBody(TimingBody):
    """The settings of a schedule."""

    name: Name
    description: Annotated[str, StringConstraints(max_length=2000)] | None = None
    is_enabled: bool = True
    overlap_policy: Literal["skip", "queue_one"] = "skip"
    catch_up_window_seconds: Annotated[int, Field(ge=0, le=31_536_000)] = 86_400
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 5


class NewScheduleBody(ScheduleBody):
    """A schedule to create."""

    connector_id: uuid.UUID


class ScheduleChangesBody(ScheduleBody):
    """Some settings of a schedule; those that are not set stay as they are."""

    name: Name = ""
    frequency: Annotated[str, StringConstraints(max_length=50)] = ""


class PreviewBody(TimingBody):
    """A schedule that is not saved yet, to be previewed; its connector tells its spread."""

    connector_id: uuid.UUID | None = None
    count: Annotated[int, Field(strict=True, ge=1, le=MAX_PREVIEW)] = DEFAULT_PREVIEW


class PauseBody(Body):
    """How long a schedule rests, and why; without `until`, until somebody resumes it."""

    until: Instant | None = None
    note: Note | None = None


class CancelBody(Body):
    """Why a run is cancelled, for its timeline."""

    note: Note | None = None


class AuthorizeBody(Body):
    """Where the browser goes when a connector is authorized: a path of ours."""

    return_to: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None


class WatermarkBody(Body):
    """Where the next sync of a stream starts, written as the API shows it."""

    value: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    type: Literal["int", "decimal", "float", "date", "datetime", "str"] | None = None


class ReportActBody(Body):
    """What to do about the report of a period: correct it, for a reason, or settle its fate."""

    period: Annotated[str, StringConstraints(max_length=10)]
    reason: Annotated[Note, StringConstraints(min_length=1)] | None = None
    settle: Literal["arrived", "send_again"] | None = None

    @model_validator(mode="after")
    def _check_reason(self) -> Self:
        if self.settle is None and self.reason is None:
            raise ValueError("say in reason why a corrected report is sent, or settle the last one")
        return self


Clock = Annotated[str, StringConstraints(max_length=20)]
Day = Annotated[str, StringConstraints(max_length=20)]


class WeeklyHoursBody(Body):
    """Hours that come back every week: the days on which they start, and two times of day."""

    days: Annotated[tuple[Day, ...], Field(max_length=7)]
    starts: Annotated[Clock, Field(alias="from")]
    ends: Annotated[Clock, Field(alias="to")]


class DatedDaysBody(Body):
    """Whole days, both included."""

    first: Day
    last: Day


class NewBlackoutWindowBody(Body):
    """A blackout window to create; its own rules are the domain's."""

    name: Name
    timezone: Annotated[str, StringConstraints(max_length=64)] | None = None
    weekly: WeeklyHoursBody | None = None
    dated: DatedDaysBody | None = None
