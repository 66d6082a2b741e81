"""The HTTP side for people and tests: certificates, health and fault switches."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Generic

from aiohttp import web
from pydantic import ValidationError

from infra.local.emulator.faults import FaultT, Switches
from infra.local.identity import LocalSigner


def control_app(
    signer: LocalSigner, switches: Switches[FaultT], own_routes: Iterable[web.RouteDef]
) -> web.Application:
    """Return an application that answers GET /certs, GET /healthz; GET, PUT, DELETE /faults.

    `own_routes` are what one service has beside these.
    """
    common = _Common(signer, switches)
    app = web.Application()
    app.add_routes(
        [
            web.get("/certs", common.certs),
            web.get("/healthz", common.health),
            web.get("/faults", common.get_faults),
            web.put("/faults", common.put_faults),
            web.delete("/faults", common.delete_faults),
            *own_routes,
        ]
    )
    return app


def bad_request(reason: str) -> web.Response:
    """Return the answer to a request that makes no sense."""
    return web.json_response({"error": reason}, status=HTTPStatus.BAD_REQUEST)


class _Common(Generic[FaultT]):
    def __init__(self, signer: LocalSigner, switches: Switches[FaultT]) -> None:
        self._signer = signer
        self._switches = switches

    async def certs(self, _: web.Request) -> web.Response:
        return web.json_response(
            self._signer.certs(), headers={"Cache-Control": "public, max-age=3600"}
        )

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def get_faults(self, _: web.Request) -> web.Response:
        return web.json_response({"faults": self._switches.report()})

    async def put_faults(self, request: web.Request) -> web.Response:
        """Turn on exactly the faults of a JSON list; see `Fault` for their fields."""
        try:
            self._switches.replace_by_json(await request.read())
        except ValidationError as error:
            return bad_request(str(error))
        return await self.get_faults(request)

    async def delete_faults(self, _: web.Request) -> web.Response:
        self._switches.replace([])
        return web.Response(status=HTTPStatus.NO_CONTENT)
