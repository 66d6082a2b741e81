"""The environment of a deployment whose clouds are on given ports."""

import os

from infra.local.ports import HOST, Ports


def environment(ports: Ports) -> dict[str, str]:
    """Return what the functions and the local cloud read."""
    return {
        **os.environ,
        "GRPC_VERBOSITY": "NONE",
        "SYNCLINE_DATABASE_URL": f"postgresql+pg8000://nobody@{HOST}:{ports.postgres}/none",
        "SYNCLINE_DATASET_URL": f"postgresql://nobody@{HOST}:{ports.postgres}/none",
        "SYNCLINE_WORKER_URL": f"http://{HOST}:{ports.worker}/",
        "SYNCLINE_DISPATCHER_URL": f"http://{HOST}:{ports.dispatcher}/",
        "SYNCLINE_TASKS_SERVICE_ACCOUNT": "tasks@test.iam.gserviceaccount.com",
        "SYNCLINE_SCHEDULER_SERVICE_ACCOUNT": "scheduler@test.iam.gserviceaccount.com",
        "CLOUD_TASKS_EMULATOR_HOST": f"{HOST}:{ports.tasks}",
        "CLOUD_SCHEDULER_EMULATOR_HOST": f"{HOST}:{ports.scheduler}",
    }
