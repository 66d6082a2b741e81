"""Slices of one run: each has to get on, and what they did adds up."""

import json
from collections.abc import Mapping
from typing import Any

from shared.connectors.base import SyncRequest, SyncResult, Watermark
from shared.connectors.stream_troubles import without_counts
from shared.connectors.watermarks import decode
from shared.domain.run import Reason
from shared.domain.schema_changes import changes_together
from shared.errors import PermanentError
from shared.store.rows import to_json

MAX_SLICES = 1_000
"""Days of reading and loading: what takes longer turns for ever."""


def require_progress(request: SyncRequest, result: SyncResult, slices: int) -> None:
    """Raise `PermanentError` if a slice that is not the last did not get on.

    `slices` were committed before it. A source that yields the same cursor for ever, or goes
    backwards, would otherwise be read until the end of time.
    """
    given = dict(request.watermarks)
    for watermark in result.watermarks:
        before = given.get(watermark.stream)
        if before is not None and _is_behind(watermark, before):
            raise PermanentError(
                f"The source went backwards: the cursor of {watermark.stream} is smaller than it"
                " was. Choose a cursor that grows with every change, or reset the stream.",
                code=Reason.CURSOR_BACKWARDS,
            )
        given[watermark.stream] = watermark
    positions = json.loads(to_json(result.positions))  # as the next slice will be given them
    before, now = without_counts(request.positions), without_counts(positions)
    if given == request.watermarks and before == now:
        raise PermanentError(
            "The source does not get on: it says that there is more, and gives the same cursor as"
            " before. Choose a cursor that tells its records apart.",
            code=Reason.CURSOR_STUCK,
        )
    if slices + 1 >= MAX_SLICES:
        raise PermanentError(
            f"The source did not come to an end in {MAX_SLICES} slices.",
            code=Reason.TOO_MANY_SLICES,
        )


def has_got_on(request: SyncRequest, result: SyncResult) -> bool:
    """Tell whether a slice or attempt moved any stream on; a failure alone moves nothing."""
    if any(
        request.watermarks.get(watermark.stream) != watermark
        for watermark in kept_watermarks(request, result)
    ):
        return True
    positions = json.loads(to_json(result.positions or {}))
    return any(
        request.positions.get(stream) != position
        for stream, position in positions.items()
        if stream  # what has no name is no stream: see the runner
    )


def kept_watermarks(request: SyncRequest, result: SyncResult) -> list[Watermark]:
    """Return the new watermarks, without those that would go behind what is stored."""
    return [
        watermark
        for watermark in result.watermarks
        if watermark.stream not in request.watermarks
        or not _is_behind(watermark, request.watermarks[watermark.stream])
    ]


def _is_behind(newer: Watermark, older: Watermark) -> bool:
    """Tell whether a watermark lies before another of its stream, as far as values have an order.

    Of texts only the database that holds them knows the order, so that none is behind another.
    """
    if newer.cursor != older.cursor or newer.value.get("type") != older.value.get("type"):
        return False
    before, after = decode(older), decode(newer)
    if isinstance(before, str):
        return False
    try:
        return after < before  # pyright: ignore[reportOperatorIssue] (of one type)
    except TypeError:  # a time with a zone and one without
        return False


def add_up(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a slice together with those of the slices before.

    Numbers are added, at any depth, and changes of the dataset's columns are kept.
    """
    return {**_added(before, after), **changes_together(before, after)}


def _added(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _sum(before.get(key), value) for key, value in after.items()}


def _sum(before: Any, after: Any) -> Any:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return {**before, **_added(before, after)}
    if _is_number(before) and _is_number(after):
        return before + after
    return after


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
