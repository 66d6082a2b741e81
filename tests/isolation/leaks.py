"""Where secrets could be found: logs, answers, tasks, and every column of every table."""

import base64
import logging
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from google.cloud import tasks_v2
from sqlalchemy import Engine, text

from infra.local.cloud_tasks.running import RunningCloudTasks
from shared.config import Settings
from shared.logs import JsonFormatter, TextFormatter, configure_logging

_TABLES = text(
    "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables"
    " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'"
)
_PROVIDER = "authlib.oauth2"
_NARROW = 4
"""Letters of base64 for three bytes, and so how far a byte before it changes those of a secret."""


def forms_of(secret: str) -> set[str]:
    """Return a secret as it may be written: plain, in a URL, in hex, and inside of base64."""
    raw = secret.encode()
    inside = {
        base64.b64encode(b"x" * shift + raw).decode()[_NARROW : -2 * _NARROW] for shift in range(3)
    }
    return {secret, quote(secret, safe=""), raw.hex(), *inside}


def found_in(texts: Iterable[str], secrets: Iterable[str]) -> list[str]:
    """Return the places, shortened, where a secret stands in any of its forms."""
    forms = {form for secret in secrets for form in forms_of(secret)}
    return [
        f"…{one[max(0, one.index(form) - 200) : one.index(form) + 40]}…"
        for one in texts
        for form in forms
        if form in one
    ]


class Heard(logging.Handler):
    """Everything that any logger said, as our formatters write it and as it came."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self._formatters = (JsonFormatter("test", "test"), TextFormatter("test"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, unless it is of the provider that the tests themselves run."""
        if record.name.startswith(_PROVIDER):
            return
        written = [formatter.format(record) for formatter in self._formatters]
        self.lines.append("\n".join((*written, str(vars(record)))))


@contextmanager
def all_loggers() -> Generator[Heard]:
    """Hear every logger from DEBUG on, but for what the product itself keeps libraries from."""
    heard, root = Heard(), logging.getLogger()
    known = [one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    before = [(one, one.level, one.disabled, one.propagate) for one in (root, *known)]
    handlers = root.handlers[:]
    for one in known:
        one.setLevel(logging.NOTSET)
        one.disabled, one.propagate = False, True
    configure_logging("json", service="test", project="test")
    root.setLevel(logging.DEBUG)
    root.handlers[:] = [heard]
    try:
        yield heard
    finally:
        root.handlers[:] = handlers
        for one, level, is_disabled, propagates in before:
            one.setLevel(level)
            one.disabled, one.propagate = is_disabled, propagates


@dataclass(slots=True)
class Sinks:
    """What a test collects, and where it looks at its end."""

    engine: Engine
    cloud_tasks: RunningCloudTasks
    settings: Settings
    heard: Heard
    answers: list[str] = field(default_factory=list[str])

    def leaks_of(self, secrets: Iterable[str]) -> dict[str, list[str]]:
        """Return where a secret was found, by the kind of the place."""
        known, heard = list(secrets), tuple(self.heard.lines)
        places = {
            "logs": heard,
            "answers": self.answers,
            "tasks": self._tasks(),
            "columns": self._rows(),
        }
        found = {name: found_in(texts, known) for name, texts in places.items()}
        return {name: leaks for name, leaks in found.items() if leaks}

    def _tasks(self) -> list[str]:
        settings, full = self.settings, tasks_v2.Task.View.FULL
        tasks: list[str] = []
        with self.cloud_tasks.client() as client:
            for queue in (settings.scheduled_queue, settings.interactive_queue):
                name = client.queue_path(settings.project, settings.location, queue)
                request = tasks_v2.ListTasksRequest(parent=name, response_view=full)
                tasks += [
                    f"{task} {task.http_request.body!r}" for task in client.list_tasks(request)
                ]
        return tasks

    def _rows(self) -> list[str]:
        # A row as text has its bytes in hex.
        with self.engine.connect() as connection:
            tables = connection.execute(_TABLES).scalars().all()
            queries = (text(f"SELECT CAST(t AS text) FROM {table} AS t") for table in tables)
            rows = [row for query in queries for row in connection.execute(query).scalars()]
            roles = text("SELECT CAST(r AS text) FROM pg_authid AS r")
            return [*rows, *connection.execute(roles).scalars()]
