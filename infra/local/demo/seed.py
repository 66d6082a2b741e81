"""Sets up the demo workspace: once, through the API wherever the API can do it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import Engine, make_url, select, update

from infra.local.demo.api import Api
from infra.local.demo.state import FLIGHTS, Demo, Seeded, is_known, load, save
from shared.domain.access import Role
from shared.errors import ConflictError
from shared.flow.manage import create_api_key, create_workspace
from shared.store.tables import workspace, workspace_connector

SLUG = "fjord-air"
NAME = "Fjord Air"
TIMEZONE = "Europe/Oslo"

_FLIGHT = {"table": "flight", "cursor": "updated_at", "primary_key": ["flight_id"]}
_DELAY_COLUMNS = ["flight_id", "updated_at", "departure_delay_minutes", "arrival_delay_minutes"]


@dataclass(frozen=True, slots=True)
class _Wanted:
    stream: Mapping[str, object]
    schedule: Mapping[str, object]


_CONNECTORS: Mapping[str, _Wanted] = MappingProxyType(
    {
        FLIGHTS: _Wanted(
            _FLIGHT,
            {
                "name": "Flights, every minute",
                "frequency": "custom",
                "cron_expression": "* * * * *",
            },
        ),
        "Airports": _Wanted(
            {"table": "airport", "cursor": "updated_at", "primary_key": ["iata"]},
            {"name": "Airports, every hour", "frequency": "hourly"},
        ),
        "Delays": _Wanted(
            {**_FLIGHT, "columns": _DELAY_COLUMNS},
            {"name": "Delays, on demand", "frequency": "manual"},
        ),
    }
)


def seed(engine: Engine, api_port: int, source_url: str, file: Path) -> Demo:
    """Make what is missing of the demo workspace, write it down in `file`, and return all of it.

    `source_url` is the libpq URL of the source database.
    """
    known = load(file)
    if known is not None and is_known(known, api_port):
        key = known.api_key
    else:
        key = create_api_key(engine, _workspace(engine), name="demo", role=Role.ADMIN)
    api = Api(api_port, key)
    connectors = {item["name"]: item for item in api.get("/connectors?limit=200")["items"]}
    schedules = {
        item["connector_id"]: item for item in api.get("/sync-schedules?limit=200")["items"]
    }
    seeded: dict[str, Seeded] = {}
    for name, wanted in _CONNECTORS.items():
        connector = connectors.get(name) or _connect(api, name, wanted, source_url)
        schedule = schedules.get(connector["id"]) or api.post(
            "/sync-schedules", {"connector_id": connector["id"], **wanted.schedule}
        )
        seeded[name] = Seeded(connector["id"], schedule["id"], connector["dataset"]["schema"])
        _follow_port(engine, connector, source_url)
    demo = Demo(key, source_url, seeded)
    save(file, demo)
    return demo


def _workspace(engine: Engine) -> int:
    try:
        return create_workspace(engine, slug=SLUG, name=NAME, timezone=TIMEZONE)
    except ConflictError:
        with engine.connect() as connection:
            return connection.execute(
                select(workspace.c.id).where(workspace.c.slug == SLUG)
            ).scalar_one()


def _connect(api: Api, name: str, wanted: _Wanted, source_url: str) -> dict[str, Any]:
    config = {"url": source_url, "password": None, "streams": [wanted.stream]}
    return api.post("/connectors", {"type": "database", "name": name, "config": config})


def _follow_port(engine: Engine, connector: Mapping[str, Any], source_url: str) -> None:
    """Write the port of this start into a connector that was made on another one."""
    stored = make_url(connector["config"]["url"])
    port = make_url(source_url).port
    if stored.port == port:
        return
    config = {**connector["config"], "url": stored.set(port=port).render_as_string()}
    with engine.begin() as connection:
        connection.execute(
            update(workspace_connector)
            .where(workspace_connector.c.public_id == connector["id"])
            .values(config=config)
        )
