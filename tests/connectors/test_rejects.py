"""A record that cannot be loaded is kept with its reason, and the others of its page land."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from shared.connectors.rejects import Flaw, RejectReason, is_storable, make_reject, text_of_key
from shared.connectors.rejects_screen import Screen, column_name
from shared.connectors.rejects_values import Doubt
from shared.errors import PermanentError

GOOD = {"id": 1, "v": "æøå 😀 \\u0000", "n": 2**63 - 1, "nested": {"x": [2**64 - 1, None, "a"]}}


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _level in range(depth):
        value = [value]
    return value


BAD: list[tuple[RejectReason, str, Any]] = [
    (RejectReason.NOT_AN_OBJECT, "", "text"),
    (RejectReason.NOT_AN_OBJECT, "", None),
    (RejectReason.NOT_AN_OBJECT, "", [{"id": 9}]),
    (RejectReason.KEY_MISSING, "id", {}),
    (RejectReason.KEY_MISSING, "id", {"v": "x"}),
    (RejectReason.KEY_MISSING, "id", {"id": None}),
    (RejectReason.KEY_MISSING, "id", {"id": float("nan")}),
    (RejectReason.KEY_TYPE, "id", {"id": "x"}),
    (RejectReason.KEY_TYPE, "id", {"id": 1.5}),
    (RejectReason.KEY_TYPE, "id", {"id": True}),
    (RejectReason.NUL_CHARACTER, "v", {"id": 9, "v": "a\0b"}),
    (RejectReason.NUL_CHARACTER, "v", {"id": 9, "v": {"x": ["\0"]}}),
    (RejectReason.NUL_CHARACTER, "v", {"id": 9, "v": {"\0": 1}}),
    (RejectReason.INVALID_UNICODE, "v", {"id": 9, "v": "a\ud800b"}),
    (RejectReason.INVALID_UNICODE, "v", {"id": 9, "v": {"\udfff": 1}}),
    (RejectReason.INVALID_UNICODE, "\\udfff", {"id": 9, "\udfff": 1}),
    (RejectReason.RESERVED_CHARACTER, "v", {"id": 9, "v": "\uf0262024"}),
    (RejectReason.RESERVED_CHARACTER, "v", {"id": 9, "v": ["\uf02e"]}),
    (RejectReason.NUMBER_TOO_LARGE, "n", {"id": 9, "n": 2**63}),
    (RejectReason.NUMBER_TOO_LARGE, "n", {"id": 9, "n": -(2**63) - 1}),
    (RejectReason.NUMBER_TOO_LARGE, "n", {"id": 9, "n": [2**64]}),
    (RejectReason.NUMBER_TOO_LARGE, "n", {"id": 9, "n": Decimal("1e29")}),
    (RejectReason.TIME_OUT_OF_RANGE, "v", {"id": 9, "v": "0001-01-01T00:00:00+01:00"}),
    (RejectReason.TIME_OUT_OF_RANGE, "v", {"id": 9, "v": "9999-12-31 23:59:59-05:00"}),
    (
        RejectReason.TIME_OUT_OF_RANGE,
        "v",
        {"id": 9, "v": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))},
    ),
    (RejectReason.NESTED_TOO_DEEP, "v", {"id": 9, "v": nested(300)}),
    (RejectReason.NESTED_TOO_DEEP, "v", {"id": 9, "v": nested(3_000)}),
    (RejectReason.NAMES_CLASH, "orderNo, order_no", {"id": 9, "orderNo": 1, "order_no": 2}),
    (RejectReason.TOO_WIDE, "", {"id": 9, **{f"c{n}": n for n in range(1_100)}}),
    (RejectReason.UNKNOWN_TYPE, "v", {"id": 9, "v": {1, 2}}),
    (RejectReason.UNKNOWN_TYPE, "v", {"id": 9, "v": object()}),
]


def screened(*records: Any, key: tuple[str, ...] = ("id",)) -> tuple[list[Any], Screen]:
    screen = Screen("orders", key)
    return [record for page in screen.passed([list(records)]) for record in page], screen


@pytest.mark.parametrize(("reason", "detail", "record"), BAD)
def test_a_record_with_a_flaw_stays_behind_alone(
    reason: RejectReason, detail: str, record: Any
) -> None:
    good = [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}]
    passed, screen = screened(good[0], record, good[1])
    assert passed == good
    assert dict(screen.counts) == {reason: 1}
    (reject,) = screen.rejects.values()
    assert set(reject.flaw.detail.split(", ")) == set(detail.split(", "))


@pytest.mark.parametrize(
    "value",
    [
        "\\u0000",
        "a\uf026",
        "9999-12-31T23:59:59Z",
        "9999-12-31",
        "9999-12-31T25:00",
        datetime(9999, 12, 31, tzinfo=UTC),
        Decimal("1e28"),
        Decimal("NaN"),
        2**63 - 1,
        -(2**63),
        2**53 + 1,
        b"\0\xff",
        {"x": 2**64 - 1},
        nested(100),
        float("nan"),
    ],
)
def test_a_value_that_only_looks_like_trouble_passes(value: object) -> None:
    record = {"id": 2, "v": value}
    passed, screen = screened(GOOD, record)
    assert (passed, screen.rejects) == ([GOOD, record], {})


@pytest.mark.parametrize("parts", [1, 2, 16])
def test_a_key_is_rejected_when_its_parts_together_are_too_long(parts: int) -> None:
    key = tuple(f"k{number}" for number in range(parts))
    short = dict.fromkeys(key, "é" * (1_200 // parts))
    long = dict.fromkeys(key, "é" * (1_400 // parts))
    passed, screen = screened(short, long, key=key)
    assert passed == [short]
    assert dict(screen.counts) == {"key_too_long": 1}


@pytest.mark.parametrize("key", ["x", 1.5, Decimal("1.5"), Decimal("NaN"), "0" * 500])
def test_keys_of_every_type_pass(key: object) -> None:
    record = {"id": key, "v": 1}
    assert screened(record, record)[1].rejects == {}


@pytest.mark.parametrize(("first", "later"), [(1, "12"), ("a", 7), (1.5, 2)])
def test_a_key_that_goes_into_the_column_of_the_first_one_passes(
    first: object, later: object
) -> None:
    assert screened({"id": first}, {"id": later})[1].rejects == {}


def test_a_key_whose_name_differs_by_letters_that_a_dataset_does_not_tell_apart_is_found() -> None:
    records = [{"ID": 1}, {"ID": 2, "v": "\0"}]
    passed, screen = screened(*records)
    assert (passed, list(screen.keys)) == (records[:1], [{"id": "2"}])


def test_two_names_of_one_column_clash_only_within_a_record() -> None:
    records = [{"id": 1, "orderNo": 1}, {"id": 2, "order_no": 2}]
    assert screened(*records)[0] == records


def test_more_fields_than_a_table_has_columns_are_the_streams_trouble() -> None:
    pages = [
        [{"id": 1, f"a{page}": 1, **{f"f{page}_{n}": None for n in range(320)}}]
        for page in range(5)
    ]
    screen = Screen("orders", ["id"])
    with pytest.raises(PermanentError, match="more than 1,598 fields") as failed:
        list(screen.passed(pages))
    assert failed.value.fault == "schema"


TYPED: Mapping[str, Doubt] = {"name": Doubt.TEXT, "more": Doubt.JSON}


@pytest.mark.parametrize(
    ("reason", "record"),
    [
        (RejectReason.NUL_CHARACTER, {"name": "\0"}),
        (RejectReason.INVALID_UNICODE, {"name": "\ud800"}),
        (RejectReason.RESERVED_CHARACTER, {"name": "\uf026"}),
        (RejectReason.NUL_CHARACTER, {"more": '{"x": "\\u0000"}'}),
        (RejectReason.INVALID_UNICODE, {"more": '{"\\ud800": 1}'}),
        (RejectReason.INVALID_UNICODE, {"more": '["\\uDFFF"]'}),
        (RejectReason.KEY_MISSING, {"id": None}),
        (RejectReason.KEY_TOO_LONG, {"id": "x" * 3_000}),
    ],
)
def test_a_record_of_a_typed_stream_stays_behind_for_a_doubtful_column_or_its_key(
    reason: RejectReason, record: dict[str, Any]
) -> None:
    screen = Screen("orders", ["id"], TYPED)
    good = {"id": 1, "name": "a", "more": "{}"}
    assert list(screen.passed([[good, good | {"id": 2} | record]])) == [[good]]
    assert dict(screen.counts) == {reason: 1}


def test_other_columns_of_a_typed_stream_are_not_looked_at() -> None:
    screen = Screen("orders", ["id"], TYPED)
    page = [
        {"id": 1, "name": "é \uf026", "more": '["\\\\u0000", "\\ud83d\\ude00"]', "other": "\0"},
        {"id": "a", "name": None, "more": "\\u0000 that is no JSON", "other": object()},
    ]
    assert list(screen.passed([page])) == [page]
    assert screen.carried == set()


def test_a_value_that_the_type_of_its_column_takes_passes() -> None:
    hints: Any = {
        "id": {"data_type": "text"},
        "v": {"data_type": "text"},
        "n": {"data_type": "decimal"},
        "m": {"data_type": "bigint"},
    }
    screen = Screen("orders", ["id"], None, hints)
    page = [
        {"id": 1, "v": "0001-01-01T00:00:00+01:00", "n": Decimal("1e29")},
        {"id": "x", "v": "9999-12-31T23:59:59-05:00", "n": 2**64 - 1},
    ]
    assert list(screen.passed([page])) == [page]
    assert list(screen.passed([[{"id": [1]}, {"id": 1, "n": 2**64}, {"id": 1, "m": 2**63}]])) == []
    assert dict(screen.counts) == {"key_type": 1, "number_too_large": 2}


def test_a_key_is_of_the_type_that_the_first_page_had() -> None:
    screen = Screen("orders", ["id"])
    assert list(screen.passed([[{"id": 1}], [{"id": "x"}], [{"id": 2}]])) == [
        [{"id": 1}],
        [{"id": 2}],
    ]


def test_a_page_of_which_nothing_can_be_loaded_is_not_handed_on() -> None:
    assert screened({}, {})[0] == []


def _rejected_pages(count: int) -> Iterator[list[dict[str, Any]]]:
    for number in range(count):
        yield [{"id": number}, {"id": number, "v": "\0"}]


def test_a_thousand_records_may_be_rejected_and_one_more_ends_the_stream() -> None:
    screen = Screen("orders", ["id"])
    assert len(list(screen.passed(_rejected_pages(1_000)))) == 1_000
    assert len(screen.rejects) == 1_000
    with pytest.raises(PermanentError) as failed:
        list(screen.passed([[{"id": 1, "w": object()}]]))
    assert str(failed.value) == (
        "More than 1,000 records of orders cannot be loaded, most because a text holds a NUL"
        " character: v. Nothing of them was loaded: take it out at the source, or leave the column"
        " out."
    )
    assert failed.value.fault == "schema"


def test_the_same_record_counts_as_often_as_it_came_and_is_kept_once() -> None:
    screen = screened(*[{"id": 1, "v": "\0"}, {"v": "\0", "id": 1}] * 3)[1]
    assert (dict(screen.counts), len(screen.rejects)) == ({"nul_character": 6}, 1)


def test_the_keys_of_rejected_records_are_told_unless_no_row_can_have_them() -> None:
    screen = screened({"id": "a", "v": "\0"}, {"id": "b\0"}, {"id": "c", "v": "\ud800"})[1]
    assert [dict(key) for key in screen.keys] == [{"id": "a"}, {"id": "c"}]
    assert not screen.has_rejected_unknown
    assert screened({"id": 1}, {"id": None})[1].has_rejected_unknown


def test_every_reason_is_told_in_words() -> None:
    for reason, _detail, record in BAD:
        screen = Screen("orders", ["id"])
        with pytest.raises(PermanentError, match=r"^More than 1,000 records of orders .*\.$"):
            list(screen.passed([[GOOD, *[record] * 1_001]]))
        assert dict(screen.counts) == {reason: 1_001}


def test_what_is_kept_of_a_record_is_storable_and_bounded() -> None:
    flaw = Flaw(RejectReason.NUL_CHARACTER, "c" * 300)
    reject = make_reject({"id": 1, "v": "\0 \ud800 æ", "at": Decimal("1.5")}, flaw, None)
    assert reject.record == '{"id": 1, "v": "\\u0000 \\ud800 æ", "at": "1.5"}'
    assert json.loads(reject.record)["v"] == "\0 \ud800 æ"
    assert len(reject.flaw.detail) == 200
    assert len(make_reject({"v": "x" * 20_000}, flaw, None).record) == 10_000


def test_records_that_differ_behind_the_cut_are_told_apart_and_equal_ones_are_not() -> None:
    flaw = Flaw(RejectReason.NUL_CHARACTER)
    long = "x" * 20_000
    hashes = [
        make_reject(record, flaw, None).record_hash
        for record in (
            {"v": long, "w": object()},
            {"w": object(), "v": long},
            {"v": f"{long}y"},
            {"v": nested(3_000), 5: 1},
            {5: 1, "v": nested(3_000)},
        )
    ]
    assert [hashes.index(one) for one in hashes] == [0, 0, 2, 3, 3]


@pytest.mark.parametrize(
    ("value", "text"),
    [(b"\0\xff", "\\x00ff"), (Decimal("1.50"), "1.50"), (1, "1"), ([1], "[1]"), ("a", "a")],
)
def test_a_key_is_written_as_its_column_reads_it(value: object, text: str) -> None:
    assert text_of_key(value) == text


def test_only_text_may_be_unstorable() -> None:
    assert [is_storable(value) for value in (1, None, "a", "\0", "\ud800")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_field_has_the_name_that_the_loader_gives_it() -> None:
    assert [column_name(name) for name in ("Order No", " ", "_5")] == ["order_no", "_empty", "_5"]
