"""A deployment leaves nothing behind: whatever it serves has ended when it has."""

from threading import Event
from time import sleep

from infra.local.cloud_tasks.running import RunningCloudTasks
from shared.connectors.base import ConfirmLease, SyncRequest
from tests.faults.conftest import MakeWorld
from tests.faults.deployment import deployed

PATIENCE_SECONDS = 30.0
LONG_SECONDS = 0.5


def test_a_deployment_ends_after_the_requests_that_are_under_way(
    new_world: MakeWorld, cloud_tasks: RunningCloudTasks
) -> None:
    world = new_world(workspaces=1, connectors=1, periods=1)
    is_under_way = Event()

    def take_long(_request: SyncRequest, confirm_lease: ConfirmLease) -> None:
        is_under_way.set()
        sleep(LONG_SECONDS)
        confirm_lease()

    with deployed(world, cloud_tasks, trouble=take_long) as deployment:
        deployment.tick()
        assert is_under_way.wait(PATIENCE_SECONDS)

    assert deployment.worker.answers == {"200 OK": 1}
    assert world.rows("SELECT status FROM workspace_connector_sync_log") == [("success",)]
