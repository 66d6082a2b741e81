"""What a sync came to is worth a repeat: only a result that cannot be held ends as a failure."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from shared.connectors.base import ConfirmLease, SyncRequest, SyncResult
from shared.flow import record as record_flow
from shared.flow.attempt import AttemptResult, attempt_run
from shared.logs import fields_of
from shared.store.engine import PROMPT, create_engine_for
from tests.factories import at, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script, call_of, due_run, make_workshop, moved, watermark_of

TROUBLE = {
    "a lock that does not come": ("55P03", 3),
    "a statement that was cancelled": ("57014", 3),
    "a deadlock": ("40P01", 3),
    "no room for another connection": ("53300", 3),
}


def refuse(engine: Engine, sqlstate: str, times: int) -> None:
    """Let the database refuse the next ends of runs, as in trouble of its own."""
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SEQUENCE refusals MAXVALUE {times + 100}"))
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" IF nextval('refusals') <= {times} THEN"
                f" RAISE 'trouble' USING ERRCODE = '{sqlstate}'; END IF; RETURN NEW; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER refuse BEFORE UPDATE ON workspace_connector_sync_log FOR EACH ROW"
                " WHEN (OLD.status = 'in_progress' AND NEW.status <> 'in_progress')"
                " EXECUTE FUNCTION refuse()"
            )
        )


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_flow, "_PAUSE_SECONDS", 0.01)


@pytest.mark.parametrize(("sqlstate", "times"), TROUBLE.values(), ids=TROUBLE)
def test_trouble_of_the_database_itself_never_ends_a_good_run(
    engine: Engine, paused: PausedQueue, script: Script, sqlstate: str, times: int
) -> None:
    schedule, run = due_run(engine, paused)
    refuse(engine, sqlstate, times)
    result = attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))
    assert result is AttemptResult.RECORDED
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["records_processed"]) == ("success", 3)
    assert watermark_of(engine, run["connector_id"]) == "7"


@pytest.mark.parametrize("sqlstate", ["22P05", "23514", "54000"])
def test_a_result_that_breaks_a_rule_of_the_tables_ends_its_run_at_once(
    engine: Engine, paused: PausedQueue, script: Script, sqlstate: str
) -> None:
    schedule, run = due_run(engine, paused)
    refuse(engine, sqlstate, 1)
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))
    [after] = runs_of(engine, schedule["id"])
    assert (after["status"], after["reason"]) == ("error", "internal")
    assert watermark_of(engine, run["connector_id"]) is None


def test_a_row_that_a_stranger_holds_is_waited_for(
    engine: Engine, paused: PausedQueue, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    schedule, run = due_run(engine, paused)
    stranger = engine.connect()
    freed = threading.Timer(1.0, stranger.rollback)

    def work(_request: SyncRequest, _confirm: ConfirmLease) -> SyncResult:
        query = text("SELECT FROM workspace_connector_sync_log WHERE id = :id FOR UPDATE")
        stranger.execute(query, {"id": run["id"]})
        freed.start()
        return moved()

    script.behaviour = work
    impatient = create_engine_for(
        engine.url.render_as_string(hide_password=False),
        deadlines=replace(PROMPT, lock=timedelta(milliseconds=200)),
    )
    attempt_run(make_workshop(impatient, paused), call_of(run), now=at("02:00:01"))
    impatient.dispose()
    freed.join()
    stranger.close()
    assert "record_repeated" in [fields_of(record).get("event") for record in caplog.records]
    assert [one["status"] for one in runs_of(engine, schedule["id"])] == ["success"]


def test_when_the_trouble_lasts_for_a_lease_the_worker_gives_up(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    _, run = due_run(engine, paused)
    refuse(engine, "55P03", 1_000)
    workshop = make_workshop(engine, paused, lease=timedelta(seconds=1))
    with pytest.raises(Exception, match="55P03"):
        attempt_run(workshop, call_of(run), now=at("02:00:01"))
