"""What the service accepts as a queue, and what it fills in."""

from datetime import timedelta
from math import ceil, isfinite

from google.protobuf.field_mask_pb2 import FieldMask

from infra.local.cloud_tasks.messages import (
    Message,
    Queue,
    QueueMessage,
    RetryConfigMessage,
)
from infra.local.emulator.errors import invalid, not_served
from infra.local.emulator.messages import duration

_MAX_RATE = 500.0
_MAX_CONCURRENT = 5_000
_DEFAULT_CONCURRENT = 1_000
_SMALLEST_BURST = 10
_BURST_SHARE_OF_RATE = 5
_DEFAULT_ATTEMPTS = 100
_DEFAULT_DOUBLINGS = 16
_DEFAULT_MIN_BACKOFF = timedelta(milliseconds=100)
_DEFAULT_MAX_BACKOFF = timedelta(hours=1)
_OUTPUT_ONLY = ("state", "purge_time", "name", "rate_limits.max_burst_size")
_DOUBLINGS = "retry_config.max_doublings"


def checked_queue(queue: QueueMessage, *, no_doublings: bool = False) -> QueueMessage:
    """Return a copy of the queue with every default filled in; refuse what the service refuses.

    `no_doublings` says that a zero is meant as such: protobuf cannot tell it from an unset field.
    """
    for field in ("app_engine_routing_override", "http_target"):
        if queue.HasField(field):
            raise not_served("Cloud Tasks", f"Queue.{field}")
    checked = Queue()
    checked.CopyFrom(queue)
    _check_rate_limits(checked.rate_limits)
    check_retry_config(checked.retry_config, "Queue.retryConfig")
    if not checked.retry_config.max_doublings and not no_doublings:
        checked.retry_config.max_doublings = _DEFAULT_DOUBLINGS
    _fill_retry_config(checked.retry_config)
    check_backoff_order(checked.retry_config, "Queue.retryConfig")
    return checked


def merged_queue(stored: QueueMessage, update: QueueMessage, mask: FieldMask) -> QueueMessage:
    """Return the stored queue with the masked fields of the update; an empty mask means all."""
    paths = [path for path in mask.paths if path not in _OUTPUT_ONLY]
    if not mask.paths:
        paths = ["rate_limits", "retry_config", "stackdriver_logging_config"]
    known = FieldMask(paths=paths)
    if not known.IsValidForDescriptor(Queue.DESCRIPTOR):
        raise invalid("The update mask names a field that a queue does not have.")
    merged, source = Queue(), Queue()
    merged.CopyFrom(stored)
    source.CopyFrom(update)
    for path in paths:
        # A masked field whose parent is unset is to be cleared; merging would skip it.
        parent, dot, _ = path.partition(".")
        if dot:
            getattr(source, parent).SetInParent()
    known.MergeMessage(source, merged, replace_message_field=True, replace_repeated_field=True)
    keeps_zero = not stored.retry_config.max_doublings and "retry_config" not in paths
    return checked_queue(merged, no_doublings=keeps_zero or _DOUBLINGS in paths)


def check_retry_config(config: RetryConfigMessage, where: str) -> None:
    """Refuse a retry configuration with numbers or durations out of range."""
    if config.max_attempts < -1:
        raise invalid(f"{where}.maxAttempts must be greater than or equal to -1.")
    if config.max_doublings < 0:
        raise invalid(f"{where}.maxDoublings must be greater than or equal to 0.")
    for field, name in _DURATIONS.items():
        if _duration_in(config, field, f"{where}.{name}") < timedelta(0):
            raise invalid(f"{where}.{name} must be greater than or equal to 0.")


def check_backoff_order(config: RetryConfigMessage, where: str) -> None:
    """Refuse a complete retry configuration whose smallest backoff is above its largest."""
    if duration(config.min_backoff) > duration(config.max_backoff):
        raise invalid(f"{where}.minBackoff must be less than or equal to {where}.maxBackoff.")


def overridden_retry_config(
    task_level: RetryConfigMessage, queue_level: RetryConfigMessage
) -> RetryConfigMessage:
    """Return a task's own retry configuration with its gaps filled from its queue."""
    merged = type(queue_level)()
    merged.CopyFrom(queue_level)
    merged.MergeFrom(task_level)
    for field in _DURATIONS:
        if task_level.HasField(field):
            getattr(merged, field).CopyFrom(getattr(task_level, field))
    return merged


_DURATIONS = {
    "max_retry_duration": "maxRetryDuration",
    "min_backoff": "minBackoff",
    "max_backoff": "maxBackoff",
}


def _check_rate_limits(limits: Message) -> None:
    rate = limits.max_dispatches_per_second
    if not isfinite(rate) or rate < 0:
        raise invalid("Queue.rateLimits.maxDispatchesPerSecond must be greater than or equal to 0.")
    if rate > _MAX_RATE:
        raise invalid("Queue.rateLimits.maxDispatchesPerSecond must be less than or equal to 500.")
    if limits.max_concurrent_dispatches < 0:
        raise invalid(
            "Queue.rateLimits.maxConcurrentDispatches must be greater than or equal to 0."
        )
    if limits.max_concurrent_dispatches > _MAX_CONCURRENT:
        raise invalid(
            "Queue.rateLimits.maxConcurrentDispatches must be less than or equal to 5000."
        )
    limits.max_dispatches_per_second = rate or _MAX_RATE
    limits.max_concurrent_dispatches = limits.max_concurrent_dispatches or _DEFAULT_CONCURRENT
    # Output only: 100 at 500 a second is recorded, the line through it is our reading.
    share = ceil(limits.max_dispatches_per_second / _BURST_SHARE_OF_RATE)
    limits.max_burst_size = max(share, _SMALLEST_BURST)


def _fill_retry_config(config: RetryConfigMessage) -> None:
    config.max_attempts = config.max_attempts or _DEFAULT_ATTEMPTS
    if not config.HasField("min_backoff"):
        config.min_backoff.FromTimedelta(_DEFAULT_MIN_BACKOFF)
    if not config.HasField("max_backoff"):
        config.max_backoff.FromTimedelta(_DEFAULT_MAX_BACKOFF)


def _duration_in(config: RetryConfigMessage, field: str, name: str) -> timedelta:
    try:
        return duration(getattr(config, field))
    except (ValueError, OverflowError) as error:
        raise invalid(f"{name} is not a valid duration.") from error
