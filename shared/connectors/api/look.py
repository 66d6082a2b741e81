"""What the streams of an API show, and whether they can be read: without dlt."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from shared.connectors.access_failures import access_failure
from shared.connectors.api.asks import first_ask, parent_of
from shared.connectors.api.config import ApiConfig
from shared.connectors.api.record_paths import records_of
from shared.connectors.api.session import open_session
from shared.connectors.api.stream_config import StreamConfig
from shared.connectors.base import Offer, SourceAccess, SourceStream, StreamFailure
from shared.connectors.json_http.answers import Record, is_object
from shared.connectors.json_http.cursor import Cursor, Window
from shared.connectors.json_http.fields import columns_of, cursors_of, key_of
from shared.connectors.json_http.intake import check_key, cursor_misfit
from shared.connectors.json_http.looks import is_of_the_connector
from shared.connectors.json_http.session import JsonSession
from shared.connectors.looking import failures_of, readable_of
from shared.errors import PermanentError

Found = TypeVar("Found")


def check(access: SourceAccess) -> Sequence[StreamFailure]:
    """Ask for the smallest first page of each stream; return the streams that cannot be read.

    Of a stream with a parent, the records of one of its parents. Raises `TransientError` or
    `PermanentError` if none could be read, since the API cannot be reached or lets us not in.
    """
    config = cast("ApiConfig", access.config)

    def looks(look: _Look) -> Sequence[StreamFailure]:
        misfits = ((one.name, partial(_misfit, look, one)) for one in config.streams)
        return failures_of(access, misfits, is_of_the_connector)

    return _looked(access, config, looks, smallest=True)


def offered_streams(access: SourceAccess) -> Offer:
    """Return the configured streams that can be read, with the fields of their first pages.

    `primary_key` is the configured one if it tells the records apart, and else a field that does.
    Raises `TransientError` or `PermanentError` if none can be read.
    """
    config = cast("ApiConfig", access.config)

    def looks(look: _Look) -> Offer:
        streams = (partial(_offered, look, one) for one in config.streams)
        return readable_of(access, streams, is_of_the_connector)

    return _looked(access, config, looks, smallest=False)


def _looked(
    access: SourceAccess, config: ApiConfig, looks: Callable[["_Look"], Found], *, smallest: bool
) -> Found:
    try:
        with access.lines.watched(), open_session(access) as session:
            return looks(_Look(session, config, smallest=smallest))
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
        raise access_failure(error) from None


class _Look:
    """First pages, each stream's own, and that of a parent once."""

    def __init__(self, session: JsonSession, config: ApiConfig, *, smallest: bool) -> None:
        self._session = session
        self._config = config
        self._smallest = smallest
        self._known: dict[str, list[Record]] = {}

    def records_of(self, stream: StreamConfig) -> list[Record]:
        """Return the records of a first page; none if the parent's has none either."""
        if stream.name not in self._known:
            self._known[stream.name] = self._asked(stream)
        return self._known[stream.name]

    def _asked(self, stream: StreamConfig) -> list[Record]:
        parent: Mapping[str, Any] | None = None
        if stream.parent is not None:
            parents = self.records_of(self._config.stream(stream.parent.stream))
            if not parents:
                return []
            parent = parent_of(stream.parent, parents[0])
        window = Window()
        if stream.cursor is not None:
            window = Window(stream.cursor.initial)
        ask = first_ask(self._config, stream, window, parent, smallest=self._smallest)
        response = self._session.request(ask.method, ask.url, params=ask.params, json=ask.body)
        records = records_of(stream, response.json())
        copied = {} if stream.parent is None else stream.parent.copied
        own = {name: (parent or {}).get(source) for name, source in copied.items()}
        return [{**record, **own} for record in records if is_object(record)]


def _misfit(look: _Look, stream: StreamConfig) -> PermanentError | None:
    """Return what is wrong with the settings of a stream that can be read."""
    records = look.records_of(stream)
    try:
        check_key(stream.name, stream.primary_key, records)
    except PermanentError as error:
        return error
    cursor = None if stream.cursor is None else Cursor(stream.name, stream.cursor)
    return cursor_misfit(cursor, records)


def _offered(look: _Look, stream: StreamConfig) -> SourceStream:
    records = look.records_of(stream)
    columns = columns_of(records)
    key = key_of(stream.primary_key, records)
    settings = stream.model_dump(mode="json", exclude_defaults=True)
    return SourceStream(
        name=stream.name,
        kind="endpoint",
        primary_key=key,
        cursors=cursors_of(columns, records),
        columns=columns,
        settings={**settings, "primary_key": list(key)},
    )
