"""The figures of the deployment in Prometheus's form; what imports this imports its library."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.store.health import Reading

CONTENT_TYPE = CONTENT_TYPE_LATEST

_PREFIX = "syncline_"
_TOTAL = "_total"
_FIGURES: Mapping[str, tuple[str, str]] = {
    "last_tick_timestamp_seconds": ("", "When the newest pass of the dispatcher was completed."),
    "last_tick_duration_seconds": ("", "How long that pass took."),
    "last_tick_drift_seconds": ("", "The largest lateness of a period that it planned."),
    "last_tick_complete": ("", "1 if it did all that was due, 0 if its time was over before."),
    "ticks_begun_total": ("", "Passes of the dispatcher that began."),
    "hour_max_drift_seconds": ("", "The largest lateness of a period planned in the last hour."),
    "hour_runs": ("act", "What the dispatcher did to runs in the last hour."),
    "runs_written_total": ("", "Rows of the log, by the number of the newest."),
    "runs_overdue": ("", "Runs whose start has passed and that wait; counted up to 20,002."),
    "oldest_overdue_seconds": ("", "For how long the oldest of them waits."),
    "runs_in_progress": ("", "Runs that a worker has; counted up to 10,001."),
    "leases_expired": ("", "Those of them whose worker fell silent."),
    "recent_runs": (
        "status",
        "Runs written in the last 15 minutes, of the newest 10,000, by their status now.",
    ),
    "schedules_overdue": ("", "Schedules not planned a minute after they were due, up to 10,001."),
    "connectors_unhealthy": ("", "Connectors that cannot be synced as they are, up to 10,001."),
    "workers_alive": ("", "Instances of the worker that gave a sign of life in 10 minutes."),
}
"""Of each figure: by which label its readings differ, if they do, and what it is."""


def expose(readings: Sequence[Reading]) -> bytes:
    """Return the figures as Prometheus reads them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Readings(readings))
    return generate_latest(registry)


class _Readings(Collector):
    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = sorted(readings, key=attrgetter("metric", "label"))

    def collect(self) -> Iterator[Metric]:
        """Yield a family for each figure that this version knows."""
        for metric, readings in groupby(self._readings, key=attrgetter("metric")):
            if metric in _FIGURES:
                yield _family(metric, readings)


def _family(metric: str, readings: Iterable[Reading]) -> Metric:
    label, what = _FIGURES[metric]
    kind = CounterMetricFamily if metric.endswith(_TOTAL) else GaugeMetricFamily
    name = f"{_PREFIX}{metric.removesuffix(_TOTAL)}"
    family = kind(name, what, labels=[label] if label else [])
    for reading in readings:
        family.add_metric([reading.label] if label else [], reading.value)
    return family
