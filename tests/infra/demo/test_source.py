"""The rules of `infra.local.demo.source` and `infra.local.demo.feeder`."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pg8000.dbapi
import pytest

from infra.local.demo import source
from infra.local.demo.feeder import Step, advance
from infra.local.postgres import PostgresServer

_LAST_BUT_THREE = """
INSERT INTO flight
SELECT flight_id, now(), 'flown', scheduled_departure_at, scheduled_arrival_local, carrier,
    flight_number, tail_number, origin, destination, distance_miles, departure_delay_minutes,
    arrival_delay_minutes, air_time_minutes
FROM flight_archive
WHERE flight_id BETWEEN 843 AND (SELECT max(flight_id) - 3 FROM flight_archive)
"""


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer) -> Iterator[str]:
    postgres_server.create_database("filled_source")
    source.fill(postgres_server.port, "filled_source")
    yield "filled_source"
    postgres_server.drop_database("filled_source")


@pytest.fixture
def port(postgres_server: PostgresServer, filled: str) -> Iterator[int]:
    postgres_server.create_database(source.DATABASE, template=filled)
    yield postgres_server.port
    postgres_server.drop_database(source.DATABASE)


@pytest.fixture
def connection(port: int) -> Iterator[pg8000.dbapi.Connection]:
    with source.connect(port) as connection:
        yield connection


def _value(connection: pg8000.dbapi.Connection, query: str) -> Any:
    cursor = connection.cursor()
    cursor.execute(query)
    value = cursor.fetchall()[0][0]
    connection.commit()
    return value


def test_every_flight_and_airport_of_the_packages_is_loaded_once(
    port: int, connection: pg8000.dbapi.Connection
) -> None:
    assert _value(connection, "SELECT count(DISTINCT flight_id) FROM flight_archive") == 336_776
    assert _value(connection, "SELECT count(*) FROM flight") == source.FIRST_FLIGHTS
    assert _value(connection, "SELECT timezone FROM airport WHERE iata = 'OSL'") == "Europe/Oslo"
    assert source.fill(port) is False


def test_flights_are_numbered_in_chronological_order(connection: pg8000.dbapi.Connection) -> None:
    disorder = """
    SELECT count(*) FROM (
        SELECT scheduled_departure_at < lag(scheduled_departure_at) OVER (ORDER BY flight_id)
        FROM flight_archive
    ) AS pair (is_back) WHERE is_back
    """
    assert _value(connection, disorder) == 0


def test_a_step_adds_flights_and_changes_earlier_ones(connection: pg8000.dbapi.Connection) -> None:
    before = _value(connection, "SELECT max(updated_at) FROM flight")

    assert advance(connection, 5) == Step(scheduled=5, settled=10)

    changed = "SELECT count(*) FROM flight WHERE updated_at > '{}'"
    assert _value(connection, changed.format(before)) == 15
    assert _value(connection, "SELECT max(flight_id) FROM flight") == source.FIRST_FLIGHTS + 5


def test_the_end_of_the_year_is_reached_quietly_and_completely(
    port: int, connection: pg8000.dbapi.Connection
) -> None:
    _value(connection, f"{_LAST_BUT_THREE} RETURNING 1")
    done = subprocess.run(
        [sys.executable, "-m", "infra.local.demo.feeder", "--port", str(port), "--seconds", "0"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.endswith("the year is over: every flight of 2013 is in\n")
    assert _value(connection, "SELECT count(*) FROM flight") == 336_776
    assert _value(connection, "SELECT count(*) FROM flight WHERE status = 'scheduled'") == 0
    assert advance(connection) == Step(0, 0)
