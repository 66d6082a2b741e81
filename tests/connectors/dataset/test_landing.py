"""Staged columns land where every value stays what it is, and each value in one place only."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from shared.connectors.dataset.landing import (
    ColumnChange,
    HeldColumn,
    Landing,
    LoadTable,
    plan_landing,
    variant_name,
)
from shared.errors import PermanentError

TABLE = LoadTable("orders", ["id"], '"target"', '"staging"')
MIXED = replace(TABLE, variants={"v__v_text": "v"})
VARYING = "character varying"
NAIVE, AWARE = "timestamp without time zone", "timestamp with time zone"


def held(marks: Mapping[str, str] | None = None, /, **kinds: str) -> dict[str, HeldColumn]:
    """Return columns of these types beside the key, marked as variants of the columns named."""
    named = {"id": "bigint"} | kinds
    return {name: HeldColumn(kind, (marks or {}).get(name)) for name, kind in named.items()}


def staged(**kinds: str) -> dict[str, str]:
    return {"id": "bigint"} | kinds


def beside(was: str | None, becomes: str, lands_in: str, column: str = "v") -> ColumnChange:
    return ColumnChange(column, was, becomes, lands_in, is_new=True)


def widened(was: str, becomes: str, lands_in: str = "v") -> ColumnChange:
    return ColumnChange("v", was, becomes, lands_in, is_new=False)


def test_equal_columns_land_in_each_other() -> None:
    landing = plan_landing(TABLE, held(v="numeric(10,2)"), staged(v="numeric(10,2)"))
    assert landing == Landing({"id": "id", "v": "v"}, [], [], {})


def test_columns_that_only_the_dataset_has_are_left_alone() -> None:
    columns = held({"w__v_text": "w"}, mine="text", w="bigint", w__v_text="text")
    assert plan_landing(TABLE, columns, staged()) == Landing({"id": "id"}, [], [], {})


def test_a_column_that_is_gone_is_made_and_one_that_is_too_narrow_is_widened() -> None:
    landing = plan_landing(TABLE, held(v="bigint"), staged(v="numeric", new="date"))
    assert landing.columns == {"id": "id", "v": "v", "new": "new"}
    assert landing.changes == [widened("bigint", "numeric"), beside(None, "date", "new", "new")]
    assert (landing.emptied, landing.marks) == ([], {})


@pytest.mark.parametrize(
    ("was", "becomes", "lands_in"),
    [
        ("bigint", VARYING, "v__v_text"),
        ("bigint", "double precision", "v__v_double"),
        ("jsonb", "numeric(5,2)", "v__v_decimal"),
        ("bytea", "jsonb", "v__v_json"),
        ("boolean", "bytea", "v__v_binary"),
        (AWARE, "time without time zone", "v__v_time"),
        ("date", AWARE, "v__v_timestamp"),
        ("date", "uuid", "v__v_uuid"),
    ],
)
def test_a_type_that_the_column_cannot_take_lands_beside_it(
    was: str, becomes: str, lands_in: str
) -> None:
    landing = plan_landing(TABLE, held(v=was), staged(v=becomes))
    assert landing.columns["v"] == lands_in
    assert landing.emptied == ["v"]
    assert landing.changes == [beside(was, becomes, lands_in)]
    assert landing.marks == {lands_in: "v"}


def test_values_go_home_again_with_their_old_type_and_the_variants_are_emptied() -> None:
    columns = held({"a": "v", "b": "v"}, v="bigint", a=VARYING, b="double precision")
    landing = plan_landing(TABLE, columns, staged(v="integer"))
    assert landing == Landing({"id": "id", "v": "v"}, ["a", "b"], [], {})


def test_a_variant_is_used_again_whatever_it_is_named() -> None:
    columns = held({"renamed": "v", "other": "v"}, v="bigint", other="bytea", renamed=VARYING)
    landing = plan_landing(TABLE, columns, staged(v=VARYING))
    assert landing == Landing({"id": "id", "v": "renamed"}, ["v", "other"], [], {})


def test_a_variant_is_widened_as_any_column() -> None:
    columns = held({"v__v_decimal": "v"}, v="date", v__v_decimal="numeric(5,2)")
    landing = plan_landing(TABLE, columns, staged(v="numeric"))
    assert landing.columns["v"] == "v__v_decimal"
    assert landing.changes == [widened("numeric(5,2)", "numeric", "v__v_decimal")]


def test_a_variant_takes_no_values_of_another_kind_than_its_own() -> None:
    columns = held({"v__v_text": "v"}, v="date", v__v_text=VARYING)
    landing = plan_landing(TABLE, columns, staged(v="bigint"))
    assert landing.columns["v"] == "v__v_bigint"
    assert landing.emptied == ["v", "v__v_text"]


def test_a_variant_of_the_kind_that_would_change_values_gets_another_beside_it() -> None:
    columns = held({"v__v_timestamp": "v"}, v="date", v__v_timestamp=NAIVE)
    landing = plan_landing(TABLE, columns, staged(v=AWARE))
    assert landing.columns["v"] == "v__v_timestamp_2"
    assert landing.changes == [beside("date", AWARE, "v__v_timestamp_2")]
    assert landing.emptied == ["v", "v__v_timestamp"]


def test_a_column_without_a_mark_is_no_variant_for_its_name() -> None:
    columns = held(v="bigint", v__v_text=VARYING)
    landing = plan_landing(TABLE, columns, staged(v=VARYING, v__v_text=VARYING))
    assert landing.columns == {"id": "id", "v": "v__v_text_2", "v__v_text": "v__v_text"}
    assert (landing.emptied, landing.marks) == (["v"], {"v__v_text_2": "v"})


def test_a_variant_takes_no_name_that_a_staged_column_needs() -> None:
    landing = plan_landing(TABLE, held(v="bigint"), staged(v=VARYING, v__v_text="date"))
    assert landing.columns == {"id": "id", "v": "v__v_text_2", "v__v_text": "v__v_text"}


def test_a_source_column_whose_name_a_variant_has_lands_beside_that() -> None:
    columns = held({"v__v_text": "v"}, v="bigint", v__v_text=VARYING)
    landing = plan_landing(TABLE, columns, staged(v=VARYING, v__v_text=VARYING))
    assert landing.columns == {"id": "id", "v": "v__v_text", "v__v_text": "v__v_text__v_text"}
    assert landing.changes == [beside(None, VARYING, "v__v_text__v_text", "v__v_text")]
    assert landing.emptied == ["v"]


def test_values_stay_in_their_variant_when_a_person_drops_the_old_column() -> None:
    columns = held({"v__v_text": "v"}, v__v_text=VARYING)
    landing = plan_landing(TABLE, columns, staged(v=VARYING))
    assert landing == Landing({"id": "id", "v": "v__v_text"}, [], [], {})


def test_a_variant_that_a_person_gave_the_name_of_its_source_is_its_home() -> None:
    landing = plan_landing(TABLE, held({"v": "v"}, v=VARYING), staged(v="bigint"))
    assert landing == Landing({"id": "id", "v": "v"}, [], [], {})


def test_a_column_in_use_is_not_widened_and_what_it_cannot_hold_lands_beside_it() -> None:
    landing = plan_landing(TABLE, held(v="bigint"), staged(v="numeric"), in_use={"v"})
    assert landing.changes == [beside("bigint", "numeric", "v__v_decimal")]
    assert landing.emptied == ["v"]


def test_a_home_is_not_widened_once_there_is_a_variant_of_the_kind() -> None:
    columns = held({"v__v_decimal": "v"}, v="bigint", v__v_decimal="numeric(5,2)")
    landing = plan_landing(TABLE, columns, staged(v="numeric(9,2)"))
    assert landing.changes == [widened("numeric(5,2)", "numeric(9,2)", "v__v_decimal")]
    in_use = plan_landing(TABLE, columns, staged(v="numeric(9,2)"), in_use={"v", "v__v_decimal"})
    assert in_use.changes == [beside("bigint", "numeric(9,2)", "v__v_decimal_2")]


def test_what_dlt_staged_as_a_variant_is_marked_in_a_table_that_dlt_made() -> None:
    landing = plan_landing(
        MIXED, held(v="bigint", v__v_text=VARYING), staged(v="bigint", v__v_text=VARYING)
    )
    assert landing.columns == {"id": "id", "v": "v", "v__v_text": "v__v_text"}
    assert (landing.emptied, landing.changes) == ([], [])
    assert landing.marks == {"v__v_text": "v"}


def test_what_dlt_staged_as_a_variant_gets_a_column_with_a_mark() -> None:
    landing = plan_landing(MIXED, held(v="bigint"), staged(v="bigint", v__v_text=VARYING))
    assert landing.changes == [beside("bigint", VARYING, "v__v_text")]
    assert landing.marks == {"v__v_text": "v"}


def test_of_mixed_values_those_of_the_old_type_go_home() -> None:
    landing = plan_landing(MIXED, held(v=VARYING), staged(v="bigint", v__v_text=VARYING))
    assert landing.columns == {"id": "id", "v": "v__v_bigint", "v__v_text": "v"}
    assert landing.emptied == []


def test_mixed_values_of_types_that_are_both_new_land_in_two_variants() -> None:
    landing = plan_landing(MIXED, held(v="date"), staged(v="bigint", v__v_text=VARYING))
    assert landing.columns == {"id": "id", "v": "v__v_bigint", "v__v_text": "v__v_text"}
    assert (landing.emptied, landing.marks) == (
        ["v"],
        {"v__v_bigint": "v", "v__v_text": "v"},
    )


def test_two_variants_of_one_kind_get_two_names() -> None:
    table = replace(TABLE, variants={"v__v_wei": "v"})
    columns = held({"v__v_wei": "v"}, v="date", v__v_wei="text")
    landing = plan_landing(table, columns, staged(v="numeric(5,2)", v__v_wei="numeric(78,0)"))
    assert landing.columns == {"id": "id", "v": "v__v_decimal", "v__v_wei": "v__v_decimal_2"}


def test_a_key_that_cannot_be_held_wants_a_new_connector() -> None:
    with pytest.raises(PermanentError) as refused:
        plan_landing(TABLE, held(), {"id": VARYING})
    assert refused.value.code == "configuration"
    assert str(refused.value) == (
        "The dataset cannot hold every value exactly: orders.id is bigint there, and arrives as"
        " character varying. It is in the primary key: load everything again with a new connector."
    )


def test_a_key_is_widened_where_that_is_exact() -> None:
    landing = plan_landing(TABLE, held(), {"id": "numeric"})
    assert landing.changes == [ColumnChange("id", "bigint", "numeric", "id", is_new=False)]


@pytest.mark.parametrize("columns", [{"v": HeldColumn("date")}, held({"id": "other"})])
def test_a_key_that_is_gone_is_not_made_again_for_the_newest_rows_only(
    columns: dict[str, HeldColumn],
) -> None:
    with pytest.raises(PermanentError, match="has no id, which is in the primary key"):
        plan_landing(TABLE, columns, staged(v="date"))


@pytest.mark.parametrize(
    ("source", "taken", "name"),
    [
        ("amount", (), "amount__v_text"),
        ("amount", ("amount__v_text",), "amount__v_text_2"),
        ("amount", ("amount__v_text", "amount__v_text_2"), "amount__v_text_3"),
        ("a" * 63, (), "a" * 55 + "__v_text"),
        ("a" * 63, ("a" * 55 + "__v_text",), "a" * 53 + "__v_text_2"),
        ("ø" * 31, (), "ø" * 27 + "__v_text"),
    ],
)
def test_a_variant_gets_the_first_free_name_that_is_not_too_long(
    source: str, taken: tuple[str, ...], name: str
) -> None:
    assert variant_name(source, "text", taken) == name
    assert len(name.encode()) <= 63
