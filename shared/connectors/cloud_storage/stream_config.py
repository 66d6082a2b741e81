"""What a workspace says about one stream of files, checked before it is stored."""

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from shared.connectors.cloud_storage.credentials_config import MODEL
from shared.connectors.cloud_storage.globs import Glob, check_pattern

FILE, ROW, MODIFIED_AT = "_file", "_row", "_file_modified_at"
"""The columns that every record has beside its own."""
OUR_COLUMNS = (FILE, ROW, MODIFIED_AT)

_MOST_PATTERNS = 50
_MOST_COLUMNS = 1_500
_MOST_KEY = 16


class Format(StrEnum):
    """What files hold; `auto` goes by each file's ending."""

    AUTO = "auto"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Encoding(StrEnum):
    """How text files are encoded. A byte order mark is no part of the text."""

    UTF_8 = "utf-8"
    UTF_16 = "utf-16"
    UTF_16_LE = "utf-16-le"
    UTF_16_BE = "utf-16-be"
    LATIN_1 = "latin-1"
    LATIN_9 = "iso8859-15"
    WINDOWS_1252 = "cp1252"


class ColumnType(StrEnum):
    """What the text of a CSV column stands for."""

    TEXT = "text"
    BIGINT = "bigint"
    DECIMAL = "decimal"
    DOUBLE = "double"
    BOOL = "bool"
    DATE = "date"
    TIMESTAMP = "timestamp"
    """An instant, with its offset from UTC."""
    DATETIME = "datetime"
    """Date and time of day, without an offset."""


class SyncMode(StrEnum):
    """Whether a sync reads new and changed files, or all of them."""

    INCREMENTAL = "incremental"
    FULL_REFRESH = "full_refresh"


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("use no control characters and no spaces at the ends")
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
Pattern = Annotated[
    str, StringConstraints(min_length=1, max_length=1_000), AfterValidator(check_pattern)
]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
"""As the file spells it, spaces and all."""
Letter = Annotated[str, StringConstraints(min_length=1, max_length=1)]


class CsvOptions(BaseModel):
    """How CSV files are written, where it is not as in RFC 4180."""

    model_config = MODEL

    delimiter: Letter | None = Field(
        default=None, description="By default a comma, and a tab in files that end in .tsv."
    )
    quote: Letter | None = Field(default='"', description="null: a quote means nothing.")
    column_names: list[ColumnName] | None = Field(
        default=None,
        min_length=1,
        max_length=_MOST_COLUMNS,
        description="Of files without a header. Without it their first record names the columns.",
    )
    null_markers: list[Annotated[str, StringConstraints(max_length=64)]] = Field(
        default_factory=lambda: [""],
        max_length=20,
        description="Texts that stand for no value, by default the empty one, quoted or not.",
    )
    types: dict[ColumnName, Annotated[ColumnType, Field(strict=False)]] = Field(
        default_factory=dict[str, ColumnType],
        max_length=_MOST_COLUMNS,
        description="Columns that are no text. A record that does not fit is not loaded.",
    )

    @model_validator(mode="after")
    def _check_signs(self) -> Self:
        signs = [sign for sign in (self.delimiter, self.quote) if sign is not None]
        if len(set(signs)) < len(signs) or any(sign in "\r\n\0 " for sign in signs):
            raise ValueError("delimiter and quote are two different signs, and no line ends")
        each_once(self.column_names or (), "column")
        return self


class StreamConfig(BaseModel):
    """The files of one stream, and what they hold."""

    model_config = MODEL

    name: Name
    files: list[Pattern] = Field(
        min_length=1,
        max_length=_MOST_PATTERNS,
        description="Patterns relative to the url; ** stands for any folders.",
        examples=[["orders/**/*.csv", "orders/**/*.csv.gz"]],
    )
    exclude: list[Pattern] = Field(default_factory=list[str], max_length=_MOST_PATTERNS)
    format: Format = Field(default=Format.AUTO, strict=False)
    encoding: Encoding = Field(
        default=Encoding.UTF_8, strict=False, description="Of CSV and JSON lines."
    )
    csv: CsvOptions = Field(default_factory=CsvOptions)
    primary_key: list[ColumnName] = Field(
        default_factory=lambda: [FILE, ROW],
        min_length=1,
        max_length=_MOST_KEY,
        description="Columns that identify a record in all files; by default file and row.",
    )
    columns: list[ColumnName] | None = Field(
        default=None,
        min_length=1,
        max_length=_MOST_COLUMNS,
        description="Columns to keep; all of them if not given.",
    )
    sync_mode: SyncMode = Field(default=SyncMode.INCREMENTAL, strict=False)

    @field_validator("primary_key", "columns", "files", "exclude")
    @classmethod
    def _check_once(cls, names: list[str] | None) -> list[str] | None:
        each_once(names or (), "entry")
        return names

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        ours = [name for name in (*(self.columns or ()), *self.csv.types) if name in OUR_COLUMNS]
        if ours:
            raise ValueError(f"{ours[0]} is always there: leave it out")
        key = [name for name in self.primary_key if name not in OUR_COLUMNS]
        absent = [name for name in key if self.columns is not None and name not in self.columns]
        if absent:
            raise ValueError(f"columns leaves out the primary key: add {', '.join(absent)}")
        return self

    @property
    def cursor(self) -> str | None:
        """Return the column that the watermark is of, if syncs are incremental."""
        return MODIFIED_AT if self.sync_mode is SyncMode.INCREMENTAL else None

    @cached_property
    def _globs(self) -> tuple[list[Glob], list[Glob]]:
        return [Glob(one) for one in self.files], [Glob(one) for one in self.exclude]

    @property
    def prefixes(self) -> list[str]:
        """Return how the paths of files begin, one for each pattern."""
        return [glob.prefix for glob in self._globs[0]]

    def matches(self, path: str) -> bool:
        """Tell whether a file, by its path relative to the url, is one of the stream's."""
        wanted, excluded = self._globs
        is_wanted = any(glob.matches(path) for glob in wanted)
        return is_wanted and not any(glob.matches(path) for glob in excluded)


def each_once(names: list[str] | tuple[str, ...], noun: str) -> None:
    """Raise `ValueError` if a name stands there twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"each {noun} may stand once only: {', '.join(twice)[:200]}")
