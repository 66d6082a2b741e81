import pytest
from sqlalchemy import Engine, text

from tests.factories import CONFIG
from tests.web.conftest import Caller

CANARY = "canary-hunter2"


def body(**values: object) -> dict:
    return {"type": "database", "name": "Flights", "config": CONFIG, **values}


def test_a_connector_is_created_and_read_again(alice: Caller) -> None:
    answer = alice.post("/api/v2/connectors", body())
    assert answer.status_code == 201
    created = answer.json
    assert created["type"] == "database"
    assert created["status"] == "connected"
    assert created["secrets_set"] == []
    assert created["dataset"]["schema"].startswith("dataset_")
    assert alice.get(answer.headers["Location"]).json == created
    assert [one["id"] for one in alice.get("/api/v2/connectors").json["items"]] == [created["id"]]


def test_a_secret_is_sealed_and_never_shown(alice: Caller, engine: Engine) -> None:
    answer = alice.post("/api/v2/connectors", body(config={**CONFIG, "password": CANARY}))
    assert answer.status_code == 201
    assert "password" not in answer.json["config"]
    assert answer.json["secrets_set"] == ["/password"]
    assert CANARY not in answer.text + alice.get(answer.headers["Location"]).text
    with engine.connect() as connection:
        rows = (
            connection.execute(
                text(
                    "SELECT c::text || coalesce(k::text, '') FROM workspace_connector AS c"
                    " LEFT JOIN connector_credential AS k ON k.connector_id = c.id"
                )
            )
            .scalars()
            .all()
        )
    assert len(rows) == 1
    assert CANARY not in rows[0]
    assert CANARY.encode().hex() not in rows[0]


def test_a_name_is_used_once_in_a_workspace(alice: Caller, mallory: Caller) -> None:
    assert alice.post("/api/v2/connectors", body()).status_code == 201
    again = alice.post("/api/v2/connectors", body(name="FLIGHTS"))
    assert (again.status_code, again.json["code"]) == (409, "name_taken")
    assert mallory.post("/api/v2/connectors", body()).status_code == 201


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"type": "nothing"}, "/type"),
        ({"name": "   "}, "/name"),
        ({"config": {}}, "/config/url"),
        ({"config": {**CONFIG, "streams": []}}, "/config/streams"),
        ({"config": {**CONFIG, "url": "no url"}}, "/config/url"),
        ({"config": {**CONFIG, "surprise": 1}}, "/config/surprise"),
        ({"config": []}, "/config"),
        ({"surprise": 1}, "/surprise"),
    ],
)
def test_bad_input_is_told_by_field(alice: Caller, values: dict, pointer: str) -> None:
    answer = alice.post("/api/v2/connectors", body(**values))
    assert answer.status_code == 422
    assert pointer in [one["pointer"] for one in answer.json["errors"]]
    assert all(one["reason"] for one in answer.json["errors"])


def test_a_sentence_of_a_connector_type_is_told_as_it_is(alice: Caller) -> None:
    url = "oracle://crm.example/crm"
    refused = alice.post("/api/v2/connectors", body(config={**CONFIG, "url": url}))
    assert refused.json["errors"][0]["reason"].startswith("there is no driver for oracle")


def test_a_problem_within_one_of_several_kinds_is_told_by_its_place(alice: Caller) -> None:
    config = {
        "base_url": "https://api.example",
        "auth": {"type": "bearer", "token": "x", "scopes": "all"},
        "streams": [
            {"name": "a", "path": "/a", "primary_key": ["id"], "pagination": {"type": "x"}}
        ],
    }
    refused = alice.post("/api/v2/connectors", body(type="api", config=config))
    assert [one["pointer"] for one in refused.json["errors"]] == [
        "/config/auth/scopes",
        "/config/streams/0/pagination",
    ]


def test_a_secret_in_the_wrong_place_is_not_echoed(alice: Caller) -> None:
    url = f"postgresql://reader:{CANARY}@127.0.0.1/x"
    for config in ({**CONFIG, "url": url}, {**CONFIG, "passwort": CANARY}):
        answer = alice.post("/api/v2/connectors", body(config=config))
        assert answer.status_code == 422
        assert CANARY not in answer.text


def test_a_body_that_is_not_a_json_object_is_refused(alice: Caller) -> None:
    headers = {"Authorization": f"Bearer {alice.key}"}
    post = alice.client.post
    path = "/api/v2/connectors"
    assert post(path, data="x=1", headers=headers).status_code == 415
    assert post(path, json=[1], headers=headers).status_code == 400
    broken = post(path, data="{", headers=headers, content_type="application/json")
    assert (broken.status_code, broken.mimetype) == (400, "application/problem+json")
    huge = post(path, data=b" " * (1 << 21), headers=headers, content_type="application/json")
    assert huge.status_code == 413


def test_connectors_come_in_pages(alice: Caller) -> None:
    names = [f"c{n}" for n in range(5)]
    for name in names:
        alice.new_connector(name)
    seen, path = [], "/api/v2/connectors?limit=2"
    for _ in range(3):
        answer = alice.get(path).json
        seen += [one["name"] for one in answer["items"]]
        path = f"/api/v2/connectors?limit=2&cursor={answer['next_cursor']}"
    assert seen == names
    assert answer["next_cursor"] is None


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=²",
        "limit=0000209999",
        "limit=00002099999999999",
        "cursor=!",
        "cursor=é",
        "cursor=__________8=",
    ],
)
def test_a_page_that_makes_no_sense_is_refused(alice: Caller, query: str) -> None:
    assert alice.get(f"/api/v2/connectors?{query}").status_code == 422


def test_the_answer_to_a_body_of_nonsense_is_bounded(alice: Caller) -> None:
    nonsense = {f"field/{number}~{'x' * 300}": 1 for number in range(500)}
    answer = alice.post("/api/v2/connectors", nonsense)
    assert answer.status_code == 422
    assert len(answer.json["errors"]) == 20
    assert len(answer.data) < 20_000
    assert any("field~1" in one["pointer"] for one in answer.json["errors"])
