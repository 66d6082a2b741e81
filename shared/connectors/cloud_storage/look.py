"""What a store has to offer, and whether what is selected of it can be read: without dlt."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import cast

from shared.connectors.access_failures import access_failure
from shared.connectors.base import (
    Offer,
    SourceAccess,
    SourceColumn,
    SourceStream,
    StreamFailure,
)
from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.cloud_storage.formats import ending_of, format_of, open_reader
from shared.connectors.cloud_storage.globs import common_prefix
from shared.connectors.cloud_storage.listing import order_of
from shared.connectors.cloud_storage.opening import open_store
from shared.connectors.cloud_storage.store import Store, StoredFile
from shared.connectors.cloud_storage.stream_config import FILE, MODIFIED_AT, ROW, StreamConfig
from shared.connectors.cloud_storage.unreadable import UnreadableRecords
from shared.connectors.looking import failures_of, offer_within
from shared.domain.fault import Fault
from shared.errors import PermanentError, TransientError

_MOST_PAGES = 10
"""How far a look goes into a listing: as many files as ten calls name."""
_MOST_SUGGESTIONS = 50
_NO_NAME = re.compile(r"[^0-9a-zA-Z]+")


def check(access: SourceAccess) -> Sequence[StreamFailure]:
    """Look for the files of each stream, and open the newest that is found.

    Returns the streams without files or with one that cannot be read. Raises `TransientError` or
    `PermanentError` if the store cannot be used at all.
    """
    config = cast("CloudStorageConfig", access.config)
    try:
        with access.lines.watched(), open_store(config, access) as store:
            looks = ((one.name, partial(_problem_of, store, one)) for one in config.streams)
            return failures_of(access, looks, lambda _: True)
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote a server)
        raise access_failure(error) from None


def _problem_of(store: Store, stream: StreamConfig) -> TransientError | PermanentError | None:
    """Return what is wrong with a stream; what it raises concerns them all."""
    newest, is_all = _newest(store, stream)
    if newest is None:
        return _nothing(stream) if is_all else None
    try:
        _columns(store, newest, stream)
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote a server)
        failure = access_failure(error)
        if not isinstance(failure, TransientError | PermanentError) or _is_of_all(failure):
            raise failure from None
        return failure
    return None


def _is_of_all(failure: TransientError | PermanentError) -> bool:
    return failure.fault is not None and Fault(failure.fault).is_of_the_connector


def _newest(store: Store, stream: StreamConfig) -> tuple[StoredFile | None, bool]:
    """Return the newest file on the first page that has one, and whether that is all there is."""
    pages = store.pages(common_prefix(stream.prefixes))
    for page in islice(pages, _MOST_PAGES):
        found = [file for file in page if stream.matches(file.path)]
        if found:
            return max(found, key=order_of), False
    return None, next(pages, None) is None


def _nothing(stream: StreamConfig) -> PermanentError:
    return PermanentError(
        f"No file matches the patterns of {stream.name}: correct them, or the connector's url.",
        fault=Fault.NOT_FOUND,
    )


def offered_streams(access: SourceAccess) -> Offer:
    """Return the configured streams, and one for each folder and ending that none of them reads.

    Raises `TransientError` or `PermanentError`.
    """
    config = cast("CloudStorageConfig", access.config)
    try:
        with access.lines.watched(), open_store(config, access) as store:
            configured = (_configured(store, stream) for stream in config.streams)
            return offer_within(access, chain(configured, _suggested(store, config)))
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote a server)
        raise access_failure(error) from None


def _configured(store: Store, stream: StreamConfig) -> SourceStream:
    newest, _ = _newest(store, stream)
    try:
        columns = () if newest is None else _columns(store, newest, stream)
    except PermanentError as error:
        if error.fault not in (Fault.NOT_FOUND, Fault.SCHEMA):
            raise
        columns = ()  # it is offered as it stands; `check` says what is wrong with it
    settings = stream.model_dump(mode="json", exclude_defaults=True)
    return _offered(stream, columns, settings)


def _suggested(store: Store, config: CloudStorageConfig) -> Iterator[SourceStream]:
    """Yield a stream for each folder and ending of files that no stream reads."""
    newest: dict[str, StoredFile] = {}
    for page in islice(store.pages(""), _MOST_PAGES):
        for file in page:
            if format_of(file.path) is None or any(
                stream.matches(file.path) for stream in config.streams
            ):
                continue
            pattern = _pattern(file.path)
            newest[pattern] = max(newest.get(pattern, file), file, key=order_of)
    taken = {stream.name.casefold() for stream in config.streams}
    for pattern, file in sorted(newest.items())[:_MOST_SUGGESTIONS]:
        name = _free_name(pattern, taken)
        stream = StreamConfig(name=name, files=[pattern])
        try:
            columns = _columns(store, file, stream)
        except PermanentError:
            continue
        yield _offered(stream, columns, {"name": name, "files": [pattern]})


def _pattern(path: str) -> str:
    folder = PurePosixPath(path).parent
    name = PurePosixPath(path).name
    ending = name[name.lower().rindex(ending_of(path)) :]
    return f"*{ending}" if str(folder) == "." else f"{folder}/*{ending}"


def _free_name(pattern: str, taken: set[str]) -> str:
    base = _NO_NAME.sub("_", pattern).strip("_").lower()[-60:].strip("_") or "files"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name)
    return name


def _columns(store: Store, file: StoredFile, stream: StreamConfig) -> tuple[SourceColumn, ...]:
    kinds = open_reader(store, file, stream, UnreadableRecords(stream.name)).kinds()
    own = [SourceColumn(name, kind.value, is_nullable=True) for name, kind in kinds.items()]
    ours = {FILE: "text", ROW: "bigint", MODIFIED_AT: "timestamp"}
    return (*own, *(SourceColumn(name, kind, is_nullable=False) for name, kind in ours.items()))


def _offered(
    stream: StreamConfig, columns: tuple[SourceColumn, ...], settings: dict[str, object]
) -> SourceStream:
    return SourceStream(
        name=stream.name,
        kind="files",
        primary_key=tuple(stream.primary_key),
        cursors=(MODIFIED_AT,),
        columns=columns,
        settings=settings,
    )
