"""What the control has for Cloud Scheduler alone: figures, and a clock that moves ahead."""

from collections.abc import Mapping
from datetime import timedelta
from json import JSONDecodeError

from aiohttp import web

from infra.local.cloud_scheduler.engine import Engine
from infra.local.emulator.control import bad_request

_LONGEST_ADVANCE_SECONDS = 366 * 24 * 3600


class Control:
    """Answers GET /stats and POST /clock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[web.RouteDef]:
        """Return what this service has beside the common control."""
        return [web.get("/stats", self._stats), web.post("/clock", self._advance_clock)]

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(self._engine.registry.stats())

    async def _advance_clock(self, request: web.Request) -> web.Response:
        """Move the scheduler's clock ahead, so that a test need not wait for a minute to pass."""
        try:
            body = await request.json()
        except JSONDecodeError:
            return bad_request("The body is not JSON.")
        seconds = body.get("advance_seconds") if isinstance(body, Mapping) else None
        if not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST_ADVANCE_SECONDS:
            return bad_request("Give advance_seconds, a number from 0 to a year's seconds.")
        self._engine.clock.advance(timedelta(seconds=seconds))
        self._engine.wake()
        return web.json_response({"now": self._engine.clock.now().isoformat()})
