"""The database fails at each step of the product; the truth in it survives and everything ends."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event
from time import monotonic, sleep

import pytest

from shared.crash_points import CrashPoint, arm
from shared.flow.attempt import AttemptResult
from shared.store.sql import load_sql
from tests.faults.crashes import FragilePostgres, database, fragile
from tests.faults.hands import ERROR, LEASE, SHORT, Hands, hands_on, hurry
from tests.faults.invariants import broken_at_rest, broken_now
from tests.faults.proxy import Proxy, running_proxy
from tests.faults.statements import StatementWatch
from tests.faults.toxics import CutAfter, Drip, HalfClose, Latency, Moment, Stall, Toxic, Trap
from tests.faults.world import World, make_world, open_world

__all__ = ["database", "fragile"]  # fixtures
_ENDS = """
SELECT DISTINCT status FROM workspace_connector_sync_log
WHERE coalesce(period_at, not_before_at) <= now()
"""
_PATIENCE_SECONDS = 30.0
_NAP_SECONDS = 0.02

Act = Callable[[Hands], object]


@pytest.fixture
def world(
    fragile: FragilePostgres, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    hurry(monkeypatch)
    return make_world(
        fragile.server, database, tmp_path, periods=2, max_concurrent_syncs=1, records=14
    )


@pytest.fixture
def proxy(fragile: FragilePostgres) -> Iterator[Proxy]:
    with running_proxy(fragile.server.port, StatementWatch) as proxy:
        yield proxy


@pytest.fixture
def far(world: World, proxy: Proxy) -> Iterator[Hands]:
    """Hands that reach the database by way of the proxy."""
    with hands_on(world, port=proxy.port, deadlines=SHORT) as hands:
        yield hands


@pytest.fixture
def near(world: World) -> Iterator[Hands]:
    """Hands of somebody else, whose way to the database is sound."""
    with hands_on(world) as hands:
        yield hands


def first_line(name: str) -> str:
    return load_sql(name).text.partition("\n")[0]


def work(hands: Hands) -> None:
    hands.request()
    hands.tick()
    hands.deliver()


class SilenceError(Exception):
    """Ends a worker that will not be heard of again."""


def fall_silent(hands: Hands) -> None:
    """Let a worker end with its lease, and tick when that is over."""

    def end(point: CrashPoint) -> None:
        if point is CrashPoint.LEASED:
            raise SilenceError

    arm(end)
    try:
        with suppress(SilenceError):
            work(hands)
    finally:
        arm(None)
    sleep(LEASE.total_seconds())
    hands.tick()


STATEMENTS: Mapping[str, tuple[str, Act]] = {
    "begin a tick": ("INSERT INTO tick", Hands.tick),
    "find silent workers": (first_line("expired_leases"), Hands.tick),
    "rescue tasks": (first_line("rescue_lost_tasks"), Hands.tick),
    "find what is due": (first_line("due_schedules"), Hands.tick),
    "claim": (first_line("claim_page"), Hands.tick),
    "commit a claim": (f"commit\n{first_line('claim_page')}", Hands.tick),
    "admit": (first_line("admit_runs"), Hands.tick),
    "note tasks": (first_line("mark_enqueued"), Hands.tick),
    "end a tick": ("UPDATE tick", Hands.tick),
    "write a request": ("INSERT INTO workspace_connector_sync_log", Hands.request),
    "commit a request": (f"commit\n{first_line('append_audit')}", work),
    "queue for a lease": (first_line("lock_workspace_of_run"), work),
    "lease": (first_line("lease_run"), work),
    "commit a lease": (f"commit\n{first_line('lease_run')}", work),
    "confirm a lease": (first_line("heartbeat_run"), work),
    "record": (first_line("record_run"), work),
    "rescue leases": (first_line("rescue_expired_leases"), fall_silent),
}
"""Where a fault can hit, in the order in which a world comes there, and who brings it there."""

FAULTS: Mapping[str, Callable[[str], Trap]] = {
    "the request is lost": lambda marker: Trap(marker, Moment.BEFORE, up=CutAfter()),
    "the answer is lost": lambda marker: Trap(marker, Moment.AFTER, down=CutAfter()),
    "the answer is cut": lambda marker: Trap(marker, Moment.AFTER, down=CutAfter(7)),
    "the end comes instead": lambda marker: Trap(marker, Moment.AFTER, down=HalfClose()),
    "the request is held up": lambda marker: Trap(marker, Moment.BEFORE, up=Stall(), down=Stall()),
    "the answer is held up": lambda marker: Trap(marker, Moment.AFTER, up=Stall(), down=Stall()),
}


POINTS = {
    CrashPoint.PAGE_PLANNED: Hands.tick,
    CrashPoint.HANDED_OVER: work,
    CrashPoint.TICK_BEGUN: Hands.tick,
    CrashPoint.RESCUED: Hands.tick,
    CrashPoint.PLANNED: Hands.tick,
    CrashPoint.ADMITTED: Hands.tick,
    CrashPoint.TASKS_MADE: work,
    CrashPoint.ENQUEUED: work,
    CrashPoint.TICK_DONE: Hands.tick,
    CrashPoint.TRIGGERED: work,
    CrashPoint.LEASED: work,
    CrashPoint.READ: work,
    CrashPoint.TURN_TAKEN: work,
    CrashPoint.MERGED: work,
    CrashPoint.LOADED: work,
    CrashPoint.SYNCED: work,
    CrashPoint.RECORDED: work,
}
"""All that the product and the connector that keeps books come to, and who brings them there.

In this order: runs wait for the place of another one only until the missed periods are made up.
"""

CRASHES: Mapping[str, Callable[[FragilePostgres, str], object]] = {
    "the server crashes": lambda fragile, _: fragile.restart(),
    "a backend crashes": lambda fragile, _: fragile.kill_backend(),
    "backends are terminated": FragilePostgres.terminate_backends,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_any_statement_may_be_hit_by_any_fault_of_the_network(
    world: World, far: Hands, near: Hands, proxy: Proxy, fault: str
) -> None:
    for statement, (marker, act) in STATEMENTS.items():
        proxy.set_trap(FAULTS[fault](marker))
        repeat(partial(act, far), until=lambda: proxy.wait_for_trap(0), what=statement)
        proxy.heal()
        assert broken_now(world, LEASE) == [], statement
    assert_all_ends_well(world, near)


@pytest.mark.parametrize("crash", CRASHES)
def test_the_database_may_crash_between_any_two_steps(
    fragile: FragilePostgres, world: World, near: Hands, crash: str
) -> None:
    database = database_of(world)
    for point, act in POINTS.items():
        with crashing_at(point, lambda: CRASHES[crash](fragile, database)) as reached:
            repeat(partial(act, near), until=reached.is_set, what=point)
        assert broken_now(world, LEASE) == [], point
    assert_all_ends_well(world, near)


def test_a_worker_that_is_cut_off_loses_its_run_to_another_and_writes_nothing_more(
    world: World, near: Hands, proxy: Proxy
) -> None:
    near.tick()
    [task] = near.queue.take(1)

    def cut_off_until_another_is_done() -> None:
        proxy.poison(Stall())
        near.drain()
        proxy.heal()

    with (
        hands_on(world, port=proxy.port) as far,
        crashing_at(CrashPoint.MERGED, cut_off_until_another_is_done),
    ):
        answer = far.attempt(task)

    assert answer == AttemptResult.LEASE_LOST
    assert_all_ends_well(world, near)


@pytest.mark.parametrize("statement", ["claim", "lease", "record"])
def test_whoever_goes_silent_within_a_transaction_keeps_nobody_from_work(
    world: World, far: Hands, near: Hands, proxy: Proxy, statement: str
) -> None:
    marker, act = STATEMENTS[statement]
    proxy.set_trap(Trap(marker, Moment.AFTER, up=Stall(), down=Stall()))
    repeat(partial(act, far), until=lambda: proxy.wait_for_trap(0), what=statement)

    # Nothing is healed: what the silent one left on the server goes away by the server's deadlines.
    assert_all_ends_well(world, near)


@pytest.mark.parametrize("slowness", [Latency(0.005), Drip(50_000)])
def test_a_slow_way_to_the_database_costs_time_and_nothing_else(
    world: World, near: Hands, proxy: Proxy, slowness: Toxic
) -> None:
    proxy.poison(slowness)
    with hands_on(world, port=proxy.port) as slow:
        answers = slow.drain()

    assert set(answers) == {"ticked", AttemptResult.RECORDED}
    assert_all_ends_well(world, near)


def test_a_server_that_is_full_puts_work_off(
    fragile: FragilePostgres, world: World, near: Hands
) -> None:
    with fragile.filled():
        assert [near.tick(), near.request()] == [ERROR, ERROR]
    near.tick()
    tasks = near.queue.take(1)
    near.engine.dispose()
    with fragile.filled():
        assert [near.attempt(task) for task in tasks] == [ERROR]

    assert_all_ends_well(world, near)


@pytest.mark.parametrize("table", ["workspace", "workspace_connector_sync_log", "sync_schedule"])
def test_a_lock_that_a_stranger_holds_puts_work_off(
    world: World, far: Hands, near: Hands, table: str
) -> None:
    near.tick()
    with closing(open_world(world.dataset_url)) as stranger, stranger.cursor() as cursor:
        cursor.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        [task] = far.queue.take(1)
        assert far.attempt(task) == ERROR

    assert_all_ends_well(world, near)


@contextmanager
def crashing_at(point: CrashPoint, crash: Callable[[], object]) -> Generator[Event, None, None]:
    """Let `crash` happen once, when this process comes to a crash point."""
    reached = Event()

    def act(at: CrashPoint) -> None:
        if at is point and not reached.is_set():
            reached.set()
            crash()

    arm(act)
    try:
        yield reached
    finally:
        arm(None)


def database_of(world: World) -> str:
    return world.database_url.rpartition("/")[2]


def repeat(act: Callable[[], object], *, until: Callable[[], bool], what: str) -> None:
    end = monotonic() + _PATIENCE_SECONDS
    while not until():
        assert monotonic() < end, f"nothing came to: {what}"
        act()
        sleep(_NAP_SECONDS)


def assert_all_ends_well(world: World, hands: Hands) -> None:
    hands.drain()
    assert broken_at_rest(world, LEASE) == []
    assert world.rows(_ENDS) == [("success",)]
