"""What a sync that reached its end did not bring: streams that failed, and rejected records."""

from collections.abc import Mapping, Sequence

from shared.connectors.base import StreamFailure, SyncResult
from shared.domain.health import Trouble
from shared.domain.outcome import bounded


def failures_told(failures: Sequence[StreamFailure]) -> Mapping[str, Mapping[str, str | None]]:
    """Return by stream what is wrong with it, as the run's metadata holds it."""
    return {
        failure.stream: {
            "code": failure.error.code,
            "fault": failure.error.fault,
            "error": str(failure.error),
        }
        for failure in failures
    }


def streams_told(result: SyncResult) -> Sequence[Mapping[str, str | None]]:
    """Return what became of each stream that came to its end or failed, as it is recorded.

    One that did both, since rows of it are held, has failed: each is there once.
    """
    failing = {failure.stream for failure in result.failures}
    finished = [
        {"stream": stream, "status": "success", "dataset_table": table}
        for stream, table in result.finished.items()
        if stream not in failing
    ]
    failed = [
        {
            "stream": failure.stream,
            "status": "failed",
            "error": bounded(str(failure.error)),
            "fault": failure.error.fault,
            "dataset_table": result.finished.get(failure.stream),
        }
        for failure in result.failures
    ]
    return [*finished, *failed]


def troubles_of(failures: Sequence[StreamFailure]) -> Sequence[Trouble]:
    """Return what failures of streams may say about the health of their connector."""
    return [Trouble(failure.error.code, str(failure.error)) for failure in failures]


def shortfall_of(failures: Sequence[StreamFailure], rejected: int) -> str | None:
    """Return in words what is missing, or None if nothing is; streams that failed come first."""
    parts: list[str] = []
    if failures:
        first, *others = failures
        parts.append(f"{first.stream}: {first.error}")
        if others:
            parts.append(f"{_counted(len(others), 'other stream')} failed as well.")
    if rejected:
        parts.append(f"{_counted(rejected, 'record')} could not be loaded.")
    return " ".join(parts) or None


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
