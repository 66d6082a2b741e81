"""First loads let their reader read what they make, and keep no other workspace waiting."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.errors import LockNotAvailable
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)

from shared.connectors.base import SyncRequest
from shared.connectors.dataset.readers import grant_schema, let_in, make_reader, revoke_reader
from shared.crash_points import CrashPoint, arm
from tests.connectors.databases import DATASET, Postgres
from tests.connectors.records import Records

READER = "reader_of_the_shop"
OTHER = "reader_of_another"


@dataclass(slots=True)
class ReadRecords(Records):
    """Records whose workspace has a reader."""

    def request(self) -> SyncRequest:
        return replace(Records.request(self), reader=READER)


@pytest.fixture
def readers(dataset: Postgres) -> Iterator[None]:
    """Let both roles be there, and the one of the shop log in."""
    for role in (READER, OTHER):
        make_reader(dataset.dsn, role)
    let_in(dataset.dsn, READER, "secret")
    dataset.execute("CREATE SCHEMA dataset_of_another")
    yield
    for role in (READER, OTHER):
        revoke_reader(dataset.dsn, role)


@pytest.fixture
def disarmed() -> Iterator[None]:
    """Let no crash point stay armed."""
    yield
    arm(None)


def _count(dataset: Postgres, table: str) -> Any:
    with (
        closing(psycopg2.connect(dataset.dsn, user=READER, password="secret")) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT count(*) FROM {DATASET}.{table}")
        return cursor.fetchall()[0][0]


def _at_once(dataset: Postgres, act: Callable[[Cursor], None]) -> bool:
    """Do something without waiting for anybody; return whether that was possible."""
    with closing(psycopg2.connect(dataset.dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
        with suppress(LockNotAvailable):
            act(cursor)
            return True
    return False


def _grant_another(cursor: Cursor) -> None:
    grant_schema(cursor, OTHER, "dataset_of_another")


def _grant_the_same(cursor: Cursor) -> None:
    grant_schema(cursor, READER, "dataset_of_another")


@pytest.mark.usefixtures("readers")
def test_a_first_load_keeps_no_other_workspace_waiting_even_before_it_commits(
    dataset: Postgres,
) -> None:
    went_on: list[bool] = []

    def confirm() -> None:
        went_on.append(_at_once(dataset, _grant_another))
        make_reader(dataset.dsn, OTHER)

    ReadRecords(dataset).load({"id": 1}, confirm_lease=confirm)
    assert went_on == [True, True]  # when the turn has come, and before the commit


@pytest.mark.usefixtures("readers", "disarmed")
def test_a_first_load_holds_the_rights_of_its_own_reader_only_at_its_very_end(
    dataset: Postgres,
) -> None:
    went_on: list[bool] = []

    def staged(point: CrashPoint) -> None:
        if point is CrashPoint.STAGED:
            went_on.append(_at_once(dataset, _grant_the_same))

    def confirm() -> None:
        went_on.append(_at_once(dataset, _grant_the_same))

    arm(staged)
    ReadRecords(dataset).load({"id": 1}, confirm_lease=confirm)
    assert went_on == [True, True, False]
    assert _count(dataset, "orders") == 1


@pytest.mark.usefixtures("readers")
def test_a_load_into_a_schema_that_is_there_holds_no_rights_and_its_new_table_is_read(
    dataset: Postgres,
) -> None:
    ReadRecords(dataset).load({"id": 1})
    went_on: list[bool] = []

    def confirm() -> None:
        went_on.append(_at_once(dataset, _grant_the_same))

    ReadRecords(dataset, stream="crew").load({"id": 1}, {"id": 2}, confirm_lease=confirm)
    assert went_on == [True, True]
    assert _count(dataset, "crew") == 2


@pytest.mark.usefixtures("readers")
def test_a_schema_that_begins_with_rejects_is_the_readers_with_all_that_comes(
    dataset: Postgres,
) -> None:
    ReadRecords(dataset).load({"name": "without a key"})
    assert _count(dataset, "syncline_rejects") == 1
    ReadRecords(dataset).load({"id": 1})
    assert _count(dataset, "orders") == 1


def test_a_reader_is_made_while_the_first_load_of_another_workspace_goes_on(
    dataset: Postgres,
) -> None:
    roles = [f"reader_{uuid4().hex}" for _ in range(2)]
    with closing(psycopg2.connect(dataset.dsn)) as load, load.cursor() as cursor:
        make_reader(dataset.dsn, roles[0])
        dataset.execute("CREATE SCHEMA dataset_new")
        grant_schema(cursor, roles[0], "dataset_new")  # and its transaction goes on
        make_reader(dataset.dsn, roles[1])
    for role in roles:
        revoke_reader(dataset.dsn, role)
