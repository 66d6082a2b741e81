"""What the watermark of a stream knows beside its instant: the newest files that were read.

A store may show a file late: S3 dates one that was sent in parts by when that began, and times of
Azure are whole seconds. So files are looked for from some time before the watermark on, and those
that are known to be read are passed over, by path and version; without that each sync would read
the newest file again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from shared.connectors.base import Watermark
from shared.connectors.cloud_storage.store import StoredFile
from shared.connectors.watermarks import decode, encode
from shared.errors import PermanentError

LOOK_BACK = timedelta(hours=24)
"""How long an upload may take without its file being missed."""
MOST_KNOWN = 2_000
"""How many files a watermark knows. Of more of them in that time the oldest are let go, and files
as old as these are not looked for any more."""

_FILES, _SINCE = "files", "since"


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a stream's reading starts: files of `since` or later, but for the `known` ones."""

    newest_at: datetime
    since: datetime
    known: frozenset[str] = field(default_factory=frozenset[str])


def read_mark(watermark: Watermark | None, cursor: str | None) -> Mark | None:
    """Return what a watermark says; None if there is none of this cursor.

    One that a person set knows no files, and is the start by itself. Raises `PermanentError`.
    """
    if watermark is None or cursor is None or watermark.cursor != cursor:
        return None
    newest_at = decode(watermark)
    if not isinstance(newest_at, datetime):
        raise PermanentError(
            f"The watermark of {watermark.stream} is no time: reset it, or set it to a time."
        )
    newest_at = newest_at if newest_at.tzinfo is not None else newest_at.replace(tzinfo=UTC)
    try:
        since = datetime.fromisoformat(watermark.value[_SINCE])
    except (KeyError, ValueError):
        return Mark(newest_at, newest_at)
    return Mark(newest_at, since, frozenset(watermark.value.get(_FILES, "").split()))


def write_mark(
    watermark: Watermark, before: Mark | None, read: Mapping[str, datetime]
) -> Watermark:
    """Return a watermark with the files that were read to their ends, by `name_of` and time.

    It never lies before the one it follows.
    """
    newest_at = decode(watermark)
    if not isinstance(newest_at, datetime):
        return watermark
    if before is not None:
        newest_at = max(newest_at, before.newest_at)
    since = newest_at - LOOK_BACK
    if before is not None:
        since = max(since, min(before.since, newest_at))
    kept = sorted(((at, name) for name, at in read.items() if at >= since), reverse=True)
    if len(kept) > MOST_KNOWN:
        kept = kept[:MOST_KNOWN]
        since = kept[-1][0]
    names: Sequence[str] = [name for _, name in kept]
    value = encode(watermark.stream, watermark.cursor, newest_at).value
    return replace(
        watermark, value={**value, _SINCE: since.isoformat(), _FILES: " ".join(sorted(names))}
    )


def name_of(file: StoredFile) -> str:
    """Return what a watermark knows a version of a file by."""
    return sha256(f"{file.path}\0{file.version}".encode()).hexdigest()[:20]
