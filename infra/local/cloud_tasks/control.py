"""What the control has for Cloud Tasks alone: figures, and the loss of everything."""

import asyncio
from dataclasses import asdict
from http import HTTPStatus

from aiohttp import web

from infra.local.cloud_tasks.cloud import CloudState
from infra.local.cloud_tasks.dispatcher import Dispatcher
from shared.clock import utc_now


class Control:
    """Answers GET /stats and POST /restart-empty."""

    def __init__(self, cloud: CloudState, dispatcher: Dispatcher) -> None:
        self._cloud = cloud
        self._dispatcher = dispatcher

    def routes(self) -> list[web.RouteDef]:
        """Return what this service has beside the common control."""
        return [
            web.get("/stats", self._stats),
            web.post("/restart-empty", self._restart_empty),
        ]

    async def _stats(self, _: web.Request) -> web.Response:
        queues = {
            queue.name: {
                "tasks": len(queue),
                "in_flight": queue.in_flight,
                **asdict(queue.counts),
            }
            for queue in self._cloud.queues()
        }
        return web.json_response({"queues": queues})

    async def _restart_empty(self, _: web.Request) -> web.Response:
        """Lose all state, as a service that starts anew; the fault switches stay as they are."""
        ending = self._dispatcher.abandon()
        self._cloud.restart_empty(utc_now())
        await asyncio.gather(*ending, return_exceptions=True)
        return web.Response(status=HTTPStatus.NO_CONTENT)
