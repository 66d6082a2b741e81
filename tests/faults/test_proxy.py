import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from socketserver import BaseRequestHandler, ThreadingTCPServer
from time import monotonic

import pytest

from infra.local.ports import HOST
from tests.faults.proxy import Proxy, running_proxy
from tests.faults.toxics import (
    CutAfter,
    Direction,
    Drip,
    HalfClose,
    Latency,
    Mark,
    Moment,
    Stall,
    Trap,
)

PATIENCE = 10.0
MEGABYTE = bytes(range(256)) * 4096


class Echo(ThreadingTCPServer):
    """Sends back what it gets, and remembers it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), EchoHandler)
        self.heard = b""
        self.ends: list[str] = []
        self.has_ended = threading.Event()

    def note_end(self, end: str) -> None:
        self.ends.append(end)
        self.has_ended.set()


class EchoHandler(BaseRequestHandler):
    def handle(self) -> None:
        echo = self.server
        assert isinstance(echo, Echo)
        try:
            while data := self.request.recv(65_536):
                echo.heard += data
                self.request.sendall(data)
        except ConnectionError:
            echo.note_end("reset")
        else:
            echo.note_end("closed")


class Lines:
    """A watch for whom each line is a request."""

    def __init__(self) -> None:
        self._line = b""

    def feed(self, data: bytes) -> Sequence[Mark]:
        marks = []
        for offset, byte in enumerate(data):
            if byte != ord("\n"):
                self._line += bytes([byte])
                continue
            line, self._line = self._line, b""
            text = line.decode(errors="replace")
            marks.append(Mark(offset - len(line), text, Moment.BEFORE))
            marks.append(Mark(offset + 1, text, Moment.AFTER))
        return marks


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with running_proxy(echo.server_address[1], Lines) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with closing(connect(proxy)) as client:
        yield client


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=PATIENCE)


def connect_and_read(proxy: Proxy) -> bytes:
    with closing(connect(proxy)) as client:
        return client.recv(1)


def read(client: socket.socket, size: int) -> bytes:
    """Return so many bytes, or what came before the end."""
    data = b""
    while len(data) < size and (piece := client.recv(size - len(data))):
        data += piece
    return data


def read_until_reset(client: socket.socket) -> bytes:
    """Return what came before the reset; fail if the end comes without one."""
    data = b""
    try:
        while piece := client.recv(1_000):
            data += piece
    except ConnectionResetError:
        return data
    raise AssertionError("the connection ended without a reset")


def ask(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return read(client, len(data))


def hears_nothing(client: socket.socket) -> bool:
    client.settimeout(0.2)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(PATIENCE)
    return False


def test_what_is_not_hurt_passes_unchanged_and_so_does_its_end(
    echo: Echo, client: socket.socket
) -> None:
    sender = threading.Thread(target=client.sendall, args=(MEGABYTE,))
    sender.start()

    assert read(client, len(MEGABYTE)) == MEGABYTE
    sender.join()
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    assert echo.has_ended.wait(PATIENCE)
    assert echo.ends == ["closed"]


def test_latency_holds_each_way_up(proxy: Proxy, client: socket.socket) -> None:
    proxy.poison(Latency(0.1))
    before = monotonic()

    assert ask(client, b"hello") == b"hello"
    assert monotonic() - before >= 0.2

    proxy.heal()
    before = monotonic()
    assert ask(client, b"hello") == b"hello"
    assert monotonic() - before < 0.2


@pytest.mark.parametrize("direction", Direction)
def test_a_stall_lets_nothing_pass_and_loses_nothing(
    proxy: Proxy, client: socket.socket, echo: Echo, direction: Direction
) -> None:
    proxy.poison(Stall(), direction)
    client.sendall(b"hello")

    assert hears_nothing(client)
    assert echo.heard == (b"" if direction is Direction.UP else b"hello")

    proxy.heal()
    assert read(client, 5) == b"hello"


def test_a_stall_holds_back_the_end_of_a_connection_too(
    proxy: Proxy, client: socket.socket, echo: Echo
) -> None:
    assert ask(client, b"hello") == b"hello"
    proxy.poison(Stall())
    client.close()

    assert not echo.has_ended.wait(0.2)

    proxy.heal()
    assert echo.has_ended.wait(PATIENCE)


def test_new_connections_suffer_what_open_ones_do(proxy: Proxy) -> None:
    proxy.poison(Stall())
    with closing(connect(proxy)) as late:
        late.sendall(b"hello")
        assert hears_nothing(late)
        proxy.heal()
        assert read(late, 5) == b"hello"


def test_a_drip_passes_at_its_rate_and_at_once_when_it_ends(
    proxy: Proxy, client: socket.socket
) -> None:
    proxy.poison(Drip(bytes_per_second=100), Direction.DOWN)
    before = monotonic()
    client.sendall(bytes(1_000))

    assert len(read(client, 30)) == 30
    assert monotonic() - before >= 0.25

    proxy.heal()
    assert len(read(client, 970)) == 970
    assert monotonic() - before < 8


@pytest.mark.parametrize("count", [0, 3, 5])
def test_a_cut_lets_so_many_bytes_pass_and_resets_both_sides(
    proxy: Proxy, client: socket.socket, echo: Echo, count: int
) -> None:
    proxy.poison(CutAfter(count), Direction.DOWN)
    client.sendall(b"hello, world")

    # A reset may overtake what was sent before it, so that bytes may be missing; never too many.
    came = read_until_reset(client)
    assert b"hello, world".startswith(came)
    assert len(came) <= count
    assert echo.has_ended.wait(PATIENCE)
    assert echo.ends == ["reset"]


def test_a_cut_counts_over_several_pieces(proxy: Proxy, client: socket.socket, echo: Echo) -> None:
    proxy.poison(CutAfter(7), Direction.UP)

    assert ask(client, b"hello") == b"hello"
    client.sendall(b"world")

    assert echo.has_ended.wait(PATIENCE)
    assert b"hellowo".startswith(echo.heard)


def test_a_half_close_ends_one_direction_alone(
    proxy: Proxy, client: socket.socket, echo: Echo
) -> None:
    proxy.poison(HalfClose(), Direction.DOWN)
    client.sendall(b"hello")

    assert client.recv(5) == b""

    client.sendall(b", world")
    client.shutdown(socket.SHUT_WR)
    assert echo.has_ended.wait(PATIENCE)
    assert (echo.heard, echo.ends) == (b"hello, world", ["closed"])


def test_a_reset_hits_open_connections_alone(
    proxy: Proxy, client: socket.socket, echo: Echo
) -> None:
    assert ask(client, b"hello") == b"hello"

    assert proxy.reset() == 1

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert echo.has_ended.wait(PATIENCE)
    assert echo.ends == ["reset"]
    with closing(connect(proxy)) as another:
        assert ask(another, b"hello") == b"hello"
    assert proxy.accepted() == 2


def test_new_connections_are_refused_while_open_ones_live_on(
    proxy: Proxy, client: socket.socket
) -> None:
    assert ask(client, b"hello") == b"hello"
    proxy.refuse()

    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    assert ask(client, b"hello") == b"hello"

    proxy.heal()
    with closing(connect(proxy)) as another:
        assert ask(another, b"hello") == b"hello"


def test_a_server_that_is_away_resets_its_clients_until_it_is_back() -> None:
    with socket.create_server((HOST, 0)) as place:
        port = place.getsockname()[1]
    with running_proxy(port) as proxy:
        # The reset may come while the client still connects.
        with pytest.raises(ConnectionResetError):
            connect_and_read(proxy)
        with (
            socket.create_server((HOST, port)) as server,
            closing(connect(proxy)) as client,
        ):
            back, _ = server.accept()
            with closing(back):
                back.sendall(b"hello")
                assert read(client, 5) == b"hello"


def test_a_trap_catches_the_first_request_that_fits_and_no_other(
    proxy: Proxy, client: socket.socket, echo: Echo
) -> None:
    proxy.set_trap(Trap("commit", Moment.BEFORE, up=CutAfter()))
    assert ask(client, b"begin\n") == b"begin\n"
    assert not proxy.wait_for_trap(0)
    client.sendall(b"com")
    client.sendall(b"mit\n")

    assert proxy.wait_for_trap(PATIENCE)
    # The echo of what passed before the trap may or may not have overtaken the reset.
    assert b"com".startswith(read_until_reset(client))
    assert echo.has_ended.wait(PATIENCE)
    assert b"begin\ncom".startswith(echo.heard)
    with closing(connect(proxy)) as another:
        assert ask(another, b"commit\n") == b"commit\n"


def test_a_trap_after_a_request_hurts_the_answer_alone(
    proxy: Proxy, client: socket.socket, echo: Echo
) -> None:
    with closing(connect(proxy)) as another:
        proxy.set_trap(Trap("commit", Moment.AFTER, up=Stall(), down=Stall()))
        client.sendall(b"commit\nbegin\n")

        assert hears_nothing(client)
        assert echo.heard == b"commit\n"
        assert ask(another, b"begin\n") == b"begin\n"

        proxy.heal()
        assert read(client, 13) == b"commit\nbegin\n"


def test_closing_a_proxy_resets_its_clients_and_leaves_nothing_behind(echo: Echo) -> None:
    with running_proxy(echo.server_address[1]) as proxy:
        client = connect(proxy)
        proxy.poison(Stall())
        client.sendall(b"hello")
        assert hears_nothing(client)
    with closing(client), pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    assert "fault-proxy" not in {thread.name for thread in threading.enumerate()}
