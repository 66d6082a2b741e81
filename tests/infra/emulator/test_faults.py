import json
from dataclasses import asdict, dataclass

import pytest
from pydantic import TypeAdapter, ValidationError

from infra.local.emulator.faults import Switch, Switches, share_of


@dataclass(frozen=True, slots=True)
class Slip:
    """A fault with nothing but what all faults have."""

    kind: str = "slip"
    probability: float = 1.0
    times: int | None = None
    seed: int = 0


FORM = TypeAdapter(list[Slip])


def answers(fault: Slip, count: int) -> list[bool]:
    switch = Switch(fault)
    return [switch.ask(str(number)) for number in range(count)]


def test_a_fault_happens_so_many_times_and_no_more() -> None:
    assert answers(Slip(times=2), 4) == [True, True, False, False]


def test_chance_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    first = answers(Slip(probability=0.5, seed=1), 200)
    assert first == answers(Slip(probability=0.5, seed=1), 200)
    assert first != answers(Slip(probability=0.5, seed=2), 200)
    assert 60 < sum(first) < 140


def test_no_chance_is_never_and_certainty_always() -> None:
    assert not any(answers(Slip(probability=0), 100))
    assert all(answers(Slip(probability=1), 100))


def test_a_share_depends_on_the_fault_and_on_what_is_asked() -> None:
    shares = {share_of(Slip(), "a"), share_of(Slip(), "b"), share_of(Slip("fall"), "a")}
    assert len(shares) == 3
    assert all(0 <= share < 1 for share in shares)


def test_the_report_tells_how_often_a_fault_was_asked_for_and_happened() -> None:
    switches = Switches(FORM)
    switches.replace([Slip(probability=0), Slip(times=1)])
    for switch in switches:
        switch.ask("first")
        switch.ask("second")
    counts = [(told["asked"], told["hits"]) for told in switches.report()]
    assert counts == [(2, 0), (1, 1)]


def test_faults_that_are_replaced_start_at_zero() -> None:
    switches = Switches(FORM)
    for _ in range(2):
        switches.replace([Slip(times=1)])
        assert [switch.ask("it") for switch in switches] == [True]


def test_faults_survive_the_way_through_json() -> None:
    switches = Switches(FORM)
    switches.replace_by_json(json.dumps([asdict(Slip(seed=7, times=3))]).encode())
    assert [switch.fault for switch in switches] == [Slip(seed=7, times=3)]


def test_what_is_not_a_list_of_faults_changes_nothing() -> None:
    switches = Switches(FORM)
    switches.replace([Slip()])
    with pytest.raises(ValidationError):
        switches.replace_by_json(b'[{"kind": "slip", "probability": "often"}]')
    assert [switch.fault for switch in switches] == [Slip()]
