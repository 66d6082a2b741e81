"""Which datasets a report can be made of."""

import pytest

from shared.connectors.bufdir.dataset import require_postgresql
from shared.errors import PermanentError


def test_reports_are_made_of_datasets_in_postgresql_alone() -> None:
    require_postgresql("postgresql://127.0.0.1/datasets")
    with pytest.raises(PermanentError, match=r"in BigQuery: send them from a deployment"):
        require_postgresql("bigquery://acme-data/europe-north1")
