"""The connector type `api`: any REST API that answers with JSON, by configuration."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from shared.connectors.api.config import ApiConfig
from shared.connectors.base import (
    ConfirmLease,
    ConnectorType,
    SourceAccess,
    SourceStream,
    StreamFailure,
    SyncRequest,
    SyncResult,
)


@dataclass(frozen=True, slots=True)
class ApiConnector:
    """Reads the configured endpoints page by page, and merges their records by primary key."""

    slug: str = "api"
    config_model: type[ApiConfig] = ApiConfig

    def check(self, access: SourceAccess) -> Sequence[StreamFailure]:
        """Ask for one record of each stream; return the streams that cannot be read."""
        # The HTTP client takes a while to import, and only a look at a source needs it.
        from shared.connectors.api.look import check_api  # noqa: PLC0415

        return check_api(access)

    def streams(self, access: SourceAccess) -> Sequence[SourceStream]:
        """Return the configured streams, with what their first pages show."""
        from shared.connectors.api.look import offered_streams  # noqa: PLC0415

        return offered_streams(access)

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
        # dlt takes two seconds to import, and only a worker needs it.
        from shared.connectors.api.sync import sync_api  # noqa: PLC0415

        return sync_api(request, confirm_lease)

    def warm_up(self) -> None:
        """Import what a sync needs, dlt above all."""
        import_module("shared.connectors.api.sync")


CONNECTOR_TYPE: ConnectorType = ApiConnector()
