"""Stores with an HTTP API, as tests write to them and connectors read from them."""

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import boto3
import requests
from botocore.config import Config

from tests.connectors.cloud_storage.drop import stream_config
from tests.connectors.cloud_storage.processes import free_port, running

_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}
_NO_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
}


class BucketServer(Protocol):
    """A bucket of its own for each test."""

    def put(self, key: str, content: bytes) -> None: ...

    def delete(self, key: str) -> None: ...

    def config(self, folder: str = "", **stream: Any) -> dict[str, Any]:
        """Return the configuration of a connector with one stream of the bucket's files."""
        ...


@dataclass(frozen=True, slots=True)
class S3Server:
    """A server that checks signatures, with a user who may do anything and one who may not."""

    endpoint: str
    keys: tuple[str, str]
    keys_of_nobody: tuple[str, str]

    def bucket(self) -> "S3Bucket":
        name = f"test-{uuid4().hex}"
        self.client().create_bucket(Bucket=name)
        return S3Bucket(self, name)

    def client(self, service: str = "s3") -> Any:
        return _client(service, self.endpoint, self.keys)


@dataclass(frozen=True, slots=True)
class S3Bucket:
    server: S3Server
    name: str

    def put(self, key: str, content: bytes) -> None:
        self.server.client().put_object(Bucket=self.name, Key=key, Body=content)

    def delete(self, key: str) -> None:
        self.server.client().delete_object(Bucket=self.name, Key=key)

    def config(self, folder: str = "", **stream: Any) -> dict[str, Any]:
        return {
            "url": f"s3://{self.name}/{folder}",
            "endpoint_url": self.server.endpoint,
            "credentials": credentials(self.server.keys),
            "streams": [stream_config(**stream)],
        }


def credentials(keys: tuple[str, str]) -> dict[str, str]:
    return {"type": "aws_keys", "access_key_id": keys[0], "secret_access_key": keys[1]}


@contextmanager
def run_s3(folder: Path) -> Generator[S3Server]:
    """Run moto's server; from the first bucket on it checks every signature."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port, folder / "log"):
        iam = _client("iam", endpoint, ("setup", "setup"))
        keys = _new_user(iam, "reader", _POLICY)
        keys_of_nobody = _new_user(iam, "nobody", _NO_POLICY)
        requests.post(f"{endpoint}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
        yield S3Server(endpoint, keys, keys_of_nobody)


def _new_user(iam: Any, name: str, policy: dict[str, Any]) -> tuple[str, str]:
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def _client(service: str, endpoint: str, keys: tuple[str, str]) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )
