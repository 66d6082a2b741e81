"""A server that goes silent while its connection lives on is given up, as a passing trouble."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from shared.connectors.base import HasTime, always_has_time
from shared.crash_points import CrashPoint, arm
from shared.errors import TransientError
from tests.connectors.databases import (
    DATASET,
    PASSWORD,
    MariaDb,
    Postgres,
    Shop,
    hold_lease,
    orders,
)
from tests.faults.hands import through
from tests.faults.proxy import Proxy, running_proxy
from tests.faults.toxics import Stall

SHORT = timedelta(seconds=1)
SECONDS = 30

pytestmark = pytest.mark.usefixtures("small_pages", "short_deadlines")


@pytest.fixture
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    from shared.connectors import postgres  # noqa: PLC0415 (dlt is slow to import)
    from shared.connectors.database import engine, mysql  # noqa: PLC0415
    from shared.connectors.dataset import turn  # noqa: PLC0415
    from shared.egress import lines  # noqa: PLC0415

    monkeypatch.setattr(lines, "_LOOK_SECONDS", 0.05)
    monkeypatch.setitem(postgres._PARAMETERS, "connect_timeout", 2)  # libpq knows none shorter
    for module, name in (
        (engine, "ANSWER"),
        (engine, "CONNECT"),
        (turn, "ANSWER"),
        (mysql, "ANSWER"),
        (mysql, "CONNECT"),
    ):
        monkeypatch.setattr(module, name, SHORT)


@pytest.fixture
def source_proxy(source: Postgres) -> Iterator[Proxy]:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed int)",
        "INSERT INTO orders SELECT n, n FROM generate_series(1, 10) n",
    )
    with running_proxy(_port(source.url)) as proxy:
        yield proxy


def _port(url: str) -> int:
    return urlsplit(url).port or 0


def _code(shop: Shop, has_time: HasTime = always_has_time) -> tuple[str, str]:
    """Return code and message of the trouble that a sync ends with, or that a stream met."""
    with ThreadPoolExecutor(1) as pool:
        sync = pool.submit(shop.type.sync, shop.request(has_time), hold_lease)
        try:
            (failure,) = sync.result(SECONDS).failures
        except TransientError as error:
            return error.code, str(error)
    assert isinstance(failure.error, TransientError)
    return failure.error.code, str(failure.error)


def _stall_at_next_page(proxy: Proxy) -> HasTime:
    def has_time() -> bool:
        proxy.poison(Stall())
        return True

    return has_time


def test_a_source_that_falls_silent_between_two_pages(
    source: Postgres, dataset: Postgres, source_proxy: Proxy
) -> None:
    shop = Shop(orders(through(source.url, source_proxy.port)), dataset)
    code, message = _code(shop, _stall_at_next_page(source_proxy))
    assert code == "source_unavailable"
    assert message.startswith("The source database did not answer in time")


def test_a_source_that_does_not_greet(
    source: Postgres, dataset: Postgres, source_proxy: Proxy
) -> None:
    source_proxy.poison(Stall())
    code, _ = _code(Shop(orders(through(source.url, source_proxy.port)), dataset))
    assert code == "source_unavailable"


def test_a_mariadb_source_that_falls_silent_between_two_pages(
    mariadb: MariaDb, dataset: Postgres
) -> None:
    mariadb.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed int, name longtext)",
        # More than the sockets on the way hold.
        "INSERT INTO orders SELECT seq, seq, repeat('x', 400000) FROM seq_1_to_100",
    )
    with running_proxy(mariadb.port) as proxy:
        config = orders(through(mariadb.url, proxy.port), password=PASSWORD)
        code, _ = _code(Shop(config, dataset), _stall_at_next_page(proxy))
    assert code == "source_unavailable"


def test_a_mariadb_source_that_does_not_greet(mariadb: MariaDb, dataset: Postgres) -> None:
    with running_proxy(mariadb.port) as proxy:
        proxy.poison(Stall())
        config = orders(through(mariadb.url, proxy.port), password=PASSWORD)
        code, _ = _code(Shop(config, dataset))
    assert code == "source_unavailable"


@pytest.mark.parametrize("point", [CrashPoint.READ, CrashPoint.TURN_TAKEN, CrashPoint.STAGED])
def test_a_dataset_that_falls_silent(
    source: Postgres, dataset: Postgres, source_proxy: Proxy, point: CrashPoint
) -> None:
    with running_proxy(_port(dataset.url)) as proxy:
        far = Postgres(through(dataset.url, proxy.port), dataset.url)

        def fall_silent(reached: CrashPoint) -> None:
            if reached is point:
                proxy.poison(Stall())

        arm(fall_silent)
        try:
            code, _ = _code(Shop(orders(source.url), far))
        finally:
            arm(None)
    assert code == "dataset_unavailable"
    if dataset.has_table(f"{DATASET}.orders"):
        assert dataset.rows(f"SELECT count(*) FROM {DATASET}.orders") == [(0,)]
