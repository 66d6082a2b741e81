"""A connector of the type `api` over its life, loading into a dataset."""

from dataclasses import replace
from uuid import UUID, uuid4

from shared.connectors.api.config import ApiConfig
from shared.connectors.base import (
    HasTime,
    Position,
    SyncRequest,
    Watermark,
    always_has_time,
)
from shared.connectors.registry import connector_type
from shared.egress.files import FilesRoot
from tests.connectors.databases import Postgres, Shop


class ApiShop(Shop):
    """It keeps watermarks and positions as the database does."""

    def __init__(self, config: ApiConfig, dataset: Postgres) -> None:
        self.type = connector_type("api")
        self.config = config
        self.dataset = dataset
        self.files = FilesRoot()
        self.connector_id: UUID = uuid4()
        self.watermarks: dict[str, Watermark] = {}
        self.landed: set[str] = set()
        self.positions: dict[str, Position] = {}
        self.run_id = uuid4()

    def request(self, has_time: HasTime = always_has_time) -> SyncRequest:
        if not self.positions:
            self.run_id = uuid4()
        return replace(super().request(has_time), run_id=self.run_id)
