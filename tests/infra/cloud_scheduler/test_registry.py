"""The registry of jobs, on a hand clock."""

from datetime import UTC, datetime

import pytest
from grpc import StatusCode

from infra.local.cloud_scheduler.messages import ENABLED, PAUSED, FieldMask
from infra.local.cloud_scheduler.registry import Event, Registry
from infra.local.emulator.errors import ApiError
from tests.infra.cloud_scheduler.jobs import MINUTE, NAME, PARENT, SECOND, START, message

FIRST = datetime(2026, 11, 21, 8, 1, tzinfo=UTC)
ID = "generated"
UNAVAILABLE = 14


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.create(PARENT, message(), ID, START)
    return registry


def instant(timestamp: object) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)  # type: ignore[attr-defined]


def test_a_created_job_is_enabled_and_says_when_it_runs(registry: Registry) -> None:
    job = registry.get(NAME)
    assert job.state == ENABLED
    assert instant(job.schedule_time) == FIRST
    assert instant(job.user_update_time) == START
    assert not job.HasField("last_attempt_time")
    assert not job.HasField("status")


def test_a_job_without_a_name_gets_one(registry: Registry) -> None:
    assert registry.create(PARENT, message(name=""), ID, START).name == f"{PARENT}/jobs/{ID}"


def test_a_second_job_of_a_name_is_refused(registry: Registry) -> None:
    with pytest.raises(ApiError) as refusal:
        registry.create(PARENT, message(), ID, START)
    assert refusal.value.status is StatusCode.ALREADY_EXISTS


def test_a_job_of_another_location_is_refused(registry: Registry) -> None:
    with pytest.raises(ApiError, match="must start with the parent"):
        registry.create("projects/demo/locations/us-east1", message(), ID, START)


def test_what_a_caller_says_of_the_state_of_a_new_job_is_ignored() -> None:
    job = Registry().create(PARENT, message(state=PAUSED, status={"code": 5}), ID, START)
    assert job.state == ENABLED
    assert not job.HasField("status")


def test_a_refused_update_changes_nothing(registry: Registry) -> None:
    with pytest.raises(ApiError):
        registry.update(message(schedule="x"), FieldMask(paths=["schedule"]), FIRST)
    assert registry.get(NAME).schedule == "* * * * *"


def test_an_update_leaves_a_paused_job_paused(registry: Registry) -> None:
    registry.pause(NAME)
    mask = FieldMask(paths=["schedule"])
    assert registry.update(message(schedule="0 0 * * *"), mask, FIRST).state == PAUSED


def test_a_delivery_is_recorded_on_its_job(registry: Registry) -> None:
    (delivery,) = registry.due(FIRST)
    assert instant(registry.get(NAME).last_attempt_time) == FIRST
    assert instant(registry.get(NAME).schedule_time) == FIRST + MINUTE
    registry.finish(delivery, UNAVAILABLE, FIRST + SECOND)
    assert registry.get(NAME).status.code == UNAVAILABLE


def test_a_success_leaves_an_empty_status(registry: Registry) -> None:
    (delivery,) = registry.due(FIRST)
    registry.finish(delivery, 0, FIRST + SECOND)
    job = registry.get(NAME)
    assert job.HasField("status")
    assert job.status.code == 0


def test_the_end_of_a_deleted_job_does_not_touch_its_successor(registry: Registry) -> None:
    (delivery,) = registry.due(FIRST)
    registry.delete(NAME)
    registry.create(PARENT, message(), ID, FIRST)
    registry.due(FIRST + MINUTE)
    registry.finish(delivery, UNAVAILABLE, FIRST + MINUTE)
    registry.forget(delivery)
    assert not registry.get(NAME).HasField("status")
    assert registry.stats()["outstanding"] == 1


def test_the_registry_wakes_for_its_earliest_job(registry: Registry) -> None:
    hourly = message(name=f"{PARENT}/jobs/hourly", schedule="0 * * * *")
    registry.create(PARENT, hourly, ID, START)
    assert registry.wake_at() == FIRST
    registry.pause(NAME)
    assert registry.wake_at() == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert Registry().wake_at() is None


def test_pages_follow_each_other_without_gap_or_repeat() -> None:
    registry = Registry()
    names = [f"{PARENT}/jobs/job-{number}" for number in range(5)]
    for name in reversed(names):
        registry.create(PARENT, message(name=name), ID, START)
    elsewhere = "projects/demo/locations/us-east1"
    registry.create(elsewhere, message(name=f"{elsewhere}/jobs/x"), ID, START)
    seen: list[str] = []
    token = ""
    for _ in range(3):
        jobs, token = registry.page(PARENT, 2, token)
        seen += [job.name for job in jobs]
    assert seen == names
    assert token == ""


@pytest.mark.parametrize(("size", "token"), [(-1, ""), (10, "?"), (10, "AAA"), (10, "_w==")])
def test_a_wrong_page_is_refused(registry: Registry, size: int, token: str) -> None:
    with pytest.raises(ApiError) as refusal:
        registry.page(PARENT, size, token)
    assert refusal.value.status is StatusCode.INVALID_ARGUMENT


def test_everything_that_happens_is_counted(registry: Registry) -> None:
    retried = message(name=f"{PARENT}/jobs/retried", retry_config={"retry_count": 1})
    registry.create(PARENT, retried, ID, START)
    for delivery in registry.due(FIRST):
        code = UNAVAILABLE if delivery.job_name.endswith("retried") else 0
        registry.finish(delivery, code, FIRST)
    registry.due(FIRST + 5 * SECOND)
    registry.force(NAME, FIRST + 6 * SECOND)
    registry.due(FIRST + MINUTE)
    assert registry.stats() == {
        "jobs": 2,
        "outstanding": 2,
        Event.FIRED: 2,
        Event.FORCED: 1,
        Event.SKIPPED: 2,
        Event.RETRIED: 1,
        Event.SUCCEEDED: 1,
        Event.FAILED: 1,
    }
