"""Records of an API land exactly, once, and are told apart by their keys."""

from decimal import Decimal
from typing import Any

import pytest

from shared.connectors.base import always_has_time
from shared.errors import LeaseLostError
from tests.connectors.api.readings import PAGINATIONS, SINCE, api, stream
from tests.connectors.api.server import RestServer, says
from tests.connectors.api.shop import ApiShop
from tests.connectors.databases import DATASET, Postgres, counts, never_has_time


def shop(server: RestServer, dataset: Postgres, *streams: Any, **settings: Any) -> ApiShop:
    return ApiShop(api(server, *streams, **settings), dataset)


def types(dataset: Postgres, table: str = "orders") -> dict[str, str]:
    found = dataset.rows(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid ="
        f" '{DATASET}.{table}'::regclass AND attnum > 0 AND attname NOT LIKE '\\_dlt%'"
    )
    return dict(found)


def raw(text: str) -> Any:
    return says(200, text.encode())


def test_a_sync_brings_what_is_new_and_changed(server: RestServer, dataset: Postgres) -> None:
    server.records = [
        {"id": 1, "changed": "2024-01-01T00:00:00Z", "name": "a"},
        {"id": 2, "changed": "2024-01-02T00:00:00Z", "name": "b"},
    ]
    one = shop(server, dataset, stream(cursor=SINCE))
    assert counts(one.sync()) == (2, 2, 0)
    server.records[0] |= {"changed": "2024-01-03T00:00:00Z", "name": "c"}
    assert counts(one.sync()) == (2, 0, 1)
    assert one.loaded("id, name") == [(1, "c"), (2, "b")]
    assert counts(one.sync()) == (1, 0, 0)


@pytest.mark.parametrize("path", [path for path in PAGINATIONS if path != "/plain"])
def test_a_run_in_slices_brings_every_record_once(
    server: RestServer, dataset: Postgres, path: str
) -> None:
    server.records = [{"id": number, "name": f"n{number}"} for number in range(1, 9)]
    one = shop(server, dataset, stream(path))
    results = one.sync_in_slices(has_time=never_has_time)
    assert sum(result.records_created for result in results) == 8
    assert [row[0] for row in one.loaded("id, name")] == list(range(1, 9))


def test_numbers_land_to_the_last_digit(server: RestServer, dataset: Postgres) -> None:
    server.always["/wrapped"] = raw(
        '{"data": [{"id": 1, "whole": 7, "price": 10, "large": 9223372036854775808,'
        ' "nested": {"a": 0.10, "b": [1e400, 12345678901234567890.123]}},'
        ' {"id": 2, "whole": -9223372036854775808, "price": 0.1234567890123456789, "large": 1,'
        ' "huge": 1e400, "nested": []}]}'
    )
    one = shop(server, dataset)
    one.sync()
    assert one.loaded("id, whole, price, large, huge") == [
        (1, 7, Decimal(10), Decimal(2**63), None),
        (2, -(2**63), Decimal("0.1234567890123456789"), Decimal(1), Decimal("1e400")),
    ]
    (nested,) = dataset.rows(f"SELECT nested::text FROM {DATASET}.orders WHERE id = 1")
    assert nested == (f'{{"a": 0.10, "b": [1{"0" * 400}, 12345678901234567890.123]}}',)
    assert types(dataset) == {
        "id": "bigint",
        "whole": "bigint",
        "price": "numeric",
        "large": "numeric",
        "huge": "numeric",
        "nested": "jsonb",
    }


def test_texts_stay_as_they_are_written(server: RestServer, dataset: Postgres) -> None:
    texts = ["007", "2024-01-01T00:00:00.123456789+02:00", "true", "0.10", "2024-01-01", "æ€𝄞"]
    server.records = [{"id": number, "text": text} for number, text in enumerate(texts)]
    one = shop(server, dataset)
    one.sync()
    assert [row[1] for row in one.loaded("id, text")] == texts
    assert types(dataset)["text"] == "character varying"


def test_a_field_of_many_kinds_lands_as_text(server: RestServer, dataset: Postgres) -> None:
    server.always["/pages"] = says(200, {"data": []})
    server.faults["/pages"] = [
        raw('{"data": [{"id": 1, "mixed": 7}, {"id": "02", "mixed": 1.50}]}'),
        raw('{"data": [{"id": "c", "mixed": "x"}, {"id": 4, "mixed": true}]}'),
        raw('{"data": [{"id": 5, "mixed": [1.0]}]}'),
    ]
    one = shop(server, dataset, stream("/pages"))
    one.sync()
    assert one.loaded("id, mixed") == [
        ("02", "1.50"),
        ("1", "7"),
        ("4", "true"),
        ("5", "[1.0]"),
        ("c", "x"),
    ]


def test_a_field_that_becomes_null_is_null_in_the_dataset(
    server: RestServer, dataset: Postgres
) -> None:
    server.records = [{"id": 1, "count": 7, "text": "a", "price": 0.5, "tags": ["a"]}]
    one = shop(server, dataset)
    one.sync()
    server.records = [{"id": 1, "count": None, "text": None, "price": None, "tags": None}]
    assert counts(one.sync()) == (1, 0, 1)
    assert one.loaded("count, text, price, tags") == [(None, None, None, None)]
    assert len(types(dataset)) == 5


def test_a_number_with_a_point_widens_a_column_of_whole_numbers(
    server: RestServer, dataset: Postgres
) -> None:
    server.records = [{"id": 1, "price": 10}]
    one = shop(server, dataset)
    one.sync()
    server.records = [{"id": 1, "price": 10.5}]
    one.sync()
    assert one.loaded("id, price") == [(1, Decimal("10.5"))]
    assert types(dataset) == {"id": "bigint", "price": "numeric"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"id": null}', "key_missing"),
        ('"text"', "not_an_object"),
        ('{"id": 9, "text": "a\\u0000b"}', "nul_character"),
        ('{"id": 9, "text": "\\ud800"}', "invalid_unicode"),
        ('{"id": 9, "nested": {"a": "\\u0000"}}', "nul_character"),
        ('{"id": 9, "nested": ["\\udfff"]}', "invalid_unicode"),
        ('{"id": 9, "Text": "a", "text": "b"}', "names_clash"),
    ],
)
def test_a_record_that_cannot_be_loaded_is_rejected_and_the_others_land(
    server: RestServer, dataset: Postgres, bad: str, reason: str
) -> None:
    server.always["/wrapped"] = raw(f'{{"data": [{{"id": 1, "text": "x"}}, {bad}, {{"id": 2}}]}}')
    one = shop(server, dataset)
    result = one.sync()
    assert (result.records_created, result.records_failed) == (2, 1)
    assert result.metadata["rejected"] == {"orders": {reason: 1}}
    assert one.loaded("id, text") == [(1, "x"), (2, None)]


def test_ids_that_come_twice_are_merged_and_the_newest_wins(
    server: RestServer, dataset: Postgres
) -> None:
    server.records = [
        {"id": 1, "changed": "2024-01-02T00:00:00Z", "name": "new"},
        {"id": 2, "changed": "2024-01-01T00:00:00Z", "name": "other"},
        {"id": 3, "changed": "2024-01-01T00:00:00Z", "name": "third"},
        {"id": 1, "changed": "2024-01-01T00:00:00Z", "name": "old"},
    ]
    one = shop(server, dataset, stream("/offset", cursor=SINCE))
    assert counts(one.sync()) == (4, 3, 0)
    assert one.loaded("id, name") == [(1, "new"), (2, "other"), (3, "third")]


def test_rows_that_move_while_they_are_paged_are_all_there(
    server: RestServer, dataset: Postgres
) -> None:
    server.records = [{"id": number} for number in range(1, 10)]

    def change() -> None:
        server.records[:] = [{"id": 100 + len(server.records)}, *server.records]

    server.after_page = change
    one = shop(server, dataset, stream("/cursor"))
    one.sync()
    assert {row[0] for row in one.loaded("id, id")} >= set(range(1, 10))


def test_a_full_refresh_takes_away_what_the_source_has_no_more(
    server: RestServer, dataset: Postgres
) -> None:
    server.records = [{"id": number} for number in range(1, 9)]
    one = shop(server, dataset, stream("/cursor", sync_mode="full_refresh"))
    one.sync_in_slices()
    server.records = server.records[2:]
    one.sync_in_slices()
    assert [row[0] for row in one.loaded("id, id")] == list(range(3, 9))


def test_without_a_full_refresh_nothing_is_taken_away(
    server: RestServer, dataset: Postgres
) -> None:
    server.records = [{"id": 1}, {"id": 2}]
    one = shop(server, dataset)
    one.sync()
    server.records = [{"id": 2}]
    one.sync()
    assert one.loaded("id, id") == [(1, 1), (2, 2)]


def test_only_the_selected_columns_land(server: RestServer, dataset: Postgres) -> None:
    server.records = [{"id": 1, "name": "a", "secret": "b", "changed": "2024-01-01T00:00:00Z"}]
    one = shop(server, dataset, stream(columns=["id", "name"], cursor=SINCE))
    one.sync()
    assert set(types(dataset)) == {"id", "name"}
    assert one.watermarks["orders"].value["value"] == "2024-01-01T00:00:00+00:00"


def test_what_was_read_before_a_source_broke_is_loaded_and_the_run_goes_on_there(
    server: RestServer, dataset: Postgres
) -> None:
    server.records = [{"id": number} for number in range(1, 9)]
    one = shop(server, dataset, stream("/cursor"))

    def break_later() -> None:
        server.faults["/cursor"] = [says(500)] * 4
        server.after_page = lambda: None

    server.after_page = break_later
    result = one.sync()
    assert [failure.error.code for failure in result.failures] == ["source_unavailable"]
    assert result.records_created == 3
    one.sync()
    assert [row[0] for row in one.loaded("id, id")] == list(range(1, 9))


def test_a_stream_that_fails_does_not_stop_the_others(
    server: RestServer, dataset: Postgres
) -> None:
    server.records = [{"id": 1}]
    server.always["/pages"] = says(404)
    streams = [stream("/pages", name="missing"), stream()]
    result = shop(server, dataset, *streams).sync()
    assert result.records_created == 1
    assert [(one.stream, one.error.fault) for one in result.failures] == [("missing", "not_found")]


def test_a_page_of_many_records_is_handed_over_in_parts(
    server: RestServer, dataset: Postgres
) -> None:
    server.records = [{"id": number} for number in range(12_001)]
    one = shop(server, dataset)
    assert counts(one.sync()) == (12_001, 12_001, 0)


def test_a_lease_that_is_lost_ends_the_sync_and_nothing_is_loaded(
    server: RestServer, dataset: Postgres
) -> None:
    def lose() -> bool:
        raise LeaseLostError("Another worker holds the run.")

    server.records = [{"id": number} for number in range(1, 9)]
    with pytest.raises(LeaseLostError):
        shop(server, dataset, stream("/cursor")).sync(has_time=lose)
    assert len(server.asked) == 1
    assert not dataset.has_table(f"{DATASET}.orders")


def test_a_slice_ends_when_it_has_kept_enough_aside(
    server: RestServer, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.connectors.json_http import spool  # noqa: PLC0415 (dlt is slow to import)

    monkeypatch.setattr(spool, "_MOST_BYTES", 10)
    server.records = [{"id": number} for number in range(1, 9)]
    one = shop(server, dataset, stream("/cursor"))
    results = one.sync_in_slices(has_time=always_has_time)
    assert [result.records_created for result in results] == [3, 3, 2]
