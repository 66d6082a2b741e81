"""What a staging table is loaded from: exact texts, and types found in the values."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dlt
import pytest

from shared.connectors.bigquery.preparing import Staged, prepare


def staged(
    folder: Path, columns: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> tuple[Staged, list[dict[str, Any]]]:
    """Return what is staged of rows of a table with these columns."""
    schema = dlt.Schema("syncline")
    hints: Any = {name: {"name": name, **hint} for name, hint in columns.items()}
    schema.update_table({"name": "orders", "columns": hints})
    path = folder / "orders.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = prepare(schema, "orders", [path], folder)
    with gzip.open(found.path) as file:
        return found, [json.loads(line) for line in file]


DECIMAL = {"data_type": "text", "x-syncline-type": "numeric"}
JSON = {"data_type": "text", "x-syncline-type": "jsonb"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1.5", "-2", None], "NUMERIC"),
        (["9" * 29], "NUMERIC"),
        (["0.123456789"], "NUMERIC"),
        (["1.500000000000"], "NUMERIC"),
        (["0.1234567891"], "BIGNUMERIC"),
        (["9" * 30], "BIGNUMERIC"),
        (["9" * 38 + "." + "1" * 38], "BIGNUMERIC"),
        (["1", "9" * 39], "STRING"),
        (["0." + "1" * 39, "1"], "STRING"),
        (["1E+400"], "STRING"),
        (["NaN"], "STRING"),
        (["Infinity", "1"], "STRING"),
        ([None], "NUMERIC"),
    ],
)
def test_a_decimal_gets_the_narrowest_type_that_holds_every_digit(
    tmp_path: Path, values: Sequence[str | None], kind: str
) -> None:
    found, rows = staged(tmp_path, {"v": DECIMAL}, [{"v": value} for value in values])
    assert (found.types["v"], [row["v"] for row in rows]) == (kind, values)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"a": [1, 2.5, "x", null, true]}', "JSON"),
        ('{"a": 18446744073709551615}', "JSON"),
        ('{"a": 18446744073709551616}', "STRING"),
        ('{"a": 0.1}', "JSON"),
        ('{"a": 0.10000000000000000001}', "STRING"),
        ('{"a": 1.10}', "JSON"),
        ("NaN", "STRING"),
        ("no json", "STRING"),
    ],
)
def test_json_stays_a_text_where_a_number_in_it_would_be_rounded(
    tmp_path: Path, text: str, kind: str
) -> None:
    found, rows = staged(tmp_path, {"v": JSON}, [{"v": text}])
    assert (found.types["v"], rows) == (kind, [{"v": text}])


def test_nested_values_become_the_text_of_their_json(tmp_path: Path) -> None:
    found, rows = staged(tmp_path, {"v": {"data_type": "json"}}, [{"v": {"a": [1]}}])
    assert (found.types["v"], json.loads(rows[0]["v"])) == ("JSON", {"a": [1]})


def test_bytes_are_written_in_base64(tmp_path: Path) -> None:
    hint = {"data_type": "text", "x-syncline-type": "bytea"}
    found, rows = staged(tmp_path, {"v": hint}, [{"v": "\\x00ff"}])
    assert (found.types["v"], rows) == ("BYTES", [{"v": "AP8="}])


def test_a_time_without_a_zone_is_no_instant(tmp_path: Path) -> None:
    columns = {
        "at": {"data_type": "timestamp"},
        "naive": {"data_type": "timestamp", "timezone": False},
        "day": {"data_type": "date"},
    }
    found, _ = staged(tmp_path, columns, [{}])
    assert found.types == {"at": "TIMESTAMP", "naive": "DATETIME", "day": "DATE"}
