"""A database connector's configuration is refused in words before it is stored."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.connectors.database.config import DatabaseConfig
from tests.connectors.databases import PASSWORD, orders


def _refusal(config: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        DatabaseConfig.model_validate(config)
    return str(refused.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("postgresql://u@h/d", "postgresql+psycopg2://u@h/d"),
        ("postgres://u@h:5433/d", "postgresql+psycopg2://u@h:5433/d"),
        ("postgresql+asyncpg://u@h/d?sslmode=require", "postgresql+psycopg2://u@h/d"),
        ("mysql://u@h/d", "mysql+pymysql://u@h/d"),
        ("mariadb+mariadbconnector://u@h/d", "mariadb+pymysql://u@h/d"),
        ("sqlite:///shops/oslo.db", "sqlite:///shops/oslo.db"),
        ("sqlite+pysqlcipher:///shops/oslo.db", "sqlite:///shops/oslo.db"),
    ],
)
def test_a_url_is_kept_with_the_driver_that_is_installed(given: str, kept: str) -> None:
    assert DatabaseConfig.model_validate(orders(given)).url == kept


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "at least 1 character"),
        ("nonsense", "postgresql://user@host"),
        ("sqlite://", "names no file below that folder"),
        ("sqlite:///:memory:", "names no file below that folder"),
        ("sqlite:////etc/passwd", "names no file below that folder"),
        ("sqlite:///file:orders.db", "names no file below that folder"),
        ("sqlite:///orders\n.db", "names no file below that folder"),
        ("sqlite:///a/../../orders.db", "it leads upwards"),
        ("sqlite:///..", "it leads upwards"),
        ("sqlite:///orders.db?mode=rwc", "not supported: mode; supported is none"),
        ("sqlite:///orders.db?uri=true", "not supported: uri"),
        ("sqlite://reader@host/orders.db", "a file has no user and no host"),
        ("oracle://u@h/d", "no driver for oracle"),
        (f"postgresql://u:{PASSWORD}@h/d", "field password"),
        ("postgresql://h/d", "has no user"),
        ("postgresql://u@/d", "has no host"),
        ("postgresql://u@h", "has no database"),
        ("postgresql://u@h,g/d", "neither a name nor an address"),
        ("postgresql://u@h/d?host=/var/run", "not supported: host"),
        (f"postgresql://u@h/d?password={PASSWORD}", "not supported: password"),
        ("mysql://u@h/d?read_default_file=/etc/passwd", "not supported: read_default_file"),
        ("mysql://u@h/d?local_infile=1", "not supported: local_infile"),
        ("mysql://u@h/d?ssl_ca=/etc/passwd", "not supported: ssl_ca"),
        ("postgresql://u@h/d?sslrootcert=/etc/passwd", "not supported: sslrootcert"),
        ("postgresql://u@h/d?sslmode=prefer", "set the field tls"),
        ("postgresql://u@h/d?sslmode=require&sslmode=disable", "set the field tls"),
        ("postgresql://u@h/d?" + "x" * 2_000, "at most 1000 characters"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_the_reason(url: str, words: str) -> None:
    assert words in _refusal(orders(url))


def test_a_refusal_never_shows_the_value_that_was_refused() -> None:
    assert PASSWORD not in _refusal(orders(f"postgresql://u:{PASSWORD}@h/d"))
    assert PASSWORD not in _refusal(orders("nonsense", password=PASSWORD * 100))


def test_the_password_is_shown_only_in_the_url_to_connect_with() -> None:
    config = DatabaseConfig.model_validate(orders("postgresql://u@h/d", password=PASSWORD))
    assert PASSWORD not in repr(config)
    assert PASSWORD not in config.model_dump_json()
    assert config.engine_url().password == PASSWORD


def test_the_schema_marks_the_password_as_write_only() -> None:
    schema = str(DatabaseConfig.model_json_schema()["properties"]["password"])
    assert "writeOnly" in schema


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ({"table": ""}, "at least 1 character"),
        ({"table": "a\x00b"}, "no control characters"),
        ({"table": " a"}, "no spaces at its ends"),
        ({"table": "x" * 129}, "at most 128 characters"),
        ({"primary_key": []}, "at least 1 item"),
        ({"primary_key": ["id", "id"]}, "once only: id"),
        ({"columns": ["id"]}, "add changed"),
        ({"columns": ["changed", "name"]}, "add id"),
        ({"columns": ["id", "changed", "id"]}, "once only: id"),
        ({"typo": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_stream_that_cannot_be_synced_is_refused_with_the_reason(
    stream: dict[str, Any], words: str
) -> None:
    assert words in _refusal(orders("postgresql://u@h/d", **stream))


def test_there_is_at_least_one_stream_and_each_table_stands_once() -> None:
    config = orders("postgresql://u@h/d")
    assert "at least 1 item" in _refusal(config | {"streams": []})
    twice = [*config["streams"], {"table": "ORDERS", "schema": "other", "primary_key": ["id"]}]
    assert "once only: orders" in _refusal(config | {"streams": twice})


def test_a_configuration_survives_being_stored_as_json() -> None:
    config = DatabaseConfig.model_validate(orders("postgresql://u@h/d", schema="sales"))
    stored = config.model_dump(mode="json", exclude={"password"})
    assert stored["streams"][0]["schema"] == "sales"
    assert DatabaseConfig.model_validate(stored).streams == config.streams
