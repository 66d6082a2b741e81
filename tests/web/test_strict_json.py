from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInputError
from shared.store.rows import to_json
from shared.web.strict_json import MalformedError, parse_object, to_pointer

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_what_is_plain_json_is_read_as_it_is(value: dict) -> None:
    assert parse_object(to_json(value).encode()) == value


@given(st.binary(max_size=60))
def test_no_bytes_at_all_break_it(data: bytes) -> None:
    with suppress(MalformedError, InvalidInputError):
        assert isinstance(parse_object(data), dict)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'"x"',
        b"null",
        b"{",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 301 + b"}",
        b'{"a": "\xff"}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
    ],
)
def test_what_is_no_object_of_json_in_utf_8_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_object(data)


@pytest.mark.parametrize(
    ("data", "pointer", "code"),
    [
        (b'{"a": "x\\u0000"}', "/a", "text_nul"),
        (b'{"a": {"b\\u0000": 1}}', "/a", "text_nul"),
        (b'{"a": ["x", "\\ud800"]}', "/a/1", "text_surrogate"),
        (b'{"a/b": {"c~d": 1, "c~d": 2}}', "/a~1b", "json_name_twice"),
        (b'{"a": 1, "a": 1}', "", "json_name_twice"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "/a" + "/0" * 31, "json_depth"),
        (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "", "json_depth"),
    ],
)
def test_what_others_would_understand_otherwise_is_refused_by_place_and_rule(
    data: bytes, pointer: str, code: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_object(data)
    [problem] = caught.value.problems
    assert (problem.field, problem.code) == (pointer, code)
    assert problem.hint


def test_a_malformed_body_is_not_quoted() -> None:
    with pytest.raises(MalformedError) as caught:
        parse_object(b'{"password": "secret')
    assert "secret" not in str(caught.value)


def test_a_pointer_escapes_what_has_a_meaning_in_it() -> None:
    assert to_pointer(["a/b", "c~d", "0"]) == "/a~1b/c~0d/0"
    assert to_pointer([]) == ""
