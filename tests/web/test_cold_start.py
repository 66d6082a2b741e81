"""What an instance of the api has to load before it answers, and when it loads the rest."""

import json
import os
import subprocess
import sys
from pathlib import Path

from infra.local.cloud_tasks.running import RunningCloudTasks
from shared.wiring import Wiring
from tests.conftest import DatabaseUrlOf
from tests.web.conftest import Caller

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
from shared.config import Settings
from shared.web.app import create_app
from shared.web.operations import operations_of
from shared.wiring import Wiring

given = json.loads(sys.argv[1])
wiring = Wiring(Settings.from_env(given["settings"]), service="api")
app = create_app(wiring)
client = app.test_client()
headers = {"Authorization": f"Bearer {given['key']}"}

def send(method, path, body=None):
    answer = client.open(path, method=method, json=body, headers=headers)
    return answer.status_code

def heavy():
    return [name for name in ("dlt", "grpc", "google.cloud.bigquery") if name in sys.modules]

read = {
    one.path: send("GET", one.path)
    for one in operations_of(app)
    if one.method == "GET" and "<" not in one.path and one.access in ("viewer", "anyone")
}
before = heavy()
renamed = send("PATCH", f"/api/v2/connectors/{given['connector']}", {"name": "renamed"})
changed = heavy()
triggered = send("POST", f"/api/v2/sync-schedules/{given['schedule']}/trigger")
wiring.close()
print(json.dumps([read, before, renamed, changed, triggered, heavy()]))
"""


def test_neither_grpc_nor_dlt_is_loaded_until_a_trigger_needs_a_queue(
    alice: Caller,
    wiring: Wiring,
    queue_client: object,
    cloud_tasks: RunningCloudTasks,
    database_url_of: DatabaseUrlOf,
) -> None:
    schedule = alice.new_schedule(frequency="manual", preferred_time=None)
    settings = wiring.settings
    given = {
        "key": alice.key,
        "schedule": schedule["id"],
        "connector": schedule["connector_id"],
        "settings": {
            "SYNCLINE_DATABASE_URL": database_url_of("api"),
            "SYNCLINE_DATASET_URL": "postgresql://nobody@127.0.0.1:1/none",
            "SYNCLINE_WORKER_URL": "http://127.0.0.1:1/worker",
            "SYNCLINE_DISPATCHER_URL": "http://127.0.0.1:1/dispatcher",
            "SYNCLINE_TASKS_SERVICE_ACCOUNT": settings.tasks_service_account,
            "SYNCLINE_SCHEDULER_SERVICE_ACCOUNT": settings.scheduler_service_account,
            "SYNCLINE_SCHEDULED_QUEUE": settings.scheduled_queue,
            "SYNCLINE_INTERACTIVE_QUEUE": settings.interactive_queue,
            "CLOUD_TASKS_EMULATOR_HOST": cloud_tasks.address,
        },
    }
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(given)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    read, before, renamed, changed, triggered, after = json.loads(run.stdout)
    refused = {path: status for path, status in read.items() if status not in (200, 401)}
    assert len(read) > 10
    assert refused == {}
    assert (before, renamed, changed) == ([], 200, [])
    assert triggered == 202
    assert after == ["grpc"]
