"""A local BigQuery for the length of a `with` block, in threads of this process."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from werkzeug.serving import WSGIRequestHandler, make_server

from infra.local.bigquery.faults import Faults
from infra.local.bigquery.jobs import Jobs
from infra.local.bigquery.server import PROJECT, make_app
from infra.local.bigquery.store import Store
from infra.local.ports import HOST

LOCATION = "europe-north1"
_LOOK_SECONDS = 0.02
"""How often the server looks whether it is to end."""


@dataclass(frozen=True, slots=True)
class RunningBigQuery:
    """Where a running BigQuery is, its switches, and what is behind it."""

    endpoint: str
    faults: Faults
    jobs: Jobs
    store: Store

    @property
    def dataset_url(self) -> str:
        """Return what SYNCLINE_DATASET_URL is for it."""
        return f"bigquery://{PROJECT}/{LOCATION}?endpoint={self.endpoint}"


class _Quiet(WSGIRequestHandler):
    """A handler that says nothing of requests."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def running_bigquery(postgres_url: str) -> Generator[RunningBigQuery]:
    """Serve BigQuery's API with the rows in a database of PostgreSQL, and end it afterwards."""
    store, faults = Store(postgres_url), Faults()
    jobs = Jobs(store, faults, PROJECT)
    server = make_server(
        HOST, 0, make_app(store, jobs, faults), threaded=True, request_handler=_Quiet
    )
    thread = threading.Thread(target=server.serve_forever, args=(_LOOK_SECONDS,), daemon=True)
    thread.start()
    try:
        yield RunningBigQuery(f"http://{HOST}:{server.server_port}", faults, jobs, store)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        store.close()
