import asyncio

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from infra.local.emulator.errors import invalid
from infra.local.emulator.methods import generic_handler


def echo(request: StringValue) -> StringValue:
    if not request.value:
        raise invalid("Say something.")
    return StringValue(value=request.value)


def called(method: str, text: str) -> str:
    """Serve the echo, call a method with a text and return the answer."""

    async def call() -> str:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers(
            (generic_handler("a.Service", {"Echo": (StringValue, echo)}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                remote = channel.unary_unary(
                    f"/a.Service/{method}",
                    request_serializer=StringValue.SerializeToString,
                    response_deserializer=StringValue.FromString,
                )
                answer = await remote(StringValue(value=text), timeout=20)
                return answer.value
        finally:
            await server.stop(None)

    return asyncio.run(call())


def test_a_method_answers_its_request() -> None:
    assert called("Echo", "hello") == "hello"


def test_a_refusal_reaches_the_caller_with_status_and_sentence() -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        called("Echo", "")
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.value.details() == "Say something."


def test_a_method_that_is_not_there_is_unimplemented() -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        called("Shout", "hello")
    assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
