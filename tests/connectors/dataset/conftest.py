"""Fixtures of the tests that run over every kind of dataset."""

from collections.abc import Iterator

import pytest

from infra.local.bigquery.running import running_bigquery
from tests.connectors.databases import Postgres, orders
from tests.connectors.datasets import AnyShop, NewShop


@pytest.fixture(params=["postgresql", "bigquery"])
def dataset_url(request: pytest.FixtureRequest, dataset: Postgres) -> Iterator[str]:
    """Return where records land; in both cases the rows are in `dataset`."""
    if request.param == "postgresql":
        yield dataset.dsn
    else:
        with running_bigquery(dataset.dsn) as running:
            yield running.dataset_url


@pytest.fixture
def new_shop(source: Postgres, dataset: Postgres, dataset_url: str) -> NewShop:
    """Return what makes a connector that reads the table orders of `source`."""
    source.execute(
        "CREATE TABLE orders (id int, changed timestamptz, amount numeric(10,2), note text)",
        "INSERT INTO orders VALUES (1, '2026-01-01', 1.50, 'one'), (2, '2026-01-02', 2.25, 'two')",
    )

    def make(**stream: object) -> AnyShop:
        return AnyShop(orders(source.url, **stream), dataset, dataset_url)

    return make
