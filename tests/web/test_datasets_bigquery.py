"""What the API tells of datasets that are in BigQuery."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import make_url

from infra.local.bigquery.running import LOCATION, PROJECT, running_bigquery
from shared.domain.dataset import dataset_name
from shared.web.app import create_app
from shared.wiring import Wiring
from tests.web.conftest import Caller


@pytest.fixture
def alice(alice: Caller, wiring: Wiring, database_url: str) -> Iterator[Caller]:
    """Return Alice in a deployment whose datasets are in BigQuery."""
    url = make_url(database_url).set(drivername="postgresql").render_as_string(False)
    with running_bigquery(url) as running:
        settings = replace(wiring.settings, dataset_url=running.dataset_url)
        home = Wiring(settings, service="api")
        yield replace(alice, client=create_app(home).test_client())
        home.close()


def test_a_dataset_in_bigquery_says_its_project_and_place(alice: Caller) -> None:
    connector = alice.new_connector()
    shown = alice.get(f"/api/v2/connectors/{connector}/dataset").json
    assert (shown["kind"], shown["project"], shown["location"]) == ("bigquery", PROJECT, LOCATION)
    assert (shown["schema"], shown["tables"]) == (dataset_name(UUID(connector)), [])


def test_a_reader_of_bigquery_is_given_by_iam(alice: Caller) -> None:
    answer = alice.post("/api/v2/dataset-reader")
    assert (answer.status_code, answer.json["code"]) == (409, "readers_by_iam")
    assert "roles/bigquery.dataViewer" in answer.text
    assert PROJECT in answer.text
    assert alice.delete("/api/v2/dataset-reader").status_code == 204
