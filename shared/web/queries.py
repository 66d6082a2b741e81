"""What the API accepts behind the `?`: one model a route; unknown parameters are refused."""

import re
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal, LiteralString

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from shared.domain.recurrence import MAX_PREVIEW
from shared.web.cursors import HINT, CursorError, decode_cursor

Instant = Annotated[str, StringConstraints(max_length=40)]
"""An instant in RFC 3339, also in bodies; `parse_instant` refuses what is none."""
DEFAULT_PREVIEW = 10
"""How many periods a preview shows unless it is told."""

_DEFAULT_LIMIT = 50
_MAX_LIMIT = 200
_NUMBER_FORM = re.compile(r"[0-9]{1,3}")
_CURSOR_PATTERN = "^[A-Za-z0-9_-]{32}$"


class Query(BaseModel):
    """Base of all query parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(Query):
    """Nothing."""


def _decode_cursor(text: object) -> int:
    try:
        [key] = decode_cursor(str(text), 1)
    except CursorError as error:
        about = {"reason": str(error), "hint": HINT}
        raise PydanticCustomError("cursor_form", "{reason}", about) from None
    return key


def _number(code: LiteralString, largest: int) -> Callable[[object], int]:
    def read(text: object) -> int:
        if not (_NUMBER_FORM.fullmatch(str(text)) and 1 <= int(str(text)) <= largest):
            raise PydanticCustomError(code, "it is not 1 to {largest}", {"largest": largest})
        return int(str(text))

    return read


def _show_as_text(schema: dict[str, Any]) -> None:
    schema |= {"type": "string", "pattern": _CURSOR_PATTERN}


Limit = Annotated[
    int,
    Field(ge=1, le=_MAX_LIMIT, description="How many items a page has at most."),
    BeforeValidator(_number("limit_range", _MAX_LIMIT)),
]
Cursor = Annotated[
    int,
    BeforeValidator(_decode_cursor),
    Field(
        description="`next_cursor` of the page before, as it came.",
        json_schema_extra=_show_as_text,
    ),
]


class PageQuery(Query):
    """Which page of a list."""

    limit: Limit = _DEFAULT_LIMIT
    cursor: Cursor | None = None


class OfConnectorQuery(PageQuery):
    """Which page, and of which connector."""

    connector_id: uuid.UUID | None = None


class KeysQuery(PageQuery):
    """Which page of the keys, and whose."""

    created_by: Annotated[
        uuid.UUID | None, Field(description="Those that the member or key of this id made.")
    ] = None


class RemovalQuery(Query):
    """What becomes of a member's keys."""

    keys: Annotated[
        Literal["keep", "revoke"],
        Field(description="What becomes of the API keys that the member made."),
    ] = "keep"


class DueQuery(Query):
    """Which page of what is due, and when."""

    at: (
        Annotated[
            str,
            StringConstraints(max_length=40),
            Field(description="The instant, in RFC 3339; now, if it is left out."),
        ]
        | None
    ) = None
    limit: Limit = _DEFAULT_LIMIT
    cursor: Annotated[str, StringConstraints(max_length=64)] | None = None


class PreviewQuery(Query):
    """How many periods a preview shows."""

    count: Annotated[
        int,
        Field(ge=1, le=MAX_PREVIEW, description="How many periods to show."),
        BeforeValidator(_number("count_range", MAX_PREVIEW)),
    ] = DEFAULT_PREVIEW
