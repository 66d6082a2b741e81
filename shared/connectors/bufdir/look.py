"""Whether a report could be sent, without sending anything; and what it would hold."""

import ssl
from collections.abc import Sequence
from contextlib import closing
from typing import cast

import certifi
import psycopg2

from shared.connectors.access_failures import access_failure
from shared.connectors.base import (
    Offer,
    SourceAccess,
    SourceColumn,
    SourceStream,
    StreamFailure,
)
from shared.connectors.bufdir.config import STREAM, BufdirConfig
from shared.connectors.bufdir.dataset import dataset_trouble, reported_dataset, set_reading
from shared.connectors.bufdir.endpoint import open_endpoint
from shared.connectors.bufdir.rows import ReportTable
from shared.connectors.postgres import connect
from shared.egress.lines import CONNECT
from shared.egress.origins import origin_of


def check(access: SourceAccess) -> Sequence[StreamFailure]:
    """Look for the table and its columns, reach the endpoint, and log in if a token is fetched.

    Raises `TransientError` or `PermanentError` for whatever stands in the way.
    """
    config = cast("BufdirConfig", access.config)
    with access.lines.watched():
        _table_of(access, config)
        with open_endpoint(access, config) as endpoint:
            _reach(access, config.endpoint.url)
            endpoint.log_in()
    return ()


def offered_streams(access: SourceAccess) -> Offer:
    """Return the report, with the columns that it sends."""
    config = cast("BufdirConfig", access.config)
    with access.lines.watched():
        table = _table_of(access, config)
    columns = [(one.sent_as, *table.types[one.column]) for one in config.dataset.columns]
    report = SourceStream(
        name=STREAM,
        kind="report",
        primary_key=(),
        cursors=(),
        columns=tuple(SourceColumn(*column) for column in columns),
        settings={},
    )
    return Offer([report])


def _table_of(access: SourceAccess, config: BufdirConfig) -> ReportTable:
    dataset = reported_dataset(access)
    try:
        with (
            closing(connect(access.lines, dataset.url)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            set_reading(cursor)
            return ReportTable(cursor, dataset.schema, config.dataset)
    except psycopg2.Error as error:
        raise dataset_trouble(error) from None


def _reach(access: SourceAccess, url: str) -> None:
    """Connect to the endpoint, with TLS if it has it, and hang up."""
    scheme, host, port = origin_of(url)
    try:
        with access.guard.connect(host, port, lines=access.lines) as plain:
            line = access.lines.add(plain.fileno(), CONNECT)
            try:
                if scheme == "https":
                    context = ssl.create_default_context(cafile=certifi.where())
                    context.wrap_socket(plain, server_hostname=host).close()
            finally:
                line.close()
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
        raise access_failure(error) from None
