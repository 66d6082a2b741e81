"""The turn is taken by one at a time, and what is written is written by whoever has it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from uuid import UUID

import pytest

from infra.local.bigquery.faults import Fault, FaultKind
from infra.local.bigquery.running import RunningBigQuery
from shared.connectors.bigquery.session import Session, told
from shared.connectors.bigquery.tables import sql_name
from shared.domain.run import Reason
from shared.errors import LeaseLostError, PermanentError, TransientError
from tests.connectors.bigquery.sessions import new_session
from tests.connectors.databases import DATASET, Postgres

NEXT = UUID(int=2)
STAGING = f"{DATASET}_staging"


@pytest.fixture
def session(bigquery: RunningBigQuery) -> Iterator[Session]:
    session = new_session(bigquery)
    with closing(session):
        session.take_turn()
        yield session


@pytest.fixture
def other(bigquery: RunningBigQuery) -> Iterator[Session]:
    """Return the session of another run."""
    session = new_session(bigquery, run_id=NEXT)
    with closing(session):
        yield session


def held_by(dataset: Postgres) -> list[tuple[str, int]]:
    return dataset.rows(f"SELECT run_id, fence FROM {STAGING}.syncline_turn")


def counted(session: Session) -> str:
    """Return a statement that says how many rows the turn's table has."""
    return f"SET syncline_merged = (SELECT COUNT(*) FROM {sql_name(session.turn.table)});"


def test_the_first_who_takes_the_turn_makes_it(session: Session, dataset: Postgres) -> None:
    assert held_by(dataset) == [(str(session.turn.run_id), 1)]


def test_of_many_who_begin_at_once_one_makes_the_turn(
    bigquery: RunningBigQuery, dataset: Postgres
) -> None:
    sessions = [new_session(bigquery, run_id=UUID(int=number)) for number in range(1, 4)]
    threads = [threading.Thread(target=session.take_turn) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for session in sessions:
        session.close()
    assert len(held_by(dataset)) == 1


def test_a_turn_that_is_held_is_not_taken_again(
    session: Session, bigquery: RunningBigQuery
) -> None:
    before = bigquery.jobs.names()
    session.take_turn()
    assert bigquery.jobs.names() == before


def test_the_lease_is_confirmed_before_the_turn_is_taken_and_behind_that(
    bigquery: RunningBigQuery, dataset: Postgres
) -> None:
    held: list[bool] = []
    session = new_session(
        bigquery, confirm_lease=lambda: held.append(dataset.has_table(f"{STAGING}.syncline_turn"))
    )
    with closing(session):
        session.take_turn()
    assert held == [False, True]


def test_an_earlier_worker_of_a_run_does_not_take_the_turn_of_a_later_one(
    bigquery: RunningBigQuery, dataset: Postgres
) -> None:
    with closing(new_session(bigquery, fence=2)) as later:
        later.take_turn()
        with (
            closing(new_session(bigquery, fence=1)) as earlier,
            pytest.raises(LeaseLostError, match="later worker"),
        ):
            earlier.take_turn()
    assert held_by(dataset) == [(str(later.turn.run_id), 2)]


def test_a_write_tells_what_it_counted(session: Session) -> None:
    assert session.write("count", [counted(session)])["updated"] == 1


def test_a_turn_that_somebody_took_while_the_lease_is_held_is_taken_back_once(
    session: Session, other: Session, dataset: Postgres
) -> None:
    other.take_turn()
    assert session.write("count", [counted(session)])["updated"] == 1
    assert held_by(dataset) == [(str(session.turn.run_id), 1)]


def test_a_turn_that_somebody_takes_again_and_again_is_told_as_busy(
    session: Session, bigquery: RunningBigQuery
) -> None:
    bigquery.faults.add(
        Fault(
            FaultKind.FAILED_JOB,
            "_count_",
            reason="invalidQuery",
            message="syncline_turn_lost",
            times=2,
        )
    )
    with pytest.raises(TransientError, match="still under way") as busy:
        session.write("count", [counted(session)])
    assert busy.value.code == Reason.DATASET_BUSY


def test_a_write_without_the_lease_does_nothing(
    bigquery: RunningBigQuery, dataset: Postgres
) -> None:
    asked: list[Callable[[], None]] = []

    def confirm() -> None:
        asked.append(confirm)
        if len(asked) > 2:  # once the turn is taken
            raise LeaseLostError("Another worker holds the run.")

    with closing(new_session(bigquery, confirm_lease=confirm)) as session:
        session.take_turn()
        with pytest.raises(LeaseLostError):
            session.write("count", [counted(session)])
    assert dataset.rows(f"SELECT writes FROM {STAGING}.syncline_turn") == [(0,)]


def test_a_turn_without_its_row_says_what_to_do(session: Session, dataset: Postgres) -> None:
    dataset.execute(f"DELETE FROM {STAGING}.syncline_turn")
    session.close()
    with pytest.raises(PermanentError, match=r"syncline_turn.*drop it"):
        session.take_turn()


def test_what_goes_wrong_is_told_without_what_it_says() -> None:
    with (
        pytest.raises(TransientError, match=r"^The load did not complete \(ValueError\)\.$"),
        told(),
    ):
        raise ValueError("canary")
