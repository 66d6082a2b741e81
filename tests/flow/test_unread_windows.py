"""What is reported within blackout windows: read after them, or once somebody deletes them."""

from datetime import timedelta

from sqlalchemy import text

from shared.domain.blackout_rules import WantedDays, WantedHours, WantedWindow
from shared.domain.presets import WEEKDAYS
from shared.flow.blackouts import create_blackout_window, delete_blackout_window
from shared.store.rows import Row
from tests.flow.hook_scene import Scene
from tests.flow.hooking import NOON, WINDOW

pytest_plugins = ("tests.flow.hook_fixtures",)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# All day and the next one.
INVENTORY = WantedWindow("inventory", None, None, WantedDays("2026-03-02", "2026-03-03"))


def test_a_run_that_a_window_puts_off_and_somebody_cancels_is_followed_within_an_hour(
    scene: Scene,
) -> None:
    _close(scene, INVENTORY)
    scene.report()
    [run] = scene.runs()
    assert run["not_before_at"] > NOON + 24 * HOUR
    scene.cancel(NOON + 5 * MINUTE)

    assert scene.look(NOON + HOUR + MINUTE) == 1


def test_a_run_that_a_window_puts_off_is_looked_at_once_an_hour(scene: Scene) -> None:
    _close(scene, INVENTORY)
    scene.report()
    assert scene.look(NOON + HOUR + MINUTE) == 0
    assert scene.looked_at_next() == NOON + 2 * HOUR + 2 * MINUTE


def test_a_run_that_a_window_puts_off_starts_once_the_window_is_deleted(scene: Scene) -> None:
    window = _close(scene, INVENTORY)
    scene.report()

    _open(scene, window)

    [run] = scene.runs()
    assert run["not_before_at"] == NOON + MINUTE
    assert run["admitted_at"] is not None


def test_a_new_window_holds_for_a_run_that_waits_for_further_reports(scene: Scene) -> None:
    scene.report()
    [before] = scene.runs()
    assert before["not_before_at"] == NOON + WINDOW

    _close(scene, INVENTORY)

    [run] = scene.runs()
    assert run["not_before_at"] > NOON + 24 * HOUR


def test_what_a_window_without_an_end_held_is_read_once_it_is_deleted(scene: Scene) -> None:
    monday = WantedHours(("monday",), "00:00", "24:00")
    window = _close(scene, WantedWindow("closed", None, monday, None))
    with scene.engine.begin() as connection:
        query = text("UPDATE blackout_window SET days_of_week = CAST(:days AS varchar[])")
        connection.execute(query, {"days": list(WEEKDAYS)})
    scene.report()
    assert scene.runs() == []
    assert scene.look(NOON + MINUTE) == 0

    _open(scene, window)

    assert scene.look(NOON + 2 * MINUTE) == 1


def _close(scene: Scene, window: WantedWindow) -> Row:
    planner, principal, _ = scene.whose
    return create_blackout_window(planner, principal, window, now=NOON)


def _open(scene: Scene, window: Row) -> None:
    planner, principal, _ = scene.whose
    delete_blackout_window(planner, principal, window["public_id"], now=NOON + MINUTE)
