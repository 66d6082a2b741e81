"""Simulated worlds of the pure core: every rule holds, and a bug that is let in is found."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain import plan
from shared.domain.lease import Wait
from shared.domain.run import TRANSITIONS
from tests.faults.simulation.campaign import Report, run_world, run_worlds
from tests.faults.simulation.journal import ViolationError
from tests.faults.simulation.mutants import MUTANTS, Mutate, lease_in_spite_of_an_overlap

SEED: int | None = None
"""Of the simulation; None draws a new one each time, and a number repeats it."""

TICKS = 200_000
PARTS = 4
"""In so many tests, so that several processes share them."""

KNOWN_SEED = 5
"""With which each mutant is looked for, so that it is found every time."""
SOON = 50_000
"""In so many ticks each mutant is found; most in a few hundred."""
A_WHILE = 20_000
"""In so many ticks everything happens that can."""

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("part", range(PARTS))
def test_every_rule_holds_through_faults_and_changes(
    part: int, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = secrets.randbits(48) if SEED is None else SEED + part
    report = run_worlds(seed, TICKS // PARTS)
    with capsys.disabled():
        print(f"\n{report}", file=sys.stderr)
    assert report.ticks >= TICKS // PARTS


@pytest.fixture(scope="module")
def report() -> Report:
    """Return what happened with the known seed."""
    return run_worlds(KNOWN_SEED, A_WHILE)


def test_runs_go_through_every_transition(report: Report) -> None:
    seen = {what for what in report.counts if "->" in what and not what.startswith("new")}
    table = {
        f"{before}->{after}" for before, followers in TRANSITIONS.items() for after in followers
    }
    assert seen == table


@pytest.mark.parametrize(
    "what",
    [
        *(f"skipped because {reason}" for reason in ("overlap", "coalesced", "missed_window")),
        *(f"skipped because {reason}" for reason in ("paused", "blackout")),
        "skipped because connector_unavailable",
        *(f"cancelled because {reason}" for reason in ("paused", "blackout_changed")),
        *(f"cancelled because {reason}" for reason in ("schedule_changed", "schedule_disabled")),
        "cancelled because cancelled_by_user",
        "error because timed_out",
        "error because source_unavailable",
        *(f"refused:{answer}" for answer in (None, Wait.TOO_EARLY, Wait.OVERLAP)),
        "plan in part",
        "folded",
        "two ticks",
        "tick killed",
        "tick stalls",
        "outage",
        "clock changed",
        "task lost",
        "task comes 0 times",
        "task comes 2 times",
        "name is taken",
        "lease lost",
        "record refused",
    ],
)
def test_it_happens_in_the_worlds(what: str, report: Report) -> None:
    assert report.counts[what] > 0


def test_a_seed_repeats_its_worlds_run_by_run() -> None:
    assert run_world(1, 0).store.runs == run_world(1, 0).store.runs
    assert run_world(1, 0).store.runs != run_world(1, 1).store.runs


def test_a_seed_lives_the_same_in_every_process() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-m", "tests.faults.simulation", "--seed", "7", "--ticks", "2000"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert outputs.pop().startswith("simulation: seed 7\n")


@pytest.fixture
def mutated(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Return what a mutant is made with; nothing that it decided is remembered afterwards."""
    remembered = plan._decide_all
    remembered.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    remembered.cache_clear()


@pytest.mark.parametrize(
    ("mutate", "rules"), MUTANTS.items(), ids=[mutate.__name__ for mutate in MUTANTS]
)
def test_a_bug_that_is_let_in_is_found(
    mutate: Mutate, rules: tuple[str, ...], mutated: pytest.MonkeyPatch
) -> None:
    mutate(mutated)
    with pytest.raises(ViolationError, match="|".join(map(re.escape, rules))):
        run_worlds(KNOWN_SEED, SOON)


def test_a_failure_says_how_to_repeat_it_and_what_happened_last(
    mutated: pytest.MonkeyPatch,
) -> None:
    lease_in_spite_of_an_overlap(mutated)
    with pytest.raises(ViolationError) as found:
        run_worlds(KNOWN_SEED, SOON)
    told = re.search(r"Seed (\d+), world (\d+), tick \d+\. Repeat it: (.*)", str(found.value))
    assert told is not None
    seed, number, command = told.groups()
    assert command == f"python -m tests.faults.simulation --seed {seed} --world {number}"
    assert "scheduled->in_progress" in "".join(str(found.value).splitlines()[-3:])
    with pytest.raises(ViolationError) as again:
        run_world(int(seed), int(number))
    assert str(again.value) == str(found.value)
