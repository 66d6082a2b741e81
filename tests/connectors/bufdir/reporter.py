"""One connector that reports, over its life, and the dataset that it reports from."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg2

from shared.connectors.base import ConfirmLease, ReadableDataset, SyncRequest, SyncResult
from shared.connectors.bufdir.receipts import Act, Receipt, Receipts
from shared.connectors.registry import connector_type
from shared.domain.dataset import dataset_name
from shared.domain.reporting import Settlement
from shared.egress.lines import Lines
from tests.connectors.bufdir.office import Office
from tests.connectors.databases import Postgres, hold_lease
from tests.loopback import LOOPBACK

APRIL = datetime(2026, 4, 5, 4, tzinfo=UTC)
"""When the first quarter of 2026 is reported."""
SOURCE = uuid4()
SCHEMA = dataset_name(SOURCE)


def config_of(office: Office, **changes: Any) -> dict[str, Any]:
    """Return the config of a quarterly report of visits; `changes` are of its parts."""
    config: dict[str, Any] = {
        "endpoint": {"url": office.url, "receipt_path": "receipt.number"},
        "dataset": {
            "connector_id": str(SOURCE),
            "table": "visit",
            "columns": [{"column": "id", "name": "case"}, {"column": "hours"}],
            "period": {"unit": "quarter", "column": "day"},
        },
    }
    for part, change in changes.items():
        is_part = isinstance(change, Mapping) and isinstance(config.get(part), Mapping)
        config[part] = {**config[part], **change} if is_part else change
    return config


def fill(dataset: Postgres) -> None:
    """Make the table of visits, with two in the first quarter of 2026."""
    dataset.execute(
        f"CREATE SCHEMA {SCHEMA}",
        f"CREATE TABLE {SCHEMA}.visit (id int, hours numeric, day date)",
        f"INSERT INTO {SCHEMA}.visit VALUES (2, 1.50, '2026-03-31'), (1, NULL, '2026-01-01'),"
        " (3, 9, '2025-12-31'), (4, 9, '2026-04-01')",
    )


class Reporter:
    """A connector that reports; each `sync` is a run unless told that it is an attempt of one."""

    def __init__(self, dataset: Postgres, config: Mapping[str, Any]) -> None:
        self.type = connector_type("bufdir")
        self.connector_id: UUID = uuid4()
        self.dataset = dataset
        self.use(config)
        self.request = SyncRequest(
            run_id=uuid4(),
            connector_id=self.connector_id,
            config=self.config,
            watermarks={},
            dataset_url=dataset.dsn,
            dataset_name=dataset_name(self.connector_id),
            period_at=APRIL,
            timezone="Europe/Oslo",
            guard=LOOPBACK,
            datasets={SOURCE: ReadableDataset(dataset.dsn, SCHEMA)},
        )

    def use(self, config: Mapping[str, Any]) -> None:
        self.config = self.type.config_model.model_validate(config)

    def sync(self, confirm_lease: ConfirmLease = hold_lease, **changes: Any) -> SyncResult:
        wanted = {"config": self.config, "run_id": uuid4(), "lines": Lines(), **changes}
        return self.type.sync(replace(self.request, **wanted), confirm_lease)

    def told(self, **changes: Any) -> dict[str, dict[str, Any]]:
        """Return what a run says of its reports, as JSON has it."""
        return json.loads(json.dumps(self.sync(**changes).metadata["reports"]))

    def receipts(self) -> list[Receipt]:
        """Return all receipts, oldest first."""
        return self._on_receipts(lambda receipts: list(receipts.page(before=None, limit=99)))[::-1]

    def states(self) -> list[tuple[str, int, str]]:
        return [(one.period, one.correction, one.state.value) for one in self.receipts()]

    def correct(self, period: str = "2026-Q1") -> Receipt:
        return self._on_receipts(
            lambda receipts: receipts.correct(receipts.newest(period), Act("alice", "late visits"))
        )

    def settle(
        self, settlement: Settlement, period: str = "2026-Q1", request: UUID | None = None
    ) -> Receipt:
        return self._on_receipts(
            lambda receipts: receipts.settle(
                receipts.newest(period), settlement, Act("alice", None, request)
            )
        )

    def acted_on(self, request: UUID, period: str = "2026-Q1") -> Receipt | None:
        return self._on_receipts(lambda receipts: receipts.acted_on(period, request))

    def _on_receipts(self, act: Any) -> Any:
        connection = psycopg2.connect(self.dataset.dsn)
        connection.autocommit = True
        try:
            return act(Receipts(connection, dataset_name(self.connector_id), self.connector_id))
        finally:
            connection.close()
