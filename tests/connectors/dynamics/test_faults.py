"""Whatever the service answers, a run ends with a status and a sentence that people can act on."""

from datetime import timedelta
from typing import Any

import pytest

from shared.errors import PermanentError, TransientError
from tests.connectors.api.server import Fault, says
from tests.connectors.databases import Postgres
from tests.connectors.dynamics.odata_server import SECRET, ODataServer, refuses
from tests.connectors.dynamics.shop import (
    BERGEN,
    DynamicsShop,
    add_customers,
    central,
    found,
    number_id,
)
from tests.connectors.dynamics.tables import edmx

HINT = "If it stays so, check the connector's settings."


def failure_of(one: DynamicsShop) -> TransientError | PermanentError:
    """Sync, and return the error that ends the run; no text of the server is in it."""
    with pytest.raises((TransientError, PermanentError)) as failed:
        one.sync()
    assert SECRET not in str(failed.value)
    return failed.value


def shop(server: ODataServer, dataset: Postgres, **stream: Any) -> DynamicsShop:
    return DynamicsShop(central(server, {"entity": "customers", **stream}), dataset)


@pytest.mark.parametrize(
    ("fault", "is_transient", "code", "sentence"),
    [
        (
            refuses(400, "BadRequest_InvalidRequestUrl"),
            False,
            "configuration",
            "(HTTP 400). The service calls it BadRequest_InvalidRequestUrl.",
        ),
        (
            refuses(401, "Authentication_InvalidCredentials"),
            False,
            "authorization",
            "(HTTP 401). The service calls it Authentication_InvalidCredentials.",
        ),
        (
            refuses(403, "0x80040220"),
            False,
            "authorization",
            "(HTTP 403). The service calls it 0x80040220.",
        ),
        (
            refuses(404, SECRET),
            False,
            "configuration",
            "check the connector's settings (HTTP 404).",
        ),
        (refuses(400, "a text"), False, "configuration", "(HTTP 400)."),
        (says(400, b"<html>"), False, "configuration", "(HTTP 400)."),
        (says(400, {"error": "x"}), False, "configuration", "(HTTP 400)."),
        (
            refuses(500, "Internal_ServerError"),
            True,
            "source_unavailable",
            "(HTTP 500). The service calls it Internal_ServerError.",
        ),
        (
            refuses(504, "x y"),
            True,
            "source_unavailable",
            "did not answer in time: see whether it is well (HTTP 504).",
        ),
        (says(200, b"<html>"), True, "source_unavailable", f"a web page instead of JSON. {HINT}"),
        (says(200, b'{"value": ['), True, "source_unavailable", f"not whole JSON. {HINT}"),
        (says(200, []), False, "configuration", "answers with no list of records"),
        (says(200, {"value": {}}), False, "configuration", "answers with no list of records"),
        (
            says(200, {"value": [], "@odata.nextLink": 7}),
            False,
            "configuration",
            "gives a link that is no address",
        ),
        (
            says(200, {"value": [{"number": "1"}]}),
            False,
            "configuration",
            "The records of customers have no id",
        ),
        (
            says(200, {"value": [{"id": number_id(1), "balance": SECRET}]}),
            False,
            "configuration",
            "has in balance no Edm.Decimal",
        ),
    ],
)
def test_what_a_service_answers_is_a_status_and_a_sentence(
    server: ODataServer,
    dataset: Postgres,
    fault: Fault,
    is_transient: bool,
    code: str,
    sentence: str,
) -> None:
    found(server)
    server.always["customers"] = fault
    failure = failure_of(shop(server, dataset))
    assert isinstance(failure, TransientError) is is_transient
    assert failure.code == code
    text = str(failure)
    assert sentence in text
    if sentence.endswith("."):
        assert text.endswith(sentence)


def test_a_link_to_another_host_is_not_followed(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    page = {"value": [{"id": number_id(1)}], "@odata.nextLink": "http://other.example/x"}
    server.always["customers"] = says(200, page)
    (failure,) = shop(server, dataset).sync().failures
    assert "leads to another address than its own, other.example" in str(failure.error)
    assert failure.error.code == "configuration"


@pytest.mark.parametrize(
    ("document", "error", "sentence"),
    [
        (edmx("1.0"), PermanentError, "another version of OData than v4"),
        ("<html><p></html>", TransientError, "no metadata that can be read"),
        ("", TransientError, "no metadata that can be read"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', TransientError, "no metadata that can be"),
        ("<html/>", PermanentError, "has no entity set customers: correct its name"),
    ],
)
def test_metadata_that_cannot_be_used_is_told(
    server: ODataServer,
    dataset: Postgres,
    document: str,
    error: type[Exception],
    sentence: str,
) -> None:
    found(server)
    server.document = document
    failure = failure_of(shop(server, dataset))
    assert isinstance(failure, error)
    assert sentence in str(failure)


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        ({"entity": "Customers"}, "no entity set Customers: correct its name, capitals included"),
        ({"columns": ["name"]}, "has no property name: correct primary_key or columns"),
        ({"primary_key": ["code"]}, "has no property code"),
        ({"cursor": "changedAt"}, "has no changedAt that tells what changed"),
        ({"cursor": "displayName"}, "has no displayName that tells what changed"),
        ({"entity": "orderLines"}, "no lastModifiedDateTime that tells what changed: choose"),
    ],
)
def test_settings_that_do_not_fit_the_service_are_told(
    server: ODataServer, dataset: Postgres, stream: dict[str, Any], sentence: str
) -> None:
    found(server)
    assert sentence in str(failure_of(shop(server, dataset, **stream)))


def test_properties_that_would_share_a_column_are_told(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    server.document = server.document.replace('Name="number"', 'Name="companyId"')
    one = shop(server, dataset)
    assert "company_id and companyId, which would share one column" in str(failure_of(one))
    one.config = central(server, {"entity": "customers", "columns": ["displayName"]})
    assert one.sync().failures == ()


def test_a_page_that_repeats_ends_the_stream(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    link = f"{central(server).api_url}/companies(x)/customers?$skiptoken="
    page = {"value": [{"id": number_id(1)}]}
    server.faults["customers"] = [
        says(200, {**page, "@odata.nextLink": f"customers?$skiptoken={number}"})
        for number in range(9)
    ]
    failure = failure_of(shop(server, dataset))
    assert failure.code == "cursor_stuck"
    assert link not in str(failure)


def test_pages_that_lead_in_a_circle_end_the_stream(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    server.faults["customers"] = [
        says(200, {"value": [], "@odata.nextLink": "customers?$skiptoken=1"}) for _ in range(9)
    ]
    failure = failure_of(shop(server, dataset))
    assert failure.code == "cursor_stuck"
    assert len(server.queries("customers", "$skiptoken")) == 2


def test_a_limit_that_says_how_long_is_waited_for(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    add_customers(server, 1)
    server.faults["customers"] = [says(429, Retry_After="1")] * 2
    assert shop(server, dataset).sync().records_created == 1


def test_a_long_limit_ends_the_attempt_until_then(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    server.always["customers"] = says(429, Retry_After="300")
    failure = failure_of(shop(server, dataset))
    assert isinstance(failure, TransientError)
    assert (failure.code, failure.retry_after) == ("rate_limited", timedelta(seconds=300))


def test_a_storm_of_limits_ends_the_attempt(server: ODataServer, dataset: Postgres) -> None:
    found(server)
    server.always["customers"] = refuses(429, "0x80072322")
    failure = failure_of(shop(server, dataset))
    assert (failure.code, len(server.queries("customers", "$skiptoken"))) == ("rate_limited", 4)
    assert "The service calls it 0x80072322." in str(failure)


def test_a_company_that_vanishes_between_pages_is_left_out(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server, "Oslo", "Bergen")
    add_customers(server, *range(1, 6), company=BERGEN)
    add_customers(server, 9)
    one = shop(server, dataset, sync_mode="full_refresh")
    one.sync(has_time=lambda: False)
    one.sync(has_time=lambda: False)
    server.remove("companies", BERGEN)
    one.sync_in_slices()
    assert "n9" in one.names()
    one.sync()
    assert one.names() == ["n9"]


def test_a_company_that_closes_behind_another_does_not_undo_it(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server, "Oslo", "Bergen")
    add_customers(server, 1)
    one = shop(server, dataset)
    one.sync(has_time=lambda: False)
    server.faults["customers"] = [refuses(404, "Internal_CompanyNotFound")]
    result = one.sync()
    assert result.failures == ()
    assert not one.positions


def test_a_list_of_companies_without_an_end_is_told(
    server: ODataServer, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.connectors.dynamics import companies  # noqa: PLC0415 (beside its use)

    monkeypatch.setattr(companies, "_MOST", 1)
    found(server, "Oslo", "Bergen")
    assert "lists more than 1 companies" in str(failure_of(shop(server, dataset)))


def test_an_entity_set_that_no_company_has_is_told(server: ODataServer, dataset: Postgres) -> None:
    found(server, "Oslo", "Bergen")
    server.always["customers"] = refuses(404, "BadRequest_ResourceNotFound")
    assert failure_of(shop(server, dataset)).fault == "not_found"


def test_a_stream_that_fails_does_not_stop_the_others(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    add_customers(server, 1)
    server.always["orderLines"] = says(500)
    streams = ({"entity": "orderLines", "sync_mode": "full_refresh"}, {"entity": "customers"})
    result = DynamicsShop(central(server, *streams), dataset).sync()
    assert result.records_created == 1
    assert [(one.stream, one.error.code) for one in result.failures] == [
        ("orderLines", "source_unavailable")
    ]


@pytest.mark.parametrize(
    "company", [{"name": "Oslo"}, {"id": "../x", "name": "Oslo"}, {"id": None}, "Oslo"]
)
def test_a_company_without_an_id_is_told(
    server: ODataServer, dataset: Postgres, company: object
) -> None:
    server.always["companies"] = says(200, {"value": [company]})
    assert "lists a company without an id" in str(failure_of(shop(server, dataset)))


def test_companies_that_lead_in_a_circle_end_the_run(
    server: ODataServer, dataset: Postgres
) -> None:
    server.always["companies"] = says(200, {"value": [], "@odata.nextLink": "companies?$skip=1"})
    assert failure_of(shop(server, dataset)).code == "cursor_stuck"
