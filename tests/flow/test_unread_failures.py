"""What was reported and a run did not read: which runs count, and how long the next one waits."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text

from shared.connectors.base import StreamFailure, SyncResult
from shared.domain.unread import MOST_RUNS, NEVER, Obstacle
from shared.errors import PermanentError, TransientError
from shared.flow.hooks import HookReceipt, HookResult
from shared.flow.watermarks import reset_stream, set_watermark
from shared.logs import fields_of
from tests.flow.hook_scene import Scene
from tests.flow.hooking import NOON, WINDOW
from tests.flow.workers import moved

pytest_plugins = ("tests.flow.hook_fixtures",)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
AWAY = StreamFailure("orders", TransientError("It is away."))
GONE = StreamFailure("lines", PermanentError("No such table.", code="configuration"))
DONE: Mapping[str, object] = {"flight": {"finished": True}}


@pytest.fixture
def once(scene: Scene) -> Scene:
    """Return the scene of a connector whose runs end with their first attempt."""
    with scene.engine.begin() as connection:
        connection.execute(text("UPDATE sync_schedule SET max_attempts = 1"))
    return scene


def test_a_run_that_rejected_records_has_read_all(scene: Scene) -> None:
    scene.script.behaviour = lambda *_: moved(failed=1)
    scene.report()
    scene.work(NOON + WINDOW)

    assert scene.fates() == [("success", "partial")]
    assert not scene.has_unread()


def test_what_a_failed_stream_did_not_read_is_read_by_another_run_after_a_while(
    once: Scene,
) -> None:
    _leave(once, AWAY)
    once.report()
    once.work(NOON + WINDOW)

    assert once.fates() == [("success", "partial")]
    assert [once.look(NOON + n * MINUTE) for n in (2, 5)] == [0, 0]
    assert once.look(NOON + 16 * MINUTE) == 1
    once.work(NOON + 16 * MINUTE)
    # The second wait is twice as long.
    assert [once.look(NOON + n * MINUTE) for n in (24, 47)] == [0, 1]
    once.script.behaviour = lambda *_: moved()
    once.work(NOON + 47 * MINUTE)
    assert not once.has_unread()


def test_what_only_a_person_can_mend_of_streams_is_read_once_it_is_mended(scene: Scene) -> None:
    _leave(scene, GONE)
    scene.report()
    scene.work(NOON + WINDOW)
    assert [scene.look(NOON + n * HOUR) for n in range(1, 5)] == [0] * 4

    _change_config(scene)

    assert scene.look(NOON + 5 * HOUR) == 1


def test_a_report_after_a_run_of_which_streams_failed_starts_one_at_once(once: Scene) -> None:
    _leave(once, AWAY)
    once.report()
    once.work(NOON + WINDOW)

    once.report(NOON + MINUTE)

    assert once.fates() == [("success", "partial"), ("scheduled", None)]


def test_a_run_that_waits_between_its_slices_is_the_one_that_reads_the_report(
    scene: Scene,
) -> None:
    scene.script.behaviour = lambda *_: replace(
        moved(), failures=(AWAY,), positions=DONE, trouble=TransientError("It is away.")
    )
    scene.report()
    scene.work(NOON + WINDOW)

    assert scene.look(NOON + 2 * MINUTE) == 0
    assert scene.fates() == [("scheduled", "source_unavailable")]


def test_a_retry_does_not_stand_for_a_report_as_it_is_about_an_instant_before(
    once: Scene,
) -> None:
    once.script.raises(PermanentError("No such table.", code="configuration"))
    once.report()
    once.work(NOON + WINDOW)
    _change_config(once)
    once.retry()

    once.report(NOON + MINUTE)

    assert [run["trigger_type"] for run in once.runs()] == ["webhook", "manual", "webhook"]


def test_a_retry_that_waits_keeps_no_run_from_being_written(once: Scene) -> None:
    _fail_to_read(once)
    once.retry()

    assert once.look(NOON + 16 * MINUTE) == 1


def test_the_success_of_a_retry_leaves_what_was_reported_to_a_run_at_the_next_tick(
    once: Scene,
) -> None:
    _fail_to_read(once)
    assert once.look(NOON + 2 * MINUTE) == 0
    once.retry()
    once.let_start(NOON + 3 * MINUTE)
    once.script.behaviour = lambda *_: moved()
    once.work(NOON + 3 * MINUTE)

    assert once.fates()[-1] == ("success", None)
    assert once.has_unread()
    assert once.look(NOON + 3 * MINUTE) == 1


def test_reports_of_a_source_that_fails_start_no_run_before_its_wait_is_over(once: Scene) -> None:
    written = _report_each_minute(once, 4 * HOUR)

    waits = [later - earlier for earlier, later in pairwise(written)]
    assert len(waits) >= 3
    assert all(wait >= 7.5 * MINUTE * 2**n for n, wait in enumerate(waits))


def test_a_source_that_fails_and_reports_for_days_is_asked_once_in_the_longest_wait(
    once: Scene,
) -> None:
    once.script.raises(TransientError("The source is away."))
    once.report()
    now, written = NOON + WINDOW, [NOON]
    for _ in range(140):
        _work_all(once, now)
        now += 20 * MINUTE
        once.report(now)
        if once.look(now + MINUTE):
            written.append(now)

    waits = [later - earlier for earlier, later in pairwise(written)]
    assert len(written) > MOST_RUNS
    assert all(4 * HOUR <= wait <= 8 * HOUR + 40 * MINUTE for wait in waits[MOST_RUNS - 1 :])


def test_what_failed_before_is_no_matter_once_a_run_succeeds(once: Scene) -> None:
    _fail_to_read(once)
    assert once.look(NOON + 16 * MINUTE) == 1

    def read(*_: object) -> SyncResult:
        once.report(NOON + 17 * MINUTE)
        assert once.look(NOON + 18 * MINUTE) == 0  # it may fail again, as far as anybody knows
        return moved()

    once.script.behaviour = read
    once.work(NOON + 16 * MINUTE)

    assert once.look(NOON + 18 * MINUTE + SECOND) == 1
    assert once.fates() == [
        ("error", "source_unavailable"),
        ("success", None),
        ("scheduled", None),
    ]
    assert _runs_counted(once) == 1


def test_a_report_during_a_run_of_which_a_stream_fails_is_read_by_another_at_once(
    once: Scene,
) -> None:
    _fail_to_read(once)
    assert once.look(NOON + 16 * MINUTE) == 1

    def read(*_: object) -> SyncResult:
        once.report(NOON + 17 * MINUTE)
        return replace(moved(), failures=(AWAY,))

    once.script.behaviour = read
    once.work(NOON + 16 * MINUTE)

    assert once.look(NOON + 17 * MINUTE + SECOND) == 1
    assert _runs_counted(once) == 1


def test_what_failed_before_the_first_report_holds_none_back(once: Scene) -> None:
    once.script.raises(TransientError("The source is away."))
    once.trigger()
    once.let_start(NOON - HOUR)
    once.work(NOON - HOUR)
    once.report()

    def read(*_: object) -> SyncResult:
        once.report(NOON + WINDOW + SECOND)
        return moved()

    once.script.behaviour = read
    once.work(NOON + WINDOW)

    assert once.fates() == [
        ("error", "source_unavailable"),
        ("success", None),
        ("scheduled", None),
    ]


def test_who_reports_is_told_that_a_source_is_not_asked_before_its_wait_is_over(
    once: Scene,
) -> None:
    _fail_to_read(once)

    later = NOON + MINUTE
    receipt = once.source.hands_in(once.desk, at=later, now=later)
    assert receipt == HookReceipt(HookResult.ACCEPTED, Obstacle.BACK_OFF)


@pytest.mark.parametrize("act", ["set", "reset"])
def test_a_person_who_sets_where_a_stuck_stream_starts_lets_a_run_be_written(
    once: Scene, act: str
) -> None:
    _, *whose = once.whose_connector
    set_watermark(once.engine, *whose, "flight", value="3")
    once.script.raises(PermanentError("It went backwards.", code="cursor_backwards"))
    once.report()
    once.work(NOON + WINDOW)
    assert once.look(NOON + HOUR) == 0
    assert once.looked_at_next() == NEVER

    if act == "set":
        set_watermark(once.engine, *whose, "flight", value="2")
    else:
        reset_stream(once.engine, *whose, "flight")

    assert once.look(NOON + HOUR) == 1
    assert _runs_counted(once) == 1


def test_a_run_by_hand_that_fails_of_something_else_lets_the_next_one_be_written(
    once: Scene,
) -> None:
    _leave(once, GONE)
    once.report()
    once.work(NOON + WINDOW)
    assert once.look(NOON + HOUR) == 0
    once.trigger()
    once.let_start(NOON + HOUR)
    once.script.raises(TransientError("The source is away."))
    once.work(NOON + HOUR)

    assert [once.look(NOON + HOUR + n * MINUTE) for n in (1, 16)] == [0, 1]


def test_a_person_who_changes_the_connector_lets_the_next_report_start_a_run(once: Scene) -> None:
    _fail_to_read(once)
    _change_config(once)

    once.report(NOON + MINUTE)

    assert once.fates() == [("error", "source_unavailable"), ("scheduled", None)]


def test_a_report_after_a_failure_that_a_person_has_to_mend_is_tried_after_the_wait(
    once: Scene,
) -> None:
    # The table may be there again without any change of the connector.
    once.script.raises(PermanentError("The table is not there.", code="configuration"))
    once.report()
    once.work(NOON + WINDOW)
    assert once.look(NOON + HOUR) == 0

    once.report(NOON + HOUR)

    assert once.fates() == [("error", "configuration")]
    assert once.look(NOON + HOUR + MINUTE) == 1


def test_a_source_that_always_fails_is_asked_ever_less_and_then_no_more(
    once: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    once.script.raises(TransientError("The source is away."))
    once.report()
    now, written = NOON + WINDOW, [NOON]
    for _ in range(100):
        _work_all(once, now)
        now += 20 * MINUTE
        if once.look(now):
            written.append(now)

    waits = [later - earlier for earlier, later in pairwise(written)]
    assert len(written) == MOST_RUNS
    assert waits[-1] > 4 * HOUR
    assert {fate for fate, _ in once.fates()} == {"error"}
    # It is said once, and costs nothing more.
    [told] = [one for one in map(fields_of, caplog.records) if one["event"] == "unread_given_up"]
    assert told["workspace_id"] == once.tenant.workspace_id
    assert (told["connector_id"], told["runs"]) == (once.schedule["connector_public_id"], MOST_RUNS)
    assert once.looked_at_next() == NEVER
    # What was reported is unread still: the next report starts a run, as the wait is long over.
    assert once.has_unread()
    once.report(now)
    assert once.look(now + MINUTE) == 1


def test_a_report_after_enough_runs_is_read_if_the_run_that_covered_it_is_cancelled(
    once: Scene,
) -> None:
    once.script.raises(TransientError("The source is away."))
    once.report()
    now = NOON + WINDOW
    for _ in range(MOST_RUNS):
        _work_all(once, now)
        now += 9 * HOUR
        once.look(now)
    assert once.looked_at_next() == NEVER
    once.trigger()
    once.let_start(now)
    once.report(now)
    once.cancel(now + MINUTE)

    assert [once.look(now + wait) for wait in (2 * MINUTE, 4 * HOUR, 9 * HOUR)] == [0, 0, 1]


def _fail_to_read(scene: Scene) -> None:
    """Report a change, and let the run for it fail since the source is away."""
    scene.script.raises(TransientError("The source is away."))
    scene.report()
    scene.work(NOON + WINDOW)


def _leave(scene: Scene, *failures: StreamFailure) -> None:
    scene.script.behaviour = lambda *_: replace(moved(), failures=failures)


def _change_config(scene: Scene) -> None:
    with scene.engine.begin() as connection:
        connection.execute(
            text("UPDATE workspace_connector SET config_version = config_version + 1")
        )


def _work_all(scene: Scene, now: datetime) -> None:
    for run in scene.runs():
        if run["status"] == "scheduled":
            scene.work(now)


def _report_each_minute(scene: Scene, duration: timedelta) -> list[datetime]:
    """Let a source that cannot be read report; return when runs were written."""
    scene.script.raises(TransientError("The source is away."))
    written, runs = list[datetime](), 0
    for n in range(duration // MINUTE):
        now = NOON + n * MINUTE
        scene.report(now)
        scene.look(now)
        if len(scene.runs()) > runs:
            runs = len(scene.runs())
            written.append(now)
        _work_all(scene, now + WINDOW)
    return written


def _runs_counted(scene: Scene) -> int:
    with scene.engine.connect() as connection:
        query = text("SELECT runs FROM unread_change")
        return connection.execute(query).scalar_one()
