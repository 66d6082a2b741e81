"""The control face: a small HTTP API beside the gRPC one, for keys, health, figures and faults."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from json import JSONDecodeError

from aiohttp import web
from pydantic import ValidationError

from infra.local.cloud_scheduler.engine import Engine
from infra.local.cloud_scheduler.faults import FAULTS
from infra.local.identity import LocalSigner

_LONGEST_ADVANCE_SECONDS = 366 * 24 * 3600


class Control:
    """Answers the control requests of one scheduler."""

    def __init__(self, engine: Engine, signer: LocalSigner) -> None:
        self._engine = engine
        self._signer = signer

    def app(self) -> web.Application:
        """Return the application with all its routes."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/certs", self._certs),
                web.get("/healthz", self._healthz),
                web.get("/stats", self._stats),
                web.get("/faults", self._get_faults),
                web.put("/faults", self._put_faults),
                web.delete("/faults", self._delete_faults),
                web.post("/clock", self._advance_clock),
            ]
        )
        return app

    async def _certs(self, _: web.Request) -> web.Response:
        return web.json_response(self._signer.certs())

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(self._engine.registry.stats())

    async def _get_faults(self, _: web.Request) -> web.Response:
        return self._faults()

    async def _put_faults(self, request: web.Request) -> web.Response:
        """Turn on exactly the faults of a JSON list; see `Fault` for their fields."""
        try:
            faults = FAULTS.validate_json(await request.read())
        except ValidationError as error:
            return _bad_request(str(error))
        self._engine.faults.replace(faults)
        return self._faults()

    async def _delete_faults(self, _: web.Request) -> web.Response:
        self._engine.faults.replace([])
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _advance_clock(self, request: web.Request) -> web.Response:
        """Move the scheduler's clock ahead, so that a test need not wait for a minute to pass."""
        try:
            body = await request.json()
        except JSONDecodeError:
            return _bad_request("The body is not JSON.")
        seconds = body.get("advance_seconds") if isinstance(body, Mapping) else None
        if not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST_ADVANCE_SECONDS:
            return _bad_request("Give advance_seconds, a number from 0 to a year's seconds.")
        self._engine.clock.advance(timedelta(seconds=seconds))
        self._engine.wake()
        return web.json_response({"now": self._engine.clock.now().isoformat()})

    def _faults(self) -> web.Response:
        return web.json_response({"faults": self._engine.faults.report()})


def _bad_request(reason: str) -> web.Response:
    return web.json_response({"error": reason}, status=HTTPStatus.BAD_REQUEST)
