"""The served document and the server agree: whatever is sent, the answer is one it tells of.

The short form takes a few examples of every operation; `make fuzz` takes many.
"""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, Config, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from sqlalchemy import Engine, make_url

from shared.domain.access import Role
from shared.flow.callers import CHOICE
from shared.flow.manage import create_api_key
from shared.web.app import create_app
from shared.wiring import Wiring
from tests.factories import make_tenant
from tests.issuer import EMAIL, Issuer
from tests.web.conftest import Caller
from tests.web.people import workspace_of

pytestmark = pytest.mark.usefixtures("queue_client")

HOME = "/api/v2/workspace"
IS_LONG = os.environ.get("SYNCLINE_FUZZ") == "long"
EXAMPLES = 200 if IS_LONG else 4
SCENARIOS = 300 if IS_LONG else 10
STEPS = 20 if IS_LONG else 8

# What no schema says: rules between fields, what other people's servers do, and what is there.
RULED = ["2xx", "304", "401", "404", "409", "412", "415", "422", "424", "429"]
# A parameter of a path that cannot be one names nothing.
REFUSED = ["400", "401", "404", "405", "412", "415", "422"]

CONFIG = {
    "checks": {
        # That a stranger is refused by every route, test_operations.py proves.
        "ignored_auth": {"enabled": False},
        "positive_data_acceptance": {"expected-statuses": RULED},
        "negative_data_rejection": {"expected-statuses": REFUSED},
    },
    # A key that was revoked is of no use any more, and is shown as what it is.
    "operations": [
        {
            "include-operation-id": "read_api_key",
            "checks": {"use_after_free": {"enabled": False}},
        }
    ],
    # Links are declared; guessed ones would have connectors checked that lead anywhere.
    "phases": {"stateful": {"inference": {"algorithms": []}}},
}


def hurried(examples: int) -> settings:
    """Return settings that find, and do not shrink: a failure is told with its request."""
    return settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=not IS_LONG,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture
def app(wiring: Wiring, database_url: str, issuer: Issuer) -> Iterator[Flask]:
    """Return the application of a deployment with all that there is, datasets and an issuer."""
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    settings = replace(
        wiring.settings, dataset_url=url, oauth_redirect_url="https://localhost/callback"
    )
    home = Wiring(settings, service="api")
    yield create_app(home)
    home.close()


@pytest.fixture
def api(app: Flask) -> schemathesis.BaseSchema:
    """Return the served document, as requests that reach the application itself."""
    return schemathesis.openapi.from_wsgi(
        "/api/v2/openapi.json", app, config=Config.from_dict(CONFIG)
    )


@pytest.fixture
def known(alice: Caller) -> dict[str, str]:
    """Return parameters of paths that lead to something."""
    schedule = alice.new_schedule()
    window = {"name": "w", "weekly": {"days": ["friday"], "from": "22:00", "to": "23:00"}}
    made = alice.post("/api/v2/workspace/blackout-windows", window).json
    run = alice.post(f"/api/v2/sync-schedules/{schedule['id']}/trigger").json
    realtime = alice.new_schedule(name="shop", frequency="realtime", preferred_time=None)
    hook = {"connector_id": realtime["connector_id"], "name": "shop"}
    return {
        "connector": schedule["connector_id"],
        "schedule": schedule["id"],
        "run": run["id"],
        "window": made["id"],
        "hook": alice.post("/api/v2/webhook-endpoints", hook).json["id"],
        "key": alice.post(f"{HOME}/api-keys", {"name": "k", "role": "viewer"}).json["id"],
        "member": alice.post(f"{HOME}/members", {"email": EMAIL, "role": "viewer"}).json["id"],
        "slug": "database",
        "stream": "flight",
        "asset": "start.js",
        "home": workspace_of(alice),
    }


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation_answers_as_its_document_says(
    api: schemathesis.BaseSchema, alice: Caller, known: dict[str, str], mode: GenerationMode
) -> None:
    failures = []
    for operation in in_order(api):
        try:
            try_out(operation, mode, known, alice)
        except FailureGroup as group:
            failures += [f"{operation.label}: {one}" for one in group.exceptions]
    assert not failures, "\n\n".join(failures)


def in_order(api: schemathesis.BaseSchema) -> list[APIOperation]:
    """Return the operations; what deletes comes last, so that there is something for the others."""
    operations = [found.ok() for found in api.get_all_operations()]
    return sorted(operations, key=lambda one: one.method == "delete")


def try_out(
    operation: APIOperation, mode: GenerationMode, known: dict[str, str], caller: Caller
) -> None:
    inputs = [*operation.body, *operation.query, *operation.headers]
    if not operation.definition.raw["security"]:
        inputs = []  # who may not be known may send any text, and a source any body
    if mode is GenerationMode.NEGATIVE and not inputs and not operation.path_parameters.items:
        return  # there is nothing to be wrong
    leading = {one.name: known[one.name] for one in operation.path_parameters if one.name in known}
    if mode is GenerationMode.NEGATIVE and not inputs:
        leading = {}

    @hurried(EXAMPLES)
    @given(operation.as_strategy(mode, path_parameters=leading or None))
    def call(case: Case) -> None:
        # A header that is wrong on purpose may be the key itself.
        headers = case.meta and case.meta.components.get(ParameterLocation.HEADER)
        is_stranger = headers is not None and headers.mode.is_negative
        case.call_and_validate(headers={} if is_stranger else introduce(caller.key, known["home"]))

    call()


def introduce(key: str, home: str) -> dict[str, str]:
    """Return headers of a caller whom every route knows: any text in them would be refused."""
    return {"Authorization": f"Bearer {key}", CHOICE: home}


def test_what_is_made_can_be_followed_by_its_links(
    api: schemathesis.BaseSchema, app: Flask, engine: Engine
) -> None:
    class Machine(api.as_state_machine()):
        def setup(self) -> None:
            # What scenarios before it left behind would let a repeat of one go another way.
            workspace_id = make_tenant(engine).workspace_id
            key = create_api_key(engine, workspace_id, name="alice", role=Role.ADMIN)
            self.headers = introduce(key, workspace_of(Caller(app.test_client(), key)))

        def get_call_kwargs(self, case: Case) -> dict:  # noqa: ARG002 (schemathesis's form)
            return {"headers": self.headers}

    Machine.run(settings=hurried(SCENARIOS))
