"""A connector of the type `dynamics` over its life, and the records of its service."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from shared.connectors.base import (
    HasTime,
    Position,
    SourceAccess,
    SyncRequest,
    Watermark,
    always_has_time,
)
from shared.connectors.dynamics.config import DynamicsConfig
from shared.connectors.registry import connector_type
from shared.egress.files import FilesRoot
from tests.connectors.databases import DATASET, Postgres, Shop
from tests.connectors.dynamics.odata_server import CLIENT, SECRET, TENANT, ODataServer
from tests.loopback import LOOPBACK

OSLO = "aaaaaaaa-0000-4000-8000-000000000001"
BERGEN = "bbbbbbbb-0000-4000-8000-000000000002"


def number_id(number: int) -> str:
    """Return a GUID; they sort as their numbers do."""
    return f"00000000-0000-4000-8000-{number:012d}"


def day(number: int, time: str = "00:00:00Z") -> str:
    return f"2024-01-{number:02d}T{time}"


def settings(
    server: ODataServer, service: Mapping[str, Any], *streams: Mapping[str, Any], **others: Any
) -> dict[str, Any]:
    login = {
        "tenant": TENANT,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "authority": server.url,
    }
    return {"service": service, "login": login, "streams": list(streams), **others}


def central(server: ODataServer, *streams: Mapping[str, Any], **service: Any) -> DynamicsConfig:
    """Return the settings of a connector to Business Central."""
    chosen = {"product": "business_central", "base_url": server.url, **service}
    return DynamicsConfig.model_validate(
        settings(server, chosen, *(streams or ({"entity": "customers"},)))
    )


def dataverse(server: ODataServer, *streams: Mapping[str, Any]) -> DynamicsConfig:
    """Return the settings of a connector to Dataverse."""
    chosen = {"product": "dataverse", "url": server.url}
    return DynamicsConfig.model_validate(
        settings(server, chosen, *(streams or ({"entity": "accounts"},)))
    )


def access(config: DynamicsConfig) -> SourceAccess:
    """Return what a look at a source takes."""
    return SourceAccess(config=config, guard=LOOPBACK)


def found(server: ODataServer, *names: str, created: str = "2020-01-01T00:00:00Z") -> None:
    """Found companies: Oslo, and Bergen if both are named."""
    ids = {"Oslo": OSLO, "Bergen": BERGEN}
    for name in names or ("Oslo",):
        server.add("companies", {"id": ids[name], "name": name, "systemCreatedAt": created})


def add_customers(server: ODataServer, *numbers: int, company: str = OSLO, **values: Any) -> None:
    """Add customers, each changed on the day of its number."""
    for number in numbers:
        record = {
            "id": number_id(number),
            "displayName": f"n{number}",
            "balance": Decimal(number),
            "lastModifiedDateTime": day(number),
        }
        server.add("customers", record | values, company=company)


def add_accounts(server: ODataServer, *numbers: int) -> None:
    for number in numbers:
        record = {"accountid": number_id(number), "name": f"n{number}", "modifiedon": day(number)}
        server.add("accounts", record)


class DynamicsShop(Shop):
    """It keeps watermarks and positions as the database does."""

    def __init__(self, config: DynamicsConfig, dataset: Postgres) -> None:
        self.type = connector_type("dynamics")
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

    def loaded(self, columns: str, table: str = "customers") -> list[tuple[Any, ...]]:
        return super().loaded(columns, table)

    def mark(self, stream: str = "customers") -> str:
        return self.watermarks[stream].value["value"]

    def names(self, table: str = "customers", column: str = "display_name") -> list[str]:
        return [row[0] for row in self.loaded(f"{column}, {column}", table)]

    def types(self, table: str) -> dict[str, str]:
        found = self.dataset.rows(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid ="
            f" '{DATASET}.{table}'::regclass AND attnum > 0 AND attname NOT LIKE '\\_dlt%'"
        )
        return dict(found)
