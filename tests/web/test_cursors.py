"""Cursors: sealed, stable, and good for one list of one workspace."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from shared.web.cursors import CursorError, seal, to_instant, to_number, unseal
from tests.web.conftest import Caller

KEY = UUID(int=7)


def test_a_place_comes_back_as_it_was_and_is_always_the_same_text() -> None:
    text = seal(KEY, "list_runs", 5, -3)
    assert unseal(KEY, "list_runs", text, 2) == (5, -3)
    assert seal(KEY, "list_runs", 5, -3) == text
    assert text.replace("-", "").replace("_", "").isalnum()


def test_an_instant_keeps_its_microseconds() -> None:
    instant = datetime(1969, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)
    assert to_instant(to_number(instant)) == instant


def test_neighbours_have_nothing_in_common() -> None:
    first, second = (seal(KEY, "list_runs", key) for key in (1, 2))
    assert sum(a == b for a, b in zip(first, second, strict=True)) < len(first) // 2


@pytest.mark.parametrize(
    ("key", "operation", "count"),
    [(uuid4(), "list_runs", 1), (KEY, "list_connectors", 1), (KEY, "list_runs", 2)],
)
def test_a_cursor_of_another_workspace_list_or_length_is_none(
    key: UUID, operation: str, count: int
) -> None:
    with pytest.raises(CursorError):
        unseal(key, operation, seal(KEY, "list_runs", 1), count)


@pytest.mark.parametrize("text", ["", "x", "é", "A" * 32, "A" * 50_000, "====", "AAA\n"])
def test_a_text_that_nobody_sealed_is_none(text: str) -> None:
    with pytest.raises(CursorError):
        unseal(KEY, "list_runs", text, 1)


def test_pages_show_no_internal_key(alice: Caller) -> None:
    for name in ("a", "b", "c"):
        alice.new_connector(name)
    first = alice.get("/api/v2/connectors?limit=1").json
    second = alice.get(f"/api/v2/connectors?limit=1&cursor={first['next_cursor']}").json
    names = [one["items"][0]["name"] for one in (first, second)]
    assert names == ["a", "b"]
    assert first["next_cursor"] != second["next_cursor"]
    moved = alice.get(f"/api/v2/sync-schedules?cursor={first['next_cursor']}")
    assert (moved.status_code, moved.json["errors"][0]["code"]) == (422, "cursor_form")
