"""How fast pages of the API are at any depth: `python -m tests.benchmarks.pages --rows 5000000`.

Fills a database with schedules and runs of one workspace among 2,000 small ones on the server's
side, then reads pages of each list through the application as the api's login: the first, one in
the middle and the last. Prints the median and the 95th percentile of each, and returns 1 if one is
beyond its figure.
"""

import argparse
import base64
import hashlib
import logging
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, perf_counter
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from infra.local.logins import login_of, make_logins
from infra.local.postgres import start_postgres
from shared.domain.access import Role
from shared.flow.manage import create_api_key, create_workspace
from shared.store.engine import create_engine_for
from shared.store.migrate import upgrade
from shared.web.app import create_app
from shared.web.cursors import seal, to_number
from shared.wiring import Wiring
from tests.settings import make_settings

MEDIAN_MS = 30.0
P95_MS = 100.0
_SERVER = {"fsync": "off", "synchronous_commit": "off", "max_wal_size": "4GB"}

_CONNECTORS = text(
    "INSERT INTO workspace_connector (workspace_id, connector_type, name, config, health)"
    " SELECT :w, 'database', 'c' || n, '{}',"
    " CASE WHEN mod(n, 997) = 0 THEN 'unhealthy' ELSE 'healthy' END"
    " FROM generate_series(1, :schedules) AS n"
)
# The average workspace is small: a plan that is made for it would read all rows of the large one.
_SMALL = (
    text(
        "INSERT INTO workspace (slug, name)"
        " SELECT 'small-' || n, 'small' FROM generate_series(1, 2000) AS n"
    ),
    text(
        "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
        " SELECT w.id, 'database', 'c' || n, '{}' FROM workspace AS w, generate_series(1, 5) AS n"
        " WHERE w.slug LIKE 'small-%'"
    ),
)
_SCHEDULES = text(
    "INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency, preferred_time,"
    " timezone, planned_through, next_scheduled_at)"
    " SELECT workspace_id, id, name, 'daily', to_char(t, 'HH24:MI'), 'UTC', now(), t"
    " FROM (SELECT c.*,"
    " date_trunc('minute', now()) + (1 + mod(id, 1439)) * interval '1 minute' AS t"
    " FROM workspace_connector AS c ORDER BY id) AS c"
)
_HOURLY = text(
    "INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency, cron_expression,"
    " timezone, planned_through, next_scheduled_at)"
    " SELECT workspace_id, id, name, 'custom', mod(id, 60) || ' * * * *', 'Europe/Oslo',"
    " t - interval '1 hour', t FROM (SELECT c.*, n + interval '1 hour' * CAST(n <= now() AS int)"
    " AS t FROM workspace_connector AS c CROSS JOIN LATERAL (SELECT date_trunc('hour', now())"
    " + mod(c.id, 60) * interval '1 minute' AS n) AS m WHERE c.workspace_id = :w) AS c"
)
# Few connectors have most of the runs: 1 in 100 schedules is a busy one.
_RUNS = text(
    "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
    " trigger_type, idempotency_key, period_at, not_before_at, status, reason, started_at,"
    " completed_at, duration_ms, metadata, created_at)"
    " SELECT s.workspace_id, s.connector_id, s.id, 'cloud_task', 'k' || n, at, at,"
    " CASE WHEN mod(n, 50) = 0 THEN 'error' WHEN mod(n, 10) = 0 THEN 'skipped' ELSE 'success' END,"
    " CASE WHEN mod(n, 50) = 0 THEN 'source_unavailable' WHEN mod(n, 10) = 0 THEN 'overlap' END,"
    " at, at, 0, '{\"drift_ms\": 12}', at"
    " FROM (SELECT n, now() - (:rows - n) * interval '1 second' AS at,"
    " CASE WHEN mod(n, 2) = 0 THEN :first + 100 * mod(n, greatest(:schedules / 100, 1))"
    " ELSE :first + mod(n, :schedules) END AS schedule"
    " FROM generate_series(CAST(:low AS bigint), :high) AS n) AS r"
    " JOIN sync_schedule AS s ON s.id = r.schedule"
)
# After what the making of the workspace wrote. The hashes are none: a page does not verify them.
_ENTRIES = text(
    "INSERT INTO audit_log (workspace_id, seq, actor_kind, actor_id, actor_name, action,"
    " object_kind, object_id, outcome, code, after, created_at, previous_hash, hash)"
    " SELECT :w, 1000 + n, 'member', CAST(md5('a' || mod(n, 7)) AS uuid), 'a' || mod(n, 7),"
    " CASE WHEN mod(n, 3) = 0 THEN 'pause_schedule' ELSE 'change_schedule' END, 'schedule',"
    " CAST(md5('o' || mod(n, 5000)) AS uuid),"
    " CASE WHEN mod(n, 200) = 0 THEN 'refused' ELSE 'done' END,"
    " CASE WHEN mod(n, 200) = 0 THEN 'forbidden' END, '{\"name\": \"nightly\"}',"
    " now() - (:entries - n) * interval '10 seconds', sha256('x'), sha256('y')"
    " FROM generate_series(1, :entries) AS n"
)
_CHUNK = 250_000
_DEPTH = 4


def main() -> int:
    """Print the figures; return 0 if all hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    logging.disable()
    with (
        tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder,
        start_postgres(Path(folder) / "data", settings=_SERVER) as server,
    ):
        server.create_database("pages")
        owner = server.url("pages")
        upgrade(owner)
        make_logins(server)
        engine = create_engine_for(owner, is_operator=True)
        workspace_id, key = _workspace(engine, "w")
        _fill(engine, workspace_id, given.schedules, given.rows)
        client = _client(server.url("pages", login_of("api")), folder)
        reader = Reader(engine, client, workspace_id, key)
        held = [_measure(reader, *one, given.rounds) for one in reader.lists()]
        for count in (200, 500):
            busy = Reader(engine, client, *_hourly_workspace(engine, count))
            for hours in (1, 24, 168):
                name = f"{count} hourly, {hours} h"
                held.append(_measure(busy, name, busy.upcoming(hours), given.rounds))
        engine.dispose()
    return 0 if all(held) else 1


def _workspace(engine: Engine, slug: str) -> tuple[int, str]:
    workspace_id = create_workspace(engine, slug=slug, name=slug, timezone="UTC")
    return workspace_id, create_api_key(engine, workspace_id, name="bench", role=Role.ADMIN)


def _hourly_workspace(engine: Engine, count: int) -> tuple[int, str]:
    """Return a workspace, and a key to it, whose schedules come every hour at any minute."""
    workspace_id, key = _workspace(engine, f"hourly-{count}")
    with engine.begin() as connection:
        connection.execute(_CONNECTORS, {"w": workspace_id, "schedules": count})
        connection.execute(_HOURLY, {"w": workspace_id})
    return workspace_id, key


def _fill(engine: Engine, workspace_id: int, schedules: int, rows: int) -> None:
    started = monotonic()
    # Checks of foreign keys are most of the work, and what is written here keeps them.
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        values = {"w": workspace_id, "schedules": schedules}
        connection.execute(_CONNECTORS, values)
        for statement in _SMALL:
            connection.execute(statement)
        connection.execute(_SCHEDULES)
        connection.execute(_ENTRIES, {"w": workspace_id, "entries": rows // 10})
        first = connection.execute(text("SELECT min(id) FROM sync_schedule")).scalar_one()
    for low in range(1, rows + 1, _CHUNK):
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            high = min(low + _CHUNK - 1, rows)
            span = {"rows": rows, "low": low, "high": high}
            connection.execute(_RUNS, {**span, "schedules": schedules, "first": first})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM (ANALYZE)"))
    took = monotonic() - started
    print(f"{schedules:,} schedules and {rows:,} runs written in {took:.0f} s", flush=True)


def _client(url: str, folder: str) -> FlaskClient:
    key_file = Path(folder) / "master.key"
    key_file.write_text(base64.b64encode(os.urandom(32)).decode())
    settings = make_settings(SYNCLINE_DATABASE_URL=url, SYNCLINE_KEY_FILE=str(key_file))
    return create_app(Wiring(settings, service="api")).test_client()


class Reader:
    """Reads pages of the API, at depths that it takes from the database."""

    def __init__(self, engine: Engine, client: FlaskClient, workspace_id: int, key: str) -> None:
        self._engine = engine
        self._workspace_id = workspace_id
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}"}

    def seconds(self, path: str) -> float:
        """Return how long the application works on one page."""
        started = perf_counter()
        answer = self._client.get(path, headers=self._headers)
        took = perf_counter() - started
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
        return took

    def lists(self) -> Sequence[tuple[str, Sequence[str]]]:
        """Return each list with the paths of its pages: first, middle, last."""
        busy = self._one("SELECT schedule_id FROM workspace_connector_sync_log ORDER BY id DESC")
        schedule, connector = self._row(
            "SELECT s.public_id, c.public_id FROM sync_schedule AS s"
            f" JOIN workspace_connector AS c ON c.id = s.connector_id WHERE s.id = {busy}"
        )
        runs = "/api/v2/runs?limit=50"
        of_busy = f"schedule_id = {busy}"
        return (
            ("connectors", self._by_key("connectors", "list_connectors", "workspace_connector")),
            ("schedules", self._by_key("sync-schedules", "list_schedules", "sync_schedule")),
            ("runs", self._deep(runs)),
            ("runs, failed", self._deep(f"{runs}&status=error", "status = 'error'")),
            ("runs, successful", self._deep(f"{runs}&status=success", "status = 'success'")),
            ("runs, by reason", self._deep(f"{runs}&reason=overlap", "reason = 'overlap'")),
            ("runs of a connector", self._deep(f"{runs}&connector_id={connector}", of_busy)),
            (
                "its failed runs",
                self._deep(f"{runs}&connector_id={connector}&status=error", of_busy),
            ),
            (
                "history",
                self._deep(
                    f"/api/v2/sync-schedules/{schedule}/history?limit=50", of_busy, "list_history"
                ),
            ),
            ("a day of runs", self._days(runs)),
            ("audit log", self._audit()),
            ("audit log, refused", self._audit("outcome", "refused")),
            ("audit log, of who", self._audit("actor_id", _md5("a3"))),
            ("audit log, of what", self._audit("object_id", _md5("o77"))),
            ("upcoming", self.upcoming(24)),
            ("health", ["/api/v2/health"]),
        )

    def _by_key(self, name: str, operation: str, table: str) -> Sequence[str]:
        path = f"/api/v2/{name}?limit=50"
        count = self._one(f"SELECT max(id) FROM {table} WHERE workspace_id = {self._workspace_id}")
        cursors = (self._seal(operation, max(one, 1)) for one in (count // 2, count - 60))
        return [path, *(f"{path}&cursor={cursor}" for cursor in cursors)]

    def _seal(self, operation: str, *numbers: int) -> str:
        [key] = self._row(f"SELECT cursor_key FROM workspace WHERE id = {self._workspace_id}")
        return seal(key, operation, *numbers)

    def _deep(self, path: str, where: str = "true", operation: str = "list_runs") -> Sequence[str]:
        cursors = []
        for share in (0.5, 0.999):
            created_at, key = self._row(
                "SELECT created_at, id FROM workspace_connector_sync_log"
                f" WHERE {where} ORDER BY created_at DESC, id DESC"
                f" OFFSET (SELECT floor(count(*) * {share}) FROM workspace_connector_sync_log"
                f" WHERE {where}) LIMIT 1"
            )
            cursors.append(f"{path}&cursor={self._seal(operation, to_number(created_at), key)}")
        return [path, *cursors]

    def _audit(self, field: str = "object_kind", value: str = "schedule") -> Sequence[str]:
        path, cursors = f"/api/v2/audit-log?limit=50&{field}={value}", []
        wanted = f"workspace_id = {self._workspace_id} AND {field} = '{value}'"
        for share in (0.5, 0.99):
            created_at, key = self._row(
                f"SELECT created_at, seq FROM audit_log WHERE {wanted} ORDER BY seq DESC"
                f" OFFSET (SELECT floor(count(*) * {share}) FROM audit_log WHERE {wanted}) LIMIT 1"
            )
            cursor = self._seal("list_audit_log", to_number(created_at), key)
            cursors.append(f"{path}&cursor={cursor}")
        return [path, *cursors]

    def _days(self, path: str) -> Sequence[str]:
        now, paths = datetime.now(UTC), []
        for days in (1, 2, 4):
            until = now - timedelta(days=days)
            since = until - timedelta(days=1)
            paths.append(f"{path}&since={since:%Y-%m-%dT%H:%MZ}&until={until:%Y-%m-%dT%H:%MZ}")
        return paths

    def upcoming(self, hours: int) -> Sequence[str]:
        """Return the paths of up to four pages of what comes within some hours."""
        path = f"/api/v2/upcoming?hours={hours}&limit=50"
        paths = [path]
        while len(paths) < _DEPTH:
            answer = self._client.get(paths[-1], headers=self._headers)
            if (cursor := answer.json["next_cursor"]) is None:
                break
            paths.append(f"{path}&cursor={cursor}")
        return paths

    def _one(self, query: str) -> int:
        return self._row(f"{query} LIMIT 1")[0]

    def _row(self, query: str) -> Sequence[object]:
        with self._engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            return connection.execute(text(query)).one()


def _md5(text: str) -> str:
    """Return what the server makes of a text as an identifier."""
    return str(UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()))


def _measure(reader: Reader, name: str, paths: Sequence[str], rounds: int) -> bool:
    for path in paths:
        reader.seconds(path)
    # By turns, so that a machine that is busy for a while is so for all of them.
    taken = [reader.seconds(path) * 1e3 for _ in range(rounds // len(paths)) for path in paths]
    median = statistics.median(taken)
    p95 = statistics.quantiles(taken, n=20)[-1]
    is_held = median <= MEDIAN_MS and p95 <= P95_MS
    print(
        f"{name:<20} median {median:6.1f} ms (at most {MEDIAN_MS:.0f}),"
        f" p95 {p95:6.1f} ms (at most {P95_MS:.0f}){'' if is_held else '  BEYOND'}",
        flush=True,
    )
    return is_held


if __name__ == "__main__":
    sys.exit(main())
