"""Reports from the schedule to the office: a tick, a task, a receipt, and what people do."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import pytest
from sqlalchemy import Engine, text

from infra.local.postgres import PostgresServer
from shared.connectors.base import ConfirmLease, SyncRequest, SyncResult
from shared.connectors.dataset.turn import turn_of
from shared.domain.dataset import dataset_name
from shared.domain.reporting import Settlement
from shared.domain.task import TaskCall
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.flow.attempt import Workshop, attempt_run
from shared.flow.connectors import change_connector
from shared.flow.look import Lookout, check_connector, streams_of
from shared.flow.reports import Desk, correct_report, list_reports, settle_report
from shared.store.rows import Row
from tests.connectors.bufdir.office import Office, open_office, says, takes_and_hangs_up
from tests.connectors.bufdir.reporter import config_of
from tests.factories import (
    Tenant,
    at,
    make_connector,
    make_planner,
    make_schedule,
    make_tenant,
    runs_of,
)
from tests.flow.queues import PausedQueue
from tests.flow.workers import call_of, tick
from tests.loopback import LOOPBACK

QUARTER = ("0 6 5 1,4,7,10 *", "2026-04-05")


@dataclass
class Agency:
    """A connector that reports, the schedule that lets it, and what a worker and people need."""

    engine: Engine
    paused: PausedQueue
    tenant: Tenant
    workshop: Workshop
    desk: Desk
    source: Row
    connector: Row
    schedule: Row

    def run_of_april(self) -> Row:
        tick(self.engine, self.paused, at("03:59", day=QUARTER[1]))
        [run] = [run for run in runs_of(self.engine, self.schedule["id"]) if run["period_at"]]
        attempt_run(self.workshop, call_of(run), now=at("04:00", day=QUARTER[1]))
        return self.run(run["workspace_connector_sync_log_id"])

    def run(self, public_id: UUID | None) -> Row:
        [run] = [
            run
            for run in runs_of(self.engine, self.schedule["id"])
            if run["workspace_connector_sync_log_id"] == public_id
        ]
        return run

    def work(self, public_id: UUID | None) -> Row:
        assert public_id is not None
        attempt_run(self.workshop, TaskCall(public_id))
        return self.run(public_id)

    def correct(
        self, period: str = "2026-Q1", principal: Any = None, request: UUID | None = None
    ) -> Any:
        return correct_report(
            self.desk,
            principal or self.tenant.principal,
            self.connector["public_id"],
            period=period,
            why="late visits",
            request=request,
        )

    def settle(self, settlement: Settlement) -> Any:
        return settle_report(
            self.desk,
            self.tenant.principal,
            self.connector["public_id"],
            period="2026-Q1",
            settlement=settlement,
            why=None,
        )

    def states(self) -> list[tuple[str, int, str]]:
        receipts = list_reports(
            self.desk, self.tenant.principal, self.connector["public_id"], before=None, limit=50
        )
        return [(one.period, one.correction, one.state.value) for one in receipts]


@pytest.fixture
def office() -> Iterator[Office]:
    with open_office() as office:
        yield office


@pytest.fixture
def agency(
    engine: Engine,
    paused: PausedQueue,
    tenant: Tenant,
    office: Office,
    postgres_server: PostgresServer,
    database_url: str,
) -> Agency:
    datasets = postgres_server.libpq_url(database_url.rsplit("/", 1)[1])
    source = make_connector(engine, tenant)
    config = _config(office, source)
    connector = make_connector(engine, tenant, slug="bufdir", config=config)
    schedule = make_schedule(
        engine,
        tenant,
        connector=connector["public_id"],
        cron_expression=QUARTER[0],
        timezone="Europe/Oslo",
        from_instant=at("00:00", day="2026-04-01"),
    )
    schema = dataset_name(source["public_id"])
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        connection.execute(text(f"CREATE TABLE {schema}.visit (id int, hours int, day date)"))
        connection.execute(text(f"INSERT INTO {schema}.visit VALUES (1, 2, '2026-02-01')"))
    workshop = Workshop(engine, paused.queue, None, datasets, timedelta(seconds=90), guard=LOOPBACK)
    desk = Desk(engine, datasets, lambda: paused.queue)
    return Agency(engine, paused, tenant, workshop, desk, source, connector, schedule)


def _config(office: Office, source: Row, **changes: Any) -> dict[str, Any]:
    dataset = {"connector_id": str(source["public_id"])}
    return config_of(office, dataset=dataset, **changes)


def test_a_scheduled_run_reports_the_period_before_it(agency: Agency, office: Office) -> None:
    run = agency.run_of_april()
    assert (run["status"], run["records_processed"]) == ("success", 1)
    told = run["metadata"]["reports"]["2026-Q1"]
    assert (told["receipt"], told["was_sent"]) == ("R-1", True)
    assert office.taken[0].report["rows"] == [{"case": 1, "hours": 2}]
    assert agency.states() == [("2026-Q1", 0, "accepted")]


def test_a_correction_is_a_run_of_its_own_at_once(agency: Agency, office: Office) -> None:
    agency.run_of_april()
    done = agency.correct()
    assert (done.receipt.correction, done.receipt.asked_why) == (1, "late visits")
    run = agency.work(done.run)
    assert (run["status"], run["trigger_type"]) == ("success", "manual")
    assert [one.key[-9:] for one in office.taken] == ["2026-Q1:0", "2026-Q1:1"]
    assert agency.states() == [("2026-Q1", 1, "accepted"), ("2026-Q1", 0, "accepted")]


def test_while_a_run_is_active_the_next_one_sends_what_was_asked_for(agency: Agency) -> None:
    agency.run_of_april()
    first = agency.correct()
    with pytest.raises(ConflictError, match="is waiting"):
        agency.correct()
    run = agency.work(first.run)
    again = agency.correct()
    assert (run["status"], again.run is not None) == ("success", True)


def test_a_report_without_a_schedule_waits(agency: Agency) -> None:
    agency.run_of_april()
    with agency.engine.begin() as connection:
        connection.execute(text("UPDATE workspace_connector_sync_log SET schedule_id = NULL"))
        connection.execute(text("DELETE FROM sync_schedule"))
    assert agency.correct().run is None
    assert agency.states()[0] == ("2026-Q1", 1, "waiting")


def test_only_what_was_accepted_or_refused_is_corrected(agency: Agency, office: Office) -> None:
    with pytest.raises(NotFoundError, match="No report for 2026-Q1"):
        agency.correct()
    with pytest.raises(InvalidInputError):
        agency.correct("2026-Q9")
    office.faults = [says(422)]
    assert agency.run_of_april()["status"] == "error"
    with pytest.raises(ConflictError, match="nothing to settle"):
        agency.settle(Settlement.ARRIVED)
    assert agency.correct().receipt.correction == 1


@pytest.mark.parametrize(
    ("settlement", "state", "requests"),
    [(Settlement.ARRIVED, "accepted", 1), (Settlement.SEND_AGAIN, "accepted", 2)],
)
def test_a_report_of_unknown_fate_is_settled_by_a_person(
    agency: Agency, office: Office, settlement: Settlement, state: str, requests: int
) -> None:
    office.remembers = False
    config = _config(office, agency.source, endpoint={"honours_idempotency_key": False})
    principal, connector = agency.tenant.principal, agency.connector["public_id"]
    change_connector(make_planner(agency.engine), principal, None, connector, config=config)
    office.faults = [takes_and_hangs_up]
    run = agency.run_of_april()
    assert (run["status"], run["reason"]) == ("error", "configuration")
    assert "Ask who receives it" in run["error"]

    done = agency.settle(settlement)
    if done.run is not None:
        assert agency.work(done.run)["status"] == "success"

    assert agency.states() == [("2026-Q1", 0, state)]
    assert len(office.came) == requests


def test_nobody_acts_on_reports_while_a_run_sends(agency: Agency) -> None:
    agency.run_of_april()
    connector, url = agency.connector["public_id"], agency.desk.dataset_url
    with (
        turn_of(connector, url, timedelta(seconds=5), lambda: None),
        pytest.raises(ConflictError) as caught,
    ):
        agency.correct()
    assert caught.value.code == "run_active"


def test_a_dataset_that_went_to_another_workspace_is_not_read(
    agency: Agency, office: Office
) -> None:
    other = make_tenant(agency.engine)
    with agency.engine.begin() as connection:
        connection.execute(
            text("UPDATE workspace_connector SET workspace_id = :other WHERE id = :id"),
            {"other": other.workspace_id, "id": agency.source["id"]},
        )
    run = agency.run_of_april()
    assert (run["status"], run["reason"], office.came) == ("error", "configuration", [])
    assert "dataset.connector_id" in run["error"]
    lookout = Lookout(agency.engine, None, LOOPBACK, dataset_url=agency.desk.dataset_url)
    principal, connector = agency.tenant.principal, agency.connector["public_id"]
    [finding] = check_connector(lookout, principal, connector).findings
    assert finding.fault == "not_found"


def test_a_deleted_connectors_dataset_is_not_reported(agency: Agency, office: Office) -> None:
    with agency.engine.begin() as connection:
        connection.execute(
            text("UPDATE workspace_connector SET deleted_at = now() WHERE id = :id"),
            {"id": agency.source["id"]},
        )
    assert agency.run_of_april()["status"] == "error"
    assert office.came == []


def test_a_check_reads_the_dataset_and_sends_nothing(agency: Agency, office: Office) -> None:
    lookout = Lookout(agency.engine, None, LOOPBACK, dataset_url=agency.desk.dataset_url)
    principal, connector = agency.tenant.principal, agency.connector["public_id"]
    assert check_connector(lookout, principal, connector).findings == []
    [stream] = streams_of(lookout, principal, connector)
    assert [column.name for column in stream.columns] == ["case", "hours"]
    assert office.came == []


def test_no_config_names_a_connector_of_another_workspace_or_itself(
    agency: Agency, office: Office
) -> None:
    mallory = make_tenant(agency.engine)
    with pytest.raises(InvalidInputError) as caught:
        make_connector(agency.engine, mallory, slug="bufdir", config=_config(office, agency.source))
    assert caught.value.problems[0].field == "config.dataset.connector_id"
    principal, connector = agency.tenant.principal, agency.connector["public_id"]
    for stranger in (make_connector(agency.engine, mallory), agency.connector):
        with pytest.raises(InvalidInputError):
            change_connector(
                make_planner(agency.engine),
                principal,
                None,
                connector,
                config=_config(office, stranger),
            )


def test_reports_of_another_workspace_or_another_type_are_not_found(agency: Agency) -> None:
    agency.run_of_april()
    mallory = make_tenant(agency.engine).principal
    with pytest.raises(NotFoundError):
        agency.correct(principal=mallory)
    with pytest.raises(NotFoundError):
        list_reports(agency.desk, mallory, agency.connector["public_id"], before=None, limit=1)
    owner, source = agency.tenant.principal, agency.source["public_id"]
    with pytest.raises(NotFoundError, match="sends no reports"):
        list_reports(agency.desk, owner, source, before=None, limit=1)


def test_a_run_by_hand_is_about_the_instant_of_its_asking(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[SyncRequest] = []

    def sync(request: SyncRequest, _confirm: ConfirmLease) -> SyncResult:
        seen.append(request)
        return SyncResult(0, 0, 0, 0, ())

    agency.run_of_april()
    done = agency.correct()
    monkeypatch.setattr("shared.connectors.bufdir.sync.sync", sync)
    run = agency.work(done.run)
    [request] = seen
    assert (request.period_at, request.is_by_hand) == (run["created_at"], True)
    assert request.timezone == "Europe/Oslo"


def test_the_datasets_database_holds_the_receipts_beside_the_dataset(agency: Agency) -> None:
    agency.run_of_april()
    connection = psycopg2.connect(agency.desk.dataset_url)
    try:
        with connection.cursor() as cursor:
            schema = dataset_name(agency.connector["public_id"])
            cursor.execute(f"SELECT period, state FROM {schema}.report_receipt")
            assert cursor.fetchall() == [("2026-Q1", "accepted")]
    finally:
        connection.close()


def test_a_correction_that_broke_off_is_carried_on_and_made_once(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency.run_of_april()
    request = uuid4()

    def break_off(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("shared.flow.reports.trigger_schedule", break_off)
        with pytest.raises(RuntimeError):
            agency.correct(request=request)
    first = agency.correct(request=request)
    again = agency.correct(request=request)

    assert (first.run, again.run) == (request, request)
    assert agency.run(request)["trigger_type"] == "manual"
    assert agency.states() == [("2026-Q1", 1, "waiting"), ("2026-Q1", 0, "accepted")]
    agency.work(request)
    assert agency.correct(request=request).receipt.state == "accepted"
    assert len(agency.states()) == 2
