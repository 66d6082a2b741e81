"""gRPC methods by generic handlers: a function that takes a request and returns an answer."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc

from infra.local.emulator.errors import ApiError
from infra.local.emulator.messages import Message

Method = tuple[type[Message], Callable[[Any], Message]]
"""The class of the request, and what answers one or refuses it with `ApiError`."""


def generic_handler(service: str, methods: Mapping[str, Method]) -> grpc.GenericRpcHandler:
    """Return what a grpc.aio server needs to serve the methods of a service, by their names.

    Every other method of the service is UNIMPLEMENTED.
    """
    return grpc.method_handlers_generic_handler(
        service,
        {
            name: grpc.unary_unary_rpc_method_handler(
                _answering(answer),
                request_deserializer=request.FromString,
                response_serializer=_serialized,
            )
            for name, (request, answer) in methods.items()
        },
    )


def _answering(answer: Callable[[Any], Message]) -> Callable[..., Any]:
    async def call(
        request: Message, context: grpc.aio.ServicerContext[Message, Message]
    ) -> Message:
        try:
            return answer(request)
        except ApiError as error:
            await context.abort(error.status, error.message)

    return call


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
