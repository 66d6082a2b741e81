"""What a workspace says about a report that it sends, checked before it is stored."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from shared.connectors.base import ConnectorConfig
from shared.connectors.json_http.auth_config import NoAuth, UnattendedAuth
from shared.connectors.json_http.texts import (
    MODEL,
    PLACEHOLDER,
    HeaderName,
    JsonPath,
    Name,
    Text,
    Url,
    each_once,
)
from shared.domain.reporting import PeriodUnit
from shared.egress.origins import forbidden_headers

STREAM = "report"
"""The name of the one stream that such a connector has."""
MOST_ROWS = 50_000
"""A report is one request, which is in memory as a whole."""

_NAME_BYTES = 63
_MOST_COLUMNS = 200
_MOST_CONSTANTS = 50
_PLACEHOLDERS = {"period", "correction"}
_OUR_FIELDS = frozenset({"period", "correction"})


class Method(StrEnum):
    """How a report is sent."""

    POST = "POST"
    PUT = "PUT"


def _identifier(text: str) -> str:
    if len(text.encode()) > _NAME_BYTES:
        raise ValueError(f"use at most {_NAME_BYTES} bytes")
    return text


def _endpoint(url: str) -> str:
    if "{" in urlsplit(url).netloc:
        raise ValueError("its placeholders may be in the path alone")
    unknown = sorted(set(PLACEHOLDER.findall(url)) - _PLACEHOLDERS)
    if unknown:
        raise ValueError("its placeholders may be {period} and {correction} alone")
    return url


Identifier = Annotated[Name, AfterValidator(_identifier)]
Constant = Text | bool | int | None


class EndpointConfig(BaseModel):
    """Where the report goes, and what is known of who receives it."""

    model_config = MODEL

    url: Annotated[Url, AfterValidator(_endpoint)] = Field(
        description="{period} and {correction} in its path are filled in.",
        examples=["https://reports.example.no/v1/figures/{period}"],
    )
    method: Method = Field(default=Method.POST, strict=False)
    idempotency_header: HeaderName = Field(
        default="Idempotency-Key", description="The header that carries the key of the report."
    )
    honours_idempotency_key: bool = Field(
        default=True,
        description="Whether a repeat with the same key counts once. If not, a report of which the"
        " answer was lost is not sent again before a person has settled it.",
    )
    receipt_path: JsonPath | None = Field(
        default=None,
        description="Where the receipt number is in the answer. With it, an answer without a"
        " receipt number proves nothing.",
        examples=["receipt.number"],
    )

    @field_validator("idempotency_header")
    @classmethod
    def _check_header(cls, name: str) -> str:
        if forbidden_headers([name]) or name.lower() in ("authorization", "content-type"):
            raise ValueError(
                "this header has another meaning: choose the one the endpoint asks for"
            )
        return name


class ReportColumn(BaseModel):
    """A column of the table, and under which name it is sent."""

    model_config = MODEL

    column: Identifier
    name: Identifier | None = Field(default=None, description="The column's own, if not given.")

    @property
    def sent_as(self) -> str:
        """Return the name under which the column is sent."""
        return self.name or self.column


class PeriodConfig(BaseModel):
    """How long a reporting period is, and which rows belong to it."""

    model_config = MODEL

    unit: PeriodUnit = Field(strict=False)
    column: Identifier = Field(
        description="A date or time that says to which period a row belongs. Times with a zone are"
        " taken by the calendar of the schedule's time zone."
    )


class DatasetConfig(BaseModel):
    """The rows to report: a table that another connector of the workspace fills."""

    model_config = MODEL

    connector_id: UUID = Field(
        strict=False, description="Of another connector of this workspace, whose dataset it is."
    )
    table: Identifier
    columns: list[ReportColumn] = Field(min_length=1, max_length=_MOST_COLUMNS)
    period: PeriodConfig

    @field_validator("columns")
    @classmethod
    def _check_columns(cls, columns: list[ReportColumn]) -> list[ReportColumn]:
        each_once([column.sent_as for column in columns], "name of a column")
        return columns


class JsonFormat(BaseModel):
    """One JSON object: the period, the correction, constant fields, and the rows."""

    model_config = MODEL

    type: Literal["json"]
    constants: dict[Annotated[str, StringConstraints(min_length=1, max_length=128)], Constant] = (
        Field(
            default_factory=dict[str, Constant],
            max_length=_MOST_CONSTANTS,
            description="Fields beside period, correction and rows, such as who reports.",
            examples=[{"organisation_number": "987654321"}],
        )
    )
    rows_field: Name = Field(default="rows", description="The field that holds the rows.")

    @field_validator("constants")
    @classmethod
    def _check_constants(cls, constants: dict[str, Constant]) -> dict[str, Constant]:
        if _OUR_FIELDS & constants.keys():
            raise ValueError("leave out period and correction: they are filled in")
        return constants

    @field_validator("rows_field")
    @classmethod
    def _check_rows_field(cls, name: str, info: ValidationInfo) -> str:
        if name in _OUR_FIELDS or name in info.data.get("constants", {}):
            raise ValueError("another field has this name")
        return name


class CsvFormat(BaseModel):
    """A line of names, and a line a row; UTF-8."""

    model_config = MODEL

    type: Literal["csv"]
    delimiter: Literal[",", ";", "\t"] = ","


Format = Annotated[JsonFormat | CsvFormat, Field(discriminator="type")]


class BufdirConfig(ConnectorConfig):
    """A report: whom to send it to, which rows, and in which form."""

    model_config = MODEL | ConfigDict(title="Bufdir report")

    endpoint: EndpointConfig
    auth: UnattendedAuth = Field(default_factory=NoAuth)
    dataset: DatasetConfig
    format: Format = Field(default_factory=lambda: JsonFormat(type="json"))
    most_rows: int = Field(
        default=MOST_ROWS,
        ge=1,
        le=MOST_ROWS,
        description="A report with more rows is not sent: the run says so instead.",
    )

    @classmethod
    def cursors_of(cls, plain: Mapping[str, Any]) -> Mapping[str, str | None]:  # noqa: ARG003 (the same for every config)
        """Return the one stream, which has no cursor: what was sent is in the receipts."""
        return {STREAM: None}

    @classmethod
    def connectors_of(cls, plain: Mapping[str, Any]) -> Mapping[str, UUID]:
        """Return the connector whose dataset is reported, by its place in the config."""
        return {"dataset.connector_id": UUID(plain["dataset"]["connector_id"])}
