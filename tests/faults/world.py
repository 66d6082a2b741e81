"""A world for faults: a database of the product, sources that grow, and datasets that tell."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)
from sqlalchemy import Engine

from infra.local.postgres import HOST, SUPERUSER, PostgresServer
from shared.domain.access import Principal
from shared.domain.dataset import dataset_name
from shared.domain.run import TRANSITIONS
from shared.store.engine import create_engine_for

if TYPE_CHECKING:
    from tests.factories import Tenant

CADENCE = timedelta(hours=1)
"""Between two periods of a schedule: long, so that a test plans what lies behind it and no more."""
SIBLINGS = 4
"""How many records share one value of the cursor."""

_PLAIN = "sslmode=disable&gssencmode=disable"  # a connection is made for each of many processes
_SCHEMA = (Path(__file__).parent / "world.sql").read_text(encoding="utf-8")
_GROW = """
WITH newest AS (
    SELECT coalesce(max(record_id), 0) AS record_id, coalesce(max(changed), 1) AS changed
    FROM fault_source.record WHERE connector = %(connector)s
), changed_again AS (
    UPDATE fault_source.record AS r SET changed = newest.changed + %(step)s
    FROM newest WHERE r.connector = %(connector)s AND r.record_id = ANY (%(again)s)
)
INSERT INTO fault_source.record (connector, record_id, changed, is_spoilt)
SELECT
    %(connector)s,
    newest.record_id + n,
    newest.changed + %(step)s + n / %(siblings)s,
    (newest.record_id + n) %% %(spoilt)s = 0
FROM newest, generate_series(1, %(records)s) AS n
"""
_LOSE = "DELETE FROM fault_source.record WHERE connector = %s AND record_id = ANY (%s)"
_SPOILT = 9
"""Every ninth record, where some are."""
_NEVER = 1_000_000_000
_RESERVED = 0xF026
"""dlt marks values with this character: a text that begins with it lands in no dataset."""
_LOOK_AT_DLT = (
    "CREATE OR REPLACE VIEW fault_dataset.landed AS"
    " SELECT connector, record_id, changed, content FROM fault_dataset.landed_by_dlt()"
)


@dataclass(frozen=True, slots=True)
class World:
    """Where everything is. It is values only, so that it can be handed to other processes."""

    database_url: str
    """SQLAlchemy URL of the product's database."""
    dataset_url: str
    """libpq URL of the same database: sources and datasets have schemas of their own in it."""
    folder: Path
    """For the queue, and for what processes leave behind."""
    connectors: tuple[UUID, ...]
    schedules: tuple[UUID, ...]
    """Of each connector."""
    owners: tuple[Principal, ...]
    """Of each connector."""
    is_whole: bool = False
    """Every run brings everything: the sources lose records, and some cannot be loaded."""

    @property
    def queue_file(self) -> Path:
        """The file of `TableQueue`."""
        return self.folder / "queue"

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query, on a connection of its own."""
        with closing(open_world(self.dataset_url)) as connection, connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall()


def make_world(
    server: PostgresServer,
    database: str,
    folder: Path,
    *,
    workspaces: int = 2,
    connectors: int = 4,
    periods: int = 3,
    max_concurrent_syncs: int = 8,
    records: int = 40,
    is_whole: bool = False,
) -> World:
    """Fill a migrated, empty database; `connectors` is in all, `records` of each.

    Only the database connector can sync a world that `is_whole`. Each connector has a schedule
    whose last `periods` periods were missed and will all be run.
    """
    # It brings grpc, with which a process is slow to fork; whoever gets a world does without.
    from tests.factories import make_tenant  # noqa: PLC0415

    url, dataset_url = server.url(database), f"{server.libpq_url(database)}?{_PLAIN}"
    with closing(open_world(dataset_url)) as connection:
        _execute(connection, _SCHEMA, _legal_transitions())
    engine = create_engine_for(url)
    mark = _start_of_hour() - periods * CADENCE
    place = f"{server.port}/{database}"
    try:
        owners = [
            make_tenant(engine, max_concurrent_syncs=max_concurrent_syncs)
            for _ in range(workspaces)
        ]
        made = [
            _make_connector(engine, owners[number % workspaces], place, mark, is_whole=is_whole)
            for number in range(connectors)
        ]
    finally:
        engine.dispose()
    with closing(open_world(dataset_url)) as connection:
        _execute(connection, _EXPECTED, parameters=(mark,))
        for each in made:
            _make_source(connection, each.connector, each.view, records, is_whole=is_whole)
    return World(
        database_url=url,
        dataset_url=dataset_url,
        folder=folder,
        connectors=tuple(each.connector for each in made),
        schedules=tuple(each.schedule for each in made),
        owners=tuple(each.owner for each in made),
        is_whole=is_whole,
    )


def use_datasets_of_dlt(world: World) -> None:
    """Let the invariants look at the datasets that the real connectors load."""
    with closing(open_world(world.dataset_url)) as connection:
        _execute(connection, _LOOK_AT_DLT)


def open_world(dataset_url: str) -> Connection:
    """Open a connection on which each statement is its own transaction."""
    connection = psycopg2.connect(dataset_url, connect_timeout=10)
    connection.autocommit = True
    return connection


def grow(
    connection: Connection,
    connector: UUID,
    *,
    records: int,
    step: int = 1,
    again: Sequence[int] = (),
    spoils: bool = False,
) -> None:
    """Let time pass in a source: new records, and `again` changed once more, in one transaction.

    With `step` 0 the first new ones get the cursor value of the newest: they are its late siblings.
    A value below one that was seen never comes, as little as in a source that Syncline promises
    to read completely; so only one process at a time may grow a source.
    """
    with connection.cursor() as cursor:
        values = {"records": records, "step": step, "again": list(again), "siblings": SIBLINGS}
        spoilt = _SPOILT if spoils else _NEVER
        cursor.execute(_GROW, {"connector": str(connector), "spoilt": spoilt, **values})


def lose(connection: Connection, connector: UUID, records: Sequence[int]) -> None:
    """Let a source lose records, as far as it has them."""
    with connection.cursor() as cursor:
        cursor.execute(_LOSE, (str(connector), list(records)))


_EXPECTED = "INSERT INTO fault_log.expected (schedule_id, mark) SELECT id, %s FROM sync_schedule"


@dataclass(frozen=True, slots=True)
class _Made:
    connector: UUID
    schedule: UUID
    owner: Principal
    view: str


def _make_connector(
    engine: Engine, tenant: "Tenant", address: str, mark: datetime, *, is_whole: bool
) -> _Made:
    from tests.factories import make_connector, make_schedule  # noqa: PLC0415 (as above)

    view = f"r_{uuid4().hex}"
    config = {
        "url": f"postgresql://{SUPERUSER}@{HOST}:{address}",
        "streams": [
            {
                "schema": "fault_source",
                "table": view,
                "primary_key": ["record_id"],
                **({"sync_mode": "full_refresh"} if is_whole else {"cursor": "changed"}),
            }
        ],
    }
    connector = make_connector(engine, tenant, config=config)["public_id"]
    schedule = make_schedule(
        engine,
        tenant,
        from_instant=mark,
        connector=connector,
        cron_expression="0 * * * *",
        missed_run_policy="run_all",
        overlap_policy="queue_one",
        catch_up_window_seconds=31_536_000,
    )
    return _Made(connector, schedule["public_id"], tenant.principal, view)


def _make_source(
    connection: Connection, connector: UUID, view: str, records: int, *, is_whole: bool
) -> None:
    place = f"{dataset_name(connector)}.{view}"
    _execute(
        connection,
        f"CREATE VIEW fault_source.{view} AS SELECT record_id, changed,"
        f" CASE WHEN is_spoilt THEN chr({_RESERVED}) ELSE '' END || content AS content"
        f" FROM fault_source.record WHERE connector = '{connector}'",
        f"INSERT INTO fault_dataset.place VALUES ('{connector}', '{place}')",
    )
    grow(connection, connector, records=records, spoils=is_whole)


def _legal_transitions() -> str:
    legal = ", ".join(
        f"('{before}', '{after}')" for before, targets in TRANSITIONS.items() for after in targets
    )
    return f"INSERT INTO fault_log.legal VALUES {legal}"


def _start_of_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def _execute(
    connection: Connection, *statements: str, parameters: Sequence[object] | None = None
) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, parameters)
