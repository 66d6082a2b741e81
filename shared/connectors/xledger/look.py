"""What an Xledger connector can read, and whether its streams can be read: without dlt."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from shared.connectors.access_failures import access_failure
from shared.connectors.base import Offer, SourceAccess, SourceStream, StreamFailure
from shared.connectors.json_http.answers import is_object
from shared.connectors.json_http.cursor import Cursor, Window
from shared.connectors.json_http.intake import check_key, cursor_misfit
from shared.connectors.json_http.looks import is_of_the_connector
from shared.connectors.looking import failures_of, offer_within, readable_of
from shared.connectors.xledger.config import XledgerConfig
from shared.connectors.xledger.connection import page_of
from shared.connectors.xledger.offers import offer_of, seen_stream
from shared.connectors.xledger.query import page_query
from shared.connectors.xledger.records import Shape
from shared.connectors.xledger.schema import connections_of
from shared.connectors.xledger.session import XledgerSession
from shared.connectors.xledger.stream_config import StreamConfig
from shared.domain.fault import Fault
from shared.errors import PermanentError

_NODES_TO_SEE = 100
_NO_INTROSPECTION = frozenset({Fault.SCHEMA, Fault.PERMISSION})
"""How a source refuses to tell its schema."""

Found = TypeVar("Found")


def check(access: SourceAccess) -> Sequence[StreamFailure]:
    """Ask for one node of each stream; return the streams that cannot be read.

    Raises `TransientError` or `PermanentError` if none could be read, since Xledger cannot be
    reached or refuses the token.
    """
    config = cast("XledgerConfig", access.config)

    def look(session: XledgerSession) -> Sequence[StreamFailure]:
        looks = ((one.name, partial(_misfit, session, config, one)) for one in config.streams)
        return failures_of(access, looks, is_of_the_connector)

    return _looked(access, look)


def offered_streams(access: SourceAccess) -> Offer:
    """Return the connections of the root query whose nodes have a key, with the nodes' fields.

    Where the schema is not told, the configured streams that can be read, with what their first
    nodes show. Raises `TransientError` or `PermanentError` if there is neither.
    """
    config = cast("XledgerConfig", access.config)

    def look(session: XledgerSession) -> Offer:
        try:
            offers = (offer_of(connection) for connection in connections_of(session))
            return offer_within(access, (offer for offer in offers if offer is not None))
        except PermanentError as error:
            if error.fault not in _NO_INTROSPECTION:
                raise
        looks = (partial(_seen, session, config, one) for one in config.streams)
        return readable_of(access, looks, is_of_the_connector)

    return _looked(access, look)


def _looked(access: SourceAccess, look: Callable[[XledgerSession], Found]) -> Found:
    try:
        with access.lines.watched(), XledgerSession(access) as session:
            return look(session)
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
        raise access_failure(error) from None


def _nodes(
    session: XledgerSession, config: XledgerConfig, stream: StreamConfig, size: int
) -> list[dict[str, Any]]:
    """Return the first nodes of a stream; raises whatever keeps them from being read."""
    window = Window(None if stream.cursor is None else stream.cursor.initial)
    query = page_query(config, stream, window)
    data = session.ask(query, query.page(size, None))
    return [one for one in page_of(stream.name, stream.place, data).nodes if is_object(one)]


def _misfit(
    session: XledgerSession, config: XledgerConfig, stream: StreamConfig
) -> PermanentError | None:
    """Return what is wrong with the settings of a stream that can be read."""
    nodes = _nodes(session, config, stream, 1)
    shape = Shape(stream)
    try:
        check_key(stream.name, shape.primary_key, shape.records(nodes))
    except PermanentError as error:
        return error
    cursor = None if stream.cursor is None else Cursor(stream.name, stream.cursor)
    return cursor_misfit(cursor, nodes)


def _seen(session: XledgerSession, config: XledgerConfig, stream: StreamConfig) -> SourceStream:
    nodes = _nodes(session, config, stream, min(stream.page_size, _NODES_TO_SEE))
    return seen_stream(stream, Shape(stream).records(nodes))
