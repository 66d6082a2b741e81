"""Worlds for fault tests, the two queues that must behave alike, and what every scenario proves."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from infra.local.postgres import PostgresServer
from tests.faults import report
from tests.faults.delivery import Plan, Tally, delivering
from tests.faults.world import World, make_world


class MakeWorld(Protocol):
    """Makes a world in a database of its own, with the arguments of `make_world`."""

    def __call__(self, **sizes: int) -> World: ...


Prove = Callable[[str, World, Plan], Tally]


@pytest.fixture
def new_world(
    postgres_server: PostgresServer, template_database: str, tmp_path: Path
) -> Iterator[MakeWorld]:
    names: list[str] = []

    def make(**sizes: int) -> World:
        name = f"world_{uuid4().hex}"
        names.append(name)
        postgres_server.create_database(name, template=template_database)
        folder = tmp_path / name
        folder.mkdir()
        return make_world(postgres_server, name, folder, **sizes)

    yield make
    for name in names:
        postgres_server.drop_database(name)


@pytest.fixture
def prove() -> Prove:
    """Return what plays a scenario, notes its result, and demands that no rule was broken."""

    def play(scenario: str, world: World, plan: Plan) -> Tally:
        with delivering(world, plan) as delivery:
            tally = delivery.finish()
            said = delivery.errors()
        print(f"{scenario}: {tally}")
        report.append(tally.as_result(scenario))
        assert [str(violation) for violation in tally.violations] == []
        assert tally.is_drained, f"{tally}\n{said}"
        assert not tally.errors, said
        return tally

    return play


@pytest.fixture(scope="package")
def cloud_tasks() -> Iterator[RunningCloudTasks]:
    with running_cloud_tasks() as server:
        yield server
