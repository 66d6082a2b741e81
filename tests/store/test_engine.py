import gc
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from infra.local.postgres import PostgresServer
from shared.store import engine as engine_module
from shared.store.engine import PATIENT, PROMPT, Deadlines, create_engine_for, single_statements
from tests.faults.proxy import Proxy, running_proxy
from tests.faults.statements import StatementWatch
from tests.faults.toxics import CutAfter, Direction, HalfClose, Moment, Stall, Trap

SHORT = replace(
    PROMPT,
    connect=timedelta(milliseconds=400),
    ping=timedelta(milliseconds=400),
    answer=timedelta(milliseconds=400),
)
# The driver converts it to UTC between two messages, and leaves the calendar on the way.
BEYOND = datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))

BREAKING: Mapping[str, Callable[[Proxy], object]] = {
    "reset": lambda proxy: proxy.reset(),
    "cut in an answer": lambda proxy: proxy.poison(CutAfter(3), Direction.DOWN),
    "closed by the server": lambda proxy: proxy.poison(HalfClose(), Direction.DOWN),
    "silent": lambda proxy: proxy.poison(Stall()),
    "deaf": lambda proxy: proxy.poison(Stall(), Direction.UP),
}


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[Proxy]:
    with running_proxy(postgres_server.port, StatementWatch) as proxy:
        yield proxy


@pytest.fixture
def far(proxy: Proxy, database_url: str, postgres_server: PostgresServer) -> Iterator[Engine]:
    """Return an engine whose way to this test's database is the proxy."""
    engine = connect_through(proxy, database_url, postgres_server, SHORT)
    yield engine
    engine.dispose()


def connect_through(proxy: Proxy, url: str, server: PostgresServer, deadlines: Deadlines) -> Engine:
    way = url.replace(f":{server.port}/", f":{proxy.port}/")
    return create_engine_for(way, deadlines=deadlines)


def ask(connection: Connection) -> int:
    return connection.execute(text("SELECT CAST(:n AS integer)"), {"n": 42}).scalar_one()


def ask_in_transaction(engine: Engine) -> int:
    with engine.begin() as connection:
        return ask(connection)


def ask_in_single_statement(engine: Engine) -> int:
    with single_statements(engine) as connection:
        return ask(connection)


ASKING = [ask_in_transaction, ask_in_single_statement]


@pytest.mark.parametrize("is_autocommit", [True, False])
def test_a_connection_on_which_the_driver_broke_down_is_not_used_again(
    engine: Engine, *, is_autocommit: bool
) -> None:
    def ask(parameter: object) -> object:
        query, parameters = text("SELECT CAST(:at AS timestamptz)"), {"at": parameter}
        if is_autocommit:
            with single_statements(engine) as connection:
                return connection.execute(query, parameters).scalar_one()
        with engine.begin() as connection:
            return connection.execute(query, parameters).scalar_one()

    with pytest.raises(OverflowError):
        ask(BEYOND)
    for _ in range(3):
        assert ask(datetime(2026, 3, 2, tzinfo=UTC)) is not None


@pytest.mark.parametrize("breaking", BREAKING)
@pytest.mark.parametrize("asking", ASKING)
def test_however_the_network_breaks_it_is_told_alike_and_the_next_caller_gets_through(
    far: Engine, proxy: Proxy, breaking: str, asking: Callable[[Engine], int]
) -> None:
    asking(far)
    BREAKING[breaking](proxy)

    with pytest.raises(DBAPIError) as raised:
        asking(far)
    assert raised.value.connection_invalidated

    proxy.heal()
    assert asking(far) == 42


@pytest.mark.parametrize("asking", ASKING)
def test_a_database_that_cannot_be_reached_is_told_as_a_broken_network_is(
    far: Engine, proxy: Proxy, asking: Callable[[Engine], int]
) -> None:
    for breaking in (Proxy.refuse, BREAKING["silent"], BREAKING["cut in an answer"]):
        breaking(proxy)
        with pytest.raises(DBAPIError) as raised:
            asking(far)
        assert raised.value.connection_invalidated
        proxy.heal()
    # Sockets that were left open would be told here.
    del raised
    gc.collect()
    assert asking(far) == 42


def test_a_login_that_is_refused_is_told_as_no_connection(postgres_server: PostgresServer) -> None:
    engine = create_engine_for(postgres_server.url("nowhere"))
    with pytest.raises(DBAPIError, match="does not exist") as raised:
        ask_in_transaction(engine)
    assert raised.value.connection_invalidated


def test_one_broken_connection_makes_those_beside_it_be_made_anew(
    far: Engine, proxy: Proxy
) -> None:
    with far.connect() as one, far.connect() as another:
        ask(one)
        ask(another)
    assert proxy.accepted() == 2
    proxy.set_trap(Trap("42", Moment.BEFORE, up=Stall()))
    with pytest.raises(DBAPIError), far.connect() as connection:
        connection.execute(text("SELECT 42"))

    with far.connect() as one, far.connect() as another:
        ask(one)
        ask(another)
    assert proxy.accepted() == 4


def test_what_sat_idle_and_died_is_replaced_before_anybody_gets_it(
    far: Engine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with far.connect() as one, far.connect() as another:
        ask(one)
        ask(another)
    monkeypatch.setattr(engine_module, "_PING_AFTER_IDLE_SECONDS", 0.0)
    proxy.set_trap(Trap("SELECT 1", Moment.BEFORE, up=Stall(), down=Stall()))

    with far.connect() as one, far.connect() as another:
        assert (ask(one), ask(another)) == (42, 42)
    assert proxy.wait_for_trap(0)
    assert proxy.accepted() == 4


def test_what_sat_idle_and_lives_is_used_again_with_its_deadlines(
    far: Engine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_PING_AFTER_IDLE_SECONDS", 0.0)
    ask_in_transaction(far)
    assert ask_in_single_statement(far) == ask_in_transaction(far) == 42
    assert proxy.accepted() == 1

    proxy.set_trap(Trap("integer", Moment.BEFORE, up=Stall()))
    with pytest.raises(DBAPIError):
        ask_in_transaction(far)


def test_an_answer_may_take_longer_than_connecting_and_pinging_may(
    proxy: Proxy,
    database_url: str,
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patient = replace(SHORT, answer=timedelta(seconds=10))
    engine = connect_through(proxy, database_url, postgres_server, patient)
    monkeypatch.setattr(engine_module, "_PING_AFTER_IDLE_SECONDS", 0.0)
    wait = text("SELECT pg_sleep(:seconds)"), {"seconds": 0.6}
    for _ in range(2):
        with engine.connect() as connection:
            connection.execute(*wait)
    engine.dispose()
    assert proxy.accepted() == 1


def test_a_commit_whose_answer_is_lost_may_have_taken_place(far: Engine, proxy: Proxy) -> None:
    with far.begin() as connection:
        connection.execute(text("CREATE TABLE t (n integer)"))

    def insert(number: int) -> None:
        with far.begin() as connection:
            connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": number})

    proxy.set_trap(Trap("commit", Moment.BEFORE, up=CutAfter()))
    with pytest.raises(DBAPIError) as lost:
        insert(1)
    proxy.set_trap(Trap("commit", Moment.AFTER, down=CutAfter()))
    with pytest.raises(DBAPIError) as unknown:
        insert(2)

    assert lost.value.connection_invalidated
    assert unknown.value.connection_invalidated
    with far.connect() as connection:
        assert connection.execute(text("SELECT n FROM t")).scalars().all() == [2]


def test_a_single_statement_is_its_own_transaction_and_the_next_transaction_is_whole(
    engine: Engine,
) -> None:
    with single_statements(engine) as connection:
        connection.execute(text("CREATE TABLE t (n integer)"))
        connection.execute(text("INSERT INTO t VALUES (1)"))
        with engine.connect() as another:
            assert another.execute(text("SELECT count(*) FROM t")).scalar_one() == 1
    for unit, number in ((single_statements(engine), 2), (engine.begin(), 3)):
        with pytest.raises(DBAPIError):
            insert_and_fail(unit, number)
    with engine.connect() as connection:
        query = text("SELECT n FROM t ORDER BY n")
        assert connection.execute(query).scalars().all() == [1, 2]


def insert_and_fail(unit: AbstractContextManager[Connection], number: int) -> None:
    with unit as connection:
        connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": number})
        connection.execute(text("INSERT INTO t VALUES ('many')"))


def test_a_single_statement_sends_nothing_beside_itself(far: Engine, proxy: Proxy) -> None:
    ask_in_single_statement(far)
    # Whatever else was sent would run into this.
    proxy.set_trap(Trap("", Moment.AFTER, up=CutAfter()))
    assert ask_in_single_statement(far) == 42
    assert proxy.open_connections() == 1


def test_the_server_gives_up_what_its_client_has_given_up(database_url: str) -> None:
    engine = create_engine_for(database_url, deadlines=PROMPT)
    wanted = {
        "statement_timeout": "20s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "30s",
        "client_connection_check_interval": "10s",
        "tcp_keepalives_idle": "60",
        "tcp_keepalives_interval": "20",
        "tcp_keepalives_count": "4",
    }
    with engine.connect() as connection:
        found = {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in wanted}
    engine.dispose()
    assert found == wanted


def test_the_client_waits_longer_than_the_server_and_a_lease_outlives_a_beat_that_fails() -> None:
    for deadlines in (PATIENT, PROMPT):
        assert deadlines.lock < deadlines.statement < deadlines.answer
        assert deadlines.connect + deadlines.ping < deadlines.answer
    lease = timedelta(seconds=90)
    assert lease / 3 + PROMPT.answer + lease / 3 < lease


def test_an_idle_connection_shows_that_it_lives(engine: Engine) -> None:
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        sock = driver._usock
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 20
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 4
    assert sock.gettimeout() == PATIENT.answer.total_seconds()
