"""A table of the dataset gets the columns that a load needs, or says why it cannot."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from psycopg2.errors import LockNotAvailable

from shared.connectors.dataset.columns import fit_columns
from shared.connectors.dataset.landing import Landing, LoadTable
from shared.connectors.failures import dataset_failure
from shared.errors import PermanentError, TransientError
from tests.connectors.databases import Postgres

TABLE = LoadTable("orders", ["id"], '"target"', '"staging"')


@contextmanager
def in_transaction(dataset: Postgres) -> Generator[psycopg2.extensions.connection]:
    with closing(psycopg2.connect(dataset.dsn)) as connection:
        yield connection
        connection.rollback()


def types(dataset: Postgres) -> list[tuple[str, str]]:
    return dataset.rows(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'target'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )


def test_a_table_that_is_gone_is_not_made_again_for_the_newest_rows_only(
    dataset: Postgres,
) -> None:
    dataset.execute("CREATE TABLE staging (id bigint)")
    with (
        in_transaction(dataset) as connection,
        pytest.raises(PermanentError, match="table orders is gone"),
    ):
        fit_columns(connection.cursor(), TABLE)


def fit(dataset: Postgres, table: LoadTable = TABLE) -> Landing:
    """Let the target hold what is in staging, and commit."""
    with in_transaction(dataset) as connection:
        landing = fit_columns(connection.cursor(), table)
        connection.commit()
    return landing


def test_names_of_any_kind_are_found_and_changed(dataset: Postgres) -> None:
    dataset.execute(
        'CREATE TABLE target (id bigint, "odd ""name" bigint, dropped int, "%d" date)',
        "ALTER TABLE target DROP dropped",
        'CREATE TABLE staging (id bigint, "odd ""name" numeric, "%s" bool, "%d" bool)',
    )
    landing = fit(dataset)
    assert [change.lands_in for change in landing.changes] == ['odd "name', "%s", "%d__v_bool"]
    assert types(dataset) == [
        ("id", "bigint"),
        ('odd "name', "numeric"),
        ("%d", "date"),
        ("%s", "boolean"),
        ("%d__v_bool", "boolean"),
    ]
    assert fit(dataset).columns == landing.columns


def test_columns_change_only_with_the_transaction(dataset: Postgres) -> None:
    dataset.execute(
        "CREATE TABLE target (id int, v date)", "CREATE TABLE staging (id bigint, v bool)"
    )
    with in_transaction(dataset) as connection:
        assert len(fit_columns(connection.cursor(), TABLE).changes) == 2
    assert types(dataset) == [("id", "integer"), ("v", "date")]


def test_a_variant_is_known_by_its_mark_and_not_by_its_name(dataset: Postgres) -> None:
    dataset.execute(
        "CREATE TABLE target (id bigint, v bigint, v__v_text varchar)",
        "CREATE TABLE staging (id bigint, v varchar)",
    )
    for _load in range(2):
        landing = fit(dataset)
        assert landing.columns == {"id": "id", "v": "v__v_text_2"}
        assert landing.emptied == ["v"]
    dataset.execute("ALTER TABLE target RENAME v__v_text_2 TO words")
    assert fit(dataset).columns == {"id": "id", "v": "words"}
    assert len(types(dataset)) == 4


def test_a_variant_of_the_longest_name_is_found_again(dataset: Postgres) -> None:
    name = "ø" * 31
    dataset.execute(
        f"CREATE TABLE target (id bigint, {name} bigint, {name[:-1]}a bigint)",
        f"CREATE TABLE staging (id bigint, {name} varchar, {name[:-1]}a varchar)",
    )
    landing = fit(dataset)
    assert list(landing.columns.values()) == [
        "id",
        "ø" * 27 + "__v_text",
        "ø" * 26 + "__v_text_2",
    ]
    again = fit(dataset)
    assert (again.columns, again.changes) == (landing.columns, [])


def test_a_column_that_had_to_have_a_value_need_not_have_it_beside_a_variant(
    dataset: Postgres,
) -> None:
    dataset.execute(
        "CREATE TABLE target (id bigint, v bigint NOT NULL)",
        "CREATE TABLE staging (id bigint, v varchar)",
    )
    fit(dataset)
    dataset.execute("INSERT INTO target VALUES (1, NULL, 'a')")


def test_a_variant_that_dlt_staged_is_marked_without_another_change(dataset: Postgres) -> None:
    columns = "(id bigint, v bigint, v__v_text varchar)"
    dataset.execute(f"CREATE TABLE target {columns}", f"CREATE TABLE staging {columns}")
    landing = fit(dataset, replace(TABLE, variants={"v__v_text": "v"}))
    assert (landing.changes, landing.emptied) == ([], [])
    dataset.execute("ALTER TABLE staging DROP v__v_text")
    assert fit(dataset).emptied == ["v__v_text"]


def test_columns_that_are_as_they_should_be_cost_one_query(dataset: Postgres) -> None:
    dataset.execute(
        "CREATE TABLE target (id bigint, v date)", "CREATE TABLE staging (id bigint, v bool)"
    )
    fit(dataset)
    with closing(psycopg2.connect(dataset.dsn, cursor_factory=_Counting)) as connection:
        _Counting.executed = 0
        assert fit_columns(connection.cursor(), TABLE).columns["v"] == "v__v_bool"
        assert _Counting.executed == 1


class _Counting(psycopg2.extensions.cursor):
    """A cursor that counts what all of its kind were told to do."""

    executed = 0

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 (psycopg2's name)
        _Counting.executed += 1
        super().execute(query, vars)


USES = (
    "CREATE VIEW report AS SELECT v FROM target",
    "ALTER TABLE target ADD twice bigint GENERATED ALWAYS AS (v * 2) STORED",
)


@pytest.mark.parametrize("use", USES)
def test_what_a_column_in_use_cannot_hold_lands_beside_it(dataset: Postgres, use: str) -> None:
    dataset.execute(
        "CREATE TABLE target (id bigint, v bigint, w bigint)",
        "CREATE TABLE staging (id bigint, v numeric, w numeric, x date)",
        use,
    )
    landing = fit(dataset)
    assert landing.columns == {"id": "id", "v": "v__v_decimal", "w": "w", "x": "x"}
    assert [(change.was, change.becomes, change.lands_in) for change in landing.changes] == [
        ("bigint", "numeric", "v__v_decimal"),
        ("bigint", "numeric", "w"),
        (None, "date", "x"),
    ]
    found = dict(types(dataset))
    assert (found["v"], found["v__v_decimal"], found["w"]) == ("bigint", "numeric", "numeric")
    again = fit(dataset)
    assert (again.columns, again.changes) == (landing.columns, [])


def test_a_variant_in_use_gets_another_beside_it(dataset: Postgres) -> None:
    dataset.execute(
        "CREATE TABLE target (id bigint, v date)", "CREATE TABLE staging (id bigint, v smallint)"
    )
    fit(dataset)
    dataset.execute(
        "CREATE VIEW report AS SELECT v__v_bigint FROM target",
        "ALTER TABLE staging ALTER v TYPE integer",
    )
    landing = fit(dataset)
    assert landing.columns["v"] == "v__v_bigint_2"
    assert landing.emptied == ["v", "v__v_bigint"]


@pytest.mark.parametrize("use", USES)
def test_what_uses_a_key_that_has_to_change_is_told(dataset: Postgres, use: str) -> None:
    dataset.execute(
        "CREATE TABLE target (v bigint, w bigint)",
        "CREATE TABLE staging (v numeric, w numeric)",
        use,
    )
    with in_transaction(dataset) as connection, pytest.raises(PermanentError) as refused:
        fit_columns(connection.cursor(), replace(TABLE, key=["v", "w"]))
    assert str(refused.value) == (
        "The dataset has to change orders.v from bigint to numeric to hold the source's values,"
        " and a view, rule or generated column of the dataset uses the column: drop it, let a sync"
        " run, and make it again."
    )
    assert refused.value.__context__ is None


@pytest.fixture
def table_in_use(dataset: Postgres) -> Generator[Postgres]:
    """Return a dataset with a table that has to change while somebody reads it."""
    dataset.execute("CREATE TABLE target (id bigint, v int)", "CREATE TABLE staging (v bigint)")
    with in_transaction(dataset) as reader:
        reader.cursor().execute("LOCK TABLE target IN ACCESS SHARE MODE")
        yield dataset


def test_a_change_that_takes_too_long_is_left_to_a_person(table_in_use: Postgres) -> None:
    with in_transaction(table_in_use) as connection:
        connection.cursor().execute("SET statement_timeout = '1s'")
        with pytest.raises(PermanentError, match=r"from integer to bigint .* change it by hand"):
            fit_columns(connection.cursor(), TABLE)
    assert types(table_in_use) == [("id", "bigint"), ("v", "integer")]


def test_a_change_that_readers_do_not_let_through_is_tried_again(table_in_use: Postgres) -> None:
    with in_transaction(table_in_use) as connection:
        connection.cursor().execute("SET lock_timeout = '10ms'")
        with pytest.raises(LockNotAvailable) as refused:
            fit_columns(connection.cursor(), TABLE)
    assert isinstance(dataset_failure(refused.value), TransientError)
