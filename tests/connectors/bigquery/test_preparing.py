"""What a staging table is loaded from: exact texts, and types found in the values."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dlt
import pytest

from shared.connectors.bigquery.preparing import Staged, hints_for_files, prepare
from shared.connectors.rejects import text_of_key


def staged(
    folder: Path,
    columns: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str] = (),
) -> tuple[Staged, list[dict[str, Any]]]:
    """Return what is staged of rows of a table with these columns."""
    schema = dlt.Schema("syncline")
    hints: Any = {name: {"name": name, **hint} for name, hint in columns.items()}
    schema.update_table({"name": "orders", "columns": hints})
    path = folder / "orders.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = prepare(schema, "orders", [path], folder, key=key)
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


def test_floating_numbers_travel_as_texts_since_json_has_no_nan(tmp_path: Path) -> None:
    hints: Any = {"v": {"data_type": "double", "nullable": True}, "note": {"data_type": "text"}}
    kept = hints_for_files(hints)
    assert kept["note"] == hints["note"]
    assert kept["v"].get("nullable") is True
    values = ["NaN", "-Infinity", "0.1", None]
    found, rows = staged(tmp_path, kept, [{"v": value} for value in values])
    assert (found.types["v"], [row["v"] for row in rows]) == ("FLOAT64", values)


@pytest.mark.parametrize(
    ("hint", "value", "text"),
    [
        (JSON, '{"oid": 1}', '{"oid": 1}'),
        ({"data_type": "json"}, {"oid": "é"}, '{"oid": "\\u00e9"}'),
    ],
)
def test_json_in_a_key_is_a_text_as_that_of_a_rejected_record_is(
    tmp_path: Path, hint: Mapping[str, Any], value: object, text: str
) -> None:
    found, rows = staged(tmp_path, {"id": hint}, [{"id": value}], key=["id"])
    assert (found.types["id"], rows) == ("STRING", [{"id": text}])
    assert text_of_key(value) == text
