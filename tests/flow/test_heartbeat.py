"""Heartbeats come every third of a lease, sooner after one that was missed, and tell of a loss."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from queue import Empty, Queue
from time import monotonic
from uuid import uuid4

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from shared.errors import LeaseLostError, TransientError
from shared.flow import heartbeat as heartbeat_flow
from shared.flow.heartbeat import Heartbeat, Hold, heartbeat

LEASE = timedelta(seconds=6)
LONG = timedelta(seconds=60)
SECONDS = 30


class Ledger:
    """Answers heartbeats as a test says, and notes when they came."""

    def __init__(self, *answers: bool | None) -> None:
        self.times: list[float] = [monotonic()]
        self.lost: Queue[float] = Queue()
        self._answers = iter(answers)

    def extend(self, *_: object, **__: object) -> bool:
        self.times.append(monotonic())
        answer = next(self._answers)
        if answer is None:
            raise OperationalError(None, None, ConnectionResetError())
        return answer

    def lose(self) -> None:
        self.lost.put(monotonic())


@contextmanager
def _beating(
    engine: Engine,
    ledger: Ledger,
    patch: pytest.MonkeyPatch,
    *,
    lease: timedelta = LEASE,
    longest: timedelta = LONG,
) -> Generator[Heartbeat]:
    patch.setattr(heartbeat_flow, "extend_lease", ledger.extend)
    hold = Hold(1, uuid4(), 1, lease, longest)
    with heartbeat(engine, hold, ledger.lose) as beating:
        yield beating


def test_after_a_miss_the_next_beat_comes_sooner(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(True, None, None, False)
    with _beating(engine, ledger, monkeypatch):
        ledger.lost.get(timeout=SECONDS)
    often, until_miss, soon, soon_again = (later - one for one, later in pairwise(ledger.times))
    assert max(soon, soon_again) < min(often, until_miss)


def test_of_a_lost_lease_is_told_once_and_no_beat_follows(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(True, False)
    with _beating(engine, ledger, monkeypatch, lease=timedelta(seconds=0.3)) as beating:
        ledger.lost.get(timeout=SECONDS)
        with pytest.raises(LeaseLostError):
            beating.require_held()
        with pytest.raises(Empty):
            ledger.lost.get(timeout=0.5)
    assert len(ledger.times) == 3


def test_when_no_task_waits_any_more_it_is_told_even_between_two_beats(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger()
    longest = timedelta(seconds=0.2)
    with _beating(engine, ledger, monkeypatch, lease=LONG, longest=longest) as beating:
        ledger.lost.get(timeout=SECONDS)
        with pytest.raises(TransientError) as raised:
            beating.require_held()
    assert raised.value.code == "slice_too_long"
    assert len(ledger.times) == 1


def test_of_a_lease_that_is_held_to_the_end_nothing_is_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger()
    with _beating(engine, ledger, monkeypatch) as beating:
        beating.require_held()
    assert ledger.lost.empty()
