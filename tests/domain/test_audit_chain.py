"""An export of the audit log is verified by its lines alone; one of the API is in tests/web."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.audit_chain import BrokenExportError, Link, follow_export

START = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def line(number: int, previous: bytes, *, at: datetime = START, **more: Any) -> dict[str, Any]:
    """Return an entry as an export has it, with its hash; `workspace` is its internal number."""
    told = {
        "number": number,
        "at": at.isoformat().replace("+00:00", "Z"),
        "actor": {"kind": "member", "id": None, "name": "å", "address": None, "request_id": "r"},
        "action": "x",
        "object": {"kind": "run", "id": None, "name": None},
        "outcome": "done",
        "code": None,
        "before": None,
        "after": {"number": number, "is": True, "share": 0.10},
    }
    told |= {name: value for name, value in more.items() if name in told}
    parts = [
        *(more.get("workspace", 7), number, *told["actor"].values(), told["action"]),
        *(*told["object"].values(), told["outcome"], told["code"], told["before"], told["after"]),
        at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
    ]
    hashed = json.dumps(parts, ensure_ascii=False)
    own = hashlib.sha256(previous + hashed.encode()).hexdigest()
    return {**told, "previous_hash": previous.hex(), "hash": own, "hashed": hashed}


def chain(
    count: int, *, first: int = 1, previous: bytes = b"", **more: Any
) -> list[dict[str, Any]]:
    """Return entries that follow on one another, the newest first; a second after each other."""
    found: list[dict[str, Any]] = []
    for number in range(first, first + count):
        at = START + timedelta(seconds=number)
        found.insert(0, line(number, previous, **{"at": at, **more}))
        previous = bytes.fromhex(found[0]["hash"])
    return found


def lines(entries: Sequence[dict[str, Any]], count: int | None = None) -> list[str]:
    end = {"complete": True, "entries": len(entries) if count is None else count}
    return [json.dumps(one) + "\n" for one in (*entries, end)]


def trouble(said: Sequence[str]) -> str:
    with pytest.raises(BrokenExportError) as broken:
        follow_export(said)
    return str(broken.value)


def test_a_whole_export_tells_where_it_begins_and_ends() -> None:
    entries = chain(4)
    stretch = follow_export(lines(entries), noted=3)
    assert stretch is not None
    assert (stretch.entries, stretch.before) == (4, Link(0, b""))
    assert stretch.end == Link(4, bytes.fromhex(entries[0]["hash"]))
    assert stretch.noted == bytes.fromhex(entries[1]["hash"])
    assert follow_export(lines([])) is None


def test_an_export_of_a_time_follows_on_what_was_before_it() -> None:
    entries = chain(9)
    stretch = follow_export(lines(entries[2:5]), noted=4)
    assert stretch is not None
    assert (stretch.before.number, stretch.end.number) == (4, 7)
    assert stretch.before.hash.hex() == entries[5]["hash"]
    assert stretch.noted == stretch.before.hash


def test_entries_from_before_the_clock_was_set_back_are_where_their_time_is() -> None:
    early = chain(4)
    end = bytes.fromhex(early[0]["hash"])
    late = line(5, end, at=START + timedelta(seconds=2, microseconds=1))
    last = line(6, bytes.fromhex(late["hash"]), at=START + timedelta(seconds=5))
    stretch = follow_export(lines([last, *early[:2], late, *early[2:]]))
    assert stretch is not None
    assert (stretch.entries, stretch.end.number) == (6, 6)


@pytest.mark.parametrize("gone", range(1, 5))
def test_an_entry_that_is_missing_within_is_named(gone: int) -> None:
    entries = chain(6)
    del entries[gone]
    assert trouble(lines(entries)) == f"entry {6 - gone} is missing, or a filter left it out"


def test_the_beginning_of_a_log_is_no_entry_of_another_number() -> None:
    forged = chain(2, previous=b"x" * 32)
    assert trouble(lines(forged)).startswith("line 2 does not follow")
    assert trouble(lines(chain(2, first=5))).startswith("line 2 does not follow")


def test_what_was_swapped_or_repeated_is_told_by_its_line() -> None:
    entries = chain(4)
    swapped = [entries[0], entries[2], entries[1], entries[3]]
    assert trouble(lines(swapped)).startswith("line 3 was moved")
    assert trouble(lines([*entries[:2], *entries[1:]])).startswith("line 3 was moved")
    again = line(4, bytes.fromhex(entries[0]["previous_hash"]), at=START + timedelta(seconds=9))
    assert trouble(lines([again, *entries])).startswith("line 2 does not follow")


def test_an_entry_that_was_hashed_anew_does_not_follow() -> None:
    entries = chain(4)
    previous = bytes.fromhex(entries[1]["previous_hash"])
    entries[1] = line(3, previous, at=START + timedelta(seconds=3), action="y")
    assert trouble(lines(entries)).startswith("line 2 does not follow")


CHANGES: Sequence[dict[str, Any]] = (
    {"number": 4},
    {"at": "2026-01-02T03:04:07Z"},
    {"actor": {"kind": "member", "id": None, "name": "b", "address": None, "request_id": "r"}},
    {"action": "y"},
    {"object": {"kind": "run", "id": None}},
    {"outcome": "refused"},
    {"code": "x"},
    {"before": {}},
    {"after": {"number": 2, "is": 1, "share": 0.1}},
    {"after": {"number": 2, "is": True, "share": 0.11}},
    {"hash": "00" * 32},
    {"previous_hash": "00" * 32},
    {"hashed": "[]"},
    {"hashed": 1},
    {"hashed": "\ud800"},
    {"more": 1},
)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_line_that_was_changed_is_told(change: dict[str, Any]) -> None:
    entries = chain(3)
    entries[1] = {**entries[1], **change}
    assert trouble(lines(entries)).startswith("line 2 ")


@pytest.mark.parametrize("field", chain(1)[0])
def test_a_line_that_lacks_something_is_told(field: str) -> None:
    entries = chain(3)
    del entries[1][field]
    assert trouble(lines(entries)).startswith("line 2 ")


def test_a_name_that_is_there_twice_is_no_entry() -> None:
    said = lines(chain(2))
    said[0] = said[0].replace('"action": "x"', '"action": "y", "action": "x"')
    assert trouble(said) == "line 1 is no JSON object"


@pytest.mark.parametrize("said", ["", "null", "[]", "{", "[" * 100_000, "\x00"])
def test_what_is_no_line_of_an_export_is_told(said: str) -> None:
    assert trouble([said, *lines([])]) == "line 1 is no JSON object"


def test_an_export_that_was_cut_or_continued_is_told() -> None:
    entries = chain(3)
    whole = lines(entries)
    assert "cut off" in trouble(whole[:-1])
    assert "cut off" in trouble([])
    assert trouble([*whole, whole[0]]) == "line 5 follows on the last one"
    assert trouble(lines(entries[1:], 3)).startswith("line 3 counts other entries")
    assert trouble([*whole[:-1], '{"complete": true, "entries": 3.0}']).startswith("line 4 counts")


def test_entries_of_two_workspaces_are_none_of_one_export() -> None:
    entries = chain(2)
    entries[1] = line(1, b"", at=START, workspace=8)
    assert trouble(lines(entries)) == "line 2 is of another workspace"


def test_a_file_of_nothing_but_gaps_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.domain.audit_chain._MOST_OPEN", 2)
    said = iter([*lines(chain(9)[::2])[:-1], "not read"])
    with pytest.raises(BrokenExportError, match="is missing"):
        follow_export(said)
    assert len(list(said)) > 1
