"""A tick, a task and a real connector: from a source's rows to the dataset's."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, text

from infra.local.postgres import PostgresServer
from shared.domain.dataset import dataset_name
from shared.flow.attempt import AttemptResult, Workshop, attempt_run
from shared.flow.tick import run_tick
from tests.factories import at, make_connector, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import call_of
from tests.loopback import LOOPBACK


@pytest.fixture
def source(postgres_server: PostgresServer) -> Iterator[tuple[Engine, str]]:
    name = f"source_{uuid4().hex}"
    postgres_server.create_database(name)
    engine = create_engine(postgres_server.url(name))
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE flight (flight_id bigint PRIMARY KEY, origin text,"
                " updated_at timestamptz NOT NULL)"
            )
        )
    yield engine, postgres_server.libpq_url(name)
    engine.dispose()
    postgres_server.drop_database(name)


def write(source: Engine, statement: str) -> None:
    with source.begin() as connection:
        connection.execute(text(statement))


def test_two_scheduled_runs_bring_the_dataset_to_the_state_of_the_source(
    engine: Engine,
    paused: PausedQueue,
    source: tuple[Engine, str],
    postgres_server: PostgresServer,
    database_url: str,
) -> None:
    source_engine, source_url = source
    tenant = make_tenant(engine)
    config = {
        "url": source_url,
        "streams": [{"table": "flight", "cursor": "updated_at", "primary_key": ["flight_id"]}],
    }
    connector = make_connector(engine, tenant, config=config)
    schedule = make_schedule(
        engine, tenant, connector=connector["public_id"], from_instant=at("02:00")
    )
    datasets = postgres_server.libpq_url(database_url.rsplit("/", 1)[1])
    workshop = Workshop(engine, paused.queue, None, datasets, timedelta(seconds=90), guard=LOOPBACK)
    write(source_engine, "INSERT INTO flight SELECT n, 'EWR', now() FROM generate_series(1, 5) n")
    run_tick(
        engine,
        paused.queue,
        look_ahead=timedelta(seconds=120),
        budget=timedelta(seconds=45),
        now=at("02:00:30"),
    )
    first, second = runs_of(engine, schedule["id"])

    assert attempt_run(workshop, call_of(first), now=at("02:01")) is AttemptResult.RECORDED
    write(source_engine, "UPDATE flight SET origin = 'JFK', updated_at = now() WHERE flight_id = 2")
    write(source_engine, "INSERT INTO flight VALUES (6, 'LGA', now())")
    assert attempt_run(workshop, call_of(second), now=at("02:02")) is AttemptResult.RECORDED

    first, second = runs_of(engine, schedule["id"])
    assert (first["records_processed"], first["records_created"]) == (5, 5)
    assert (second["records_created"], second["records_updated"]) == (1, 1)
    query = "SELECT flight_id, origin, updated_at FROM {} ORDER BY flight_id"
    with source_engine.connect() as connection:
        there = connection.execute(text(query.format("flight"))).all()
    with engine.connect() as connection:
        table = f"{dataset_name(connector['public_id'])}.flight"
        here = connection.execute(text(query.format(table))).all()
    assert here == there
