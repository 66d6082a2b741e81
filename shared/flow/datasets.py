"""Where a connector's records are, what is there, and who may read them."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import Engine

from shared.connectors.dataset.look import (
    DatasetPlace,
    DatasetView,
    look_at_dataset,
    place_of,
)
from shared.connectors.dataset.readers import make_reader
from shared.domain.access import Principal
from shared.domain.dataset import dataset_name, reader_role
from shared.errors import NotFoundError
from shared.store.connectors import find_connector
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.streams import list_streams, owner_of_datasets

_PASSWORD_BYTES = 24


@dataclass(frozen=True, slots=True)
class ConnectorDataset:
    """A connector's dataset, and the state of the streams that fill it."""

    place: DatasetPlace
    schema: str
    view: DatasetView
    streams: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Reader:
    """A login that reads the datasets of a workspace; its password is not kept anywhere."""

    place: DatasetPlace
    role: str
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """Return a URL to connect with, password included."""
        host = self.place.host or "localhost"
        address = f"[{host}]" if ":" in host else host
        database = quote(self.place.database or "postgres", safe="")
        return f"postgresql://{self.role}:{self.password}@{address}:{self.place.port}/{database}"


def dataset_of(
    engine: Engine, dataset_url: str, principal: Principal, connector: UUID
) -> ConnectorDataset:
    """Return where a connector's records are; raise `NotFoundError`, or as `look_at_dataset`."""
    with single_statements(engine) as connection:
        row = find_connector(connection, principal.workspace_id, connector)
        if row is None:
            raise NotFoundError("There is no such connector.")
        streams = list_streams(connection, principal.workspace_id, row["id"])
    schema = dataset_name(connector)
    view = look_at_dataset(dataset_url, schema)
    return ConnectorDataset(place_of(dataset_url), schema, view, streams)


def new_reader(engine: Engine, dataset_url: str, principal: Principal) -> Reader:
    """Make the login that reads the workspace's datasets, or give it a new password.

    Raises as `make_reader`.
    """
    with single_statements(engine) as connection:
        owner, connectors = owner_of_datasets(connection, principal.workspace_id)
    role, password = reader_role(owner), secrets.token_urlsafe(_PASSWORD_BYTES)
    make_reader(dataset_url, role, password, map(dataset_name, connectors))
    return Reader(place_of(dataset_url), role, password)
