"""Reports over the API: Alice acts, Bob reads, Mallory finds nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from sqlalchemy import Engine, make_url, text

from shared.connectors.bufdir.receipts import Receipts
from shared.domain.dataset import dataset_name
from shared.errors import TransientError
from shared.flow.trigger import trigger_schedule
from shared.web.app import create_app
from shared.wiring import Wiring
from tests.connectors.bufdir.office import Office
from tests.connectors.bufdir.reporter import config_of
from tests.web.conftest import Caller


@dataclass(frozen=True)
class Agency:
    """A connector that reports, with a table of receipts as its runs leave it."""

    path: str
    schema: str
    url: str

    def receipt(self, period: str, state: str, correction: int = 0) -> None:
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(
                    f"INSERT INTO {self.schema}.report_receipt (period, correction,"
                    " idempotency_key, state, payload, row_count) VALUES (%s, %s, %s, %s, %s, 7)",
                    (period, correction, f"{period}:{correction}", state, b"rows-canary"),
                )
        finally:
            connection.close()


@pytest.fixture
def home(wiring: Wiring, database_url: str) -> Iterator[Wiring]:
    url = make_url(database_url).set(drivername="postgresql")
    dataset_url = url.render_as_string(hide_password=False)
    home = Wiring(replace(wiring.settings, dataset_url=dataset_url), service="api")
    yield home
    home.close()


@pytest.fixture
def alice(alice: Caller, home: Wiring) -> Caller:
    return replace(alice, client=create_app(home).test_client())


@pytest.fixture
def agency(alice: Caller, home: Wiring) -> Agency:
    dataset = {"connector_id": alice.new_connector()}
    config = config_of(Office(port=1), dataset=dataset)
    answer = alice.post(
        "/api/v2/connectors", {"type": "bufdir", "name": "Figures", "config": config}
    )
    assert answer.status_code == 201, answer.text
    connector = UUID(answer.json["id"])
    url, schema = home.settings.dataset_url, dataset_name(connector)
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        Receipts(connection, schema, connector).make(None)
    finally:
        connection.close()
    return Agency(f"/api/v2/connectors/{connector}/reports", schema, url)


def test_receipts_are_listed_newest_first_and_in_pages(bob: Caller, agency: Agency) -> None:
    for period in ("2025-Q3", "2025-Q4", "2026-Q1"):
        agency.receipt(period, "accepted")
    first = bob.get(f"{agency.path}?limit=2").json
    assert [one["period"] for one in first["items"]] == ["2026-Q1", "2025-Q4"]
    rest = bob.get(f"{agency.path}?limit=2&cursor={first['next_cursor']}").json
    assert [one["period"] for one in rest["items"]] == ["2025-Q3"]
    assert rest["next_cursor"] is None
    assert {"id", "payload"}.isdisjoint(first["items"][0])
    assert "canary" not in str(first)


def test_a_connector_that_never_ran_has_no_receipts(alice: Caller, agency: Agency) -> None:
    connection = psycopg2.connect(agency.url)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {agency.schema} CASCADE")
    connection.close()
    assert alice.get(agency.path).json == {"items": [], "next_cursor": None}
    body = {"period": "2026-Q1", "reason": "late visits"}
    assert alice.post(agency.path, body).status_code == 404


def test_a_correction_keeps_who_asked_and_why(alice: Caller, agency: Agency) -> None:
    agency.receipt("2026-Q1", "accepted")
    answer = alice.post(agency.path, {"period": "2026-Q1", "reason": "late visits"})
    assert answer.status_code == 202
    shown = answer.json
    assert (shown["correction"], shown["state"], shown["started_run_id"]) == (1, "waiting", None)
    assert (shown["asked_by"], shown["asked_why"]) == ("alice", "late visits")
    assert shown["asked_at"].endswith("Z")
    again = alice.post(agency.path, {"period": "2026-Q1", "reason": "more"})
    assert (again.status_code, again.json["code"]) == (409, "report_open")


def test_an_act_whose_answer_was_lost_is_answered_when_it_is_asked_again(
    alice: Caller, agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency.receipt("2026-Q1", "accepted")
    body = {"period": "2026-Q1", "reason": "late visits"}
    headers = {"Authorization": f"Bearer {alice.key}", "Idempotency-Key": "k1"}

    def break_off(*_: object) -> None:
        raise TransientError("gone", code="dataset_unavailable")

    with monkeypatch.context() as patch:
        patch.setattr("shared.web.reports._present", break_off)
        assert alice.client.post(agency.path, json=body, headers=headers).status_code == 503
    again = alice.client.post(agency.path, json=body, headers=headers)
    assert (again.status_code, again.json["correction"]) == (202, 1)
    assert len(alice.get(agency.path).json["items"]) == 2


def test_an_act_is_found_again_after_the_workspace_was_disabled_in_the_midst_of_it(
    alice: Caller, agency: Agency, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency.receipt("2026-Q1", "accepted")
    body = {"connector_id": agency.path.split("/")[4], "name": "q", "frequency": "manual"}
    assert alice.post("/api/v2/sync-schedules", body).status_code == 201
    body = {"period": "2026-Q1", "reason": "late visits"}
    headers = {"Authorization": f"Bearer {alice.key}", "Idempotency-Key": "k1"}

    def disabled_before(*given: Any, **named: Any) -> Any:
        set_disabled_at(engine, "now()")
        return trigger_schedule(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr("shared.flow.reports.trigger_schedule", disabled_before)
        first = alice.client.post(agency.path, json=body, headers=headers)
    set_disabled_at(engine, "NULL")
    again = alice.client.post(agency.path, json=body, headers=headers)

    assert (first.status_code, first.json["code"]) == (403, "workspace_disabled")
    assert (again.status_code, again.json["correction"]) == (202, 1)
    assert again.json["started_run_id"] is not None


def set_disabled_at(engine: Engine, instant: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE workspace SET disabled_at = {instant}"))


def test_a_doubt_is_settled(alice: Caller, agency: Agency) -> None:
    agency.receipt("2026-Q1", "unknown")
    refused = alice.post(agency.path, {"period": "2026-Q1", "reason": "late visits"})
    assert refused.status_code == 409
    shown = alice.post(agency.path, {"period": "2026-Q1", "settle": "arrived"}).json
    assert (shown["state"], shown["settled_by"]) == ("accepted", "alice")
    again = alice.post(agency.path, {"period": "2026-Q1", "settle": "send_again"})
    assert (again.status_code, again.json["code"]) == (409, "report_settled")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"period": "2026-Q1"},
        {"period": "2026-Q1", "reason": ""},
        {"period": "2026-Q9", "reason": "late"},
        {"period": "2026-Q1", "settle": "perhaps"},
        {"period": "2026-Q1", "settle": "arrived", "more": 1},
    ],
)
def test_what_is_no_act_is_refused(alice: Caller, agency: Agency, body: dict) -> None:
    agency.receipt("2026-Q1", "accepted")
    assert alice.post(agency.path, body).status_code == 422


def test_reports_are_for_those_who_may(
    alice: Caller, bob: Caller, mallory: Caller, stranger: Caller, agency: Agency
) -> None:
    agency.receipt("2026-Q1", "accepted")
    body = {"period": "2026-Q1", "reason": "late visits"}
    assert bob.get(agency.path).status_code == 200
    assert bob.post(agency.path, body).status_code == 403
    assert mallory.get(agency.path).status_code == 404
    assert mallory.post(agency.path, body).status_code == 404
    assert stranger.get(agency.path).status_code == 401
    other = f"/api/v2/connectors/{alice.new_connector('Other')}/reports"
    assert alice.get(other).status_code == 404


def test_a_config_that_names_anothers_connector_is_refused_at_its_place(
    alice: Caller, mallory: Caller
) -> None:
    dataset = {"connector_id": alice.new_connector()}
    config = config_of(Office(port=1), dataset=dataset)
    body = {"type": "bufdir", "name": "Figures", "config": config}
    answer = mallory.post("/api/v2/connectors", body)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/config/dataset/connector_id"
    assert alice.post("/api/v2/connectors", body).status_code == 201
