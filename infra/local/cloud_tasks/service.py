"""The gRPC methods: read the clock, ask the state, wake the dispatcher, answer."""

import grpc
from google.protobuf.empty_pb2 import Empty

from infra.local.cloud_tasks import messages as m
from infra.local.cloud_tasks.batches import create_batch, delete_batch
from infra.local.cloud_tasks.cloud import AS_ASKED, CloudState, Placing
from infra.local.cloud_tasks.dispatcher import Dispatcher
from infra.local.cloud_tasks.faults import FaultKind, FaultPlan
from infra.local.cloud_tasks.pages import queue_page, task_page
from infra.local.emulator.errors import ApiError
from infra.local.emulator.methods import Method, generic_handler
from infra.local.emulator.names import check_location
from shared.clock import utc_now


class TasksService:
    """Serves google.cloud.tasks.v2.CloudTasks and the operations of its batches."""

    def __init__(self, cloud: CloudState, dispatcher: Dispatcher, faults: FaultPlan) -> None:
        self._cloud = cloud
        self._dispatcher = dispatcher
        self._faults = faults

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Return what a grpc.aio server needs."""
        methods: dict[str, Method] = {
            "CreateTask": (m.CreateTaskRequest, self._create_task),
            "BatchCreateTasks": (m.BatchCreateTasksRequest, self._batch_create),
            "BatchDeleteTasks": (m.BatchDeleteTasksRequest, self._batch_delete),
            "GetTask": (m.GetTaskRequest, self._get_task),
            "ListTasks": (m.ListTasksRequest, self._list_tasks),
            "DeleteTask": (m.DeleteTaskRequest, self._delete_task),
            "RunTask": (m.RunTaskRequest, self._run_task),
            "GetQueue": (m.GetQueueRequest, self._get_queue),
            "ListQueues": (m.ListQueuesRequest, self._list_queues),
            "CreateQueue": (m.CreateQueueRequest, self._create_queue),
            "UpdateQueue": (m.UpdateQueueRequest, self._update_queue),
            "DeleteQueue": (m.DeleteQueueRequest, self._delete_queue),
            "PurgeQueue": (m.PurgeQueueRequest, self._purge_queue),
            "PauseQueue": (m.PauseQueueRequest, self._pause_queue),
            "ResumeQueue": (m.ResumeQueueRequest, self._resume_queue),
        }
        operations: dict[str, Method] = {
            "GetOperation": (m.GetOperationRequest, self._get_operation)
        }
        return (
            generic_handler("google.cloud.tasks.v2.CloudTasks", methods),
            generic_handler("google.longrunning.Operations", operations),
        )

    def _create_task(self, request: m.Message) -> m.TaskMessage:
        self._fail_before(request.parent)
        created = self._store(request.parent, request)
        self._fail_after(request.parent)
        return created

    def _batch_create(self, request: m.Message) -> m.OperationMessage:
        self._fail_before(request.parent)
        operation = create_batch(self._cloud, request, utc_now(), self._store)
        self._fail_after(request.parent)
        return operation

    def _fail_before(self, queue: str) -> None:
        if self._faults.hits(FaultKind.UNAVAILABLE, queue):
            raise ApiError(grpc.StatusCode.UNAVAILABLE, "The service is unavailable (a fault).")

    def _fail_after(self, queue: str) -> None:
        if self._faults.hits(FaultKind.LOSE_REPLY, queue):
            raise ApiError(grpc.StatusCode.UNAVAILABLE, "The reply was lost (a fault).")

    def _store(self, parent: str, request: m.Message) -> m.TaskMessage:
        placing = self._placing(parent)
        queue, task = self._cloud.create_task(parent, request.task, utc_now(), placing)
        reply = m.view_of(task.message, request.response_view)
        self._dispatcher.poke(queue)
        return reply

    def _placing(self, queue: str) -> Placing:
        is_lost = self._faults.hits(FaultKind.DROP, queue)
        hold = self._faults.hold(queue)
        return Placing(hold, is_lost) if is_lost or hold else AS_ASKED

    def _batch_delete(self, request: m.Message) -> m.OperationMessage:
        return delete_batch(self._cloud, request, utc_now())

    def _get_operation(self, request: m.Message) -> m.OperationMessage:
        return self._cloud.operation(request.name)

    def _get_task(self, request: m.Message) -> m.TaskMessage:
        _, task = self._cloud.find_task(request.name, utc_now())
        return m.view_of(task.message, request.response_view)

    def _list_tasks(self, request: m.Message) -> m.Message:
        return task_page(self._cloud.queue(request.parent), request)

    def _delete_task(self, request: m.Message) -> m.Message:
        self._cloud.delete_task(request.name, utc_now())
        return Empty()

    def _run_task(self, request: m.Message) -> m.TaskMessage:
        now = utc_now()
        queue, found = self._cloud.find_task(request.name, now)
        task, attempt = queue.force(found.task_id, now)
        if attempt is not None:
            self._dispatcher.begin(queue, attempt)
        return m.view_of(task.message, request.response_view)

    def _get_queue(self, request: m.Message) -> m.QueueMessage:
        return self._cloud.queue(request.name).config

    def _list_queues(self, request: m.Message) -> m.Message:
        check_location(request.parent)
        return queue_page(self._cloud.queues(), request)

    def _create_queue(self, request: m.Message) -> m.QueueMessage:
        return self._cloud.create_queue(request.parent, request.queue, utc_now()).config

    def _update_queue(self, request: m.Message) -> m.QueueMessage:
        queue = self._cloud.update_queue(request.queue, request.update_mask, utc_now())
        self._dispatcher.poke(queue)
        return queue.config

    def _delete_queue(self, request: m.Message) -> m.Message:
        self._dispatcher.poke(self._cloud.delete_queue(request.name, utc_now()))
        return Empty()

    def _purge_queue(self, request: m.Message) -> m.QueueMessage:
        queue = self._cloud.queue(request.name)
        queue.purge(utc_now())
        return queue.config

    def _pause_queue(self, request: m.Message) -> m.QueueMessage:
        queue = self._cloud.queue(request.name)
        queue.pause()
        self._dispatcher.poke(queue)
        return queue.config

    def _resume_queue(self, request: m.Message) -> m.QueueMessage:
        queue = self._cloud.queue(request.name)
        queue.resume()
        self._dispatcher.poke(queue)
        return queue.config
