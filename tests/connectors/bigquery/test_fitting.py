"""A table is made, given columns and widened, so that a load lands in it exactly."""

from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest
from google.cloud.bigquery import SchemaField

from infra.local.bigquery.faults import Fault, FaultKind
from infra.local.bigquery.running import RunningBigQuery
from shared.connectors.bigquery.fitting import Fitted, fit_columns
from shared.connectors.bigquery.session import Session
from shared.connectors.dataset.landing import LoadTable
from shared.errors import PermanentError
from tests.connectors.bigquery.sessions import new_session
from tests.connectors.databases import DATASET

TABLE = LoadTable("orders", ["id"], "`orders`", "`staging`")


@pytest.fixture
def session(bigquery: RunningBigQuery) -> Iterator[Session]:
    session = new_session(bigquery)
    with closing(session):
        session.take_turn()
        yield session


def fit(
    session: Session,
    staged: Mapping[str, str],
    table: LoadTable = TABLE,
    *,
    is_continued: bool = False,
) -> Fitted:
    reference = session.place.target(table.name)
    return fit_columns(session, reference, table, staged, is_continued=is_continued)


def make(session: Session, **kinds: str) -> None:
    fields = [SchemaField(name, kind) for name, kind in kinds.items()]
    session.tables.make(session.place.target("orders"), fields)


def kinds(bigquery: RunningBigQuery) -> dict[str, str]:
    fields = bigquery.store.table(DATASET, "orders")["schema"]["fields"]
    return {field["name"]: field["type"] for field in fields}


def test_a_table_is_made_with_the_columns_of_the_load(
    session: Session, bigquery: RunningBigQuery
) -> None:
    fitted = fit(session, {"id": "INT64", "ratio": "FLOAT64"})
    assert kinds(bigquery) == {"id": "INTEGER", "ratio": "FLOAT"}
    assert fitted.types == {"id": "INT64", "ratio": "FLOAT64"}
    assert fitted.landing.changes == []


@pytest.mark.parametrize(
    ("key", "clustered"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "b", "c", "d", "e"], ["a", "b", "c", "d"]),
        (["a", "f"], ["a"]),
        (["f"], None),
    ],
)
def test_a_table_is_clustered_by_the_parts_of_its_key_that_bigquery_can(
    session: Session, bigquery: RunningBigQuery, key: list[str], clustered: list[str] | None
) -> None:
    staged = {**dict.fromkeys("abcde", "INT64"), "f": "FLOAT64"}
    fit(session, staged, LoadTable("orders", key, "`orders`", "`staging`"))
    clustering = bigquery.store.table(DATASET, "orders").get("clustering", {})
    assert clustering.get("fields") == clustered


def test_a_table_that_is_gone_is_not_made_again_for_a_load_that_goes_on(
    session: Session, bigquery: RunningBigQuery
) -> None:
    with pytest.raises(PermanentError, match="orders is gone"):
        fit(session, {"id": "INT64"}, is_continued=True)
    assert bigquery.store.tables(DATASET) == []


def test_a_new_column_is_added_and_a_number_that_needs_it_is_widened(
    session: Session, bigquery: RunningBigQuery
) -> None:
    make(session, id="INT64", stock="INT64")
    fitted = fit(session, {"id": "INT64", "stock": "NUMERIC", "note": "STRING"})
    assert kinds(bigquery) == {"id": "INTEGER", "stock": "NUMERIC", "note": "STRING"}
    assert fitted.types == {"id": "INT64", "stock": "NUMERIC", "note": "STRING"}


def test_what_a_column_cannot_hold_lands_beside_it(
    session: Session, bigquery: RunningBigQuery
) -> None:
    make(session, id="INT64", stock="INT64")
    fitted = fit(session, {"id": "INT64", "stock": "STRING"})
    assert fitted.landing.columns["stock"] == "stock__v_text"
    assert kinds(bigquery)["stock__v_text"] == "STRING"


def test_a_column_that_bigquery_does_not_widen_keeps_its_type(
    session: Session, bigquery: RunningBigQuery
) -> None:
    make(session, id="INT64", stock="INT64")
    bigquery.faults.add(Fault(FaultKind.FAILED_JOB, "_widen_", reason="invalidQuery"))
    fitted = fit(session, {"id": "INT64", "stock": "NUMERIC"})
    assert fitted.landing.columns["stock"] == "stock__v_decimal"
    assert fitted.types["stock"] == "INT64"


def test_a_key_that_bigquery_does_not_widen_says_what_to_do(
    session: Session, bigquery: RunningBigQuery
) -> None:
    make(session, id="INT64")
    bigquery.faults.add(Fault(FaultKind.FAILED_JOB, "_widen_", reason="invalidQuery"))
    with pytest.raises(PermanentError, match=r"orders\.id from INT64 to NUMERIC.*by hand"):
        fit(session, {"id": "NUMERIC"})


@pytest.mark.parametrize("name", ["_TABLE_x", "_partitiontime", "_File_1", "_ROW_TIMESTAMP"])
def test_a_name_that_bigquery_keeps_for_itself_is_refused(session: Session, name: str) -> None:
    with pytest.raises(PermanentError, match=f"{name}, which BigQuery keeps for itself"):
        fit(session, {"id": "INT64", name: "STRING"})
