"""What a workspace says about one stream of an API, checked before it is stored."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, JsonValue, field_validator, model_validator

from shared.connectors.api.paging_config import Pagination
from shared.connectors.json_http.cursor_config import CursorConfig, SyncMode
from shared.connectors.json_http.texts import (
    MODEL,
    PLACEHOLDER,
    JsonPath,
    Name,
    Path,
    Text,
    each_once,
)

_MAX_KEY = 16
_MAX_COLUMNS = 1_000
_MAX_PARAMS = 50
_MOST_PARENTS = 100_000


class Place(StrEnum):
    """Where a request has its parameters."""

    QUERY = "query"
    BODY = "body"


class ParentConfig(BaseModel):
    """The stream for whose every record this one is asked."""

    model_config = MODEL

    stream: Name = Field(description="Name of a stream without a parent.", examples=["orders"])
    placeholders: dict[Name, Name] = Field(
        min_length=1,
        max_length=_MAX_KEY,
        description="By placeholder in path and params: the parent's field that fills it.",
        examples=[{"order_id": "id"}],
    )
    copied: dict[Name, Name] = Field(
        default_factory=dict[str, str],
        max_length=_MAX_KEY,
        description="By field of this stream: the parent's field that is copied there.",
        examples=[{"order_id": "id"}],
    )
    most: int = Field(
        default=1_000,
        ge=1,
        le=_MOST_PARENTS,
        description="How many parents there may be: each costs a request in every sync.",
    )

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the fields of a parent that matter, each once, placeholders first."""
        return tuple(dict.fromkeys([*self.placeholders.values(), *self.copied.values()]))


class StreamConfig(BaseModel):
    """One endpoint that lists records."""

    model_config = MODEL

    name: Name = Field(description="What the dataset's table is named after.", examples=["orders"])
    path: Path = Field(
        description="Behind base_url. Fields of a parent's records fill placeholders.",
        examples=["/orders", "/orders/{order_id}/lines"],
    )
    params: dict[Name, Text] = Field(
        default_factory=dict[str, str],
        max_length=_MAX_PARAMS,
        description="Query parameters of every request. Secrets belong in auth.",
        examples=[{"status": "any"}],
    )
    body: dict[str, JsonValue] | None = Field(
        default=None, description="With a body the stream is read by POST, as some searches are."
    )
    parameters_in: Place = Field(
        default=Place.QUERY,
        strict=False,
        description="Where cursor and paging parameters go; dots lead into objects of the body.",
    )
    record_path: JsonPath | None = Field(
        default=None,
        description="Where the answer has its list of records; without it the answer is the list."
        " With $ the answer is one record.",
        examples=["data", "result.items"],
    )
    primary_key: Annotated[list[Name], Field(min_length=1, max_length=_MAX_KEY)] = Field(
        description="Fields that identify a record; those copied from a parent count, too.",
        examples=[["id"]],
    )
    cursor: CursorConfig | None = Field(
        default=None, description="Without one, every sync reads the whole stream."
    )
    pagination: Pagination | None = Field(
        default=None, description="If it differs from that of the connector."
    )
    parent: ParentConfig | None = None
    sync_mode: SyncMode = Field(default=SyncMode.INCREMENTAL, strict=False)
    columns: Annotated[list[Name], Field(min_length=1, max_length=_MAX_COLUMNS)] | None = Field(
        default=None, description="Fields to keep; all of them if not given."
    )

    @field_validator("primary_key", "columns")
    @classmethod
    def _check_once(cls, names: list[str] | None) -> list[str] | None:
        each_once(names or (), "field")
        return names

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        absent = [name for name in self.primary_key if name not in (self.columns or (name,))]
        if absent:
            raise ValueError(f"columns leaves out the primary key: add {', '.join(absent)}")
        return self

    @model_validator(mode="after")
    def _check_placeholders(self) -> Self:
        used = {
            name
            for text in (self.path, *self.params.values())
            for name in PLACEHOLDER.findall(text)
        }
        filled = set() if self.parent is None else set(self.parent.placeholders)
        if used - filled:
            raise ValueError(
                f"nothing fills {{{min(used - filled)}}}: name the parent's field that does in"
                " parent.placeholders"
            )
        if filled - used:
            raise ValueError(
                f"neither path nor params have {{{min(filled - used)}}}: leave it out of"
                " parent.placeholders"
            )
        return self

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        if self.parameters_in is Place.BODY and self.body is None:
            raise ValueError("parameters_in body needs a body: give one, {} at least")
        if self.sync_mode is SyncMode.FULL_REFRESH and self.cursor is not None:
            raise ValueError(
                "full_refresh reads the whole stream: leave out cursor, or choose incremental"
            )
        return self

    def set_parameters(self, paging: Any) -> list[str]:
        """Return the parameters that the sync itself sets, as often as it would."""
        cursor = self.cursor
        own = [] if cursor is None else [cursor.parameter, cursor.end_parameter]
        return [*(name for name in own if name is not None), *paging.parameters]
