"""What an Xledger connector can read, and whether its streams can be read: without dlt."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from shared.connectors.access_failures import access_failure
from shared.connectors.base import SourceAccess, SourceStream, StreamFailure
from shared.connectors.json_http.answers import is_object
from shared.connectors.json_http.cursor import Cursor, Window
from shared.connectors.json_http.intake import check_key, cursor_misfit
from shared.connectors.json_http.looks import failed_look, is_of_the_connector
from shared.connectors.xledger.config import XledgerConfig
from shared.connectors.xledger.connection import page_of
from shared.connectors.xledger.offers import offer_of, seen_stream
from shared.connectors.xledger.query import page_query
from shared.connectors.xledger.records import Shape
from shared.connectors.xledger.schema import connections_of
from shared.connectors.xledger.session import XledgerSession
from shared.connectors.xledger.stream_config import StreamConfig
from shared.domain.fault import Fault
from shared.errors import PermanentError, SynclineError

_NODES_TO_SEE = 100
_NO_INTROSPECTION = frozenset({Fault.SCHEMA, Fault.PERMISSION})
"""How a source refuses to tell its schema."""

Found = TypeVar("Found")


def check(access: SourceAccess) -> Sequence[StreamFailure]:
    """Ask for one node of each stream; return the streams that cannot be read.

    Raises `TransientError` or `PermanentError` if none could be read, since Xledger cannot be
    reached or refuses the token.
    """

    def look(session: XledgerSession) -> list[StreamFailure]:
        config = cast("XledgerConfig", access.config)
        failures: list[StreamFailure] = []
        for stream in config.streams:
            nodes = _nodes(session, config, stream, 1)
            if isinstance(nodes, SynclineError):
                failures.append(failed_look(stream.name, nodes))
                continue
            problem = _misfit(stream, nodes)
            failures += [] if problem is None else [StreamFailure(stream.name, problem)]
        return failures

    return _looked(access, look)


def offered_streams(access: SourceAccess) -> Sequence[SourceStream]:
    """Return the connections of the root query whose nodes have a key, with the nodes' fields.

    Where the schema is not told, the configured streams that can be read, with what their first
    nodes show. Raises `TransientError` or `PermanentError` if there is neither.
    """

    def look(session: XledgerSession) -> list[SourceStream]:
        try:
            offers = [offer_of(connection) for connection in connections_of(session)]
        except PermanentError as error:
            if error.fault not in _NO_INTROSPECTION:
                raise
            return _seen_streams(session, cast("XledgerConfig", access.config))
        return [offer for offer in offers if offer is not None]

    return _looked(access, look)


def _looked(access: SourceAccess, look: Callable[[XledgerSession], Found]) -> Found:
    try:
        with access.lines.watched(), XledgerSession(access) as session:
            return look(session)
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
        raise access_failure(error) from None


def _nodes(
    session: XledgerSession, config: XledgerConfig, stream: StreamConfig, size: int
) -> list[dict[str, Any]] | SynclineError:
    """Return the first nodes of a stream, or why they cannot be read.

    Raises `SynclineError` if no stream can be read for a reason that is the connector's.
    """
    window = Window(None if stream.cursor is None else stream.cursor.initial)
    try:
        query = page_query(config, stream, window)
        data = session.ask(query, query.page(size, None))
        return [one for one in page_of(stream.name, stream.place, data).nodes if is_object(one)]
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
        failure = access_failure(error)
        if is_of_the_connector(failure):
            raise failure from None
        return failure


def _misfit(stream: StreamConfig, nodes: Sequence[dict[str, Any]]) -> PermanentError | None:
    """Return what is wrong with the settings of a stream that can be read."""
    shape = Shape(stream)
    try:
        check_key(stream.name, shape.primary_key, shape.records(nodes))
    except PermanentError as error:
        return error
    cursor = None if stream.cursor is None else Cursor(stream.name, stream.cursor)
    return cursor_misfit(cursor, nodes)


def _seen_streams(session: XledgerSession, config: XledgerConfig) -> list[SourceStream]:
    seen: list[SourceStream] = []
    failures: list[StreamFailure] = []
    for stream in config.streams:
        nodes = _nodes(session, config, stream, min(stream.page_size, _NODES_TO_SEE))
        if isinstance(nodes, SynclineError):
            failures.append(failed_look(stream.name, nodes))
        else:
            seen.append(seen_stream(stream, Shape(stream).records(nodes)))
    if not seen:
        raise failures[0].error
    return seen
