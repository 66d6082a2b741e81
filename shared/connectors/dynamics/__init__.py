"""The connector type `dynamics`: Dynamics 365 Business Central and Dataverse, over OData v4."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from shared.connectors.base import (
    ConfirmLease,
    ConnectorType,
    SourceAccess,
    SourceStream,
    StreamFailure,
    SyncRequest,
    SyncResult,
)
from shared.connectors.dynamics.config import DynamicsConfig


@dataclass(frozen=True, slots=True)
class DynamicsConnector:
    """Reads entity sets page by page, typed by the service's own metadata, and merges them."""

    slug: str = "dynamics"
    config_model: type[DynamicsConfig] = DynamicsConfig

    def check(self, access: SourceAccess) -> Sequence[StreamFailure]:
        """Log in and ask for one record of each stream; return the streams that cannot be read."""
        # The HTTP client takes a while to import, and only a look at a source needs it.
        from shared.connectors.dynamics.look import check_dynamics  # noqa: PLC0415

        return check_dynamics(access)

    def streams(self, access: SourceAccess) -> Sequence[SourceStream]:
        """Return the entity sets that the service offers."""
        from shared.connectors.dynamics.look import offered_streams  # noqa: PLC0415

        return offered_streams(access)

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
        # dlt takes two seconds to import, and only a worker needs it.
        from shared.connectors.dynamics.sync import sync_dynamics  # noqa: PLC0415

        return sync_dynamics(request, confirm_lease)

    def warm_up(self) -> None:
        """Import what a sync needs, dlt above all."""
        import_module("shared.connectors.dynamics.sync")


CONNECTOR_TYPE: ConnectorType = DynamicsConnector()
