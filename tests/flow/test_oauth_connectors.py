"""A connector's grant goes with its settings, its secrets and its life."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.connectors.oauth_failures import GrantEndedError
from shared.flow.connectors import change_connector
from shared.flow.retire import delete_connector, disable_connector, enable_connector
from shared.store.rows import Row
from tests.authorization_server import SECRET
from tests.connectors.api.server import says
from tests.factories import at, end_workspace, make_schedule
from tests.flow.authorizing import Person


def change(person: Person, connector: object, config: dict[str, object]) -> Row:
    return change_connector(
        person.planner, person.tenant.principal, person.key, connector, config=config
    )


def with_streams(person: Person, *names: str) -> dict[str, object]:
    streams = [{"name": name, "path": "/orders", "primary_key": ["id"]} for name in names]
    return {**person.server.config(), "streams": streams}


def test_a_change_of_streams_keeps_the_grant(person: Person) -> None:
    connector = person.authorized()
    grant = person.grant(connector)
    config = with_streams(person, "order", "more")
    assert change(person, connector, config)["status"] == "connected"
    del config["auth"]["client_secret"]  # type: ignore[attr-defined]
    config["streams"] = config["streams"][:1]  # type: ignore[index]
    assert change(person, connector, config)["status"] == "connected"
    assert person.grant(connector) == grant


@pytest.mark.parametrize(
    "changed", [{"client_id": "another"}, {"client_secret": "another"}, {"scope": "all"}]
)
def test_a_change_of_the_client_asks_for_another_authorization(
    person: Person, changed: dict[str, str]
) -> None:
    connector = person.authorized()
    waiting = person.agree(connector)
    row = change(person, connector, person.server.config(**changed))
    assert row["status"] == "pending_authorization"
    assert person.grant(connector) is None
    (stored,) = person.rows("connector_credential")
    assert (stored["authorized_at"], stored["expires_at"]) == (None, None)
    assert person.finish(waiting).ending == "unknown"


def test_tokens_are_not_sent_to_another_host(person: Person) -> None:
    connector = person.authorized()
    config = {**person.server.config(), "base_url": "https://evil.example"}
    assert change(person, connector, config)["status"] == "pending_authorization"
    assert person.grant(connector) is None


def test_a_connector_that_needs_no_authorization_any_more_is_connected(person: Person) -> None:
    connector = person.new_connector()
    config = {**person.server.config(), "auth": {"type": "bearer", "token": "t"}}
    assert change(person, connector, config)["status"] == "connected"
    row = change(person, connector, person.server.config())
    assert row["status"] == "pending_authorization"
    assert row["version"] == 3  # each was one change


def test_one_that_need_not_wait_any_more_is_planned_from_now_on_without_a_backlog(
    person: Person,
) -> None:
    planner = replace(person.planner, look_ahead=timedelta(hours=2))
    connector = person.new_connector()
    make_schedule(
        person.engine,
        person.tenant,
        connector=connector,
        cron_expression="0 * * * *",
        from_instant=at("01:30"),
    )
    config = {**person.server.config(), "auth": {"type": "bearer", "token": "t"}}
    change_connector(
        planner, person.tenant.principal, person.key, connector, config=config, now=at("04:30")
    )
    runs = [(f"{run['period_at']:%H:%M}", run["status"], run["reason"]) for run in person.runs()]
    assert runs == [
        ("02:00", "skipped", "connector_unavailable"),
        ("03:00", "skipped", "connector_unavailable"),
        ("04:00", "skipped", "connector_unavailable"),
        ("05:00", "scheduled", None),
        ("06:00", "scheduled", None),
    ]


def test_a_disabled_connector_whose_grant_ended_waits_for_another(person: Person) -> None:
    principal = person.tenant.principal
    connector = person.authorized()
    disable_connector(person.planner, principal, connector)
    person.server.faults.append(says(400, {"error": "invalid_grant"}))
    with pytest.raises(GrantEndedError):
        person.tokens(connector)(person.server.tokens[-1].access_token)
    assert person.status(connector) == "disabled"
    row = enable_connector(person.planner, principal, connector)
    assert row["status"] == "pending_authorization"


def test_a_disabled_connector_keeps_its_grant_unless_its_settings_change(person: Person) -> None:
    principal = person.tenant.principal
    connector = person.authorized()
    disable_connector(person.planner, principal, connector)
    assert person.grant(connector) is not None
    assert change(person, connector, person.server.config(scope="all"))["status"] == "disabled"
    row = enable_connector(person.planner, principal, connector)
    assert row["status"] == "pending_authorization"


def test_a_grant_is_gone_with_its_connector_and_with_its_workspace(person: Person) -> None:
    for end in (
        lambda connector: delete_connector(person.planner, person.tenant.principal, connector),
        lambda _: end_workspace(person.engine, person.tenant.workspace_id),
    ):
        connector = person.authorized()
        person.begin(connector)
        end(connector)
        assert person.rows("connector_credential") == []
        assert person.rows("oauth_state") == []


def test_tokens_are_no_secrets_of_the_settings(person: Person) -> None:
    connector = person.authorized()
    (row,) = person.rows("workspace_connector")
    assert row["secret_pointers"] == ["/auth/client_secret"]
    shown = str(dict(row))
    for secret in (SECRET, person.server.tokens[0].access_token):
        assert secret not in shown
    assert connector == row["public_id"]


def test_an_authorization_is_one_change_of_the_connector(person: Person) -> None:
    connector = person.new_connector()
    versions = []
    for _ in range(3):
        (row,) = person.rows("workspace_connector")
        versions.append(row["version"])
        person.authorize(connector)
    assert versions == [1, 2, 3]
