"""What will run in the next hours: merged in order, collapsed where there is much, page by page."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from shared.domain.recurrence import Recurrence
from shared.flow import upcoming as module
from shared.flow.pause import pause_schedule
from shared.flow.schedules import Planner
from shared.flow.upcoming import UpcomingFrom, UpcomingPage, upcoming
from shared.store.rows import Row
from tests.factories import Tenant, at, make_schedule, make_tenant
from tests.flow.queues import PausedQueue
from tests.flow.workers import tick

NOW = at("01:00")
DAY = timedelta(hours=24)


def schedule_of(engine: Engine, tenant: Tenant, cron: str, **values: object) -> Row:
    """Return a schedule whose periods up to `NOW` are decided, with its true next period."""
    row = make_schedule(engine, tenant, from_instant=NOW, name=cron, cron_expression=cron, **values)
    tick_marks(engine, row["id"])
    return row


def tick_marks(engine: Engine, schedule_id: int) -> None:
    with engine.begin() as connection:
        row = connection.execute(
            text("SELECT cron_expression, timezone FROM sync_schedule WHERE id = :id"),
            {"id": schedule_id},
        ).one()
        following = Recurrence.from_cron(row.cron_expression, row.timezone).next_after(NOW)
        connection.execute(
            text("UPDATE sync_schedule SET next_scheduled_at = :next WHERE id = :id"),
            {"next": following, "id": schedule_id},
        )


def look(engine: Engine, tenant: Tenant, limit: int = 50, **values: object) -> UpcomingPage:
    wanted = {"horizon": DAY, "limit": limit, "now": NOW, **values}
    return upcoming(engine, tenant.principal, **wanted)


def shown(page: UpcomingPage) -> list[tuple[str, str, int]]:
    """Return the cron expression, the clock and the count of each period."""
    return [
        (page.schedules[one.schedule_key]["name"], f"{one.period_at:%H:%M}", one.count)
        for one in page.periods
    ]


def walk(engine: Engine, tenant: Tenant, limit: int) -> list[tuple[str, str, int]]:
    found, after = [], None
    while True:
        page = look(engine, tenant, limit, after=after)
        found += shown(page)
        if page.next_place is None:
            return found
        after = UpcomingFrom(page.next_place, page.until)


def test_periods_of_schedules_are_merged_in_order_and_frequent_ones_are_there_once(
    engine: Engine, tenant: Tenant
) -> None:
    schedule_of(engine, tenant, "0 */8 * * *")
    schedule_of(engine, tenant, "30 7 * * *")
    schedule_of(engine, tenant, "* * * * *")
    schedule_of(engine, tenant, "0 * * * *")
    schedule_of(engine, tenant, "0 2 1 1 *")

    page = look(engine, tenant)

    assert shown(page) == [
        ("* * * * *", "01:01", 100),
        ("0 * * * *", "02:00", 24),
        ("30 7 * * *", "07:30", 1),
        ("0 */8 * * *", "08:00", 1),
        ("0 */8 * * *", "16:00", 1),
        ("0 */8 * * *", "00:00", 1),
    ]
    minutely, hourly = page.periods[:2]
    assert (minutely.is_counted_whole, hourly.is_counted_whole) == (False, True)
    assert hourly.last_period_at == NOW + DAY


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("is_large", [False, True])
def test_pages_add_up_to_the_whole_list(
    engine: Engine, tenant: Tenant, limit: int, is_large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_large:
        monkeypatch.setattr(module, "MOST_MERGED", 2)
    for cron in ("0 */8 * * *", "0 8 * * *", "0 8 * * *", "15 * * * *"):
        schedule_of(engine, tenant, cron)

    whole = shown(look(engine, tenant))

    assert walk(engine, tenant, limit) == whole
    crons = [cron for cron, _, _ in whole]
    assert crons.count("0 */8 * * *") == (1 if is_large else 3)
    if is_large:
        assert ("0 */8 * * *", "08:00", 3) in whole


def test_spread_pauses_and_blackouts_are_shown_as_the_preview_does(
    engine: Engine, planner: Planner, tenant: Tenant
) -> None:
    spread = schedule_of(engine, tenant, "0 2 * * *", spread_seconds=3_600)
    paused_one = schedule_of(engine, tenant, "0 3 * * *")
    pause_schedule(
        planner, tenant.principal, paused_one["public_id"], until=None, note=None, now=NOW
    )

    first, second = look(engine, tenant).periods

    assert first.schedule_key == spread["id"]
    assert first.starts_at is not None
    assert timedelta(0) < first.starts_at - first.period_at < timedelta(hours=1)
    assert (second.starts_at, second.reason) == (None, "paused")


def test_runs_that_wait_already_are_on_the_first_page(
    engine: Engine, paused: PausedQueue, tenant: Tenant
) -> None:
    row = make_schedule(engine, tenant, from_instant=NOW, cron_expression="0 2 * * *")
    schedule_of(engine, tenant, "30 7 * * *")
    tick(engine, paused, at("01:59"))

    page = look(engine, tenant, 1, now=at("01:59"))

    [waiting] = page.waiting
    assert (waiting["schedule_public_id"], waiting["not_before_at"]) == (
        row["public_id"],
        at("02:00"),
    )
    assert page.next_place is not None or len(page.periods) == 1
    after = UpcomingFrom(page.next_place, page.until) if page.next_place else None
    if after is not None:
        assert look(engine, tenant, 1, after=after).waiting == ()


def test_a_schedule_that_cannot_be_read_hides_no_other(engine: Engine, tenant: Tenant) -> None:
    broken = schedule_of(engine, tenant, "0 2 * * *")
    schedule_of(engine, tenant, "30 7 * * *")
    with engine.begin() as connection:
        query = text("UPDATE sync_schedule SET timezone = 'Nowhere/None' WHERE id = :id")
        connection.execute(query, {"id": broken["id"]})

    assert shown(look(engine, tenant)) == [("30 7 * * *", "07:30", 1)]


def test_nobody_sees_what_another_workspace_runs(engine: Engine, tenant: Tenant) -> None:
    schedule_of(engine, tenant, "0 2 * * *")
    page = look(engine, make_tenant(engine))
    assert (page.waiting, page.periods) == ([], [])
