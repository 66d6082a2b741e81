"""The gRPC face: google.cloud.scheduler.v1.CloudScheduler by generic handlers."""

from uuid import uuid4

import grpc

from infra.local.cloud_scheduler import messages
from infra.local.cloud_scheduler.engine import Engine
from infra.local.emulator.messages import Message
from infra.local.emulator.methods import Method, generic_handler

_SERVICE = "google.cloud.scheduler.v1.CloudScheduler"


class CloudSchedulerService:
    """Answers each call from the registry of an engine, and wakes the engine after a change."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._registry = engine.registry
        self._clock = engine.clock

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what a gRPC server is to be given."""
        methods: dict[str, Method] = {
            "CreateJob": (messages.CreateJobRequest, self._create),
            "UpdateJob": (messages.UpdateJobRequest, self._update),
            "GetJob": (messages.GetJobRequest, self._get),
            "ListJobs": (messages.ListJobsRequest, self._list),
            "DeleteJob": (messages.DeleteJobRequest, self._delete),
            "PauseJob": (messages.PauseJobRequest, self._pause),
            "ResumeJob": (messages.ResumeJobRequest, self._resume),
            "RunJob": (messages.RunJobRequest, self._run),
        }
        return generic_handler(_SERVICE, methods)

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
