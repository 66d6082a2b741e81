"""Which dataset a slice writes, by the URL that the deployment gave."""

from datetime import timedelta

from shared.connectors.base import ConfirmLease, SyncRequest
from shared.connectors.dataset.postgres import PostgresDataset
from shared.connectors.dataset.seam import SliceDataset
from shared.domain.bigquery_address import is_bigquery
from shared.late_imports import importing


def open_dataset(
    request: SyncRequest, confirm_lease: ConfirmLease, load_wait: timedelta
) -> SliceDataset:
    """Return the dataset of the request's connector; nothing is connected yet.

    `load_wait` is how long a load waits for another of its connector before it takes the turn from
    it.
    """
    if is_bigquery(request.dataset_url):
        with importing():
            # Slow, and seldom asked for.
            from shared.connectors.bigquery.dataset import (  # noqa: PLC0415
                BigQueryDataset,
            )

        return BigQueryDataset(request, confirm_lease)
    return PostgresDataset(request, confirm_lease, load_wait)
