from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from infra.local.cloud_tasks.messages import PAUSED, Queue
from infra.local.cloud_tasks.queue_rules import (
    checked_queue,
    merged_queue,
    overridden_retry_config,
)
from infra.local.emulator.errors import ApiError
from infra.local.emulator.messages import duration
from tests.infra.cloud_tasks.hand import NOW, QUEUE


def checked(**fields: Any) -> Any:
    return checked_queue(Queue(name=QUEUE, **fields))


def test_a_queue_without_settings_gets_the_documented_defaults() -> None:
    queue = checked()
    limits, retries = queue.rate_limits, queue.retry_config
    assert limits.max_dispatches_per_second == 500
    assert limits.max_concurrent_dispatches == 1000
    assert limits.max_burst_size == 100
    assert (retries.max_attempts, retries.max_doublings) == (100, 16)
    assert duration(retries.min_backoff) == timedelta(milliseconds=100)
    assert duration(retries.max_backoff) == timedelta(hours=1)
    assert duration(retries.max_retry_duration) == timedelta(0)


def test_settings_are_kept_as_they_are() -> None:
    queue = checked(
        rate_limits={"max_dispatches_per_second": 0.5, "max_concurrent_dispatches": 1},
        retry_config={
            "max_attempts": -1,
            "min_backoff": {"seconds": 2},
            "max_backoff": {"seconds": 2},
        },
    )
    assert queue.rate_limits.max_dispatches_per_second == 0.5
    assert queue.rate_limits.max_concurrent_dispatches == 1
    assert queue.retry_config.max_attempts == -1
    assert duration(queue.retry_config.min_backoff) == timedelta(seconds=2)


def test_the_burst_size_is_the_services_to_choose() -> None:
    assert checked(rate_limits={"max_burst_size": 7}).rate_limits.max_burst_size == 100
    slow = checked(rate_limits={"max_dispatches_per_second": 1})
    assert slow.rate_limits.max_burst_size == 10


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"rate_limits": {"max_dispatches_per_second": 500.1}}, "less than or equal to 500"),
        ({"rate_limits": {"max_dispatches_per_second": -1}}, "maxDispatchesPerSecond must be"),
        ({"rate_limits": {"max_dispatches_per_second": float("nan")}}, "maxDispatchesPerSecond"),
        ({"rate_limits": {"max_concurrent_dispatches": 5001}}, "less than or equal to 5000"),
        ({"rate_limits": {"max_concurrent_dispatches": -1}}, "maxConcurrentDispatches must be"),
        ({"retry_config": {"max_attempts": -2}}, "maxAttempts must be"),
        ({"retry_config": {"max_doublings": -1}}, "maxDoublings must be"),
        ({"retry_config": {"min_backoff": {"seconds": -1}}}, "minBackoff must be"),
        ({"retry_config": {"max_retry_duration": {"seconds": -1}}}, "maxRetryDuration must be"),
        ({"retry_config": {"max_backoff": {"seconds": 2**62}}}, "not a valid duration"),
        ({"retry_config": {"min_backoff": {"seconds": 3601}}}, "minBackoff must be less than"),
    ],
)
def test_figures_out_of_range_are_refused(fields: Any, sentence: str) -> None:
    with pytest.raises(ApiError, match=sentence) as refusal:
        checked(**fields)
    assert refusal.value.status is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "fields",
    [{"http_target": {"http_method": 1}}, {"app_engine_routing_override": {"service": "s"}}],
)
def test_routing_by_the_queue_is_said_not_to_be_served(fields: Any) -> None:
    with pytest.raises(ApiError, match="does not serve") as refusal:
        checked(**fields)
    assert refusal.value.status is StatusCode.UNIMPLEMENTED


def merged(stored: Any, paths: list[str], **fields: Any) -> Any:
    return merged_queue(stored, Queue(name=QUEUE, **fields), FieldMask(paths=paths))


def test_an_update_changes_what_its_mask_names_and_nothing_else() -> None:
    stored = checked(retry_config={"max_attempts": 7, "max_doublings": 3})
    updated = merged(
        stored,
        ["retry_config.max_attempts"],
        retry_config={"max_attempts": 5, "max_doublings": 9},
        rate_limits={"max_concurrent_dispatches": 2},
    )
    assert updated.retry_config.max_attempts == 5
    assert updated.retry_config.max_doublings == 3
    assert updated.rate_limits.max_concurrent_dispatches == 1000


def test_an_update_without_a_mask_changes_everything() -> None:
    stored = checked(retry_config={"max_attempts": 7})
    updated = merged(stored, [], rate_limits={"max_concurrent_dispatches": 2})
    assert updated.retry_config.max_attempts == 100
    assert updated.rate_limits.max_concurrent_dispatches == 2


def test_an_update_cannot_change_what_is_output_only() -> None:
    stored = checked()
    stored.purge_time.FromDatetime(NOW)
    updated = merged(stored, ["state", "purge_time"], state=PAUSED)
    assert updated == stored


def test_no_doublings_can_be_asked_for_by_a_mask_and_stay() -> None:
    updated = merged(checked(), ["retry_config.max_doublings"])
    assert updated.retry_config.max_doublings == 0
    again = merged(updated, ["retry_config.max_attempts"], retry_config={"max_attempts": 2})
    assert again.retry_config.max_doublings == 0


def test_a_mask_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ApiError, match="update mask"):
        merged(checked(), ["colour"])


def test_a_task_overrides_the_retries_that_it_names() -> None:
    queue = checked(retry_config={"min_backoff": {"nanos": 500_000_000}, "max_attempts": 9})
    own = Queue(retry_config={"max_attempts": 2, "min_backoff": {"seconds": 3}}).retry_config
    both = overridden_retry_config(own, queue.retry_config)
    assert both.max_attempts == 2
    assert duration(both.min_backoff) == timedelta(seconds=3)
    assert both.max_doublings == 16
    assert queue.retry_config.max_attempts == 9
