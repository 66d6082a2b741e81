import re
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from tests.web.conftest import Caller


def path(connector: object, stream: str = "") -> str:
    return f"/api/v2/connectors/{connector}/watermarks{f'/{stream}' if stream else ''}"


def delete(caller: Caller, what: str) -> TestResponse:
    return caller.client.delete(what, headers={"Authorization": f"Bearer {caller.key}"})


def test_a_watermark_is_set_shown_and_reset(alice: Caller) -> None:
    connector = alice.new_connector()
    assert alice.get(path(connector)).json == {"items": []}

    put = alice.put(path(connector, "flight"), {"value": "2026-03-01T08:00:00Z"})

    assert put.status_code == 200, put.text
    (shown,) = put.json["items"]
    assert shown["updated_at"]
    assert {name: shown[name] for name in ("stream", "cursor", "type", "value", "run_id")} == {
        "stream": "flight",
        "cursor": "updated_at",
        "type": "datetime",
        "value": "2026-03-01T08:00:00+00:00",
        "run_id": None,
    }
    assert alice.get(path(connector)).json == put.json
    assert delete(alice, path(connector, "flight")).status_code == 204
    assert alice.get(path(connector)).json == {"items": []}
    assert delete(alice, path(connector, "flight")).status_code == 404


@pytest.mark.parametrize("first", ["2026-03-01T08:00:00Z", "2026-03-01T08:00:00"])
@pytest.mark.parametrize("day", ["2026-03-01", "2026-03-01Z", "2026-03-01+02:00", "2026-W09-7"])
def test_whatever_form_an_error_proposes_is_accepted(alice: Caller, first: str, day: str) -> None:
    connector = alice.new_connector()
    assert alice.put(path(connector, "flight"), {"value": first}).status_code == 200
    answer = alice.put(path(connector, "flight"), {"value": day})
    if answer.status_code == 422:
        (error,) = answer.json["errors"]
        proposed = re.search(r"write it as (\S+?)(?:,|$)", error["hint"])
        assert proposed is not None
        answer = alice.put(path(connector, "flight"), {"value": proposed[1]})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"value": "a\ud800"}, "/value"),
        ({}, "/value"),
        ({"value": 7}, "/value"),
        ({"value": ""}, "/value"),
        ({"value": "soon"}, "/value"),
        ({"value": "1", "type": "cow"}, "/type"),
        ({"value": "1", "more": 1}, "/more"),
    ],
)
def test_what_is_no_watermark_is_refused(alice: Caller, body: dict, pointer: str) -> None:
    answer = alice.put(path(alice.new_connector(), "flight"), body)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == pointer


def test_watermarks_are_for_those_who_may(alice: Caller, bob: Caller, mallory: Caller) -> None:
    connector = alice.new_connector()
    assert bob.get(path(connector)).status_code == 200
    assert bob.put(path(connector, "flight"), {"value": "1"}).status_code == 403
    assert delete(bob, path(connector, "flight")).status_code == 403
    assert mallory.get(path(connector)).status_code == 404
    assert mallory.put(path(connector, "flight"), {"value": "1"}).status_code == 404
    assert delete(mallory, path(connector, "flight")).status_code == 404
    assert alice.get(path(uuid4())).status_code == 404
