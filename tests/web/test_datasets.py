"""Where the records of a connector are, and the login that reads them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from sqlalchemy import Engine, make_url, text

from shared.connectors.dataset.address import DatasetPlace
from shared.domain.dataset import dataset_name
from shared.errors import TransientError
from shared.flow import datasets as datasets_flow
from shared.flow.gate import Gate
from shared.web import datasets as datasets_routes
from shared.web.app import create_app
from shared.wiring import Wiring
from tests.factories import Tenant, end_workspace
from tests.web.conftest import Caller


@pytest.fixture
def dataset_url(database_url: str) -> str:
    return make_url(database_url).set(drivername="postgresql").render_as_string(False)


@pytest.fixture
def alice(alice: Caller, wiring: Wiring, dataset_url: str) -> Iterator[Caller]:
    """Return Alice in a deployment whose datasets are in a database of this machine."""
    home = Wiring(replace(wiring.settings, dataset_url=dataset_url), service="api")
    yield replace(alice, client=create_app(home).test_client())
    home.close()


@pytest.fixture
def schema(alice: Caller, engine: Engine) -> Iterator[str]:
    """Return the schema of a connector of Alice's, with two tables and a rejected record."""
    name = dataset_name(UUID(alice.new_connector()))
    with engine.begin() as connection:
        for statement in (
            f"CREATE SCHEMA {name}",
            f"CREATE TABLE {name}.flight AS SELECT n AS id FROM generate_series(1, 7) n",
            f"CREATE TABLE {name}.crew (id int)",
            f"CREATE TABLE {name}.syncline_rejects AS SELECT 1 AS n",
            f"CREATE TABLE {name}._dlt_loads (load_id text)",
        ):
            connection.execute(text(statement))
    yield name
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))


def _path(schema: str) -> str:
    return f"/api/v2/connectors/{UUID(schema.removeprefix('dataset_'))}/dataset"


def test_a_dataset_says_where_it_is_and_what_it_holds(
    alice: Caller, engine: Engine, schema: str
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO connector_stream (connector_id, stream, workspace_id, status, run_id,"
                " dataset_table, synced_at) SELECT id, 'Flight', workspace_id, 'success', NULL,"
                " 'flight', '2026-03-01T08:00:00Z' FROM workspace_connector"
            )
        )
    shown = alice.get(_path(schema)).json
    assert (shown["kind"], shown["schema"]) == ("postgresql", schema)
    assert shown["host"] == "127.0.0.1"
    assert shown["port"] > 0
    assert [(one["name"], one["rows"], one["stream"]) for one in shown["tables"]] == [
        ("crew", 0, None),
        ("flight", 7, "Flight"),
    ]
    crew, flight = shown["tables"]
    assert (crew["synced_at"], flight["synced_at"]) == (None, "2026-03-01T08:00:00Z")
    assert (flight["rows_are_estimated"], flight["size_bytes"] > 0) == (False, True)
    assert shown["streams"][0]["status"] == "success"
    assert shown["rejected_records"] == 1


def test_a_connector_that_was_never_synced_has_an_empty_dataset(alice: Caller) -> None:
    answer = alice.get(f"/api/v2/connectors/{alice.new_connector()}/dataset")
    assert (answer.status_code, answer.json["tables"]) == (200, [])


def test_a_database_that_cannot_be_reached_is_told(wiring: Wiring, alice: Caller) -> None:
    connector = alice.new_connector()
    nowhere = replace(wiring.settings, dataset_url="postgresql://nobody@127.0.0.1:1/none")
    away = Wiring(nowhere, service="api")
    caller = replace(alice, client=create_app(away).test_client())
    answer = caller.get(f"/api/v2/connectors/{connector}/dataset")
    away.close()
    assert (answer.status_code, answer.json["code"]) == (503, "dataset_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "fault" not in answer.json or answer.json["fault"] is None


@pytest.fixture
def reader(alice: Caller, schema: str, engine: Engine) -> Iterator[dict]:
    """Return the login of Alice's workspace."""
    answer = alice.post("/api/v2/dataset-reader")
    assert answer.status_code == 201, answer.text
    yield answer.json
    assert alice.delete("/api/v2/dataset-reader").status_code in (204, 401)  # or all is deleted


def _ask(url: str, query: str) -> list[tuple]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()
    finally:
        connection.close()


def test_the_reader_reads_every_table_of_the_dataset_and_those_to_come(
    reader: dict, schema: str, engine: Engine
) -> None:
    assert _ask(reader["url"], f"SELECT count(*) FROM {schema}.flight") == [(7,)]
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE {schema}.later (id int)"))
    assert _ask(reader["url"], f"SELECT count(*) FROM {schema}.later") == [(0,)]


def test_the_reader_writes_nothing_and_sees_nothing_else(
    reader: dict, schema: str, engine: Engine
) -> None:
    writing = f"INSERT INTO {schema}.crew VALUES (1)"
    with pytest.raises(ReadOnlySqlTransaction):
        _ask(reader["url"], writing)
    with pytest.raises(InsufficientPrivilege):
        _ask(reader["url"], f"SET default_transaction_read_only = off; COMMIT; {writing}")
    with pytest.raises(InsufficientPrivilege):
        _ask(reader["url"], "SELECT count(*) FROM workspace_connector")
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA dataset_of_mallory CREATE TABLE flight (id int)"))
    try:
        with pytest.raises(InsufficientPrivilege):
            _ask(reader["url"], "SELECT count(*) FROM dataset_of_mallory.flight")
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA dataset_of_mallory CASCADE"))


def _verifier(engine: Engine, role: str) -> str:
    with engine.connect() as connection:
        query = text("SELECT rolpassword FROM pg_authid WHERE rolname = :role")
        return connection.execute(query, {"role": role}).scalar_one()


def test_a_new_password_takes_the_place_of_the_old(
    alice: Caller, reader: dict, engine: Engine
) -> None:
    before = _verifier(engine, reader["user"])
    again = alice.post("/api/v2/dataset-reader").json
    assert again["user"] == reader["user"]
    assert again["password"] != reader["password"]
    after = _verifier(engine, reader["user"])
    assert before.startswith("SCRAM-SHA-256$")
    assert after.startswith("SCRAM-SHA-256$")
    assert after != before


def test_a_password_is_good_until_a_new_one_is_there(
    alice: Caller, reader: dict, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise TransientError("The datasets' database did not answer.", code="dataset_unavailable")

    before = _verifier(engine, reader["user"])
    monkeypatch.setattr(datasets_flow, "let_read", fail)
    assert alice.post("/api/v2/dataset-reader").status_code == 503
    assert _verifier(engine, reader["user"]) == before
    monkeypatch.undo()
    assert alice.post("/api/v2/dataset-reader").status_code == 201
    assert _verifier(engine, reader["user"]) != before


def test_too_many_looks_at_datasets_at_once_are_refused_for_a_while(
    alice: Caller, schema: str, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(at_once=3, of_one=1, what="looks at datasets", pause=timedelta(seconds=7))
    monkeypatch.setattr(datasets_routes, "_gate", gate)
    with gate.passed(tenant.workspace_id):
        answer = alice.get(_path(schema))
    assert (answer.status_code, answer.json["code"]) == (429, "busy")
    assert answer.headers["Retry-After"] == "7"
    assert alice.get(_path(schema)).status_code == 200


def test_datasets_are_for_their_workspace_and_logins_for_its_admins(
    alice: Caller, bob: Caller, mallory: Caller, schema: str
) -> None:
    at_home = alice.client
    assert replace(bob, client=at_home).get(_path(schema)).status_code == 200
    assert replace(mallory, client=at_home).get(_path(schema)).status_code == 404
    assert replace(bob, client=at_home).post("/api/v2/dataset-reader").status_code == 403
    assert replace(bob, client=at_home).delete("/api/v2/dataset-reader").status_code == 403


def test_a_login_is_revoked_as_often_as_one_asks(alice: Caller, reader: dict) -> None:
    for _ in range(2):
        assert alice.delete("/api/v2/dataset-reader").status_code == 204
        with pytest.raises(psycopg2.OperationalError):
            _ask(reader["url"], "SELECT 1")


def test_the_login_of_a_deleted_workspace_is_gone_and_its_datasets_are_not(
    reader: dict, schema: str, engine: Engine, tenant: Tenant
) -> None:
    end_workspace(engine, tenant.workspace_id)
    with pytest.raises(psycopg2.OperationalError):
        _ask(reader["url"], "SELECT 1")
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM pg_roles WHERE rolname = :role")
        assert connection.execute(query, {"role": reader["user"]}).scalar_one() == 0
        assert connection.execute(text(f"SELECT count(*) FROM {schema}.flight")).scalar_one() == 7


def test_the_login_says_how_to_connect_from_outside(
    alice: Caller, wiring: Wiring, dataset_url: str, reader: dict
) -> None:
    public = "postgresql://data.example.com:6432/sets?sslmode=verify-full"
    settings = replace(wiring.settings, dataset_url=dataset_url, dataset_public_url=public)
    home = Wiring(settings, service="api")
    shown = (
        replace(alice, client=create_app(home).test_client()).post("/api/v2/dataset-reader").json
    )
    home.close()
    assert shown["url"] == (
        f"postgresql://{shown['user']}:{shown['password']}@data.example.com:6432/sets"
        "?sslmode=verify-full"
    )
    assert (shown["host"], shown["port"], shown["sslmode"]) == (
        "data.example.com",
        6432,
        "verify-full",
    )


def test_a_deployment_without_an_address_for_others_says_what_is_missing(
    alice: Caller, wiring: Wiring, dataset_url: str, reader: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = DatasetPlace((), "sets", None)
    monkeypatch.setattr(datasets_flow, "place_of", lambda *_: socket)
    shown = alice.post("/api/v2/dataset-reader").json
    assert (shown["url"], shown["host"], shown["port"]) == (None, None, None)
    assert "SYNCLINE_DATASET_PUBLIC_URL" in shown["url_missing"]


def test_a_deployment_that_may_make_no_logins_says_so_as_its_own_trouble(
    alice: Caller, wiring: Wiring, dataset_url: str, engine: Engine
) -> None:
    with engine.begin() as connection:
        for statement in (
            "DROP ROLE IF EXISTS plain",
            "CREATE ROLE plain LOGIN",
            f"GRANT CREATE ON DATABASE {engine.url.database} TO plain",
        ):
            connection.execute(text(statement))
    plain = make_url(dataset_url).set(username="plain").render_as_string(hide_password=False)
    home = Wiring(replace(wiring.settings, dataset_url=plain), service="api")
    answer = replace(alice, client=create_app(home).test_client()).post("/api/v2/dataset-reader")
    home.close()
    with engine.begin() as connection:
        for verb in ("DROP OWNED BY", "DROP ROLE"):
            connection.execute(text(f"{verb} plain"))
    assert (answer.status_code, answer.json["code"]) == (503, "deployment")
    assert "CREATEROLE" in answer.json["detail"]
    assert "Retry-After" not in answer.headers
