"""A wait that lasts too long ends, and so does every connection of a sync that is cut."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from shared.egress import lines as lines_module
from shared.egress.lines import Line, Lines

SHORT = timedelta(milliseconds=50)
LONG = timedelta(seconds=60)
SECONDS = 30


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "_LOOK_SECONDS", 0.01)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return our end of a connection, and one of a peer that says nothing."""
    ours, peer = socket.socketpair()
    with ours, peer:
        yield ours, peer


def _wait(line: Line, ours: socket.socket) -> bytes:
    with line.waiting():
        return ours.recv(1)


def test_a_wait_beyond_its_patience_is_ended(ends: tuple[socket.socket, socket.socket]) -> None:
    lines = Lines()
    with ThreadPoolExecutor(1) as pool, lines.watched():
        line = lines.add(ends[0].fileno(), SHORT)
        assert pool.submit(_wait, line, ends[0]).result(SECONDS) == b""
        assert line.is_given_up


def test_time_without_a_wait_does_not_count(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = ends
    lines, pause = Lines(), threading.Event()
    with lines.watched():
        line = lines.add(ours.fileno(), SHORT)
        pause.wait(4 * SHORT.total_seconds())
        peer.send(b"x")
        assert _wait(line, ours) == b"x"
        pause.wait(4 * SHORT.total_seconds())
        assert not line.is_given_up


def test_an_answer_that_takes_long_and_comes_in_time_is_waited_for(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, peer = ends
    lines = Lines()
    with ThreadPoolExecutor(1) as pool, lines.watched():
        line = lines.add(ours.fileno(), SHORT)
        line.patience = LONG
        answer = pool.submit(_wait, line, ours)
        threading.Event().wait(4 * SHORT.total_seconds())
        peer.send(b"x")
        assert answer.result(SECONDS) == b"x"


def test_a_cut_ends_every_wait_at_once(ends: tuple[socket.socket, socket.socket]) -> None:
    lines = Lines()
    with ThreadPoolExecutor(2) as pool, lines.watched():
        waits = [pool.submit(_wait, lines.add(end.fileno(), LONG), end) for end in ends]
        lines.cut()
        assert [wait.result(SECONDS) for wait in waits] == [b"", b""]


def test_a_connection_that_comes_after_the_cut_is_dead_at_once(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    lines = Lines()
    lines.cut()
    line = lines.add(ends[0].fileno(), LONG)
    assert _wait(line, ends[0]) == b""
    assert not line.is_given_up
    line.close()


@pytest.mark.parametrize("closed", [True, False])
def test_who_got_the_number_of_a_closed_connection_is_not_cut(closed: bool) -> None:
    lines = Lines()
    ours, peer = socket.socketpair()
    number = ours.fileno()
    line = lines.add(number, LONG)
    ours.close()
    heir, far = socket.socketpair()
    with peer, heir, far:
        assert heir.fileno() == number, "the lowest number that is free comes next"
        if closed:
            line.close()
        lines.cut()
        far.send(b"x")
        assert heir.recv(1) == b"x"
        assert peer.recv(1) == b""
    line.close()


def test_cutting_and_closing_twice_is_harmless(ends: tuple[socket.socket, socket.socket]) -> None:
    lines = Lines()
    line = lines.add(ends[0].fileno(), LONG)
    lines.cut()
    lines.cut()
    line.close()
    line.close()
    line.cut()
    assert line.is_closed


def test_what_is_left_open_ends_with_the_sync(ends: tuple[socket.socket, socket.socket]) -> None:
    lines = Lines()
    with lines.watched():
        line = lines.add(ends[0].fileno(), LONG)
    assert line.is_closed
    assert ends[1].recv(1) == b""
    assert "lines" not in [thread.name for thread in threading.enumerate()]
