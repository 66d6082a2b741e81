"""The HTTP side for people and tests: certificates, health, figures and fault switches."""

from dataclasses import asdict

from aiohttp import web
from pydantic import ValidationError

from infra.local.cloud_tasks.cloud import CloudState
from infra.local.cloud_tasks.dispatcher import Dispatcher
from infra.local.cloud_tasks.faults import FAULTS, FaultPlan
from infra.local.identity import LocalSigner
from shared.clock import utc_now


class Control:
    """Answers GET /certs, /healthz, /stats; GET, PUT, DELETE /faults; POST /restart-empty."""

    def __init__(
        self, cloud: CloudState, dispatcher: Dispatcher, faults: FaultPlan, signer: LocalSigner
    ) -> None:
        self._cloud = cloud
        self._dispatcher = dispatcher
        self._faults = faults
        self._signer = signer

    def app(self) -> web.Application:
        """Return the web application."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/certs", self._certs),
                web.get("/healthz", self._health),
                web.get("/stats", self._stats),
                web.get("/faults", self._get_faults),
                web.put("/faults", self._put_faults),
                web.delete("/faults", self._delete_faults),
                web.post("/restart-empty", self._restart_empty),
            ]
        )
        return app

    async def _certs(self, _: web.Request) -> web.Response:
        return web.json_response(
            self._signer.certs(), headers={"Cache-Control": "public, max-age=3600"}
        )

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

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

    async def _get_faults(self, _: web.Request) -> web.Response:
        return web.json_response({"faults": self._faults.report()})

    async def _put_faults(self, request: web.Request) -> web.Response:
        """Turn on exactly the faults of a JSON list; see `Fault` for their fields."""
        try:
            faults = FAULTS.validate_json(await request.read())
        except ValidationError as error:
            return web.json_response({"error": str(error)}, status=400)
        self._faults.replace(faults)
        return web.json_response({"faults": self._faults.report()})

    async def _delete_faults(self, _: web.Request) -> web.Response:
        self._faults.replace([])
        return web.Response(status=204)

    async def _restart_empty(self, _: web.Request) -> web.Response:
        """Lose all state, as a service that starts anew; the fault switches stay as they are."""
        await self._dispatcher.abandon()
        self._cloud.restart_empty(utc_now())
        return web.Response(status=204)
