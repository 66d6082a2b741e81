"""Sessions of leases of one connector in BigQuery, one after the other or side by side."""

from uuid import UUID, uuid4

from infra.local.bigquery.running import RunningBigQuery
from shared.connectors.base import ConfirmLease, SyncRequest
from shared.connectors.bigquery.session import Session
from shared.connectors.registry import connector_type
from tests.connectors.databases import DATASET, hold_lease, orders

RUN = UUID(int=1)


def new_session(
    bigquery: RunningBigQuery,
    *,
    run_id: UUID = RUN,
    fence: int = 1,
    confirm_lease: ConfirmLease = hold_lease,
) -> Session:
    """Return a session of a lease that has not taken the turn."""
    config = connector_type("database").config_model.model_validate(
        orders("postgresql://reader@db.example/shop")
    )
    request = SyncRequest(
        run_id=run_id,
        connector_id=uuid4(),
        config=config,
        watermarks={},
        dataset_url=bigquery.dataset_url,
        dataset_name=DATASET,
        fence=fence,
    )
    return Session(request, confirm_lease)
