"""Settings of a deployment under test, as a function would read them from its environment."""

from uuid import uuid4

from shared.config import Settings


def make_settings(**values: str) -> Settings:
    """Return settings with queues that no other test uses; `values` are variables."""
    suffix = uuid4().hex[:8]
    return Settings.from_env(
        {
            "SYNCLINE_DATABASE_URL": "postgresql+pg8000://nobody@127.0.0.1:1/none",
            "SYNCLINE_DATASET_URL": "postgresql://nobody@127.0.0.1:1/none",
            "SYNCLINE_WORKER_URL": "http://127.0.0.1:1/worker",
            "SYNCLINE_DISPATCHER_URL": "http://127.0.0.1:1/dispatcher",
            "SYNCLINE_TASKS_SERVICE_ACCOUNT": "tasks@test.iam.gserviceaccount.com",
            "SYNCLINE_SCHEDULER_SERVICE_ACCOUNT": "scheduler@test.iam.gserviceaccount.com",
            "SYNCLINE_SCHEDULED_QUEUE": f"scheduled-{suffix}",
            "SYNCLINE_INTERACTIVE_QUEUE": f"interactive-{suffix}",
            **values,
        }
    )
