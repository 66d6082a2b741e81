"""What is wrong with the settings of a report is said before they are stored."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.connectors.bufdir.config import BufdirConfig
from shared.connectors.secrets import join_secrets, split_secrets
from tests.connectors.bufdir.office import Office
from tests.connectors.bufdir.reporter import SOURCE, config_of


def config(**changes: Any) -> dict[str, Any]:
    return config_of(Office(port=1), **changes)


def test_a_config_comes_back_as_it_was_stored() -> None:
    auth = {"type": "bearer", "token": "token-canary"}
    model = BufdirConfig.model_validate(config(auth=auth, format={"type": "csv"}))
    plain, secrets = split_secrets(model)
    assert "canary" not in str(plain)
    assert join_secrets(BufdirConfig, plain, secrets) == model


def test_the_connector_whose_dataset_is_read_is_told_with_its_place() -> None:
    plain, _ = split_secrets(BufdirConfig.model_validate(config()))
    assert BufdirConfig.connectors_of(plain) == {"dataset.connector_id": SOURCE}
    assert BufdirConfig.cursors_of(plain) == {"report": None}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"endpoint": {"url": "ftp://a.example/x"}}, "endpoint.url"),
        ({"endpoint": {"url": "https://a.example/{month}"}}, "endpoint.url"),
        ({"endpoint": {"url": "https://{period}.example/x"}}, "endpoint.url"),
        ({"endpoint": {"method": "GET"}}, "endpoint.method"),
        ({"endpoint": {"idempotency_header": "Host"}}, "endpoint.idempotency_header"),
        ({"endpoint": {"idempotency_header": "Authorization"}}, "endpoint.idempotency_header"),
        ({"endpoint": {"receipt_path": "[["}}, "endpoint.receipt_path"),
        ({"dataset": {"schema": "dataset_of_somebody"}}, "dataset.schema"),
        ({"dataset": {"connector_id": "mine"}}, "dataset.connector_id"),
        ({"dataset": {"table": "t" * 64}}, "dataset.table"),
        ({"dataset": {"columns": []}}, "dataset.columns"),
        (
            {"dataset": {"columns": [{"column": "a"}, {"column": "b", "name": "a"}]}},
            "dataset.columns",
        ),
        ({"dataset": {"columns": [{"column": "a", "name": "ø" * 32}]}}, "dataset.columns.0.name"),
        ({"dataset": {"period": {"unit": "week", "column": "day"}}}, "dataset.period.unit"),
        ({"format": {"type": "json", "constants": {"period": 1}}}, "format.json.constants"),
        ({"format": {"type": "json", "rows_field": "period"}}, "format.json.rows_field"),
        ({"format": {"type": "xml"}}, "format"),
        ({"most_rows": 50_001}, "most_rows"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as caught:
        BufdirConfig.model_validate(config(**changes))
    places = [".".join(map(str, one["loc"])) for one in caught.value.errors()]
    assert place in places
