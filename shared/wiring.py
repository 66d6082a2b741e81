"""The composition root: settings to the things that the flows work with, once an instance."""

import threading
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from shared.config import KeySettings, Settings
from shared.domain.bigquery_address import is_bigquery, parse_address
from shared.egress.addresses import AddressPolicy
from shared.egress.guard import Guard
from shared.gcp.local_key import LocalKey
from shared.gcp.sealing import WrappingKey
from shared.late_imports import importing
from shared.logs import configure_logging
from shared.store.engine import PROMPT, create_engine_for
from shared.store.tenancy import role_of, speaking_for

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue
    from shared.identity.tokens import TokenVerifier


@dataclass(slots=True)
class _Opened:
    """What an instance has opened so far."""

    key: WrappingKey | None
    queue: "CloudTasksQueue | None" = None
    tokens: "TokenVerifier | None" = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Wiring:
    """What one function instance works with; each part is made when first wanted."""

    def __init__(self, settings: Settings, *, service: str = "syncline") -> None:
        if is_bigquery(settings.dataset_url):
            parse_address(settings.dataset_url)  # so that a mistake in it is told at the start
        self.settings = settings
        self.engine: Engine = create_engine_for(
            settings.database_url,
            pool_size=settings.pool_size,
            application_name=f"syncline-{service}",
            deadlines=PROMPT,
            role=role_of(service),
        )
        # A file is read at once, so that a mistake in it is told at the start.
        self._opened = _Opened(open_key(settings.keys) if settings.keys.file else None)

    def of_workspace(self, workspace_id: int) -> "Wiring":
        """Return the same parts, with an engine whose transactions are of one workspace."""
        scoped = copy(self)
        scoped.engine = speaking_for(self.engine, workspace_id)
        return scoped

    @property
    def key(self) -> WrappingKey | None:
        """The key of secrets, if the deployment has one; Cloud KMS is connected when it is used."""
        opened = self._opened
        with opened.lock:
            if opened.key is None:
                opened.key = open_key(self.settings.keys)
            return opened.key

    def open_queue(self) -> "CloudTasksQueue":
        """Return the queue; grpc is imported and connected at the first call."""
        opened = self._opened
        with opened.lock:
            if opened.queue is None:
                with importing():
                    from shared.gcp.task_queue import (  # noqa: PLC0415 (the api starts without grpc)
                        CloudTasksQueue,
                        tasks_client,
                    )

                opened.queue = CloudTasksQueue(
                    tasks_client(self.settings.tasks_emulator), self.settings
                )
            return opened.queue

    @property
    def tokens(self) -> "TokenVerifier":
        """What verifies the tokens of people; its library is imported at the first of them."""
        opened = self._opened
        with opened.lock:
            if opened.tokens is None:
                with importing():
                    from shared.identity.tokens import (  # noqa: PLC0415 (few requests need it)
                        TokenVerifier,
                    )

                networks = AddressPolicy(self.settings.allowed_networks)
                opened.tokens = TokenVerifier(self.settings.oidc_issuers, Guard(networks))
            return opened.tokens

    def close(self) -> None:
        """Close what was opened."""
        self.engine.dispose()
        if self._opened.queue is not None:
            self._opened.queue.close()
        if self._opened.key is not None:
            self._opened.key.close()


def open_key(keys: KeySettings) -> WrappingKey | None:
    """Return the key that a deployment has chosen; raise `ConfigurationError` if it is unusable."""
    if keys.kms:
        with importing():
            from shared.gcp.kms import KmsKey  # noqa: PLC0415 (the api starts without grpc)

        return KmsKey(keys.kms, emulator=keys.kms_emulator)
    return LocalKey(keys.file) if keys.file else None


@cache
def wire(service: str) -> Wiring:
    """Return this instance's wiring from the environment, with logging set up."""
    settings = Settings.from_env()
    configure_logging(settings.log_format, service=service, project=settings.project)
    return Wiring(settings, service=service)
