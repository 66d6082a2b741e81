"""The URL that says where datasets are in BigQuery."""

import pytest

from shared.domain.bigquery_address import BigQueryAddress, is_bigquery, parse_address
from shared.errors import ConfigurationError


def test_a_url_names_a_project_and_a_location() -> None:
    assert parse_address("bigquery://acme-data/europe-north1") == BigQueryAddress(
        "acme-data", "europe-north1"
    )


def test_a_project_may_belong_to_a_domain() -> None:
    assert parse_address("bigquery://acme.example:data-1/EU").project == "acme.example:data-1"


def test_an_emulator_of_this_machine_is_named_by_its_endpoint() -> None:
    address = parse_address("bigquery://acme-data/EU?endpoint=http://127.0.0.1:9050")
    assert address.endpoint == "http://127.0.0.1:9050"


def test_what_a_query_may_cost_at_most_is_an_option() -> None:
    address = parse_address("bigquery://acme-data/EU?maximum_bytes_billed=1000000000")
    assert (address.maximum_bytes_billed, address.endpoint) == (1_000_000_000, None)
    assert parse_address("bigquery://acme-data/EU").maximum_bytes_billed is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [("bigquery://a/b", True), ("postgresql://host/db", False), ("host=db port=5432", False)],
)
def test_the_scheme_tells_which_dataset_it_is(url: str, expected: bool) -> None:
    assert is_bigquery(url) is expected


@pytest.mark.parametrize(
    "url",
    [
        "bigquery://",
        "bigquery://acme-data",
        "bigquery://acme-data/",
        "bigquery://ACME/EU",
        "bigquery://user:secret-canary@acme-data/EU",
        "bigquery://acme-data/EU/more",
        "bigquery://acme-data/EU#part",
        "bigquery://acme-data/EU?dataset=x",
        "bigquery://acme-data/EU?maximum_bytes_billed=",
        "bigquery://acme-data/EU?maximum_bytes_billed=0",
        "bigquery://acme-data/EU?maximum_bytes_billed=1e9",
        "bigquery://acme-data/EU?maximum_bytes_billed=-canary",
        "bigquery://acme-data/EU?endpoint=",
        "bigquery://acme-data/EU?endpoint=http://10.0.0.1:9050",
        "bigquery://acme-data/EU?endpoint=http://localhost.example:9050",
        "bigquery://acme-data/EU?endpoint=https://bigquery.googleapis.com",
        "bigquery://acme-data/EU?endpoint=http://127.0.0.1",
        "bigquery://acme-data/EU?endpoint=http://user@127.0.0.1:80",
        "bigquery://acme-data/EU?endpoint=http://127.0.0.1:9050&more=1",
    ],
)
def test_anything_else_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SYNCLINE_DATASET_URL") as refused:
        parse_address(url)
    assert "canary" not in str(refused.value)
