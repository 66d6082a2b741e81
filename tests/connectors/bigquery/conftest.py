"""BigQuery for tests: the emulator, with its rows in the database that `dataset` empties."""

from collections.abc import Iterator

import pytest

from infra.local.bigquery.running import RunningBigQuery, running_bigquery
from tests.connectors.databases import Postgres


@pytest.fixture
def bigquery(dataset: Postgres) -> Iterator[RunningBigQuery]:
    """Return a BigQuery without datasets."""
    with running_bigquery(dataset.dsn) as running:
        yield running
