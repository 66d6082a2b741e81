"""A connector whose records land in either dataset, for what is promised of both."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shared.connectors.base import HasTime, SyncRequest, always_has_time
from tests.connectors.databases import Postgres, Shop


class AnyShop(Shop):
    """A connector over its life; each slice has a lease of its own, as with a worker."""

    def __init__(self, config: Mapping[str, Any], dataset: Postgres, dataset_url: str) -> None:
        super().__init__(config, dataset)
        self.dataset_url = dataset_url
        self.fence = 0

    def request(self, has_time: HasTime = always_has_time) -> SyncRequest:
        self.fence += 1
        request = super().request(has_time)
        return replace(request, dataset_url=self.dataset_url, fence=self.fence)


NewShop = Callable[..., AnyShop]
"""Makes a connector that reads the table orders, with the settings of its stream."""
