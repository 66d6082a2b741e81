"""Alice and a worker at their work, where all that she is told is kept to be looked through."""

from typing import Any
from uuid import UUID

from werkzeug.test import TestResponse

from shared.domain.task import TaskCall
from shared.flow.attempt import Workshop, attempt_run
from shared.wiring import Wiring
from tests.isolation.cases import CASES
from tests.isolation.leaks import Sinks
from tests.isolation.world import World


class Clerk:
    """Does what a person does with a connector; answers go to the sinks."""

    def __init__(self, world: World, worker: Wiring, sinks: Sinks) -> None:
        self._world, self._worker, self._sinks = world, worker, sinks

    def sends(self, method: str, path: str, body: object = None, **headers: str) -> dict[str, Any]:
        """Send a request of which the answer may hold no secret."""
        answer = self._call(method, path, body, **headers)
        self._sinks.answers.append(f"{answer.status_code} {answer.headers} {answer.text}")
        return answer.json or {}

    def is_shown(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Send a request of which the answer shows a secret once."""
        answer = self._call(method, path, body, **headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.json

    def syncs(self, connector: str) -> None:
        """Look at the source in every way, and let a worker try a run."""
        self.sends("GET", f"connectors/{connector}")
        self.sends("POST", f"connectors/{connector}/check")
        self.sends("GET", f"connectors/{connector}/streams")
        shown = self.run_of(connector)
        if shown is not None:
            assert shown["status"] != "success"
            assert shown["error"], "the source did not refuse"

    def run_of(self, connector: str) -> dict[str, Any] | None:
        """Let a worker try a run by hand; return it, or None if nobody authorized it."""
        body = {"connector_id": connector, "name": "by hand", "frequency": "manual"}
        self.sends("POST", "sync-schedules", body)
        [schedule] = [
            one["id"]
            for one in self.sends("GET", "sync-schedules?limit=200")["items"]
            if one["connector_id"] == connector
        ]
        run = self.sends("POST", f"sync-schedules/{schedule}/trigger").get("id")
        if run is None:
            return None
        wiring = self._worker
        workshop = Workshop.of(wiring.engine, wiring.open_queue(), wiring.key, wiring.settings)
        attempt_run(workshop, TaskCall(UUID(run)))
        shown = self.sends("GET", f"runs/{run}")
        self.sends("POST", f"runs/{run}/cancel", {})
        return shown

    def cancel_runs(self, connector: str) -> None:
        """Cancel what waits of a connector."""
        waiting = self.sends("GET", f"runs?connector_id={connector}&status=scheduled")
        for run in waiting["items"]:
            self.sends("POST", f"runs/{run['id']}/cancel", {})

    def reads_everything(self) -> None:
        """Read whatever can be read of the workspace as a whole."""
        for case in CASES:
            operation = self._world.operations[case.operation]
            if operation.method == "GET" and self._world.about(case) is None:
                self._sinks.answers.append(self._world.alice.tries(operation, case, {}).text)
        metrics = self._world.alice.app.test_client().get(
            "/metrics", headers={"Authorization": f"Bearer {self._sinks.settings.metrics_token}"}
        )
        assert metrics.status_code == 200
        self._sinks.answers.append(metrics.text)

    def _call(self, method: str, path: str, body: object, **headers: str) -> TestResponse:
        answer = self._world.alice.call(method, f"/api/v2/{path}", body, **headers)
        assert answer.status_code < 500, answer.text
        return answer
