"""The two queues as a laptop makes them."""

from datetime import timedelta

from google.cloud import tasks_v2

from shared.config import Settings
from shared.gcp.queues import ensure_queues
from tests.settings import make_settings


def names(client: tasks_v2.CloudTasksClient, settings: Settings) -> list[str]:
    return [
        client.queue_path(settings.project, settings.location, queue)
        for queue in (settings.scheduled_queue, settings.interactive_queue)
    ]


def test_both_queues_are_made_with_patient_retries(client: tasks_v2.CloudTasksClient) -> None:
    settings = make_settings()
    ensure_queues(client, settings)
    for name in names(client, settings):
        queue = client.get_queue(name=name)
        assert queue.state is tasks_v2.Queue.State.RUNNING
        assert queue.rate_limits.max_dispatches_per_second == 500
        assert queue.rate_limits.max_concurrent_dispatches == 1_000
        assert queue.retry_config.max_attempts == 20
        assert queue.retry_config.min_backoff == timedelta(seconds=5)
        assert queue.retry_config.max_backoff == timedelta(minutes=5)
        assert queue.retry_config.max_doublings == 5


def test_a_repeat_leaves_what_a_person_changed(client: tasks_v2.CloudTasksClient) -> None:
    settings = make_settings()
    ensure_queues(client, settings)
    scheduled, interactive = names(client, settings)
    client.pause_queue(name=scheduled)
    before = client.get_queue(name=interactive)
    ensure_queues(client, settings)
    assert client.get_queue(name=scheduled).state is tasks_v2.Queue.State.PAUSED
    assert client.get_queue(name=interactive) == before


def test_the_queue_that_is_missing_is_made(client: tasks_v2.CloudTasksClient) -> None:
    settings = make_settings()
    ensure_queues(client, settings)
    scheduled, interactive = names(client, settings)
    client.delete_queue(name=interactive)
    other = make_settings(SYNCLINE_SCHEDULED_QUEUE=settings.scheduled_queue)
    ensure_queues(client, other)
    assert client.get_queue(name=scheduled)
    assert client.get_queue(name=names(client, other)[1])
