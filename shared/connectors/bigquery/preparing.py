"""The file that a staging table is loaded from, made of dlt's, and the types of its columns.

A type is found in the values where the source names one that BigQuery has several of: a decimal
becomes `NUMERIC`, `BIGNUMERIC` or, where neither holds every digit, `STRING`; JSON becomes `STRING`
where a number in it would be rounded, and in a key, since BigQuery compares no JSON.
"""

import gzip
import json
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast

import orjson
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns
from dlt.common.storages import FileStorage

from shared.connectors.dataset.destination import COLUMN_TYPE
from shared.connectors.rejects import text_of_key

_LEVEL = 1
"""Of the compression: the file goes over a network, and is memory on Cloud Run."""

_PLAIN: Mapping[str, str] = {
    "text": "STRING",
    "bigint": "INT64",
    "double": "FLOAT64",
    "bool": "BOOL",
    "date": "DATE",
    "time": "TIME",
    "binary": "BYTES",
}
_DOUBLE = "double precision"
_INTEGERS = range(-(2**63), 2**64)
_DECIMALS = (("NUMERIC", 29, 9), ("BIGNUMERIC", 38, 38))
"""How many digits before and behind the point each takes, the narrow one first."""
_UNROUNDED = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


@dataclass(frozen=True, slots=True)
class Staged:
    """A file of JSON lines, and the type of each of its columns."""

    path: Path
    types: Mapping[str, str]


class _Decimals:
    """Decimals, as text."""

    def __init__(self) -> None:
        self.type = "NUMERIC"

    def written(self, value: Any) -> str:
        """Return the decimal's text."""
        text = str(value)
        if self.type != "STRING":
            self.type = _wider(self.type, _decimal_type(text))
        return text


class _Jsons:
    """JSON, as text until it is merged, since its text is exact."""

    def __init__(self) -> None:
        self.type = "JSON"

    def written(self, value: Any) -> str:
        """Return the JSON text."""
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
        if self.type == "JSON" and not _is_exact_json(text):
            self.type = "STRING"
        return text


_Measured = _Decimals | _Jsons
"""A column whose type its values decide."""


def hints_for_files(columns: TTableSchemaColumns) -> TTableSchemaColumns:
    """Return the hints of a stream with which dlt's files keep every value.

    JSON has no NaN and no infinity, and dlt writes null for them, but a decimal as its text: so do
    floating numbers travel, and BigQuery reads the shortest text of one as what it was.
    """
    return {name: _hint_for_file(hint) for name, hint in columns.items()}


def _hint_for_file(hint: TColumnSchema) -> TColumnSchema:
    if hint.get("data_type") != "double":
        return hint
    kept: Any = {**hint, "data_type": "decimal", COLUMN_TYPE: _DOUBLE}
    return kept


def prepare(
    schema: Schema, table: str, files: Sequence[Path], folder: Path, *, key: Collection[str] = ()
) -> Staged:
    """Write what a staging table is loaded from; a line at a time is in memory.

    Columns in which dlt found no value are left out.
    """
    types: dict[str, str] = {}
    measured: dict[str, _Measured] = {}
    writers: dict[str, Callable[[Any], Any]] = {}
    for name, column in schema.get_table_columns(table).items():
        kind = _kind(column)
        if isinstance(kind, _Jsons) and name in key:
            types[name], writers[name] = "STRING", text_of_key
        elif isinstance(kind, _Measured):
            measured[name], writers[name] = kind, kind.written
        else:
            types[name] = kind
        if column.get(COLUMN_TYPE) == "bytea":
            writers[name] = _base64
    path = folder / f"{table[:40]}.staged.json.gz"
    with gzip.open(path, "wb", compresslevel=_LEVEL) as file:
        for line in _lines(files):
            file.write(_rewritten(line, writers) if writers else line)
    return Staged(path, {**types, **{name: one.type for name, one in measured.items()}})


def _lines(files: Sequence[Path]) -> Iterator[bytes]:
    for path in files:
        with FileStorage.open_zipsafe_ro(str(path), "rb") as file:
            for line in cast("Iterator[bytes]", file):
                yield line if line.endswith(b"\n") else line + b"\n"


def _rewritten(line: bytes, writers: Mapping[str, Callable[[Any], Any]]) -> bytes:
    record: dict[str, Any] = orjson.loads(line)
    for name, write in writers.items():
        value = record.get(name)
        if value is not None:
            record[name] = write(value)
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def _kind(column: TColumnSchema) -> str | _Measured:
    """Return the type of a column, or what finds it in the values."""
    wanted = column.get(COLUMN_TYPE)
    kind = column.get("data_type")
    if wanted == _DOUBLE:
        return "FLOAT64"
    if wanted == "numeric" or kind in ("decimal", "wei"):
        return _Decimals()
    if wanted == "jsonb" or kind == "json":
        return _Jsons()
    if wanted == "bytea":
        return "BYTES"
    if kind == "timestamp":
        return "DATETIME" if column.get("timezone") is False else "TIMESTAMP"
    return _PLAIN[kind or "text"]


def _decimal_type(text: str) -> str:
    """Return the narrowest type that holds a decimal with every digit.

    NUMERIC has 29 digits before the point and 9 behind it, BIGNUMERIC 38 of each.
    """
    try:
        sign_digits_exponent = Decimal(text).normalize(_UNROUNDED).as_tuple()
    except InvalidOperation:
        return "STRING"
    exponent = sign_digits_exponent.exponent
    if not isinstance(exponent, int):
        return "STRING"
    behind = max(0, -exponent)
    before = max(0, len(sign_digits_exponent.digits) + exponent)
    for kind, most_before, most_behind in _DECIMALS:
        if before <= most_before and behind <= most_behind:
            return kind
    return "STRING"


def _wider(one: str, other: str) -> str:
    order = ("NUMERIC", "BIGNUMERIC", "STRING")
    return max(one, other, key=order.index)


def _base64(text: Any) -> str:
    """Return bytes as a file for BigQuery has them, of PostgreSQL's hexadecimal."""
    return b64encode(bytes.fromhex(str(text).removeprefix("\\x"))).decode()


def _is_exact_json(text: str) -> bool:
    """Tell whether BigQuery's JSON holds each number of a text without rounding it."""
    try:
        json.loads(text, parse_float=_exact_float, parse_int=_exact_int, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return False
    return True


def _exact_float(text: str) -> None:
    if Decimal(text) != Decimal(repr(float(text))):
        raise ValueError("a number would be rounded")


def _exact_int(text: str) -> None:
    if int(text) not in _INTEGERS:
        raise ValueError("a number would be rounded")


def _no_number(_text: str) -> None:
    raise ValueError("JSON has no such number")
