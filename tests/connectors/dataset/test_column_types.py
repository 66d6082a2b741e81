"""A column is left, widened or given up so that no value changes on its way into it."""

from decimal import Decimal
from itertools import product

import pytest

from shared.connectors.dataset.column_types import kind_of, needed_type
from tests.connectors.databases import Postgres

NAIVE, AWARE = "timestamp without time zone", "timestamp with time zone"
CLOCK, VARYING = "time without time zone", "character varying"
STAGED = (
    "bigint",
    "numeric",
    "numeric(10,2)",
    "double precision",
    "boolean",
    "date",
    NAIVE,
    AWARE,
    CLOCK,
    VARYING,
    "jsonb",
    "bytea",
)
"""What a load stages."""


@pytest.mark.parametrize("kind", [*STAGED, "public.mood", "integer[]", "character(5)"])
def test_a_column_takes_its_own_type_as_it_is(kind: str) -> None:
    assert needed_type(kind, kind) == kind


@pytest.mark.parametrize(
    ("held", "staged"),
    [
        ("bigint", "integer"),
        ("bigint", "smallint"),
        ("bigint", "numeric(18,0)"),
        ("integer", "numeric(9,0)"),
        ("bigint", "numeric(3,-2)"),
        ("numeric", "bigint"),
        ("numeric", "numeric(10,2)"),
        ("numeric(19,0)", "bigint"),
        ("numeric(21,2)", "bigint"),
        ("numeric(12,4)", "numeric(10,4)"),
        ("numeric(12,4)", "numeric(10,2)"),
        ("double precision", "real"),
        ("double precision", "integer"),
        ("text", VARYING),
        (VARYING, "text"),
        (VARYING, "character varying(5)"),
        (VARYING, "bigint"),
        (VARYING, "numeric(10,2)"),
        (VARYING, "boolean"),
        (VARYING, "jsonb"),
        ("text", CLOCK),
        (NAIVE, "timestamp(3) without time zone"),
    ],
)
def test_a_column_that_holds_every_value_is_left_alone(held: str, staged: str) -> None:
    assert needed_type(held, staged) == held


@pytest.mark.parametrize(
    ("held", "staged", "needed"),
    [
        ("smallint", "integer", "integer"),
        ("integer", "bigint", "bigint"),
        ("bigint", "numeric", "numeric"),
        ("bigint", "numeric(19,0)", "numeric(19,0)"),
        ("bigint", "numeric(20,0)", "numeric(20,0)"),
        ("bigint", "numeric(10,2)", "numeric(21,2)"),
        ("smallint", "numeric(5,0)", "numeric(5,0)"),
        ("numeric(10,2)", "bigint", "numeric(21,2)"),
        ("numeric(10,2)", "numeric(10,4)", "numeric(12,4)"),
        ("numeric(10,4)", "numeric(10,2)", "numeric(12,4)"),
        ("numeric(10,2)", "numeric(30,2)", "numeric(30,2)"),
        ("numeric(10,2)", "numeric", "numeric"),
        ("numeric(3,5)", "numeric(3,-2)", "numeric(10,5)"),
        ("numeric(1000,0)", "numeric(1000,1000)", "numeric"),
        ("real", "double precision", "double precision"),
        ("character varying(5)", VARYING, VARYING),
        ("character varying(5)", "character varying(9)", VARYING),
        ("timestamp(0) without time zone", NAIVE, NAIVE),
        ("timestamp(0) with time zone", AWARE, AWARE),
        ("time(0) without time zone", CLOCK, CLOCK),
    ],
)
def test_a_column_is_widened_to_hold_the_old_values_and_the_new(
    held: str, staged: str, needed: str
) -> None:
    assert needed_type(held, staged) == needed


@pytest.mark.parametrize(
    ("held", "staged"),
    [
        ("bigint", "double precision"),
        ("double precision", "bigint"),
        ("double precision", "numeric"),
        ("numeric", "double precision"),
        ("bigint", VARYING),
        ("boolean", "bigint"),
        ("bigint", "boolean"),
        ("date", NAIVE),
        ("date", AWARE),
        (NAIVE, "date"),
        (AWARE, "date"),
        (NAIVE, AWARE),
        (AWARE, NAIVE),
        (CLOCK, NAIVE),
        ("jsonb", VARYING),
        ("bytea", VARYING),
        (VARYING, "date"),
        (VARYING, AWARE),
        (VARYING, "double precision"),
        (VARYING, "bytea"),
        ("character(5)", "character(9)"),
        ("character(5)", VARYING),
        ("public.mood", VARYING),
        ("integer[]", "bigint"),
    ],
)
def test_a_column_that_would_change_a_value_has_no_type_to_go_on_with(
    held: str, staged: str
) -> None:
    assert needed_type(held, staged) is None


def test_a_widened_column_takes_both_types_as_it_is() -> None:
    kinds = [*STAGED, "smallint", "integer", "real", "numeric(20,0)", "numeric(10,4)"]
    for held, staged in product(kinds, kinds):
        needed = needed_type(held, staged)
        if needed is not None:
            assert needed_type(needed, staged) == needed_type(needed, held) == needed


@pytest.mark.parametrize(
    ("held", "old"),
    [
        ("smallint", "-32768"),
        ("bigint", "-9223372036854775808"),
        ("numeric(10,2)", "99999999.99"),
        ("numeric(3,-2)", "-99900"),
        ("numeric(3,5)", "0.00999"),
        ("numeric", "123456789012345678901234567890.123456789"),
    ],
)
@pytest.mark.parametrize(
    ("staged", "new"),
    [
        ("bigint", "9223372036854775807"),
        ("numeric(18,0)", "999999999999999999"),
        ("numeric(20,0)", "18446744073709551615"),
        ("numeric(10,4)", "-999999.9999"),
        ("numeric(3,-2)", "99900"),
        ("numeric", "0.1234567890123456789012345678901234567890"),
    ],
)
def test_the_extremes_of_both_types_stay_what_they_are_in_a_real_column(
    dataset: Postgres, held: str, old: str, staged: str, new: str
) -> None:
    needed = needed_type(held, staged)
    dataset.execute(
        f"CREATE TABLE target (v {held})",
        f"CREATE TABLE staging (v {staged})",
        f"INSERT INTO target VALUES ({old})",
        f"INSERT INTO staging VALUES ({new})",
        f"ALTER TABLE target ALTER v TYPE {needed}",
        "INSERT INTO target SELECT v FROM staging",
    )
    landed = {Decimal(value) for (value,) in dataset.rows("SELECT v::text FROM target")}
    assert landed == {Decimal(old), Decimal(new)}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("numeric(10,2)", "decimal"),
        ("character varying(5)", "text"),
        ("timestamp(3) without time zone", "timestamp"),
        ("date", "date"),
        ("uuid", "uuid"),
        ("integer[]", "integer_"),
        ("public.mood", "public_mood"),
    ],
)
def test_a_type_has_a_short_name_for_names(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_what_a_load_stages_is_named_as_dlt_names_it() -> None:
    from dlt.destinations.impl.postgres.factory import (  # noqa: PLC0415 (dlt is slow to import)
        PostgresTypeMapper,
    )

    named = PostgresTypeMapper.dbt_to_sct
    assert {name: kind_of(name) for name in STAGED if name in named} == {
        name: named[name] for name in STAGED if name in named
    }
