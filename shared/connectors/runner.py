"""Move the streams of one slice into the dataset, one after the other.

Each is read, prepared and merged before the next is opened, so that what one of them meets is its
own trouble, and no more than one is on disk.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import chain
from pathlib import Path

from shared.clock import monotonic
from shared.connectors.base import (
    ConfirmLease,
    Position,
    StreamFailure,
    SyncRequest,
    SyncResult,
    Watermark,
)
from shared.connectors.dataset.brought import Brought
from shared.connectors.dataset.opening import open_dataset
from shared.connectors.dataset.refresh import Refresh
from shared.connectors.dataset.rejects import Rejected, check_table_name
from shared.connectors.dataset.seam import SliceDataset, StreamLoad
from shared.connectors.dataset.tally import LoadTally
from shared.connectors.failures import source_failure
from shared.connectors.floats import with_all_floats
from shared.connectors.preparing import prepare
from shared.connectors.progress import StreamProgress
from shared.connectors.rejects_screen import Screen, column_name
from shared.connectors.sandbox import shut_in, working_folder
from shared.connectors.slice_end import Course, SliceFacts, end_of
from shared.connectors.slices import SliceTime, StreamTime, has_room
from shared.connectors.stream_tables import sharing_a_table, table_name
from shared.connectors.stream_troubles import FAILED, ends_all, failures_kept, past_failures
from shared.connectors.streams import OpenStream, Record, Stream, Whole
from shared.crash_points import CrashPoint, reach
from shared.domain.run import Reason
from shared.errors import LeaseLostError, PermanentError, SynclineError, TransientError

_LANDED = "landed"
"""What the runner adds to the position of a stream that has a table by now."""

LOAD_WAIT = timedelta(seconds=10)
"""How long a load waits for another of its connector before it takes the turn from it."""


def _nothing() -> None:
    pass


def run_streams(
    request: SyncRequest,
    streams: Mapping[str, OpenStream],
    confirm_lease: ConfirmLease,
    *,
    others_are_done: bool = False,
    load_wait: timedelta = LOAD_WAIT,
    hang_up: Callable[[], None] = _nothing,
) -> SyncResult:
    """Move the streams, by name, into `request.dataset_name`; return what came of it.

    `streams` are those that no earlier slice of the run has finished; `others_are_done` tells that
    there are some that one has. A stream that fails does not stop the others, unless none of them
    could be read. `confirm_lease` is called in this thread: once the turn to load has come, and
    within the transaction of each merge. `hang_up` is called when no more is read, whatever came of
    it, to end connections that the streams share. Raises `LeaseLostError`, and `TransientError` or
    `PermanentError` if no stream of the run could be synced; the dataset then holds whole merges or
    nothing new.
    """
    shut_in()
    dataset = open_dataset(request, confirm_lease, load_wait)
    work = _Slice(request, dataset)
    known = [name for name in request.positions if name != FAILED]
    sharing = sharing_a_table(dict.fromkeys([*streams, *known]))
    # Those that failed in an earlier slice come last: none that can be read waits for them.
    order = sorted(streams, key=lambda name: name in work.past)
    with request.lines.watched():
        try:
            work.move_all({name: streams[name] for name in order}, sharing)
        finally:
            dataset.close()
            hang_up()
    return work.result(others_are_done=others_are_done)


class _Slice:
    """What comes of the streams of a slice, one after the other."""

    def __init__(self, request: SyncRequest, dataset: SliceDataset) -> None:
        self.past = past_failures(request.positions)
        self._request = request
        self._dataset = dataset
        self._time = SliceTime(request.has_time)
        self._moved: list[StreamProgress] = []
        self._failures: list[StreamFailure] = []
        self._left: list[str] = []
        self._untried: Sequence[str] = ()
        self._is_hopeless = False
        self._rejected: dict[str, Mapping[str, int]] = {}
        self._landed: set[str] = set()
        self._tally = LoadTally()
        self._reading_seconds = 0.0
        self._loading_seconds = 0.0

    def move_all(
        self, streams: Mapping[str, OpenStream], sharing: Mapping[str, PermanentError]
    ) -> None:
        """Move the streams in this order, but those that would share a table with another."""
        names = list(streams)
        for number, name in enumerate(names, start=1):
            if name in sharing:
                self._fail(name, sharing[name])
            elif self._time.goes_on():
                self._move(name, streams[name])
            else:
                self._left.append(name)
            if self._is_hopeless:
                self._untried = names[number:]
                break

    def _move(self, name: str, open_stream: OpenStream) -> None:
        """Move one stream; whatever keeps it from that is taken note of, unless it is the lease."""
        is_open = False
        try:
            check_table_name(name, table_name(name))
            with working_folder() as folder:
                stream = _opened(open_stream, StreamTime(self._time, partial(has_room, folder)))
                is_open = True
                error = self._read_and_load(stream, folder)
            self._moved.append(stream.progress)
        except (TransientError, PermanentError) as failed:
            error = failed
        if error is not None:
            self._fail(name, error)
            self._is_hopeless = ends_all(error, is_open=is_open)

    def _fail(self, name: str, error: TransientError | PermanentError) -> None:
        """Take note of a stream that failed: it had its turn, and its time counts."""
        self._failures.append(StreamFailure(name, error))
        self._time.got_on()

    def _read_and_load(
        self, stream: Stream, folder: Path
    ) -> TransientError | PermanentError | None:
        """Move what can be read of the stream; return why it is not all, if it is not."""
        reading = _Reading(stream)
        with closing(reading.pages()) as pages:
            held = self._load(stream, pages, folder)
        return reading.error or held

    def _load(
        self, stream: Stream, pages: Iterator[list[Record]], folder: Path
    ) -> PermanentError | None:
        """Load what the pages bring; return why rows were kept that the source has no more."""
        started = monotonic()
        name, dataset = stream.progress.stream, self._dataset
        screen = Screen(name, stream.primary_key, stream.doubts, stream.columns)
        passed = screen.passed(pages)
        first = next(passed, None)
        prepared = None
        if first is not None:  # dlt would take its time to prepare nothing
            content: Iterator[list[Record]] = chain([first], passed)
            if stream.doubts is None:
                content = with_all_floats(content, stream.columns, dataset.hints)
            kept = replace(stream, columns=dataset.hints(stream.columns))
            prepared = prepare(kept, content, folder, dataset.destination, table_name(name))
        read = monotonic()
        self._reading_seconds += read - started
        reach(CrashPoint.READ)
        load = self._stream_load(stream, screen)
        if load.is_continued:
            self._landed.add(name)
        if prepared is None and not load.brought.needs_transaction:
            return None
        dataset.take_turn()
        tally = dataset.write_alone(load) if prepared is None else dataset.load(prepared, load)
        reach(CrashPoint.LOADED)
        self._loading_seconds += monotonic() - read
        self._tally.add(tally)
        if tally.has_table:
            self._landed.add(name)
        self._rejected[name] = screen.counts
        return _deletion_held(name, tally.held) if tally.held else None

    def _stream_load(self, stream: Stream, screen: Screen) -> StreamLoad:
        name = stream.progress.stream
        rejected = Rejected(name, self._request.run_id, tuple(screen.rejects.values()))
        refresh = None
        if stream.whole is not None:
            refresh = Refresh(
                self._request.run_id,
                begins=stream.whole is Whole.BEGINS,
                ends=not stream.progress.has_more,
                keys=screen.keys,
                is_spoilt=screen.has_rejected_unknown,
            )
        return StreamLoad(
            name,
            table_name(name),
            [column_name(part) for part in stream.primary_key],
            _continues(self._request, stream),
            Brought(rejected, screen.carried, refresh),
        )

    def result(self, *, others_are_done: bool) -> SyncResult:
        """Return what the slice came to, or raise the error that kept every stream from it."""
        ended = [progress.stream for progress in self._moved if not progress.has_more]
        facts = SliceFacts(
            ended=ended,
            unfinished=[progress.stream for progress in self._moved if progress.has_more],
            failures=self._failures,
            past=self.past,
            left=self._left,
            untried=self._untried,
            is_hopeless=self._is_hopeless,
            others_are_done=others_are_done,
        )
        end = end_of(facts)
        return SyncResult(
            records_processed=sum(progress.records for progress in self._moved),
            records_created=self._tally.created,
            records_updated=self._tally.updated,
            records_failed=sum(sum(counts.values()) for counts in self._rejected.values()),
            watermarks=tuple(self._watermarks()),
            metadata=self._metadata(),
            positions=None if end.course is Course.OVER else self._positions(ended),
            trouble=end.trouble,
            failures=end.failures,
            finished={name: table_name(name) if name in self._landed else None for name in ended},
        )

    def _watermarks(self) -> Iterator[Watermark]:
        """Yield those of streams that have a table: one says that what lies before it is there."""
        for progress in self._moved:
            watermark = progress.watermark()
            if watermark is not None and progress.stream in self._landed:
                yield watermark

    def _positions(self, ended: Sequence[str]) -> Mapping[str, Position]:
        """Return where the run goes on, with what earlier slices finished."""
        new = {progress.stream: progress.position for progress in self._moved}
        known = {
            name: {**position, _LANDED: True} if name in self._landed else position
            for name, position in new.items()
            if position is not None
        }
        return {
            **self._request.positions,
            **known,
            **failures_kept(self.past, self._failures, ended),
        }

    def _metadata(self) -> Mapping[str, object]:
        return {
            "extract_ms": int(self._reading_seconds * 1_000),
            "load_ms": int(self._loading_seconds * 1_000),
            "streams": {progress.stream: progress.records for progress in self._moved},
            "rejected": {name: counts for name, counts in self._rejected.items() if counts},
            "records_deleted": self._tally.deleted,
            "records_held": self._tally.held,
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

    def pages(self) -> Generator[list[Record]]:
        """Yield the pages; whatever holds them open is let go of at the end."""
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
    """Tell whether the stream brings only what comes after something that has landed.

    What was rejected has not, and neither has what lies before a watermark that somebody set of a
    stream which never brought a record: there was no table that could be gone.
    """
    name = stream.progress.stream
    watermark = request.watermarks.get(name)
    has_start = watermark is not None and watermark.cursor == stream.progress.cursor
    has_landed_in_run = _LANDED in request.positions.get(name, ())
    return has_landed_in_run or (has_start and name in request.landed)


def _deletion_held(stream: str, rows: int) -> PermanentError:
    return PermanentError(
        f"The source shows so little of {stream} now that {rows:,} rows of the dataset would be"
        " deleted, most of its table: they stay until another sync finds the same. Nothing is to be"
        " done if they are gone at the source; if they are not, let its user see all rows.",
        code=Reason.DELETION_HELD,
    )
