"""Each line of JSON lines is a record, its numbers exact, and what is broken harms only itself."""

from decimal import Decimal

import pytest

from shared.connectors.cloud_storage.landing import Kind
from shared.errors import PermanentError
from tests.connectors.cloud_storage.drop import Folder
from tests.connectors.cloud_storage.readings import reading


def test_numbers_are_exact_and_nothing_is_guessed(folder: Folder) -> None:
    line = '{"a": 9223372036854775808, "b": 0.10, "c": "2024-01-01", "d": [1], "e": null}\n'
    found = reading(folder, "a.jsonl", line)
    assert found.rows() == [(2**63, Decimal("0.10"), "2024-01-01", [1], None, 1)]
    assert found.reader.kinds() == {
        "a": Kind.NUMERIC,
        "b": Kind.NUMERIC,
        "c": Kind.TEXT,
        "d": Kind.JSON,
    }


def test_a_field_of_two_kinds_is_text_and_one_of_numbers_is_a_number(folder: Folder) -> None:
    lines = '{"a": 1, "b": 1}\n{"a": 0.5, "b": "x"}\n{"a": null, "b": true}\n'
    assert reading(folder, "a.jsonl", lines).reader.kinds() == {
        "a": Kind.NUMERIC,
        "b": Kind.TEXT,
    }


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"a": 1', "json"),
        (b'{"a": 1} {"a": 2}', "json"),
        (b"{'a': 1}", "json"),
        (b"[" * 100_000, "json"),
        (b"[1]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b'{"a": "\xff"}', "encoding"),
        (b'{"a": "' + b"x" * (9 * 1024 * 1024) + b'"}', "too_long"),
    ],
)
def test_a_broken_line_is_told_and_those_around_it_are_read(
    folder: Folder, line: bytes, why: str
) -> None:
    found = reading(folder, "a.jsonl", b'{"a": 1}\n\n' + line + b'\n{"a": 3}')
    assert found.rows() == [(1, 1), (3, 3)]
    assert found.broken() == [why]


def test_a_file_of_another_kind_is_told(folder: Folder) -> None:
    with pytest.raises(PermanentError, match=r"a\.jsonl holds no JSON object"):
        reading(folder, "a.jsonl", "a,b\n1,2\n").reader.kinds()


def test_a_field_that_is_named_like_one_of_ours_is_told_unless_it_is_left_out(
    folder: Folder,
) -> None:
    line = '{"a": 1, "_row": 7}'
    with pytest.raises(PermanentError, match="which are ours"):
        reading(folder, "a.jsonl", line).records()
    assert reading(folder, "a.jsonl", line, columns=["a"]).rows() == [(1, 1)]


def test_an_empty_file_has_no_records(folder: Folder) -> None:
    assert reading(folder, "a.jsonl", "").reader.kinds() == {}
