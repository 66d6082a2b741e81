"""Move the streams of one slice into the dataset, one after the other.

Each is read, prepared and merged before the next is opened, so that what one of them meets is its
own trouble, and no more than one is on disk.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, cast

import dlt
from dlt.common.schema.typing import TTableSchemaColumns

from shared.clock import monotonic
from shared.connectors.base import (
    ConfirmLease,
    Position,
    StreamFailure,
    SyncRequest,
    SyncResult,
    Watermark,
)
from shared.connectors.dataset.brought import Brought, Place, write_brought_alone
from shared.connectors.dataset.destination import Dataset, LoadTally, set_session
from shared.connectors.dataset.refresh import Refresh
from shared.connectors.dataset.rejects import Rejected, check_table_name
from shared.connectors.dataset.turn import turn_of
from shared.connectors.failures import dataset_failure, source_failure
from shared.connectors.postgres import LineConnection
from shared.connectors.progress import StreamProgress
from shared.connectors.rejects_screen import Screen, column_name
from shared.connectors.rejects_values import Doubt
from shared.connectors.sandbox import shut_in, working_folder
from shared.connectors.slices import SliceTime, StreamTime, has_room
from shared.connectors.stream_tables import sharing_a_table, table_name
from shared.connectors.stream_troubles import ends_all, worst_of
from shared.crash_points import CrashPoint, reach
from shared.errors import LeaseLostError, PermanentError, SynclineError, TransientError

LOAD_WAIT = timedelta(seconds=10)
"""How long a load waits for another of its connector before it takes the turn from it."""

_SCHEMA = "syncline"
"""What dlt calls what it loads; the dataset has its own name."""

_FAILED = ""
"""Beside the positions of streams, none of which has this name: what failed in the run so far."""

Record = dict[str, Any]


class Whole(StrEnum):
    """Where a slice begins to read a stream of which its run brings everything.

    Rows of the dataset that the source has no more are deleted when the stream comes to its end.
    """

    BEGINS = "begins"
    """Where the stream does."""
    GOES_ON = "goes_on"
    """Behind what earlier slices of the run have brought."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream to move: its records page by page, what identifies them, and how far they go.

    `columns` are dlt's hints; a column without one gets the type of what it holds. A stream whose
    columns all have one says by `doubts` which of them may hold what a dataset cannot take. `whole`
    is said of a stream of which a run brings everything.
    """

    pages: Iterator[list[Record]]
    primary_key: tuple[str, ...]
    progress: StreamProgress
    columns: TTableSchemaColumns = field(default_factory=dict[str, Any])
    doubts: Mapping[str, Doubt] | None = None
    whole: Whole | None = None


OpenStream = Callable[[StreamTime], Stream]
"""Looks at a stream's source, and makes what reads it within the time and room of a slice."""


def run_streams(
    request: SyncRequest,
    streams: Mapping[str, OpenStream],
    confirm_lease: ConfirmLease,
    *,
    others_are_done: bool = False,
    load_wait: timedelta = LOAD_WAIT,
) -> SyncResult:
    """Move the streams, by name, into `request.dataset_name`; return what came of it.

    `streams` are those that no earlier slice of the run has finished; `others_are_done` tells that
    there are some that one has. A stream that fails does not stop the others, unless none of them
    could be read. `confirm_lease` is called in this thread: once the turn to load has come, and
    within the transaction of each merge. Raises `LeaseLostError`, and `TransientError` or
    `PermanentError` if no stream of the run could be synced; the dataset then holds whole merges or
    nothing new.
    """
    shut_in()
    work = _Slice(request, confirm_lease, load_wait)
    known = [name for name in request.positions if name != _FAILED]
    sharing = sharing_a_table(dict.fromkeys([*streams, *known]))
    # Those that failed in an earlier slice come last: none that can be read waits for them.
    order = sorted(streams, key=lambda name: name in work.failed_before)
    with request.lines.watched():
        for name in order:
            if name in sharing:
                work.fail(name, sharing[name])
            elif work.time.goes_on():
                work.move(name, streams[name])
            else:
                work.left.append(name)
            if work.is_hopeless:
                break
    return work.result(order, others_are_done=others_are_done)


class _Slice:
    """What comes of the streams of a slice, one after the other."""

    def __init__(
        self, request: SyncRequest, confirm_lease: ConfirmLease, load_wait: timedelta
    ) -> None:
        self.time = SliceTime(request.has_time)
        self.left: list[str] = []
        self.failed_before: Mapping[str, str] = cast(
            "Mapping[str, str]", request.positions.get(_FAILED, {})
        )
        self.is_hopeless = False
        self._request = request
        self._confirm_lease = confirm_lease
        self._load_wait = load_wait
        self._moved: list[StreamProgress] = []
        self._failures: list[StreamFailure] = []
        self._rejected: dict[str, Mapping[str, int]] = {}
        self._tally = LoadTally()
        self._reading_seconds = 0.0
        self._loading_seconds = 0.0

    def move(self, name: str, open_stream: OpenStream) -> None:
        """Move one stream; whatever keeps it from that is taken note of, unless it is the lease."""
        is_open = False
        try:
            check_table_name(name, table_name(name))
            with working_folder() as folder:
                stream = _opened(open_stream, StreamTime(self.time, partial(has_room, folder)))
                is_open = True
                error = self._move(stream, folder)
            self._moved.append(stream.progress)
        except (TransientError, PermanentError) as failed:
            error = failed
        if error is not None:
            self.fail(name, error)
            self.is_hopeless = ends_all(error, is_open=is_open)

    def fail(self, name: str, error: TransientError | PermanentError) -> None:
        """Take note of a stream that failed: it had its turn, and its time counts."""
        self._failures.append(StreamFailure(name, error))
        self.time.got_on()

    def _move(self, stream: Stream, folder: Path) -> TransientError | PermanentError | None:
        """Move what can be read of the stream; return why it is not all, if it is not."""
        started = monotonic()
        reading = _Reading(stream)
        screen = Screen(stream.progress.stream, stream.primary_key, stream.doubts, stream.columns)
        pages = screen.passed(reading)
        first = next(pages, None)
        if first is None:  # dlt would take its time to prepare nothing
            self._reading_seconds += monotonic() - started
            self._write_alone(stream, screen)
            return reading.error
        request = self._request
        continued = [stream.progress.stream] if _continues(request, stream) else ()
        dataset = Dataset(
            request.dataset_url, self._confirm_lease, continued, reader=request.reader
        )
        pipeline = dlt.pipeline(
            pipeline_name="syncline",
            pipelines_dir=str(folder),
            destination=dataset,
            dataset_name=request.dataset_name,
        )
        try:
            _prepare(pipeline, stream, chain([first], pages))
            read = monotonic()
            self._reading_seconds += read - started
            reach(CrashPoint.READ)
            dataset.brought = self._brought(stream, screen)
            _load(pipeline, dataset, request, self._load_wait)
            reach(CrashPoint.LOADED)
            self._loading_seconds += monotonic() - read
        finally:
            pipeline.deactivate()
        self._tally.add(dataset.tally)
        self._rejected[stream.progress.stream] = screen.counts
        return reading.error

    def _write_alone(self, stream: Stream, screen: Screen) -> None:
        """Write what a stream brought that has no row to load, if there is anything."""
        brought = self._brought(stream, screen)
        if not brought.needs_transaction:
            return
        started = monotonic()
        request, name = self._request, stream.progress.stream
        place = Place(
            request.dataset_name,
            f"{request.dataset_name}_staging",
            table_name(name),
            [column_name(part) for part in stream.primary_key],
        )
        with _turn(request, self._load_wait, self._confirm_lease) as connection:
            set_session(connection, "pg_catalog")
            deleted = write_brought_alone(connection, place, brought, self._confirm_lease)
        self._tally.add(LoadTally(deleted=deleted))
        self._rejected[name] = screen.counts
        self._loading_seconds += monotonic() - started

    def _brought(self, stream: Stream, screen: Screen) -> Brought:
        run_id = self._request.run_id
        rejected = Rejected(stream.progress.stream, run_id, tuple(screen.rejects.values()))
        if stream.whole is None:
            return Brought(rejected, screen.carried)
        refresh = Refresh(
            run_id,
            begins=stream.whole is Whole.BEGINS,
            ends=not stream.progress.has_more,
            keys=screen.keys,
            is_spoilt=screen.has_rejected_unknown,
        )
        return Brought(rejected, screen.carried, refresh)

    def result(self, order: Sequence[str], *, others_are_done: bool) -> SyncResult:
        """Return what the slice came to, or raise the error that kept every stream from it."""
        self._give_up_what_failed_before()
        failures = [*self._failures, *self._failures_of_the_rest(order)]
        trouble = worst_of(failures)
        if failures and not self._moved and not self.left and not others_are_done:
            raise trouble or failures[0].error
        is_unfinished = bool(self.left) or any(progress.has_more for progress in self._moved)
        return SyncResult(
            records_processed=sum(progress.records for progress in self._moved),
            records_created=self._tally.created,
            records_updated=self._tally.updated,
            records_failed=sum(sum(counts.values()) for counts in self._rejected.values()),
            watermarks=tuple(self._watermarks()),
            metadata=self._metadata(),
            positions=self._positions() if is_unfinished or trouble is not None else None,
            # What is left to read is read first, if the source lets us.
            trouble=trouble if self.is_hopeless or not is_unfinished else None,
            failures=tuple(failures),
            finished=self._finished(),
        )

    def _give_up_what_failed_before(self) -> None:
        """Leave nothing but what may still be read: else a run with failures would never end."""
        if any(name not in self.failed_before for name in self.left):
            return
        if any(progress.has_more for progress in self._moved):
            return
        for name in self.left:
            self._failures.append(StreamFailure(name, PermanentError(self.failed_before[name])))
        self.left = []

    def _failures_of_the_rest(self, order: Sequence[str]) -> list[StreamFailure]:
        """Return a failure for each stream that was not tried, since none could have been read."""
        if not self.is_hopeless:
            return []
        last = self._failures[-1]
        return [StreamFailure(name, last.error) for name in order[order.index(last.stream) + 1 :]]

    def _finished(self) -> Mapping[str, str]:
        return {
            progress.stream: table_name(progress.stream)
            for progress in self._moved
            if not progress.has_more
        }

    def _watermarks(self) -> Iterator[Watermark]:
        for progress in self._moved:
            watermark = progress.watermark()
            if watermark is not None:
                yield watermark

    def _positions(self) -> Mapping[str, Position]:
        """Return where the run goes on, with what earlier slices finished."""
        new = {progress.stream: progress.position for progress in self._moved}
        known = {name: position for name, position in new.items() if position is not None}
        failed = {one.stream: str(one.error) for one in self._failures}
        failed = {**self.failed_before, **failed}
        marked = {_FAILED: failed} if failed else {}
        return {**self._request.positions, **known, **marked}

    def _metadata(self) -> Mapping[str, object]:
        return {
            "extract_ms": int(self._reading_seconds * 1_000),
            "load_ms": int(self._loading_seconds * 1_000),
            "streams": {progress.stream: progress.records for progress in self._moved},
            "rejected": {name: counts for name, counts in self._rejected.items() if counts},
            "records_deleted": self._tally.deleted,
            "records_without_cursor": sum(progress.without_cursor for progress in self._moved),
            **self._tally.metadata,
        }


def _opened(open_stream: OpenStream, time: StreamTime) -> Stream:
    try:
        return open_stream(time)
    except SynclineError:
        raise
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise source_failure(error) from None


class _Reading:
    """The pages of a stream up to the first that cannot be read; then `error` says why.

    What came before is loaded all the same if the source can go on behind it: a source that breaks
    off again and again gets on, and of a record that cannot be read its elders do not suffer.
    """

    def __init__(self, stream: Stream) -> None:
        self.error: TransientError | PermanentError | None = None
        self._stream = stream

    def __iter__(self) -> Iterator[list[Record]]:
        try:
            yield from self._stream.pages
        except LeaseLostError:
            raise
        except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
            failure = source_failure(error)
            if not isinstance(failure, TransientError | PermanentError):
                raise failure from None
            if not self._stream.progress.break_off():
                raise failure from None
            self.error = failure


def _continues(request: SyncRequest, stream: Stream) -> bool:
    """Tell whether the stream brings only what comes after a watermark or a position."""
    name = stream.progress.stream
    watermark = request.watermarks.get(name)
    has_start = watermark is not None and watermark.cursor == stream.progress.cursor
    return has_start or name in request.positions


def _prepare(pipeline: dlt.Pipeline, stream: Stream, pages: Iterator[list[Record]]) -> None:
    """Read the stream to files, and make of them what the load takes."""
    resource = dlt.resource(
        pages,
        name=stream.progress.stream,
        write_disposition="merge",
        primary_key=list(stream.primary_key),
        columns=stream.columns,
    )
    resource.max_table_nesting = 0  # a stream is one table
    try:
        pipeline.extract(resource, schema=dlt.Schema(_SCHEMA), workers=1)
        pipeline.normalize()
    except SynclineError:
        raise
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise source_failure(error) from None


def _load(
    pipeline: dlt.Pipeline, dataset: Dataset, request: SyncRequest, load_wait: timedelta
) -> None:
    with _turn(request, load_wait, dataset.confirm_lease) as dataset.connection:
        pipeline.load()


@contextmanager
def _turn(
    request: SyncRequest, load_wait: timedelta, confirm_lease: ConfirmLease
) -> Generator[LineConnection]:
    """Hold the connector's turn to load; what goes wrong then is the dataset's."""
    turn = turn_of(
        request.connector_id, request.dataset_url, load_wait, confirm_lease, request.lines
    )
    try:
        with turn as connection:
            confirm_lease()
            reach(CrashPoint.TURN_TAKEN)
            yield connection
    except SynclineError:
        raise
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise dataset_failure(error) from None
