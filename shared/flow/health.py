"""How a workspace is, and the figures of the deployment for who operates it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from shared.clock import monotonic
from shared.domain.access import Principal
from shared.store.engine import read_only, single_statements
from shared.store.health import Reading, deployment_readings, list_unhealthy, workspace_health
from shared.store.rows import Row
from shared.store.ticks import as_of

_MOST_NAMED = 20
_KEPT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class WorkspaceHealth:
    """What is late, stuck and unhealthy in a workspace."""

    as_of: datetime
    figures: Row
    unhealthy: Sequence[Row]
    """Some of the connectors that are unhealthy."""


def health_of(
    engine: Engine, principal: Principal, *, now: datetime | None = None
) -> WorkspaceHealth:
    """Look at the caller's workspace, in a few statements of one snapshot."""
    with read_only(engine) as connection:
        at = as_of(connection, now)
        figures = workspace_health(connection, principal.workspace_id, now=at)
        unhealthy = list_unhealthy(connection, principal.workspace_id, limit=_MOST_NAMED)
    return WorkspaceHealth(at, figures, unhealthy)


class DeploymentFigures:
    """The figures of the deployment; scrapes that come together share one look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readings: Sequence[Reading] = ()
        self._read_at: float | None = None

    def read(self, engine: Engine) -> Sequence[Reading]:
        """Return figures that are at most a few seconds old."""
        with self._lock:
            is_fresh = self._read_at is not None and monotonic() - self._read_at < _KEPT_SECONDS
            if not is_fresh:
                with single_statements(engine) as connection:
                    self._readings = deployment_readings(connection)
                self._read_at = monotonic()
            return self._readings
