"""Connectors with a canary in every secret field, and how a new such field is found.

The schemas of the connector types say which fields are secret. One that no connector here fills
fails the suite.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pydantic import BaseModel, SecretStr

from shared.connectors.registry import connector_type, slugs
from shared.connectors.secrets import split_secrets
from tests.connectors.certificates import Authority, certificate_of, key_of
from tests.connectors.cloud_storage.drop import stream_config

Place = tuple[str, str, str]
"""A connector type, a part of its config, and a field of that."""


@dataclass(frozen=True, slots=True)
class Plant:
    """A connector; its config holds secrets that are nowhere else."""

    type: str
    config: Mapping[str, Any]

    @property
    def secrets(self) -> set[str]:
        """Return what has to be found nowhere: of what has lines, its longest."""
        _, secrets = split_secrets(self._model())
        return {max(one.replace("\\n", "\n").splitlines(), key=len) for one in secrets.values()}

    def places(self) -> set[Place]:
        """Return the secret fields that it fills."""
        return set(_filled(self.type, self._model()))

    def _model(self) -> BaseModel:
        return connector_type(self.type).config_model.model_validate(self.config)


def secret_places() -> set[Place]:
    """Return the secret fields of all connector types, as their schemas show them."""
    found: set[Place] = set()
    for slug in slugs():
        schema = connector_type(slug).config_model.model_json_schema()
        parts = {**schema.get("$defs", {}), schema["title"]: schema}
        found |= {
            (slug, part, name)
            for part, shape in parts.items()
            for name, field in shape.get("properties", {}).items()
            if _is_secret(field)
        }
    return found


def plants(kind: str, *, http: str, database: str, dataset: str) -> Plant:
    """Return a connector of a kind, at these addresses, with new secrets.

    `dataset` is the id of a connector that a reporting one refers to.
    """
    return _KINDS[kind](_Ground(http, database, dataset))


@dataclass(frozen=True, slots=True)
class _Ground:
    http: str
    database: str
    dataset: str

    def api(self, **auth: Any) -> Plant:
        stream = {"name": "order", "path": "/orders", "primary_key": ["id"]}
        return Plant("api", {"base_url": self.http, "streams": [stream], "auth": auth})

    def report(self, **auth: Any) -> Plant:
        columns = [{"column": "id"}]
        period = {"unit": "quarter", "column": "day"}
        dataset = {"connector_id": self.dataset, "table": "t", "columns": columns, "period": period}
        endpoint = {"url": f"{self.http}/figures"}
        return Plant("bufdir", {"endpoint": endpoint, "dataset": dataset, "auth": auth})

    def files(self, url: str, **settings: Any) -> Plant:
        streams = [stream_config()]
        config = {"url": url, "endpoint_url": self.http, "streams": streams, **settings}
        return Plant("cloud_storage", config)

    def basic(self) -> dict[str, Any]:
        return {"type": "basic", "username": "reader", "password": canary()}

    def bearer(self) -> dict[str, Any]:
        return {"type": "bearer", "token": canary()}

    def key(self, place: str) -> dict[str, Any]:
        return {"type": "api_key", "place": place, "name": "key", "key": canary()}

    def client(self, login: str) -> dict[str, Any]:
        return {
            "type": "oauth2_client_credentials",
            "token_url": f"{self.http}/token",
            "client_id": "syncline",
            "client_secret": canary(),
            "client_login": login,
        }

    def person(self) -> dict[str, Any]:
        return {
            **self.client("basic"),
            "type": "oauth2_authorization_code",
            "authorization_url": f"{self.http}/authorize",
        }

    def databases(self, **settings: Any) -> Plant:
        stream = {"table": "shop", "primary_key": ["id"]}
        return Plant("database", {"url": self.database, "streams": [stream], **settings})

    def database_with_certificate(self) -> Plant:
        authority = Authority()
        leaf = authority.of_host("127.0.0.1")
        return self.databases(
            password=canary(), tls_certificate=certificate_of(leaf), tls_key=key_of(leaf)
        )

    def aws(self) -> Plant:
        keys = {"type": "aws_keys", "access_key_id": "AKIA", "secret_access_key": canary()}
        return self.files("s3://bucket", credentials={**keys, "session_token": canary()})

    def google(self) -> Plant:
        account = {
            "type": "service_account",
            "client_email": "a@b.iam.gserviceaccount.com",
            "private_key": private_key(),
            "private_key_id": canary(),
            "token_uri": f"{self.http}/token",
        }
        credentials = {"type": "google_service_account", "key": json.dumps(account)}
        return self.files("gs://bucket", credentials=credentials)

    def azure(self, **credentials: Any) -> Plant:
        return self.files("az://exports", account="acme", credentials=credentials)

    def dynamics(self) -> Plant:
        service = {"product": "business_central", "base_url": self.http}
        login = {
            "tenant": "contoso.com",
            "client_id": "a",
            "client_secret": canary(),
            "authority": self.http,
        }
        streams = [{"entity": "customers"}]
        return Plant("dynamics", {"service": service, "login": login, "streams": streams})

    def xledger(self) -> Plant:
        streams = [{"name": "projects", "fields": ["dbId", "code"]}]
        return Plant("xledger", {"endpoint": self.http, "token": canary(), "streams": streams})


_KINDS = {
    "api basic": lambda ground: ground.api(**ground.basic()),
    "api bearer": lambda ground: ground.api(**ground.bearer()),
    "api key in a header": lambda ground: ground.api(**ground.key("header")),
    "api key in the query": lambda ground: ground.api(**ground.key("query")),
    "api client, header": lambda ground: ground.api(**ground.client("basic")),
    "api client, body": lambda ground: ground.api(**ground.client("body")),
    "api person": lambda ground: ground.api(**ground.person()),
    "report basic": lambda ground: ground.report(**ground.basic()),
    "report bearer": lambda ground: ground.report(**ground.bearer()),
    "report key": lambda ground: ground.report(**ground.key("query")),
    "report client": lambda ground: ground.report(**ground.client("body")),
    "database password": lambda ground: ground.databases(password=canary()),
    "database certificate": _Ground.database_with_certificate,
    "files of AWS": _Ground.aws,
    "files of Google": _Ground.google,
    "files of Azure by key": lambda ground: ground.azure(
        type="azure_account_key", account_key=base64.b64encode(canary().encode()).decode()
    ),
    "files of Azure by signature": lambda ground: ground.azure(
        type="azure_sas", token=f"sp=rl&sig={canary()}"
    ),
    "dynamics": _Ground.dynamics,
    "xledger": _Ground.xledger,
}
KINDS = tuple(_KINDS)


def canary() -> str:
    """Return a secret that nothing else holds."""
    return f"canary-{uuid4().hex}"


@cache
def private_key() -> str:
    """Return a key in PEM, made once: it takes a while."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _is_secret(shape: Any) -> bool:
    match shape:
        case {"format": "password"}:
            return True
        case Mapping():
            return any(_is_secret(one) for name, one in shape.items() if name != "properties")
        case list():
            return any(_is_secret(one) for one in shape)
        case _:
            return False


def _filled(slug: str, value: object) -> Iterator[Place]:
    match value:
        case BaseModel():
            shape = type(value).model_config.get("title") or type(value).__name__
            for name, one in value:
                if isinstance(one, SecretStr) and one.get_secret_value():
                    yield slug, shape, name
                yield from _filled(slug, one)
        case Mapping():
            for one in value.values():
                yield from _filled(slug, one)
        case list() | tuple():
            for one in value:
                yield from _filled(slug, one)
        case _:
            return
