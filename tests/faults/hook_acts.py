"""What processes of a scene do about reported changes: listen, report, disable and enable."""

import base64
import json
import os
from datetime import timedelta
from uuid import UUID

from shared.domain.hooks import HookScheme
from shared.flow.hooks import HookDesk, receive_hook
from shared.flow.retire import disable_connector, enable_connector
from shared.flow.schedules import change_schedule
from shared.flow.webhook_endpoints import create_endpoint
from shared.gcp.local_key import LocalKey
from tests.faults.duties import DONE, LOOK_AHEAD, Duties
from tests.faults.world import World

_KEY_BYTES = 32
_OFTEN = 100_000


def listen(duties: Duties, world: World) -> int:
    """Let the connector be synced when its source says so, which gets an endpoint for it."""
    change_schedule(
        duties.planner(), world.owners[0], world.schedules[0], {"frequency": "realtime"}
    )
    (world.folder / "master.key").write_bytes(base64.b64encode(os.urandom(_KEY_BYTES)))
    made = create_endpoint(
        duties.desk,
        world.owners[0],
        _key(world),
        world.connectors[0],
        name="the source",
        scheme=HookScheme.SHARED_SECRET,
    )
    known = {"endpoint": str(made.row["public_id"]), "secret": made.secret}
    (world.folder / "source").write_text(json.dumps(known), encoding="utf-8")
    return DONE


def report(duties: Duties, world: World) -> int:
    """Let the source report a change."""
    known = json.loads((world.folder / "source").read_text(encoding="utf-8"))
    desk = HookDesk(
        engine=duties.desk,
        open_queue=duties.open_queue,
        key=lambda: _key(world),
        look_ahead=LOOK_AHEAD,
        window=timedelta(0),
        per_minute=_OFTEN,
    )
    headers = {"x-webhook-secret": known["secret"]}
    receive_hook(desk, UUID(known["endpoint"]), lambda name: headers.get(name, ""), b"")
    return DONE


def disable(duties: Duties, world: World) -> int:
    """Disable the connector."""
    disable_connector(duties.planner(), world.owners[0], world.connectors[0])
    return DONE


def enable(duties: Duties, world: World) -> int:
    """Enable the connector."""
    enable_connector(duties.planner(), world.owners[0], world.connectors[0])
    return DONE


def _key(world: World) -> LocalKey:
    return LocalKey(str(world.folder / "master.key"))
