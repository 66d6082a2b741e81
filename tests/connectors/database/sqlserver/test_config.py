"""What a workspace says about SQL Server is taken as people write it, or refused in words."""

import pytest
from pydantic import ValidationError

from shared.connectors.database.config import DatabaseConfig
from tests.connectors.certificates import Authority, certificate_of, key_of
from tests.connectors.databases import orders


@pytest.mark.parametrize("scheme", ["mssql", "sqlserver", "mssql+pyodbc", "mssql+pymssql"])
def test_every_name_of_it_leads_to_the_driver_that_is_there(scheme: str) -> None:
    config = DatabaseConfig.model_validate(orders(f"{scheme}://reader@db.example.com:1433/shop"))
    assert config.url == "mssql+pytds://reader@db.example.com:1433/shop"
    assert DatabaseConfig.model_validate({**orders(config.url)}).url == config.url


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (r"mssql://reader@db\sales/shop", "names an instance"),
        ("mssql://reader@db%5Csales/shop", "give the port that the instance listens on"),
        ("mssql://reader@db,1433/shop", "as mssql://user@host:port/database"),
        ("mssql://reader@db/shop?driver=ODBC", "parameters that are not supported: driver"),
        ("mssql://reader@db", "it has no database"),
        ("mssql://db/shop", "it has no user"),
        ("mssql://reader:canary@db/shop", "leave it out and give it in the field password"),
        ("oracle://reader@db/shop", "there is postgresql, mysql, mariadb, mssql for SQL Server"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(url: str, told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        DatabaseConfig.model_validate(orders(url))
    assert told in str(refused.value)
    assert "canary" not in str(refused.value)


def test_a_certificate_to_log_in_with_is_refused() -> None:
    leaf = Authority().of_host("reader")
    pair = {"tls_certificate": certificate_of(leaf), "tls_key": key_of(leaf)}
    with pytest.raises(ValidationError, match="SQL Server logs nobody in by certificate"):
        DatabaseConfig.model_validate({**orders("mssql://reader@db/shop"), **pair})


def test_the_form_shows_how_its_url_is_written() -> None:
    examples = DatabaseConfig.model_json_schema()["properties"]["url"]["examples"]
    assert "mssql://reader@db.example.com:1433/shop" in examples
