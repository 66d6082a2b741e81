"""What cannot be taken is refused before anything is asked of the database, and named."""

import pytest
from werkzeug.test import TestResponse

from tests.web.conftest import Caller


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"type": "database", "name": "a%sb", "config": {}}', "/name"),
        (b'{"type": "database", "name": "x", "config": {"%s": 1}}', "/config"),
        (b'{"type": "database", "name": "x", "config": {"url": "%s"}}', "/config/url"),
        (b'{"type": "x", "config": {"streams": [{}, {"t": ["", "%s"]}]}}', "/config/streams/1/t/1"),
    ],
)
@pytest.mark.parametrize(
    ("character", "code"),
    [(b"\\u0000", "text_nul"), (b"\\ud800", "text_surrogate"), (b"\\udc00x", "text_surrogate")],
)
def test_a_text_that_no_database_can_hold_is_named(
    alice: Caller, body: bytes, pointer: str, character: bytes, code: str
) -> None:
    answer = _post(alice, body % character)
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    (error,) = answer.json["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)


def test_a_body_that_no_parser_takes_is_refused(alice: Caller) -> None:
    answer = _post(alice, b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}")
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert answer.json["errors"][0]["code"] == "json_depth"
    assert _post(alice, b'"a"').status_code == 400


def test_a_whole_surrogate_pair_is_a_character(alice: Caller) -> None:
    answer = _post(alice, b'{"type": "x", "name": "\\ud83d\\ude00", "config": {}}')
    assert {error["pointer"] for error in answer.json["errors"]} == {"/type"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v2/connector-types/%00", 404),
        ("/api/v2/connectors?cursor=%00", 422),
        ("/api/v2/connectors/{}/watermarks/%00", 404),
    ],
)
def test_an_address_with_a_nul_character_is_refused(alice: Caller, path: str, status: int) -> None:
    path = path.format(alice.new_connector())
    for answer in (alice.get(path), alice.delete(path)):
        assert answer.status_code in (status, 405)
        assert answer.mimetype == "application/problem+json"


def _post(caller: Caller, body: bytes) -> TestResponse:
    return caller.client.post(
        "/api/v2/connectors",
        data=body,
        headers={"Authorization": f"Bearer {caller.key}"},
        content_type="application/json",
    )
