"""Records are where the record path says, and numbers are read to the last digit."""

from decimal import Decimal
from typing import Any

import pytest
from simplejson import JSONDecodeError

from shared.connectors.api.record_paths import records_of
from shared.connectors.api.stream_config import StreamConfig
from shared.connectors.json_http.answers import read_json, write_json
from shared.errors import PermanentError
from tests.connectors.api.readings import stream

A, B = {"id": 1}, {"id": 2}


def found(path: str | None, body: Any) -> list[Any]:
    return records_of(StreamConfig.model_validate(stream(record_path=path)), body)


@pytest.mark.parametrize(
    ("path", "body", "records"),
    [
        (None, [A, B], [A, B]),
        (None, None, []),
        ("$", A, [A]),
        ("$", [A, B], [A, B]),
        ("data", {"data": [A]}, [A]),
        ("data", {"data": A}, [A]),
        ("data", {"data": None}, []),
        ("result.items", {"result": {"items": [A, B]}}, [A, B]),
        ("'@graph'", {"@graph": [A]}, [A]),
        ("data[*]", {"data": [A, B]}, [A, B]),
        ("data[*]", {"data": []}, []),
        ("groups[*].items", {"groups": [{"items": [A]}, {"items": [B]}, {}]}, [A, B]),
        ("data[*].node", {"data": [{"node": A}, {"node": None}]}, [A]),
        ("data", {"data": [A, "x"]}, [A, "x"]),
    ],
)
def test_records_are_where_the_path_says(path: str | None, body: Any, records: list[Any]) -> None:
    assert found(path, body) == records


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        (None, A, "say in record_path where its records are"),
        ("data", {"error": "canary"}, "nothing at data: correct record_path"),
        ("data", [A], "nothing at data: correct record_path"),
        ("data", "canary", "nothing at data: correct record_path"),
        ("data", {"data": "canary"}, "records at data that are no objects"),
        (None, [1, 2], "records at the top of its answer that are no objects"),
    ],
)
def test_a_path_that_leads_to_no_records_is_a_sentence(
    path: str | None, body: Any, sentence: str
) -> None:
    with pytest.raises(PermanentError, match=sentence) as failed:
        found(path, body)
    assert failed.value.fault == "schema"
    assert "canary" not in str(failed.value)


@pytest.mark.parametrize(
    "number", ["0.1", "0.10", "1e400", "1E+5", "-0.0", "9223372036854775808", "7", "9" * 5_000]
)
def test_numbers_are_read_and_written_to_the_last_digit(number: str) -> None:
    value = read_json(f"[{number}]")[0]
    assert Decimal(value) == Decimal(number)
    assert read_json(write_json([value])) == [value]


@pytest.mark.parametrize("text", ["[NaN]", "[Infinity]", "[1", "", "[01]", '["a]'])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(JSONDecodeError):
        read_json(text)
