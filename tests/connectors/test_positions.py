"""A position is of one stream with its settings, and of no other."""

from shared.connectors.positions import finished, identity, is_finished

MINE, OTHER = identity(["url", {"a": 1, "b": 2}]), identity(["url", {"a": 1}])


def test_settings_in_another_order_are_the_same() -> None:
    assert identity(["url", {"b": 2, "a": 1}]) == MINE != OTHER


def test_a_stream_is_finished_only_with_the_settings_that_it_was_read_with() -> None:
    assert is_finished(MINE, finished(MINE))
    assert not is_finished(OTHER, finished(MINE))
    assert not is_finished(MINE, {"of": MINE, "finished": False})
    assert not is_finished(MINE, None)
