"""Settings are checked before they are stored, with a sentence that says what to do."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.connectors.dynamics.config import DynamicsConfig
from shared.connectors.secrets import split_secrets

LOGIN = {"tenant": "contoso.com", "client_id": "a", "client_secret": "canary"}
CENTRAL: dict[str, Any] = {"product": "business_central"}
DATAVERSE: dict[str, Any] = {"product": "dataverse", "url": "https://org.crm4.dynamics.com"}


def made(service: dict[str, Any], *streams: dict[str, Any], **settings: Any) -> DynamicsConfig:
    listed = list(streams or ({"entity": "customers"},))
    return DynamicsConfig.model_validate(
        {"service": service, "login": LOGIN, "streams": listed, **settings}
    )


def problem(service: dict[str, Any], *streams: dict[str, Any], **settings: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        made(service, *streams, **settings)
    assert "canary" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"route": "v2.0/x"}, "write v2.0, or publisher/group/version"),
        ({"route": "../../x"}, "write v2.0, or publisher/group/version"),
        ({"environment": "a/b"}, "use letters, digits"),
        ({"companies": ["A", "a"]}, "each company may stand once only"),
        ({"companies": []}, "at least 1 item"),
        ({"base_url": "ftp://x.example"}, "has to start with https://"),
        ({"product": "crm"}, "business_central"),
    ],
)
def test_a_service_that_cannot_be_is_told(settings: dict[str, Any], sentence: str) -> None:
    assert sentence in problem({**CENTRAL, **settings})


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        ({"entity": "a b"}, "use the name as the service writes it"),
        ({"entity": "customers?$top=1"}, "use the name as the service writes it"),
        ({"columns": ["a", "a"]}, "each column may stand once only"),
        ({"columns": ["a/b"]}, "use the name as the service writes it"),
        ({"sync_mode": "full_refresh", "cursor": "a"}, "leave out cursor and delta"),
        ({"sync_mode": "full_refresh", "delta": True}, "leave out cursor and delta"),
        ({"delta": True, "filter": "a eq 1"}, "change tracking takes no filter"),
        ({"delta": True, "cursor": "a"}, "change tracking takes no filter"),
        ({"look_back_seconds": -1}, "greater than or equal to 0"),
    ],
)
def test_a_stream_that_cannot_be_is_told(stream: dict[str, Any], sentence: str) -> None:
    assert sentence in problem(DATAVERSE, {"entity": "accounts", **stream})


def test_change_tracking_is_for_dataverse_alone() -> None:
    assert "delta is for Dataverse" in problem(CENTRAL, {"entity": "customers", "delta": True})


def test_a_page_of_dataverse_has_5000_records_at_most() -> None:
    assert "5000 at most" in problem(DATAVERSE, page_size=5_001)
    assert made(CENTRAL, page_size=20_000).page_size == 20_000


def test_names_that_would_share_a_table_are_refused() -> None:
    twice = problem(CENTRAL, {"entity": "customers"}, {"entity": "Customers"})
    assert "each entity may stand once only" in twice


@pytest.mark.parametrize(
    "tenant", ["../common", "a/b", "", "con toso.com", "contoso.com?x", "contoso.com#"]
)
def test_a_tenant_is_one_part_of_an_address(tenant: str) -> None:
    with pytest.raises(ValidationError):
        DynamicsConfig.model_validate(
            {
                "service": CENTRAL,
                "login": {**LOGIN, "tenant": tenant},
                "streams": [{"entity": "customers"}],
            }
        )


@pytest.mark.parametrize(
    ("service", "usual"), [(CENTRAL, "lastModifiedDateTime"), (DATAVERSE, "modifiedon")]
)
def test_the_cursors_of_stored_settings_are_known(service: dict[str, Any], usual: str) -> None:
    config = made(
        service,
        {"entity": "a"},
        {"entity": "b", "cursor": "changed"},
        {"entity": "c", "sync_mode": "full_refresh"},
    )
    plain, _ = split_secrets(config)
    assert DynamicsConfig.cursors_of(plain) == {"a": usual, "b": "changed", "c": None}


def test_the_cursor_of_change_tracking_is_its_link() -> None:
    plain, _ = split_secrets(made(DATAVERSE, {"entity": "accounts", "delta": True}))
    assert DynamicsConfig.cursors_of(plain) == {"accounts": "@odata.deltaLink"}


def test_a_custom_route_is_part_of_the_address() -> None:
    config = made({**CENTRAL, "route": "contoso/sales/v1.0", "environment": "Test_1"})
    assert config.api_url.endswith("/v2.0/contoso.com/Test_1/api/contoso/sales/v1.0")
