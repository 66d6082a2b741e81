"""A position survives as JSON, and one of another table or form is not taken for one's own."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Double, Integer, LargeBinary, MetaData, Table

from shared.connectors.base import Position
from shared.connectors.database.columns import plan_column
from shared.connectors.database.config import StreamConfig
from shared.connectors.database.order import LastRow, ReadOrder, read_order
from shared.connectors.database.position import behind, identity_of, read_position
from shared.connectors.positions import finished, is_finished
from shared.errors import PermanentError

NOW = datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC)
LAST = LastRow(NOW, (7,))


def _config(**stream: Any) -> StreamConfig:
    given = {"table": "orders", "primary_key": ["id"], "cursor": "changed", **stream}
    return StreamConfig.model_validate(given)


def _order(config: StreamConfig, **types: Any) -> ReadOrder:
    kinds = {"id": Integer(), "shop": Integer(), "changed": DateTime(timezone=True), **types}
    columns = [Column(name, kind) for name, kind in kinds.items()]
    table = Table("orders", MetaData(), *columns)
    plans = [plan_column(column, "postgresql") for column in columns]
    return read_order(table, plans, config, "postgresql")


def _read(
    position: Position | None, config: StreamConfig | None = None, **types: Any
) -> LastRow | None:
    config = config or _config()
    stored = json.loads(json.dumps(position))
    return read_position(config, _order(config, **types), stored)


@pytest.mark.parametrize("last", [LAST, LastRow(None, (7,))])
def test_a_position_comes_back_as_it_was(last: LastRow) -> None:
    assert _read(behind(_config(), last)) == last


def test_without_a_position_reading_begins_at_the_watermark() -> None:
    assert _read(None) is None
    assert not is_finished(identity_of(_config()), None)


def test_a_position_behind_all_rows_with_one_value_comes_back_too() -> None:
    last = LastRow(NOW, ())
    assert _read(behind(_config(), last), id=LargeBinary()) == last


@pytest.mark.parametrize(
    "other",
    [
        {"schema": "sales"},
        {"cursor": "shop"},
        {"cursor": None},
        {"primary_key": ["shop"]},
        {"primary_key": ["shop", "id"]},
    ],
)
def test_a_position_of_a_table_that_was_configured_otherwise_is_ignored(
    other: dict[str, object],
) -> None:
    assert _read(behind(_config(), LAST), _config(**other)) is None
    assert is_finished(identity_of(_config()), finished(identity_of(_config())))
    assert not is_finished(identity_of(_config(**other)), finished(identity_of(_config())))


@pytest.mark.parametrize(
    "types",
    [{"id": DateTime()}, {"id": LargeBinary()}, {"changed": Integer()}, {"changed": Double()}],
)
def test_a_position_of_columns_that_have_other_types_now_is_ignored(types: dict[str, Any]) -> None:
    assert _read(behind(_config(), LAST), **types) is None


def test_a_position_that_names_every_row_of_a_value_is_ignored_when_the_key_tells_them_apart() -> (
    None
):
    assert _read(behind(_config(), LastRow(NOW, ()))) is None


@pytest.mark.parametrize("position", [{}, {"finished": True}, {"cursor": "changed"}])
def test_a_position_that_does_not_name_its_table_is_ignored(position: Position) -> None:
    assert _read(position) is None
    assert not is_finished(identity_of(_config()), position)


def _broken(**fields: object) -> Position:
    return {**behind(_config(), LAST), **fields}


@pytest.mark.parametrize(
    "position",
    [
        _broken(cursor_value={"type": "int"}),
        _broken(cursor_value={"type": "datetime", "value": "yesterday"}),
        _broken(cursor_value="1"),
        _broken(key_values=[{"type": "int", "value": "one"}]),
        _broken(key_values=[None]),
        _broken(key_values=None),
        {key: value for key, value in _broken().items() if key != "key_values"},
    ],
)
def test_a_position_that_cannot_be_read_says_to_start_anew(position: Position) -> None:
    with pytest.raises(PermanentError, match="orders stopped cannot be read: start it anew"):
        _read(position)


def test_what_a_row_holds_beyond_the_order_is_of_no_matter() -> None:
    order = _order(_config())
    rows: Sequence[dict[str, Any]] = [{"id": 7, "changed": NOW, "name": "n"}]
    assert order.last_row(rows[0]) == LAST


@pytest.mark.parametrize("row", [{"id": None, "changed": NOW}, {"id": "7", "changed": NOW}])
def test_a_row_whose_key_is_not_as_its_column_is_no_place_to_stop(row: dict[str, Any]) -> None:
    assert _order(_config()).last_row(row) is None
