"""Things of a workspace, made over the API as people make them."""

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg2

from shared.connectors.bufdir.receipts import Receipts
from shared.domain.dataset import dataset_name
from tests.authorization_server import AuthorizationServer
from tests.connectors.bufdir.office import Office
from tests.connectors.bufdir.reporter import config_of
from tests.isolation.cases import TIMING
from tests.isolation.people import Ids, Person

_number = count(1)
"""Names are unique within a workspace."""


class Household:
    """Somebody who makes things; each is told by its id, and by those of what it belongs to.

    `source_url` is of a database with the table `look.shop`, in which datasets are, too.
    """

    def __init__(self, owner: Person, name: str, source_url: str) -> None:
        self._owner = owner
        self._name = name
        self._url = source_url

    def make(self, kind: str) -> dict[str, str]:
        """Make a thing of a kind, which is one of `KINDS`."""
        return KINDS[kind](self)

    def connector(self, type_: str = "database", config: Any = None) -> dict[str, str]:
        stream = {"table": "shop", "schema": "look", "cursor": "id", "primary_key": ["id"]}
        body = {
            "type": type_,
            "name": f"{self._name} {next(_number)}",
            "config": config or {"url": self._url, "streams": [stream]},
        }
        return {"connector": self._owner.make("connectors", body)["id"]}

    def authorizable(self) -> dict[str, str]:
        return self.connector("api", AuthorizationServer(port=1).config())

    def disabled(self) -> dict[str, str]:
        ids = self.connector()
        self._owner.make(f"connectors/{ids['connector']}/disable", None)
        return ids

    def reporter(self) -> dict[str, str]:
        dataset = {"connector_id": self.connector()["connector"]}
        return self.connector("bufdir", config_of(Office(port=1), dataset=dataset))

    def report(self) -> dict[str, str]:
        ids = self.reporter()
        connector = UUID(ids["connector"])
        schema = dataset_name(connector)
        connection = psycopg2.connect(self._url)
        connection.autocommit = True
        try:
            Receipts(connection, schema, connector).make(None)
            with connection.cursor() as cursor:
                for period in ("2025-Q4", "2026-Q1"):
                    cursor.execute(
                        f"INSERT INTO {schema}.report_receipt (period, correction, idempotency_key,"
                        " state, error) VALUES (%s, 0, %s, 'refused', %s)",
                        (period, period, self._name),
                    )
        finally:
            connection.close()
        return ids

    def schedule(self, **values: Any) -> dict[str, str]:
        ids = self.connector()
        timing = values or TIMING
        body = {"connector_id": ids["connector"], "name": self._name, **timing}
        return {**ids, "schedule": self._owner.make("sync-schedules", body)["id"]}

    def realtime(self) -> dict[str, str]:
        return self.schedule(frequency="realtime")

    def hook(self) -> dict[str, str]:
        ids = self.realtime()
        body = {"connector_id": ids["connector"], "name": self._name}
        return {**ids, "hook": self._owner.make("webhook-endpoints", body)["id"]}

    def run(self) -> dict[str, str]:
        ids = self.schedule()
        run = self._owner.make(f"sync-schedules/{ids['schedule']}/trigger", None)
        return {**ids, "run": run["id"]}

    def ended_run(self) -> dict[str, str]:
        ids = self.run()
        self._owner.make(f"runs/{ids['run']}/cancel", {"note": self._name})
        return ids

    def stream(self) -> dict[str, str]:
        ids = self.connector()
        path = f"connectors/{ids['connector']}/watermarks/shop"
        self._owner.make(path, {"value": "7", "type": "int"}, "PUT")
        return {**ids, "stream": "shop"}

    def window(self) -> dict[str, str]:
        dated = {"first": "2031-01-01", "last": "2031-01-02"}
        body = {"name": f"{self._name} {next(_number)}", "dated": dated}
        return {"window": self._owner.make("workspace/blackout-windows", body)["id"]}

    def key(self) -> dict[str, str]:
        body = {"name": self._name, "role": "viewer"}
        return {"key": self._owner.make("workspace/api-keys", body)["id"]}

    def member(self) -> dict[str, str]:
        email = f"{self._name}-{next(_number)}@example.com"
        body = {"email": email, "role": "viewer", "name": self._name}
        return {"member": self._owner.make("workspace/members", body)["id"]}


KINDS: Mapping[str, Callable[[Household], dict[str, str]]] = {
    "connector": Household.connector,
    "unheard": Household.connector,  # of which nobody else ever tried to do anything
    "authorizable": Household.authorizable,
    "disabled": Household.disabled,
    "reporter": Household.reporter,
    "report": Household.report,
    "schedule": Household.schedule,
    "realtime": Household.realtime,
    "hook": Household.hook,
    "run": Household.run,
    "ended_run": Household.ended_run,
    "stream": Household.stream,
    "window": Household.window,
    "key": Household.key,
    "member": Household.member,
    "slug": lambda _: {"slug": "database"},
    "asset": lambda _: {"asset": "start.js"},
}


def unknown(ids: Ids) -> dict[str, str]:
    """Return ids like these which nothing has."""
    return {name: str(uuid4()) if len(one) == 36 else one for name, one in ids.items()}
