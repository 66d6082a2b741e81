"""A look ends in time, whatever the source does before there is a connection to speak of."""

import socket
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from shared.connectors.base import SourceAccess
from shared.connectors.database import CONNECTOR_TYPE, mysql
from shared.connectors.database.config import DatabaseConfig
from shared.connectors.postgres import tried_within
from shared.domain.fault import Fault
from shared.egress import lines as lines_of_egress
from shared.egress.addresses import Address
from shared.egress.lines import Lines
from shared.errors import TransientError
from shared.flow import look as look_flow
from tests.connectors.databases import orders
from tests.egress.resolver import answers
from tests.loopback import LOOPBACK

PATIENCE = timedelta(seconds=1)
SECONDS = 30
"""For the test to give up: what it is about took minutes, or had no end."""
ENDLESS_GREETING = b"\xff\xff\xff\x00"


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_flow, "PATIENCE", PATIENCE)
    monkeypatch.setattr(lines_of_egress, "_LOOK_SECONDS", 0.05)


@contextmanager
def _server(serve: Callable[[socket.socket, threading.Event], None]) -> Generator[int]:
    """Yield the port of a server on every loopback address that treats each caller so."""
    over = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("0.0.0.0", 0)) as listening:  # noqa: S104 (127.0.0.1 to .30)

        def accept() -> None:
            with suppress(OSError):
                while not over.is_set():
                    caller, _ = listening.accept()
                    threads.append(threading.Thread(target=_served, args=(serve, caller, over)))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        yield listening.getsockname()[1]
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        for thread in (acceptor, *threads):
            thread.join(SECONDS)


def _served(
    serve: Callable[[socket.socket, threading.Event], None],
    caller: socket.socket,
    over: threading.Event,
) -> None:
    with caller, suppress(OSError):
        serve(caller, over)


def _drip(caller: socket.socket, over: threading.Event) -> None:
    caller.sendall(ENDLESS_GREETING)
    while not over.wait(0.05):
        caller.sendall(b"x")


def _say_nothing(_caller: socket.socket, over: threading.Event) -> None:
    over.wait(SECONDS)


@pytest.fixture
def dripping() -> Iterator[int]:
    with _server(_drip) as port:
        yield port


@pytest.fixture
def silent() -> Iterator[int]:
    with _server(_say_nothing) as port:
        yield port


def _look(url: str, lines: Lines | None = None) -> TransientError:
    access = SourceAccess(
        config=DatabaseConfig.model_validate(orders(url)),
        guard=LOOPBACK,
        lines=Lines(PATIENCE) if lines is None else lines,
    )
    with ThreadPoolExecutor(1) as pool:
        look = pool.submit(lambda: look_flow._within(access, lambda: CONNECTOR_TYPE.check(access)))
        with pytest.raises(TransientError) as raised:
            look.result(SECONDS)
    return raised.value


def test_a_server_that_drips_its_greeting_is_given_up(dripping: int) -> None:
    assert _look(f"mariadb://reader@127.0.0.1:{dripping}/shop").fault == Fault.TIMEOUT


def test_a_greeting_has_a_deadline_as_a_whole_also_in_a_sync(
    dripping: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_flow, "PATIENCE", timedelta(seconds=SECONDS))
    monkeypatch.setattr(mysql, "CONNECT", timedelta(milliseconds=500))
    error = _look(f"mariadb://reader@127.0.0.1:{dripping}/shop", Lines())
    assert error.fault == Fault.TIMEOUT


@pytest.mark.parametrize("scheme", ["postgresql", "mariadb"])
def test_many_addresses_that_say_nothing_are_tried_within_one_deadline(
    silent: int, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    answers(monkeypatch, [f"127.0.0.{number}" for number in range(1, 31)])
    assert _look(f"{scheme}://reader@many.example:{silent}/shop").fault == Fault.TIMEOUT


def test_each_address_gets_its_part_of_the_time() -> None:
    addresses: list[Address] = list(range(30))  # type: ignore[arg-type]
    for seconds, (count, each) in {
        10: (5, 2),
        20: (10, 2),
        1: (1, 2),
        3: (1, 3),
    }.items():
        tried, share = tried_within(addresses, timedelta(seconds=seconds))
        assert (len(tried), share) == (count, each)
    assert tried_within(addresses[:2], timedelta(seconds=10))[1] == 5
