"""A connector that hears of its source, piece by piece: for tests of what the source sends."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from shared.flow.hooks import HookDesk
from shared.gcp.local_key import LocalKey
from shared.store.rows import Row
from tests.factories import Tenant, make_planner
from tests.flow.hook_scene import Scene
from tests.flow.hooking import Source, make_desk, make_key, make_source, realtime
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script


@pytest.fixture
def key(tmp_path: Path) -> LocalKey:
    return make_key(tmp_path)


@pytest.fixture
def desk(engine: Engine, paused: PausedQueue, key: LocalKey) -> HookDesk:
    return make_desk(engine, paused, key)


@pytest.fixture
def schedule(engine: Engine, tenant: Tenant) -> Row:
    return realtime(engine, tenant)


@pytest.fixture
def source(engine: Engine, tenant: Tenant, key: LocalKey, schedule: Row) -> Source:
    return make_source(engine, tenant, key, schedule)


@pytest.fixture
def scene(
    engine: Engine,
    worker_engine: Engine,
    paused: PausedQueue,
    tenant: Tenant,
    script: Script,
    desk: HookDesk,
    schedule: Row,
    source: Source,
) -> Scene:
    planner = make_planner(engine, paused.queue)
    return Scene(engine, worker_engine, paused, tenant, planner, desk, schedule, source, script)
