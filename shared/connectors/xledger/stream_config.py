"""What a workspace says about one stream of Xledger, checked before it is stored."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, JsonValue, field_validator, model_validator

from shared.connectors.json_http.cursor_config import CursorConfig, CursorFormat, SyncMode
from shared.connectors.json_http.texts import MODEL, Name, each_once
from shared.connectors.xledger.names import FieldPath, GraphQlName, check_fields
from shared.connectors.xledger.values import ENUM, check_value
from shared.late_imports import importing

LARGEST_PAGE = 10_000
"""As many nodes a page has at most, in Xledger's own samples."""
PAGE_VARIABLES = ("first", "after")

_USUAL_PAGE = 1_000
_USUAL_LOOK_BACK = 7_200
_MAX_KEY = 16
_MAX_FIELDS = 500
_MAX_ARGUMENTS = 50
_LONGEST_QUERY = 20_000


class NodeCursorConfig(CursorConfig):
    """The field that moves with every change, and the argument that asks for what came since."""

    field: FieldPath = Field(
        default="modifiedAt", description="Field of a node; dots lead into objects."
    )
    parameter: FieldPath = Field(
        default="filter.modifiedAt_gte",
        description="Argument that asks for nodes from a value on, that value included; dots lead"
        " into objects. With query: the variable.",
    )
    end_parameter: FieldPath | None = Field(
        default=None,
        description="Argument that asks for nodes up to the time at which the sync starts.",
    )
    look_back_seconds: int = Field(
        default=_USUAL_LOOK_BACK,
        ge=0,
        le=31 * 86_400,
        description="Each sync starts so much before the newest value of the last one. Xledger"
        " writes local times, of which an hour comes twice in autumn.",
    )
    has_zone: bool = Field(
        default=False, description="Whether times are written with a zone; Xledger's have none."
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_look_back_out(cls, given: Any) -> Any:
        """Look back only where there are times, unless it is asked for."""
        if isinstance(given, Mapping) and given.get("format") == CursorFormat.AS_IS:
            return {"look_back_seconds": 0, **given}
        return given


class StreamConfig(BaseModel):
    """One connection of the root query."""

    model_config = MODEL

    name: Name = Field(
        description="What the dataset's table is named after.", examples=["projects"]
    )
    connection: FieldPath | None = Field(
        default=None,
        description="The connection, if it is named otherwise than the stream. With query: the"
        " names that lead to it in the answer.",
        examples=["projects"],
    )
    fields: list[FieldPath] = Field(
        default_factory=list[str],
        max_length=_MAX_FIELDS,
        description="Fields of its nodes; dots lead into objects. Each lands in a column of its"
        " own; what stands in a list lands as JSON.",
        examples=[["dbId", "code", "modifiedAt", "mainProject.dbId"]],
    )
    arguments: dict[GraphQlName, JsonValue] = Field(
        default_factory=dict[str, Any],
        max_length=_MAX_ARGUMENTS,
        description='Of the connection. A value of an enum is written {"$enum": "NAME"}.',
        examples=[{"filter": {"billable": True}}],
    )
    query: str | None = Field(
        default=None,
        max_length=_LONGEST_QUERY,
        description="A query of your own, for what the fields above cannot say. It takes $after,"
        " and $first if it wants to.",
    )
    variables: dict[GraphQlName, JsonValue] = Field(
        default_factory=dict[str, Any],
        max_length=_MAX_ARGUMENTS,
        description="Of the query of your own.",
    )
    primary_key: Annotated[list[FieldPath], Field(min_length=1, max_length=_MAX_KEY)] = Field(
        default=["dbId"], description="Fields that identify a node."
    )
    cursor: NodeCursorConfig | None = Field(
        default=None, description="Without one, every sync reads the whole stream."
    )
    sync_mode: SyncMode = Field(default=SyncMode.INCREMENTAL, strict=False)
    page_size: int = Field(
        default=_USUAL_PAGE, ge=1, le=LARGEST_PAGE, description="Nodes a page at most."
    )
    numbers: list[FieldPath] = Field(
        default_factory=list[str],
        max_length=_MAX_FIELDS,
        description="Fields that hold numbers and are sent as texts, as Xledger does with money:"
        " they land as numbers, to the last digit.",
        examples=[["amount", "exchangeRate"]],
    )

    @property
    def place(self) -> str:
        """Return the names that lead to the connection in an answer."""
        return self.connection or self.name

    @field_validator("arguments", "variables")
    @classmethod
    def _check_values(cls, values: dict[str, Any]) -> dict[str, Any]:
        for value in values.values():
            check_value(value)
        return values

    @field_validator("arguments")
    @classmethod
    def _check_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        paging = {"first", "last", "before", "after"} & set(arguments)
        if paging:
            raise ValueError(f"leave out {min(paging)}: the sync turns the pages itself")
        return arguments

    @field_validator("fields")
    @classmethod
    def _check_paths(cls, fields: list[str]) -> list[str]:
        check_fields(fields)
        return fields

    @field_validator("primary_key", "numbers")
    @classmethod
    def _check_once(cls, names: list[str]) -> list[str]:
        each_once(names, "field")
        return names

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        if self.sync_mode is SyncMode.FULL_REFRESH and self.cursor is not None:
            raise ValueError(
                "full_refresh reads the whole stream: leave out cursor, or choose incremental"
            )
        return self

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        if not self.fields:
            if self.query is None:
                raise ValueError("say in fields which fields of the nodes you want")
            return self
        needed = {"primary_key": self.primary_key, "numbers": self.numbers}
        needed["cursor"] = [] if self.cursor is None else [self.cursor.field]
        for setting, paths in needed.items():
            absent = [path for path in paths if path not in self.fields]
            if absent:
                raise ValueError(f"fields leaves out what {setting} names: add {absent[0]}")
        return self

    @model_validator(mode="after")
    def _check_query(self) -> Self:
        if self.query is None:
            if self.variables:
                raise ValueError("variables are of a query of your own: leave them out")
            if "." in self.place:
                raise ValueError("connection is a name of the root query: leave out the dots")
            _check_name(self.place)
            _check_parameters(self)
            return self
        if self.arguments:
            raise ValueError("write arguments into your query, or give its variables")
        # It takes a fifth of a second to import, and only such a stream needs it.
        with importing():
            from shared.connectors.xledger.own_query import check_own_query  # noqa: PLC0415

        check_own_query(self)
        return self


def _check_name(name: str) -> None:
    """Raise `ValueError` for a stream's name that names no connection, if none is given."""
    if not name.isidentifier() or not name.isascii():
        raise ValueError("say in connection what Xledger calls it: the stream's name is no such")


def _check_parameters(stream: StreamConfig) -> None:
    """Raise `ValueError` if what the cursor sets is set by the arguments, too."""
    for path in cursor_parameters(stream.cursor):
        *outer, last = path.split(".")
        inner: Any = stream.arguments
        for part in outer:
            inner = inner.get(part, {}) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or ENUM in inner:
            raise ValueError(f"the cursor sets {path}, which leads into no object of arguments")
        if last in inner or path in ("first", "last", "before", "after"):
            raise ValueError(f"the cursor sets {path}: leave it out of arguments")


def cursor_parameters(cursor: NodeCursorConfig | None) -> list[str]:
    """Return the arguments or variables that the cursor sets."""
    named = [] if cursor is None else [cursor.parameter, cursor.end_parameter]
    return [name for name in named if name is not None]
