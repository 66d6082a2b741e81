from datetime import timedelta

from infra.local.cloud_tasks.tombstones import Tombstones
from tests.infra.cloud_tasks.hand import NOW, after

MINUTE = timedelta(minutes=1)


def test_a_name_is_held_for_the_window_and_free_after_it() -> None:
    tombstones = Tombstones(MINUTE)
    tombstones.bury("a", NOW)
    assert tombstones.holds("a", after(59.9))
    assert not tombstones.holds("a", after(60))


def test_a_name_that_was_never_used_is_free() -> None:
    assert not Tombstones(MINUTE).holds("a", NOW)


def test_a_name_buried_again_is_held_from_the_second_time() -> None:
    tombstones = Tombstones(MINUTE)
    tombstones.bury("a", NOW)
    tombstones.bury("a", after(30))
    assert tombstones.holds("a", after(80))
    assert not tombstones.holds("a", after(90))


def test_what_is_over_is_forgotten() -> None:
    tombstones = Tombstones(MINUTE)
    for number in range(100):
        tombstones.bury(str(number), after(number))
    assert len(tombstones) == 60
    tombstones.holds("other", after(1000))
    assert len(tombstones) == 0


def test_no_window_holds_nothing() -> None:
    tombstones = Tombstones(timedelta(0))
    tombstones.bury("a", NOW)
    assert not tombstones.holds("a", NOW)
