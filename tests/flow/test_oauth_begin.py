"""An authorization begins with an address of the provider, for a connector that needs one."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from shared.errors import ConfigurationError, ConflictError, InvalidInputError, NotFoundError
from shared.flow import oauth_begin
from shared.flow.connectors import change_connector
from shared.flow.oauth_begin import begin_authorization
from shared.flow.retire import disable_connector, enable_connector
from tests.factories import at, make_connector, make_tenant
from tests.flow.authorizing import REDIRECT_URL, Person


def test_the_browser_is_sent_to_the_provider_with_what_it_needs(person: Person) -> None:
    connector = person.new_connector(authorize_parameters={"prompt": "consent"})
    address = person.begin(connector)
    assert address.startswith(f"{person.server.url}/authorize?")
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert query["redirect_uri"] == REDIRECT_URL
    assert (query["code_challenge_method"], len(query["code_challenge"])) == ("S256", 43)
    assert (query["scope"], query["prompt"]) == ("orders.read", "consent")
    assert len(query["state"]) == 43


def test_each_authorization_has_a_state_and_a_verifier_of_its_own(person: Person) -> None:
    connector = person.new_connector()
    queries = [parse_qs(urlsplit(person.begin(connector)).query) for _ in range(2)]
    assert queries[0]["state"] != queries[1]["state"]
    assert queries[0]["code_challenge"] != queries[1]["code_challenge"]


def test_it_ends_ten_minutes_later(person: Person) -> None:
    principal, connector = person.tenant.principal, person.new_connector()
    begun = begin_authorization(person.reception, principal, connector, now=at("02:05"))
    [state] = person.rows("oauth_state")
    assert begun.expires_at == state["expires_at"] == at("02:15")


def test_a_connector_has_five_authorizations_under_way_and_the_oldest_go(person: Person) -> None:
    connector, other = person.new_connector(), person.new_connector()
    waiting = [person.agree(one) for one in [other, *[connector] * 7]]
    assert len(person.rows("oauth_state")) == 1 + 5
    endings = [person.finish(callback).ending for callback in waiting]
    assert endings == ["connected", *["unknown"] * 2, *["connected"] * 5]


def test_settings_that_change_while_it_begins_get_no_authorization(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the browser would go to one provider, and code and verifier to another."""
    connector = person.new_connector()
    seal = oauth_begin.seal

    def seal_late(*arguments: object) -> object:
        config = person.server.config(token_url="http://localhost:1/token")
        change_connector(
            person.planner, person.tenant.principal, person.key, connector, config=config
        )
        return seal(*arguments)

    monkeypatch.setattr(oauth_begin, "seal", seal_late)
    with pytest.raises(ConflictError) as refused:
        person.begin(connector)
    assert refused.value.code == "changed_meanwhile"
    assert person.rows("oauth_state") == []


def test_what_needs_no_authorization_or_is_disabled_or_anothers_is_refused(person: Person) -> None:
    principal, reception = person.tenant.principal, person.reception
    database = make_connector(person.engine, person.tenant)["public_id"]
    with pytest.raises(ConflictError, match="needs nobody's authorization"):
        begin_authorization(reception, principal, database)
    with pytest.raises(NotFoundError):
        begin_authorization(reception, principal, uuid4())
    stranger = make_tenant(person.engine).principal
    with pytest.raises(NotFoundError):
        begin_authorization(reception, stranger, person.new_connector())
    disabled = person.authorized()
    disable_connector(person.planner, principal, disabled)
    with pytest.raises(ConflictError, match="enable it, then authorize it"):
        begin_authorization(reception, principal, disabled)
    assert person.rows("oauth_state WHERE used_at IS NULL") == []
    enable_connector(person.planner, principal, disabled)
    assert person.begin(disabled)


def test_a_deployment_that_is_not_set_up_is_told_by_the_variable(person: Person) -> None:
    connector = person.new_connector()
    for missing, variable in (
        ({"redirect_url": None}, "SYNCLINE_OAUTH_REDIRECT_URL"),
        ({"key": None}, "SYNCLINE_KMS_KEY"),
    ):
        with pytest.raises(ConfigurationError, match=variable):
            begin_authorization(
                replace(person.reception, **missing), person.tenant.principal, connector
            )


def test_the_way_back_is_a_path_of_ours_in_a_deployment_that_has_a_site(person: Person) -> None:
    connector = person.new_connector()
    with pytest.raises(InvalidInputError, match="no path of this site"):
        person.begin(connector, return_to="//evil.example")
    nowhere = replace(person.reception, public_url=None)
    with pytest.raises(InvalidInputError, match="no site to return to"):
        begin_authorization(nowhere, person.tenant.principal, connector, return_to="/connectors")
    finished = person.finish(person.agree(connector, return_to="/connectors?tab=1"))
    assert finished.return_to == "/connectors?tab=1"
