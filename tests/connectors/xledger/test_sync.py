"""Nodes of Xledger land exactly, once, and slice by slice."""

from decimal import Decimal
from typing import Any

import pytest

from shared.connectors.base import always_has_time
from shared.errors import LeaseLostError, PermanentError
from tests.connectors.databases import DATASET, Postgres, counts
from tests.connectors.xledger.readings import XledgerShop, projects, stream, xledger
from tests.connectors.xledger.server import Fault, GraphQlServer, refuses, says


def shop(server: GraphQlServer, dataset: Postgres, *streams: Any, **settings: Any) -> XledgerShop:
    return XledgerShop(xledger(server, *streams, **settings), dataset)


def types(dataset: Postgres, table: str = "projects") -> dict[str, str]:
    found = dataset.rows(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid ="
        f" '{DATASET}.{table}'::regclass AND attnum > 0 AND attname NOT LIKE '\\_dlt%'"
    )
    return dict(found)


def test_a_sync_brings_what_is_new_and_changed(server: GraphQlServer, dataset: Postgres) -> None:
    server.projects = projects(5)
    one = shop(server, dataset, stream(cursor={"look_back_seconds": 0}))
    assert counts(one.sync()) == (5, 5, 0)
    server.projects[0] |= {"code": "new", "modifiedAt": "2024-02-01T00:00:00"}
    assert counts(one.sync()) == (2, 0, 1)
    assert one.loaded("db_id, code")[0] == (1, "new")
    assert counts(one.sync()) == (1, 0, 0)


def test_a_run_in_slices_brings_every_node_once(server: GraphQlServer, dataset: Postgres) -> None:
    server.projects = projects(8)
    one = shop(server, dataset, stream(cursor={}))
    results = one.sync_in_slices()
    assert [result.records_created for result in results] == [3, 3, 2]
    assert [len(result.watermarks) for result in results] == [0, 0, 1]
    assert [row[0] for row in one.loaded("db_id, code")] == list(range(1, 9))


def test_fields_of_objects_have_columns_and_lists_land_as_json(
    server: GraphQlServer, dataset: Postgres
) -> None:
    lines = [{"text": "a", "amount": "1.10"}, {"text": "b", "amount": None}]
    server.projects = [
        {"dbId": 1, "mainProject": {"dbId": 7, "mainProject": {"code": "top"}}, "lines": lines},
        {"dbId": 2, "mainProject": None, "lines": [], "tags": ["x"]},
    ]
    fields = ["dbId", "mainProject.dbId", "mainProject.mainProject.code", "tags"]
    fields += ["lines.text", "lines.amount"]
    one = shop(server, dataset, stream(fields=fields))
    one.sync()
    names = "db_id, main_project_db_id, main_project_main_project_code, tags, lines"
    assert one.loaded(names) == [(1, 7, "top", None, lines), (2, None, None, ["x"], [])]


def test_numbers_that_are_sent_as_texts_land_to_the_last_digit(
    server: GraphQlServer, dataset: Postgres
) -> None:
    amounts = ["101.00", "-0.123456789012345678901", "12345678901234567890", "7", None]
    server.projects = [
        {"dbId": str(number), "amount": amount, "code": "0042"}
        for number, amount in enumerate(amounts)
    ]
    fields = ["dbId", "amount", "code"]
    one = shop(server, dataset, stream(fields=fields, numbers=["dbId", "amount"]))
    one.sync()
    assert [row[1] for row in one.loaded("db_id, amount")] == [
        amount and Decimal(amount) for amount in amounts
    ]
    assert types(dataset) == {"db_id": "bigint", "amount": "numeric", "code": "character varying"}


def test_a_text_that_is_no_number_keeps_its_digits(
    server: GraphQlServer, dataset: Postgres
) -> None:
    server.projects = [{"dbId": 1, "amount": "1,000.00"}, {"dbId": 2, "amount": "0012.50"}]
    one = shop(server, dataset, stream(fields=["dbId", "amount"], numbers=["amount"]))
    one.sync()
    assert one.loaded("db_id, amount")[0] == (1, "1,000.00")


def test_json_numbers_land_to_the_last_digit(server: GraphQlServer, dataset: Postgres) -> None:
    edge = b'{"cursor": "c1", "node": {"dbId": 1, "hours": 0.1234567890123456789, "count": 10}}'
    body = b'{"data": {"projects": {"edges": [%s], "pageInfo": {"hasNextPage": false}}}}' % edge
    server.faults = [says(200, body)]
    one = shop(server, dataset, stream(fields=["dbId", "hours", "count"]))
    one.sync()
    assert one.loaded("db_id, hours, count") == [(1, Decimal("0.1234567890123456789"), 10)]


def test_a_node_that_is_null_or_has_no_key_is_rejected_and_the_others_land(
    server: GraphQlServer, dataset: Postgres
) -> None:
    nodes = [{"dbId": 1, "code": "a"}, None, {"dbId": None}, {"dbId": 2, "code": "x\0y"}]
    edges = [{"cursor": str(at), "node": node} for at, node in enumerate(nodes)]
    body = {"data": {"projects": {"edges": edges, "pageInfo": {"hasNextPage": False}}}}
    server.faults = [says(200, body)]
    one = shop(server, dataset, stream(fields=["dbId", "code"]))
    result = one.sync()
    assert (result.records_created, result.records_failed) == (1, 3)
    assert result.metadata["rejected"] == {
        "projects": {"not_an_object": 1, "key_missing": 1, "nul_character": 1}
    }


def test_a_full_refresh_takes_away_what_xledger_has_no_more(
    server: GraphQlServer, dataset: Postgres
) -> None:
    server.projects = projects(8)
    one = shop(server, dataset, stream(sync_mode="full_refresh"))
    one.sync_in_slices()
    server.projects = server.projects[2:]
    one.sync_in_slices()
    assert [row[0] for row in one.loaded("db_id, code")] == list(range(3, 9))


def test_a_full_refresh_that_gets_no_connection_takes_nothing_away(
    server: GraphQlServer, dataset: Postgres
) -> None:
    server.projects = projects(2)
    one = shop(server, dataset, stream(sync_mode="full_refresh"))
    one.sync()
    server.faults = [says(200, {"data": {"projects": None}})]
    with pytest.raises(PermanentError, match="has no edges and no pageInfo"):
        one.sync()
    assert len(one.loaded("db_id, code")) == 2


def test_what_was_read_before_an_error_is_loaded_and_the_run_goes_on_there(
    server: GraphQlServer, dataset: Postgres
) -> None:
    server.projects = projects(8)
    server.faults = [None, refuses(code="INTERNAL_SERVER_ERROR")]
    one = shop(server, dataset)
    result = one.sync()
    assert [failure.error.code for failure in result.failures] == ["source_unavailable"]
    assert result.records_created == 3
    one.sync()
    assert server.variables("after") == [None, "c3", "c3", "c6"]
    assert len(one.loaded("db_id, code")) == 8


def test_a_circle_of_pages_ends_the_run_with_nothing_to_go_on_from(
    server: GraphQlServer, dataset: Postgres
) -> None:
    def page(number: int, cursor: str) -> Fault:
        edges = [{"cursor": cursor, "node": {"dbId": number}}]
        body = {"data": {"projects": {"edges": edges, "pageInfo": {"hasNextPage": True}}}}
        return says(200, body)

    server.faults = [page(1, "a"), page(2, "b"), page(3, "a")]
    with pytest.raises(PermanentError, match="does not come to an end") as failed:
        shop(server, dataset, stream(fields=["dbId"])).sync()
    assert failed.value.code == "cursor_stuck"
    assert not dataset.has_table(f"{DATASET}.projects")


def test_a_stream_that_a_slice_has_finished_is_not_read_again_by_the_next(
    server: GraphQlServer, dataset: Postgres
) -> None:
    server.projects, server.accounts = projects(8), [{"id": "a"}]
    accounts = stream(name="accounts", fields=["id"], primary_key=["id"])
    results = shop(server, dataset, accounts, stream()).sync_in_slices()
    assert [result.failures for result in results] == [()] * len(results)
    asked = ["accounts" in one.query for one in server.asked]
    assert (asked.count(True), asked.count(False)) == (1, 3)


def test_a_stream_that_fails_does_not_stop_the_others(
    server: GraphQlServer, dataset: Postgres
) -> None:
    server.projects = projects(2)
    wrong = stream(name="wrong", connection="projects", fields=["dbId", "cod"])
    result = shop(server, dataset, wrong, stream()).sync()
    assert result.records_created == 2
    assert [(one.stream, one.error.fault) for one in result.failures] == [("wrong", "schema")]


def test_a_page_of_many_nodes_is_handed_over_in_parts(
    server: GraphQlServer, dataset: Postgres
) -> None:
    server.projects = [{"dbId": number} for number in range(5_001)]
    one = shop(server, dataset, stream(fields=["dbId"], page_size=10_000))
    assert counts(one.sync()) == (5_001, 5_001, 0)


def test_a_lease_that_is_lost_ends_the_sync_and_nothing_is_loaded(
    server: GraphQlServer, dataset: Postgres
) -> None:
    def lose() -> bool:
        raise LeaseLostError("Another worker holds the run.")

    server.projects = projects(8)
    with pytest.raises(LeaseLostError):
        shop(server, dataset).sync(has_time=lose)
    assert len(server.asked) == 1
    assert not dataset.has_table(f"{DATASET}.projects")


def test_a_slice_ends_when_it_has_kept_enough_aside(
    server: GraphQlServer, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.connectors.json_http import spool  # noqa: PLC0415 (dlt is slow to import)

    monkeypatch.setattr(spool, "_MOST_BYTES", 10)
    server.projects = projects(8)
    results = shop(server, dataset).sync_in_slices(has_time=always_has_time)
    assert [result.records_created for result in results] == [3, 3, 2]
