"""How fast the local Cloud Tasks is: `python -m tests.benchmarks.cloud_tasks`.

Three processes at work: this client, the emulator, and a target that answers 204 to everything.
A bare gRPC server that only answers shows what part of the figures is the emulator's.
"""

import argparse
import asyncio
import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.cloud.tasks_v2 import (
    CloudTasksAsyncClient,
    CloudTasksClient,
    CreateTaskRequest,
    HttpRequest,
    Task,
)
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport

from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks

LOCATION = "projects/bench/locations/local"
SERVICE = "google.cloud.tasks.v2.CloudTasks"
IDLE = f"{LOCATION}/queues/idle"
DELIVERED = [f"{LOCATION}/queues/delivered-{number}" for number in range(4)]
THREADS = 8
WARM_UP = 500
CALLS_AT_ONCE = 16
POLL_SECONDS = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=4_000, help="in each measurement")
    parser.add_argument("--serve", choices=SERVERS, help="be that server, on a free port")
    arguments = parser.parse_args()
    if arguments.serve is not None:
        asyncio.run(SERVERS[arguments.serve]())
        return
    count = arguments.tasks
    with (
        server_process("target") as target,
        server_process("bare") as bare,
        running_cloud_tasks(IDLE, *DELIVERED) as cloud_tasks,
        cloud_tasks.client() as client,
    ):
        url = f"http://{target}/"
        for queue in (IDLE, *DELIVERED):
            client.pause_queue(name=queue)
        create_in_threads(client, url, WARM_UP, key="w")
        emulator = asyncio.run(create_async(cloud_tasks.address, url, count))
        report("creates", "async client", emulator)
        report("creates", "the same, bare server", asyncio.run(create_async(bare, url, count)))
        report("creates", "client with 8 threads", create_in_threads(client, url, count, key="t"))
        report("deliveries", "4 queues of 500 /s", deliver(cloud_tasks, client, url, count))


def report(what: str, how: str, per_second: float) -> None:
    print(f"{what:<10} {how:<22} {per_second:8,.0f} /s")


def request_for(queue: str, url: str, key: str) -> CreateTaskRequest:
    name = f"{queue}/tasks/{hashlib.sha256(key.encode()).hexdigest()}"
    return CreateTaskRequest(
        parent=queue,
        task=Task(
            name=name,
            http_request=HttpRequest(
                url=url,
                headers={"Content-Type": "application/json"},
                body=b'{"run_id": "0b9d3a51-3d7c-4e0f-8c52-0b1f6f8f3c11"}',
                oidc_token={"service_account_email": "tasks@bench.iam.gserviceaccount.com"},
            ),
        ),
    )


def create_in_threads(client: CloudTasksClient, url: str, count: int, *, key: str) -> float:
    def create(number: int) -> None:
        client.create_task(request_for(IDLE, url, f"{key}{number}"))

    with ThreadPoolExecutor(THREADS) as pool:
        return rate(count, lambda: list(pool.map(create, range(count))))


async def create_async(address: str, url: str, count: int) -> float:
    numbers = iter(range(count))
    async with grpc.aio.insecure_channel(address) as channel:
        client = CloudTasksAsyncClient(transport=CloudTasksGrpcAsyncIOTransport(channel=channel))

        async def create_some() -> None:
            for number in numbers:
                await client.create_task(request_for(IDLE, url, f"a{number}"))

        start = time.perf_counter()
        await asyncio.gather(*(create_some() for _ in range(CALLS_AT_ONCE)))
        return count / (time.perf_counter() - start)


def deliver(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, url: str, count: int
) -> float:
    for number in range(count):
        client.create_task(request_for(DELIVERED[number % len(DELIVERED)], url, f"d{number}"))

    def deliver_all() -> None:
        for queue in DELIVERED:
            client.resume_queue(name=queue)
        while sum(cloud_tasks.stats(queue)["succeeded"] for queue in DELIVERED) < count:
            time.sleep(POLL_SECONDS)

    return rate(count, deliver_all)


def rate(count: int, work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


@contextmanager
def server_process(kind: str) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.benchmarks.cloud_tasks", "--serve", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            port = child.stdout.readline().strip() if child.stdout is not None else ""
            yield f"127.0.0.1:{port}"
        finally:
            child.terminate()


class Target(asyncio.Protocol):
    """Answers 204 to each request; a request ends with its body of Content-Length bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            _, _, rest = head.partition(b"\r\ncontent-length:")
            size = end + 4 + int(rest.partition(b"\r\n")[0] or 0)
            if len(self.buffer) < size:
                return
            self.buffer = self.buffer[size:]
            self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def serve_target() -> None:
    server = await asyncio.get_running_loop().create_server(Target, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def serve_bare() -> None:
    """Answer each CreateTask with its task: what gRPC alone costs in Python."""

    async def echo(request: Any, _: object) -> Any:
        return request.task

    handler = grpc.unary_unary_rpc_method_handler(
        echo, CreateTaskRequest.pb().FromString, Task.pb().SerializeToString
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(SERVICE, {"CreateTask": handler})]
    )
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


SERVERS = {"target": serve_target, "bare": serve_bare}

if __name__ == "__main__":
    main()
