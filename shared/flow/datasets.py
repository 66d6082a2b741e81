"""Where a connector's records are, what is there, and who may read them."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Engine

from shared.config import Settings
from shared.connectors.dataset.address import DatasetPlace, place_of
from shared.connectors.dataset.look import DatasetView, look_at_dataset
from shared.connectors.dataset.readers import let_in, let_read, make_reader, revoke_reader
from shared.domain.access import Principal
from shared.domain.audit import Change, ObjectKind
from shared.domain.bigquery_address import BigQueryAddress, is_bigquery, parse_address
from shared.domain.dataset import dataset_name, reader_role
from shared.errors import ConflictError, NotFoundError
from shared.flow.audit import append_change
from shared.late_imports import importing
from shared.store.connectors import find_connector
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.streams import find_owner, list_streams, list_with_datasets

_PASSWORD_BYTES = 24
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class ConnectorDataset:
    """A connector's dataset, and the state of the streams that fill it."""

    place: DatasetPlace | BigQueryAddress
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
    def url(self) -> str | None:
        """Return a URL to connect with, password included; None if there is no address."""
        return self.place.url_for(self.role, self.password)


def dataset_of(
    engine: Engine, settings: Settings, principal: Principal, connector: UUID
) -> ConnectorDataset:
    """Return where a connector's records are; raise `NotFoundError`, or as `look_at_dataset`."""
    with single_statements(engine) as connection:
        row = find_connector(connection, principal.workspace_id, connector)
        if row is None:
            raise NotFoundError("There is no such connector.")
        streams = list_streams(connection, principal.workspace_id, row["id"])
    schema = dataset_name(connector)
    if is_bigquery(settings.dataset_url):
        with importing():
            # Slow, and seldom asked for.
            from shared.connectors.bigquery.look import (  # noqa: PLC0415
                look_at_bigquery,
            )

        address = parse_address(settings.dataset_url)
        return ConnectorDataset(address, schema, look_at_bigquery(address, schema), streams)
    view = look_at_dataset(settings.dataset_url, schema)
    return ConnectorDataset(_place(settings), schema, view, streams)


def new_reader(engine: Engine, settings: Settings, principal: Principal) -> Reader:
    """Make the login that reads the workspace's datasets, or give it a new password.

    The password comes last: cut off before its end, an older one is as good as before, and a repeat
    completes what it reads. It is told only when the audit log has it.
    Raises as `make_reader`, and `ConflictError` where datasets have no logins of their own.
    """
    if is_bigquery(settings.dataset_url):
        raise _given_by_iam(parse_address(settings.dataset_url))
    role, password = _role(engine, principal.workspace_id), secrets.token_urlsafe(_PASSWORD_BYTES)
    make_reader(settings.dataset_url, role)
    # Listed only now: of a connector that comes later the first load grants its schema.
    for page in _pages(engine, principal.workspace_id):
        let_read(settings.dataset_url, role, map(dataset_name, page))
    let_in(settings.dataset_url, role, password)
    _append(engine, principal, "make_dataset_reader", None, role)
    return Reader(_place(settings), role, password)


def end_own_reader(engine: Engine, dataset_url: str, principal: Principal) -> None:
    """Take the login of the caller's workspace away, if it has one; raises as `make_reader`."""
    if end_reader(engine, dataset_url, principal.workspace_id):
        role = _role(engine, principal.workspace_id)
        _append(engine, principal, "end_dataset_reader", role, None)


def end_reader(engine: Engine, dataset_url: str, workspace_id: int) -> bool:
    """Take the login of a workspace away and return whether it had one.

    Raises as `make_reader`.
    """
    if is_bigquery(dataset_url):  # where nobody ever had one
        return False
    return revoke_reader(dataset_url, _role(engine, workspace_id))


def _append(
    engine: Engine, principal: Principal, action: str, before: str | None, after: str | None
) -> None:
    """Add to the log what was done in another database, which no transaction of ours can hold."""
    told = [None if user is None else {"user": user} for user in (before, after)]
    change = Change(
        action, ObjectKind.DATASET_READER, None, before or after, before=told[0], after=told[1]
    )
    with engine.begin() as connection:
        append_change(connection, principal, change)


def _given_by_iam(address: BigQueryAddress) -> ConflictError:
    return ConflictError(
        "The datasets of this deployment are in BigQuery, which has no logins of its own: whoever"
        f" runs it gives a reader roles/bigquery.dataViewer on the dataset of a connector in the"
        f" project {address.project} (GET /api/v2/connectors/{{id}}/dataset tells its name), and"
        " roles/bigquery.jobUser in the project that pays for the queries.",
        code="readers_by_iam",
    )


def _place(settings: Settings) -> DatasetPlace:
    return place_of(settings.dataset_url, settings.dataset_public_url)


def _role(engine: Engine, workspace_id: int) -> str:
    with single_statements(engine) as connection:
        return reader_role(find_owner(connection, workspace_id))


def _pages(engine: Engine, workspace_id: int) -> Iterator[Sequence[UUID]]:
    last: int | None = 0
    while last is not None:
        with single_statements(engine) as connection:
            rows = list_with_datasets(connection, workspace_id, after_id=last, limit=_PAGE)
        if rows:
            yield [row["public_id"] for row in rows]
        last = rows[-1]["id"] if len(rows) == _PAGE else None
