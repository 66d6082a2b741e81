"""The gRPC face: google.cloud.scheduler.v1.CloudScheduler by generic handlers."""

from collections.abc import Callable
from functools import partial
from uuid import uuid4

import grpc

from infra.local.cloud_scheduler import messages
from infra.local.cloud_scheduler.engine import Engine
from infra.local.cloud_scheduler.errors import ApiError
from infra.local.cloud_scheduler.messages import Message

_SERVICE = "google.cloud.scheduler.v1.CloudScheduler"

Call = Callable[[Message], Message]
Context = grpc.aio.ServicerContext[Message, Message]


class CloudSchedulerService:
    """Answers each call from the registry of an engine, and wakes the engine after a change."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._registry = engine.registry
        self._clock = engine.clock

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what a gRPC server is to be given."""
        calls: dict[str, tuple[Call, type[Message]]] = {
            "CreateJob": (self._create, messages.CreateJobRequest),
            "UpdateJob": (self._update, messages.UpdateJobRequest),
            "GetJob": (self._get, messages.GetJobRequest),
            "ListJobs": (self._list, messages.ListJobsRequest),
            "DeleteJob": (self._delete, messages.DeleteJobRequest),
            "PauseJob": (self._pause, messages.PauseJobRequest),
            "ResumeJob": (self._resume, messages.ResumeJobRequest),
            "RunJob": (self._run, messages.RunJobRequest),
        }
        methods = {
            name: grpc.unary_unary_rpc_method_handler(
                partial(_answer, call),
                request_deserializer=request.FromString,
                response_serializer=_serialized,
            )
            for name, (call, request) in calls.items()
        }
        return grpc.method_handlers_generic_handler(_SERVICE, methods)

    def _create(self, request: Message) -> Message:
        job = self._registry.create(request.parent, request.job, uuid4().hex, self._clock.now())
        self._engine.wake()
        return job

    def _update(self, request: Message) -> Message:
        job = self._registry.update(request.job, request.update_mask, self._clock.now())
        self._engine.wake()
        return job

    def _get(self, request: Message) -> Message:
        return self._registry.get(request.name)

    def _list(self, request: Message) -> Message:
        jobs, token = self._registry.page(request.parent, request.page_size, request.page_token)
        return messages.ListJobsResponse(jobs=jobs, next_page_token=token)

    def _delete(self, request: Message) -> Message:
        self._registry.delete(request.name)
        return messages.Empty()

    def _pause(self, request: Message) -> Message:
        return self._registry.pause(request.name)

    def _resume(self, request: Message) -> Message:
        job = self._registry.resume(request.name, self._clock.now())
        self._engine.wake()
        return job

    def _run(self, request: Message) -> Message:
        job, deliveries = self._registry.force(request.name, self._clock.now())
        self._engine.start(deliveries)
        return job


async def _answer(call: Call, request: Message, context: Context) -> Message:
    try:
        return call(request)
    except ApiError as error:
        await context.abort(error.status, error.message)


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
