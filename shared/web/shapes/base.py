"""Shapes that all answers share: problems, health, and what marks a page."""

from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from shared.domain.run import RunStatus

WHOLE = ConfigDict(extra="forbid")
OPEN = ConfigDict(extra="allow")

NextCursor = Annotated[
    str | None, Field(description="The `cursor` of the next page; null on the last one.")
]
Version = Annotated[
    int, Field(description="Grows with every change by a person; If-Match compares it.")
]
Json = Annotated[dict[str, Any], Field(description="Any JSON object.")]


@with_config(WHOLE)
class FieldError(TypedDict):
    """What is wrong in one place of the input."""

    pointer: Annotated[
        str, Field(description="JSON pointer into the body, or the name of a parameter after /.")
    ]
    code: Annotated[str, Field(description="The rule that it breaks.")]
    reason: str
    hint: Annotated[str, Field(description="What to do; may be empty.")]


@with_config(OPEN)
class Problem(TypedDict):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    code: Annotated[str, Field(description="A stable name of what is wrong.")]
    detail: str
    request_id: Annotated[str, Field(description="Name it when you ask for support.")]
    errors: NotRequired[list[FieldError]]
    run_id: NotRequired[Annotated[UUID, Field(description="The run that is active (409).")]]
    run_status: NotRequired[
        Annotated[RunStatus, Field(description="How the run ended before (409).")]
    ]
    fault: NotRequired[
        Annotated[str | None, Field(description="What failed on the way to the source (424).")]
    ]


@with_config(WHOLE)
class Health(TypedDict):
    """Whether the process answers."""

    status: Literal["ok"]
