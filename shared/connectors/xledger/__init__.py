"""The connector type `xledger`: Xledger's GraphQL API."""

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
from shared.connectors.xledger.config import XledgerConfig


@dataclass(frozen=True, slots=True)
class XledgerConnector:
    """Reads the configured connections page by page, and merges their nodes by primary key."""

    slug: str = "xledger"
    config_model: type[XledgerConfig] = XledgerConfig

    def check(self, access: SourceAccess) -> Sequence[StreamFailure]:
        """Ask for one node of each stream; return the streams that cannot be read."""
        # The HTTP client and the GraphQL parser take a while to import, and only a look needs them.
        from shared.connectors.xledger.look import check_xledger  # noqa: PLC0415

        return check_xledger(access)

    def streams(self, access: SourceAccess) -> Sequence[SourceStream]:
        """Return the connections of the root query, with the fields of their nodes."""
        from shared.connectors.xledger.look import offered_streams  # noqa: PLC0415 (as above)

        return offered_streams(access)

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
        # dlt takes two seconds to import, and only a worker needs it.
        from shared.connectors.xledger.sync import sync_xledger  # noqa: PLC0415

        return sync_xledger(request, confirm_lease)

    def warm_up(self) -> None:
        """Import what a sync needs, dlt above all."""
        import_module("shared.connectors.xledger.sync")


CONNECTOR_TYPE: ConnectorType = XledgerConnector()
