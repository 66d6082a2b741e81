"""Move the streams of one slice into the dataset: extract, normalise, wait for the turn, merge."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dlt
from dlt.extract import DltResource

from shared.clock import monotonic
from shared.connectors.base import ConfirmLease, Position, SyncRequest, SyncResult
from shared.connectors.dataset import Dataset, LoadTally
from shared.connectors.failures import dataset_failure, source_failure
from shared.connectors.progress import StreamProgress
from shared.connectors.sandbox import shut_in, working_folder
from shared.connectors.slices import SliceTime, has_room
from shared.connectors.turn import turn_of
from shared.crash_points import CrashPoint, reach
from shared.errors import SynclineError

LOAD_WAIT = timedelta(seconds=10)
"""How long a load waits for another of its connector before it takes the turn from it."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream to move: dlt's resource, and what it has read."""

    resource: DltResource
    primary_key: tuple[str, ...]
    progress: StreamProgress


def run_streams(
    request: SyncRequest,
    open_streams: Callable[[SliceTime], Sequence[Stream]],
    confirm_lease: ConfirmLease,
    *,
    load_wait: timedelta = LOAD_WAIT,
) -> SyncResult:
    """Move the streams into `request.dataset_name`; return counts, watermarks and positions.

    `open_streams` makes them for the time that the slice has, without those that an earlier slice
    of the run has finished; they are read one after the other. Nothing is loaded before everything
    is read that there is time and room for. `confirm_lease` is called in this thread: once the turn
    to load has come, and within the transaction of each merge. Raises `TransientError`,
    `PermanentError` or `LeaseLostError`; the dataset then holds whole merges or nothing new.
    """
    shut_in()
    with request.lines.watched(), working_folder() as folder:
        streams = open_streams(SliceTime(request.has_time, partial(has_room, folder)))
        continued = [stream.progress.stream for stream in streams if _continues(request, stream)]
        dataset = Dataset(request.dataset_url, confirm_lease, continued)
        started = monotonic()
        pipeline = _pipeline(folder, dataset, request.dataset_name)
        try:
            _extract(pipeline, streams)
            extracted = monotonic()
            _normalize(pipeline)
            reach(CrashPoint.READ)
            if any(stream.progress.records for stream in streams):
                _load(pipeline, dataset, request, load_wait)
                reach(CrashPoint.LOADED)
        finally:
            pipeline.deactivate()
    return _result(request, streams, dataset.tally, _durations(started, extracted))


def _continues(request: SyncRequest, stream: Stream) -> bool:
    """Tell whether the stream brings only what comes after a watermark or a position."""
    name = stream.progress.stream
    watermark = request.watermarks.get(name)
    has_start = watermark is not None and watermark.cursor == stream.progress.cursor
    return has_start or name in request.positions


def _pipeline(folder: Path, dataset: Dataset, dataset_name: str) -> dlt.Pipeline:
    return dlt.pipeline(
        pipeline_name="syncline",
        pipelines_dir=str(folder),
        destination=dataset,
        dataset_name=dataset_name,
    )


def _extract(pipeline: dlt.Pipeline, streams: Sequence[Stream]) -> None:
    for stream in streams:
        stream.resource.apply_hints(
            write_disposition="merge",
            primary_key=list(stream.primary_key),
        )
        stream.resource.max_table_nesting = 0  # a stream is one table
    try:
        pipeline.extract(
            [stream.resource for stream in streams], schema=dlt.Schema("syncline"), workers=1
        )
    except SynclineError:
        raise
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise source_failure(error) from None


def _normalize(pipeline: dlt.Pipeline) -> None:
    try:
        pipeline.normalize()
    except SynclineError:
        raise
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise source_failure(error) from None


def _load(
    pipeline: dlt.Pipeline, dataset: Dataset, request: SyncRequest, load_wait: timedelta
) -> None:
    try:
        turn = turn_of(
            request.connector_id,
            request.dataset_url,
            load_wait,
            dataset.confirm_lease,
            request.lines,
        )
        with turn as dataset.connection:
            dataset.confirm_lease()
            reach(CrashPoint.TURN_TAKEN)
            pipeline.load()
    except SynclineError:
        raise
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise dataset_failure(error) from None


def _durations(started: float, extracted: float) -> Mapping[str, int]:
    return {
        "extract_ms": int((extracted - started) * 1_000),
        "load_ms": int((monotonic() - extracted) * 1_000),
    }


def _result(
    request: SyncRequest,
    streams: Sequence[Stream],
    tally: LoadTally,
    durations: Mapping[str, int],
) -> SyncResult:
    metadata: dict[str, Any] = {
        **durations,
        "streams": {stream.progress.stream: stream.progress.records for stream in streams},
        "records_without_cursor": sum(stream.progress.without_cursor for stream in streams),
    }
    watermarks = (stream.progress.watermark() for stream in streams)
    return SyncResult(
        records_processed=sum(stream.progress.records for stream in streams),
        records_created=tally.created,
        records_updated=tally.updated,
        records_failed=0,
        watermarks=tuple(watermark for watermark in watermarks if watermark is not None),
        metadata=metadata,
        positions=_positions(request, streams),
    )


def _positions(request: SyncRequest, streams: Sequence[Stream]) -> Mapping[str, Position] | None:
    """Return where the next slice goes on, or None if every stream is finished."""
    if not any(stream.progress.has_more for stream in streams):
        return None
    new = {stream.progress.stream: stream.progress.position for stream in streams}
    known = {name: position for name, position in new.items() if position is not None}
    return {**request.positions, **known}
